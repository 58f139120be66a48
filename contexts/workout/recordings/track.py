"""The columns of one track while a GPX or TCX document is being read, and the activity made of them."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from . import recording
from .recording import Flaw, Lap, RecordedActivity, Streams


class Track:
    """Points one by one in, columns out."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.columns: dict[str, list[float | None]] = {}
        self.timeless = 0

    def add(self, at: float | None, values: dict[str, float | None]) -> None:
        """Adds one point; a point without time is counted, not kept."""
        if at is None:
            self.timeless += 1
            return
        for name, value in values.items():
            column = self.columns.get(name)
            if column is None:
                column = self.columns[name] = []
            if len(column) < len(self.times):
                column.extend([None] * (len(self.times) - len(column)))
            column.append(value)
        self.times.append(at)

    def streams(self, *, start: float | None, warnings: list[Flaw]) -> tuple[float, Streams]:
        """The start in Unix seconds and the streams after it."""
        for column in self.columns.values():
            column.extend([None] * (len(self.times) - len(column)))
        points = np.array(self.times, np.float64)
        rows = recording.in_order(points, warnings)
        times = points[rows]
        columns = {name: np.array(column, np.float64)[rows] for name, column in self.columns.items()}
        start = min([each for each in (start, *times[:1].tolist()) if each is not None], default=0.0)
        return start, recording.streams_of(times, columns, start=start, warnings=warnings)


def activity(
    track: Track,
    *,
    sport: str,
    start: float | None = None,
    laps: list[Lap] | None = None,
    timer_s: float | None = None,
    distance_m: float | None = None,
    kcal: float | None = None,
    product: str | None = None,
    warnings: list[Flaw],
) -> RecordedActivity | None:
    """The activity of a track; None where nothing lasted any time. Laps hold Unix seconds until here."""
    if track.timeless:
        said: dict[str, int | str] = {"count": track.timeless}
        warnings.append(Flaw("points_without_time", "{count} points without a time were left out.", said))
    began, streams = track.streams(start=start, warnings=warnings)
    own_laps = [
        Lap(round(lap.start_s - began, 3), round(lap.end_s - began, 3), lap.timer_s, lap.distance_m, lap.kcal)
        for lap in laps or []
        if 0 <= lap.start_s - began <= lap.end_s - began <= recording.MAX_SPAN_S
    ]
    lasted = max([0.0, *streams.time[-1:].tolist(), *(lap.end_s for lap in own_laps)])
    if lasted <= 0:
        return None
    started_at = recording.moment(began)
    return RecordedActivity(
        sport=sport,
        sub_sport=None,
        started_at=started_at,
        ended_at=started_at + timedelta(seconds=lasted),
        timer_s=timer_s,
        device_distance_m=distance_m,
        device_kcal=kcal,
        device_ascent_m=None,
        laps=own_laps,
        streams=streams,
        product=product,
    )
