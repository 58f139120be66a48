"""Real recordings of many devices, read beside decoders that others wrote.

The samples hold their donors' real places and are no part of this repository. `STAYER_SAMPLES` names their folder,
by default `../shared/samples`; where it is absent these tests are skipped.
"""

import os
import re
import warnings
from datetime import timedelta
from pathlib import Path

import pytest

from contexts.workout import recordings, rules
from contexts.workout.recordings import Limits, Reading, Unreadable, fit

fitdecode = pytest.importorskip("fitdecode")
gpxpy = pytest.importorskip("gpxpy")

REPOSITORY = Path(__file__).parents[2]
FOLDER = Path(os.environ.get("STAYER_SAMPLES", REPOSITORY.parent / "shared" / "samples"))
SLOW_FOR_THE_ORACLE = 250_000
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
        assert streams.time == sorted(streams.time)
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


def oracle_of_fit(path: Path) -> tuple[int, int, bool]:
    """Records and the sum of their heart rates by fitdecode, and whether it came to the end of the file."""
    count = beats = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            options = {"check_crc": fitdecode.CrcCheck.DISABLED, "error_handling": fitdecode.ErrorHandling.IGNORE}
            with fitdecode.FitReader(path, processor=None, **options) as frames:
                for frame in frames:
                    if isinstance(frame, fitdecode.FitDataMessage) and frame.global_mesg_num == 20:
                        count += 1
                        beats += native_heart_rate(frame)
        except fitdecode.FitError:
            return count, beats, False
    return count, beats, True


def native_heart_rate(frame) -> int:
    for each in frame.fields:
        if each.field_def is not None and each.field_def.def_num == 3 and each.name == "heart_rate":
            return each.value or 0
    return 0


def held_to_the_oracle(path: Path) -> None:
    data = path.read_bytes()
    if data[8:12] != b".FIT":
        pytest.skip("the oracle cannot read this either")
    files = fit.decode(data, Limits(), [])
    count = sum(len(file.records) for file in files)
    beats = sum(rate or 0 for file in files for rate in file.records.columns.get("heart_rate_bpm", ()))
    expected_count, expected_beats, whole = oracle_of_fit(path)
    if whole:
        assert (count, beats) == (expected_count, expected_beats)
    else:
        assert count >= expected_count
        assert beats >= expected_beats


@pytest.mark.parametrize("path", samples(".fit"))
def test_records_and_heart_rates_are_those_fitdecode_finds(path):
    if path.is_file() and path.stat().st_size > SLOW_FOR_THE_ORACLE:
        pytest.skip("large for the oracle: see the slow test beside this one")
    held_to_the_oracle(path)


@pytest.mark.slow
@pytest.mark.parametrize("path", samples(".fit"))
def test_records_and_heart_rates_of_large_files_are_those_fitdecode_finds(path):
    if path.is_file() and path.stat().st_size <= SLOW_FOR_THE_ORACLE:
        pytest.skip("small: already held to the oracle")
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
    found = [rate for activity in read.activities for rate in activity.streams.heart_rate_bpm or () if rate]
    assert sum(found) == sum(map(float, written))


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
    assert sum(rate is not None for rate in rates) > 0.9 * len(rates)
