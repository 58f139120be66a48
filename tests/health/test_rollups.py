"""Rollups: the answers are those of the readings, whatever comes late, goes, or is read otherwise since."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any, TypeAlias
from unittest import mock

import pytest
from django.core.management import call_command
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contexts.health import rules
from contexts.health.archive import moving
from contexts.health.looking import rolling_up, rollups
from contexts.health.models import ColdFile, Device, Invalidation, Reading, Rollup
from kernel import objects, personal_data
from kernel.observability import invariants
from tests.conftest import Api
from tests.health.conftest import COMMITTED, HEALTH, Strap, reading, step_up
from tests.health.test_phones import HEALTHKIT, sample

pytestmark = COMMITTED

NOW = datetime.now(UTC)
TURN = rules.month_after(rules.cold_before(at=NOW, months=4))
"""When the month ends that is cold, if it is moved."""

Points: TypeAlias = list[tuple[str, float, float, float, int]]


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> None:
    settings.COLD_STORE = f"file://{tmp_path}/cold"


@pytest.fixture
def worn(strap: Callable[..., Strap]) -> Strap:
    """A watch that was connected long ago."""
    return _long_ago(strap(kind="watch"))


def _long_ago(device: Strap) -> Strap:
    Device.objects.filter(device_id=device.device_id).update(connected_at=NOW - timedelta(days=400))
    return device


def looked(api: Api, since: datetime, until: datetime, bucket: str) -> Points:
    query = {"from": since.isoformat(), "to": until.isoformat(), "bucket": bucket}
    answer = api.get(f"{HEALTH}/metrics/heart_rate", data=query)
    assert answer.status_code == 200, answer.content
    return [(one["time"], one["avg"], one["min"], one["max"], one["count"]) for one in answer.json()["points"]]


def one_by_one(api: Api, since: datetime, until: datetime, bucket: str) -> Points:
    """The same without rollups."""
    with mock.patch.object(rollups, "are_for", return_value=False):
        return looked(api, since, until, bucket)


def ensure_same(api: Api, since: datetime, until: datetime, bucket: str) -> None:
    """Sums are taken in another order, and shown with one decimal."""
    found, expected = looked(api, since, until, bucket), one_by_one(api, since, until, bucket)
    assert [(one[0], *one[2:]) for one in found] == [(one[0], *one[2:]) for one in expected]
    assert [one[1] for one in found] == pytest.approx([one[1] for one in expected], abs=0.1001)


def beats(start: datetime, count: int, *, step_s: int = 60) -> list[dict[str, Any]]:
    return [reading(start + timedelta(seconds=n * step_s), 60 + n * 7 % 40) for n in range(count)]


def quarters() -> list[datetime]:
    return list(Rollup.objects.order_by("begin").values_list("begin", flat=True))


# --- what comes in time --------------------------------------------------------------------------------------------


def later(hours: int) -> Any:
    """Roll up as if so much time had gone by."""
    return mock.patch.object(rolling_up, "database_time", return_value=datetime.now(UTC) + timedelta(hours=hours))


def test_what_comes_in_time_is_rolled_up_once_its_time_has_gone_by(worn: Strap):
    rolling_up.roll_up()
    start = datetime.now(UTC) - timedelta(minutes=50)
    worn.send(beats(start, 50))
    assert (rolling_up.roll_up(), Rollup.objects.count(), Invalidation.objects.count()) == (0, 0, 0)
    with later(24):
        assert rolling_up.roll_up() == 1
    assert (sum(Rollup.objects.values_list("count", flat=True)), Invalidation.objects.count()) == (50, 0)
    api = step_up(worn.owner)
    for bucket in ("15m", "1h", "1d"):
        ensure_same(api, start, start + timedelta(hours=1), bucket)


def test_buckets_of_rolled_up_time_are_read_from_rollups(worn: Strap):
    """Were the readings looked at, they would not be found."""
    start = TURN + timedelta(days=1)
    worn.send(beats(start, 120))
    rolling_up.roll_up()
    api, until = step_up(worn.owner), start + timedelta(hours=2)
    before = looked(api, start, until, "1h")
    Reading.objects.all().delete()
    assert looked(api, start, until, "1h") == before
    assert looked(api, start, until, "1m") == []
    cut = looked(api, start + timedelta(minutes=7), until, "1d")
    assert [one[4] for one in cut] == [105]


def test_what_was_there_before_rollups_were_is_rolled_up(worn: Strap):
    worn.send(beats(TURN, 60))
    Invalidation.objects.all().delete()
    rolling_up.roll_up()
    assert len(quarters()) == 4


def test_a_killed_run_goes_on(worn: Strap, monkeypatch: pytest.MonkeyPatch):
    for days in (1, 2):
        worn.send(beats(TURN + timedelta(days=days), 30))
    with monkeypatch.context() as patched:
        patched.setattr(Rollup.objects, "bulk_create", mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rolling_up.roll_up()
    api = step_up(worn.owner)
    ensure_same(api, TURN, TURN + timedelta(days=3), "1d")
    rolling_up.roll_up()
    assert (len(quarters()), Invalidation.objects.count()) == (4, 0)


def test_a_reading_that_comes_while_its_time_is_computed_is_not_lost(worn: Strap, monkeypatch: pytest.MonkeyPatch):
    start, whole, sent = TURN + timedelta(days=1), rolling_up._rollups, []
    worn.send(beats(start, 10))

    def rolled(*given: Any, **named: Any) -> Iterator[Rollup]:
        found = list(whole(*given, **named))
        if not sent:
            sent.append(worn.send([reading(start + timedelta(seconds=30), 99)]))
        return iter(found)

    monkeypatch.setattr(rolling_up, "_rollups", rolled)
    rolling_up.roll_up()
    assert Rollup.objects.get().count == 11
    ensure_same(step_up(worn.owner), start, start + timedelta(hours=1), "1h")


# --- whatever happens ----------------------------------------------------------------------------------------------

MINUTES = st.integers(-100, 99)
VALUES = st.sampled_from([20, 55, 60, 61, 72, 90, 133, 300])
EVENTS = st.one_of(
    st.tuples(
        st.just("send"),
        st.integers(0, 1),
        MINUTES,
        st.lists(VALUES, min_size=1, max_size=12),
        st.sampled_from([7, 45, 600]),
    ),
    st.tuples(st.just("tell"), MINUTES, VALUES),
    st.tuples(st.just("untell"), st.integers(0, 3)),
    st.tuples(st.just("enter"), MINUTES, st.integers(50, 150)),
    st.tuples(st.just("correct"), st.integers(0, 3), MINUTES, st.integers(50, 150)),
    st.tuples(st.just("delete"), st.integers(0, 3)),
    st.tuples(st.just("calibrate"), st.integers(0, 1), MINUTES, st.integers(-9, 9)),
    st.tuples(st.just("prefer"), st.permutations([0, 1, 2])),
    st.tuples(st.just("move")),
)


MADE = [
    *("health_reading", "health_batch", "health_rollup", "health_invalidation", "health_watermark"),
    *(
        "health_calibration",
        "health_coldfile",
        "health_coldwithdrawal",
        "health_phonesample",
        "health_entry",
        "health_sourceorder",
    ),
]


class Life:
    """A watch, a phone's own device and what its app tells, and entries by hand."""

    def __init__(self, devices: list[Strap], api: Api) -> None:
        self.devices, self.api, self.member = devices, api, devices[0].owner.api
        self.begin_anew()

    def begin_anew(self) -> None:
        self.told: list[str] = []
        self.entries: list[str] = []
        with connections["health"].cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(MADE)}")

    def send(self, device: int, minute: int, values: list[int], step_s: int) -> None:
        start = TURN + timedelta(minutes=minute)
        told = [reading(start + timedelta(seconds=n * step_s), value) for n, value in enumerate(values)]
        assert self.devices[device].send(told).status_code == 200

    def tell(self, minute: int, value: int) -> None:
        told = sample("HeartRate", value, "count/min", at=TURN + timedelta(minutes=minute, seconds=20))
        self.told.append(told["uuid"])
        self._phone(samples=[told])

    def untell(self, place: int) -> None:
        if self.told:
            self._phone(deletedObjects=[{"uuid": self.told.pop(place % len(self.told))}])

    def _phone(self, **said: Any) -> None:
        answer = self.member.post(HEALTHKIT, said)
        assert answer.status_code == 200, answer.content

    def enter(self, minute: int, value: int) -> None:
        answer = self.member.post(f"{HEALTH}/entries", {"stream": "heart_rate"} | self._entry(minute, value))
        assert answer.status_code == 201, answer.content
        self.entries.append(answer.json()["entry_id"])

    def correct(self, place: int, minute: int, value: int) -> None:
        if self.entries:
            path = f"{HEALTH}/entries/{self.entries[place % len(self.entries)]}"
            assert self.member.put(path, self._entry(minute, value)).status_code == 200

    def _entry(self, minute: int, value: int) -> dict[str, Any]:
        return {"value": value, "unit": "/min", "time": (TURN + timedelta(minutes=minute)).isoformat()}

    def delete(self, place: int) -> None:
        if self.entries:
            path = f"{HEALTH}/entries/{self.entries.pop(place % len(self.entries))}"
            assert self.member.delete(path).status_code == 204

    def calibrate(self, device: int, minute: int, more: int) -> None:
        points = [{"measured": 60, "true": 60 + more}, {"measured": 120, "true": 121}]
        valid_from = (TURN + timedelta(minutes=minute)).isoformat()
        curve = {"stream": "heart_rate", "points": points, "valid_from": valid_from}
        answer = self.member.post(f"{HEALTH}/devices/{self.devices[device].device_id}/calibrations", curve)
        assert answer.status_code == 201, answer.content

    def prefer(self, order: list[int]) -> None:
        sources = [str(each) for each in Device.objects.order_by("number").values_list("device_id", flat=True)]
        named = [sources[place] for place in order if place < len(sources)]
        answer = self.member.put(f"{HEALTH}/integrations/source-orders", {"kind": "vital", "device_ids": named})
        assert answer.status_code < 300, answer.content

    def move(self) -> None:
        moving.move_due(before=TURN, at=datetime.now(UTC))


@pytest.fixture
def life(worn: Strap, strap: Callable[..., Strap]) -> Life:
    return Life([worn, _long_ago(strap(worn.owner, name="Phone", kind="phone"))], step_up(worn.owner))


CHANGES: list[list[tuple[Any, ...]]] = [
    [("send", 0, 20, [133, 20], 5)],
    [("send", 1, -2, [99] * 12, 20)],
    [("untell", 0)],
    [("correct", 0, 80, 66)],
    [("delete", 0)],
    [("calibrate", 0, -40, 7)],
    [("prefer", [1, 0, 2])],
    [("move",)],
    [("move",), ("send", 0, -20, [133, 20], 5), ("calibrate", 1, -90, 7), ("move",)],
    [("tell", -90, 99), ("tell", -89, 133), ("move",), ("untell", 1)],
]


@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: "-".join(change[0] for change in changes))
def test_what_changes_rolled_up_readings_is_seen_at_once_and_when_rolled_up_anew(life: Life, changes: Any):
    life.send(0, -60, [60, 61, 72] * 20, 60)
    life.send(1, -20, [90, 55] * 10, 90)
    life.tell(40, 77)
    life.enter(55, 88)
    rolling_up.roll_up()
    hours = (TURN - timedelta(hours=2), TURN + timedelta(hours=2), "1h")
    before = looked(life.api, *hours)
    for name, *values in changes:
        getattr(life, name)(*values)
    ensure_same(life.api, *hours)
    assert (looked(life.api, *hours) == before) == (changes == [("move",)])
    rolling_up.roll_up()
    assert not Invalidation.objects.exists()
    ensure_same(life.api, *hours)


def test_what_comes_late_hides_what_is_rolled_up_nearby(life: Life):
    """The phone's reading is of one quarter of an hour, the watch's, half a minute later, of the next."""
    quarters = (TURN - timedelta(hours=1), TURN + timedelta(hours=1), "15m")
    life.send(1, -1, [90, 91], 50)
    rolling_up.roll_up()
    assert [point[4] for point in looked(life.api, *quarters)] == [2]
    life.send(0, 0, [20, 72], 20)
    assert [point[4] for point in looked(life.api, *quarters)] == [1, 1]
    rolling_up.roll_up()
    assert [point[4] for point in looked(life.api, *quarters)] == [1, 1]


def test_he6_a_cold_reading_hides_one_that_is_not(life: Life):
    quarters = (TURN - timedelta(hours=1), TURN + timedelta(hours=1), "15m")
    life.send(0, -1, [60, 61], 50)
    life.send(1, 0, [20, 72, 90], 20)
    life.send(1, 1, [91], 20)
    before = looked(life.api, *quarters)
    assert [point[4] for point in before] == [2, 1]
    life.move()
    assert looked(life.api, *quarters) == before
    rolling_up.roll_up()
    assert looked(life.api, *quarters) == before


def test_he6_of_a_reading_that_is_in_both_places_the_file_has_the_last_word(life: Life):
    hours = (TURN - timedelta(hours=1), TURN, "1h")
    life.send(0, -30, [20], 1)
    life.move()
    life.send(0, -30, [70], 1)
    rolling_up.roll_up()
    ensure_same(life.api, *hours)
    life.move()
    ensure_same(life.api, *hours)
    assert looked(life.api, *hours) == []


def test_whatever_happens_the_answers_are_those_of_the_readings(life: Life):
    @given(st.lists(st.tuples(EVENTS, st.booleans()), min_size=4, max_size=12), MINUTES, st.integers(30, 400))
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    def same(events: list[tuple[tuple[Any, ...], bool]], minute: int, length: int) -> None:
        life.begin_anew()
        since = TURN + timedelta(minutes=minute)
        for (name, *values), rolls_up in events:
            getattr(life, name)(*values)
            if rolls_up:
                rolling_up.roll_up()
        ensure_same(life.api, TURN - timedelta(hours=3), TURN + timedelta(hours=3), "15m")
        ensure_same(life.api, since, since + timedelta(minutes=length), "1h")
        rolling_up.roll_up()
        ensure_same(life.api, TURN - timedelta(hours=3), TURN + timedelta(hours=3), "15m")

    same()


# --- looked after --------------------------------------------------------------------------------------------------


def broken() -> set[str]:
    return {each.id for each in invariants() if each.context == "health" and each.violations()}


@pytest.mark.parametrize("change", ["total = total + 1", "count = count + 1", "stream = 2"])
def test_a_rollup_that_is_not_what_the_readings_say_is_found(worn: Strap, change: str):
    worn.send(beats(datetime.now(UTC) - timedelta(hours=20), 60))
    rolling_up.roll_up()
    assert broken() == set()
    with connections["health"].cursor() as cursor:
        cursor.execute(f"UPDATE health_rollup SET {change}")
    assert broken() == {"HE-8"}


def test_id10_an_erasure_reaches_rollups(worn: Strap):
    worn.send(beats(TURN, 60))
    rolling_up.roll_up()
    worn.send(beats(TURN, 60, step_s=59))
    personal_data.erase("health", worn.owner.user_id)
    assert not Rollup.objects.exists()
    assert not Invalidation.objects.exists()
    with later(24):
        assert rolling_up.roll_up() == 0


def test_id10_an_erasure_waits_for_whoever_computes(worn: Strap, monkeypatch: pytest.MonkeyPatch):
    """What was read before the readings went would be written down behind it else."""
    worn.send(beats(TURN, 60))
    computed = rolling_up._rollups
    erasing = Thread(target=erase_on_its_own, args=[worn.owner.user_id])

    def rolled(*given: Any, **named: Any) -> Iterator[Rollup]:
        found = list(computed(*given, **named))
        erasing.start()
        erasing.join(timeout=0.3)
        assert erasing.is_alive()
        return iter(found)

    monkeypatch.setattr(rolling_up, "_rollups", rolled)
    assert rolling_up.roll_up() == 1
    erasing.join()
    assert not Rollup.objects.exists()


def erase_on_its_own(user_id: Any) -> None:
    rolling_up.erase(user_id)
    connections.close_all()


def test_he6_a_damaged_file_keeps_nobody_elses_time_from_being_rolled_up(worn: Strap, strap: Callable[..., Strap]):
    other = _long_ago(strap())
    worn.send(beats(TURN - timedelta(hours=3), 60))
    moving.move_due(before=TURN, at=datetime.now(UTC))
    ColdFile.objects.update(sha256="")
    other.send(beats(TURN, 60))
    assert rolling_up.roll_up() == 1
    assert quarters() == [TURN + n * rules.ROLLUP_WIDTH for n in range(4)]
    assert len(set(Invalidation.objects.values_list("device_number", flat=True))) == 1


def test_he6_rolled_up_months_spare_the_store(worn: Strap, monkeypatch: pytest.MonkeyPatch):
    worn.send(beats(TURN - timedelta(hours=3), 60))
    rolling_up.roll_up()
    api, span = step_up(worn.owner), (TURN - timedelta(hours=4), TURN, "1h")
    before = looked(api, *span)
    assert moving.move_due(before=TURN, at=datetime.now(UTC)) == 60
    monkeypatch.setattr(objects.Folder, "get", None)
    assert looked(api, *span) == before


def test_operators_see_and_roll_up(worn: Strap, capsys: Any):
    worn.send(beats(TURN, 60))
    call_command("rollups", "status")
    assert "nothing is rolled up yet; 0 rollups; 1 spans wait, the oldest from " in capsys.readouterr().out
    call_command("rollups", "run")
    call_command("rollups", "status")
    told = capsys.readouterr().out
    assert "1 spans computed" in told
    assert "4 rollups; 0 spans wait" in told
