"""Readings of the athlete's devices become the streams of the session they fall into."""

from datetime import timedelta

import pytest

from contexts.workout import events
from contexts.workout.models import LiveSample, TrainingSession
from contexts.workout.recordings import read
from kernel.databases import unit_of_work
from tests.workout.conftest import SESSIONS, beats_from, moment, move, start, wear

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def streams_of(person, session):
    answer = person.api.get(f"{SESSIONS}/{session['id']}/streams")
    assert answer.status_code == 200
    return {stream["kind"]: stream for stream in answer.json()["streams"]}


def details_of(person, session):
    return person.api.get(f"{SESSIONS}/{session['id']}").json()


@unit_of_work("workout")
def lengthen(session, *, begin, end=None):
    """Move a session's start (and end) on the clock, so that a test need not wait for it."""
    change = {"started_at": begin} | ({"ended_at": end} if end else {})
    TrainingSession.objects.filter(id=session["id"]).update(**change)


class TestReadingsDuringASession:
    def test_wo1_readings_become_the_stream_of_the_session_under_way(self, register, deliver):
        person = register(birth_date="1986-01-01", sex="male", body_mass_kg=75)
        strap, session = wear(person), start(person)
        begin = moment(session["started_at"]) - timedelta(minutes=10)
        lengthen(session, begin=begin)
        strap.send(beats_from(begin, [120] * 300 + [150] * 300, every_s=1))
        deliver()
        done = move(person, session, "complete")
        assert done["hr_avg"] == pytest.approx(135, abs=0.5)
        assert done["hr_max"] == 150
        assert sum(done["hr_zones_s"]) == pytest.approx(599, abs=10)
        assert done["methods"]["energy_kcal"]["algorithm"] == "keytel-2005@1"
        heart_rate = streams_of(person, session)["heart_rate"]
        assert heart_rate["offsets_s"] == [float(second) for second in range(600)]
        assert heart_rate["values"] == [120.0] * 300 + [150.0] * 300

    def test_wo1_readings_outside_the_session_stay_out(self, register, deliver):
        person = register()
        strap, session = wear(person), start(person)
        begin = moment(session["started_at"])
        strap.send([(begin - timedelta(seconds=5), 100), (begin, 120)])
        deliver()
        move(person, session, "complete")
        assert streams_of(person, session)["heart_rate"]["values"] == [120.0]

    def test_wo3_values_that_are_no_heart_rate_stay_out(self, register, deliver):
        person = register()
        strap, session = wear(person), start(person)
        strap.send(beats_from(moment(session["started_at"]), [39, 40, 220, 221]))
        deliver()
        move(person, session, "complete")
        assert streams_of(person, session)["heart_rate"]["values"] == [40.0, 220.0]

    def test_wo3_a_heart_rate_above_220_less_age_counts_and_is_flagged(self, register, deliver):
        person = register(birth_date="1966-01-01")
        strap, session = wear(person), start(person)
        strap.send(beats_from(moment(session["started_at"]), [120, 190]))
        deliver()
        done = move(person, session, "complete")
        assert done["hr_max"] == 190
        (seen,) = done["anomalies"]
        assert (seen["code"], seen["count"]) == ("heart_rate_above_age_limit", 1)

    def test_readings_of_somebody_else_stay_out(self, register, deliver):
        person, other = register(), register()
        session, strap = start(person), wear(other)
        strap.send([(moment(session["started_at"]), 120)])
        deliver()
        assert move(person, session, "complete")["hr_avg"] is None

    def test_wo9_a_reading_counts_once_however_often_it_is_sent_and_relayed(self, register, deliver):
        person = register()
        strap, session = wear(person), start(person)
        beats = beats_from(moment(session["started_at"]), [120, 130])
        for _ in range(3):
            strap.send(beats)
            deliver()
            deliver()
        assert LiveSample.objects.filter(session_id=session["id"]).count() == 2
        move(person, session, "complete")
        assert len(streams_of(person, session)["heart_rate"]["values"]) == 2
        assert LiveSample.objects.count() == 0

    def test_wo1_readings_of_a_pause_are_kept_and_counted_nowhere(self, register, deliver):
        person = register(birth_date="1986-01-01")
        strap, session = wear(person), start(person)
        begin = moment(session["started_at"]) - timedelta(minutes=10)
        lengthen(session, begin=begin)
        move(person, session, "pause")
        TrainingSession.objects.filter(id=session["id"]).update(pauses=[begin + timedelta(minutes=5)])
        strap.send(beats_from(begin, [120] * 300 + [180] * 299, every_s=1))
        deliver()
        done = move(person, session, "complete")
        assert (done["hr_avg"], done["hr_max"]) == (120, 120)
        assert done["duration_s"] == pytest.approx(300)
        assert len(streams_of(person, session)["heart_rate"]["values"]) == 599

    def test_a_reading_relayed_before_the_session_was_visible_is_not_lost(self, register, deliver):
        person = register()
        strap, session = wear(person), start(person)
        strap.send([(moment(session["started_at"]), 120)])
        assert move(person, session, "complete")["hr_avg"] == 120
        deliver()
        assert details_of(person, session)["revision"] == 0


class TestLateReadings:
    def test_wo9_late_readings_revise_the_summary_and_announce_nothing(self, register, deliver, announced):
        person = register()
        strap, session = wear(person), start(person)
        begin = moment(session["started_at"]) - timedelta(minutes=10)
        lengthen(session, begin=begin)
        strap.send(beats_from(begin, [120] * 100, every_s=1))
        deliver()
        before = move(person, session, "complete")
        late = beats_from(begin + timedelta(seconds=100), [160] * 100, every_s=1)
        for _ in range(2):
            strap.send(late)
            deliver()
        after = details_of(person, session)
        assert (before["revision"], after["revision"]) == (0, 1)
        assert after["hr_avg"] == pytest.approx(140, abs=0.5)
        assert after["ended_at"] == before["ended_at"]
        assert len(streams_of(person, session)["heart_rate"]["values"]) == 200
        assert len(announced(events.WorkoutCompleted)) == 1

    def test_wo9_what_was_recorded_offline_arrives_in_any_order(self, register, deliver):
        person = register()
        strap, session = wear(person), start(person)
        begin = moment(session["started_at"]) - timedelta(minutes=10)
        lengthen(session, begin=begin)
        move(person, session, "complete")
        beats = beats_from(begin, range(100, 160), every_s=1)
        for piece in (beats[40:], beats[:20], beats[10:50]):
            strap.send(piece)
            deliver()
        assert streams_of(person, session)["heart_rate"]["values"] == [float(bpm) for bpm in range(100, 160)]

    def test_wo9_one_late_batch_may_belong_to_several_sessions(self, register, deliver):
        person = register()
        strap = wear(person)
        first, second = start(person), None
        begin = moment(first["started_at"])
        move(person, first, "complete")
        second = start(person)
        lengthen(first, begin=begin - timedelta(minutes=20), end=begin - timedelta(minutes=11))
        lengthen(second, begin=begin - timedelta(minutes=10))
        strap.send(beats_from(begin - timedelta(minutes=20), [120] * 1100, every_s=1))
        deliver()
        move(person, second, "complete")
        assert len(streams_of(person, first)["heart_rate"]["values"]) == 541
        assert len(streams_of(person, second)["heart_rate"]["values"]) == 500


class TestMachinesAndSensors:
    def test_wo1_speed_power_and_cadence_of_a_machine_become_streams_of_the_session(self, register, deliver):
        person = register()
        trainer, session = wear(person), start(person, sport="cycling")
        begin = moment(session["started_at"]) - timedelta(minutes=10)
        lengthen(session, begin=begin)
        told = {"speed": [8.0, 9.0], "power": [200, 210], "cadence": [85, 90], "distance": [5_008, 5_017]}
        for stream, values in (told | {"resistance_level": [12, 14]}).items():
            trainer.send(beats_from(begin, values, every_s=1), stream=stream)
        deliver()
        done = move(person, session, "complete")
        told["resistance"] = [12, 14]
        assert {kind: each["values"] for kind, each in streams_of(person, session).items()} == told
        fit = person.api.get(f"{SESSIONS}/{session['id']}/export?format=fit").content
        assert read(fit, filename="x.fit").activities[0].streams.resistance.tolist() == [12, 14]
        assert done["distance_m"] == pytest.approx(9), "a counter that did not begin at zero"

    @pytest.mark.parametrize("kind", ["bike_trainer", "cross_trainer"])
    def test_wo1_a_machines_own_total_is_the_energy_of_the_session(self, register, deliver, kind):
        """Counted on from where it began, and from zero once; what came after the end counts too, once."""
        person = register(body_mass_kg=75)
        trainer, session = wear(person, kind=kind), start(person, sport="cycling")
        begin = moment(session["started_at"]) - timedelta(minutes=10)
        lengthen(session, begin=begin)
        trainer.send(beats_from(begin, [900, 1_000, *range(0, 219, 2)], every_s=5), stream="counted_energy")
        deliver()
        done = move(person, session, "complete")
        kcal = pytest.approx((100 + 218) / 4.184, abs=0.1)
        assert (done["energy_kcal"], done["methods"]["energy_kcal"]["algorithm"]) == (kcal, "device")
        exported = person.api.get(f"{SESSIONS}/{session['id']}/export", data={"format": "json"}).json()
        assert exported["said"]["energy_kcal"] == kcal
        for _ in range(2):
            trainer.send([(begin + timedelta(seconds=570), 228)], stream="counted_energy")
            deliver()
        late = details_of(person, session)
        assert (late["energy_kcal"], late["revision"]) == (pytest.approx((100 + 228) / 4.184, abs=0.1), 1)

    @pytest.mark.parametrize(
        ("kind", "heard_s", "values"),
        [
            ("power_meter", 600, [0, 400]),  # work at the pedals
            ("treadmill", 300, [0, 400]),  # it says nothing of the other half
            ("treadmill", 600, [0, 0]),
            ("treadmill", 600, [50, 9, 51, 10, 52, 11, 53, 12]),  # two counters in one
        ],
    )
    def test_wo1_what_is_no_total_of_the_session_is_not_taken_for_one(self, register, deliver, kind, heard_s, values):
        person = register(body_mass_kg=75)
        worn, session = wear(person, kind=kind), start(person, sport="cycling")
        begin = moment(session["started_at"]) - timedelta(minutes=10)
        lengthen(session, begin=begin)
        worn.send(beats_from(begin, values, every_s=(heard_s - 1) / (len(values) - 1)), stream="counted_energy")
        deliver()
        done = move(person, session, "complete")
        assert done["methods"]["energy_kcal"]["algorithm"] == "met-compendium-2011@1"

    def test_wo1_a_sensor_counts_one_leg_and_a_session_steps(self, register, deliver):
        person = register()
        pod, session = wear(person), start(person, sport="running")
        pod.send(beats_from(moment(session["started_at"]), [85, 86]), stream="cadence")
        deliver()
        move(person, session, "complete")
        assert streams_of(person, session)["cadence"]["values"] == [170, 172]

    def test_wo1_metres_are_of_one_counter(self, register, deliver):
        """The first that counts; what another one or the phone says of metres stays out, live and at the end."""
        person = register()
        pod, treadmill, session = wear(person), wear(person), start(person)
        begin = moment(session["started_at"]) - timedelta(minutes=1)
        lengthen(session, begin=begin)
        pod.send(beats_from(begin, [53_000, 53_003], every_s=1), stream="distance")
        deliver()
        treadmill.send(beats_from(begin, [10, 13], every_s=1.5), stream="distance")
        deliver()
        at_ms = [int((begin + timedelta(seconds=n)).timestamp() * 1000) for n in (2, 3)]
        series = [{"kind": kind, "times_ms": at_ms, "values": [1, 2]} for kind in ("distance", "speed")]
        taken = person.api.post(f"{SESSIONS}/{session['id']}/samples", {"series": series}).json()
        assert (taken["new"], taken["outside_session"]) == (2, 0)
        move(person, session, "complete")
        assert streams_of(person, session)["distance"]["values"] == [53_000, 53_003]
