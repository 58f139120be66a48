"""What identity does by the clock."""

from celery import shared_task
from django.utils.timezone import now

from contexts.identity import erasing, exporting, lockout, membership, oauth, sessions, welcoming


@shared_task(ignore_result=True)
def forget_what_is_over() -> None:
    """Daily: failures older than a day, refresh tokens past their end, apps' old codes."""
    lockout.forget_old_failures(at=now())
    sessions.forget_expired_tokens(at=now())
    oauth.forget_old_codes(at=now())


@shared_task(ignore_result=True)
def forget_expired_exports() -> int:
    """Hourly: archives older than a day."""
    return exporting.forget_expired_exports(at=now())


@shared_task(ignore_result=True)
def erase_again() -> int:
    """Every six hours: erasures that are not complete, or so young that something may have come late."""
    return erasing.erase_again(at=now())


@shared_task(ignore_result=True)
def expire_memberships() -> int:
    """Every minute: memberships whose time is over."""
    return membership.expire(at=now())


@shared_task(ignore_result=True)
def send_welcome_letters() -> int:
    """Every minute: letters of the welcome series that are due."""
    return welcoming.send_due(at=now())


EVERY = {
    forget_what_is_over: 86_400.0,
    forget_expired_exports: 3_600.0,
    erase_again: 21_600.0,
    expire_memberships: 60.0,
    send_welcome_letters: 60.0,
}
