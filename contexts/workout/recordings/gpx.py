"""Reads GPX 1.0 and 1.1, with or without namespaces: each track with times, all segments, is an activity.

Extensions: Garmin TrackPointExtension v1 and v2, ClueTrust gpxdata, `<power>`. They are known by their
local names, since many programs write them without, or under a wrong, namespace.
"""

from __future__ import annotations

from . import markup, recording
from . import track as tracks
from .recording import RecordedActivity, Told

VALUES = {
    "ele": "altitude_m",
    "speed": "speed_mps",
    "hr": "heart_rate_bpm",
    "heartrate": "heart_rate_bpm",
    "cad": "cadence_rpm",
    "cadence": "cadence_rpm",
    "atemp": "temperature_c",
    "temp": "temperature_c",
    "power": "power_w",
    "watts": "power_w",
    "PowerInWatts": "power_w",
    "distance": "distance_m",
}

SPORT_WORDS = {
    "run": "running",
    "jog": "running",
    "laufen": "running",
    "treadmill": "running",
    "walk": "walking",
    "hik": "walking",
    "foot": "walking",
    "rowing": "rowing",
    "cycl": "cycling",
    "bik": "cycling",
    "ride": "cycling",
    "swim": "swimming",
    "strength": "strength",
    "weight": "strength",
}
"""Parts of the words programs write into a track's `<type>`; the first that fits counts."""

SPORT_NUMBERS = {"1": "cycling", "9": "running", "10": "walking", "4": "walking", "16": "swimming"}
"""Some exports write the vendor's number for the sport instead of a word."""

OWN_CREATOR = "Stayer"
"""Our exports name themselves as the creator, and the device as the track's source."""


def sport_of(words: str) -> str:
    """The sport meant by a track's type."""
    wanted = words.strip().lower()
    if wanted in SPORT_NUMBERS:
        return SPORT_NUMBERS[wanted]
    return next((sport for word, sport in SPORT_WORDS.items() if word in wanted), "other")


class Gpx(markup.Recorded):
    """A GPX document."""

    def __init__(self, limits: recording.Limits) -> None:
        super().__init__(limits)
        self.activities: list[RecordedActivity] = []
        self.creator: str | None = None
        self.track = tracks.Track()
        self.type = ""
        self.told = Told()
        self.source: str | None = None
        self.place: dict[str, float | None] | None = None
        self.time: float | None = None

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        """A point begins with its place; a track with nothing."""
        if name == "trkpt":
            self.count_point()
            self.place = {
                "latitude": recording.number(attributes.get("lat")),
                "longitude": recording.number(attributes.get("lon")),
            }
            self.time = None
        elif name == "trk":
            self.track, self.type, self.told, self.source = tracks.Track(), "", Told(), None
        elif name == "gpx":
            self.creator = recording.clean_text(attributes.get("creator"))

    def closed(self, name: str, text: str) -> None:
        """Takes values while inside a point."""
        if self.place is not None:
            self._closed_in_point(name, text, self.place)
        elif name == "trk":
            self._finish_track()
        elif self.path[-1:] == ["trk"]:
            self._closed_in_track(name, text)

    def _closed_in_track(self, name: str, text: str) -> None:
        if name == "type":
            self.type = text
        elif name == "name":
            self.told.title = recording.clean_line(text)
        elif name == "desc":
            self.told.notes = recording.clean_prose(text)
        elif name == "src":
            self.source = recording.clean_text(text)

    def _closed_in_point(self, name: str, text: str, place: dict[str, float | None]) -> None:
        if name == "trkpt":
            self.track.add(self.time, place)
            self.place = None
        elif name == "time":
            self.time = markup.seconds(text)
        elif name in VALUES and text:
            place[VALUES[name]] = recording.number(text)

    def _finish_track(self) -> None:
        sport = sport_of(self.type)
        product = self.source or (self.creator if self.creator != OWN_CREATOR else None)
        made = tracks.activity(self.track, sport=sport, product=product, warnings=self.warnings)
        if made is not None:
            made.told = self.told
            recording.count_both_legs(made)
            self.activities.append(made)
        if len(self.activities) > self.limits.max_activities:
            raise recording.TooManyActivities
        self.track = tracks.Track()

    def reading(self) -> recording.Reading:
        """The activities; a document of routes or of places without times is refused."""
        if self.track.times:
            self._finish_track()
        if self.activities:
            return recording.Reading(sorted(self.activities, key=lambda made: made.started_at), self.warnings)
        if self.points > 1:
            raise recording.NoTimes
        raise recording.NotAnActivity("This GPX file holds no track.")
