"""Files to keep: exports that come back the same, and originals byte for byte."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from contexts.workout.models import Stream, TrainingSession
from tests.workout.conftest import IMPORTS, SESSIONS, beats_from, gpx, hand_in, import_of, move, progress, start, wear

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

BEGIN = datetime(2026, 3, 1, 8, 0, 0, 250_000, tzinfo=UTC)


def export(person, session_id, format):
    answer = person.api.get(f"{SESSIONS}/{session_id}/export?format={format}")
    assert answer.status_code == 200, answer.content
    return answer.content


def again(person, work, session_id, content, format):
    """Delete the session, hand in its export, and export what becomes of it."""
    assert person.api.delete(f"{SESSIONS}/{session_id}").status_code == 204
    answer = hand_in(person, content, f"export.{format}")
    work()
    (new,) = progress(person, answer)["sessions"]
    return new, export(person, new, format)


@pytest.mark.parametrize("format", ["fit", "gpx", "tcx", "json"])
def test_wo9_export_import_export_is_identical(register, work, format):
    person = register(birth_date="1986-01-01", body_mass_kg=70)
    answer = hand_in(person, gpx(BEGIN))
    work()
    (session,) = progress(person, answer)["sessions"]
    person.api.patch(f"{SESSIONS}/{session}", {"title": "Лес", "notes": "a\nb", "effort": 7, "gear": ["Shoes"]})
    once = export(person, session, format)
    new, twice = again(person, work, session, once, format)
    assert twice == once
    shown = person.api.get(f"{SESSIONS}/{new}").json()
    assert (shown["sport"], shown["hr_avg"]) == ("running", 140)
    assert shown["distance_m"] == pytest.approx(59 * 30, rel=1e-3)
    if format == "json":
        assert (shown["title"], shown["effort"], shown["gear"]) == ("Лес", 7, ["Shoes"])


def test_wo9_a_live_session_comes_back_the_same(register, work, deliver):
    person = register()
    strap = wear(person)
    session = start(person)
    move(person, session, "pause")
    move(person, session, "resume")
    begin = datetime.fromisoformat(session["started_at"])
    strap.send(beats_from(begin, range(120, 140), every_s=0.0001))
    strap.send(beats_from(begin, range(600, 620), every_s=0.0001), stream="rr_interval")
    deliver()
    move(person, session, "complete")
    once = export(person, session["id"], "json")
    streams = json.loads(once)["streams"]
    assert [value for value in streams["heart_rate_bpm"] if value] == list(range(120, 140))
    assert [value for value in streams["rr_interval_ms"] if value] == list(range(600, 620))
    new, twice = again(person, work, session["id"], once, "json")
    assert twice == once
    assert len(person.api.get(f"{SESSIONS}/{new}").json()["pauses"]) == 2


@pytest.mark.parametrize("format", ["fit", "tcx", "json"])
def test_wo9_a_live_session_of_an_hour_comes_back_the_same(register, work, format):
    """As above, at the length people train; no test waits an hour, so it is stored as if it had been."""
    person = register()
    session = move(person, start(person), "complete")["id"]
    live = TrainingSession.objects.get(id=session)
    begin = live.started_at - timedelta(hours=1, microseconds=123_457)
    pauses = [begin + timedelta(seconds=600.25), begin + timedelta(seconds=700.5)]
    TrainingSession.objects.filter(id=session).update(
        started_at=begin, ended_at=begin + timedelta(hours=1), pauses=pauses, duration_s=3499.75, moving_s=3499.75
    )
    Stream.objects.create(
        session_id=session,
        kind="heart_rate",
        steps_us=[0] + [998_877] * 3599,
        sequences=[0] * 3600,
        measured=[120 + nth % 40 for nth in range(3600)],
    )
    once = export(person, session, format)
    new, twice = again(person, work, session, once, format)
    assert twice == once
    shown = person.api.get(f"{SESSIONS}/{new}").json()
    assert shown["duration_s"] == pytest.approx(3499.75, abs=0.001)
    assert len(shown["pauses"]) == (0 if format == "tcx" else 2)


def test_what_has_no_places_is_no_gpx(register):
    person = register()
    session = start(person)
    underway = person.api.get(f"{SESSIONS}/{session['id']}/export?format=gpx")
    assert (underway.status_code, underway.json()["code"]) == (409, "session_underway")
    move(person, session, "complete")
    answer = person.api.get(f"{SESSIONS}/{session['id']}/export?format=gpx")
    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_to_export")


def test_only_the_owner_exports(register, work):
    person, other = register(), register()
    answer = hand_in(person, gpx(BEGIN))
    work()
    (session,) = progress(person, answer)["sessions"]
    assert other.api.get(f"{SESSIONS}/{session}/export?format=gpx").status_code == 404
    assert other.api.get(f"{IMPORTS}/{import_of(answer)}/original").status_code == 404
    assert person.api.get(f"{SESSIONS}/{session}/export?format=doc").status_code == 400


@pytest.mark.parametrize("name", ["ride.gpx", 'a";\r\nX: y/../é.gpx'])
def test_wo9_the_original_can_be_had_again_byte_for_byte(register, name):
    person = register()
    data = gpx(BEGIN) + b"<!-- \xc3\xa9 -->\r\n"
    answer = person.api.get(f"{IMPORTS}/{import_of(hand_in(person, data, name))}/original")
    assert b"".join(answer) == data
    assert answer["Content-Disposition"].startswith("attachment; filename")
    assert "X" not in answer.headers
    assert answer["Content-Type"] == "application/octet-stream"
