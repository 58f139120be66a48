"""What people enter by hand: weight, blood pressure, anything of the catalogue, in any unit that it accepts.

An entry is a reading of the person's own source, a device whose secret nobody has: whoever reads readings finds it.
A changed entry's reading is taken back and stored anew, as a batch of its own; what it said stays in its history.
"""

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from django.db.models import Max, QuerySet

from contexts.health import events, invalidation, rules, sealing
from contexts.health.catalogue import METRICS, Metric
from contexts.health.columns import Columns, microseconds_of
from contexts.health.intake import ingesting
from contexts.health.models import Batch, Device, Entry, EntryVersion, Reading
from contexts.health.rules import Stream
from contexts.health.worn.devices import ConsentRequired, known_as
from contexts.identity import services as identity
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused
from kernel.models import uuid7


class EntryDeleted(Refused):
    """This entry is deleted."""


class Said(NamedTuple):
    """What a person enters: a value in a unit, at a time; without a unit it is the stored one."""

    value: float
    unit: str | None
    time: datetime


def ensure_consent(user_id: UUID) -> None:
    """Raise `ConsentRequired` for whoever has not agreed; asked before a unit of work opens."""
    if not identity.has_consent(user_id=user_id, purpose=rules.PURPOSE):
        raise ConsentRequired(purpose=rules.PURPOSE)


@unit_of_work("health")
def enter(*, stream: Stream, said: Said, by: UUID, at: datetime) -> Entry:
    """Keep a value entered by hand. Raises `InvalidInput` for what cannot be, of the implausible too."""
    value, unit = _stored(METRICS[stream], said, at=at)
    entry = Entry(user_id=by, stream=stream, version=0)
    source = _own_source(by, at=at)
    return _write(entry, source, said=said, value=value, unit=unit, at=at)


@unit_of_work("health")
def change_entry(*, entry_id: UUID, said: Said, by: UUID, at: datetime) -> Entry:
    """Say something else instead."""
    entry = _own_entry(entry_id, by)
    value, unit = _stored(METRICS[Stream(entry.stream)], said, at=at)
    source = _own_source(by, at=at)
    _take_back(entry, source, at=at)
    return _write(entry, source, said=said, value=value, unit=unit, at=at)


@unit_of_work("health")
def delete_entry(*, entry_id: UUID, by: UUID, at: datetime) -> None:
    """Take an entry back; that it was there stays in its history."""
    entry = _own_entry(entry_id, by)
    _take_back(entry, _own_source(by, at=at), at=at)
    entry.batch_id, entry.deleted_at, entry.version = None, at, entry.version + 1
    entry.save()
    _remember(entry, at=at)


def entries_of(user_id: UUID) -> QuerySet[Entry]:
    """A person's entries that are not deleted."""
    return Entry.objects.filter(user_id=user_id, deleted_at=None)


def history_of(*, entry_id: UUID, by: UUID) -> list[EntryVersion]:
    """Everything an entry has said, the first version first; a deleted one's too."""
    found = list(EntryVersion.objects.filter(entry_id=entry_id, user_id=by).order_by("version"))
    if not found:
        raise NotFound
    return found


def _stored(metric: Metric, said: Said, *, at: datetime) -> tuple[float, str]:
    """The value in its stored unit, and the unit in which it was told."""
    unit = said.unit or metric.unit
    way = metric.way(unit)
    if way is None:
        raise InvalidInput("This metric is not measured in that unit.", field="unit", code="unknown_unit")
    value = way.to_stored(said.value)
    low, high = metric.plausible
    if not low <= value <= high:
        raise InvalidInput("Nobody alive can show this value.", field="value", code="value_out_of_range")
    if not rules.EARLIEST_ENTRY <= said.time <= rules.latest(at=at):
        raise InvalidInput("The time lies ahead, or too long ago.", field="time", code="time_invalid")
    return value, unit


def _own_entry(entry_id: UUID, by: UUID) -> Entry:
    entry = Entry.objects.select_for_update().filter(entry_id=entry_id, user_id=by).first()
    if entry is None:
        raise NotFound
    if entry.deleted_at is not None:
        raise EntryDeleted
    return entry


def _own_source(user_id: UUID, *, at: datetime) -> Device:
    """The device that stands for a person's own entries, locked: one entry of a person is written at a time."""
    own = Device.objects.select_for_update().filter(user_id=user_id, kind=rules.OWN_SOURCE)
    source = own.first()
    if source is None:
        source = Device(user_id=user_id, kind=rules.OWN_SOURCE, connected_at=at)
        source.sealed_secret = sealing.seal(sealing.new_secret(), device_id=source.device_id)
        source.save(force_insert=True)
    return source


def _write(entry: Entry, source: Device, *, said: Said, value: float, unit: str, at: datetime) -> Entry:
    if source.revoked_at is not None or source.suspended_at is not None:
        raise ConsentRequired(purpose=rules.PURPOSE)
    entry.time, entry.value, entry.told, entry.unit = said.time, value, said.value, unit
    entry.sequence = _next_sequence(source, entry)
    entry.version += 1
    entry.batch_id = _store(entry, source, at=at)
    entry.save()
    _remember(entry, at=at)
    return entry


def _next_sequence(source: Device, entry: Entry) -> int:
    same = Reading.objects.filter(device_number=source.number, stream=entry.stream, time=entry.time)
    last = same.aggregate(last=Max("sequence"))["last"]
    return 0 if last is None else last + 1


def _store(entry: Entry, source: Device, *, at: datetime) -> UUID:
    batch_id = uuid7()
    columns = Columns(
        np.array([entry.stream], np.int16),
        np.array([microseconds_of(entry.time)], np.int64),
        np.array([entry.sequence], np.int32),
        np.array([entry.value]),
    )
    ingesting.store_batch(
        columns=columns, by=known_as(source), at=at, statement=ingesting.STORE_MISSING, batch_id=batch_id
    )
    return batch_id


def _take_back(entry: Entry, source: Device, *, at: datetime) -> None:
    batch_id = entry.batch_id
    assert batch_id is not None, "a deleted entry is refused before"
    place: dict[str, Any] = {"stream": entry.stream, "time": entry.time, "sequence": entry.sequence}
    Reading.objects.filter(device_number=source.number, **place).delete()
    Batch.objects.filter(batch_id=batch_id).delete()
    invalidation.note(device_number=source.number, streams=[entry.stream], first_at=entry.time, last_at=entry.time)
    publish(
        events.HealthMetricWithdrawn(
            batch_id=batch_id,
            user_id=entry.user_id,
            device_id=source.device_id,
            streams=[Stream(entry.stream).name],
            first_at=entry.time,
            last_at=entry.time,
            count=1,
            occurred_at=at,
        )
    )


def _remember(entry: Entry, *, at: datetime) -> None:
    EntryVersion.objects.create(
        entry_id=entry.entry_id,
        version=entry.version,
        user_id=entry.user_id,
        time=entry.time,
        told=entry.told,
        unit=entry.unit,
        is_deletion=entry.deleted_at is not None,
        written_at=at,
    )
