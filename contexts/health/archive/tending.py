"""The life of cold files after they are stored: swept, verified, handed out, erased."""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from contexts.health import rules
from contexts.health.archive import keeping, table, withdrawals
from contexts.health.columns import instant
from contexts.health.models import Device
from contexts.health.models.cold import ColdFile
from contexts.health.rows import KEY, Rows
from kernel.databases import try_gate, unit_of_work
from kernel.errors import TryAgain
from kernel.objects import store

log = logging.getLogger(__name__)

KEYS_A_LOOK: Final = 500
ROWS_A_READ: Final = 2_000


def sweep(*, at: datetime) -> tuple[int, int]:
    """Remove files that others have superseded, and objects nobody knows; returns how many of each.

    Both are left alone for `rules.SUPERSEDED_KEPT`.
    """
    long_ago = at - rules.SUPERSEDED_KEPT
    superseded = list(ColdFile.objects.filter(state=ColdFile.State.SUPERSEDED, superseded_at__lt=long_ago))
    for file in superseded:
        store().delete(file.object_key)
        _forget(file)
    orphans = 0
    for keys in _portions(each.key for each in store().listed(keeping.ROOT) if each.changed_at < long_ago):
        known = set(ColdFile.objects.filter(object_key__in=keys).values_list("object_key", flat=True))
        for key in set(keys) - known:
            store().delete(key)
            orphans += 1
    if orphans:
        log.warning("objects nobody knows were removed from the cold store", extra={"count": orphans})
    return len(superseded), orphans


@unit_of_work("health")
def _forget(file: ColdFile) -> None:
    ColdFile.objects.filter(file_id=file.file_id).delete()


def _portions(keys: Iterator[str]) -> Iterator[list[str]]:
    portion: list[str] = []
    for key in keys:
        portion.append(key)
        if len(portion) == KEYS_A_LOOK:
            yield portion
            portion = []
    if portion:
        yield portion


def verify() -> Iterator[tuple[ColdFile, str]]:
    """Read every current file in full: those that are not as their manifest says, and why."""
    current = ColdFile.objects.filter(state=ColdFile.State.CURRENT).order_by("stored_at", "file_id")
    for file in current.iterator(chunk_size=KEYS_A_LOOK):
        try:
            content = keeping.opened(file)
        except keeping.Damaged as error:
            yield file, str(error)
            continue
        if file.kind == ColdFile.Kind.READINGS and (why := _differs(file, content)):
            yield file, why


def _differs(file: ColdFile, content: bytes) -> str:
    parts = list(_read(content))
    if sum(map(len, parts)) != file.rows:
        return "it holds another number of readings"
    first, last = min(int(rows["time"][0]) for rows in parts), max(int(rows["time"][-1]) for rows in parts)
    return "" if (instant(first), instant(last)) == (file.first_at, file.last_at) else "it is of another time"


def _read(content: bytes) -> Iterator[Rows]:
    from contexts.health.archive import sheets  # with pyarrow, which few processes ever need

    return sheets.read(content)


# --- personal data -------------------------------------------------------------------------------------------------


def rows_of(user_id: UUID) -> Iterator[dict[str, Any]]:
    """A person's readings in cold files, as rows of the table; without those it holds too: they were sent again."""
    devices = list(Device.objects.filter(user_id=user_id).values_list("number", flat=True))
    for file in keeping.files_of(user_id):
        for held in _read(keeping.opened(file)):
            rows = withdrawals.left_of(held, file)
            yield from _as_table_rows(rows, _sent_again(devices, rows))


def _sent_again(devices: list[int], rows: Rows) -> set[Any]:
    if not len(rows):
        return set()
    span = table.Span(
        devices=devices,
        since=instant(int(rows["time"].min())),
        until=instant(int(rows["time"].max()) + 1),
        streams=[int(rows["stream"][0])],
    )
    return set(table.copied(span)[list(KEY)].tolist())


def _as_table_rows(rows: Rows, left_out: set[Any]) -> Iterator[dict[str, Any]]:
    names = rows.dtype.names or ()
    keys = rows[list(KEY)]
    for start in range(0, len(rows), ROWS_A_READ):
        part = slice(start, start + ROWS_A_READ)
        for row, key in zip(rows[part].tolist(), keys[part].tolist(), strict=True):
            if key not in left_out:
                named = dict(zip(names, row, strict=True))
                yield named | {"time": instant(named["time"]), "doubt": named["doubt"] or None}


def erase_files(user_id: UUID) -> int:
    """Remove a person's objects, those nobody has written down among them, then their manifest; 0 when all are gone.

    Their readings and devices are gone by now, so nothing can follow.
    """
    with try_gate("health", keeping.GATE, user_id) as is_free:
        if not is_free:
            raise TryAgain
        known = ColdFile.objects.filter(user_id=user_id).values_list("object_key", flat=True)
        keys = {*known, *(each.key for each in store().listed(keeping.folder_of(user_id)))}
        for key in keys:
            store().delete(key)
        return len(keys) + _forget_all(user_id)


@unit_of_work("health")
def _forget_all(user_id: UUID) -> int:
    return int(ColdFile.objects.filter(user_id=user_id).delete()[0])
