"""Batches from phones: what a member's app has read from HealthKit or Health Connect, sample by sample.

A sample is known by its identifier there. Sent again it is a duplicate; a later version takes the place of what was
sent before; deleted there its readings go here too, and it does not come back, in whatever order requests arrive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import ModuleType
from typing import Any, Final
from uuid import UUID

import numpy as np

from contexts.health import rules
from contexts.health.columns import Columns, Told, checked
from contexts.health.imports import health_connect, healthkit
from contexts.health.imports.measured import Fault, Measured, UnknownType, sequence_of
from contexts.health.imports.origins import source_of
from contexts.health.imports.withdrawing import take_back
from contexts.health.intake import ingesting
from contexts.health.intake.admission import admitted
from contexts.health.models.imports import PhoneSample
from contexts.health.rules import Origin
from contexts.health.worn.devices import KnownDevice
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput
from kernel.timescale.columns import EPOCH, MICROSECOND

READERS: Final[dict[Origin, ModuleType]] = {Origin.APPLE_HEALTH: healthkit, Origin.HEALTH_CONNECT: health_connect}

ACCEPTED, REPLACED, DUPLICATE, WITHDRAWN, REJECTED, UNKNOWN = FATES = (
    "accepted",
    "replaced",
    "duplicate",
    "withdrawn",
    "rejected",
    "unknown_type",
)


@dataclass(slots=True)
class Sample:
    """A sample that can be stored."""

    index: int
    sample_id: str
    readings: list[Measured]
    modified_at: datetime | None

    def row(self, device_number: int) -> PhoneSample:
        """As it is known from now on."""
        times = [reading.time for reading in self.readings]
        return PhoneSample(
            device_number=device_number,
            sample_id=self.sample_id,
            sequence=sequence_of(self.sample_id),
            streams=sorted({int(reading.stream) for reading in self.readings}),
            first_at=EPOCH + min(times) * MICROSECOND,
            last_at=EPOCH + max(times) * MICROSECOND,
            modified_at=self.modified_at,
        )


@dataclass(slots=True)
class Fates:
    """What became of each sample of a request, in its order."""

    fates: list[str]
    codes: dict[int, str] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    withdrawn: int = 0
    """Samples that were taken back."""


def take_samples(
    *, user_id: UUID, origin: Origin, samples: Sequence[Any], deleted: Sequence[str], at: datetime
) -> Fates:
    """Store what is new of a phone's samples, and take back those it has deleted. Callers ask for consent."""
    source = source_of(user_id=user_id, origin=origin, at=at)
    with admitted(source.number):
        found = Fates(fates=[REJECTED] * len(samples))
        good = _within_bounds(_read(origin, samples, found), found, source, at=at)
        return _store(number=source.number, source=source, good=good, deleted=deleted, found=found, at=at)


def _read(origin: Origin, samples: Sequence[Any], found: Fates) -> list[Sample]:
    reader, good, seen, readings = READERS[origin], [], set(), 0
    for index, told in enumerate(samples):
        try:
            if not isinstance(told, dict):
                raise Fault("malformed")
            sample_id = reader.identifier_of(told)
            sample = Sample(index, sample_id, reader.readings_of(told), reader.modified_at(told))
        except Fault as fault:
            found.codes[index] = fault.code
        except UnknownType as unknown:
            found.fates[index] = UNKNOWN
            found.unknown[unknown.name] += 1
        else:
            if sample_id in seen or not sample.readings:
                found.fates[index] = DUPLICATE
                continue
            seen.add(sample_id)
            good.append(sample)
            readings += len(sample.readings)
            if readings > rules.MAX_PHONE_READINGS:
                raise InvalidInput(
                    "A request has at most {most} readings.", code="batch_invalid", most=rules.MAX_PHONE_READINGS
                )
    return good


def _within_bounds(good: list[Sample], found: Fates, source: KnownDevice, *, at: datetime) -> list[Sample]:
    """A sample is taken whole or not at all."""
    _, rejected = checked(_told(good), earliest=source.earliest, latest=rules.latest(at=at))
    owners = np.repeat(np.arange(len(good)), [len(sample.readings) for sample in good])
    spoilt = set()
    for rejection in rejected:
        owner = int(owners[rejection.index])
        code = "too_long_ago" if rejection.code == "before_device" else rejection.code
        found.codes.setdefault(good[owner].index, code)
        spoilt.add(owner)
    return [sample for n, sample in enumerate(good) if n not in spoilt]


def _told(samples: Iterable[Sample]) -> Told:
    rows = [(each, sequence_of(sample.sample_id)) for sample in samples for each in sample.readings]
    return Told(
        streams=np.array([each.stream for each, _ in rows], np.int16),
        times=np.array([each.time for each, _ in rows], np.int64),
        sequences=np.array([sequence for _, sequence in rows], np.int32),
        values=np.array([each.value for each, _ in rows], np.float64),
    )


@unit_of_work("health", gate="number", isolation="read committed")
def _store(
    *, number: int, source: KnownDevice, good: list[Sample], deleted: Sequence[str], found: Fates, at: datetime
) -> Fates:
    """One request of a source at a time: who comes second finds what the first one has stored."""
    deleted_ids = {each.lower() for each in deleted}
    wanted = {sample.sample_id for sample in good} | deleted_ids
    known = {
        row.sample_id: row for row in PhoneSample.objects.filter(device_number=number, sample_id__in=sorted(wanted))
    }
    new: list[Sample] = []
    for sample in good:
        fate = found.fates[sample.index] = _fate(known.get(sample.sample_id), sample)
        if fate in (ACCEPTED, REPLACED):
            new.append(sample)
    old = [known[sample.sample_id] for sample in new if sample.sample_id in known]
    take_back(source, [row for row in old if row.withdrawn_at is None], at=at)
    PhoneSample.objects.filter(device_number=number, sample_id__in=[row.sample_id for row in old]).delete()
    if new:
        told = _told(new)
        columns = Columns(told.streams, told.times, told.sequences, told.values)
        ingesting.store_batch(columns=columns, by=source, at=at, statement=ingesting.STORE_MISSING)
    rows = {sample.sample_id: sample.row(number) for sample in new}
    PhoneSample.objects.bulk_create(rows.values())
    found.withdrawn = _withdraw(source, deleted_ids, known | rows, at=at)
    return found


def _fate(known: PhoneSample | None, sample: Sample) -> str:
    if known is None:
        return ACCEPTED
    if known.withdrawn_at is not None:
        return WITHDRAWN
    later = known.modified_at and sample.modified_at and sample.modified_at > known.modified_at
    return REPLACED if later else DUPLICATE


def _withdraw(source: KnownDevice, deleted: set[str], known: dict[str, PhoneSample], *, at: datetime) -> int:
    going = [known[each] for each in sorted(deleted) if each in known and known[each].withdrawn_at is None]
    take_back(source, going, at=at)
    ids = [row.sample_id for row in going]
    PhoneSample.objects.filter(device_number=source.number, sample_id__in=ids).update(withdrawn_at=at)
    unheard = sorted(deleted - known.keys())
    PhoneSample.objects.bulk_create(_tombstone(source.number, each, at=at) for each in unheard)
    return len(going)


def _tombstone(device_number: int, sample_id: str, *, at: datetime) -> PhoneSample:
    """Deleted before it came: it may still be under way."""
    return PhoneSample(
        device_number=device_number,
        sample_id=sample_id,
        sequence=sequence_of(sample_id),
        streams=[],
        first_at=at,
        last_at=at,
        withdrawn_at=at,
    )


def counts_of(found: Fates) -> dict[str, int]:
    """How many samples had which fate."""
    counted = Counter(found.fates)
    return {fate: counted[fate] for fate in FATES}
