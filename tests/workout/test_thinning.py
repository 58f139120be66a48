"""Streams for a screen: the kinds and the number of points asked for, the shape kept, and nothing sent twice."""

from datetime import timedelta

import pytest
from django.utils.timezone import now
from hypothesis import given
from hypothesis import strategies as st

from contexts.workout.models import TrainingSession
from contexts.workout.series.thinning import largest_triangles, thinned
from tests.workout.conftest import SESSIONS, gpx, hand_in


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=300), st.integers(3, 60))
def test_what_is_kept_are_points_of_the_stream_in_order_with_both_ends(values, most):
    offsets = [float(second) for second in range(len(values))]
    ((kind, times, kept),) = thinned([("power", offsets, values)], most=most)
    assert kind == "power"
    assert len(times) <= max(most, 3)
    assert times == sorted(set(times))
    assert (times[0], times[-1]) == (offsets[0], offsets[-1])
    assert kept == [values[int(second)] for second in times]


def test_a_spike_stays_visible():
    values = [150.0] * 5_000
    values[2_345] = 900.0
    kept = largest_triangles([float(second) for second in range(5_000)], values, most=100)
    assert 2_345 in kept


def test_places_keep_belonging_together():
    offsets = [float(second) for second in range(1_000)]
    north, east = (next(thinned([(kind, offsets, offsets)], most=50)) for kind in ("latitude", "longitude"))
    assert north[1] == east[1]


@pytest.mark.django_db(databases="__all__", transaction=True)
class TestStreamsOverHttp:
    def test_the_kinds_and_points_asked_for(self, register, work):
        anna = register()
        hand_in(anna, gpx(now() - timedelta(days=1), points=500))
        work()
        path = f"{SESSIONS}/{TrainingSession.objects.get().pk}/streams"
        streams = anna.api.get(f"{path}?kinds=heart_rate&kinds=latitude&points=20").json()["streams"]
        assert {one["kind"] for one in streams} == {"heart_rate", "latitude"}
        assert {len(one["values"]) for one in streams} == {20}
        assert anna.api.get(f"{path}?kinds=mood").status_code == 400
        assert anna.api.get(f"{path}?points=1").status_code == 400

    def test_what_has_not_changed_is_not_sent_again(self, register, work):
        anna = register()
        hand_in(anna, gpx(now() - timedelta(days=1)))
        work()
        path = f"{SESSIONS}/{TrainingSession.objects.get().pk}/streams"
        first = anna.api.get(path)
        again = anna.api.get(path, headers={"If-None-Match": first["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
