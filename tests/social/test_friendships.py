"""Friend requests and friendships, through the front door."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.utils.timezone import now

from contexts.social import events, friendships, rules
from contexts.social.models import FriendRequestQuota
from tests.conftest import Api, Person
from tests.social.conftest import NOON, at_once, befriend, broken_invariants, strangers

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "social"])

REQUESTS = "/api/v1/social/friend-requests"


def ask(person: Person, user_id: Any) -> Any:
    return person.api.post(REQUESTS, {"user_id": user_id})


def waiting(person: Person) -> list[dict[str, Any]]:
    return person.api.get(REQUESTS).json()["items"]


def friends_of(person: Person) -> list[dict[str, Any]]:
    return person.api.get("/api/v1/social/friends").json()["items"]


def sent_today(person: Person) -> int:
    return sum(FriendRequestQuota.objects.filter(sender_id=person.user_id).values_list("sent", flat=True))


def test_so1_nobody_sends_more_than_50_friend_requests_a_day(register: Callable[..., Person]) -> None:
    eager = register()
    answers = at_once([partial(ask, eager, stranger) for stranger in strangers(100)])
    granted = [answer for answer in answers if answer.status_code == 201]
    refused = {(a.status_code, a.json()["code"]) for a in answers if a.status_code != 201}
    assert len(granted) == rules.MAX_FRIEND_REQUESTS_A_DAY == 50
    assert refused == {(429, "too_many_friend_requests")}
    assert not broken_invariants()


def test_so1_taking_a_request_back_gives_none_back(register: Callable[..., Person]) -> None:
    eager = register()
    for stranger in strangers(50):
        request_id = ask(eager, stranger).json()["id"]
        assert eager.api.delete(f"{REQUESTS}/{request_id}").status_code == 204
    assert waiting(eager) == []
    assert ask(eager, strangers(1)[0]).status_code == 429


def test_so1_the_next_utc_day_has_50_again(register: Callable[..., Person]) -> None:
    eager, late = register(), NOON.replace(hour=23, minute=59)
    for stranger in strangers(50):
        friendships.send_friend_request(to=stranger, by=eager.user_id, at=late)
    (one_more,) = strangers(1)
    with pytest.raises(friendships.TooManyFriendRequests):
        friendships.send_friend_request(to=one_more, by=eager.user_id, at=late)
    friendships.send_friend_request(to=one_more, by=eager.user_id, at=late + timedelta(minutes=2))
    assert not broken_invariants()


def test_so1_a_refused_request_costs_nothing(register: Callable[..., Person]) -> None:
    ada, bo = register(), register()
    assert ask(ada, uuid4()).status_code == 404
    assert ask(ada, ada.user_id).json()["code"] == "cannot_befriend_yourself"
    assert ask(ada, bo.user_id).status_code == 201
    assert ask(ada, bo.user_id).json()["code"] == "already_asked"
    assert sent_today(ada) == 1


def test_accepting_makes_both_friends_and_says_so_once(
    register: Callable[..., Person], announced: Callable[..., list[Any]]
) -> None:
    ada, bo = register(display_name="Ada"), register(display_name="Bo")
    request_id = ask(ada, bo.user_id).json()["id"]
    assert [(w["direction"], w["person"]["display_name"]) for w in waiting(bo)] == [("incoming", "Ada")]
    accept = partial(bo.api.post, f"{REQUESTS}/{request_id}/accept")
    assert {answer.status_code for answer in at_once([accept] * 4)} == {200}
    assert [friend["display_name"] for friend in friends_of(ada)] == ["Bo"]
    assert [friend["display_name"] for friend in friends_of(bo)] == ["Ada"]
    assert waiting(ada) == waiting(bo) == []
    (event,) = announced(events.FriendshipEstablished)
    assert (event.user_a, event.user_b) == rules.pair_of(ada.user_id, bo.user_id)
    assert ask(ada, bo.user_id).json()["code"] == "already_friends"


def test_crossing_requests_become_a_friendship(
    register: Callable[..., Person], announced: Callable[..., list[Any]]
) -> None:
    ada, bo = register(), register()
    at_once([partial(ask, ada, bo.user_id), partial(ask, bo, ada.user_id)] * 4)
    assert len(friends_of(ada)) == len(friends_of(bo)) == 1
    assert len(announced(events.FriendshipEstablished)) == 1
    assert sent_today(ada) + sent_today(bo) == 1
    assert not broken_invariants()


def test_declining_leaves_strangers_who_may_ask_again(register: Callable[..., Person]) -> None:
    ada, bo = register(), register()
    request_id = ask(ada, bo.user_id).json()["id"]
    for _ in range(2):
        assert bo.api.post(f"{REQUESTS}/{request_id}/decline").json()["state"] == "declined"
    assert bo.api.post(f"{REQUESTS}/{request_id}/accept").json()["code"] == "no_longer_waiting"
    assert waiting(ada) == waiting(bo) == friends_of(ada) == []
    assert ask(ada, bo.user_id).json()["state"] == "asked"
    assert sent_today(ada) == 2
    assert not broken_invariants()


def test_nobody_answers_or_withdraws_a_request_of_others(register: Callable[..., Person]) -> None:
    ada, bo, eve = register(), register(), register()
    request_id = ask(ada, bo.user_id).json()["id"]
    for person in (ada, eve):
        assert person.api.post(f"{REQUESTS}/{request_id}/accept").status_code == 404
        assert person.api.post(f"{REQUESTS}/{request_id}/decline").status_code == 404
    for person in (bo, eve):
        assert person.api.delete(f"{REQUESTS}/{request_id}").status_code == 404
    assert len(waiting(bo)) == 1


def test_a_private_person_stays_nameless_to_who_asks_them(register: Callable[..., Person]) -> None:
    ada, bo, cy = register(), register(), register(visibility={"display_name": "everyone"}, display_name="Cy")
    ask(ada, bo.user_id)
    ask(ada, cy.user_id)
    assert {w["person"]["display_name"] for w in waiting(ada)} == {None, "Cy"}


def test_friends_come_in_pages(register: Callable[..., Person]) -> None:
    ada = register()
    for _ in range(3):
        befriend(register(), ada)
    first = ada.api.get("/api/v1/social/friends", data={"limit": 2}).json()
    second = ada.api.get("/api/v1/social/friends", data={"limit": 2, "cursor": first["next"]}).json()
    ids = [friend["user_id"] for friend in first["items"] + second["items"]]
    assert len(first["items"]) == 2
    assert len(set(ids)) == 3
    assert second["next"] is None


def test_so1_an_action_records_the_moment_it_is_given(register: Callable[..., Person]) -> None:
    ada, bo, at = register(), register(), now()
    assert friendships.send_friend_request(to=bo.user_id, by=ada.user_id, at=at).asked_at == at


@pytest.mark.parametrize("path", ["friend-requests", "friends", "feed", "rooms"])
def test_strangers_to_the_platform_see_nothing(anonymous: Api, path: str) -> None:
    assert anonymous.get(f"/api/v1/social/{path}").status_code == 401
