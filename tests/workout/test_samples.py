"""Every real file at hand goes through the front door and ends in sessions or in a clear refusal."""

import os
from pathlib import Path

import pytest

from kernel.observability import invariants
from tests.workout.conftest import IMPORTS, SESSIONS, hand_in, progress

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

ROOT = Path(os.environ.get("STAYER_SAMPLES") or Path(__file__).parents[3] / "shared" / "samples")
FILES = sorted(path for path in ROOT.rglob("*") if path.is_file() and path.name != "MANIFEST.csv")

needs_samples = pytest.mark.skipif(not FILES, reason=f"no sample recordings in {ROOT}; STAYER_SAMPLES names a folder")


@needs_samples
def test_every_sample_becomes_sessions_or_is_refused_with_a_reason(register, work):
    person = register(birth_date="1986-01-01", sex="female", body_mass_kg=60)
    answers = {path: hand_in(person, path.read_bytes(), path.name) for path in FILES}
    for path in [path for path in FILES if path.stat().st_size == 0]:
        empty = answers.pop(path)
        assert (empty.status_code, empty.json()["errors"][0]["code"]) == (400, "empty")
    assert {path.name: each.status_code for path, each in answers.items() if each.status_code not in (200, 202)} == {}
    work()
    outcomes = {path: progress(person, answer) for path, answer in answers.items()}
    unclear = {
        path.name: done for path, done in outcomes.items() if (done["state"] == "done") != bool(done["sessions"])
    }
    assert unclear == {}
    assert {done["state"] for done in outcomes.values()} <= {"done", "refused"}
    for path, done in outcomes.items():
        assert done["state"] == "done" or done["refusal"]["code"] not in ("reader_failed", "too_expensive"), path
    for session in {session for done in outcomes.values() for session in done["sessions"]}:
        for shown in ("", "/streams"):
            assert person.api.get(f"{SESSIONS}/{session}{shown}").status_code == 200
    assert {
        each.id: found for each in invariants() if each.context == "workout" and (found := each.violations())
    } == {}
    print(f"{len(FILES)} files, {sum(done['state'] == 'done' for done in outcomes.values())} with sessions")


@needs_samples
def test_a_file_of_several_sports_becomes_several_sessions(register, work):
    (path,) = [path for path in FILES if path.name == "activity-large-fenxi2-multisport.fit"][:1]
    person = register()
    answer = hand_in(person, path.read_bytes(), path.name)
    work()
    assert len(progress(person, answer)["sessions"]) > 1
    assert person.api.get(IMPORTS + "/" + answer.json()["import_id"]).status_code == 200
