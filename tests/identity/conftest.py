"""An authenticator app of our own, and many hands at once."""

import base64
import hashlib
import hmac
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from kernel.databases import release_connections

IDENTITY = "/api/v1/identity"


def code_at(secret: str, step: int) -> str:
    """RFC 4226, section 5.3, written here once more so that the tests do not believe the library."""
    mac = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    offset = mac[-1] & 15
    return f"{(int.from_bytes(mac[offset : offset + 4], 'big') & 0x7FFFFFFF) % 10**6:06d}"


class App:
    """An authenticator app that never shows a code twice: it looks one step ahead if it must."""

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.last = 0

    def code(self) -> str:
        """A code that is good now and was not shown before."""
        self.last = max(int(time.time()) // 30, self.last + 1)
        return code_at(self.secret, self.last)

    def wrong(self) -> str:
        """A code that is not good now, nor soon."""
        step = int(time.time()) // 30
        near = {code_at(self.secret, step + drift) for drift in range(-2, 4)}
        return next(code for code in map("{:06d}".format, range(10)) if code not in near)


@pytest.fixture
def enrolled(register) -> Callable[..., tuple[Any, App, list[str]]]:
    """Make a person with a second factor: the person, their app, their recovery codes."""

    def enrol(**profile: Any) -> tuple[Any, App, list[str]]:
        person = register(**profile)
        app = App(person.api.post(f"{IDENTITY}/mfa/totp").json()["secret"])
        confirmed = person.api.post(f"{IDENTITY}/mfa/totp/confirm", json={"code": app.code()})
        assert confirmed.status_code == 200
        return person, app, confirmed.json()["recovery_codes"]

    return enrol


def in_parallel(times: int, act: Callable[[int], Any]) -> list[Any]:
    """Call `act(0)`, `act(1)` … at the same moment, each on a thread and database connection of its own."""
    start = threading.Barrier(times, timeout=60)

    def one(number: int) -> Any:
        start.wait()
        try:
            return act(number)
        finally:
            release_connections()

    with ThreadPoolExecutor(times) as hands:
        return list(hands.map(one, range(times)))
