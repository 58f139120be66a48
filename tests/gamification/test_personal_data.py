"""An erased person stands on no board (ID-10)."""

import pytest

from contexts.gamification.models import PointsEntry, UserDay
from kernel.databases import redis_client
from tests.health.conftest import forget_devices  # noqa: F401  (a fixture)
from tests.identity.living import life, own_media  # noqa: F401  (fixtures)

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def test_id10_the_erased_disappear_from_every_board(life, deliver):  # noqa: F811
    member = str(life.person.user_id)
    boards = redis_client().keys("gamification:board:*[0-9]")
    assert [key for key in boards if redis_client().zscore(key, member) is not None]
    life.erase()
    deliver()
    assert [key for key in boards if redis_client().zscore(key, member) is not None] == []
    assert not UserDay.objects.filter(user_id=life.person.user_id).exists()
    assert not PointsEntry.objects.filter(user_id=life.person.user_id).exists()
