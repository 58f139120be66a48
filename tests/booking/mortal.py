"""`python -m tests.booking.mortal`: does what a server does, and dies at the n-th step on the way, as SIGKILL would.

Each line of input is `action argument die_at`; the action runs in a fork of its own, which ends by `os._exit` when it
has come to step `die_at` (a statement sent or answered, the provider asked or heard). The answer is how many steps it
took, or `dead`.
"""

import os
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import django

DEAD = 9


class Steps:
    """Counts, and dies when the count is full."""

    def __init__(self, die_at: int) -> None:
        self.taken, self._die_at = 0, die_at

    def take(self) -> None:
        """One step further."""
        if self.taken == self._die_at:
            os._exit(DEAD)
        self.taken += 1

    def statement(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """A statement: once before it is sent, once after its answer."""
        self.take()
        answer = execute(sql, params, many, context)
        self.take()
        return answer

    def around(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        """A question to the provider, in the same manner."""

        def asked(**words: Any) -> Any:
            self.take()
            answer = ask(**words)
            self.take()
            return answer

        return asked


def live(action: str, argument: str, steps: Steps) -> None:
    """Do it."""
    from django.db import connections
    from django.utils.timezone import now

    from contexts.booking import cancelling, paying, processes, settling  # noqa: F401
    from contexts.booking.models import Payment
    from kernel import payments

    provider = payments.provider()
    for name in ("capture", "void", "refund"):
        setattr(provider, name, steps.around(getattr(provider, name)))
    with connections["booking"].execute_wrapper(steps.statement):
        if action == "note":
            payment = Payment.objects.get(pk=UUID(argument))
            told = payments.WebhookEvent(
                event_id="e", kind="payment.authorised", provider_id=payment.provider_id or "", payment_id=payment.pk
            )
            paying.note_webhook(told, at=now())
        elif action == "cancel":
            booking = Payment.objects.get(pk=UUID(argument)).booking
            cancelling.cancel_booking(booking_id=booking.pk, by=booking.user_id, at=now())
        elif action == "cancel_event":
            cancelling.cancel_sport_event(sport_event_id=UUID(argument), reason="storm", at=now())
        while processes.advance_due(at=now()):
            pass


def main() -> None:
    """Wait for orders."""
    django.setup()
    for line in sys.stdin:
        action, argument, die_at = line.split()
        reading, writing = os.pipe()
        if (child := os.fork()) == 0:
            steps = Steps(int(die_at))
            live(action, argument, steps)
            os.write(writing, str(steps.taken).encode())
            os._exit(0)
        os.close(writing)
        told = os.read(reading, 32).decode()
        os.close(reading)
        _, status = os.waitpid(child, 0)
        print("dead" if os.waitstatus_to_exitcode(status) == DEAD else told or "failed", flush=True)


if __name__ == "__main__":
    main()
