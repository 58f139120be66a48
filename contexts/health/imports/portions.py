"""A portion of an import: what was read, and its commit together with where it ends."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np
from django.db import IntegrityError
from django.utils.timezone import now

from contexts.health import rules
from contexts.health.columns import Columns, Told, checked
from contexts.health.imports.apple_export import Records
from contexts.health.imports.measured import Fault, Found, UnknownType
from contexts.health.intake import ingesting
from contexts.health.models.imports import DataImport, ImportedFile
from contexts.health.worn.devices import KnownDevice
from kernel.databases import sqlstate_of, unit_of_work

MAX_NAMES: Final = 200
"""Names of unknown types that are told apart in a file; what comes after these is counted together."""

OTHERS: Final = "…"


class TakenOver(Exception):
    """The import was cancelled or erased, or another worker has it: nothing more is written."""


@dataclass(slots=True)
class Portion:
    """Readings in stored units, what of it could not be any, and where the next portion begins."""

    reached: int
    records: int = 0
    streams: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of_records(cls, records: Records) -> Portion:
        """What an Apple export's reader has just read."""
        columns = (records.streams, records.times, records.values, records.sequences)
        return cls(records.reached, records.read_now, *columns, records.rejected, records.unknown)

    def add(self, found: Found) -> None:
        """One thing more that a file holds."""
        self.reached += 1
        self.records += 1
        if isinstance(found, Fault):
            self.rejected[found.code] += 1
        elif isinstance(found, UnknownType):
            self.unknown[found.name] += 1
        else:
            self.streams.append(found.stream)
            self.times.append(found.time)
            self.values.append(found.value)
            self.sequences.append(found.sequence)

    def columns(self, source: KnownDevice, *, at: datetime) -> Columns:
        """The good readings; the others are counted by their codes."""
        told = Told(
            streams=np.array(self.streams, np.int16),
            times=np.array(self.times, np.int64),
            sequences=np.array(self.sequences, np.int32),
            values=np.array(self.values, np.float64),
        )
        columns, rejections = checked(told, earliest=source.earliest, latest=rules.latest(at=at))
        for rejection in rejections:
            self.rejected["too_long_ago" if rejection.code == "before_device" else rejection.code] += 1
        return columns


def commit(
    *, own: DataImport, file: ImportedFile, source: KnownDevice, portion: Portion, goes_on: bool, code: str
) -> ImportedFile:
    """Store what is new of a portion, with its counts and its end, all or nothing; returns the file as it is now."""
    at = now()
    columns = portion.columns(source, at=at)
    rest: dict[str, Any] = {"own": own, "file": file, "portion": portion, "goes_on": goes_on, "code": code, "at": at}
    try:
        return _commit(columns=columns, source=source, statement=ingesting.STORE_NEW, **rest)
    except IntegrityError as error:
        if sqlstate_of(error) != ingesting.UNIQUE_VIOLATION:
            raise
        return _commit(columns=columns, source=source, statement=ingesting.STORE_MISSING, **rest)


@unit_of_work("health", isolation="read committed")
def _commit(
    *,
    own: DataImport,
    file: ImportedFile,
    source: KnownDevice,
    columns: Columns,
    portion: Portion,
    goes_on: bool,
    code: str,
    at: datetime,
    statement: str,
) -> ImportedFile:
    row = own_claim(own)
    accepted = 0
    if len(columns):
        accepted = ingesting.store_batch(columns=columns, by=source, at=at, statement=statement)
    now_file = ImportedFile.objects.get(source_id=file.source_id, position=file.position)
    now_file.reached = portion.reached
    now_file.records += portion.records
    now_file.accepted += accepted
    now_file.duplicates += len(columns) - accepted
    now_file.rejected = added(now_file.rejected, portion.rejected)
    now_file.unknown = added(now_file.unknown, portion.unknown)
    now_file.code = code
    if not goes_on:
        is_read = not code or now_file.accepted or now_file.duplicates
        now_file.outcome = ImportedFile.Outcome.READ if is_read else ImportedFile.Outcome.REFUSED
    now_file.save()
    row.attempts, row.touched_at = 0, at
    row.save(update_fields=["attempts", "touched_at"])
    return now_file


def own_claim(own: DataImport) -> DataImport:
    """The import's row, locked; raises `TakenOver` if it is not this worker's any more."""
    found = DataImport.objects.select_for_update().filter(import_id=own.import_id, claim=own.claim).first()
    if found is None:
        raise TakenOver
    return found


def added(counts: dict[str, int], more: Counter[str]) -> dict[str, int]:
    """Both together, with a bound on how many names are told apart."""
    total = dict(counts)
    for name, count in more.items():
        kept = name if name in total or len(total) < MAX_NAMES else OTHERS
        total[kept] = total.get(kept, 0) + count
    return total
