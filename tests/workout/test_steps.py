"""A phone counts steps: how many a session took, and the cadence of those who go on foot (WO-10)."""

import json
from datetime import timedelta

import pytest

from contexts.workout import tasks
from contexts.workout.models import TrainingSession
from tests.workout.conftest import SESSIONS, gpx, hand_in, move, progress
from tests.workout.test_exporting import again, export
from tests.workout.test_recording import begun_ago, send, start

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

BOOTED = 52_000


def stepped(person, sport, every_s=5):
    """Ten minutes at 168 steps a minute, with a pause of a minute in which somebody shuffles about."""
    session = start(person, sport)
    begun_ago(session, timedelta(minutes=10))
    begin = TrainingSession.objects.get(id=session["id"]).started_at
    move(person, session, "pause")
    move(person, session, "resume")
    pauses = [begin + timedelta(minutes=4), begin + timedelta(minutes=5)]
    TrainingSession.objects.filter(id=session["id"]).update(pauses=pauses)
    seconds = range(0, 600, every_s)
    counted = [BOOTED + 2.8 * at - 1.8 * max(0, min(at, 300) - 240) for at in seconds]
    times = [int((begin + timedelta(seconds=at)).timestamp() * 1_000) for at in seconds]
    for part in (slice(60, None), slice(None, 60)):
        send(person, session, [{"kind": "steps", "times_ms": times[part], "values": counted[part]}])
    return session


def drawn(person, session, query=""):
    answer = person.api.get(f"{SESSIONS}/{session['id']}/streams{query}").json()
    return {each["kind"]: each for each in answer["streams"]}, answer["derived"]


def test_wo10_a_phones_steps_are_counted_outside_of_pauses_and_give_the_cadence(register):
    anna = register(birth_date="1990-01-01", sex="female")
    session = stepped(anna, "running")
    done = move(anna, session, "complete")
    assert done["steps"] == pytest.approx(2.8 * 535, abs=2)
    assert done["methods"]["steps"]["algorithm"] == "steps-by-counter@1"
    streams, derived = drawn(anna, session)
    assert (streams["steps"]["values"][0], derived) == (BOOTED, {"cadence": "cadence-by-steps@1"})
    assert streams["cadence"]["values"] == pytest.approx([168.0] * len(streams["cadence"]["values"]), rel=1e-3)
    assert not any(240 <= at < 300 for at in streams["cadence"]["offsets_s"])
    assert drawn(anna, session, "?kinds=steps")[1] == {}
    tasks.analyse_sessions()
    numbers = anna.api.get(f"{SESSIONS}/{session['id']}/analysis").json()["numbers"]
    assert numbers["steps"]["value"] == done["steps"]
    assert (numbers["cadence"]["algorithm"], round(numbers["cadence"]["value"])) == ("cadence-by-steps@1", 168)


def test_wo10_steps_are_no_cadence_of_other_sports_nor_beside_a_measured_one(register):
    anna = register(birth_date="1990-01-01", sex="female")
    ride = stepped(anna, "cycling")
    assert move(anna, ride, "complete")["steps"]
    assert drawn(anna, ride)[1] == {}
    run = stepped(anna, "running")
    begin = TrainingSession.objects.get(id=run["id"]).started_at
    times = [int((begin + timedelta(seconds=at)).timestamp() * 1_000) for at in (0, 10, 20)]
    send(anna, run, [{"kind": "cadence", "times_ms": times, "values": [170, 180, 0]}])
    move(anna, run, "complete")
    streams, derived = drawn(anna, run)
    assert (streams["cadence"]["values"], derived) == ([170, 180, 0], {})
    tasks.analyse_sessions()
    cadence = anna.api.get(f"{SESSIONS}/{run['id']}/analysis").json()["numbers"]["cadence"]
    assert (cadence["algorithm"], round(cadence["value"])) == ("cadence-without-zeros@1", 175)


def test_wo9_steps_come_back_the_same(register, work):
    anna = register()
    session = stepped(anna, "running")
    done = move(anna, session, "complete")
    once = export(anna, session["id"], "json")
    assert json.loads(once)["streams"]["steps"][0] == BOOTED
    new, twice = again(anna, work, session["id"], once, "json")
    assert twice == once
    assert anna.api.get(f"{SESSIONS}/{new}").json()["steps"] == done["steps"]
    assert drawn(anna, {"id": new})[1] == {"cadence": "cadence-by-steps@1"}


def test_wo9_the_steps_of_the_phone_stand_beside_what_the_watch_measured(register, work):
    anna = register()
    session = stepped(anna, "running")
    done = move(anna, session, "complete")
    by_phone = export(anna, session["id"], "json")
    begin = TrainingSession.objects.get(id=session["id"]).started_at
    assert anna.api.delete(f"{SESSIONS}/{session['id']}").status_code == 204
    by_watch = gpx(begin, points=61).replace(b'creator="test"', b'creator="Forerunner 945"')
    found = []
    for content, name in ((by_watch, "run.gpx"), (by_phone, "run.json")):
        answer = hand_in(anna, content, name)
        work()
        found += progress(anna, answer)["sessions"]
    watch, phone = found
    shown = anna.api.get(f"{SESSIONS}/{watch}").json()
    assert (shown["steps"], shown["hr_avg"]) == (done["steps"], 140)
    assert (shown["taken_from"]["steps"], shown["taken_from"]["stream.steps"]) == (phone, phone)
    streams, derived = drawn(anna, {"id": watch})
    assert ("heart_rate" in streams, derived) == (True, {"cadence": "cadence-by-steps@1"})
    assert anna.api.post(f"{SESSIONS}/{watch}/split").status_code == 200
    assert anna.api.get(f"{SESSIONS}/{watch}").json()["steps"] is None
