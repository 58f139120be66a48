"""Two years of training for the demo's first athlete: one archive of recordings, uploaded like anybody's.

The history is invented and always the same: four times a week with holidays and a flu, a long run on Sundays,
intervals on Wednesdays, rides in summer, and somebody who slowly becomes faster.
"""

import io
import math
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

WEEKS = 104
SAMPLE_S = 10
AROUND = (0.05, 0.05)  # in the Gulf of Guinea: nobody lives there
METRES_A_DEGREE = 111_195.0
WITHOUT_SPORT = {30, 31, 57, 82, 83}
"""Weeks of holidays, and one of a flu."""
RESTING_BPM, MAX_BPM = 52, 186
THRESHOLDS = {"resting_bpm": RESTING_BPM, "hr_max": MAX_BPM, "threshold_bpm": 167}


class Client(Protocol):
    """A signed-in person's HTTP client, as `config.demo` has it."""

    def get(self, path: str, **query: Any) -> Any:
        """What a GET answers."""

    def send(self, method: str, path: str, body: Any = None, *, fine: tuple[int, ...] = (), **more: Any) -> Any:
        """What anything else answers."""


@dataclass(frozen=True)
class Outing:
    """One recording: when, what, how long, how fast, how hard (a part of the heart rate reserve)."""

    start: datetime
    sport: str
    minutes: int
    speed_mps: float
    effort: float
    intervals: bool = False


def train_for_two_years(client: Client, say: Callable[[str], None]) -> None:
    """Upload the history, unless an earlier run has; it is read in the background."""
    if client.get("workout/thresholds")["thresholds"]:
        return
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    outings = list(history(now))
    begin = min(outing.start for outing in outings).date()
    archive = ("two-years.zip", packed(outings), "application/zip")
    client.send("POST", "workout/imports/batches", files={"file": archive})
    client.send("POST", "workout/goals", {"measure": "distance_m", "target": 30_000, "period": "week"})
    client.send("PUT", "workout/thresholds", {"valid_from": begin.isoformat(), **THRESHOLDS})
    say(f"two years of training are uploaded, {len(outings)} recordings; they are being read")


def history(now: datetime) -> Iterator[Outing]:
    """Every outing up to a week ago, the first first."""
    dice = random.Random(2)
    monday = (now - timedelta(days=now.weekday())).replace(hour=6)
    for week in range(WEEKS, 0, -1):
        if week in WITHOUT_SPORT:
            continue
        begin = monday - timedelta(weeks=week)
        fit = 1 - 0.12 * week / WEEKS  # 12 % faster in two years
        for day, make in ((1, _easy), (2, _intervals), (4, _easy), (6, _long)):
            if dice.random() < 0.88:
                yield make(begin + timedelta(days=day, minutes=dice.randrange(120)), fit, dice)
        if begin.month in (5, 6, 7, 8, 9) and dice.random() < 0.6:
            yield _ride(begin + timedelta(days=5, hours=3), fit, dice)


def _easy(start: datetime, fit: float, dice: random.Random) -> Outing:
    return Outing(start, "running", dice.randint(35, 55), 2.9 * fit * dice.uniform(0.97, 1.03), 0.62)


def _intervals(start: datetime, fit: float, dice: random.Random) -> Outing:
    return Outing(start, "running", dice.randint(40, 50), 3.2 * fit * dice.uniform(0.98, 1.02), 0.74, intervals=True)


def _long(start: datetime, fit: float, dice: random.Random) -> Outing:
    return Outing(start, "running", dice.randint(70, 110), 2.8 * fit * dice.uniform(0.97, 1.03), 0.66)


def _ride(start: datetime, fit: float, dice: random.Random) -> Outing:
    return Outing(start, "cycling", dice.randint(80, 150), 7.4 * fit * dice.uniform(0.95, 1.05), 0.6)


def packed(outings: list[Outing]) -> bytes:
    """All of them as GPX files in one archive."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for outing in outings:
            archive.writestr(f"{outing.start:%Y-%m-%d-%H%M}-{outing.sport}.gpx", recording(outing))
    return body.getvalue()


def recording(outing: Outing) -> bytes:
    """A GPX file of loops around a hill, as a watch would have written it."""
    dice = random.Random(outing.start.isoformat())
    around = 5_000 if outing.sport == "running" else 16_000
    radius = around / (2 * math.pi) / METRES_A_DEGREE
    metres, points = 0.0, []
    for second in range(0, outing.minutes * 60, SAMPLE_S):
        fast = outing.intervals and second // 240 % 2 == 1
        speed = outing.speed_mps * (1.18 if fast else 0.94 if outing.intervals else 1.0) * dice.uniform(0.97, 1.03)
        metres += speed * SAMPLE_S
        angle = 2 * math.pi * metres / around
        effort = outing.effort + (0.14 if fast else 0.0)
        warm = 1 - 0.35 * math.exp(-second / 240)
        drift = 0.04 * second / 3_600
        pulse = RESTING_BPM + (MAX_BPM - RESTING_BPM) * min((effort + drift) * warm, 0.97) + dice.uniform(-2, 2)
        points.append(
            f'<trkpt lat="{AROUND[0] + radius * math.sin(angle):.6f}"'
            f' lon="{AROUND[1] + radius * math.cos(angle):.6f}">'
            f"<ele>{30 + 28 * math.sin(angle) + 6 * math.sin(5 * angle):.1f}</ele>"
            f"<time>{outing.start + timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ}</time>"
            f"<extensions><tpx:TrackPointExtension>"
            f"<tpx:hr>{pulse:.0f}</tpx:hr></tpx:TrackPointExtension></extensions></trkpt>"
        )
    return _GPX.format(sport=outing.sport, points="\n".join(points)).encode()


_GPX = """<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" creator="Stayer demo" xmlns="http://www.topografix.com/GPX/1/1"
 xmlns:tpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v1">
<trk><type>{sport}</type><trkseg>
{points}
</trkseg></trk></gpx>
"""
