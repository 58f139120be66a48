"""Opening rooms, their members, and how far each has read."""

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from contexts.social import rules
from contexts.social.models import Membership, Room
from tests.conftest import Person
from tests.social.conftest import at_once, broken_invariants, open_direct, open_group, say

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "social"])

ROOMS = "/api/v1/social/rooms"
Friends = Callable[..., tuple[Person, ...]]


def rooms_of(person: Person) -> list[dict[str, Any]]:
    return person.api.get(ROOMS).json()["items"]


def test_so7_two_friends_have_one_direct_room_whoever_opens_it(friends: Friends) -> None:
    ada, bo = friends()
    opened = at_once([partial(open_direct, ada, bo), partial(open_direct, bo, ada)] * 4)
    assert len(set(opened)) == 1
    assert Membership.objects.count() == 2
    assert not broken_invariants()


def test_so7_only_friends_open_a_direct_room(friends: Friends, register: Callable[..., Person]) -> None:
    ada, _ = friends()
    for other in (register().user_id, ada.user_id, uuid4()):
        answer = ada.api.post(ROOMS, {"kind": "direct", "member_ids": [other]})
        assert (answer.status_code, answer.json()["code"]) == (403, "not_friends")
    assert not Room.objects.exists()


def test_so7_a_group_room_holds_friends_of_its_creator(friends: Friends, register: Callable[..., Person]) -> None:
    ada, bo, cy = friends(3)
    room_id = open_group(ada, [bo, cy, bo, ada], title="  Trail  ")
    for person in (ada, bo, cy):
        (room,) = rooms_of(person)
        assert (room["id"], room["title"], room["member_count"]) == (room_id, "Trail", 3)
    stranger = register()
    answer = ada.api.post(ROOMS, {"kind": "group", "title": "x", "member_ids": [bo.user_id, stranger.user_id]})
    assert answer.json()["code"] == "not_friends"
    names = {m["display_name"] for m in cy.api.get(f"{ROOMS}/{room_id}/members").json()["items"]}
    assert len(names) == 3
    assert not broken_invariants()


def test_so7_a_room_has_at_most_1000_members(register: Callable[..., Person]) -> None:
    crowd = [uuid4() for _ in range(rules.MAX_ROOM_MEMBERS)]
    answer = register().api.post(ROOMS, {"kind": "group", "title": "All", "member_ids": crowd})
    assert answer.json()["code"] == "room_too_large"
    assert rules.MAX_ROOM_MEMBERS == 1_000


@pytest.mark.parametrize(
    "form",
    [
        {"kind": "group", "member_ids": ["friend"]},
        {"kind": "group", "title": "  ", "member_ids": ["friend"]},
        {"kind": "group", "title": "x" * 81, "member_ids": ["friend"]},
        {"kind": "group", "title": "x", "member_ids": []},
        {"kind": "group", "title": "x", "member_ids": ["self"]},
        {"kind": "direct", "member_ids": ["friend", "self"]},
        {"kind": "direct", "member_ids": ["nobody"]},
        {"kind": "salon", "title": "x", "member_ids": ["friend"]},
        {},
    ],
)
def test_a_room_that_cannot_be_is_refused_with_its_field(friends: Friends, form: dict[str, Any]) -> None:
    ada, bo = friends()
    known = {"friend": bo.user_id, "self": ada.user_id}
    if "member_ids" in form:
        form = form | {"member_ids": [known.get(word, word) for word in form["member_ids"]]}
    answer = ada.api.post(ROOMS, form)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"]


def test_opening_a_group_with_an_idempotency_key_opens_one(friends: Friends) -> None:
    ada, bo = friends()
    form = {"kind": "group", "title": "Track night", "member_ids": [bo.user_id]}
    answers = [ada.api.post(ROOMS, form, headers={"Idempotency-Key": "track-night"}) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert Room.objects.count() == 1


def test_a_direct_room_names_the_other(friends: Friends) -> None:
    ada, bo = friends()
    open_direct(ada, bo)
    (seen_by_ada,), (seen_by_bo,) = rooms_of(ada), rooms_of(bo)
    assert seen_by_ada["other"]["user_id"] == str(bo.user_id)
    assert seen_by_bo["other"]["user_id"] == str(ada.user_id)


def test_unread_counts_what_others_said_and_marks_never_move_back(friends: Friends) -> None:
    ada, bo = friends()
    room_id = open_direct(ada, bo)
    for number in range(5):
        assert say(ada, room_id, f"line {number}").status_code == 201
    assert [rooms_of(person)[0]["unread"] for person in (ada, bo)] == [0, 5]
    for mark, reached in ((3, 3), (1, 3), (99, 5)):
        assert bo.api.post(f"{ROOMS}/{room_id}/read", {"seq": mark}).json() == {"seq": reached}
    assert rooms_of(bo)[0]["unread"] == 0
    assert not broken_invariants()


def test_the_liveliest_room_comes_first(friends: Friends) -> None:
    ada, bo, cy = friends(3)
    quiet, lively = open_direct(ada, bo), open_direct(ada, cy)
    assert [room["id"] for room in rooms_of(ada)] == [lively, quiet]
    say(ada, quiet, "not quiet any more")
    assert [room["id"] for room in rooms_of(ada)] == [quiet, lively]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("get", "messages", None),
        ("post", "messages", {"client_message_id": "1", "text": "hello"}),
        ("get", "members", None),
        ("post", "read", {"seq": 1}),
    ],
)
def test_a_room_does_not_exist_for_who_is_not_in_it(
    friends: Friends, register: Callable[..., Person], method: str, path: str, body: Any
) -> None:
    ada, bo = friends()
    room_id = open_direct(ada, bo)
    refused = register().api.request(method, f"{ROOMS}/{room_id}/{path}", body)
    missing = register().api.request(method, f"{ROOMS}/{uuid4()}/{path}", body)
    assert refused.status_code == missing.status_code == 404
    assert refused.json()["code"] == missing.json()["code"] == "not_found"
