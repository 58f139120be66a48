"""A person's readings gone through for oddities: outliers, what is unusual at its hour, flat lines, dropouts."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from contexts.health import rules
from contexts.health.catalogue import METRICS, Stream
from contexts.health.columns import instant
from contexts.health.judging import detecting
from contexts.health.looking.measurements import SeriesOf, note_access
from contexts.health.terms import Purpose
from kernel.access import Principal


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """A finding with instants."""

    rule: str
    begin: datetime
    end: datetime
    window_begin: datetime
    window_end: datetime
    inputs: dict[str, float]


def anomalies_of(
    *,
    stream: Stream,
    since: datetime,
    until: datetime,
    zone: ZoneInfo,
    by: Principal,
    at: datetime,
    purpose: Purpose = Purpose.OWN_CARE,
) -> tuple[int, list[Anomaly]]:
    """How many readings of one's own were gone through, at most 20,000 from the first on, and what was found."""
    note_access(subject_id=by.user_id, stream=stream, since=since, until=until, by=by, at=at, purpose=purpose)
    series = SeriesOf(by.user_id, stream).between(since, until, limit=rules.MAX_ANOMALY_READINGS)
    hours = np.fromiter((instant(time).astimezone(zone).hour for time in series.times.tolist()), np.int64)
    resolution = METRICS[stream].resolution
    found = [
        *detecting.outliers(*series, resolution=resolution),
        *detecting.unseasonable(*series, hours, resolution=resolution),
        *detecting.flat_lines(*series),
        *detecting.dropouts(series.times),
    ]
    return len(series.times), [_told(finding) for finding in sorted(found, key=lambda one: (one.begin, one.rule))]


def _told(finding: detecting.Finding) -> Anomaly:
    return Anomaly(
        rule=finding.rule,
        begin=instant(finding.begin),
        end=instant(finding.end),
        window_begin=instant(finding.window[0]),
        window_end=instant(finding.window[1]),
        inputs=dict(finding.inputs),
    )
