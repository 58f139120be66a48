"""Staff see which imports failed and why, and may have them read again; each button is written down."""

from datetime import UTC, datetime

import pytest

from contexts.identity.models import AuditEntry
from contexts.workout import events
from contexts.workout.models import Import
from tests.workout.conftest import gpx, hand_in, import_of, progress
from tests.workout.test_batches import post, sent, unpack, zipped  # noqa: F401  (fixtures)

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)
LIST = "/admin/workout/import/"


def test_a_refused_import_is_read_again_and_that_is_written_down(staff_client, register, work, announced):
    person = register()
    answer = hand_in(person, gpx(BEGIN))
    fine = hand_in(person, gpx(BEGIN, points=3))
    Import.objects.filter(id=import_of(answer)).update(
        state="refused", refusal_code="reader_failed", attempts=3, finished_at=BEGIN
    )
    work()
    assert progress(person, answer)["state"] == "refused"
    operator = staff_client("operator")
    assert b"reader_failed" in operator.get(LIST).content
    chosen = [str(import_of(each)) for each in (answer, fine)]
    shown = operator.post(LIST, {"action": "read_again", "_selected_action": chosen}, follow=True)
    assert b"1 will be read again." in shown.content
    assert work() == 1
    assert len(progress(person, answer)["sessions"]) == 1
    assert AuditEntry.objects.get(action="admin.read_again").subject == person.user_id
    assert [told.import_id for told in announced(events.ImportFinished)] == [import_of(fine), import_of(answer)]


def test_a_batch_shows_its_failures_and_no_names(staff_client, register, unpack):  # noqa: F811
    answer = post(register(), zipped({"secret name.gpx": b"<gpx>", "x.jpg": b"1", "y.jpg": b"2"}))
    unpack()
    page = f"/admin/workout/importbatch/{answer.json()['batch_id']}/change/"
    moderator = staff_client("moderator")
    assert moderator.get("/admin/workout/importbatch/").status_code == 200
    content = moderator.get(page).content.decode()
    assert "corrupt_xml: 1, not_a_recording: 2" in content
    assert "secret name" not in content


def test_sessions_that_cannot_be_true_are_flagged_and_no_heart_rate_is_told(staff_client, register, work):
    odd, fine = register(birth_date="1950-01-01"), register()
    jump = gpx(BEGIN, points=30).replace(b'lat="50.00', b'lat="51.00', 4)
    for person, data in ((odd, jump.replace(b"<gpxtpx:hr>140", b"<gpxtpx:hr>190")), (fine, gpx(BEGIN))):
        hand_in(person, data)
    work()
    moderator = staff_client("moderator")
    flagged = moderator.get("/admin/workout/trainingsession/?implausible=impossible_speed").content.decode()
    assert "impossible_speed: " in flagged
    assert str(odd.user_id) in flagged
    assert str(fine.user_id) not in flagged
    assert "heart_rate_above" not in flagged


def test_an_import_announces_its_end_once(register, work, announced):
    person = register()
    for data in (gpx(BEGIN), b"<gpx>"):
        hand_in(person, data)
        work()
        hand_in(person, data)
        work()
    told = announced(events.ImportFinished)
    assert [(each.imported, each.refused, each.sessions, each.is_batch) for each in told] == [
        (1, 0, 1, False),
        (0, 1, 0, False),
    ]
