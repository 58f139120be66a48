"""The same activity from watch, phone and cloud is one session, by each field's best word, and can be taken apart."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from contexts.workout import events, tasks
from contexts.workout.models import Exercise, PersonalBest, TrainingSession
from contexts.workout.plans import exercise_library
from kernel.databases import unit_of_work
from kernel.observability import invariants
from tests.workout.conftest import SESSIONS, gpx, hand_in, progress
from tests.workout.making_sports import fit_strength
from tests.workout.planning import SQUAT, adopt, made, noon, schedule, squats, write_plan, write_workout

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)


def recorded(person, work, *, creator, begin=BEGIN, name="", pulse=True, **course):
    """Hand in a run as a provider wrote it; answers its session."""
    data = gpx(begin, **({"points": 120} | course)).replace(b'creator="test"', f'creator="{creator}"'.encode())
    data = data.replace(b"<trk>", f"<trk><name>{name}</name>".encode())
    if not pulse:
        data = data.replace(b"<gpxtpx:hr>", b"<gpxtpx:none>").replace(b"</gpxtpx:hr>", b"</gpxtpx:none>")
    answer = hand_in(person, data)
    work()
    (session,) = progress(person, answer)["sessions"]
    return session


def shown(person, session_id):
    return person.api.get(f"{SESSIONS}/{session_id}").json()


def listed(person):
    return [item["id"] for item in person.api.get(SESSIONS).json()["items"]]


@pytest.fixture
def three(register, work):
    """Phone, cloud and watch tell of one run, in this order: (person, their sessions)."""
    person = register()
    phone = recorded(person, work, creator="OpenTracks", pulse=False, metres=30.2)
    cloud = recorded(person, work, creator="StravaGPX", begin=BEGIN + timedelta(seconds=20), name="Лес")
    watch = recorded(person, work, creator="Forerunner 945", begin=BEGIN, metres=30.1, bpm=150)
    return person, phone, cloud, watch


def test_wo9_the_same_activity_from_watch_phone_and_cloud_is_one_session(three, announced):
    person, phone, cloud, watch = three
    assert listed(person) == [phone]
    assert [told.session_id for told in announced(events.WorkoutCompleted)] == [
        TrainingSession.objects.get(id=phone).id
    ]
    for other in (cloud, watch):
        assert shown(person, other)["duplicate_of"] == phone


def test_wo9_each_field_comes_from_whose_word_counts_most(three):
    person, phone, cloud, watch = three
    session = shown(person, phone)
    assert (session["title"], session["hr_avg"]) == ("Лес", 150)
    assert session["distance_m"] == pytest.approx(119 * 30.1, rel=1e-3)
    taken = session["taken_from"]
    assert (taken["title"], taken["distance_m"], taken["stream.heart_rate"]) == (cloud, watch, watch)
    streams = {each["kind"]: each for each in person.api.get(f"{SESSIONS}/{phone}/streams").json()["streams"]}
    assert streams["heart_rate"]["values"][0] == 150
    assert len(streams["latitude"]["values"]) == len(streams["longitude"]["values"]) == 120


def test_wo9_duplicates_hold_no_records_and_every_invariant_holds(three):
    person, phone, _, _ = three
    assert {str(best.session_id) for best in PersonalBest.objects.filter(user_id=person.user_id)} == {phone}
    ours = [each for each in invariants() if each.context == "workout"]
    assert {each.id: each.violations() for each in ours if each.violations()} == {}


def test_wo9_merging_is_reversible(three, announced):
    person, phone, cloud, watch = three
    answer = person.api.post(f"{SESSIONS}/{phone}/split")
    assert answer.status_code == 200
    assert sorted(each["id"] for each in answer.json()["sessions"]) == sorted([phone, cloud, watch])
    assert sorted(listed(person)) == sorted([phone, cloud, watch])
    alone = shown(person, phone)
    assert (alone["title"], alone["hr_avg"], alone["taken_from"]) == ("", None, {})
    assert alone["distance_m"] == pytest.approx(119 * 30.2, rel=1e-3)
    completed = [str(told.session_id) for told in announced(events.WorkoutCompleted)]
    assert sorted(completed) == sorted([phone, cloud, watch])
    again = person.api.post(f"{SESSIONS}/{phone}/split")
    assert (again.status_code, again.json()["code"]) == (409, "not_merged")


def test_one_duplicate_is_taken_apart_alone(three):
    person, phone, cloud, watch = three
    person.api.post(f"{SESSIONS}/{watch}/split")
    assert sorted(listed(person)) == sorted([phone, watch])
    assert shown(person, phone)["taken_from"]["title"] == cloud
    assert shown(person, phone)["hr_avg"] == 140


def test_wo9_back_to_back_intervals_are_sessions_of_their_own(register, work):
    person = register()
    runs = [
        recorded(person, work, creator="Edge", begin=BEGIN + timedelta(seconds=nth * 100), points=10)
        for nth in range(4)
    ]
    assert sorted(listed(person)) == sorted(runs)


def lifted_on_phone(person, begin, seconds, *sets):
    """A strength session that a phone recorded offline, with these sets; answers it and how to tell more of it."""
    session_id = uuid4()

    def tell(at, **operation):
        sent = {"operation_id": uuid4(), "session_id": session_id, "at": at, "operation": operation}
        made(person, "sync", {"operations": [sent]})

    tell(begin, kind="start", sport="strength")
    for nth, lifted in enumerate(sets):
        tell(begin + timedelta(seconds=60 * nth), kind="set", set_id=uuid4(), **lifted)
    tell(begin + timedelta(seconds=seconds), kind="complete")
    return str(session_id), tell


def lifted_on_watch(person, work, begin, *sets):
    """The same from a watch; sets as (repetitions, kilograms), a minute and a half each."""
    data = fit_strength([(28, reps, kilograms, 30.0) for reps, kilograms in sets], start=begin)
    answer = hand_in(person, data, name="watch.fit")
    work()
    (session,) = progress(person, answer)["sessions"]
    return session


def lifted(person, session):
    """Repetitions and kilograms, as the sets of a session show them and as its numbers count them."""
    tasks.analyse_sessions()
    sets = person.api.get(f"{SESSIONS}/{session}/sets").json()["sets"]
    strength = person.api.get(f"{SESSIONS}/{session}/analysis").json()["numbers"]["strength"]
    volume = strength and strength["volume"]["value"]
    exported = person.api.get(f"{SESSIONS}/{session}/export?format=json").json()["sets"]
    assert [one["reps"] for one in exported] == [one["reps"] for one in sets]
    return [(one["reps"], one["weight_kg"]) for one in sets], volume


def test_wo9_the_sets_of_a_duplicate_fill_a_gap_and_go_with_it(register, work, deliver):
    person = register(birth_date="1990-01-01", sex="female", body_mass_kg=60)
    unit_of_work("workout")(exercise_library.plant)(Exercise, using="workout")
    workout = write_workout(person, squats(kilograms=60, reps=8, sets=2), sport="strength")
    adopt(person, write_plan(person, workout, sport="strength"), noon(-1).date())
    phone, _ = lifted_on_phone(person, noon(-1), 180)
    deliver()
    before = lifted(person, phone), schedule(person)[0]["state"]
    assert before == (([], None), "done")
    watch = lifted_on_watch(person, work, noon(-1), (8, 60.0), (8, 60.0))
    assert shown(person, watch)["duplicate_of"] == phone
    assert shown(person, phone)["taken_from"]["sets"] == watch
    assert lifted(person, phone) == ([(8, 60.0), (8, 60.0)], 960)
    # Sets are changed where they are, and count for the plan whoever recorded them.
    for one in person.api.get(f"{SESSIONS}/{phone}/sets").json()["sets"]:
        said = {"exercise_id": SQUAT, "reps": 8, "weight_kg": 50}
        assert person.api.put(f"{SESSIONS}/{phone}/sets/{one['set_id']}", said).status_code == 200
    assert schedule(person)[0]["state"] == "failed", "lighter than asked"
    person.api.post(f"{SESSIONS}/{phone}/split")
    assert (lifted(person, phone), schedule(person)[0]["state"]) == before
    assert lifted(person, watch) == ([(8, 50), (8, 50)], 800)


def test_wo9_compliance_is_that_of_the_session_as_it_is_shown(register, work, deliver):
    person = register()
    far = {"kind": "work", "length": {"by": "distance", "metres": 3600}, "target": None}
    adopt(person, write_plan(person, write_workout(person, far)), noon(-1).date())

    def counted():
        (row,) = (row for row in schedule(person) if row["session_id"])
        (distance,) = row["compliance_parts"]
        assert row["session_id"] == phone
        return distance["done"]

    phone = recorded(person, work, creator="OpenTracks", begin=noon(-1), metres=30.2)
    deliver()
    assert counted() == pytest.approx(119 * 30.2, rel=1e-3)
    recorded(person, work, creator="Forerunner 945", begin=noon(-1), metres=29.9)
    assert counted() == round(shown(person, phone)["distance_m"], 2) == pytest.approx(119 * 29.9, rel=1e-3)
    person.api.post(f"{SESSIONS}/{phone}/split")
    assert counted() == pytest.approx(119 * 30.2, rel=1e-3)


def test_wo9_sets_are_of_one_source_and_those_written_down_go_before_those_counted(register, work):
    person = register(birth_date="1990-01-01", sex="female", body_mass_kg=60)
    own = {"exercise": "Squat", "reps": 5, "weight_kg": 100, "rpe": 8}
    phone, tell = lifted_on_phone(person, BEGIN, 180, own)
    watch = lifted_on_watch(person, work, BEGIN, (5, 95.0), (3, None))
    assert lifted(person, phone) == ([(5, 100.0)], 500)
    (written,) = person.api.get(f"{SESSIONS}/{phone}/sets").json()["sets"]
    assert person.api.delete(f"{SESSIONS}/{phone}/sets/{written['set_id']}").status_code == 204
    assert lifted(person, phone) == ([(5, 95.0), (3, None)], 475)
    tell(BEGIN + timedelta(seconds=90), kind="set", set_id=uuid4(), **own)
    assert lifted(person, phone) == ([(5, 100.0)], 500)
    assert person.api.delete(f"{SESSIONS}/{watch}").status_code == 204
    assert lifted(person, phone) == ([(5, 100.0)], 500)


def test_what_another_athlete_did_at_the_same_time_is_theirs(register, work):
    one, other = register(), register()
    for person in (one, other):
        session = recorded(person, work, creator="Edge")
        assert listed(person) == [session]


def test_somebody_elses_session_cannot_be_taken_apart(three, register):
    _, phone, _, _ = three
    assert register().api.post(f"{SESSIONS}/{phone}/split").status_code == 404
