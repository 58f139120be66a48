"""Friends, rooms and workouts for the tests of the social context."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contexts.identity.models import User
from contexts.workout import events as workout
from kernel.bus import publish
from kernel.databases import release_connections, unit_of_work
from kernel.models import uuid7
from kernel.observability import invariants
from tests.conftest import Person, make_person

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def friends(db: None) -> Callable[..., tuple[Person, ...]]:
    """`friends(3)`: people of whom the first is friends with all the others."""

    def make(count: int = 2) -> tuple[Person, ...]:
        people = tuple(make_person() for _ in range(count))
        for other in people[1:]:
            befriend(people[0], other)
        return people

    return make


def befriend(one: Person, other: Person) -> None:
    """One asks, the other says yes."""
    asked = one.api.post("/api/v1/social/friend-requests", {"user_id": other.user_id})
    assert asked.status_code == 201, asked.content
    said_yes = other.api.post(f"/api/v1/social/friend-requests/{asked.json()['id']}/accept")
    assert said_yes.status_code == 200, said_yes.content


def open_direct(one: Person, other: Person) -> str:
    """The room of two friends."""
    answer = one.api.post("/api/v1/social/rooms", {"kind": "direct", "member_ids": [other.user_id]})
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def open_group(one: Person, others: Iterable[Person], title: str = "Sunday run") -> str:
    """A room of one person and friends of theirs."""
    form = {"kind": "group", "title": title, "member_ids": [other.user_id for other in others]}
    answer = one.api.post("/api/v1/social/rooms", form)
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def say(person: Person, room_id: str, text: str, client_message_id: str | None = None) -> Any:
    """The answer to a message over HTTP."""
    form = {"client_message_id": client_message_id or str(uuid7()), "text": text}
    return person.api.post(f"/api/v1/social/rooms/{room_id}/messages", form)


def history(person: Person, room_id: str, **query: int) -> Any:
    """What the person reads in the room."""
    answer = person.api.get(f"/api/v1/social/rooms/{room_id}/messages", data=query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def strangers(count: int) -> list[UUID]:
    """Identifiers of people who exist and have never been here."""
    born = date(1990, 1, 1)
    people = [User(email=f"{uuid7()}@example.org", display_name="Stranger", birth_date=born) for _ in range(count)]
    return [person.pk for person in User.objects.bulk_create(people)]


@unit_of_work("workout")
def complete_workout(
    athlete: UUID, *, visibility: str, ended_at: datetime = NOON, session_id: UUID | None = None
) -> UUID:
    """Workout announces that a session of this athlete is over."""
    session_id = session_id or uuid7()
    publish(
        workout.WorkoutCompleted(
            session_id=session_id,
            user_id=athlete,
            sport="running",
            started_at=ended_at - timedelta(minutes=30),
            ended_at=ended_at,
            duration_s=1800.0,
            moving_s=1750.0,
            distance_m=5200.0,
            energy_kcal=410.0,
            visibility=visibility,
            time_zone="UTC",
            source="live",
            occurred_at=ended_at,
        )
    )
    return session_id


@unit_of_work("workout")
def change_workout(athlete: UUID, *, session_id: UUID, change: int, visibility: str) -> None:
    """Workout announces that a completed session is shared with others than before."""
    publish(
        workout.WorkoutChanged(
            session_id=session_id,
            user_id=athlete,
            sport="running",
            visibility=visibility,
            change=change,
            started_at=NOON - timedelta(minutes=30),
            ended_at=NOON,
            duration_s=1800.0,
            moving_s=1750.0,
            distance_m=5200.0,
            energy_kcal=410.0,
            occurred_at=NOON,
        )
    )


@unit_of_work("workout")
def delete_workout(athlete: UUID, *, session_id: UUID) -> None:
    """Workout announces that a session is no more."""
    publish(workout.WorkoutDeleted(session_id=session_id, user_id=athlete, occurred_at=NOON))


def at_once(calls: list[Callable[[], Any]], *, threads: int = 16) -> list[Any]:
    """Make these calls in parallel threads, each with database connections of its own."""

    def alone(call: Callable[[], Any]) -> Any:
        try:
            return call()
        finally:
            release_connections()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(alone, calls))


def broken_invariants() -> dict[str, Any]:
    """The invariants of the social context that do not hold, with rows that break them."""
    ours = [known for known in invariants() if known.context == "social"]
    return {known.id: rows for known in ours if (rows := known.violations())}
