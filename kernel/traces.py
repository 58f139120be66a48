"""Looking for words wherever data may lie: every table, every key of Redis, files and the archives among them.

It reads everything as a stream and knows nothing of models, so it finds what they have forgotten.
"""

import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

import redis
from django.conf import settings
from django.db import connections
from psycopg import sql

from kernel.databases import alias_of
from kernel.objects import store

CHUNK = 1 << 20
KEYS_A_LOOK = 1_000


@dataclass(frozen=True)
class Trace:
    """A word and where it stands."""

    word: str
    place: str


class Seeker:
    """Finds words in a stream of bytes: in any case, as UTF-8, escaped as JSON does it, or in hex as COPY does."""

    def __init__(self, words: Iterable[str]) -> None:
        self._forms = {word: _forms(word) for word in words if word}
        self._longest = max((len(form) for forms in self._forms.values() for form in forms), default=1)

    def found_in(self, chunks: Iterable[Any]) -> set[str]:
        """Those of the words that occur; a word may lie across the border of two chunks."""
        found: set[str] = set()
        tail = b""
        for chunk in chunks:
            text = tail + bytes(chunk).lower()
            found |= {word for word, forms in self._forms.items() if any(form in text for form in forms)}
            tail = text[-self._longest :]
        return found


def _forms(word: str) -> set[bytes]:
    spellings = {word, word.lower(), word.upper()}
    plain = {spelling.encode() for spelling in spellings}
    escaped = {json.dumps(spelling)[1:-1].encode().lower() for spelling in spellings}
    return {form.lower() for form in plain} | escaped | {form.hex().encode() for form in plain}


def traces_in_databases(seeker: Seeker) -> Iterator[Trace]:
    """Every table of every context's database, row after row as text."""
    for context in settings.CONTEXTS:
        connection: Any = connections[alias_of(context)]
        connection.ensure_connection()
        for schema, table in _tables(connection.connection):
            for word in seeker.found_in(_rows(connection.connection, schema, table)):
                yield Trace(word, f"database {context}, table {table}")


_TABLES = """
    SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relkind IN ('r', 'm') AND relpersistence <> 't'
      AND nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    ORDER BY nspname, relname
"""


def _tables(raw: Any) -> list[tuple[str, str]]:
    tables: list[tuple[str, str]] = raw.execute(_TABLES).fetchall()
    return tables


def _rows(raw: Any, schema: str, table: str) -> Iterator[Any]:
    query = sql.SQL("COPY (SELECT * FROM {}) TO STDOUT").format(sql.Identifier(schema, table))
    with raw.cursor() as cursor, cursor.copy(query) as rows:
        yield from rows


def redis_addresses() -> set[str]:
    """Every Redis database that the settings name."""
    cached = [cache.get("LOCATION") for cache in settings.CACHES.values()]
    named = [settings.REDIS_URL, settings.CELERY_BROKER_URL, *cached]
    return {str(url) for url in named if str(url).startswith(("redis", "unix"))}


def traces_in_redis(seeker: Seeker) -> Iterator[Trace]:
    """Every key, and what lies behind it."""
    for url in sorted(redis_addresses()):
        with redis.Redis.from_url(url) as client:
            for key in client.scan_iter(count=KEYS_A_LOOK):
                for word in seeker.found_in(chain([key, b"\n"], _joined(_values(client, key)))):
                    yield Trace(word, f"Redis, key {key.decode(errors='replace')}")


def _values(client: Any, key: bytes) -> Iterator[Any]:
    """What a key holds, by its type, in portions."""
    kind = client.type(key).decode()
    if kind == "string":
        yield client.get(key) or b""
    elif kind == "hash":
        yield from (part for pair in client.hscan_iter(key, count=KEYS_A_LOOK) for part in pair)
    elif kind == "set":
        yield from client.sscan_iter(key, count=KEYS_A_LOOK)
    elif kind == "zset":
        yield from (member for member, _ in client.zscan_iter(key, count=KEYS_A_LOOK))
    elif kind == "list":
        for start in range(0, client.llen(key), KEYS_A_LOOK):
            yield from client.lrange(key, start, start + KEYS_A_LOOK - 1)
    elif kind == "stream":
        yield from (part for _, fields in client.xrange(key) for pair in fields.items() for part in pair)


def _joined(values: Iterable[Any]) -> Iterator[bytes]:
    for value in values:
        yield value if isinstance(value, bytes) else str(value).encode()
        yield b"\n"


def traces_in_files(seeker: Seeker, places: Iterable[Path]) -> Iterator[Trace]:
    """Every file at or below these places, by its name and by what is in it; archives are opened."""
    for place in places:
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            words = seeker.found_in([str(path.relative_to(place)).encode()])
            if path.is_file():
                words |= _found_in_file(seeker, path)
            for word in sorted(words):
                yield Trace(word, f"file {path}")


def traces_in_objects(seeker: Seeker) -> Iterator[Trace]:
    """Every object of the cold store, by its key and its bytes. These are encrypted; whose they are is not."""
    cold = store()
    for each in cold.listed(""):
        for word in sorted(seeker.found_in([each.key.encode(), b"\n", cold.get(each.key)])):
            yield Trace(word, f"cold store, object {each.key}")


def _found_in_file(seeker: Seeker, path: Path) -> set[str]:
    with path.open("rb") as file:
        found = seeker.found_in(_chunks(file))
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as member:
                    found |= seeker.found_in(chain([name.encode(), b"\n"], _chunks(member)))
    return found


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
