"""Doors that shut after five failures: an account from one address, a person's second factor (ID-3).

A count is one row, changed under its own lock at READ COMMITTED, where a waiter sees what the one before it
wrote: under any number of parallel tries exactly five are told that they failed.
"""

from datetime import datetime

from django.utils.crypto import salted_hmac

from contexts.identity import mailing, rules
from contexts.identity.models import Lockout
from kernel.databases import unit_of_work
from kernel.errors import Refused


class LockedOut(Refused):
    """Too many failed attempts; wait before the next one."""

    status = 429

    def __init__(self, *, until: datetime, at: datetime) -> None:
        """Tells how many seconds to wait."""
        super().__init__()
        self.retry_after = max(1.0, (until - at).total_seconds())


def key_of(*parts: object) -> str:
    """The row that counts for these words, without naming them."""
    words = "\x1f".join(map(str, parts))
    return str(salted_hmac("identity.lockout", words, algorithm="sha256").hexdigest())


def ensure_open(*, key: str, at: datetime) -> None:
    """Refuse at once while the door is shut, before anything costly is done."""
    row = Lockout.objects.filter(pk=key).first()
    if row is not None and row.known.is_shut(at=at):
        raise LockedOut(until=row.known.locked_until or at, at=at)


@unit_of_work("identity", isolation="read committed")
def count_failure(*, key: str, at: datetime, account: str = "") -> LockedOut | None:
    """Count one failure. Answers the refusal if the door was shut meanwhile: then nothing was counted.

    `account` is the key by which all doors of one account are found.
    """
    row = locked_row(key=key, account=account)
    shut = refusal(row, at=at)
    if shut is None:
        row.count(at=at)
    return shut


def locked_row(*, key: str, account: str = "") -> Lockout:
    """The door's row, made if need be, held until the open READ COMMITTED unit of work ends."""
    Lockout.objects.bulk_create([Lockout(key=key, account=account)], ignore_conflicts=True)
    return Lockout.objects.select_for_update().get(pk=key)


def refusal(row: Lockout, *, at: datetime) -> LockedOut | None:
    """Why this row lets nobody through, if it does not."""
    if not row.known.is_shut(at=at):
        return None
    return LockedOut(until=row.known.locked_until or at, at=at)


def forget_account(*, email: str) -> None:
    """Open every door of an account: its person has shown who they are by mail. Inside an open unit of work."""
    for row in Lockout.objects.select_for_update().filter(account=key_of("account", email)):
        row.forget()


@unit_of_work("identity", isolation="read committed")
def unlock(*, token: str, at: datetime) -> None:
    """Lift the lock-out that an unlock link is for."""
    link = mailing.spend(token=token, purpose="unlock", at=at)
    for row in Lockout.objects.select_for_update().filter(pk=link.door):
        row.forget()


@unit_of_work("identity", isolation="read committed")
def forget_old_failures(*, at: datetime) -> int:
    """Delete counts that no longer count; answers how many."""
    old = Lockout.objects.filter(last_failed_at__lt=at - rules.FAILURE_MEMORY)
    return int(old.delete()[0])
