"""Reads KML 2.2: each `gx:Track` with times is an activity, those of one `gx:MultiTrack` are one together.

Times stand in `<when>`, places in `<gx:coord>` ("longitude latitude altitude"), in equal number and order. What a
`LineString` draws has no times: a route. Heart rate, cadence and power come as arrays beside the track
(`gx:SimpleArrayData`), as Google's own tools wrote them. Source: KML 2.2 Reference, "gx:Track", "gx:MultiTrack".
"""

from __future__ import annotations

from . import gpx, markup, recording
from . import track as tracks
from .recording import RecordedActivity, Told

ARRAYS = {
    "heartrate": "heart_rate_bpm",
    "hr": "heart_rate_bpm",
    "cadence": "cadence_rpm",
    "power": "power_w",
    "temperature": "temperature_c",
    "speed": "speed_mps",
    "distance": "distance_m",
}
"""Names of arrays, in lower case and without what separates their words."""


class Kml(markup.Recorded):
    """A KML document."""

    def __init__(self, limits: recording.Limits) -> None:
        super().__init__(limits)
        self.activities: list[RecordedActivity] = []
        self.track = tracks.Track()
        self.told = Told()
        self.times: list[float | None] = []
        self.places: list[list[float | None]] = []
        self.arrays: dict[str, list[float | None]] = {}
        self.array: list[float | None] | None = None
        self.drawn = False

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        """Placemarks, tracks and arrays begin."""
        if name == "Placemark":
            self.told = Told()
        elif name == "Track":
            self.times, self.places, self.arrays = [], [], {}
        elif name == "SimpleArrayData":
            known = ARRAYS.get("".join(attributes.get("name", "").lower().replace("_", " ").split()))
            self.array = self.arrays.setdefault(known, []) if known else None

    def closed(self, name: str, text: str) -> None:
        """Takes the values of a track; the placemark's end makes the activity."""
        if name == "when":
            self.count_point()
            self.times.append(markup.seconds(text))
        elif name == "coord":
            self._take_place(text)
        elif name == "value" and self.array is not None:
            self.array.append(recording.number(text))
        elif name == "SimpleArrayData":
            self.array = None
        elif name == "Track":
            self._finish_part()
        elif name in ("Placemark", "MultiTrack"):
            self._finish_track()
        elif name == "LineString":
            self.drawn = True
        elif name in ("name", "description") and self.path[-1:] == ["Placemark"]:
            self._take_words(name, text)

    def _take_place(self, text: str) -> None:
        if len(self.places) > self.limits.max_points:
            raise recording.TooManyPoints
        self.places.append([recording.number(part) for part in text.split()[:3]])

    def _take_words(self, name: str, text: str) -> None:
        if name == "name":
            self.told.title = recording.clean_line(text)
        else:
            self.told.notes = recording.clean_prose(text)

    def _finish_part(self) -> None:
        for nth, at in enumerate(self.times):
            east, north, altitude = [*(self.places[nth] if nth < len(self.places) else ()), None, None, None][:3]
            values = {"latitude": north, "longitude": east, "altitude_m": altitude}
            more = {kind: column[nth] for kind, column in self.arrays.items() if nth < len(column)}
            self.track.add(at, values | more)
        self.drawn |= bool(self.places) and not any(at is not None for at in self.times)
        self.times, self.places, self.arrays = [], [], {}

    def _finish_track(self) -> None:
        sport = gpx.sport_of(self.told.title)
        made = tracks.activity(self.track, sport=sport, warnings=self.warnings) if self.track.times else None
        self.track = tracks.Track()
        if made is not None:
            made.told = self.told
            self.activities.append(made)
        if len(self.activities) > self.limits.max_activities:
            raise recording.TooManyActivities

    def reading(self) -> recording.Reading:
        """The activities; a document that only draws is refused."""
        self._finish_part()
        self._finish_track()
        if self.activities:
            return recording.Reading(sorted(self.activities, key=lambda made: made.started_at), self.warnings)
        if self.drawn or self.points > 1:
            raise recording.NoTimes
        raise recording.NotAnActivity("This KML file holds no track.")
