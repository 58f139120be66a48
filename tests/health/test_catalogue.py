"""The catalogue: units that lead there and back, codes that can be LOINC's, ranges as the database has them."""

from fractions import Fraction

import numpy as np
import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from contexts.health.catalogue import BY_NAME, METRICS, Stream
from contexts.health.columns import GREATEST, LEAST
from kernel.observability import invariants
from tests.health.conftest import HEALTH

PAIRS = [(metric, unit) for metric in METRICS.values() for unit in metric.units.ways]

OLD_NUMBERS = {"heart_rate": 1, "rr_interval": 2, "battery": 3, "sensor_contact": 4}

KNOWN = [
    ("blood_glucose", "mg/dL", 100, 5.550622),
    ("blood_glucose", "mol/L", 0.005, 5),
    ("body_mass", "[lb_av]", 155.88, 70.7059925),
    ("body_mass", "[stone_av]", 11, 69.8532250),
    ("body_height", "[in_i]", 70, 1.778),
    ("body_height", "[ft_i]", 6, 1.8288),
    ("body_temperature", "[degF]", 98.6, 37),
    ("body_temperature", "K", 310.15, 37),
    ("blood_pressure_systolic", "kPa", 16, 120.010201),
    ("haemoglobin_a1c", "%", 7, 52.995190),
    ("heart_rate", "Hz", 1.2, 72),
    ("active_energy", "kcal", 500, 2092),
    ("walking_distance", "[mi_i]", 26.21875, 42195.0),
    ("speed", "km/h", 36, 10),
    ("sleep_duration", "h", 7.5, 27_000),
    ("rr_interval", "s", 0.8125, 812.5),
    ("oxygen_saturation", "1", 0.97, 97),
    ("blood_lactate", "mg/dL", 36.032, 4),
]


@pytest.mark.parametrize(("name", "unit", "told", "stored"), KNOWN)
def test_he2_a_told_unit_becomes_the_stored_one(name, unit, told, stored):
    way = BY_NAME[name].way(unit)
    assert way is not None
    assert way.to_stored(told) == pytest.approx(stored, rel=1e-4 if name == "walking_distance" else 1e-6)


@given(st.sampled_from(PAIRS), st.floats(-1e6, 1e6))
def test_he2_every_unit_leads_there_and_back(pair, value):
    """Within the last digits of a double, as the exact fractions say; arrays as single values."""
    metric, unit = pair
    way = metric.way(unit)
    told = way.from_stored(value)
    assert way.to_stored(told) == pytest.approx(value, rel=1e-12, abs=1e-9)
    exact = Fraction(told) * way.scale + way.shift
    assert way.to_stored(told) == pytest.approx(float(exact), rel=1e-14, abs=1e-10)
    assert way.to_stored(np.array([told]))[0] == way.to_stored(told)


def is_loinc(code: str) -> bool:
    """Whether the check digit is right (Luhn's, mod 10)."""
    number, _, check = code.partition("-")
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(number))]
    return (10 - sum(n - 9 if n > 9 else n for n in doubled) % 10) % 10 == int(check)


def test_he2_the_catalogue_is_whole():
    assert len(METRICS) == len(Stream) == len(BY_NAME) >= 40
    assert {name: int(BY_NAME[name].stream) for name in OLD_NUMBERS} == OLD_NUMBERS
    assert {metric.kind for metric in METRICS.values()} == {*METRICS[Stream.heart_rate].kind.__class__}
    codes = [metric.loinc for metric in METRICS.values() if metric.loinc]
    assert len(codes) == len(set(codes)) > 30
    assert all(map(is_loinc, codes))
    for metric in METRICS.values():
        low, high = metric.plausible
        assert LEAST[metric.stream] <= low < high <= GREATEST[metric.stream]
        assert 0 < metric.resolution <= high - low
        assert metric.units.ways[metric.unit].scale == 1


@pytest.mark.django_db(databases=["health"])
def test_he2_h3_the_database_and_the_invariant_draw_the_same_line():
    """For each metric one reading below, at both ends and above its plausible range."""
    rows = []
    for metric in METRICS.values():
        low, high = metric.plausible
        rows += [(metric.stream, n, value) for n, value in enumerate([np.nextafter(low, -1e9), low, high, high + 1])]
    with connections["health"].cursor() as cursor:
        cursor.executemany(
            "INSERT INTO health_reading (time, value, device_number, sequence, mark, stream)"
            " VALUES (now(), %s, 1, %s, 0, %s)",
            [(float(value), n, int(stream)) for stream, n, value in rows],
        )
        cursor.execute("SELECT stream, sequence FROM health_reading WHERE NOT quarantined")
        assert sorted(cursor.fetchall()) == sorted((int(stream), n) for stream in METRICS for n in (1, 2))
    (h3,) = [each for each in invariants() if (each.context, each.id) == ("health", "H3")]
    assert h3.violations() == []


@pytest.mark.django_db(databases=["default"])
def test_the_catalogue_is_open_to_all_and_not_sent_twice(anonymous):
    answer = anonymous.get(f"{HEALTH}/metrics")
    assert answer.status_code == 200
    glucose = next(item for item in answer.json()["items"] if item["name"] == "blood_glucose")
    assert glucose == {
        "name": "blood_glucose",
        "kind": "glucose",
        "unit": "mmol/L",
        "units": ["mmol/L", "mg/dL", "mol/L"],
        "loinc": "15074-8",
        "plausible": {"low": 0.5, "high": 60},
        "resolution": 0.01,
        "aggregation": "mean",
    }
    again = anonymous.request("get", f"{HEALTH}/metrics", headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
