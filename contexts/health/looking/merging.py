"""Readings from the table and from cold files as one, with the same answer as when all were in the table.

Rows and manifest are read in one snapshot, so a month that moves meanwhile is seen in one place or the other. The
store is asked only for files that reach into the range, and after the snapshot. What the table holds of an archived
month has come late; a reading that is in both places is the one in the file.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

import numpy as np
from django.db.models import Q, QuerySet
from django.utils.timezone import now
from numpy.typing import NDArray

from contexts.health import rules
from contexts.health.archive import keeping, table, withdrawals
from contexts.health.columns import instant, microseconds_of
from contexts.health.looking.priorities import Levels, going_first, going_first_of, nearness
from contexts.health.models import Batch, Device, Reading
from contexts.health.models.cold import ColdFile
from contexts.health.rows import ROW, Rows, joined, ordered, united
from contexts.health.rules import Stream
from contexts.health.worn.calibrating import Curves
from kernel.databases import unit_of_work
from kernel.timescale.columns import MICROSECOND

R = TypeVar("R")
After: TypeAlias = tuple[datetime, int, int]
"""Time, sequence and device of the last reading that is known already."""

BY_TIME: Final = ("time", "sequence", "device_number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Plausible readings of a person from `since` to before `until`; with `levels`, of one stream, by priority."""

    user_id: UUID
    devices: list[int]
    streams: list[Stream]
    since: datetime
    until: datetime
    levels: Levels = ()

    def in_table(self) -> QuerySet[Reading]:
        """Those of them that are in the table."""
        rows = Reading.objects.filter(
            device_number__in=self.devices,
            stream__in=self.streams,
            time__gte=self.since,
            time__lt=self.until,
            quarantined=False,
        )
        return going_first(rows, self.levels, self.streams[0]) if self.levels else rows

    def whole(self) -> "Range":
        """Whatever their rank, and all that may go before one of them."""
        if not self.levels:
            return self
        near = nearness(self.streams[0])
        return replace(self, since=self.since - near, until=self.until + near, levels=())

    def files(self) -> list[ColdFile]:
        """The files that reach into it and hold such a stream."""
        wanted, reach = set(self.streams), self.whole()
        found = keeping.current_files(self.user_id, since=reach.since, until=reach.until)
        return [file for file in found if wanted & set(file.streams)]

    def copied(self) -> Rows:
        """Those of them that are in the table, as arrays, whatever their rank; in no order."""
        streams = [stream.value for stream in self.streams]
        rows = table.copied(table.Span(devices=self.devices, since=self.since, until=self.until, streams=streams))
        return rows[~rows["quarantined"]]

    def reaches_into(self, file: ColdFile) -> bool:
        """Whether some of them may be in this file."""
        return self.since <= file.last_at and file.first_at < self.until

    def in_file(self, file: ColdFile) -> Rows:
        """Those of them that are in this file, by stream and time."""
        from contexts.health.archive import sheets  # with pyarrow, which few processes ever need

        content = keeping.shown(file)
        wanted = [stream.value for stream in self.streams]
        parts = sheets.read(content, streams=wanted, since=self.since, until=self.until)
        return joined(withdrawals.left_of(rows[~rows["quarantined"]], file) for rows in parts)


def may_be_cold(since: datetime) -> bool:
    """Whether readings from then on may have gone to files; what is younger is not looked for there."""
    return since < rules.cold_before(at=now(), months=rules.COLD_AFTER_AT_LEAST)


@unit_of_work("health", isolation="repeatable read")
def _seen_at_once(wanted: Range, read: Callable[[list[ColdFile]], R]) -> tuple[list[ColdFile], R]:
    """The files of a range, and what `read` finds in the tables, at one moment."""
    files = wanted.files() if may_be_cold(wanted.since) else []
    return files, read(files)


def seen_at_once(wanted: Range, read: Callable[[list[ColdFile]], R], *, tables: int = 1) -> tuple[list[ColdFile], R]:
    """The files of a range and what `read` finds in so many tables, at one moment.

    A range of one table that is too young for files costs nothing more than it would without any.
    """
    return _seen_at_once(wanted, read) if tables > 1 or may_be_cold(wanted.since) else ([], read([]))


def month_of(file: ColdFile) -> tuple[datetime, datetime]:
    """From when to before when a file's readings are."""
    begin = rules.month_of(file.month.year * 12 + file.month.month - 1)
    return begin, rules.month_after(begin)


def cold_until(wanted: Range, files: Iterable[ColdFile]) -> datetime:
    """From when on the table alone knows what is shown of a range."""
    near = nearness(wanted.streams[0]) if wanted.levels else timedelta()
    return max(month_of(file)[1] for file in files) + near


# --- rows ----------------------------------------------------------------------------------------------------------


def rows_of(
    wanted: Range, *, order: tuple[str, ...] = BY_TIME, limit: int | None, after: After | None = None
) -> list[Reading]:
    """The first `limit` readings of a range in an order that begins with the time; only those after `after`."""

    def in_table(files: list[ColdFile]) -> list[Reading]:
        rows = wanted.in_table() if after is None else wanted.in_table().filter(_later(after))
        return list(rows.order_by(*order)[:limit])

    files, hot = seen_at_once(wanted, in_table)
    if not files:
        return hot
    if wanted.levels:
        found = ordered(_first_by_priority(wanted, limit=limit, after=after), *order)
    else:
        cold = _first_cold(wanted, files, order=order, limit=limit, after=after, hot=hot)
        found = ordered(united(cold, as_rows(hot)), *order)
    return [_as_reading(row) for row in found[:limit]]


def _first_by_priority(wanted: Range, *, limit: int | None, after: After | None) -> Rows:
    """As many as are wanted, and no month more."""
    found: list[Rows] = []
    count = 0
    for rows in portions_of(wanted if after is None else replace(wanted, since=max(wanted.since, after[0]))):
        found.append(rows if after is None else rows[_is_later(rows, after)])
        count += len(found[-1])
        if limit is not None and count >= limit:
            break
    return joined(found)


def portions_of(wanted: Range) -> Iterator[Rows]:
    """All of a range of one stream by time, a month in memory at once, wherever it lies."""
    for since, until in rules.months_between(wanted.since, wanted.until):
        month = replace(wanted, since=since, until=until)
        files, hot = seen_at_once(month, lambda _, month=month: month.whole().copied())  # type: ignore[misc]
        rows = together(month, files, hot)
        if len(rows):
            yield rows


def together(wanted: Range, files: Iterable[ColdFile], hot: Rows) -> Rows:
    """A range of one stream by time: of what these files (by time) and the table hold of all of it, what is shown.

    Which source goes first is seen only where readings of both places lie together.
    """
    whole = wanted.whole()
    rows = joined(whole.in_file(file) for file in files if whole.reaches_into(file))
    if len(hot):
        rows = united(rows, hot)
    if not wanted.levels:
        return rows
    shown = going_first_of(rows, wanted.levels, wanted.streams[0])
    since, until = microseconds_of(wanted.since), microseconds_of(wanted.until)
    return shown[(shown["time"] >= since) & (shown["time"] < until)]


def _later(after: After) -> Q:
    time, sequence, device = after
    same = Q(time=time) & (Q(sequence__gt=sequence) | Q(sequence=sequence, device_number__gt=device))
    return Q(time__gt=time) | same


def _first_cold(
    wanted: Range,
    files: list[ColdFile],
    *,
    order: tuple[str, ...],
    limit: int | None,
    after: After | None,
    hot: list[Reading],
) -> Rows:
    """As many as are wanted, month after month; none of a month that begins after all that is wanted is there."""
    found: list[Rows] = []
    count = 0
    for file in files:
        if after is not None and file.last_at < after[0]:
            continue
        enough = limit is not None and (count >= limit or (len(hot) == limit and hot[-1].time < file.first_at))
        if enough:
            break
        rows = wanted.in_file(file)
        if after is not None:
            rows = rows[_is_later(rows, after)]
        found.append(ordered(rows, *order)[:limit])
        count += len(found[-1])
    return joined(found)


def _is_later(rows: Rows, after: After) -> NDArray[np.bool_]:
    time, sequence, device = microseconds_of(after[0]), after[1], after[2]
    same = (rows["sequence"] > sequence) | ((rows["sequence"] == sequence) & (rows["device_number"] > device))
    later: NDArray[np.bool_] = (rows["time"] > time) | ((rows["time"] == time) & same)
    return later


def as_rows(readings: list[Reading]) -> Rows:
    """Plausible readings as arrays."""
    rows = np.zeros(len(readings), ROW)
    for number, one in enumerate(readings):
        rows[number] = (
            microseconds_of(one.time),
            one.value,
            one.device_number,
            one.sequence,
            one.mark,
            one.stream,
            False,
            0,
        )
    return rows


def _as_reading(row: Any) -> Reading:
    return Reading(
        time=instant(int(row["time"])),
        value=float(row["value"]),
        device_number=int(row["device_number"]),
        sequence=int(row["sequence"]),
        mark=int(row["mark"]),
        stream=int(row["stream"]),
    )


def of_batches(
    batch_ids: list[UUID], *, curves: Curves
) -> Iterator[tuple[UUID, list[tuple[Stream, datetime, float, int, int]]]]:
    """Of those batches that have readings in cold files, the plausible ones of these, as they are to be read."""
    for batch in Batch.objects.filter(batch_id__in=batch_ids, cold__gt=0):
        device = Device.objects.get(number=batch.device_number)
        wanted = Range(
            user_id=device.user_id,
            devices=[device.number],
            streams=list(Stream),
            since=batch.first_at,
            until=batch.last_at + MICROSECOND,
        )
        rows = joined(wanted.in_file(file) for file in wanted.files())
        rows = rows[(rows["device_number"] == device.number) & (rows["mark"] == batch.mark)]
        shown = zip(rows, curves.corrected_rows(rows).tolist(), strict=True)
        yield (
            batch.batch_id,
            [
                (Stream(row["stream"]), instant(int(row["time"])), value, int(row["sequence"]), device.number)
                for row, value in shown
            ],
        )
