"""The feed, from workout's events to the page a friend reads."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from tests.conftest import Person
from tests.social.conftest import NOON, befriend, broken_invariants, complete_workout, strangers

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
