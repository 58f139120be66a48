"""A million readings go in portions, and nothing comes after them (ID-10)."""

import pytest

from contexts.health.models import Device, Reading
from kernel import personal_data
from tests.health.conftest import beats
from tests.identity.living import life, own_media  # noqa: F401  (fixtures)

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def test_id10_an_erasure_killed_half_way_goes_on(life, monkeypatch):  # noqa: F811
    """In portions of seven rows; the third of the readings is never finished."""
    monkeypatch.setattr(personal_data, "ROWS_A_UNIT", 7)
    portions, whole = [], personal_data._erase_portion

    def killed(context, model, *rest):
        portions.append(model)
        if portions.count(Reading) == 3:
            raise KeyboardInterrupt
        return whole(context, model, *rest)

    user_id = life.person.user_id
    monkeypatch.setattr(personal_data, "_erase_portion", killed)
    with pytest.raises(KeyboardInterrupt):
        personal_data.erase("health", user_id)
    left = Reading.objects.count()
    assert left == 120 - 2 * 7
    assert Device.objects.filter(user_id=user_id, revoked_at__isnull=False).exists()
    monkeypatch.setattr(personal_data, "_erase_portion", whole)
    personal_data.erase("health", user_id)
    assert (Reading.objects.count(), Device.objects.count()) == (0, 0)


def test_id10_nothing_is_stored_from_a_strap_that_goes_on_sending(life, deliver):  # noqa: F811
    assert life.strap.send(beats(3)).status_code == 200  # this process remembers the device for seconds
    life.erase()
    deliver()
    assert life.strap.send(beats(5)).status_code == 401
    assert not Reading.objects.exists()
