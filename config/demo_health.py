"""An open alert for the demo's first athlete: a blood pressure entered by hand that nobody has reacted to yet."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

SYSTOLIC = 184
"""mmHg; critical from 180 on by the norm for adults."""
CONTACT = {"name": "Boris", "email": "boris@demo.example", "locale": "en", "after_minutes": 720, "agreed": True}


class Client(Protocol):
    """A signed-in person's HTTP client, as `config.demo` has it."""

    def send(self, method: str, path: str, body: Any = None, *, fine: tuple[int, ...] = (), **more: Any) -> Any:
        """What anything but a GET answers."""


def leave_an_alert(client: Client, say: Callable[[str], None]) -> None:
    """Name a contact, and enter one value each half day; the relay does the rest.

    A start in the same half day sends the same request, which is answered and does nothing more.
    """
    client.send("PUT", "health/emergency-contact", CONTACT)
    now = datetime.now(UTC)
    half_day = now.replace(hour=now.hour // 12 * 12, minute=0, second=0, microsecond=0)
    entry = {"stream": "blood_pressure_systolic", "value": SYSTOLIC, "time": half_day.isoformat()}
    key = {"Idempotency-Key": f"demo-alert-{half_day.isoformat()}"}
    client.send("POST", "health/entries", entry, headers=key)
    say("Anna has an alert to acknowledge")
