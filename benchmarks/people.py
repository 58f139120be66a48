"""Signed-in members for the benchmarks, made in one go straight in identity's database."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID


@dataclass(frozen=True)
class Person:
    """A member and their access token."""

    user_id: UUID
    token: str


def people(count: int) -> list[Person]:
    """So many new members with a live session and a signed token each."""
    from django.utils.timezone import now

    from contexts.identity import tokens
    from contexts.identity.models import Session, User
    from kernel.models import uuid7

    at, born = now(), date(1990, 5, 17)
    users = User.objects.bulk_create(
        User(email=f"{uuid7()}@example.org", display_name=f"Runner {number}", birth_date=born)
        for number in range(count)
    )
    sessions = Session.objects.bulk_create(
        Session(user=user, started_at=at, last_seen_at=at, address="127.0.0.0") for user in users
    )
    return [Person(session.user_id, tokens.access_token(session, at=at)) for session in sessions]
