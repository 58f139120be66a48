"""WO-9 under fire: a worker is killed with SIGKILL while it stores several files of an archive; others go on."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.utils.timezone import now

from contexts.workout import events
from contexts.workout.imports import batches, importing
from contexts.workout.models import Import, ImportBatch, PersonalBest, TrainingSession
from kernel.observability import invariants
from tests.killing import await_end_of, kill_when_it_waits_for_us, worker
from tests.workout.conftest import gpx, hand_in
from tests.workout.test_batches import post, sent, zipped  # noqa: F401  (a fixture)

pytestmark = [pytest.mark.django_db(databases="__all__", transaction=True), pytest.mark.slow]

BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)
FILES = importing.AT_ONCE + 3


def killed_while_it_stores(batch_id, media):
    """SIGKILL when the sessions of the first files are written and not committed: their records wait for a lock."""
    with worker("tests.workout.reading", batch_id, media=media) as process:
        with transaction.atomic(using="workout"):
            assert list(PersonalBest.objects.select_for_update())
            backend = kill_when_it_waits_for_us(process, alias="workout", why="records of the first files are taken")
        await_end_of(backend, alias="workout")


@pytest.mark.usefixtures("sent")
def test_wo9_a_worker_killed_while_it_stores_several_files_loses_and_doubles_none(
    register, work, announced, settings, tmp_path
):
    settings.MEDIA_ROOT = tmp_path
    person = register()
    hand_in(person, gpx(BEGIN, points=60, metres=25))
    work()
    before = TrainingSession.objects.get()
    runs = {f"{nth}.gpx": gpx(BEGIN + timedelta(days=nth), points=70, metres=30) for nth in range(1, FILES + 1)}
    batch_id = post(person, zipped(runs)).json()["batch_id"]
    killed_while_it_stores(batch_id, str(tmp_path))

    files = Import.objects.exclude(sessions=before)
    taken = {"working": importing.AT_ONCE, "queued": FILES - importing.AT_ONCE}
    assert Counter(files.values_list("state", flat=True)) == taken
    assert [session.pk for session in TrainingSession.objects.all()] == [before.pk]
    claimed_at = files.filter(state="working").latest("claimed_at").claimed_at
    assert importing.unfinished(at=claimed_at + importing.PATIENCE / 2) == []  # its worker may be alive yet

    later = now() + importing.LEASE * 2
    assert batches.unfinished(at=later) == []  # of the archive all is unpacked
    waiting = importing.unfinished(at=later)
    assert set(waiting) == set(files.values_list("id", flat=True))
    for import_id in waiting:
        importing.read_import(import_id=import_id, at=later)
    tried = {("done", 2): taken["working"], ("done", 1): taken["queued"]}
    assert Counter(files.values_list("state", "attempts")) == tried
    came_of = Counter(TrainingSession.objects.values_list("recording", flat=True))
    assert came_of == dict.fromkeys([before.recording_id, *waiting], 1)
    completed = Counter(told.session_id for told in announced(events.WorkoutCompleted))
    assert completed == dict.fromkeys(TrainingSession.objects.values_list("id", flat=True), 1)
    (told,) = (told for told in announced(events.ImportFinished) if told.is_batch)
    assert (told.imported, told.refused, told.sessions) == (FILES, 0, FILES)
    assert ImportBatch.objects.get().state == "done"
    assert {each.id: each.violations() for each in invariants() if each.violations()} == {}
