"""An erased person's recordings go with their files (ID-10)."""

import pytest
from django.core.files.storage import default_storage

from contexts.workout.models import Import, Stream, TrainingSession
from kernel import personal_data
from kernel.databases import redis_client
from tests.conftest import PASSWORD
from tests.health.conftest import forget_devices  # noqa: F401  (a fixture)
from tests.identity.living import life, own_media  # noqa: F401  (fixtures)

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def test_id10_sessions_streams_and_originals_go(life, deliver):  # noqa: F811
    recording = Import.objects.get(user_id=life.person.user_id)
    assert default_storage.exists(recording.original)
    assert Stream.objects.exists()
    life.erase()
    deliver()
    assert not default_storage.exists(recording.original)
    for model in (Import, TrainingSession, Stream):
        assert not model.objects.exists()


def test_id10_the_session_under_way_leaves_redis_at_once(register, deliver):
    anna, boris = register(), register()
    for person in (anna, boris):
        assert person.api.post("/api/v1/workout/sessions", {"sport": "running"}).status_code == 201
    assert anna.api.post("/api/v1/identity/erasure", {"password": PASSWORD}).status_code == 202
    deliver()
    assert list(redis_client().scan_iter("workout:active:*")) == [f"workout:active:{boris.user_id}".encode()]
    assert boris.api.get("/api/v1/workout/sessions/active").status_code == 200


def test_id10_a_file_that_no_row_knows_of_goes_too(life):  # noqa: F811
    """It had been stored when the process died before the row was written."""
    folder = f"workout/imports/{life.person.user_id}"
    with default_storage.open(f"{folder}/orphan", "wb") as file:
        file.write(b"<gpx/>")
    personal_data.erase("workout", life.person.user_id)
    assert list(personal_data.files_below(folder)) == []
