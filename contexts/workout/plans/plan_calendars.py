"""The schedule of an athlete for any calendar program (RFC 5545), behind an address that can be revoked."""

import hashlib
import secrets
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import icalendar
from django.conf import settings
from django.db.models import Q

from contexts.workout.models import PlanFeed, ScheduledWorkout, Thresholds
from contexts.workout.planning import steps as parts
from contexts.workout.plans import dated, following, targets
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused

MAX_FEEDS: Final = 10
MAX_WORKOUTS: Final = 1_000
TOKEN_BYTES: Final = 32
REFRESH: Final = timedelta(hours=1)
"""How often a program that subscribes should look again."""
KEEPS_PAST: Final = timedelta(days=90)
NOTED_AGAIN_AFTER: Final = timedelta(hours=1)

MARKS: Final = {"done": "✓ ", "failed": "△ ", "missed": "✗ ", "skipped": "– ", "planned": ""}
"""Before the title: calendar programs show no other sign of what became of a day."""


class TooManyFeeds(Refused):
    """You have as many calendar addresses as one can have; revoke one first."""


def ics_of(rows: Iterable[ScheduledWorkout], name: str, entries: Sequence[Thresholds]) -> bytes:
    """A calendar of an athlete's workouts, each on its day; `entries` are the athlete's dated thresholds.

    What has not changed gives the same bytes again.
    """
    calendar = icalendar.Calendar()
    calendar.add("prodid", "-//Stayer//Training//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    for key in ("name", "x-wr-calname"):  # RFC 7986, and what programs read that are older
        calendar.add(key, _text(name))
    calendar.add("refresh-interval", REFRESH, parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", icalendar.vDuration(REFRESH))
    for row in rows:
        calendar.add_component(_entry(row, entries))
    return calendar.to_ical()


def _entry(row: ScheduledWorkout, entries: Sequence[Thresholds]) -> icalendar.Event:
    entry = icalendar.Event()
    entry.add("uid", f"{row.pk}@{urlsplit(settings.PUBLIC_URL).hostname or 'stayer'}")
    entry.add("dtstamp", row.changed_at)
    # Programs take a change only with a higher number; seconds since the plan was adopted only grow.
    entry.add("sequence", int((row.changed_at - row.adopted.adopted_at).total_seconds()))
    entry.add("summary", _text(MARKS[row.state] + row.title))
    entry.add("dtstart", row.day)
    entry.add("dtend", row.day + timedelta(days=1))
    entry.add("transp", "TRANSPARENT")
    entry.add("status", "CANCELLED" if row.state == ScheduledWorkout.State.SKIPPED else "CONFIRMED")
    entry.add("description", _text("\n".join(_lines(row, entries))))
    entry.add("url", f"{settings.PUBLIC_URL}/api/v1/workout/schedule/{row.pk}")
    return entry


def _lines(row: ScheduledWorkout, entries: Sequence[Thresholds]) -> list[str]:
    """The steps in the words the API has for them, with numbers and units."""
    thresholds, names = targets.thresholds_of(row, entries), following.names_of(row)

    def line(step: parts.Step) -> str:
        if isinstance(step, parts.Repeat):
            return f"{step.times} × ({'; '.join(map(line, step.steps))})"
        if isinstance(step, parts.StrengthSet):
            head = f"{names.get(step.exercise_id, '')} {step.sets} × {step.reps}"
            meant = parts.range_of(step.load, thresholds, step.exercise_id)
        else:
            head, meant = (
                f"{step.__struct_config__.tag} {_length(step.length)}",
                parts.range_of(step.target, thresholds),
            )
        said = f"{head} @ {_range(meant)}" if meant else head
        return f"{said} ({step.note})" if step.note else said

    return [line(step) for step in parts.read(row.steps)]


def _length(length: parts.Length) -> str:
    match length:
        case parts.ForTime(seconds=seconds):
            return str(timedelta(seconds=round(seconds)))
        case parts.ForDistance(metres=metres):
            return f"{metres / 1000:g} km"
    return "…"


def _range(meant: parts.Range) -> str:
    numbers = f"{meant.low:g}" if meant.low == meant.high else f"{meant.low:g}–{meant.high:g}"
    return f"{numbers} {meant.unit}"


def _text(said: str) -> icalendar.vText:
    """What somebody has written, without the control characters with which it could begin a line of its own."""
    lines = said.replace("\r\n", "\n").replace("\r", "\n")
    return icalendar.vText("".join(one for one in lines if one == "\n" or unicodedata.category(one) != "Cc"))


@unit_of_work("workout", gate="by")
def make_feed(*, name: str, by: UUID, at: datetime) -> tuple[PlanFeed, str]:
    """An address for calendar programs: the feed, and the token that opens it, which nobody is told again."""
    if PlanFeed.objects.filter(user_id=by).count() >= MAX_FEEDS:
        raise TooManyFeeds(most=MAX_FEEDS)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    feed = PlanFeed.objects.create(user_id=by, name=name, token_sha256=_digest(token), created_at=at)
    return feed, token


def read_feed(*, token: str, at: datetime) -> bytes:
    """The calendar this token opens, or `NotFound`."""
    feed = PlanFeed.objects.filter(token_sha256=_digest(token)).first()
    if feed is None:
        raise NotFound
    _note_read(feed_id=feed.pk, at=at)
    rows = following.feed_rows(feed.user_id, since=(at - KEEPS_PAST).date(), most=MAX_WORKOUTS)
    return ics_of(rows, feed.name, dated.entries_of(feed.user_id))


@unit_of_work("workout")
def _note_read(*, feed_id: UUID, at: datetime) -> None:
    """Who thinks of revoking an address sees whether it is in use. Once an hour is enough."""
    stale = Q(read_at__isnull=True) | Q(read_at__lt=at - NOTED_AGAIN_AFTER)
    PlanFeed.objects.filter(stale, pk=feed_id).update(read_at=at)


@unit_of_work("workout")
def revoke_feed(*, feed_id: UUID, by: UUID) -> None:
    """The address leads nowhere from now on; `NotFound` unless it is one's own."""
    gone, _ = PlanFeed.objects.filter(pk=feed_id, user_id=by).delete()
    if not gone:
        raise NotFound


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
