"""What identity does by the clock."""

from celery import shared_task
from django.utils.timezone import now

from contexts.identity import lockout, sessions


@shared_task(ignore_result=True)
def forget_what_is_over() -> None:
    """Daily: failures older than a day, refresh tokens past their end."""
    lockout.forget_old_failures(at=now())
    sessions.forget_expired_tokens(at=now())


EVERY = {forget_what_is_over: 86_400.0}
