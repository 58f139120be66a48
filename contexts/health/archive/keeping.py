"""What lies in the cold store, sealed under a key of its person's own and checked whenever it is read.

The store sees ciphertext only. A file is bound to its key in the store: put in the place of another one, even of the
same person, it does not open. Whoever destroys a person's `DataKey` has erased every copy of their files.
"""

import hashlib
import logging
from datetime import datetime
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db.models import QuerySet

from contexts.health import sealing
from contexts.health.archive import withdrawals
from contexts.health.models.cold import ColdFile, DataKey
from kernel.databases import unit_of_work
from kernel.errors import Refused
from kernel.objects import ObjectMissing, store

log = logging.getLogger(__name__)

GATE: Final = "archive"
"""One hand at a time moves or erases a person's cold files."""

ROOT: Final = "health/"
"""How every key of ours in the store begins."""


class ColdReadingsDamaged(Refused):
    """Readings of this time lie in a file that is not as it was stored; the operators have been told."""

    status = 503


class Damaged(Exception):
    """A cold file is missing, changed, or cannot be opened; says which check failed and nothing of what is in it."""


def folder_of(user_id: UUID) -> str:
    """How the keys of all of a person's objects begin."""
    return f"{ROOT}{user_id}/"


def digest_of(sealed: bytes) -> str:
    """What a manifest row says of the bytes in the store."""
    return hashlib.sha256(sealed).hexdigest()


@unit_of_work("health")
def cipher_of_new(user_id: UUID, *, at: datetime) -> AESGCM:
    """A person's cipher; their key is made if they have none."""
    found = _cipher(user_id)
    if found is None:
        sealed = sealing.seal_bound(sealing.new_secret(), bound_to=_bound_to(user_id))
        DataKey.objects.create(user_id=user_id, sealed_key=sealed, made_at=at)
        found = _cipher(user_id)
    assert found is not None
    return found


def _cipher(user_id: UUID) -> AESGCM | None:
    row = DataKey.objects.filter(user_id=user_id).first()
    if row is None:
        return None
    return AESGCM(sealing.unseal_bound(bytes(row.sealed_key), bound_to=_bound_to(user_id)))


def _bound_to(user_id: UUID) -> bytes:
    return b"health_datakey.sealed_key:" + user_id.bytes


def sealed_as(key: str, content: bytes, *, cipher: AESGCM) -> bytes:
    """A file's content as it goes to the store under this key."""
    return sealing.seal_bound(content, bound_to=key.encode(), cipher=cipher)


def opened(file: ColdFile) -> bytes:
    """A file's content, checked. Raises `Damaged`, and `StoreUnavailable` when there is no answer."""
    cipher = _cipher(file.user_id)
    if cipher is None:
        raise Damaged("its key is gone")
    try:
        sealed = store().get(file.object_key)
    except ObjectMissing:
        raise Damaged("the object is missing") from None
    if digest_of(sealed) != file.sha256:
        raise Damaged("the checksum is another one")
    try:
        return sealing.unseal_bound(sealed, bound_to=file.object_key.encode(), cipher=cipher)
    except InvalidTag:
        raise Damaged("it does not open") from None


def shown(file: ColdFile) -> bytes:
    """As `opened`, for those who answer a person: what is damaged is told to the log and refused with 503."""
    try:
        return opened(file)
    except Damaged as error:
        log.error("a cold file is damaged", extra={"file": str(file.file_id), "why": str(error)})
        raise ColdReadingsDamaged from None


def keep(content: bytes, *, key: str, cipher: AESGCM) -> tuple[int, str]:
    """Put a file into the store and read it back; returns its size there and its checksum. Raises `Damaged`."""
    sealed = sealed_as(key, content, cipher=cipher)
    store().put(key, sealed)
    if store().get(key) != sealed:
        raise Damaged("what was stored is not what comes back")
    return len(sealed), digest_of(sealed)


@unit_of_work("health")
def destroy_key(user_id: UUID) -> None:
    """From here on nobody reads this person's cold files, in the store or in any copy of it."""
    DataKey.objects.filter(user_id=user_id).delete()


def current_files(user_id: UUID, *, since: datetime, until: datetime) -> list[ColdFile]:
    """A person's files in which there are readings from `since` to before `until`, by time."""
    return _knowing(_all_current(user_id).filter(first_at__lt=until, last_at__gte=since))


def files_of(user_id: UUID) -> list[ColdFile]:
    """All of a person's files of readings, by time."""
    return _knowing(_all_current(user_id))


def _all_current(user_id: UUID) -> QuerySet[ColdFile]:
    return ColdFile.objects.filter(user_id=user_id, kind=ColdFile.Kind.READINGS, state=ColdFile.State.CURRENT)


def _knowing(found: QuerySet[ColdFile]) -> list[ColdFile]:
    files = list(found.order_by("first_at"))
    withdrawals.attach(files)
    return files


def supersede(file: ColdFile, *, at: datetime) -> None:
    """Another file takes this one's place."""
    file.state, file.superseded_at = ColdFile.State.SUPERSEDED, at
    file.save(update_fields=["state", "superseded_at"])
