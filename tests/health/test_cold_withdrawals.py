"""A phone takes back what is cold: nobody is shown it, and the month is written anew without it (HE-2, HE-6)."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contexts.health import events, services
from contexts.health.archive import keeping, moving, tending, withdrawals
from contexts.health.integrations.contract import Told
from contexts.health.integrations.storing import store
from contexts.health.models import Batch, ColdFile, ColdWithdrawal, Reading
from contexts.health.rules import Stream
from kernel import objects, personal_data
from tests.conftest import Api, Person, agree
from tests.health.conftest import COMMITTED, HEALTH, step_up
from tests.health.integrating import connect
from tests.health.integrating import read as values
from tests.health.test_entries import broken
from tests.health.test_phones import BEGIN, HEALTH_CONNECT, HEALTHKIT, record, sample, stored

pytestmark = COMMITTED

NEXT_MONTH = datetime(2025, 7, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    """A store on disk, of each test's own."""
    settings.COLD_STORE, settings.MEDIA_ROOT = f"file://{tmp_path}/cold", tmp_path / "media"
    return tmp_path / "cold"


@pytest.fixture
def anna(register: Any) -> Person:
    """Somebody who has agreed."""
    person: Person = register()
    agree(person)
    return person


@pytest.fixture
def steps(anna: Person) -> list[dict[str, Any]]:
    """Three samples of a phone, in two requests, cold by now."""
    made = [sample("StepCount", 100 + n, "count", at=BEGIN + timedelta(hours=n), lasts=60) for n in range(3)]
    for part in (made[:2], made[2:]):
        assert anna.api.post(HEALTHKIT, {"samples": part}).json()["accepted"] == len(part)
    assert move() == 3
    assert broken() == {}
    return made


def move() -> int:
    return moving.move_due(before=NEXT_MONTH, at=datetime.now(UTC))


def delete(person: Person, *samples: dict[str, Any]) -> int:
    """As the phone tells it; how many samples were taken back."""
    gone = [{"uuid": each["uuid"]} for each in samples]
    answer = person.api.post(HEALTHKIT, {"deletedObjects": gone})
    assert answer.status_code == 200, answer.content
    return int(answer.json()["withdrawn"])


def counted(person: Person) -> list[float]:
    """The steps that are to be read."""
    return sorted(value for _, value in stored(person, "steps"))


def exported(person: Person, tmp_path: Path) -> list[float]:
    """The steps that an export holds."""
    personal_data.export("health", person.user_id, "export")
    lines = (tmp_path / "media" / "export" / "health_reading.jsonl").read_text().splitlines()
    return sorted(json.loads(line)["value"] for line in lines)


def trend(api: Api) -> Any:
    """The steps by days."""
    span = {"from": BEGIN.date().isoformat(), "to": BEGIN.date().isoformat()}
    return api.get(f"{HEALTH}/metrics/steps/trend", data=span).json()


def test_he2_what_a_phone_takes_back_of_a_cold_month_is_gone_everywhere(
    anna, steps, announced, monkeypatch, tmp_path
):
    with monkeypatch.context() as away:
        away.setattr(objects.Folder, "get", None)
        away.setattr(objects.Folder, "put", None)
        assert (delete(anna, steps[1]), delete(anna, steps[1])) == (1, 0)
    assert ColdWithdrawal.objects.count() == 1
    assert counted(anna) == exported(anna, tmp_path) == [100, 102]
    batches = Batch.objects.values_list("batch_id", flat=True)
    assert sorted(one.value for batch_id in batches for one in services.get_batch(batch_id=batch_id)) == [100, 102]
    assert anna.api.post(HEALTHKIT, {"samples": [steps[1]]}).json()["fates"] == ["withdrawn"]
    before = ColdFile.objects.get()
    assert move() == 0
    file = ColdFile.objects.get(state="current")
    assert (file.rows, ColdWithdrawal.objects.count()) == (2, 0)
    assert file.sha256 != before.sha256
    values = [row["value"] for rows in tending._read(keeping.opened(file)) for row in rows]
    assert values == counted(anna) == exported(anna, tmp_path) == [100, 102]
    assert list(tending.verify()) == []
    (told,) = announced(events.HealthMetricWithdrawn)
    assert (told.count, told.streams, told.first_at) == (1, ["steps"], BEGIN + timedelta(hours=1))
    assert [batch.count for batch in Batch.objects.order_by("recorded_at")] == [1, 1]
    assert broken() == {}
    tending.sweep(at=datetime.now(UTC) + timedelta(days=2))
    assert [each.key for each in objects.store().listed("")] == [file.object_key]


def test_he2_a_month_of_which_all_was_taken_back_has_no_file(anna, steps):
    api = step_up(anna)
    assert [day["value"] for day in trend(api)["items"]] == [303]
    assert delete(anna, *steps) == 3
    assert (trend(api)["items"], counted(anna)) == ([], [])
    assert moving.move_old(at=datetime.now(UTC), months=0) == 0  # nothing is to become cold, but this goes on
    assert not ColdFile.objects.filter(state="current").exists()
    assert not Batch.objects.exists()
    assert (trend(api)["items"], counted(anna)) == ([], [])
    assert broken() == {}


def test_he2_a_later_version_of_what_is_cold_takes_its_place(anna, tmp_path):
    def told(kilograms: float, *, hours: int) -> dict[str, Any]:
        modified = BEGIN + timedelta(hours=hours)
        of = {"time": BEGIN.isoformat(), "weight": {"inKilograms": kilograms}}
        weight = record("Weight", record_id="7f3c", modified=modified, **of)
        answer: dict[str, Any] = anna.api.post(HEALTH_CONNECT, {"records": [weight]}).json()
        return answer

    assert told(70, hours=1)["accepted"] == move() == 1
    assert told(69, hours=3)["replaced"] == 1
    assert stored(anna, "body_mass") == [("body_mass", 69)]
    assert exported(anna, tmp_path) == [69]
    assert (move(), Reading.objects.count()) == (1, 0)
    assert stored(anna, "body_mass") == [("body_mass", 69)]
    assert exported(anna, tmp_path) == [69]
    assert broken() == {}


@pytest.mark.parametrize(
    ("place", "name"),
    [(objects.Folder, "put"), (keeping, "supersede"), (ColdFile, "save"), (withdrawals, "carry_out")],
)
def test_he6_killed_while_a_month_is_written_anew_it_shows_nothing_that_was_taken_back(
    anna, steps, monkeypatch, place, name
):
    whole = getattr(place, name)

    def killed(*given: Any, **named: Any) -> None:
        whole(*given, **named)
        raise KeyboardInterrupt

    delete(anna, steps[0])
    with monkeypatch.context() as deadly:
        deadly.setattr(place, name, killed)
        with pytest.raises(KeyboardInterrupt):
            move()
    assert counted(anna) == [101, 102]
    move()
    assert (ColdWithdrawal.objects.count(), ColdFile.objects.get(state="current").rows) == (0, 2)
    assert (counted(anna), broken()) == ([101, 102], {})


def test_he2_what_is_taken_back_while_its_month_is_written_anew_goes_with_the_next_run(anna, steps, monkeypatch):
    """It comes between the copy and the new file; and what has not moved yet goes from the table meanwhile."""
    late = sample("StepCount", 103, "count", at=BEGIN + timedelta(hours=3), lasts=60)
    anna.api.post(HEALTHKIT, {"samples": [late]})
    whole, taken_back = keeping.keep, []

    def keep(*given: Any, **named: Any) -> Any:
        done = whole(*given, **named)
        if not taken_back:
            taken_back.append(delete(anna, steps[0], late))
        return done

    monkeypatch.setattr(keeping, "keep", keep)
    move()
    assert (taken_back, counted(anna)) == ([2], [101, 102])
    move()
    assert (ColdWithdrawal.objects.count(), counted(anna)) == (0, [101, 102])
    assert broken() == {}


def test_id10_an_erasure_takes_what_waits_to_be_taken_back(anna, steps):
    delete(anna, steps[0])
    personal_data.erase("health", anna.user_id)
    assert (ColdWithdrawal.objects.count(), list(objects.store().listed(""))) == (0, [])


def test_he3_a_vendors_last_word_stands_where_its_first_is_cold(anna, withings):
    connection_id = connect(anna, withings)
    said = [told_mass(70, record="1"), told_mass(80, record="2")]
    assert store(connection_id, said, at=datetime.now(UTC)) == 2
    assert move() == 2
    assert store(connection_id, said, at=datetime.now(UTC)) == 2  # the table does not know that they are cold
    assert ColdWithdrawal.objects.count() == 0
    assert store(connection_id, [told_mass(71, record="1")], at=datetime.now(UTC)) == 1
    api, span = step_up(anna), {"from": BEGIN.isoformat(), "to": NEXT_MONTH.isoformat()}
    assert {value for _, value in values(api, "body_mass", **span)} == {71, 80}
    move()
    assert (Reading.objects.count(), ColdWithdrawal.objects.count()) == (0, 0)
    assert {value for _, value in values(api, "body_mass", **span)} == {71, 80}
    assert broken() == {}


def told_mass(kilograms: float, *, record: str) -> Told:
    return Told(stream=Stream.body_mass, value=kilograms, unit="kg", time=BEGIN, record=record)
