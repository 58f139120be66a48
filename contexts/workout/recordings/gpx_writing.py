"""Writes GPX 1.1 with Garmin's TrackPointExtension v2, ClueTrust's gpxdata and `<power>`.

GPX carries rows that have a place, their instants to the millisecond, and a track's name, description, type and
source. It cannot carry rows without a place, laps, pauses, the device's sums, the counter of steps, resistance,
beat-to-beat intervals, feelings, gear or media.
"""

from __future__ import annotations

from typing import Final

from .gpx import OWN_CREATOR
from .recording import ONE_LEG_BELOW, RecordedActivity
from .written_xml import HEAD, Row, attribute, decimal, element, instant, rows

OPENING: Final = (
    f'<gpx version="1.1" creator={attribute(OWN_CREATOR)} xmlns="http://www.topografix.com/GPX/1/1"'
    ' xmlns:gpxtpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v2"'
    ' xmlns:gpxdata="http://www.cluetrust.com/XML/GPXDATA/1/0">\n'
)
GARMIN: Final = {
    "temperature_c": "gpxtpx:atemp",
    "heart_rate_bpm": "gpxtpx:hr",
    "cadence_rpm": "gpxtpx:cad",
    "speed_mps": "gpxtpx:speed",
}


def write(activity: RecordedActivity) -> bytes | None:
    """One track; None where nothing has a place, or all of it the same instant."""
    points = [(at, row) for at, row in rows(activity) if "latitude" in row and "longitude" in row]
    if not points or points[0][0] == points[-1][0]:
        return None
    legs = _legs(activity.sport, [row for _, row in points])
    written = "".join(
        f'      <trkpt lat="{decimal(row["latitude"])}" lon="{decimal(row["longitude"])}">\n'
        + element("ele", _shown(row.get("altitude_m")), "        ")
        + element("time", instant(at), "        ")
        + _extensions(row, legs)
        + "      </trkpt>\n"
        for at, row in points
    )
    head = (
        element("name", activity.told.title, "    ")
        + element("desc", activity.told.notes, "    ")
        + element("src", activity.product, "    ")
        + element("type", activity.sport, "    ")
    )
    return (HEAD + OPENING + f"  <trk>\n{head}    <trkseg>\n{written}    </trkseg>\n  </trk>\n</gpx>\n").encode()


def _shown(value: float | None) -> str | None:
    return None if value is None else decimal(value)


def _legs(sport: str, points: list[Row]) -> int:
    """By how much cadence is divided: other programs take GPX's to count one leg, and so does our reader."""
    if sport not in ("running", "walking"):
        return 1
    strides = sorted(cadence / 2 for row in points if (cadence := row.get("cadence_rpm")))
    return 2 if strides and strides[len(strides) // 2] < ONE_LEG_BELOW else 1


def _extensions(row: Row, legs: int) -> str:
    if "cadence_rpm" in row:
        row = row | {"cadence_rpm": row["cadence_rpm"] / legs}
    garmin = "".join(f"<{tag}>{decimal(row[name])}</{tag}>" for name, tag in GARMIN.items() if name in row)
    inner = (
        (f"<power>{decimal(row['power_w'])}</power>" if "power_w" in row else "")
        + (f"<gpxtpx:TrackPointExtension>{garmin}</gpxtpx:TrackPointExtension>" if garmin else "")
        + (f"<gpxdata:distance>{decimal(row['distance_m'])}</gpxdata:distance>" if "distance_m" in row else "")
    )
    return f"        <extensions>{inner}</extensions>\n" if inner else ""
