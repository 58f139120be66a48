"""The feed, from workout's events to the page a friend reads."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import permutations, product
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from kernel.models import uuid7
from tests.conftest import Person
from tests.social.conftest import (
    NOON,
    befriend,
    broken_invariants,
    change_workout,
    complete_workout,
    delete_workout,
    strangers,
)

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def feed_of(person: Person, **query: Any) -> dict[str, Any]:
    answer = person.api.get("/api/v1/social/feed", data=query)
    assert answer.status_code == 200, answer.content
    return answer.json()


def sessions_in(page: dict[str, Any]) -> list[str]:
    return [item["session_id"] for item in page["items"]]


def test_so4_a_new_members_workout_is_in_nobodys_feed(
    friends: Callable[..., tuple[Person, ...]], deliver: Callable[[], int]
) -> None:
    newcomer, friend = friends()
    default = newcomer.api.get("/api/v1/identity/me").json()["visibility"]["workouts"]
    complete_workout(newcomer.user_id, visibility="private")
    deliver()
    assert default == "nobody"
    assert feed_of(friend)["items"] == feed_of(newcomer)["items"] == []


@pytest.mark.parametrize("visibility", ["friends", "everyone"])
def test_so4_a_shared_workout_is_in_the_feeds_of_friends_and_of_its_athlete(
    friends: Callable[..., tuple[Person, ...]],
    register: Callable[..., Person],
    deliver: Callable[[], int],
    visibility: str,
) -> None:
    athlete, friend = friends()
    session_id = str(complete_workout(athlete.user_id, visibility=visibility))
    assert deliver() > 0
    assert sessions_in(feed_of(friend)) == sessions_in(feed_of(athlete)) == [session_id]
    assert feed_of(register())["items"] == []
    (item,) = feed_of(friend)["items"]
    assert item["author"]["user_id"] == str(athlete.user_id)
    assert item["author"]["display_name"]
    assert (item["sport"], item["distance_m"], item["duration_s"]) == ("running", 5200.0, 1800.0)


def test_a_workout_announced_twice_is_in_the_feed_once(
    friends: Callable[..., tuple[Person, ...]], deliver: Callable[[], int]
) -> None:
    athlete, friend = friends()
    session_id = complete_workout(athlete.user_id, visibility="friends")
    deliver()
    complete_workout(athlete.user_id, visibility="friends", session_id=session_id)
    deliver()
    deliver()
    assert sessions_in(feed_of(friend)) == [str(session_id)]


def test_so4_a_workout_that_becomes_private_or_is_deleted_leaves_the_feeds(
    friends: Callable[..., tuple[Person, ...]], deliver: Callable[[], int]
) -> None:
    athlete, friend = friends()
    sessions = "/api/v1/workout/sessions"
    ids = []
    for _ in range(3):
        started = athlete.api.post(sessions, {"sport": "running", "visibility": "friends"}).json()
        athlete.api.post(f"{sessions}/{started['id']}/complete")
        ids.append(started["id"])
    deliver()
    assert set(sessions_in(feed_of(friend))) == set(ids)
    assert athlete.api.patch(f"{sessions}/{ids[0]}", {"visibility": "private"}).status_code == 200
    assert athlete.api.patch(f"{sessions}/{ids[1]}", {"sport": "walking"}).status_code == 200
    assert athlete.api.delete(f"{sessions}/{ids[2]}").status_code == 204
    deliver()
    assert [(item["session_id"], item["sport"]) for item in feed_of(friend)["items"]] == [(ids[1], "walking")]


def test_so4_a_workout_that_is_shared_later_enters_the_feeds_at_its_own_time(
    friends: Callable[..., tuple[Person, ...]], register: Callable[..., Person], deliver: Callable[[], int]
) -> None:
    athlete, friend = friends()
    stranger = register()
    path = "/api/v1/workout/sessions"
    ids = []
    for visibility in ("friends", "private", "friends"):
        started = athlete.api.post(path, {"sport": "running", "visibility": visibility}).json()
        athlete.api.post(f"{path}/{started['id']}/complete")
        ids.append(started["id"])
    deliver()
    assert sessions_in(feed_of(friend)) == [ids[2], ids[0]]
    assert athlete.api.patch(f"{path}/{ids[1]}", {"visibility": "everyone"}).status_code == 200
    deliver()
    assert sessions_in(feed_of(friend)) == ids[::-1]
    assert feed_of(stranger)["items"] == []
    entry, shown = feed_of(friend)["items"][1], athlete.api.get(f"{path}/{ids[1]}").json()
    assert (entry["ended_at"], entry["duration_s"]) == (shown["ended_at"], shown["duration_s"])
    for visibility in ("private", "friends", "private"):
        athlete.api.patch(f"{path}/{ids[1]}", {"visibility": visibility})
    deliver()
    assert sessions_in(feed_of(friend)) == [ids[2], ids[0]]


def test_so4_a_phone_that_was_offline_changes_who_sees_a_workout_as_well(
    friends: Callable[..., tuple[Person, ...]], deliver: Callable[[], int]
) -> None:
    athlete, friend = friends()
    session_id, end = uuid7(), now()

    def sync(at: datetime, **operation: str) -> None:
        sent = {"operation_id": uuid7(), "session_id": session_id, "at": at, "operation": operation}
        assert athlete.api.post("/api/v1/workout/sync", {"operations": [sent]}).status_code == 200
        deliver()

    sync(end - timedelta(minutes=30), kind="start", sport="running", visibility="friends")
    sync(end, kind="complete")
    assert sessions_in(feed_of(friend)) == [str(session_id)]
    sync(end, kind="edit", visibility="private")
    assert feed_of(friend)["items"] == []
    sync(end + timedelta(seconds=1), kind="edit", visibility="everyone", sport="walking")
    assert [item["sport"] for item in feed_of(friend)["items"]] == ["walking"]


def test_so4_the_feed_is_the_same_in_whatever_order_it_hears_of_a_workout(
    friends: Callable[..., tuple[Person, ...]], deliver: Callable[[], int]
) -> None:
    """Completed, made private, shared again or deleted: three events in every order, and all of them once more."""
    athlete, friend = friends()
    rounds: list[list[Callable[[], Any]]] = [[] for _ in range(4)]
    shared = set()
    for is_deleted, order in product((False, True), permutations(range(3))):
        of = {"athlete": athlete.user_id, "session_id": uuid7()}
        last = delete_workout if is_deleted else partial(change_workout, change=2, visibility="everyone")
        told = [
            partial(complete_workout, visibility="friends", **of),
            partial(change_workout, change=1, visibility="private", **of),
            partial(last, **of),
        ]
        shared |= set() if is_deleted else {str(of["session_id"])}
        for nth, place in enumerate(order):
            rounds[nth].append(told[place])
            rounds[-1].append(told[place])
    for events in rounds:
        for say in events:
            say()
        deliver()
    assert set(sessions_in(feed_of(friend))) == shared
    assert not broken_invariants()


def test_so4_who_may_see_is_decided_when_the_feed_is_read(
    register: Callable[..., Person], deliver: Callable[[], int]
) -> None:
    athlete, reader = register(), register()
    session_id = complete_workout(athlete.user_id, visibility="friends")
    deliver()
    assert feed_of(reader)["items"] == []
    befriend(reader, athlete)
    assert sessions_in(feed_of(reader)) == [str(session_id)]


def test_so4_pages_are_cut_after_privacy_so_none_comes_out_short(
    friends: Callable[..., tuple[Person, ...]], deliver: Callable[[], int]
) -> None:
    athlete, reader = friends()
    (stranger,) = strangers(1)
    shared = []
    for minute in range(25):
        ended_at = NOON + timedelta(minutes=minute)
        shared.append(str(complete_workout(athlete.user_id, visibility="friends", ended_at=ended_at)))
        complete_workout(athlete.user_id, visibility="private", ended_at=ended_at)
        complete_workout(stranger, visibility="everyone", ended_at=ended_at)
    deliver()
    first = feed_of(reader)
    second = feed_of(reader, cursor=first["next"])
    assert [len(first["items"]), len(second["items"])] == [20, 5]
    assert sessions_in(first) + sessions_in(second) == shared[::-1]
    assert second["next"] is None
    assert not broken_invariants()


def test_a_page_asks_identity_for_all_its_names_at_once(
    friends: Callable[..., tuple[Person, ...]], deliver: Callable[[], int]
) -> None:
    people = friends(4)
    for person in people:
        complete_workout(person.user_id, visibility="friends")
    deliver()
    with CaptureQueriesContext(connections["default"]) as asked:
        assert len(feed_of(people[0])["items"]) == 4
    assert len([q for q in asked.captured_queries if "display_name" in q["sql"]]) == 1
