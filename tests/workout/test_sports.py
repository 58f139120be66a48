"""Files of every kind of training, from the upload to what the athlete sees, and out and in again."""

import json
from datetime import datetime, timedelta

import pytest
from django.utils.timezone import now

from contexts.workout.models import TrainingSession
from contexts.workout.numbers import analysing
from tests.workout import making_sports as making
from tests.workout.conftest import SESSIONS, hand_in, move, progress, start
from tests.workout.making import CYCLING, RUNNING, START, SWIMMING, TRANSITION, gpx
from tests.workout.test_exporting import again, export

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

PERSON = {"birth_date": "1986-01-01", "sex": "male", "body_mass_kg": 75}


def sessions_of(person, work, data, name="activity.fit"):
    """Hand a file in; its sessions as their athlete sees them."""
    answer = hand_in(person, data, name)
    work()
    stands = progress(person, answer)
    assert stands["state"] == "done", stands
    return [person.api.get(f"{SESSIONS}/{each}").json() for each in stands["sessions"]]


def numbers_of(person, session):
    """What is computed about a session."""
    assert analysing.analyse(session_ids=[session["id"]], at=now())
    answer = person.api.get(f"{SESSIONS}/{session['id']}/analysis").json()
    assert answer["state"] == "ready"
    return answer["numbers"]


def streams_of(person, session):
    """What was measured, by kind."""
    streams = person.api.get(f"{SESSIONS}/{session['id']}/streams").json()["streams"]
    return {stream["kind"]: stream["values"] for stream in streams}


def comes_back(person, work, session, formats=("fit", "json")):
    """In each format, one after the other: out, in and out again is the same file."""
    for format in formats:
        once = export(person, session["id"], format)
        new, twice = again(person, work, session["id"], once, format)
        assert twice == once
        session = person.api.get(f"{SESSIONS}/{new}").json()
    return session


SWUM = [
    (30.0, 18, making.FREESTYLE),
    (32.0, 20, making.FREESTYLE),
    (25.0, None, None),
    (40.0, 16, making.BREASTSTROKE),
    (38.5, None, making.DRILL),
]


@pytest.mark.parametrize(("pool_m", "yards"), [(25.0, False), (22.86, True)])
def test_wo9_a_pool_swim_is_its_lengths(register, work, pool_m, yards):
    """Distance is lengths times pool, the pace leaves rests out, SWOLF those whose strokes nobody counted."""
    person = register(**PERSON)
    (swim,) = sessions_of(person, work, making.fit_pool_swim(SWUM, pool_m=pool_m, yards=yards))
    assert (swim["sport"], swim["sub_sport"], swim["duration_s"]) == ("swimming", "lap_swimming", 165.5)
    assert swim["distance_m"] == pytest.approx(4 * pool_m)
    assert swim["methods"]["distance_m"]["algorithm"] == "pool-lengths@1"
    pool = swim["pool"]
    assert (pool["length_m"], pool["unit"]) == (pool_m, "yd" if yards else "m")
    assert [length["active"] for length in pool["lengths"]] == [True, True, False, True, True]
    assert pool["lengths"][2] == {"start_s": 62.0, "end_s": 87.0, "active": False, "stroke": None, "strokes": None}
    assert [each["stroke"] for each in pool["lengths"]] == ["freestyle", "freestyle", None, "breaststroke", "drill"]
    assert [lap["end_s"] for lap in swim["recorded_laps"]] == [165.5]

    numbers = numbers_of(person, swim)
    swum = {name: number["value"] for name, number in numbers["swimming"].items()}
    assert swum == {
        "lengths": 4,
        "swum": 140.5,
        "rest": 25.0,
        "pace_per_100m": pytest.approx(140.5 / (4 * pool_m) * 100, abs=1e-5),
        "strokes_per_length": 18,
        "swolf": pytest.approx((48 + 52 + 56) / 3, abs=1e-5),
    }
    why = person.api.get(f"{SESSIONS}/{swim['id']}/why/swimming.swolf").json()
    assert why["exclusions"] == [
        {"what": "lengths", "count": 1, "code": "strokes_not_counted", "reason": "no strokes were counted"}
    ]
    assert numbers["distance"]["value"] == pytest.approx(4 * pool_m)

    back = comes_back(person, work, swim)
    assert (back["pool"], back["sub_sport"]) == (pool, "lap_swimming")
    assert numbers_of(person, back)["swimming"] == numbers["swimming"]


def test_wo9_what_the_watch_says_it_swam_goes_before_its_lengths(register, work):
    """Athletes correct on the watch what it counted wrong."""
    person = register(**PERSON)
    (swim,) = sessions_of(person, work, making.fit_pool_swim(SWUM, pool_m=25.0, metres=125.0))
    assert (swim["distance_m"], swim["methods"]["distance_m"]["algorithm"]) == (125.0, "device")


def test_wo9_each_leg_of_a_triathlon_is_a_session(register, work):
    """Transitions are none, and no leg takes metres, laps or samples of another."""
    person = register(**PERSON)
    legs = [
        (SWIMMING, 300, 1.0),
        (TRANSITION, 40, 1.5),
        (CYCLING, 600, 8.0),
        (TRANSITION, 20, 1.5),
        (RUNNING, 400, 3.0),
    ]
    swim, ride, run = sessions_of(person, work, making.fit_triathlon(legs))
    assert [each["sport"] for each in (swim, ride, run)] == ["swimming", "cycling", "running"]
    assert [each["distance_m"] for each in (swim, ride, run)] == [300.0, 4800.0, 1200.0]
    assert [each["duration_s"] for each in (swim, ride, run)] == [300.0, 600.0, 400.0]
    assert [each["hr_avg"] for each in (swim, ride, run)] == [145.0, 142.0, 141.0]
    begun = [datetime.fromisoformat(each["started_at"]) for each in (swim, ride, run)]
    assert begun == [START, START + timedelta(seconds=340), START + timedelta(seconds=960)]
    assert [len(each["recorded_laps"]) for each in (swim, ride, run)] == [1, 1, 1]
    assert run["fastest_1k_s"] == pytest.approx(1000 / 3, abs=1)
    assert len({each["import_id"] for each in (swim, ride, run)}) == 1
    listed = person.api.get(SESSIONS).json()["items"]
    assert [item["id"] for item in listed] == [run["id"], ride["id"], swim["id"]]
    assert comes_back(person, work, ride)["distance_m"] == 4800.0


def test_wo9_an_indoor_row_has_strokes_power_and_the_machines_distance(register, work):
    person = register(**PERSON)
    rows = [{"bpm": 150, "cadence": 26, "metres": nth * 4.0, "mps": 4.0, "watts": 180} for nth in range(301)]
    (row,) = sessions_of(person, work, making.fit_machine(rows, sport=4, sub_sport=14, metres=1210))
    assert (row["sport"], row["sub_sport"], row["distance_m"]) == ("rowing", "indoor_rowing", 1210.0)
    assert (row["duration_s"], row["moving_s"], row["hr_avg"]) == (300.0, 300.0, 150.0)
    streams = streams_of(person, row)
    assert set(streams) == {"heart_rate", "cadence", "distance", "speed", "power"}
    assert set(streams["cadence"]) == {26.0}
    riding = numbers_of(person, row)["riding"]["summary"]
    assert (riding["average"]["value"], riding["normalised"]["value"]) == (180.0, 180.0)
    assert person.api.get(f"{SESSIONS}/{row['id']}/export?format=gpx").json()["code"] == "nothing_to_export"
    assert comes_back(person, work, row)["sub_sport"] == "indoor_rowing"


def test_wo9_a_treadmill_run_by_a_foot_pod_is_a_run_without_places(register, work):
    person = register(**PERSON)
    rows = [{"bpm": 145, "cadence": 84, "metres": nth * 2.5, "mps": 2.5} for nth in range(601)]
    (run,) = sessions_of(person, work, making.fit_machine(rows, sport=RUNNING, sub_sport=1, metres=1500))
    assert (run["sport"], run["sub_sport"], run["distance_m"]) == ("running", "treadmill", 1500.0)
    assert run["fastest_1k_s"] == pytest.approx(400, abs=0.5)
    assert set(streams_of(person, run)["cadence"]) == {168.0}
    splits = numbers_of(person, run)["pacing"]["splits"]
    assert [(round(split["metres"]), round(split["elapsed_s"])) for split in splits] == [(1000, 400), (500, 200)]
    assert comes_back(person, work, run)["sub_sport"] == "treadmill"

    changed = person.api.get(SESSIONS).json()["items"][0]["id"]
    corrected = person.api.patch(f"{SESSIONS}/{changed}", {"sport": "other"}).json()
    assert (corrected["sport"], corrected["sub_sport"]) == ("other", None)
    assert comes_back(person, work, corrected)["sport"] == "other"


FTP_W = 250.0


def watts_at(second):
    """Ten minutes easy, five times a hard minute and an easy one, then steady; coasting now and then."""
    if second % 97 == 0:
        return 0
    if second < 600:
        return 150
    if second < 1200:
        return 380 if second // 60 % 2 == 0 else 120
    return 210 + second % 7


def test_wo5_a_ride_with_power_has_the_numbers_an_independent_sum_gives(register, work):
    person = register(**PERSON)
    wanted = {"sport": "cycling", "valid_from": "2020-01-01", "ftp_w": FTP_W}
    assert person.api.put("/api/v1/workout/thresholds", wanted).status_code == 200
    watts = [watts_at(second) for second in range(2401)]
    rows = [
        {"bpm": 130 + second // 240, "cadence": 88, "metres": second * 9.0, "watts": power}
        for second, power in enumerate(watts)
    ]
    (ride,) = sessions_of(person, work, making.fit_machine(rows, sport=CYCLING, sub_sport=6, metres=21_600))
    numbers = numbers_of(person, ride)
    riding = numbers["riding"]

    thirties = [sum(watts[end - 30 : end]) / 30 for end in range(30, len(watts) + 1)]
    normalised = (sum(mean**4 for mean in thirties) / len(thirties)) ** 0.25
    average = sum(watts) / len(watts)
    load = 100 * len(watts) / 3600 * (normalised / FTP_W) ** 2
    summary = {name: number["value"] for name, number in riding["summary"].items() if number}
    assert summary == {
        "average": pytest.approx(average, abs=1e-5),
        "work": pytest.approx(sum(watts) / 1000, abs=1e-5),
        "normalised": pytest.approx(normalised, abs=1e-5),
        "variability": pytest.approx(normalised / average, abs=1e-5),
        "intensity": pytest.approx(normalised / FTP_W, abs=1e-5),
        "load": pytest.approx(load, abs=1e-5),
    }
    assert numbers["strain"]["load"]["believed"]["value"] == pytest.approx(load, abs=1e-5)
    assert person.api.get(f"{SESSIONS}/{ride['id']}/analysis").json()["load"] == pytest.approx(load, abs=1e-5)

    curve = dict(zip(riding["curve"]["along"], riding["curve"]["values"], strict=True))
    for seconds in (1, 5, 60, 300, 1200):
        best = max(sum(watts[begin : begin + seconds]) for begin in range(len(watts) - seconds + 1)) / seconds
        assert curve[seconds] == pytest.approx(best, abs=1e-5)
    assert numbers["strain"]["decoupling"]["value"] != 0
    assert sum(numbers["zones"]["power"]["seconds"]) == pytest.approx(2401, abs=1)

    back = comes_back(person, work, ride)
    assert numbers_of(person, back)["riding"] == riding


def test_wo9_a_walk_without_times_is_a_route_and_says_so(register, work):
    """No session is invented: nobody knows when it was, nor how long it took."""
    person = register(**PERSON)
    answer = hand_in(person, gpx(sport="walking", times=False), "walk.gpx")
    work()
    stands = progress(person, answer)
    assert (stands["state"], stands["sessions"], stands["refusal"]["code"]) == ("refused", [], "no_times")
    assert "route" in stands["refusal"]["detail"]

    timed, timeless = gpx(sport="walking").decode(), gpx(sport="walking", times=False).decode()
    track = timeless[timeless.index("<trk>") : timeless.index("</gpx>")]
    answer = hand_in(person, timed.replace("</gpx>", track + "</gpx>").encode(), "both.gpx")
    work()
    stands = progress(person, answer)
    assert (stands["state"], len(stands["sessions"])) == ("done", 1)
    assert [warning["code"] for warning in stands["warnings"]] == ["points_without_time"]
    assert TrainingSession.objects.count() == 1


BENCH_PRESS, SQUAT, PLANK, UNKNOWN = 0, 28, 19, 65_534


def test_wo9_a_strength_session_brings_its_sets(register, work):
    person = register(**PERSON)
    sets = [
        (BENCH_PRESS, 8, 60.0, 30.0),
        (BENCH_PRESS, 5, 72.5, 25.0),
        (SQUAT, 12, 100.0, 40.0),
        (PLANK, None, None, 45.5),
    ]
    data = making.fit_strength(sets, titles=[(SQUAT, "Присед со штангой")])
    (lifted,) = sessions_of(person, work, data)
    assert (lifted["sport"], lifted["sub_sport"]) == ("strength", "strength_training")
    url = f"{SESSIONS}/{lifted['id']}/sets"
    shown = person.api.get(url).json()["sets"]
    assert [(one["exercise"], one["reps"], one["weight_kg"], one["duration_s"]) for one in shown] == [
        ("Bench press", 8, 60.0, 30.0),
        ("Bench press", 5, 72.5, 25.0),
        ("Присед со штангой", 12, 100.0, 40.0),
        ("Plank", None, None, 45.5),
    ]
    assert datetime.fromisoformat(shown[0]["done_at"]) == START + timedelta(seconds=30)

    numbers = numbers_of(person, lifted)["strength"]
    assert numbers["volume"]["value"] == 60 * 8 + 72.5 * 5 + 100 * 12
    estimates = numbers["one_repetition"]
    assert estimates["Bench press"]["value"] == pytest.approx(72.5 * (1 + 5 / 30), abs=1e-5)
    assert estimates["Присед со штангой"] is None

    person.api.put(f"{url}/{shown[1]['set_id']}", {"exercise": "Жим", "reps": 6, "weight_kg": 72.5, "rpe": 8.5})
    once = export(person, lifted["id"], "json")
    assert [one["rpe"] for one in json.loads(once)["sets"]] == [None, 8.5, None, None]
    back = comes_back(person, work, lifted, formats=("json", "fit"))
    kept = person.api.get(f"{SESSIONS}/{back['id']}/sets").json()["sets"]
    assert [one["exercise"] for one in kept] == ["Bench press", "Жим", "Присед со штангой", "Plank"]
    assert [one["done_at"] for one in kept] == [one["done_at"] for one in shown]


def test_wo9_laps_and_sets_of_a_live_session_come_back_the_same(register, work):
    person = register(**PERSON)
    session = start(person, "strength")
    assert person.api.post(f"{SESSIONS}/{session['id']}/laps").status_code == 201
    for reps in (5, 6):
        wanted = {"exercise": "Squat", "reps": reps, "weight_kg": 61.3}
        assert person.api.post(f"{SESSIONS}/{session['id']}/sets", wanted).status_code == 201
    live = move(person, session, "complete")
    assert [lap["start_s"] == 0 for lap in live["recorded_laps"]] == [True, False]
    back = comes_back(person, work, live, formats=("json",))
    assert back["recorded_laps"] == live["recorded_laps"]
    kept = person.api.get(f"{SESSIONS}/{back['id']}/sets").json()["sets"]
    assert [(one["reps"], one["weight_kg"]) for one in kept] == [(5, 61.3), (6, 61.3)]
