"""What a person has agreed to: by purpose, by version of the text, at a time (ID-10).

A decision is a row and is never changed; the newest of a purpose counts. A yes is to the text in force; a no needs
no text. Who processes something only with consent asks `has_consent`, and hears of changes by `ConsentChanged`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from contexts.identity import events, rules
from contexts.identity.models import Consent, User
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused


class TextNotInForce(Refused):
    """This version of the text is not in force; read the one that is, and decide about that."""


class TermsNeeded(Refused):
    """An account stands on the terms: to withdraw from them, erase the account."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a person stands to a purpose; `version` and `decided_at` are of their last decision."""

    purpose: str
    given: bool
    version: str | None
    decided_at: datetime | None

    @property
    def version_in_force(self) -> str:
        """The version a yes would be to."""
        return rules.CONSENTS[self.purpose]


def standings(*, user_id: UUID) -> list[Standing]:
    """How a person stands to every purpose; one they were never asked about is not given."""
    newest = {decision.purpose: decision for decision in _newest([user_id])}
    return [_standing(purpose, newest.get(purpose)) for purpose in rules.CONSENTS]


def _standing(purpose: str, newest: Consent | None) -> Standing:
    if newest is None:
        return Standing(purpose=purpose, given=False, version=None, decided_at=None)
    return Standing(purpose=purpose, given=newest.given, version=newest.version, decided_at=newest.decided_at)


def given_purposes(*, user_ids: Iterable[UUID]) -> dict[UUID, list[str]]:
    """What each of these people agrees to at this moment."""
    given: dict[UUID, list[str]] = {user_id: [] for user_id in user_ids}
    for decision in _newest(list(given)):
        if decision.given:
            given[decision.user_id].append(decision.purpose)
    return given


def _newest(user_ids: list[UUID]) -> QuerySet[Consent]:
    decisions = Consent.objects.filter(user_id__in=user_ids, user__is_active=True)
    return decisions.order_by("user_id", "purpose", "-decided_at", "-id").distinct("user_id", "purpose")


def history(*, user_id: UUID) -> QuerySet[Consent]:
    """Every decision of a person."""
    return Consent.objects.filter(user_id=user_id)


@unit_of_work("identity", isolation="read committed")
def decide(*, purpose: str, version: str, given: bool, by: UUID, at: datetime) -> Standing:
    """Agree to a purpose or withdraw. Saying what one has said already changes nothing.

    Raises `TextNotInForce` for a yes to another text than the one in force, `TermsNeeded` for a no to the terms.
    """
    if given and version != rules.CONSENTS[purpose]:
        raise TextNotInForce(purpose=purpose, version_in_force=rules.CONSENTS[purpose])
    if not given and purpose == "terms":
        raise TermsNeeded
    # The person's row puts parallel decisions in an order, so that events tell the same story as the rows.
    person = User.objects.select_for_update(no_key=True).filter(pk=by, is_active=True).first()
    if person is None:
        raise NotFound
    newest = Consent.objects.filter(user=person, purpose=purpose).order_by("-decided_at", "-id").first()
    if newest is None or newest.given != given or (given and newest.version != version):
        moment = max(at, newest.decided_at + rules.AN_INSTANT) if newest else at  # in the order of the lock
        newest = record(person=person, purpose=purpose, version=version, given=given, at=moment)
    return _standing(purpose, newest)


def record(*, person: User, purpose: str, version: str, given: bool, at: datetime) -> Consent:
    """Write a decision down and announce it; belongs inside an open unit of work."""
    made = Consent.objects.create(user=person, purpose=purpose, version=version, given=given, decided_at=at)
    publish(
        events.ConsentChanged(user_id=person.pk, purpose=purpose, text_version=version, given=given, occurred_at=at)
    )
    return made


def accept_terms(*, person: User, at: datetime) -> None:
    """Registering is a yes to the terms in force; belongs inside an open unit of work."""
    record(person=person, purpose="terms", version=rules.CONSENTS["terms"], given=True, at=at)
