"""Recurring sport events: a rule of RFC 5545 in the venue's own time, and an event for each time it names."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from contexts.booking import cancelling, organising
from contexts.booking.models import Series, SportEvent
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound

AHEAD = timedelta(days=120)
"""So far ahead the events of a series exist."""
MOST_AT_ONCE = 200
FREQUENCIES = ("FREQ=DAILY", "FREQ=WEEKLY", "FREQ=MONTHLY", "FREQ=YEARLY")
RELATIVE = ("opens_at", "closes_at", "decide_at")
"""Instants of a plan that move with each event of its series."""


def occurrences(
    rule: str, *, first: datetime, time_zone: str, after: datetime, until: datetime
) -> Iterator[datetime]:
    """The starts which a rule names in (after, until]: at the same local time whatever the clocks do."""
    zone = ZoneInfo(time_zone)
    local = first.astimezone(zone).replace(tzinfo=None)
    for start in rrulestr(rule, dtstart=local).xafter(local - timedelta(seconds=1)):
        instant = start.replace(tzinfo=zone)
        if instant > until:
            return
        if instant > after:
            yield instant


@unit_of_work("booking")
def start_series(*, by: UUID, rule: str, plan: organising.Plan, publish: bool, at: datetime) -> Series:
    """Write down a series, and the events of its first months; they are drafts unless `publish`."""
    organising.ensure_sound(plan, at=at)
    ensure_sound(rule)
    series = Series.objects.create(
        organiser_id=by,
        rule=rule,
        template=_template(plan) | {"publish": publish},
        time_zone=plan.time_zone,
        first_starts_at=plan.starts_at,
        duration=plan.ends_at - plan.starts_at,
        made_until=plan.starts_at - timedelta(seconds=1),
        created_at=at,
    )
    _make(series, until=max(plan.starts_at, at) + AHEAD, at=at)
    return series


def ensure_sound(rule: str) -> None:
    """Refuse what is no rule of RFC 5545, or one that recurs more often than daily."""
    try:
        rrulestr(rule, dtstart=datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None))
        sound = rule.upper().removeprefix("RRULE:").startswith(FREQUENCIES) and "\n" not in rule
    except (ValueError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise InvalidInput("This is not a recurrence rule of RFC 5545.", field="rule", code="bad_rule")


def _template(plan: organising.Plan) -> dict[str, Any]:
    """A plan with its instants as seconds from the start."""
    values = {name: getattr(plan, name) for name in organising.OF_THE_EVENT}
    for name in RELATIVE:
        values[name] = None if values[name] is None else (values[name] - plan.starts_at).total_seconds()
    values["cover_id"] = str(plan.cover_id) if plan.cover_id else None
    values |= {"starts_at": None, "ends_at": None, "capacity": plan.capacity}
    values["kinds"] = [
        {"name": kind.name, "price_minor": kind.price_minor, "quota": kind.quota, "seats": list(kind.seats)}
        for kind in plan.kinds
    ]
    return values


def _plan(template: Mapping[str, Any], *, starts_at: datetime, duration: timedelta) -> organising.Plan:
    values = {name: value for name, value in template.items() if name != "publish"}
    for name in RELATIVE:
        values[name] = None if values[name] is None else starts_at + timedelta(seconds=values[name])
    kinds = tuple(organising.Kind(**(kind | {"seats": tuple(kind["seats"])})) for kind in values.pop("kinds"))
    cover = values.pop("cover_id")
    values |= {"starts_at": starts_at, "ends_at": starts_at + duration, "cover_id": UUID(cover) if cover else None}
    return organising.Plan(kinds=kinds, **values)


def _make(series: Series, *, until: datetime, at: datetime) -> int:
    made = 0
    starts = occurrences(
        series.rule, first=series.first_starts_at, time_zone=series.time_zone, after=series.made_until, until=until
    )
    for starts_at in starts:
        if made == MOST_AT_ONCE:
            break
        plan = _plan(series.template, starts_at=starts_at, duration=series.duration)
        series.made_until = starts_at
        made += 1
        if starts_at <= at or (plan.decide_at is not None and plan.decide_at <= at):
            continue
        one = organising.draft_sport_event(
            by=series.organiser_id, plan=plan, at=at, series_id=series.pk, recurrence_at=starts_at
        )
        if series.template["publish"]:
            organising.publish_sport_event(sport_event_id=one.pk, by=series.organiser_id, at=at)
    if made < MOST_AT_ONCE:
        series.made_until = max(series.made_until, until)
    series.save(update_fields=["made_until"])
    return made


def extend_due(*, at: datetime) -> int:
    """Make the events that have come within reach; answers how many."""
    due = Series.objects.filter(ended_at__isnull=True, made_until__lt=at + AHEAD - timedelta(days=1))
    return sum(_extend(series_id=series_id, at=at) for series_id in due.values_list("id", flat=True))


@unit_of_work("booking", gate="series_id")
def _extend(*, series_id: UUID, at: datetime) -> int:
    series = Series.objects.select_for_update().get(pk=series_id)
    return 0 if series.ended_at else _make(series, until=at + AHEAD, at=at)


def series_of(*, series_id: UUID, by: UUID) -> Series:
    """A series of one's own, or `NotFound`."""
    found = Series.objects.filter(pk=series_id, organiser_id=by).first()
    if found is None:
        raise NotFound
    return found


def end_series(*, series_id: UUID, by: UUID, reason: str, at: datetime) -> int:
    """No more events of a series; those to come are cancelled one by one. Answers how many."""
    series = series_of(series_id=series_id, by=by)
    _close(series_id=series.pk, at=at)
    coming = series.sport_events.filter(starts_at__gt=at).exclude(status=SportEvent.Status.CANCELLED)
    ids = list(coming.values_list("id", flat=True))
    for sport_event_id in ids:
        cancelling.cancel_sport_event(sport_event_id=sport_event_id, reason=reason, at=at)
    return len(ids)


@unit_of_work("booking", isolation="read committed")
def _close(*, series_id: UUID, at: datetime) -> None:
    Series.objects.filter(pk=series_id, ended_at__isnull=True).update(ended_at=at)
