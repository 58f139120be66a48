"""Events and effects of tests: a small ledger in the social and the gamification database."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db import connections

from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.events import DomainEvent

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class ProbeSent(DomainEvent, key="subject", context="social"):
    """Something a test announces."""

    subject: str
    number: int
    sender: UUID | None = None


def create_ledger(*aliases: str) -> None:
    """An empty table for effects, in these databases of a test run."""
    for alias in aliases:
        with connections[alias].cursor() as cursor:
            cursor.execute(
                "CREATE TABLE IF NOT EXISTS probe_ledger"
                " (entry bigserial PRIMARY KEY, handler text, subject text, number int); TRUNCATE probe_ledger"
            )


def write(alias: str, handler: str, event: ProbeSent) -> None:
    """An effect: one row a delivery, so that a double delivery shows."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "INSERT INTO probe_ledger (handler, subject, number) VALUES (%s, %s, %s)",
            [handler, event.subject, event.number],
        )


def ledger(alias: str, handler: str) -> list[tuple[str, int]]:
    """The effects of a handler, in the order in which they happened."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT subject, number FROM probe_ledger WHERE handler = %s ORDER BY entry", [handler])
        return [(subject, number) for subject, number in cursor.fetchall()]


@unit_of_work("social")
def send(*, subject: str, numbers: list[int]) -> None:
    """Announce these numbers about a subject in one transaction."""
    publish(*(ProbeSent(subject=subject, number=number, occurred_at=NOON) for number in numbers))
