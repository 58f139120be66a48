"""What people enter by hand: in any accepted unit, with its history, read like any other reading (HE-2)."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, connections

from contexts.health import events, services
from contexts.health.models import Access, Batch, Entry, Reading
from kernel.observability import invariants
from tests.conftest import agree
from tests.health.conftest import COMMITTED, HEALTH, step_up

pytestmark = pytest.mark.django_db(databases=["default", "health"])

ENTRIES = f"{HEALTH}/entries"


def entry(value: float, time: datetime, *, stream: str = "body_mass", **more: Any) -> dict[str, Any]:
    """A form."""
    return {"stream": stream, "value": value, "time": time.isoformat(), **more}


def broken() -> dict[str, Any]:
    """Health's invariants that do not hold."""
    return {each.id: found for each in invariants() if each.context == "health" if (found := each.violations())}


def test_he2_an_entry_is_a_reading_of_ones_own_and_keeps_its_history(register, announced):
    person, at = register(), datetime(2019, 5, 1, 7, 30, tzinfo=UTC)
    agree(person)
    written = person.api.post(ENTRIES, entry(154, at, unit="[lb_av]"))
    assert (written.status_code, written.json()["version"]) == (201, 1)
    assert set(written.json()) == {"entry_id", "version"}
    entry_id = written.json()["entry_id"]
    assert person.api.post(ENTRIES, entry(71, at)).status_code == 201  # a second one of the same instant
    path = f"{ENTRIES}/{entry_id}"
    later = at + timedelta(days=1)
    assert person.api.put(path, {"value": 69.5, "unit": "kg", "time": later.isoformat()}).json()["version"] == 2
    between = {"user_id": person.user_id, "since": at, "until": later + timedelta(days=1)}
    assert [r.value for r in services.get_readings(streams=["body_mass"], **between)] == [71, 69.5]
    assert broken() == {}
    api = step_up(person)
    listed = api.get(ENTRIES).json()["items"]
    assert [(item["value"], item["unit"]) for item in listed] == [(69.5, "kg"), (71, "kg")]
    assert person.api.delete(path).status_code == 204
    assert person.api.delete(path).json()["code"] == "entry_deleted"
    history = api.get(path).json()["items"]
    assert [(v["version"], v["value"], v["unit"], v["is_deletion"]) for v in history] == [
        (1, 154, "[lb_av]", False),
        (2, 69.5, "kg", False),
        (3, 69.5, "kg", True),
    ]
    assert [r.value for r in services.get_readings(streams=["body_mass"], **between)] == [71]
    recorded, withdrawn = announced(events.HealthMetricRecorded), announced(events.HealthMetricWithdrawn)
    assert [one.batch_id for one in withdrawn] == [recorded[0].batch_id, recorded[2].batch_id]
    assert (Batch.objects.count(), Entry.objects.filter(deleted_at=None).count()) == (1, 1)
    assert set(Access.objects.values_list("stream", flat=True)) == {"own_entries"}
    assert person.api.get(f"{HEALTH}/devices").json()["items"] == []
    assert broken() == {}
    Reading.objects.update(value=70)
    assert set(broken()) == {"HE-2"}


@COMMITTED
def test_he2_a_version_of_an_entry_is_never_rewritten(register):
    person = register()
    agree(person)
    person.api.post(ENTRIES, entry(70, datetime.now(UTC)))
    with pytest.raises(DatabaseError, match="never rewritten"), connections["health"].cursor() as cursor:
        cursor.execute("UPDATE health_entryversion SET told = 60")


def test_p3_nothing_is_entered_without_consent_and_deleting_needs_none(register):
    person = register()
    form = entry(70, datetime.now(UTC))
    assert person.api.post(ENTRIES, form).json()["code"] == "consent_required"
    agree(person)
    key = {"Idempotency-Key": str(uuid4())}
    first = person.api.request("post", ENTRIES, form, headers=key)
    assert person.api.request("post", ENTRIES, form, headers=key).content == first.content
    assert Reading.objects.count() == 1
    path = f"{ENTRIES}/{first.json()['entry_id']}"
    agree(person, given=False)
    assert person.api.put(path, form).json()["code"] == "consent_required"
    assert person.api.delete(path).status_code == 204
    assert not Reading.objects.exists()


def test_i5_looking_at_entries_takes_a_second_factor_and_they_are_ones_own(register):
    person, other = register(), register()
    agree(person)
    agree(other)
    made = person.api.post(ENTRIES, entry(70, datetime.now(UTC))).json()
    path = f"{ENTRIES}/{made['entry_id']}"
    assert {person.api.get(each).json()["code"] for each in (ENTRIES, path)} == {"mfa_required"}
    form = entry(60, datetime.now(UTC))
    assert other.api.put(path, form).status_code == other.api.delete(path).status_code == 404
    stranger = step_up(other)
    assert (stranger.get(path).status_code, stranger.get(ENTRIES).json()["items"]) == (404, [])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"stream": "heart_tone"}, "stream"),
        ({"value": "heavy"}, "value"),
        ({"value": 700}, "value"),
        ({"value": -1}, "value"),
        ({"unit": "bushel"}, "unit"),
        ({"time": "1899-01-01T00:00:00Z"}, "time"),
        ({"time": "2999-01-01T00:00:00Z"}, "time"),
    ],
)
def test_he4_what_nobody_can_show_is_not_entered(register, change, field):
    person = register()
    agree(person)
    answer = person.api.post(ENTRIES, entry(70, datetime.now(UTC)) | change)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
    assert not Reading.objects.exists()
