"""Trends and reports over months that lie in cold files are those of the months as they were (HE-6)."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from contexts.health.archive import tending
from contexts.health.models import ColdFile, Device, Reading
from tests.health.conftest import COMMITTED, HEALTH, Strap, reading, step_up
from tests.health.test_archive import BEFORE, COLD, NOW, folder, move  # noqa: F401  (a fixture)

pytestmark = COMMITTED

TRENDS = [
    *(f"metrics/{metric}/trend" for metric in ("heart_rate", "steps", "body_mass", "hrv_rmssd")),
    *(f"trends/{trend}" for trend in ("resting_heart_rate", "hrv_baseline", "weight", "sleep")),
]


@pytest.fixture
def months(strap: Callable[..., Strap], register: Callable[..., Any]) -> list[Strap]:
    """Somebody far from Greenwich whose watch and phone have measured over the ends of two months, of all kinds."""
    person = register(time_zone="America/St_Johns")
    devices = [strap(person, kind="watch"), strap(person, name="Phone", kind="phone")]
    Device.objects.filter(user_id=person.user_id).update(connected_at=NOW - timedelta(days=400))
    some = np.random.default_rng(6)
    for end in (COLD, BEFORE):
        for days in range(-4, 3):
            for number, worn in enumerate(devices):
                start = end + timedelta(days=days, hours=2, minutes=7 * number)
                told = [reading(start + timedelta(seconds=45 * n), int(some.integers(50, 99))) for n in range(90)]
                for stream, low, high in (("steps", 0, 9_000), ("sleep_duration", 3_000, 9_000)):
                    hours = [start + timedelta(hours=int(hour)) for hour in some.integers(0, 21, 4)]
                    told += [reading(at, int(some.integers(low, high)), stream=stream) for at in set(hours)]
                told += [
                    reading(start + timedelta(hours=9), 70 + int(some.integers(0, 40)) / 10, stream="body_mass"),
                    reading(start + timedelta(hours=5), int(some.integers(20, 90)), stream="hrv_rmssd"),
                ]
                assert worn.send(told).json()["rejected"] == []
    points = [{"measured": 60, "true": 62.5}, {"measured": 100, "true": 101}]
    curve = {"stream": "heart_rate", "points": points, "valid_from": (COLD - timedelta(hours=5)).isoformat()}
    answer = person.api.post(f"{HEALTH}/devices/{devices[0].device_id}/calibrations", curve)
    assert answer.status_code == 201, answer.content
    return devices


def trends(worn: Strap, api: Any) -> Iterator[Any]:
    """Days, weeks and months that begin and end in cold months and in others; and the reports that they are in."""
    for first, last in ((COLD - timedelta(days=9), BEFORE + timedelta(days=2)), (COLD, BEFORE - timedelta(days=4))):
        days = {"from": first.date().isoformat(), "to": last.date().isoformat()}
        for path in TRENDS:
            for bucket in ("day", "week", "month") if path.startswith("metrics") else ("",):
                answer = api.get(f"{HEALTH}/{path}", data=days | ({"bucket": bucket} if bucket else {}))
                assert answer.status_code == 200, answer.content
                items = answer.json()["items"]
                assert len(items) > (path != "trends/hrv_baseline") * (bucket != "month"), path
                yield items
        for metric in ("heart_rate", "body_mass"):
            answer = api.post(f"{HEALTH}/reports/fhir", days | {"metrics": [metric]})
            assert answer.status_code == 200, answer.content
            told = [entry["resource"] for entry in answer.json()["entry"]]
            yield [one.get("valueQuantity") or one["resourceType"] for one in told]


def test_he6_trends_are_the_same_over_archived_months(months: list[Strap]):
    """Days of 24 h that lie 2½ h off the months of files; late readings, and a watch that hides the phone."""
    api = step_up(months[0].owner)
    assert move() > 0
    assert (
        months[1].send([reading(COLD - timedelta(days=3, minutes=n), 70 + n) for n in range(30)]).status_code == 200
    )
    told = list(trends(months[0], api))
    restore()
    expected = list(trends(months[0], api))
    assert len(told) == len(expected) > 30
    for one, other in zip(told, expected, strict=True):
        assert one == nearly(other)


def restore() -> None:
    """Put what is in cold files back into the table."""
    for user_id in set(ColdFile.objects.values_list("user_id", flat=True)):
        back = [Reading(**row) for row in tending.rows_of(user_id)]
        for row in back:
            del row.__dict__["quarantined"]
        Reading.objects.bulk_create(back, batch_size=500)
    ColdFile.objects.all().delete()


def nearly(told: Any) -> Any:
    """Numbers up to the order in which they were added."""
    if isinstance(told, dict):
        return {name: nearly(each) for name, each in told.items()}
    if isinstance(told, list):
        return [nearly(each) for each in told]
    return pytest.approx(told, rel=1e-9) if isinstance(told, float) else told
