"""`python -m benchmarks.corpus`: our metres climbed and our normalised power beside what the devices say.

Needs a folder of real recordings, named by `STAYER_SAMPLES`. Devices filter what they measure in ways they do
not tell, so that agreement, not truth, is what the table shows.
"""

from __future__ import annotations

import os
import statistics
import sys
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.figures import percentile
from contexts.workout import recordings
from contexts.workout.analysis.elevation import ascent
from contexts.workout.analysis.power import power
from contexts.workout.analysis.series import column
from contexts.workout.recordings import RecordedActivity, Unreadable

FOLDER = Path(os.environ.get("STAYER_SAMPLES") or Path(__file__).parents[2] / "shared" / "samples")
LEAST_ASCENT_M = 20.0
SLOW_FOR_THE_ORACLE = 500_000
"""Bytes; the decoder that tells the devices' power reads some twenty thousand messages a second."""


@dataclass(frozen=True)
class Comparison:
    """What we compute for one activity, and what its device said."""

    ours: float
    device: float

    @property
    def error(self) -> float:
        """Percent of the device's value, with its sign."""
        return 100 * (self.ours / self.device - 1)


def files() -> list[Path]:
    """The recordings at hand."""
    return sorted(path for path in FOLDER.rglob("*") if path.suffix.lower() in (".fit", ".tcx"))


def activities() -> Iterator[RecordedActivity]:
    """All activities of the recordings, each once."""
    seen: set[tuple[str, int, float]] = set()
    for path in files():
        try:
            reading = recordings.read(path.read_bytes(), filename=path.name)
        except Unreadable:
            continue
        for activity in reading.activities:
            same = (activity.sport, len(activity.streams), activity.started_at.timestamp())
            if same not in seen:
                seen.add(same)
                yield activity


def climbs() -> tuple[list[Comparison], list[Comparison]]:
    """Metres climbed where a device counted at least 20: ours, and the mere sum of all rises beside it.

    Recordings whose height never changes are left out: whatever the device counted is not in them.
    """
    ours: list[Comparison] = []
    naive: list[Comparison] = []
    for activity in activities():
        altitudes = column(activity.streams.altitude_m)
        heights = altitudes[np.isfinite(altitudes)]
        device = activity.device_ascent_m or 0.0
        if device < LEAST_ASCENT_M or len(np.unique(heights)) < 2:
            continue
        computed = ascent(altitudes, times=activity.streams.time)
        assert computed is not None
        ours.append(Comparison(computed.value, device))
        naive.append(Comparison(float(np.maximum(np.diff(heights), 0).sum()), device))
    return ours, naive


def powers(*, largest: int = SLOW_FOR_THE_ORACLE) -> list[Comparison]:
    """Normalised power of cycling files that hold one session and the device's own value."""
    found = []
    for path in files():
        if path.suffix.lower() != ".fit" or path.stat().st_size > largest:
            continue
        try:
            (activity,) = recordings.read(path.read_bytes(), filename=path.name).activities
        except (Unreadable, ValueError):
            continue
        said = _device_power(path) if activity.streams.power_w is not None else None
        computed = said and power(activity.streams.time, column(activity.streams.power_w))
        if said and computed and computed.normalised:
            found.append(Comparison(computed.normalised.value, said))
    return found


def _device_power(path: Path) -> float | None:
    """Normalised power as the only session message of a FIT file tells it."""
    import fitdecode

    said = []
    with warnings.catch_warnings(), suppress(fitdecode.FitError):
        warnings.simplefilter("ignore")
        with fitdecode.FitReader(path, error_handling=fitdecode.ErrorHandling.IGNORE) as reader:
            for frame in reader:
                if frame.frame_type == fitdecode.FIT_FRAME_DATA and frame.name == "session":
                    said.append(frame.get_value("normalized_power", fallback=None))
    return float(said[0]) if len(said) == 1 and said[0] else None


def table(rows: dict[str, list[Comparison]]) -> str:
    """Median and 90th percentile of the absolute error, and the median error, in percent."""
    lines = [f"{'':32}{'files':>6}{'median':>9}{'p90':>9}{'bias':>9}"]
    for name, compared in rows.items():
        errors = [each.error for each in compared]
        sizes = [abs(error) for error in errors]
        lines.append(
            f"{name:32}{len(errors):6}{statistics.median(sizes):8.2f}%{percentile(sizes, 90):8.1f}%"
            f"{statistics.median(errors):+8.2f}%"
        )
    return "\n".join(lines)


def main() -> int:
    """Print the table."""
    if not files():
        print("no recordings: STAYER_SAMPLES names a folder of them", file=sys.stderr)
        return 1
    ours, naive = climbs()
    print(
        table(
            {
                "climbed, turning-points@1": ours,
                "  of these every other": ours[::2],
                "  and the rest": ours[1::2],
                "climbed, sum of all rises": naive,
                "normalised-power@1": powers(),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
