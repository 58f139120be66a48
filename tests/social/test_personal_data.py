"""What stays of an erased person in the rooms they shared: places without words, from nobody (ID-10, S1)."""

import pytest

from contexts.social import rules
from contexts.social.models import Message, Room
from kernel.observability import invariants
from tests.conftest import PASSWORD
from tests.health.conftest import forget_devices  # noqa: F401  (a fixture)
from tests.identity.living import life, own_media  # noqa: F401  (fixtures)
from tests.social.conftest import history

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def test_id10_a_room_keeps_its_numbers_and_loses_the_words_and_the_name(life, deliver):  # noqa: F811
    life.erase()
    deliver()
    for room_id in (life.direct, life.group):
        shown = history(life.friend, room_id)
        assert [item["seq"] for item in shown["items"]] == [1, 2]
        erased = [item for item in shown["items"] if item["author"]["user_id"] != str(life.friend.user_id)]
        (message,) = erased
        assert message["author"] == {"user_id": str(rules.NOBODY), "display_name": None}
        assert (message["text"], message["hidden"]) == ("", True)
    assert {room.member_count for room in Room.objects.all()} == {1}


def test_id10_a_room_goes_with_the_last_of_its_people(life, deliver):  # noqa: F811
    life.erase()
    deliver()
    answer = life.friend.api.post("/api/v1/identity/erasure", {"password": PASSWORD})
    assert answer.status_code == 202
    deliver()
    assert not Room.objects.exists()
    assert not Message.objects.exists()
    assert [each.id for each in invariants() if each.violations()] == []
