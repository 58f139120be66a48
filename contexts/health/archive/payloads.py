"""Request bodies as devices sent them, in the cold store: one object a device and day, each time they are collected.

An object is a list of `spool.Received` in MessagePack, compressed by zstd, sealed under its person's key.
"""

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import zstandard
from django.conf import settings

from contexts.health import rules
from contexts.health.archive import keeping, spool
from contexts.health.archive.spool import Received
from contexts.health.models import Device
from contexts.health.models.cold import ColdFile
from kernel.databases import try_gate, unit_of_work
from kernel.objects import store

LEVEL: Final = 9


def note(*, body: bytes, device: int, at: datetime, form: str, encoding: str) -> None:
    """Keep a body that was taken in, if bodies are kept here at all."""
    if settings.PAYLOADS_KEPT_DAYS:
        spool.keep(Received(device, at.timestamp(), form, encoding, body))


def collect(*, at: datetime) -> int:
    """Bring the bodies that wait to the store; returns how many. Killed anywhere it goes on with the same portion."""
    count = 0
    with try_gate("health", "payloads", "collect") as is_free:
        for portion in spool.claimed(at=at.timestamp()) if is_free else ():
            stored = [_store(key, bodies, portion, at=at) for key, bodies in _sorted(spool.read(portion)).items()]
            count += sum(number for number in stored if number is not None)
            if None not in stored:
                spool.done(portion)
    return count


def _sorted(bodies: Iterable[Received]) -> dict[tuple[int, date], list[Received]]:
    found: dict[tuple[int, date], list[Received]] = defaultdict(list)
    for each in bodies:
        found[each.device, datetime.fromtimestamp(each.at, tz=UTC).date()].append(each)
    return found


def _store(of: tuple[int, date], bodies: list[Received], portion: Path, *, at: datetime) -> int | None:
    """Store a device's day; 0 if it is stored already or its person is erased, None if it has to wait."""
    number, day = of
    device = Device.objects.filter(number=number).first()
    if device is None:
        return 0
    with try_gate("health", keeping.GATE, device.user_id) as is_free:
        if not is_free:
            return None
        key = f"{keeping.folder_of(device.user_id)}payloads/{day}/{number}-{portion.name}.zst"
        if ColdFile.objects.filter(object_key=key).exists():
            return 0
        content = zstandard.compress(msgspec.msgpack.encode(bodies), LEVEL)
        size, digest = keeping.keep(content, key=key, cipher=keeping.cipher_of_new(device.user_id, at=at))
        times = [datetime.fromtimestamp(each.at, tz=UTC) for each in bodies]
        file = ColdFile(
            user_id=device.user_id,
            kind=ColdFile.Kind.PAYLOADS,
            month=day.replace(day=1),
            object_key=key,
            rows=len(bodies),
            bytes=size,
            sha256=digest,
            first_at=min(times),
            last_at=max(times),
            streams=[],
            last_readings={},
            stored_at=at,
        )
        _write_down(file)
    return len(bodies)


@unit_of_work("health")
def _write_down(file: ColdFile) -> None:
    file.save(force_insert=True)


def forget_old(*, at: datetime) -> int:
    """Remove bodies that were kept as long as they are to be; returns how many objects."""
    old = ColdFile.objects.filter(
        kind=ColdFile.Kind.PAYLOADS, last_at__lt=at - timedelta(days=settings.PAYLOADS_KEPT_DAYS)
    )
    found = list(old[: rules.FORGOTTEN_AT_ONCE])
    for file in found:
        store().delete(file.object_key)
        _forget(file)
    return len(found)


@unit_of_work("health")
def _forget(file: ColdFile) -> None:
    ColdFile.objects.filter(file_id=file.file_id).delete()


def bodies_of(file: ColdFile) -> Iterator[Received]:
    """What a device sent, in the order in which it came."""
    content = zstandard.decompress(keeping.opened(file))
    yield from msgspec.msgpack.decode(content, type=list[Received])


def rows_of(user_id: UUID) -> Iterator[dict[str, Any]]:
    """A person's bodies, for their export."""
    for file in ColdFile.objects.filter(user_id=user_id, kind=ColdFile.Kind.PAYLOADS).order_by("first_at", "file_id"):
        for each in bodies_of(file):
            yield {
                "file_id": file.file_id,
                "device_number": each.device,
                "received_at": datetime.fromtimestamp(each.at, tz=UTC),
                "form": each.form,
                "encoding": each.encoding,
                "body": base64.b64encode(each.body).decode(),
            }
