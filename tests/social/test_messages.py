"""Messages over HTTP: numbers without gaps, one message for one client id, what can be said."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.utils.timezone import now

from contexts.social import messages, moderation, rules
from contexts.social.models import Message
from kernel.models import uuid7
from tests.conftest import Person
from tests.social.conftest import at_once, broken_invariants, history, open_direct, open_group, say

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "social"])

Friends = Callable[..., tuple[Person, ...]]


def test_so7_messages_of_a_room_are_numbered_without_gap_under_parallel_writers(friends: Friends) -> None:
    people = friends(4)
    room_id = open_group(people[0], people[1:])

    def talk(person: Person, line: int) -> int:
        sent = messages.send_message(
            room_id=room_id, by=person.user_id, client_message_id=str(uuid7()), text=f"line {line}", at=now()
        )
        return sent.seq

    def talk_a_lot(person: Person) -> list[int]:
        return [talk(person, line) for line in range(25)]

    numbers = at_once([partial(talk_a_lot, person) for person in people * 2], threads=8)
    assert sorted(seq for own in numbers for seq in own) == list(range(1, 201))
    assert all(own == sorted(own) for own in numbers)
    read = history(people[1], room_id, limit=200)
    assert [item["seq"] for item in read["items"]] == list(range(1, 201))
    assert read["last_seq"] == 200
    assert not broken_invariants()


def test_so7_sending_a_message_again_answers_the_first(friends: Friends) -> None:
    ada, bo = friends()
    room_id = open_direct(ada, bo)
    assert say(bo, room_id, "before", "one").json()["seq"] == 1
    answers = at_once([partial(say, ada, room_id, "Are you running today?", "one")] * 8)
    assert {(answer.status_code, answer.json()["seq"]) for answer in answers} == {(201, 2)}
    assert say(ada, room_id, "next", "two").json()["seq"] == 3
    assert Message.objects.count() == 3
    assert not broken_invariants()


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "blank"), ("   ", "empty"), ("x" * 4_001, "max_length"), (None, "null"), ({}, "invalid")],
)
def test_so7_a_message_has_1_to_4000_characters(friends: Friends, text: Any, code: str) -> None:
    ada, bo = friends()
    room_id = open_direct(ada, bo)
    answer = say(ada, room_id, text)
    assert (answer.status_code, answer.json()["errors"][0]) == (400, answer.json()["errors"][0])
    assert (answer.json()["errors"][0]["field"], answer.json()["errors"][0]["code"]) == ("text", code)
    assert say(ada, room_id, "🏃" * rules.MAX_TEXT_LENGTH).status_code == 201


@pytest.mark.parametrize("text", [r'"a\u0000b"', r'"a\ud800b"'])
def test_so7_nul_and_half_characters_are_refused_and_never_an_error(friends: Friends, text: str) -> None:
    ada, bo = friends()
    room_id = open_direct(ada, bo)
    answer = ada.api.post(
        f"/api/v1/social/rooms/{room_id}/messages",
        data=f'{{"client_message_id": "1", "text": {text}}}',
        content_type="application/json",
    )
    assert answer.status_code == 400


def test_a_message_is_kept_as_it_was_written(friends: Friends) -> None:
    ada, bo = friends()
    room_id = open_direct(ada, bo)
    text = "  «Привет», 走ろう\n<b>5 km?</b> \N{ZERO WIDTH JOINER}\u202e "
    say(ada, room_id, text, "id-1")
    (item,) = history(bo, room_id)["items"]
    assert item["text"] == text
    assert item["author"]["user_id"] == str(ada.user_id)
    assert item["author"]["display_name"]
    assert (item["seq"], item["client_message_id"], item["hidden"]) == (1, "id-1", False)


def test_history_is_read_in_pages_after_a_number(friends: Friends) -> None:
    ada, bo = friends()
    room_id = open_direct(ada, bo)
    for number in range(7):
        say(ada, room_id, f"line {number}")
    after, read = 0, []
    while (found := history(bo, room_id, after=after, limit=3))["items"]:
        read += [item["seq"] for item in found["items"]]
        after = read[-1]
        assert found["last_seq"] == 7
    assert read == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 201}, {"after": -1}, {"after": "x"}, {"after": 2**63}, {"limit": "²"}]
)
def test_so7_a_page_of_messages_is_at_most_200(friends: Friends, query: dict[str, Any]) -> None:
    ada, bo = friends()
    room_id = open_direct(ada, bo)
    assert ada.api.get(f"/api/v1/social/rooms/{room_id}/messages", data=query).status_code == 400


def test_so3_a_hidden_message_keeps_its_number_and_loses_its_words(friends: Friends) -> None:
    ada, bo = friends()
    room_id = open_direct(ada, bo)
    message_id = say(ada, room_id, "rude", "rude").json()["id"]
    say(bo, room_id, "please")
    moderator = uuid7()
    for by in (moderator, uuid7()):
        moderation.hide_message(message_id=message_id, by=by, at=now())
    hidden, kept = history(bo, room_id)["items"]
    assert (hidden["seq"], hidden["text"], hidden["hidden"]) == (1, "", True)
    assert kept["text"] == "please"
    assert Message.objects.get(pk=message_id).hidden_by == moderator
    assert say(ada, room_id, "rude", "rude").json()["seq"] == 1
    assert not broken_invariants()
