"""Lines, cells and passages as pure rules: exact on straight lines, and the same however a way was sampled (WO-6)."""

import itertools
import math

import h3
import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from contexts.workout.places import geography, matching
from contexts.workout.places.positions import Positions, packed_positions, unpacked_positions
from contexts.workout.rules import haversine
from contexts.workout.series.streams import Columns
from tests.workout.going import along, place

metres = st.floats(-5_000, 5_000)
ways = st.lists(st.tuples(metres, metres), min_size=2, max_size=30)
speeds = st.floats(0.8, 15)


def line_through(points):
    return geography.line_of(*zip(*(place(*point) for point in points), strict=True))


def positions(points, times):
    unknown = np.full(len(points), -1.0)
    return Positions(np.asarray(times, dtype=np.float64), line_through(points), unknown, unknown)


SEGMENT = [(0, 0), (0, 1000)]


@given(speeds, st.floats(0.5, 20), st.floats(-20, 20), st.floats(50, 400), st.floats(0, 1))
def test_wo6_crossing_times_are_exact_on_straight_lines(speed, every_s, beside, before, phase):
    """Wherever the samples fall: the time is the way over the speed."""
    assume(speed * every_s < 90)
    course = matching.Course.of(line_through(SEGMENT))
    north = np.arange(-before - phase * speed * every_s, 1_400, speed * every_s)
    times = (north - north[0]) / speed
    (passage,) = course.passages(positions([(beside, each) for each in north], times))
    assert math.isclose(passage.elapsed_s, 1_000 / speed, rel_tol=1e-4)
    assert math.isclose(passage.begins_s, -north[0] / speed, rel_tol=1e-4, abs_tol=1e-3)


@given(st.floats(2, 12), st.floats(1, 40), st.floats(1, 40))
def test_wo6_a_passage_does_not_depend_on_how_it_was_sampled(speed, one_m, other_m):
    corners = [(0, -200), (0, 600), (400, 900), (400, 1600)]
    course = matching.Course.of(line_through([(0, 0), (0, 600), (400, 900), (400, 1400)]))
    found = []
    for every_m in (one_m, other_m):
        points = along(corners, every_m=every_m)
        covered = np.concatenate(([0.0], np.cumsum([math.dist(*pair) for pair in itertools.pairwise(points)])))
        found += course.passages(positions(points, covered / speed))
    assert len(found) == 2
    assert math.isclose(found[0].elapsed_s, found[1].elapsed_s, rel_tol=1e-3)
    assert math.isclose(found[0].elapsed_s, 1_600 / speed, rel_tol=2e-3)


@given(st.lists(st.floats(-1_000, 1_000), min_size=2, max_size=6))
def test_wo6_the_way_back_is_no_passage(easts):
    """On ways that lead north, however they bend."""
    points = along([(east, 400 * nth) for nth, east in enumerate(easts)], every_m=15)
    course = matching.Course.of(line_through(points))
    times = np.arange(len(points)) * 5.0
    assert len(course.passages(positions(points, times))) == 1
    assert course.passages(positions(points[::-1], times)) == []


@given(st.integers(1, 4), st.floats(2, 10))
def test_wo6_each_lap_is_a_passage_of_its_own(laps, speed):
    course = matching.Course.of(line_through([(0, 100), (0, 900)]))
    block = [(0, 0), (0, 1000), (500, 1000), (500, 0)]
    points = along([*block * laps, (0, 0)], every_m=12)
    covered = np.concatenate(([0.0], np.cumsum([math.dist(*pair) for pair in itertools.pairwise(points)])))
    passages = course.passages(positions(points, covered / speed))
    assert len(passages) == laps
    assert all(math.isclose(each.elapsed_s, 800 / speed, rel_tol=1e-3) for each in passages)


def test_wo6_who_was_out_of_sight_at_a_gate_has_no_time():
    course = matching.Course.of(line_through(SEGMENT))
    points, times = [(0, -100), (0, 100), (0, 600), (0, 1100)], [0, 61, 100, 140]
    assert course.passages(positions(points, times)) == []
    assert len(course.passages(positions(points, [0, 59, 100, 140]))) == 1


@given(ways, st.floats(1, 100))
def test_wo6_a_simplified_line_stays_within_its_tolerance(points, tolerance_m):
    line = line_through(points)
    simple = geography.simplified(line, tolerance_m=tolerance_m)
    plane = geography.Plane.around(line)
    away = geography.offsets_from_chords(plane.metres(line), plane.metres(simple))
    assert away.max() <= tolerance_m + 1e-6
    assert simple.points()[0] == line.points()[0]
    assert simple.points()[-1] == line.points()[-1]


@given(ways)
def test_wo6_lengths_are_those_of_a_sphere(points):
    places = [place(*point) for point in points]
    expected = sum(haversine(*one, *other) for one, other in itertools.pairwise(places))
    assert math.isclose(geography.length_m(line_through(points)), expected, rel_tol=1e-9, abs_tol=1e-6)


@given(st.floats(-75, 75), st.floats(-180, 180), st.floats(1, 20_000), st.floats(0, 360), st.floats(0, 1))
def test_wo6_a_disk_of_cells_misses_nothing_within_its_radius(latitude, longitude, radius_m, bearing, share):
    degree_m = 111_195.08
    north = share * radius_m * math.cos(math.radians(bearing)) / degree_m
    east = share * radius_m * math.sin(math.radians(bearing)) / degree_m / math.cos(math.radians(latitude + north))
    resolution = geography.resolution_for(radius_m)
    there = h3.str_to_int(h3.latlng_to_cell(latitude + north, (longitude + east + 180) % 360 - 180, resolution))
    assert there in geography.disk(latitude, longitude, radius_m=radius_m * 1.001, resolution=resolution)


@given(ways, st.floats(-25, 25), st.floats(0, 360))
def test_wo6_who_keeps_to_a_line_misses_none_of_its_sure_cells(points, aside, bearing):
    """Moved by as much as a receiver errs, a way still passes four fifths of them, which is what matching asks."""
    shift = aside * math.cos(math.radians(bearing)), aside * math.sin(math.radians(bearing))
    dense = along(points, every_m=20)
    moved = line_through([(east + shift[0], north + shift[1]) for east, north in dense])
    sure = set(matching.sure_cells(line_through(dense), geography.FINE))
    assert len(sure & set(geography.cells_along(moved, geography.FINE))) >= 0.8 * len(sure)


def test_wo6_lines_are_kept_to_a_centimetre_and_across_the_date_line():
    line = geography.line_of([-16.5, -16.5], [179.999, -179.999])
    kept = geography.unpacked(geography.packed(line))
    assert np.abs(kept.longitude - line.longitude).max() < 1e-7
    assert geography.length_m(line) < 250
    assert geography.bounds(line).west == -180
    assert np.abs(geography.Plane.around(line).metres(line)).max() < 250
    assert all(abs(longitude) > 179 for longitude, _ in geography.densified(line, step_m=10).points())


def stream(kind, *columns):
    return Columns(kind, *map(np.array, columns))


def test_wo6_places_are_joined_by_their_moments():
    north = Columns(
        "latitude",
        np.array([0, 1_000_000, 1_000_000, 3_000_000]),
        np.array([0, 0, 1, 0]),
        np.array([50.0, 50.1, 50.2, 50.3]),
    )
    east = Columns(
        "longitude",
        np.array([0, 1_000_000, 2_000_000, 3_000_000]),
        np.array([0, 0, 0, 0]),
        np.array([8.0, 8.1, 8.2, 8.3]),
    )
    beats = stream("heart_rate", [1_000_000], [0], [150.4])
    kept = packed_positions([north, east, beats])
    assert kept is not None
    found = unpacked_positions(kept)
    assert found.times.tolist() == [0.0, 1.0, 3.0]
    assert found.line.points() == [(8.0, 50.0), (8.1, 50.1), (8.3, 50.3)]
    assert found.heart_rate.tolist() == [-1, 150, -1]
    assert packed_positions([north]) is None
    assert packed_positions([north, stream("longitude", [0], [0], [8.0])]) is None
