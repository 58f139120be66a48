"""What the bridge says is what the platform knows: names, units and doubts; and a spool keeps doubts."""

import json
import sqlite3
from contextlib import closing

import pytest

from contexts.health import rules
from contexts.health.catalogue import BY_NAME
from contexts.health.doubts import Doubt
from contexts.health.rules import DeviceKind
from device_bridge.introducing import KINDS
from device_bridge.meanings import DOUBTS, NO_VALUE, STREAMS
from device_bridge.naming import METRICS, TOLD_IN, body_of, metric_of
from device_bridge.readings import MACHINES, Observation, Reading
from device_bridge.spool import Spool

AT = 1_790_000_000_000_000
WORDS = {word for _, bits in DOUBTS.values() for word in bits.values()} | {"no_contact", "unknown_user"}


@pytest.mark.parametrize(("stream", "unit"), STREAMS.items())
def test_he3_every_stream_of_the_bridge_is_a_metric_in_a_unit_that_converts(stream, unit):
    metric = BY_NAME[metric_of(stream)]
    assert unit == TOLD_IN.get(metric.name, metric.unit)
    assert metric.way(unit) is not None


def test_he3_no_two_streams_share_a_metric_and_the_table_names_no_others():
    assert len({metric_of(stream) for stream in STREAMS}) == len(STREAMS)
    assert set(METRICS) <= set(STREAMS)
    assert set(TOLD_IN) <= set(METRICS.values())


def test_he3_the_platform_knows_every_doubt_of_the_bridge():
    assert set(Doubt.__members__) - {"other"} == WORDS - NO_VALUE


def test_he3_the_platform_knows_every_kind_of_device_and_counts_the_energy_of_machines():
    assert set(KINDS.values()) <= set(DeviceKind)
    assert {KINDS[characteristic] for characteristic in MACHINES} == set(rules.MACHINES)


def test_units_and_doubts_are_told_where_there_are_any(tmp_path):
    with closing(Spool(tmp_path, "device")) as spool:
        spool.append(
            [
                Observation("heart_rate", AT, 61),
                Observation("heart_rate", AT + 1, 0, doubts=("no_contact", "questionable")),
                Observation("hba1c", AT, 6.5, record=3),
            ]
        )
    with closing(Spool(tmp_path, "device")) as spool:
        told = json.loads(body_of(spool.oldest(9)))
        plain = json.loads(body_of(spool.oldest(1)))
    assert [each["stream"] for each in told["readings"]] == ["heart_rate", "heart_rate", "haemoglobin_a1c"]
    assert (told["units"], told["doubts"]) == ({"haemoglobin_a1c": "%"}, {"no_contact": [1]})
    assert plain.keys() == {"readings"}


def test_a_spool_from_before_doubts_were_kept_goes_on(tmp_path):
    with closing(sqlite3.connect(tmp_path / "device.sqlite3")) as old:
        old.executescript(
            "CREATE TABLE streams (stream TEXT PRIMARY KEY, next_sequence INTEGER, newest_us INTEGER) WITHOUT ROWID;"
            "CREATE TABLE readings (position INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL,"
            " time_us INTEGER NOT NULL, sequence INTEGER NOT NULL, value REAL NOT NULL);"
            f"INSERT INTO readings VALUES (7, 'heart_rate', {AT}, 4, 61)"
        )
    with closing(Spool(tmp_path, "device")) as spool:
        assert spool.oldest(9) == [Reading("heart_rate", AT, 61, 4, 7)]
        assert spool.append([Observation("battery", AT, 80, doubts=("other",))]) == 1
        assert spool.oldest(9)[1].doubts == ("other",)
