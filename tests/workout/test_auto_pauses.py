"""Automatic pauses (WO-1, WO-9): standing still while they are on is a pause, whatever way the samples came."""

import random
from datetime import timedelta
from uuid import uuid4

import numpy as np
import pytest
from django.utils.timezone import now
from hypothesis import given
from hypothesis import strategies as st

from contexts.workout.analysis import standstill
from contexts.workout.models import TrainingSession
from contexts.workout.recording import replaying
from contexts.workout.recordings import Streams, read
from tests.workout import making
from tests.workout.conftest import SESSIONS, hand_in, moment, move, start
from tests.workout.test_offline import BEGIN, send, told

engines = pytest.mark.django_db(databases="__all__", transaction=True)

# Runs at 3 m/s but for two standstills, of 60 s and of 14 s, which is none.
SPEEDS = [0.2 if 100 <= second < 160 or 300 <= second < 314 else 3.0 for second in range(600)]
WHOLE = [(0.0, 600.0)]


def series(begin, seconds=range(600)):
    """The run's speeds, and a heart rate at moments between them."""
    at = int(begin.timestamp() * 1_000)
    return [
        {
            "kind": "speed",
            "times_ms": [at + 1_000 * second for second in seconds],
            "values": [SPEEDS[second] for second in seconds],
        },
        {
            "kind": "heart_rate",
            "times_ms": [at + 1_000 * second + 500 for second in seconds],
            "values": [180.0 if 100 <= second < 159 else 140.0 for second in seconds],
        },
    ]


def found(speeds, *, within=WHOLE, but=(), sport="running", step_s=1.0):
    times = [step_s * nth for nth in range(len(speeds))]
    return standstill.standstills(Streams(time=times, speed_mps=speeds), sport, within=within, but=but)


class TestStandstill:
    def test_15_s_below_the_sports_threshold_are_one(self):
        assert found(SPEEDS) == [(99.0, 159.0)]
        assert (found([0.6] * 600), found([0.6] * 600, sport="rowing")) == ([(0.0, 599.0)], [])
        assert found(SPEEDS, sport="swimming") == []
        assert found(SPEEDS, within=[(0.0, 120.0), (150.0, 600.0)]) == [(99.0, 120.0)]
        assert found(SPEEDS, but=[(110.0, 130.0)]) == [(130.0, 159.0)]
        assert found([]) == []

    def test_what_nobody_measured_is_no_standstill(self):
        assert found([None, *SPEEDS[:50], None, None, *SPEEDS[50:]]) == [(102.0, 162.0)]
        assert found([0.0] * 5, step_s=61.0, within=[(0.0, 1e6)]) == []
        assert found([0.0] * 5, step_s=30.0) == [], "a speed tells of ten seconds"
        still = Streams(time=[0.0, 30.0, 60.0, 90.0], speed_mps=[0.0] * 4, distance_m=[0.0, 0.0, 3.0, 120.0])
        assert standstill.standstills(still, "running", within=WHOLE) == [(0.0, 60.0)]
        rates = Streams(time=[0.0, 20.0, 40.0], heart_rate_bpm=[140.0] * 3)
        assert standstill.standstills(rates, "running", within=WHOLE) == []

    @given(
        st.lists(st.tuples(st.integers(1, 60), st.none() | st.floats(0, 5)), max_size=60),
        st.lists(st.integers(0, 2_000), max_size=6, unique=True),
        st.lists(st.integers(0, 2_000), max_size=6, unique=True),
    )
    def test_pauses_are_apart_long_enough_within_and_outside(self, steps, on, own):
        lengths, speeds = zip(*steps, strict=True) if steps else ((), ())
        streams = Streams(time=np.cumsum(lengths, dtype=float).tolist(), speed_mps=list(speeds))
        within, but = (
            [tuple(map(float, pair)) for pair in zip(marks[::2], marks[1::2], strict=False)]
            for marks in (sorted(on), sorted(own))
        )
        pauses = standstill.standstills(streams, "running", within=within, but=but)
        assert pauses == sorted(pauses)
        for start_s, end_s in pauses:
            assert end_s - start_s >= standstill.AFTER_S
            assert any(first <= start_s and end_s <= last for first, last in within)
            assert not any(start_s < last and first < end_s for first, last in but)
            inside = [speed for at, speed in zip(streams.time, speeds, strict=True) if start_s < at <= end_s]
            assert all(speed is None or speed < 0.8 for speed in inside)


@engines
class TestLiveSessions:
    def recorded(self, person, *, auto_pause, switches=(), pauses=(), pieces=1, sport="running"):
        """A session of ten minutes that ended now; batches come in any order, marks are set back on the clock."""
        session = start(person, sport, auto_pause=auto_pause)
        for on in switches:
            answer = person.api.put(f"{SESSIONS}/{session['id']}/auto-pause", {"on": on})
            assert (answer.status_code, answer.json()["auto_pause"]) == (200, on)
        row = TrainingSession.objects.get(id=session["id"])
        row.started_at = now() - timedelta(seconds=600)
        marks = [row.started_at] * auto_pause + [row.started_at + timedelta(seconds=200)] * len(switches)
        row.auto_pause_marks = marks
        row.pauses = [row.started_at + timedelta(seconds=second) for second in pauses]
        row.save()
        batches = [series(row.started_at, range(nth, 600, pieces)) for nth in range(pieces)]
        random.Random(pieces).shuffle(batches)
        for batch in batches:
            answer = person.api.post(f"{SESSIONS}/{session['id']}/samples", {"series": batch})
            assert answer.status_code == 200
        return move(person, session, "complete")

    def test_wo1_standing_still_is_a_pause_of_its_own_kind(self, register):
        anna = register(birth_date="1990-01-01")
        with_it = self.recorded(anna, auto_pause=True, pauses=(400, 430))
        begin = moment(with_it["started_at"])
        paused = [(moment(mark) - begin).total_seconds() for mark in with_it["auto_pauses"]]
        assert paused == pytest.approx([99, 159], abs=0.01)
        assert [(moment(mark) - begin).total_seconds() for mark in with_it["pauses"]] == [400, 430]
        lasted = (moment(with_it["ended_at"]) - begin).total_seconds()
        assert with_it["duration_s"] == pytest.approx(lasted - 60 - 30, abs=0.01)
        assert with_it["hr_max"] == 140, "what is measured in a pause counts nowhere"
        assert with_it["methods"]["auto_pauses"]["algorithm"] == "standstill-15s@1"
        without = self.recorded(anna, auto_pause=False, pauses=(400, 430))
        assert (without["auto_pauses"], without["auto_pause"], without["hr_max"]) == ([], False, 180)
        assert without["duration_s"] > with_it["duration_s"] + 59
        assert without["moving_s"] == pytest.approx(with_it["moving_s"], abs=2), "as always without standstill"

    def test_wo9_batches_in_any_order_and_late_ones_find_the_same_pauses(self, register):
        anna = register()
        once, pieces = (self.recorded(anna, auto_pause=True, pieces=count) for count in (1, 7))
        apart = [
            [(moment(mark) - moment(one["started_at"])).total_seconds() for mark in one["auto_pauses"]]
            for one in (once, pieces)
        ]
        assert apart[0] == pytest.approx(apart[1], abs=0.002)
        begin = moment(once["started_at"])
        late = {"kind": "speed", "times_ms": [int(begin.timestamp() * 1_000) + 130_500], "values": [3.0]}
        assert anna.api.post(f"{SESSIONS}/{once['id']}/samples", {"series": [late]}).json()["new"] == 1
        shown = anna.api.get(f"{SESSIONS}/{once['id']}").json()
        assert len(shown["auto_pauses"]) == 4, "somebody who moved in the middle stood twice"
        changed = anna.api.patch(f"{SESSIONS}/{once['id']}", {"sport": "swimming"}).json()
        assert changed["auto_pauses"] == [], "a swimmer stands nowhere"

    def test_wo1_automatic_pauses_are_switched_under_way(self, register):
        anna, boris = register(), register()
        off = self.recorded(anna, auto_pause=True, switches=(False,))
        on = self.recorded(anna, auto_pause=False, switches=(True,))
        assert (len(off["auto_pauses"]), len(on["auto_pauses"])) == (2, 0)
        session = start(anna, auto_pause=True)
        path = f"{SESSIONS}/{session['id']}/auto-pause"
        assert session["auto_pause"] is True
        assert anna.api.get(f"{SESSIONS}/active").json()["auto_pause"] is True
        for _ in range(2):
            assert anna.api.put(path, {"on": False}).status_code == 200
        assert len(TrainingSession.objects.get(id=session["id"]).auto_pause_marks) == 2
        assert anna.api.get(f"{SESSIONS}/active").json()["auto_pause"] is False
        assert boris.api.put(path, {"on": True}).status_code == 404
        move(anna, session, "complete")
        over = anna.api.put(path, {"on": True})
        assert (over.status_code, over.json()["code"]) == (409, "session_completed")


@engines
class TestOfflineSessions:
    def operations(self, session_id):
        return [
            told(session_id, BEGIN, "start", sport="running"),
            told(session_id, BEGIN + timedelta(seconds=50), "auto_pause", on=True),
            told(session_id, BEGIN + timedelta(seconds=60), "auto_pause", on=True),
            told(session_id, BEGIN + timedelta(seconds=130), "auto_pause", on=False),
            *(
                told(session_id, BEGIN + timedelta(seconds=nth), "samples", series=series(BEGIN, range(nth, 600, 5)))
                for nth in range(5)
            ),
            told(session_id, BEGIN + timedelta(seconds=600), "complete"),
        ]

    def test_wo9_offline_operations_in_any_order_find_the_same_pauses(self, register):
        anna, expected = register(), ["2026-05-01T06:01:39Z", "2026-05-01T06:02:10Z"]
        for seed in (1, 2):
            session_id = uuid4()
            operations = self.operations(session_id)
            random.Random(seed).shuffle(operations)
            for piece in (operations[:4], operations[4:], operations[2:6]):
                send(anna, piece)
            shown = anna.api.get(f"{SESSIONS}/{session_id}").json()
            assert (shown["auto_pauses"], shown["pauses"], shown["auto_pause"]) == (expected, [], False)
            assert shown["duration_s"] == pytest.approx(600 - 31)

    def test_a_switch_before_the_start_and_one_left_on_stay_within_the_session(self):
        session_id = uuid4()
        one = replaying.Operation(uuid4(), BEGIN - timedelta(minutes=1), replaying.AutoPause(on=True))
        begin = replaying.Operation(uuid4(), BEGIN, replaying.Start(sport="running", auto_pause=True))
        end = replaying.Operation(uuid4(), BEGIN + timedelta(minutes=5), replaying.Complete())
        for operations in ([one, begin, end], [end, begin, one]):
            assert replaying.replay(operations).auto_pause_marks == [BEGIN], session_id


@engines
class TestRecordings:
    def with_events(self):
        """A FIT activity whose watch stopped by itself, then was stopped by hand, then was put away."""
        writer = making.FitWriter()
        making.file_id(writer)
        making.records(writer, start=making.START, seconds=600)
        for second, kind, trigger in ((100, 4, 1), (140, 0, 1), (300, 4, 0), (330, 0, 0), (600, 4, 0)):
            at = making.Value(253, making.UINT32, making.fit_time(making.START) + second)
            values = (making.Value(0, making.ENUM, 0), making.Value(1, making.ENUM, kind))
            writer.write(21, at, *values, making.Value(3, making.UINT32, trigger), local=5)
        making.session(writer, start=making.START, seconds=600)
        return writer.file()

    def test_wo1_imports_keep_the_automatic_pauses_they_recorded(self, register, work):
        anna = register(birth_date="1990-01-01")
        hand_in(anna, self.with_events(), name="run.fit")
        work()
        (session,) = TrainingSession.objects.filter(user_id=anna.user_id)
        assert (session.auto_pauses_s(), session.pauses_s()) == ([(100.0, 140.0)], [(300.0, 330.0)])
        shown = anna.api.patch(f"{SESSIONS}/{session.pk}", {"sport": "walking"}).json()
        assert (len(shown["auto_pauses"]), len(shown["pauses"])) == (2, 2), "another sport leaves them as recorded"
        exported = anna.api.get(f"{SESSIONS}/{session.pk}/export", data={"format": "json"}).content
        (again,) = read(exported).activities
        assert (again.auto_pauses, again.pauses) == ([(100.0, 140.0)], [(300.0, 330.0)])
