"""The same activity from watch, phone and cloud is one session, by each field's best word, and can be taken apart."""

from datetime import UTC, datetime, timedelta

import pytest

from contexts.workout import events
from contexts.workout.models import PersonalBest, TrainingSession
from kernel.observability import invariants
from tests.workout.conftest import SESSIONS, gpx, hand_in, progress

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


def test_what_another_athlete_did_at_the_same_time_is_theirs(register, work):
    one, other = register(), register()
    for person in (one, other):
        session = recorded(person, work, creator="Edge")
        assert listed(person) == [session]


def test_somebody_elses_session_cannot_be_taken_apart(three, register):
    _, phone, _, _ = three
    assert register().api.post(f"{SESSIONS}/{phone}/split").status_code == 404
