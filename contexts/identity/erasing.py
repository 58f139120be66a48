"""Erasing an account from every context (ID-10).

The person is shut out at once and everything else follows by events: each context erases what it has and says so.
What remains is that it happened: the erasure's row, and in the audit trail identifiers that lead nowhere.
"""

import logging
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.contrib.auth.hashers import check_password
from django.db.models import Q

from contexts.identity import events, lockout, mailing, rules, sessions
from contexts.identity.models import Erasure, User
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused

log = logging.getLogger(__name__)


class PasswordNeeded(Refused):
    """Erasing an account takes its password."""

    status = 403


class PasswordWrong(Refused):
    """This is not the account's password."""

    status = 403


def request_erasure(*, by: UUID, password: str | None, at: datetime) -> Erasure:
    """Erase one's account: it is shut at once, and empties from then on. There is no way back.

    Raises `PasswordNeeded`, `PasswordWrong` or `LockedOut` where the account has a password.
    """
    person = User.objects.filter(pk=by, is_active=True).first()
    if person is None:
        raise NotFound
    if person.has_usable_password():
        _ensure_password(person, password, at=at)
    return begin_erasure(user_id=by, at=at)


def _ensure_password(person: User, password: str | None, *, at: datetime) -> None:
    if not password:
        raise PasswordNeeded
    door = lockout.key_of("erasure", person.pk)
    lockout.ensure_open(key=door, at=at)
    if not check_password(password, person.password):
        raise lockout.count_failure(key=door, at=at) or PasswordWrong()


@unit_of_work("identity", isolation="read committed")
def begin_erasure(*, user_id: UUID, at: datetime) -> Erasure:
    """Shut a person out and announce that they are erased; asked twice, it is one erasure."""
    person = User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
    known = Erasure.objects.filter(user_id=user_id).first()
    if known is not None:
        return known
    if person is None:
        raise NotFound
    User.objects.filter(pk=user_id).update(is_active=False)
    sessions.revoke_all_sessions(user_id=user_id, reason="erased", at=at)
    erasure = Erasure.objects.create(user_id=user_id, requested_at=at)
    publish(events.UserErased(user_id=user_id, erasure_id=erasure.pk, occurred_at=at))
    return erasure


def get_erasure(*, erasure_id: UUID) -> Erasure:
    """How far an erasure is; its id is told to the person alone, who has no account to sign in to any more."""
    found = Erasure.objects.filter(pk=erasure_id).first()
    if found is None:
        raise NotFound
    return found


def missing_answers(erasure: Erasure) -> list[str]:
    """The contexts that have not said yet that they have erased the person."""
    return [context for context in settings.CONTEXTS if context not in erasure.erased_in]


def send_farewell(*, user_id: UUID, erasure_id: UUID) -> None:
    """Tell the person that their account is being erased, as long as there is an address; earlier letters go.

    A mail server that is away does not hold the erasure up.
    """
    person = User.objects.filter(pk=user_id).first()
    if person is None:
        return
    link = f"{settings.PUBLIC_URL}/api/v1/identity/erasures/{erasure_id}"
    mailing.forget_letters(person=person)
    try:
        mailing.send_letter("erased", person=person, erasure_id=erasure_id, link=link)
    except OSError as error:
        log.warning("a farewell could not be sent", extra={"error": type(error).__name__})


@unit_of_work("identity", isolation="read committed")
def note_erased(*, erasure_id: UUID, context: str, at: datetime) -> None:
    """A context has erased its part; with the last one the erasure is complete."""
    erasure = Erasure.objects.select_for_update().filter(pk=erasure_id).first()
    if erasure is None or context in erasure.erased_in:
        return
    erasure.erased_in = [*erasure.erased_in, context]
    if not missing_answers(erasure):
        erasure.completed_at = at
    erasure.save(update_fields=["erased_in", "completed_at"])


@unit_of_work("identity", isolation="read committed")
def erase_again(*, at: datetime) -> int:
    """Announce unfinished erasures and those of the last days once more; answers how many.

    What was under way when a person was erased (a file being read, an event being tried again) may leave something
    behind a context that had finished: erasing again finds it.
    """
    lately = Q(completed_at__isnull=True) | Q(requested_at__gt=at - rules.ERASED_AGAIN_FOR)
    again = list(Erasure.objects.filter(lately))
    publish(
        *(events.ErasureRepeated(user_id=erasure.user_id, erasure_id=erasure.pk, occurred_at=at) for erasure in again)
    )
    return len(again)
