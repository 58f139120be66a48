"""Real recordings of many devices, read beside decoders that others wrote.

The samples hold their donors' real places and are no part of this repository. `STAYER_SAMPLES` names their folder,
by default `../shared/samples`; where it is absent these tests are skipped.
"""

import os
import re
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from contexts.workout import recordings, rules
from contexts.workout.recordings import Reading, Unreadable
from tests.workout.oracle import hold_to_the_oracle

gpxpy = pytest.importorskip("gpxpy")

REPOSITORY = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("STAYER_SAMPLES", REPOSITORY.parent / "shared" / "samples"))
SLOW_FOR_THE_ORACLE = 100_000
"""Bytes; the oracle reads some twenty thousand messages a second."""

MILLISECOND = timedelta(milliseconds=1)

NO_SAMPLES = pytest.mark.skip(reason=f"no samples in {FOLDER}; set STAYER_SAMPLES")


def samples(*endings: str) -> list:
    files = sorted(path for path in FOLDER.rglob("*") if path.is_file() and path.name != "MANIFEST.csv")
    wanted = [path for path in files if not endings or path.suffix.lower() in endings]
    if not wanted:
        return [pytest.param(FOLDER, marks=NO_SAMPLES)]
    return [pytest.param(path, id=f"{path.relative_to(FOLDER).parts[0]}/{path.name}") for path in wanted]


def outcome(path: Path) -> Reading | Unreadable:
    try:
        return recordings.read(path.read_bytes(), filename=path.name)
    except Unreadable as refusal:
        return refusal


@pytest.mark.parametrize("path", samples())
def test_every_file_ends_in_activities_or_a_refusal(path):
    read = outcome(path)
    if isinstance(read, Unreadable):
        assert read.code not in ("reader_failed", "too_expensive"), repr(read.__cause__)
        assert read.detail
        return
    assert read.activities
    for activity in read.activities:
        streams = activity.streams
        assert activity.ended_at > activity.started_at
        assert (np.diff(streams.time) >= 0).all()
        assert all(len(getattr(streams, name)) == len(streams) for name in streams.present())


@pytest.mark.parametrize("path", samples())
def test_every_activity_has_a_summary_that_agrees_with_itself(path):
    read = outcome(path)
    for activity in read.activities if isinstance(read, Reading) else ():
        elapsed_s = (activity.ended_at - activity.started_at).total_seconds()
        summary = rules.summarise(
            activity.streams,
            activity.sport,
            elapsed_s=elapsed_s,
            timer_s=activity.timer_s,
            device_distance_m=activity.device_distance_m,
            device_kcal=activity.device_kcal,
        )
        assert 0 <= summary.moving.value <= summary.duration.value <= elapsed_s


def held_to_the_oracle(path: Path) -> None:
    data = path.read_bytes()
    if data[8:12] != b".FIT":
        pytest.skip("the oracle cannot read this either")
    hold_to_the_oracle(data)


@pytest.mark.parametrize("path", samples(".fit"))
def test_every_field_of_every_message_is_what_fitdecode_finds(path):
    if path.is_file() and path.stat().st_size > SLOW_FOR_THE_ORACLE:
        pytest.skip("large for the oracle: see the slow test beside this one")
    held_to_the_oracle(path)


@pytest.mark.slow
@pytest.mark.parametrize("path", samples(".fit"))
def test_every_field_of_large_files_is_what_fitdecode_finds(path):
    if path.is_file() and path.stat().st_size <= SLOW_FOR_THE_ORACLE:
        pytest.skip("small: already held to the oracle")
    if os.environ.get("STAYER_CORPUS") != "whole":
        pytest.skip("the oracle takes minutes for these; STAYER_CORPUS=whole asks for them")
    held_to_the_oracle(path)


@pytest.mark.parametrize("path", samples(".gpx"))
def test_points_are_those_gpxpy_finds(path):
    read = outcome(path)
    parsed = gpxpy.parse(path.read_text(encoding="utf-8-sig"))
    tracks = [[point.time for point in track.walk(only_points=True) if point.time] for track in parsed.tracks]
    lasting = [len(times) for times in tracks if times and max(times) - min(times) > MILLISECOND]
    found = [len(activity.streams) for activity in read.activities] if isinstance(read, Reading) else []
    assert sorted(found) == sorted(lasting)


@pytest.mark.parametrize("path", samples(".gpx", ".tcx"))
def test_heart_rates_are_those_written_in_the_text(path):
    read = outcome(path)
    if isinstance(read, Unreadable):
        pytest.skip("refused")
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix == ".tcx":
        written = re.findall(r"<HeartRateBpm[^>]*>\s*<Value>(\d+)</Value>", text)
    else:
        written = re.findall(r"<(?:\w+:)?(?:hr|heartrate)>([\d.]+)<", text)
    rates = [activity.streams.heart_rate_bpm for activity in read.activities]
    assert sum(np.nansum(column) for column in rates if column is not None) == sum(map(float, written))


@pytest.mark.parametrize(
    ("name", "sports"),
    [
        ("activity-activity-filecrc.fit", ["running", "running"]),
        ("activity-settings.fit", ["running"]),
        ("activity-large-fenxi2-multisport.fit", ["other", "running", "running", "cycling"]),
        ("sample_mulitple_header.fit", ["swimming", "cycling", "running"]),
        ("chained_Activity_activity_poolswim.fit", ["other", "swimming"]),
        ("triathlon_summary_first.fit", ["swimming", "cycling", "running"]),
        ("triathlon_summary_last.fit", ["swimming", "cycling", "running"]),
        ("6471559601_ACTIVITY.fit", ["running", "rowing"]),
    ],
)
def test_chained_and_multisport_files_become_several_activities(name, sports):
    path = next(FOLDER.rglob(name), None)
    if path is None:
        pytest.skip(f"no samples in {FOLDER}; set STAYER_SAMPLES")
    read = outcome(path)
    assert [activity.sport for activity in read.activities] == sports


@pytest.mark.parametrize("name", ["activity_poolswim_with_hr.fit", "spiros-01.fit", "garmin-fr935-cr.fit"])
def test_heart_rate_buffered_under_water_fills_the_swim(name):
    path = next(FOLDER.rglob(name), None)
    if path is None:
        pytest.skip(f"no samples in {FOLDER}; set STAYER_SAMPLES")
    (activity,) = outcome(path).activities
    rates = activity.streams.heart_rate_bpm
    assert np.isfinite(rates).mean() > 0.9
