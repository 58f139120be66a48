"""The keys tokens are signed with: a ring of RSA keys, each with its id (`kid`), the newest active one in use.

A ring is a folder (`TOKEN_KEYS`): `<kid>.pem` can sign, `<kid>.pub.pem` only verifies. A kid begins with the time
from which it may sign, so that a new key is known everywhere before the first token needs it. A context that runs
by itself has no folder but the address of the platform's JWKS (`TOKEN_JWKS_URL`, RFC 7517), and can verify only.

Such a context signs what it asks its neighbours with keys of its own (`SERVICE_KEYS`), whose public halves lie in the
platform's ring as `service-<context>-….pub.pem`: they verify service tokens of that context, and nothing else.
"""

import base64
import functools
import itertools
import logging
import re
import secrets
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from django.conf import settings

log = logging.getLogger(__name__)

ALGORITHM = "RS256"
KEY_BITS = 2048
KNOWN_BEFORE_USE = timedelta(minutes=10)
"""A new key is published this long before it signs: twice as long as a JWKS may be kept."""
JWKS_KEPT_S = 300
READ_AGAIN = 4
LOOK_AGAIN_S = 1.0
FETCH_AGAIN_S = 10.0
FETCH_WITHIN_S = 5.0
LEEWAY_S = 10
"""How far the clocks of two machines may differ."""
KID = re.compile(r"[A-Za-z0-9-]{1,64}")
HEADER = {"alg", "kid", "typ"}
"""All that a token of ours says before it is verified: what it brings along (`jwk`, `jku`, `crit` …) is not read."""
_OWNED = re.compile(r"service-([a-z]+)-")
_STAMP = "%Y%m%dT%H%M%SZ"


class NoSigningKey(Exception):
    """This process verifies tokens; it has no key to make any."""


@dataclass(frozen=True)
class Keys:
    """The keys of one moment."""

    public: Mapping[str, RSAPublicKey] = field(default_factory=dict)
    private: Mapping[str, RSAPrivateKey] = field(default_factory=dict)


class Ring(Protocol):
    """Where keys come from."""

    def keys(self, *, wanted: str | None = None) -> Keys:
        """The keys as they are known; `wanted` is a kid that is worth another look."""


class Folder:
    """A ring on disk, looked at once a second at most and read again when it has changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._looked_at = float("-inf")
        self._seen: tuple[int, list[str]] = (-1, [])
        self._keys = Keys()
        self._looking = threading.Lock()

    def keys(self, *, wanted: str | None = None) -> Keys:
        """See `Ring`; no kid is worth another look within the second."""
        # The first keys are waited for; later on all but the one who looks go on with what is known.
        if self._is_due() and self._looking.acquire(blocking=not self._keys.public):
            try:
                if self._is_due():
                    self._look()
                    self._looked_at = time.monotonic()
            finally:
                self._looking.release()
        return self._keys

    def _is_due(self) -> bool:
        return time.monotonic() - self._looked_at >= LOOK_AGAIN_S

    def _look(self) -> None:
        try:
            # The names as well: two changes within one tick of the clock leave the same time.
            seen = self.path.stat().st_mtime_ns, sorted(file.name for file in self.path.iterdir())
            if seen != self._seen:
                self._keys, self._seen = _read(self.path), seen
        except (OSError, ValueError):  # a file has gone while we read, or cannot be read
            if not self._keys.public:
                raise
            log.exception("the key ring cannot be read; the keys known so far stay in use")


def _read(folder: Path) -> Keys:
    """Every key there; begun anew where one was retired between being listed and being read."""
    for _ in range(READ_AGAIN):
        with suppress(FileNotFoundError):
            return _read_once(folder)
    return _read_once(folder)


def _read_once(folder: Path) -> Keys:
    public: dict[str, RSAPublicKey] = {}
    private: dict[str, RSAPrivateKey] = {}
    for file in sorted(folder.glob("*.pem")):
        kid = file.name.removesuffix(".pem").removesuffix(".pub")
        if file.name.endswith(".pub.pem"):
            loaded: Any = load_pem_public_key(file.read_bytes())
            public.setdefault(kid, loaded)
        else:
            opened: Any = load_pem_private_key(file.read_bytes(), None)
            private[kid], public[kid] = opened, opened.public_key()
    return Keys(public, private)


class Published:
    """The platform's JWKS. The last good answer is kept while the address does not answer."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._asked_at = float("-inf")
        self._keys = Keys()
        self._asking = threading.Lock()

    def keys(self, *, wanted: str | None = None) -> Keys:
        """See `Ring`; an unknown kid is asked for at once, but not more often than every ten seconds."""
        # Who needs a new key waits for the one who asks; all others go on with what is known.
        if self._is_due(wanted) and self._asking.acquire(blocking=self._is_missing(wanted)):
            try:
                if self._is_due(wanted):
                    self._ask()
            finally:
                self._asking.release()
        return self._keys

    def _is_missing(self, wanted: str | None) -> bool:
        return wanted is not None and wanted not in self._keys.public

    def _is_due(self, wanted: str | None) -> bool:
        age = time.monotonic() - self._asked_at
        return age >= (FETCH_AGAIN_S if self._is_missing(wanted) else JWKS_KEPT_S)

    def _ask(self) -> None:
        try:
            self._keys = self._fetch()
        except (httpx.HTTPError, ValueError, TypeError, KeyError, jwt.PyJWTError):
            log.exception("the JWKS cannot be read; the keys known so far stay in use")
        self._asked_at = time.monotonic()

    def _fetch(self) -> Keys:
        answer = httpx.get(self.url, timeout=FETCH_WITHIN_S).raise_for_status().json()
        told = [key for key in answer["keys"] if isinstance(key, dict)]
        ours = [key for key in told if key.get("kty") == "RSA" and key.get("use", "sig") == "sig"]
        found = {key["kid"]: jwt.algorithms.RSAAlgorithm.from_jwk(key) for key in ours}
        public = {kid: key for kid, key in found.items() if isinstance(key, RSAPublicKey)}
        if not public:
            raise ValueError("there is no key in it")
        return Keys(public)


@functools.cache
def ring() -> Ring:
    """The ring of this process."""
    if settings.TOKEN_JWKS_URL:
        return Published(settings.TOKEN_JWKS_URL)
    return Folder(Path(settings.TOKEN_KEYS))


@functools.cache
def service_ring() -> Ring:
    """Where this process has what it signs service tokens with: keys of its own, or the platform's."""
    return Folder(Path(settings.SERVICE_KEYS)) if settings.SERVICE_KEYS else ring()


def verifying_key(token: str) -> RSAPublicKey:
    """The key of the platform that a token names; raises `KeyError` for a name outside the ring."""
    kid, key = named_key(token)
    if owner_of(kid) is not None:
        raise KeyError("a context's own key signs no tokens of people")
    return key


def named_key(token: str) -> tuple[str, RSAPublicKey]:
    """The name and the key a token asks to be verified with; raises `KeyError` or a `jwt.PyJWTError`."""
    header = jwt.get_unverified_header(token)
    kid = header.get("kid")
    if not isinstance(kid, str) or not KID.fullmatch(kid) or not HEADER.issuperset(header):
        raise KeyError("no token of ours begins like this")
    return kid, ring().keys(wanted=kid).public[kid]


def owner_of(kid: str) -> str | None:
    """The one context whose service tokens this key verifies; nothing for a key of the platform."""
    owned = _OWNED.match(kid)
    return owned[1] if owned else None


def signing_key(*, at: datetime) -> tuple[str, RSAPrivateKey]:
    """The newest key that may sign at `at`, with its name."""
    private = ring().keys().private
    return _newest({kid: key for kid, key in private.items() if owner_of(kid) is None}, at=at)


def service_signing_key(*, at: datetime) -> tuple[str, RSAPrivateKey]:
    """The key that signs service tokens at `at`, with its name."""
    return _newest(service_ring().keys().private, at=at)


def _newest(private: Mapping[str, RSAPrivateKey], *, at: datetime) -> tuple[str, RSAPrivateKey]:
    if not private:
        raise NoSigningKey
    active = [kid for kid in private if active_from(kid) <= at]
    kid = max(active or private, key=active_from)
    return kid, private[kid]


def active_from(kid: str) -> datetime:
    """The time a kid begins with; the beginning of time for a name that has none."""
    try:
        return datetime.strptime(_OWNED.sub("", kid)[:16], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def jwks() -> dict[str, Any]:
    """Every verifying key, the coming one too, as a JSON Web Key Set."""
    return {"keys": [_jwk(kid, key) for kid, key in sorted(ring().keys().public.items())]}


def _jwk(kid: str, key: RSAPublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    head = {"kty": "RSA", "use": "sig", "alg": ALGORITHM, "kid": kid}
    return head | {"n": _base64url(numbers.n), "e": _base64url(numbers.e)}


def _base64url(number: int) -> str:
    octets = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def add_key(folder: Path, *, active_at: datetime, owner: str | None = None) -> str:
    """Make a key that signs from `active_at` on; answers its name. `owner` is the context that alone will use it."""
    stamp = f"{active_at.astimezone(UTC):{_STAMP}}-{secrets.token_hex(4)}"
    kid = f"service-{owner}-{stamp}" if owner else stamp
    made = generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write(folder / f"{kid}.pem", made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return kid


def publish_key(kid: str, *, of: Path, into: Path) -> None:
    """Let a ring verify with a key of another folder."""
    public = _read(of).public[kid]
    _write(into / f"{kid}.pub.pem", public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _write(file: Path, content: bytes) -> None:
    coming = file.with_suffix(".coming")
    coming.touch(mode=0o600)
    coming.write_bytes(content)
    coming.rename(file)  # a reader sees the whole key or none


def retire_keys(folder: Path, *, unused_since: datetime) -> list[str]:
    """Forget the private half of keys that had a successor at `unused_since`; the public half goes on verifying.

    Keys retired before that are forgotten altogether, and services' keys at once: no token of theirs lives any more.
    """
    known = _read(folder)
    for retired in folder.glob("*.pub.pem"):
        if owner_of(retired.name) is None and retired.stat().st_mtime <= unused_since.timestamp():
            retired.unlink()
    for owner in {owner_of(kid) for kid in known.public} - {None}:
        for kid in _succeeded([kid for kid in known.public if owner_of(kid) == owner], by=unused_since):
            (folder / f"{kid}.pub.pem").unlink()
    succeeded = _succeeded(known.private, by=unused_since)
    for kid in succeeded:
        publish_key(kid, of=folder, into=folder)
        (folder / f"{kid}.pem").unlink()
    return succeeded


def _succeeded(kids: Iterable[str], *, by: datetime) -> list[str]:
    in_order = sorted(kids, key=active_from)
    return [kid for kid, after in itertools.pairwise(in_order) if active_from(after) <= by]


def forget_key(folder: Path, kid: str) -> bool:
    """Refuse every token of a key from now on: it has leaked. Answers whether the ring had it."""
    files = [file for file in folder.glob("*.pem") if file.name in (f"{kid}.pem", f"{kid}.pub.pem")]
    for file in files:
        file.unlink()
    return bool(files)
