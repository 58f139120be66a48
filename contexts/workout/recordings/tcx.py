"""Reads TCX (Garmin Training Center Database v2) with ActivityExtension v2: laps, points, many activities."""

from __future__ import annotations

from . import gpx, markup, recording
from . import track as tracks
from .recording import Lap, RecordedActivity, Told

VALUES = {
    "LatitudeDegrees": "latitude",
    "LongitudeDegrees": "longitude",
    "AltitudeMeters": "altitude_m",
    "DistanceMeters": "distance_m",
    "Value": "heart_rate_bpm",
    "Cadence": "cadence_rpm",
    "RunCadence": "cadence_rpm",
    "Speed": "speed_mps",
    "Watts": "power_w",
}

OWN_EXTENSION = "StayerActivity"
OWN_WORDS = ("Sport", "Title")
"""What our exports say in an extension of their own, since TCX knows three sports and no titles."""

LAP_TOTALS = ("TotalTimeSeconds", "DistanceMeters", "Calories")


class Tcx(markup.Recorded):
    """A Training Center document."""

    def __init__(self, limits: recording.Limits) -> None:
        super().__init__(limits)
        self.activities: list[RecordedActivity] = []
        self.sport = ""
        self.product: str | None = None
        self.told = Told()
        self.track: tracks.Track | None = None
        self.laps: list[Lap] = []
        self.lap: dict[str, float | None] | None = None
        self.point: dict[str, float | None] | None = None
        self.time: float | None = None

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        """Activities, laps and points begin."""
        if name == "Activity":
            self.sport, self.product, self.told = attributes.get("Sport", ""), None, Told()
            self.track, self.laps = tracks.Track(), []
        elif name == "Lap":
            self.lap = {"start": markup.seconds(attributes.get("StartTime"))}
        elif name == "Trackpoint" and self.track is not None:
            self.count_point()
            self.point, self.time = {}, None

    def closed(self, name: str, text: str) -> None:
        """Takes values of the innermost of point, lap and activity."""
        if self.point is not None:
            self._closed_in_point(name, text, self.point)
        elif name == "Lap":
            self._finish_lap()
        elif name == "Activity":
            self._finish_activity()
        elif name in LAP_TOTALS and self.lap is not None and self.path[-1:] == ["Lap"]:
            self.lap[name] = recording.number(text)
        elif name == "Name" and self.path[-1:] == ["Creator"]:
            self.product = recording.clean_text(text)
        elif name == "Notes" and self.path[-1:] == ["Activity"]:
            self.told.notes = recording.clean_prose(text)
        elif name in OWN_WORDS and self.path[-2:] == ["Extensions", OWN_EXTENSION]:
            self._closed_own_word(name, text)

    def _closed_own_word(self, name: str, text: str) -> None:
        if name == "Sport":
            self.sport = text
        else:
            self.told.title = recording.clean_line(text)

    def _closed_in_point(self, name: str, text: str, point: dict[str, float | None]) -> None:
        if name == "Trackpoint":
            if self.track is not None and (point or self.time is not None):
                self.track.add(self.time, point)
            self.point = None
        elif name == "Time":
            self.time = markup.seconds(text)
        elif name in VALUES and text:
            point[VALUES[name]] = recording.number(text)

    def _finish_lap(self) -> None:
        lap, self.lap = self.lap or {}, None
        start, lasted = lap.get("start"), lap.get("TotalTimeSeconds")
        self.laps.append(
            Lap(
                start_s=-1.0 if start is None else start,
                end_s=-1.0 if start is None else start + (lasted or 0.0),
                timer_s=lasted,
                distance_m=lap.get("DistanceMeters"),
                kcal=lap.get("Calories"),
            )
        )

    def _finish_activity(self) -> None:
        if self.track is None:
            return
        starts = [lap.start_s for lap in self.laps if lap.start_s >= 0]
        sport = gpx.sport_of(self.sport)
        made = tracks.activity(
            self.track,
            sport=sport,
            start=min(starts, default=None),
            laps=self.laps,
            timer_s=_total([lap.timer_s for lap in self.laps]),
            distance_m=_total([lap.distance_m for lap in self.laps]),
            kcal=_total([lap.kcal for lap in self.laps]),
            product=self.product,
            warnings=self.warnings,
        )
        self.track = None
        if made is not None:
            recording.per_minute_of_both_legs(made.streams, sport)
            made.told = self.told
            self.activities.append(made)
        if len(self.activities) > self.limits.max_activities:
            raise recording.TooManyActivities

    def reading(self) -> recording.Reading:
        """The activities; a document of courses or workouts only is refused."""
        self._finish_activity()
        if self.activities:
            return recording.Reading(sorted(self.activities, key=lambda made: made.started_at), self.warnings)
        if self.points > 1:
            raise recording.NoTimes
        raise recording.NotAnActivity("This TCX file holds no activity with times.")


def _total(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
