"""Writing recordings: what is written and read again is written the same, in each format."""

import gzip
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from contexts.workout.recordings import (
    Lap,
    Length,
    LiftedSet,
    Limits,
    Pool,
    RecordedActivity,
    Streams,
    Told,
    Unreadable,
    fit_activity_writing,
    gpx_writing,
    own_json,
    read,
    tcx_writing,
)
from contexts.workout.recordings.recording import clean_line
from tests.workout import making_sports

BEGIN = datetime(2026, 3, 1, 8, 0, 0, 123_456, tzinfo=UTC)
WRITERS = {
    "fit": fit_activity_writing.write,
    "gpx": gpx_writing.write,
    "tcx": tcx_writing.write,
    "json": own_json.write,
}
RANGES = {
    "latitude": (-90, 90),
    "longitude": (-180, 180),
    "altitude_m": (-400, 9000),
    "distance_m": (0, 1e6),
    "speed_mps": (0, 400),
    "heart_rate_bpm": (40, 220),
    "cadence_rpm": (0, 400),
    "power_w": (0, 2000),
    "temperature_c": (-40, 60),
    "steps": (0, 1e6),
    "resistance": (-100, 300),
}

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=40)


@st.composite
def pools(draw, last):
    """A pool swum in until `last`, now and then resting."""
    marks = sorted(draw(st.lists(st.floats(0, last), max_size=6, unique=True)))
    lengths = [
        Length(start, end, draw(st.booleans()), draw(st.sampled_from([None, *own_json.STROKES])), draw(counts))
        for start, end in pairwise(marks)
    ]
    return Pool(draw(st.integers(1, 10_000)) / 100, draw(st.sampled_from(["m", "yd"])), lengths)


@st.composite
def sets(draw, last):
    """A set with repetitions, a time, or both."""
    reps, seconds = draw(counts), draw(st.none() | st.floats(0, 300))
    weight_kg, rpe = draw(st.none() | st.floats(0, 1000)), draw(st.none() | st.floats(1, 10))
    return LiftedSet(
        exercise=draw(words.map(clean_line)) or "Squat",
        at_s=round(draw(st.floats(0, last)), 6),
        reps=5 if reps is None and seconds is None else reps,
        duration_s=seconds,
        weight_kg=weight_kg,
        rpe=rpe,
    )


counts = st.none() | st.integers(0, 200)


@st.composite
def activities(draw):
    """An activity as a session keeps it: values in range, times rising, some of them equal."""
    steps = draw(st.lists(st.integers(0, 40_000_000), min_size=2, max_size=12))
    steps[-1] += 2_000_000
    offsets = [sum(steps[: nth + 1]) for nth in range(len(steps))]
    kinds = draw(st.sets(st.sampled_from([*RANGES][2:]))) | {"latitude", "longitude"}
    columns = {
        kind: draw(
            st.lists(
                st.none() | st.floats(*RANGES[kind]).map(lambda value: round(value, 6)),
                min_size=len(steps),
                max_size=len(steps),
            )
        )
        for kind in kinds
    }
    for nth in (0, len(steps) - 1):
        columns["latitude"][nth], columns["longitude"][nth] = 50.0 + nth, 8.0
    for nth in range(len(steps)):
        if columns["latitude"][nth] is None or columns["longitude"][nth] is None:
            columns["latitude"][nth] = columns["longitude"][nth] = None
    columns = {kind: column for kind, column in columns.items() if any(value is not None for value in column)}
    last = offsets[-1] / 1e6
    return RecordedActivity(
        sport=draw(st.sampled_from(["running", "walking", "cycling", "swimming", "rowing", "strength", "other"])),
        sub_sport=draw(st.sampled_from([None, "treadmill", "lap_swimming", "yoga", "strength_training", "nonsense"])),
        started_at=BEGIN + timedelta(microseconds=draw(st.integers(0, 5_000_000))),
        ended_at=BEGIN + timedelta(seconds=last + 5 + draw(st.integers(0, 100))),
        timer_s=draw(st.none() | st.floats(1, last)),
        device_distance_m=draw(st.none() | st.floats(0, 1e6)),
        device_kcal=draw(st.none() | st.floats(0, 9000)),
        device_ascent_m=draw(st.none() | st.floats(0, 9000)),
        laps=draw(st.sampled_from([[], [Lap(0.0, last / 2, last / 2, 10.25, 3.0), Lap(last / 2, last, None)]])),
        streams=Streams(time=[offset / 1e6 for offset in offsets], **columns),
        product=draw(st.none() | st.just("Edge 530")),
        pool=draw(st.none() | pools(last)),
        sets=sorted(draw(st.lists(sets(last), max_size=4)), key=lambda one: one.at_s),
        told=own_json._told({"title": draw(words), "notes": draw(words), "effort": draw(st.integers(1, 10))}),
    )


@pytest.mark.parametrize("format", WRITERS)
@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(activity=activities())
def test_wo9_what_is_written_is_read_and_written_the_same(format, activity):
    once = WRITERS[format](activity)
    (again,) = read(once, filename=f"x.{format}").activities
    assert again.sport == activity.sport
    assert WRITERS[format](again) == once


def told():
    return Told('Морские <горы> & "co"', "two\nlines", 7, 4, commute=True, gear=["Shoes"], media=["a.jpg"])


def small(**more):
    columns = {"latitude": [50.0, 50.001], "longitude": [8.0, 8.0], "heart_rate_bpm": [140.5, 150.0]}
    streams = Streams(time=[0.0, 10.000001], rr_interval_ms=[800.0, None], **columns)
    return RecordedActivity(
        "running",
        None,
        BEGIN,
        BEGIN + timedelta(seconds=11),
        None,
        None,
        None,
        None,
        [],
        streams,
        told=told(),
        **more,
    )


def test_our_own_json_loses_nothing():
    activity = small(
        time_zone="Asia/Tokyo",
        pauses=[(2.0, 3.5)],
        manufacturer="garmin",
        product="Edge",
        pool=Pool(22.86, "yd", [Length(0.0, 9.5, True, "medley", 7), Length(9.5, 11.0, False)]),
        sets=[LiftedSet("Присед", 10.5, 8, 30.0, 100.25, 8.5)],
    )
    assert read(own_json.write(activity)).activities == [activity]


def test_gpx_and_tcx_carry_title_and_notes():
    for written in (gpx_writing.write(small()), tcx_writing.write(small())):
        (again,) = read(written).activities
        assert (again.told.title, again.told.notes) == (told().title, told().notes)


def test_fit_knows_no_time_before_its_own():
    activity = small()
    activity.started_at -= timedelta(days=366 * 40)
    assert fit_activity_writing.write(activity) is None


@pytest.mark.parametrize("effort", [True, "7", 11, 7.5])
def test_a_feeling_off_its_scale_is_none(effort):
    document = json.loads(own_json.write(small()))
    document["told"]["effort"] = effort
    assert read(json.dumps(document).encode()).activities[0].told.effort is None


def test_a_gpx_track_needs_places():
    activity = small()
    activity.streams.latitude = activity.streams.longitude = None
    assert gpx_writing.write(activity) is None


class TestCompressedFiles:
    @pytest.mark.parametrize("format", WRITERS)
    def test_any_format_may_be_compressed(self, format):
        plain = WRITERS[format](small())
        assert read(gzip.compress(plain), filename=f"x.{format}.gz").activities == read(plain).activities

    def test_a_bomb_is_refused_before_it_goes_off(self):
        bomb = gzip.compress(b"\0" * 30_000_000)
        with pytest.raises(Unreadable) as refused:
            read(bomb)
        assert refused.value.code == "inflates_too_large"

    def test_what_is_compressed_twice_is_refused(self):
        with pytest.raises(Unreadable) as refused:
            read(gzip.compress(gzip.compress(gpx_writing.write(small()))))
        assert refused.value.code == "unknown_format"

    def test_a_torn_file_keeps_what_came_before(self):
        activity = small()
        torn = gzip.compress(gpx_writing.write(activity))[:-6]
        reading = read(torn)
        assert (len(reading.activities), [flaw.code for flaw in reading.warnings]) == (1, ["corrupt_tail"])

    def test_damage_at_the_beginning_is_refused(self):
        with pytest.raises(Unreadable) as refused:
            read(b"\x1f\x8b\x08garbage that is no deflate stream at all")
        assert refused.value.code == "corrupt_compression"


class TestKml:
    HEAD = '<kml xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2"><Placemark>'

    def test_a_track_with_times_is_an_activity(self):
        whens = "".join(f"<when>2026-03-01T08:00:{second:02}Z</when>" for second in (0, 10, 20))
        coords = "".join(f"<gx:coord>8.0 {50 + nth / 1000} 100</gx:coord>" for nth in range(3))
        rates = "".join(f"<gx:value>{rate}</gx:value>" for rate in (140, 141, 142))
        array = f'<SchemaData><gx:SimpleArrayData name="heart_rate">{rates}</gx:SimpleArrayData></SchemaData>'
        more = f"<name>Morning run</name><gx:Track>{whens}{coords}<ExtendedData>{array}</ExtendedData></gx:Track>"
        (made,) = read(f"{self.HEAD}{more}</Placemark></kml>".encode()).activities
        assert (made.sport, made.told.title) == ("running", "Morning run")
        assert made.streams == Streams(
            time=[0, 10, 20],
            latitude=[50.0, 50.001, 50.002],
            longitude=[8.0] * 3,
            altitude_m=[100] * 3,
            heart_rate_bpm=[140, 141, 142],
        )

    def test_a_line_without_times_is_a_route(self):
        line = "<LineString><coordinates>8,50,0 8,51,0</coordinates></LineString>"
        with pytest.raises(Unreadable) as refused:
            read(f"{self.HEAD}{line}</Placemark></kml>".encode())
        assert refused.value.code == "no_times"


class TestOurJson:
    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"format": "other"}, "unknown_format"),
            ({"version": 2}, "unknown_format"),
            ({"sport": "chess"}, "corrupt_json"),
            ({"started_at": "yesterday"}, "corrupt_json"),
            ({"ended_at": "2026-03-01T07:00:00Z"}, "not_an_activity"),
            ({"pauses": [[5, 1]]}, "corrupt_json"),
            ({"streams": {"time": [1, 0]}}, "corrupt_json"),
            ({"streams": {"time": [0, 1], "power_w": [1]}}, "corrupt_json"),
            ({"streams": {"time": ["now"]}}, "corrupt_json"),
            ({"laps": [{}]}, "corrupt_json"),
            ({"laps": [{"start_s": -1e14, "end_s": 0}]}, "corrupt_json"),
            ({"started_at": "0001-01-01T00:00:00Z", "ended_at": "0001-01-01T01:00:00Z"}, "corrupt_json"),
            ({"told": {"gear": [1]}}, "corrupt_json"),
        ],
    )
    def test_what_breaks_the_description_is_refused(self, change, code):
        document = json.loads(own_json.write(small())) | change
        with pytest.raises(Unreadable) as refused:
            read(json.dumps(document).encode())
        assert refused.value.code == code

    def test_points_are_counted(self):
        with pytest.raises(Unreadable) as refused:
            read(own_json.write(small()), limits=Limits(max_points=1))
        assert refused.value.code == "too_many_points"


def test_what_a_device_claims_beyond_all_measure_stays_readable():
    """A length of weeks, more strokes than arms make, a set of next year."""
    claimed = [(30.0, 20_000, making_sports.FREESTYLE), (4_000_000.0, 18, making_sports.FREESTYLE)]
    (swim,) = read(making_sports.fit_pool_swim(claimed, pool_m=25)).activities
    assert [length.strokes for length in swim.pool.lengths] == [None, 18]
    swim = replace(swim, ended_at=swim.started_at + timedelta(hours=1))
    assert read(own_json.write(swim)).activities[0].pool == swim.pool
    sets = [(0, 5, 60.0, 30.0), (0, 5, 60.0, 4_000_000.0)]
    (lifted,) = read(making_sports.fit_strength(sets)).activities
    assert [one.at_s for one in lifted.sets] == [30.0]


def test_wo9_what_lasts_nearly_a_whole_second_comes_back_the_same():
    """29.9996 s are written as 30.000: the moment of the end must be that of 30 s too."""
    part, one = (0.0, 29.9996), LiftedSet("Squat", 9.5, 5, duration_s=4.9996)
    pool = Pool(25.0, "m", [Length(*part, active=True, stroke="freestyle", strokes=9)])
    activity = replace(small(pool=pool, sets=[one]), laps=[Lap(*part)], ended_at=BEGIN + timedelta(seconds=60))
    once = fit_activity_writing.write(activity)
    assert fit_activity_writing.write(read(once).activities[0]) == once
