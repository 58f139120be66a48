"""What an athlete says of a session afterwards, and what goes when they delete it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.storage import default_storage

from contexts.workout import events
from contexts.workout.models import Import, PersonalBest, TrainingSession
from kernel.observability import invariants
from tests.workout.conftest import SESSIONS, gpx, hand_in, move, progress, start

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.fixture
def run(register, work):
    """`run(person, day=0, metres=30)`: a run of that day, as its id."""

    def made(person, day=0, **course):
        answer = hand_in(person, gpx(BEGIN + timedelta(days=day), **({"points": 61} | course)))
        work()
        return progress(person, answer)["sessions"][0]

    return made


class TestChanging:
    def test_a_session_gets_a_name_notes_and_feelings(self, register, run):
        person = register()
        session = f"{SESSIONS}/{run(person)}"
        said = {
            "title": " Лес ",
            "notes": "a\r\nb",
            "effort": 7,
            "mood": 4,
            "commute": True,
            "gear": ["Shoes", "Shoes"],
        }
        answer = person.api.patch(session, said)
        assert answer.status_code == 200
        kept = {"title": "Лес", "notes": "a\nb", "effort": 7, "mood": 4, "commute": True, "gear": ["Shoes"]}
        assert kept.items() <= person.api.get(session).json().items()
        assert person.api.get(SESSIONS).json()["items"][0]["title"] == "Лес"

    @pytest.mark.parametrize(
        ("field", "value"), [("effort", 0), ("effort", 11), ("mood", 6), ("title", "x" * 201), ("sport", "chess")]
    )
    def test_what_is_off_the_scale_is_refused(self, register, run, field, value):
        person = register()
        answer = person.api.patch(f"{SESSIONS}/{run(person)}", {field: value})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)

    def test_wo5_another_sport_computes_summary_and_records_anew(self, register, run, announced):
        person = register(birth_date="1986-01-01", body_mass_kg=70)
        session = run(person)
        person.api.patch(f"{SESSIONS}/{session}", {"sport": "cycling"})
        assert set(PersonalBest.objects.values_list("sport", flat=True)) == {"cycling"}
        assert person.api.get(f"{SESSIONS}/{session}").json()["distance_m"] == pytest.approx(1800, rel=1e-3)
        (told,) = announced(events.WorkoutChanged)
        assert (told.sport, told.visibility) == ("cycling", "private")

    def test_a_session_of_somebody_else_cannot_be_changed(self, register, run):
        session = run(register())
        other = register()
        assert other.api.patch(f"{SESSIONS}/{session}", {"title": "mine"}).status_code == 404
        assert other.api.delete(f"{SESSIONS}/{session}").status_code == 404


class TestDeleting:
    def test_wo5_records_fall_back_to_what_is_left(self, register, run, announced):
        person = register()
        slow, fast = run(person, 0, metres=30), run(person, 1, metres=35)
        assert person.api.delete(f"{SESSIONS}/{fast}").status_code == 204
        assert person.api.get(f"{SESSIONS}/{fast}").status_code == 404
        assert {str(best.session_id) for best in PersonalBest.objects.all()} == {slow}
        assert [str(told.session_id) for told in announced(events.WorkoutDeleted)] == [fast]
        ours = [each for each in invariants() if each.context == "workout"]
        assert {each.id: each.violations() for each in ours if each.violations()} == {}

    def test_the_original_goes_with_its_last_session_and_may_come_again(self, register, run):
        person = register()
        session = run(person)
        original = Import.objects.get().original
        person.api.delete(f"{SESSIONS}/{session}")
        assert not Import.objects.exists()
        assert not default_storage.exists(original)
        assert run(person) != session

    def test_a_session_under_way_is_completed_first(self, register):
        person = register()
        session = start(person)
        answer = person.api.delete(f"{SESSIONS}/{session['id']}")
        assert (answer.status_code, answer.json()["code"]) == (409, "session_underway")
        move(person, session, "complete")
        assert person.api.delete(f"{SESSIONS}/{session['id']}").status_code == 204
        assert not TrainingSession.objects.exists()
