"""What stands in a report, whatever its form."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from contexts.health.catalogue import METRICS
from contexts.health.judging import reviewing
from contexts.health.judging.norms import Norm
from contexts.health.looking.measurements import Measured, as_measured, devices_of, first_of
from contexts.health.models import Alert, Device, Reading
from contexts.health.rules import OWN_SOURCE, Stream
from contexts.health.trends.buckets import Bucket, buckets_of, instants_of
from contexts.identity import services as identity
from kernel.errors import InvalidInput

NAMED = "report"
"""What an access row says was looked at."""

MAX_METRICS = 20
LONGEST_DAYS = 366
ONE_BY_ONE = 500
"""A metric with more readings is told by the means of days."""
MAX_ALERTS = 200


@dataclass(frozen=True, kw_only=True)
class About:
    """Whom a report is about; age and sex choose the norms."""

    user_id: UUID
    name: str
    age: int | None
    sex: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """One metric: its days, its readings where they are few, the norms for this person, its devices' numbers."""

    stream: Stream
    days: list[Bucket]
    readings: list[Measured] | None
    norms: list[Norm]
    devices: Counter[int]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything, for days of one time zone."""

    about: About
    first: date
    last: date
    zone: ZoneInfo
    made_at: datetime
    sections: list[Section]
    devices: dict[int, Device]
    alerts: list[Alert]


def ensure_report(first: date, last: date, metrics: Sequence[str]) -> None:
    """Raise `InvalidInput` for what is no report."""
    if not 0 <= (last - first).days < LONGEST_DAYS or not date(1900, 1, 1) <= first <= last <= date(9000, 1, 1):
        raise InvalidInput("1 to {most} days, please.", field="to", code="range_out_of_bounds", most=LONGEST_DAYS)
    if not 0 < len(set(metrics)) <= MAX_METRICS:
        raise InvalidInput("1 to {most} metrics, please.", field="metrics", code="too_many", most=MAX_METRICS)


def about(user_id: UUID) -> About:
    """Asks identity; so not inside a unit of work."""
    person, body = identity.get_member(user_id=user_id), identity.get_physiology(user_id=user_id)
    return About(
        user_id=user_id,
        name=person.display_name if person else "",
        age=body.age if body else None,
        sex=body.sex if body else "",
    )


def gather(
    *, whom: About, streams: Sequence[Stream], first: date, last: date, zone: ZoneInfo, at: datetime
) -> Report:
    """Put a report together. Whoever shows it has written the look down."""
    sections = [_section(whom, stream, first, last, zone) for stream in streams]
    numbers = {number for section in sections for number in section.devices}
    since, until = instants_of(first, last, zone)
    alerts = Alert.objects.filter(user_id=whom.user_id, stream__in=streams, began_at__lt=until, last_at__gte=since)
    return Report(
        about=whom,
        first=first,
        last=last,
        zone=zone,
        made_at=at,
        sections=sections,
        devices={device.number: device for device in Device.objects.filter(number__in=numbers)},
        alerts=list(alerts.exclude(reason__in=Alert.DISSOLVED).order_by("began_at", "alert_id")[:MAX_ALERTS]),
    )


def _section(whom: About, stream: Stream, first: date, last: date, zone: ZoneInfo) -> Section:
    since, until = instants_of(first, last, zone)
    told: dict[str, Any] = {"user_id": whom.user_id, "stream": stream, "since": since, "until": until}
    few = first_of(**told, limit=ONE_BY_ONE + 1)
    return Section(
        stream=stream,
        days=buckets_of(user_id=whom.user_id, stream=stream, first=first, last=last, width="day", zone=zone),
        readings=_measured(few, stream) if len(few) <= ONE_BY_ONE else None,
        norms=norms_of(whom, stream),
        devices=Counter({row.device_number for row in few} if len(few) <= ONE_BY_ONE else devices_of(**told)),
    )


def _measured(rows: list[Reading], stream: Stream) -> list[Measured]:
    return as_measured(rows, {row.device_number for row in rows}, [stream])


def norms_of(whom: About, stream: Stream) -> list[Norm]:
    """The norms in force for this age and sex, of each condition one: one for their sex before one for everybody."""
    if whom.age is None:
        return []
    name, fit = METRICS[stream].name, {}
    for norm in sorted(reviewing.in_force(), key=lambda norm: norm.sex != ""):
        if norm.metric == name and norm.covers(age=whom.age, sex=whom.sex):
            fit[norm.condition] = norm
    return list(fit.values())


def is_own_source(device: Device) -> bool:
    """Whether it stands for what was entered by hand."""
    return device.kind == OWN_SOURCE
