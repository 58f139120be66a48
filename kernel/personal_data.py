"""Everything about a person: what each context has of it, how it is handed out, how it is erased.

A context's room `personal_data.py` says of every model of its database what it is to a person: `DATA` maps it to
`Owned` or `NotPersonal`, children before their parents, because that is the order of erasing. Besides, where there
is something to say, `folders(user_id)` names the folders of the storage that hold a person's files, and
`before_erasing(user_id)` and `after_erasing(user_id)` see to what is in no table.

Both functions may be killed at any moment and run again: an export is written anew, an erasure goes on.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from itertools import chain
from types import ModuleType
from typing import IO, Any, TypeAlias
from uuid import UUID

from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db.models import Model, Q, QuerySet

from kernel.databases import alias_of, unit_of_work
from kernel.http import encode_json
from kernel.idempotency import forget_cached_answers
from kernel.models import FailedDelivery, IdempotencyKey, InboxEntry, LedgerEntry, OutboxEvent

ROWS_A_READ = 2_000
ROWS_A_UNIT = 5_000
"""How many rows one unit of work erases: its locks are short, whatever a person has collected."""


@dataclass(frozen=True)
class Delete:
    """Rows go."""


@dataclass(frozen=True)
class Replace:
    """Rows stay, without the person: these columns get these values, and a row is nobody's from then on."""

    columns: Mapping[str, Any]


@dataclass(frozen=True)
class Through:
    """A function takes one bounded portion in its own unit of work, and answers how many rows; 0 ends it."""

    function: Callable[[UUID], int]


@dataclass(frozen=True)
class Keep:
    """Rows stay as they are: the law or the safety of others asks for it, and they hold identifiers only."""

    because: str


Erasing: TypeAlias = Delete | Replace | Through | Keep


@dataclass(frozen=True, kw_only=True)
class Owned:
    """Rows that are about a person."""

    by: str | tuple[str, ...] | Callable[[UUID], Q]
    """The columns (any of them) that hold the person's id, or a function that finds the rows."""
    erase: Erasing = field(default_factory=Delete)
    exports: bool = True
    leave_out: tuple[str, ...] = ()
    """Columns an export does not show: secrets, in whatever form."""
    shown: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    """Makes what a person can read of a row; for columns that are encrypted at rest."""
    elsewhere: Callable[[UUID], Iterable[dict[str, Any]]] | None = None
    """More rows of the table that an export shows, which lie in another store."""

    def of(self, user_id: UUID) -> Q:
        """Which rows are this person's."""
        if callable(self.by):
            return self.by(user_id)
        names = (self.by,) if isinstance(self.by, str) else self.by
        found = Q()
        for name in names:
            found |= Q(**{name: user_id})
        return found


@dataclass(frozen=True)
class NotPersonal:
    """Rows that say nothing about a person, and why."""

    because: str


Data: TypeAlias = Mapping[type[Model], Owned | NotPersonal]


def _failures_about(user_id: UUID) -> Q:
    return (Q(payload__user_id=str(user_id)) | Q(key=str(user_id))) & ~Q(error="")


OF_THE_KERNEL: Data = {
    IdempotencyKey: Owned(by="actor", exports=False),
    FailedDelivery: Owned(by=_failures_about, erase=Replace({"error": ""}), exports=False),
    OutboxEvent: NotPersonal("Events carry identifiers and measures, and are forgotten after a week."),
    InboxEntry: NotPersonal("Identifiers of events."),
    LedgerEntry: NotPersonal("Amounts of orders, by identifier."),
}
"""The kernel's own tables, which stand in every context's database."""


def data_of(context: str) -> Data:
    """What a context and the kernel say of the tables in the context's database, in the order of erasing."""
    return {**OF_THE_KERNEL, **_room(context).DATA}


def owned_in(context: str) -> Iterator[tuple[type[Model], Owned]]:
    """The models of a context's database that hold something about people."""
    for model, what in data_of(context).items():
        if isinstance(what, Owned):
            yield model, what


def _room(context: str) -> ModuleType:
    return import_module(f"contexts.{context}.personal_data")


def _ask(context: str, name: str, user_id: UUID) -> Any:
    function = getattr(_room(context), name, None)
    return function(user_id) if function is not None else None


EXPORTS = "exports"


def folder_of(export_id: UUID) -> str:
    """Where the storage keeps an export: its parts, and what is made of them."""
    return f"{EXPORTS}/{export_id}"


def part_of(export_id: UUID, context: str) -> str:
    """Where a context leaves its part of an export."""
    return f"{folder_of(export_id)}/{context}"


# --- export --------------------------------------------------------------------------------------------------------


def export(context: str, user_id: UUID, target: str) -> dict[str, int]:
    """Write what a context has about a person below `target` in the storage; returns the rows of each table.

    One file of JSON lines a table, and the person's own files as they are, counted as `files`. However much it is,
    a few thousand rows are in memory.
    """
    delete_folder(target)  # what an earlier, interrupted try has left
    rows = {
        model._meta.db_table: _export_table(model, owned, alias_of(context), user_id, target)
        for model, owned in owned_in(context)
        if owned.exports
    }
    folders = _ask(context, "folders", user_id) or []
    return rows | ({"files": sum(_copy_files(folder, f"{target}/files") for folder in folders)} if folders else {})


def rows_of(model: type[Model], owned: Owned, alias: str, user_id: UUID) -> QuerySet[Any]:
    """A person's rows of one table."""
    return model._base_manager.using(alias).filter(owned.of(user_id))


def _export_table(model: type[Model], owned: Owned, alias: str, user_id: UUID, target: str) -> int:
    columns = [f.attname for f in model._meta.concrete_fields if f.name not in owned.leave_out]
    found = rows_of(model, owned, alias, user_id).order_by("pk").values(*columns)
    count = 0
    with tempfile.TemporaryFile() as file:
        more = owned.elsewhere(user_id) if owned.elsewhere else ()
        for row in chain(found.iterator(chunk_size=ROWS_A_READ), more):
            file.write(encode_json(owned.shown(row) if owned.shown else row) + b"\n")
            count += 1
        if count:
            keep_file(f"{target}/{model._meta.db_table}.jsonl", file)
    return count


def keep_file(name: str, file: IO[bytes]) -> None:
    """Put a file into the storage under exactly this name, from its beginning."""
    file.seek(0)
    default_storage.delete(name)
    kept = default_storage.save(name, File(file))
    if kept != name:
        raise OSError(f"the storage keeps {name} under another name")


def _copy_files(folder: str, target: str) -> int:
    count = 0
    for name in files_below(folder):
        with default_storage.open(name) as original:
            keep_file(f"{target}{name.removeprefix(folder)}", original)
        count += 1
    return count


def files_below(folder: str) -> Iterator[str]:
    """Every file of the storage in a folder and the folders in it; none if there is no such folder."""
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    yield from (f"{folder}/{name}" for name in sorted(files))
    for inner in sorted(folders):
        yield from files_below(f"{folder}/{inner}")


def delete_folder(folder: str) -> None:
    """Delete a folder of the storage with all that is in it; one that is not there is fine."""
    try:
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in files:
        default_storage.delete(f"{folder}/{name}")
    for inner in folders:
        delete_folder(f"{folder}/{inner}")
    default_storage.delete(folder)


# --- erasure -------------------------------------------------------------------------------------------------------


def erase(context: str, user_id: UUID) -> None:
    """Erase what a context has about a person, portion by portion; running it again changes nothing more."""
    _ask(context, "before_erasing", user_id)
    for folder in _ask(context, "folders", user_id) or []:
        delete_folder(folder)
    forget_cached_answers(context=context, actor=user_id)
    for model, owned in owned_in(context):
        while _erase_portion(context, model, owned, user_id):
            pass
    _ask(context, "after_erasing", user_id)


def _erase_portion(context: str, model: type[Model], owned: Owned, user_id: UUID) -> int:
    if isinstance(owned.erase, Keep):
        return 0
    if isinstance(owned.erase, Through):
        return owned.erase.function(user_id)
    columns = dict(owned.erase.columns) if isinstance(owned.erase, Replace) else None
    return _portion(context)(model, owned, user_id, columns)


def _portion(context: str) -> Callable[..., int]:
    @unit_of_work(context)
    def portion(model: type[Model], owned: Owned, user_id: UUID, columns: dict[str, Any] | None) -> int:
        alias = alias_of(context)
        some = rows_of(model, owned, alias, user_id).order_by().values("pk")[:ROWS_A_UNIT]
        rows = model._base_manager.using(alias).filter(pk__in=some)
        if columns is not None:
            return int(rows.update(**columns))
        return int(rows.delete()[1].get(model._meta.label, 0))

    return portion
