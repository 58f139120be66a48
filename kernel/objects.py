"""Files too large or too old for a table, by key: in a folder, or in a bucket of any store that speaks S3.

`settings.COLD_STORE` says where: nothing for a folder beside the media, `file:///folder`, or `s3://bucket/prefix`.
What is put is durable and whole when `put` returns; what is put under a key again takes the place of what was there.
"""

import functools
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from django.conf import settings

from kernel.errors import Refused
from kernel.models import uuid7

log = logging.getLogger(__name__)

KEY: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
COMING: Final = ".coming"
"""How the name of a file ends that was being written when its process died."""

KEYS_A_LIST = 1_000
CONNECT_WITHIN_S, READ_WITHIN_S, TRIES = 3, 30, 3
NOT_THERE: Final = {"NoSuchKey", "404", "NotFound"}


class StoreUnavailable(Refused):
    """What is asked for lies in a store that cannot be reached at this moment."""

    status = 503
    retry_after = 30.0


class ObjectMissing(LookupError):
    """There is nothing under this key."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a list of them shows it."""

    key: str
    size: int
    changed_at: datetime


class ObjectStore(Protocol):
    """Each function raises `StoreUnavailable` when the store does not answer as one should."""

    def put(self, key: str, data: bytes) -> None:
        """Keep these bytes under this key."""

    def get(self, key: str) -> bytes:
        """The bytes under a key; raises `ObjectMissing`."""

    def delete(self, key: str) -> None:
        """Forget a key; one that is not there is fine."""

    def listed(self, prefix: str) -> Iterator[Listed]:
        """Every object whose key begins so."""


class Folder:
    """A store on disk. A file appears under its name when all of it is on the disk, never before."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, data: bytes) -> None:
        """See `ObjectStore`."""
        path = self._path(key)
        coming = path.with_name(f"{path.name}.{uuid7()}{COMING}")
        with _of_the_disk():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            coming.rename(path)
            self._sync_folders(path.parent)

    def get(self, key: str) -> bytes:
        """See `ObjectStore`."""
        path = self._path(key)
        self._require()
        with _of_the_disk():
            try:
                return path.read_bytes()
            except FileNotFoundError:
                raise ObjectMissing(key) from None

    def delete(self, key: str) -> None:
        """See `ObjectStore`; folders that are empty then go too: their names say whose they were."""
        path = self._path(key)
        self._require()
        with _of_the_disk():
            path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == self.root:
                break
            try:
                folder.rmdir()
            except OSError:
                break

    def listed(self, prefix: str) -> Iterator[Listed]:
        """See `ObjectStore`; files whose writer has died are among them."""
        with _of_the_disk():
            for path in sorted(self.root.rglob("*")):
                key = path.relative_to(self.root).as_posix()
                if key.startswith(prefix) and path.is_file():
                    known = path.stat()
                    yield Listed(key, known.st_size, datetime.fromtimestamp(known.st_mtime, tz=UTC))

    def _require(self) -> None:
        """A folder that is not there, its disk not mounted, says nothing about what was in it."""
        if not self.root.is_dir():
            log.error("the folder of cold files is not there")
            raise StoreUnavailable

    def _path(self, key: str) -> Path:
        return self.root / checked(key)

    def _sync_folders(self, folder: Path) -> None:
        """A new name is durable when its folder is; a new folder, when the one above it is."""
        for each in (folder, *folder.parents):
            handle = os.open(each, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
            if each == self.root:
                return


class Bucket:
    """A store that speaks S3."""

    def __init__(self, *, bucket: str, prefix: str, endpoint: str, region: str, key_id: str, secret: str) -> None:
        import boto3  # most processes never need it, and it takes its time
        from botocore.config import Config

        self._bucket, self._prefix = bucket, prefix
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint or None,
            region_name=region,
            aws_access_key_id=key_id or None,
            aws_secret_access_key=secret or None,
            config=Config(
                connect_timeout=CONNECT_WITHIN_S,
                read_timeout=READ_WITHIN_S,
                retries={"total_max_attempts": TRIES, "mode": "standard"},
                request_checksum_calculation="when_required",  # stores other than Amazon's know no other
                response_checksum_validation="when_required",
            ),
        )

    def put(self, key: str, data: bytes) -> None:
        """See `ObjectStore`."""
        self._call(self._client.put_object, Key=self._name(key), Body=data, ContentType="application/octet-stream")

    def get(self, key: str) -> bytes:
        """See `ObjectStore`."""
        return bytes(self._call(self._whole, Key=self._name(key)))

    def delete(self, key: str) -> None:
        """See `ObjectStore`."""
        self._call(self._client.delete_object, Key=self._name(key))

    def listed(self, prefix: str) -> Iterator[Listed]:
        """See `ObjectStore`."""
        after: dict[str, str] = {}
        while True:
            page = self._call(
                self._client.list_objects_v2, Prefix=f"{self._prefix}{prefix}", MaxKeys=KEYS_A_LIST, **after
            )
            for found in page.get("Contents", ()):
                key = found["Key"].removeprefix(self._prefix)
                yield Listed(key, found["Size"], found["LastModified"])
            if not page.get("IsTruncated"):
                return
            after = {"ContinuationToken": page["NextContinuationToken"]}

    def _whole(self, **named: str) -> Any:
        return self._client.get_object(**named)["Body"].read()

    def _name(self, key: str) -> str:
        return f"{self._prefix}{checked(key)}"

    def _call(self, function: Callable[..., Any], **named: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        try:
            return function(Bucket=self._bucket, **named)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code")
            if code in NOT_THERE:
                raise ObjectMissing(named.get("Key", "")) from None
            log.error("the store of cold files refuses", extra={"answer": code})
        except (BotoCoreError, HTTPClientError, OSError) as error:
            log.error("the store of cold files is away", extra={"error": type(error).__name__})
        raise StoreUnavailable


@contextmanager
def _of_the_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        log.error("the folder of cold files is away", extra={"error": error.strerror})
        raise StoreUnavailable from error


def checked(key: str) -> str:
    """A key that is a plain path below the store and leads nowhere else."""
    if not KEY.fullmatch(key):
        raise ValueError("no key of ours looks like this")
    return key


def store() -> ObjectStore:
    """The store that the settings name."""
    url = urlsplit(settings.COLD_STORE)
    if url.scheme == "s3":
        prefix = url.path.strip("/")
        return _bucket(
            bucket=url.netloc,
            prefix=f"{prefix}/" if prefix else "",
            endpoint=settings.S3_ENDPOINT_URL,
            region=settings.S3_REGION,
            key_id=settings.S3_ACCESS_KEY_ID,
            secret=settings.S3_SECRET_ACCESS_KEY,
        )
    return Folder(Path(url.path) if url.scheme == "file" else Path(settings.MEDIA_ROOT) / "cold")


@functools.cache
def _bucket(**named: str) -> Bucket:
    return Bucket(**named)
