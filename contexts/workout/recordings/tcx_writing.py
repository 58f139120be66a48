"""Writes TCX (Garmin Training Center Database v2) with ActivityExtension v2.

TCX carries every row but temperature, resistance, the counter of steps and beat-to-beat intervals, laps, their times,
distances and calories, notes and the device's name; heart rate, power, calories and cadence on foot are whole numbers
in it. The sports it does not name and the title stand in an extension of ours. It cannot carry pauses, ascent,
feelings, gear or media.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from .recording import Lap, RecordedActivity
from .tcx import OWN_EXTENSION
from .written_xml import HEAD, Row, attribute, decimal, element, instant, rows, whole_ms

OPENING: Final = (
    '<TrainingCenterDatabase xmlns="http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' xmlns:ns3="http://www.garmin.com/xmlschemas/ActivityExtension/v2">\n'
)
OWN_SPACE: Final = "urn:stayer:tcx"
SPORTS: Final = {"running": "Running", "cycling": "Biking"}
CARRIED: Final = {
    "latitude",
    "longitude",
    "altitude_m",
    "distance_m",
    "heart_rate_bpm",
    "cadence_rpm",
    "speed_mps",
    "power_w",
}
HIGHEST: Final = {"cadence_rpm": 254, "power_w": 65_535, "heart_rate_bpm": 255}
"""What the schema's whole numbers go up to."""

Point = tuple[datetime, Row]


def write(activity: RecordedActivity) -> bytes:
    """One activity with its laps; without laps, or where these say nothing of the distance, it is one lap."""
    start = whole_ms(activity.started_at)
    points = [(at, row) for at, row in rows(activity) if row.keys() & CARRIED]
    laps = activity.laps if _carry_the_distance(activity) else [_whole(activity)]
    marks = [start, *(start + timedelta(seconds=round(lap.start_s, 3)) for lap in laps[1:])]
    cuts = [0, *(sum(at < mark for at, _ in points) for mark in marks[1:]), len(points)]
    written = "".join(
        _lap(mark, lap, points[cuts[nth] : cuts[nth + 1]], activity.sport)
        for nth, (mark, lap) in enumerate(zip(marks, laps, strict=True))
    )
    sport = SPORTS.get(activity.sport, "Other")
    creator = (
        f'      <Creator xsi:type="Device_t">\n{element("Name", activity.product, "        ")}      </Creator>\n'
    )
    return (
        HEAD
        + OPENING
        + f'  <Activities>\n    <Activity Sport="{sport}">\n{element("Id", instant(start), "      ")}{written}'
        + element("Notes", activity.told.notes, "      ")
        + (creator if activity.product else "")
        + _own_words(activity)
        + "    </Activity>\n  </Activities>\n</TrainingCenterDatabase>\n"
    ).encode()


def _carry_the_distance(activity: RecordedActivity) -> bool:
    """Whether the laps say what the activity says: the format has no sums but theirs."""
    measured = any(lap.distance_m for lap in activity.laps)
    return bool(activity.laps) and (measured or not activity.device_distance_m)


def _whole(activity: RecordedActivity) -> Lap:
    lasted = (whole_ms(activity.ended_at) - whole_ms(activity.started_at)).total_seconds()
    timer = lasted if activity.timer_s is None else activity.timer_s
    return Lap(0.0, lasted, timer, activity.device_distance_m, activity.device_kcal)


def _own_words(activity: RecordedActivity) -> str:
    sport = element("Sport", activity.sport) if activity.sport not in SPORTS else ""
    words = (sport + element("Title", activity.told.title)).replace("\n", "")
    if not words:
        return ""
    own = f"<{OWN_EXTENSION} xmlns={attribute(OWN_SPACE)}>{words}</{OWN_EXTENSION}>"
    return f"      <Extensions>{own}</Extensions>\n"


def _lap(mark: datetime, lap: Lap, points: Sequence[Point], sport: str) -> str:
    timer = lap.end_s - lap.start_s if lap.timer_s is None else lap.timer_s
    track = "".join(_point(at, row, sport) for at, row in points)
    return (
        f'      <Lap StartTime="{instant(mark)}">\n'
        + element("TotalTimeSeconds", decimal(round(timer, 3)), "        ")
        + element("DistanceMeters", decimal(lap.distance_m or 0), "        ")
        + element("Calories", str(round(lap.kcal or 0)), "        ")
        + "        <Intensity>Active</Intensity>\n        <TriggerMethod>Manual</TriggerMethod>\n"
        + (f"        <Track>\n{track}        </Track>\n" if track else "")
        + "      </Lap>\n"
    )


def _whole_number(name: str, value: float, legs: int = 1) -> str:
    return str(min(round(value / legs), HIGHEST[name]))


def _point(at: datetime, row: Row, sport: str) -> str:
    lines = element("Time", instant(at), "            ")
    if "latitude" in row and "longitude" in row:
        north, east = decimal(row["latitude"]), decimal(row["longitude"])
        lines += (
            "            <Position>"
            f"<LatitudeDegrees>{north}</LatitudeDegrees><LongitudeDegrees>{east}</LongitudeDegrees></Position>\n"
        )
    if "altitude_m" in row:
        lines += element("AltitudeMeters", decimal(row["altitude_m"]), "            ")
    if "distance_m" in row:
        lines += element("DistanceMeters", decimal(row["distance_m"]), "            ")
    if "heart_rate_bpm" in row:
        rate = _whole_number("heart_rate_bpm", row["heart_rate_bpm"])
        lines += f"            <HeartRateBpm><Value>{rate}</Value></HeartRateBpm>\n"
    on_foot = sport in ("running", "walking")
    if "cadence_rpm" in row and not on_foot:
        lines += element("Cadence", _whole_number("cadence_rpm", row["cadence_rpm"]), "            ")
    return f"          <Trackpoint>\n{lines}{_more(row, on_foot=on_foot)}          </Trackpoint>\n"


def _more(row: Row, *, on_foot: bool) -> str:
    """What the first version of the format has no words for. Steps are counted by one leg."""
    inner = ""
    if "speed_mps" in row:
        inner += f"<ns3:Speed>{decimal(row['speed_mps'])}</ns3:Speed>"
    if "cadence_rpm" in row and on_foot:
        inner += f"<ns3:RunCadence>{_whole_number('cadence_rpm', row['cadence_rpm'], 2)}</ns3:RunCadence>"
    if "power_w" in row:
        inner += f"<ns3:Watts>{_whole_number('power_w', row['power_w'])}</ns3:Watts>"
    return f"            <Extensions><ns3:TPX>{inner}</ns3:TPX></Extensions>\n" if inner else ""
