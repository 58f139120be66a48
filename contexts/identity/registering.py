"""Getting an account (ID-1, ID-3).

An address that already has one gets the same answer as a new one: 201 and an id. The id then belongs to
nobody, nothing is changed, and the address's owner is told by mail, once a day at most. Both ways hash the
password, so the clock tells nothing either. As long as nobody has confirmed the address the newest registration
counts and its link is the only good one.
"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db.models import Q

from contexts.identity import consents, events, mailing, passwords, rules
from contexts.identity.models import User
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput
from kernel.models import uuid7


@dataclass(frozen=True, kw_only=True)
class Registration:
    """`user_id` is what the caller is told; only our own side may look at `is_new`."""

    user_id: UUID
    is_new: bool


def register(*, email: str, password: str, display_name: str, birth_date: date, at: datetime) -> Registration:
    """Open an account, private in everything, or let it look as if one had been opened."""
    ensure_old_enough(birth_date, on=at.date())
    person = User(
        email=email.strip().lower(),
        display_name=display_name.strip(),
        birth_date=birth_date,
        registered_at=at,
    )
    passwords.ensure_acceptable(password=password, person=person)
    person.set_password(password)  # the costly part, before the transaction opens
    is_new = _open_account(person=person, at=at)
    return Registration(user_id=person.pk if is_new else uuid7(), is_new=is_new)


def ensure_old_enough(birth_date: date, *, on: date) -> None:
    """Refuse with `InvalidInput` whoever is younger than 13, or cannot be alive."""
    if birth_date > on or birth_date.year < rules.OLDEST_BIRTH_YEAR:
        raise InvalidInput(
            "That is not the birth date of a living person.", field="birth_date", code="not_a_birth_date"
        )
    if rules.age_on(birth_date, on) < rules.MIN_AGE:
        raise InvalidInput("One has to be {age} or older.", field="birth_date", code="too_young", age=rules.MIN_AGE)


@unit_of_work("identity")
def _open_account(*, person: User, at: datetime) -> bool:
    User.objects.bulk_create([person], ignore_conflicts=True)
    if not User.objects.filter(pk=person.pk).exists():
        if not _replace_unconfirmed(person, at=at):
            note_repetition(email=person.email, at=at)
        return False
    EmailAddress.objects.create(user=person, email=person.email, primary=True, verified=False)
    consents.accept_terms(person=person, at=at)
    publish(events.UserRegistered(user_id=person.pk, occurred_at=at))
    mailing.request_link(person=person, purpose="confirm_email", at=at)
    return True


def _replace_unconfirmed(person: User, *, at: datetime) -> bool:
    pending = (
        User.objects.select_for_update(no_key=True).filter(email=person.email, confirmed_at__isnull=True).first()
    )
    if pending is None:
        return False
    pending.display_name, pending.birth_date = person.display_name, person.birth_date
    pending.password, pending.registered_at = person.password, at
    pending.save(update_fields=["display_name", "birth_date", "password", "registered_at"])
    mailing.request_link(person=pending, purpose="confirm_email", at=at)
    return True


def note_repetition(*, email: str, at: datetime) -> None:
    """Tell the owner of an address, once a day at most, that somebody else wanted it. Inside an open unit of work."""
    owner = User.objects.get(email=email)
    not_lately = Q(owner_warned_at__isnull=True) | Q(owner_warned_at__lte=at - rules.WARN_OWNER_EVERY)
    if User.objects.filter(not_lately, pk=owner.pk).update(owner_warned_at=at):
        publish(events.RegistrationRepeated(user_id=owner.pk, occurred_at=at))


def warn_owner(*, user_id: UUID) -> None:
    """Tell a person that somebody tried to register with their address."""
    owner = User.objects.filter(pk=user_id, is_active=True).first()
    if owner is None:
        return
    mailing.send_letter("already_registered", person=owner)
