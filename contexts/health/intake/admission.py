"""Back-pressure: how much of what devices send is in hand at one moment. Who comes in vain hears when to come again.

Nothing is lost by it: a refused request is stored nowhere and acknowledged nowhere, so its device keeps the readings.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from contexts.health import rules
from kernel.access import RateLimited

DEVICES_REMEMBERED = 10_000
COME_AGAIN_S = 1.0


class TooBusy(RateLimited):
    """The server has its hands full; send these readings again after Retry-After."""


_lock = threading.Lock()
_in_hand = 0
_due: dict[int, float] = {}
"""By device: when its next request would come if it kept to its rate (GCRA)."""


@contextmanager
def admitted(device_number: int) -> Iterator[None]:
    """A place among the requests that are being taken in, or `TooBusy` with the seconds to wait."""
    global _in_hand
    with _lock:
        if _in_hand >= rules.TAKEN_AT_ONCE:
            raise _too_busy(COME_AGAIN_S)
        _count_one(device_number)
        _in_hand += 1
    try:
        yield
    finally:
        with _lock:
            _in_hand -= 1


def is_within_rate(device_number: int) -> bool:
    """Count a request that is served with others; false, uncounted, if its device has to wait."""
    with _lock:
        try:
            _count_one(device_number)
        except TooBusy:
            return False
    return True


def _count_one(device_number: int) -> None:
    now = time.monotonic()
    interval = 1 / rules.REQUESTS_A_SECOND
    due = max(_due.get(device_number, now), now) + interval
    wait = due - now - interval * rules.REQUESTS_AT_ONCE
    if wait > 0:
        raise _too_busy(wait)
    if len(_due) >= DEVICES_REMEMBERED:
        _due.clear()
    _due[device_number] = due


def _too_busy(seconds: float) -> TooBusy:
    refusal = TooBusy()
    refusal.retry_after = seconds
    return refusal
