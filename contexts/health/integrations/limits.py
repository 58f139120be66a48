"""How often vendors are asked: by our own rates, and as long as they have said that they want to be left alone.

Who must wait is told for how long, and the row of what was wanted stays: nothing is lost by it.
"""

import math
from datetime import timedelta
from uuid import UUID

import redis

from contexts.health.integrations.contract import Adapter, Throttled
from kernel.access import RateLimit, RateLimited
from kernel.databases import redis_client
from kernel.errors import TryAgain

LONGEST_WAIT_S = 6 * 3600.0
AGAIN_S = 30.0


def take(adapter: Adapter, connection_id: UUID) -> None:
    """Count one request about this person; raises `Throttled` where it has to wait."""
    name = adapter.vendor.name
    try:
        waits = [redis_client().pttl(key) for key in (_key(name), _key(name, connection_id))]
        if (longest := max(int(str(wait)) for wait in waits)) > 0:
            raise Throttled(longest / 1000)
        RateLimit(adapter.of_person).take(f"integrations:{name}:{connection_id}")
        RateLimit(adapter.of_everybody).take(f"integrations:{name}")
    except RateLimited as refusal:
        raise Throttled(refusal.retry_after or AGAIN_S) from None
    except (TryAgain, redis.RedisError):
        raise Throttled(AGAIN_S) from None


def leave_alone(adapter: Adapter, connection_id: UUID, told: Throttled) -> float:
    """Remember what a vendor has told us; returns how many seconds it is."""
    seconds = min(max(told.seconds, 1.0), LONGEST_WAIT_S)
    key = _key(adapter.vendor.name) if told.everybody else _key(adapter.vendor.name, connection_id)
    redis_client().set(key, b"1", px=math.ceil(seconds * 1000))
    return seconds


def is_first_for(what: str, lasts: timedelta) -> bool:
    """Whether nobody has tried this for so long; whoever asks is the one who tries."""
    return bool(redis_client().set(f"integrations:{what}", b"1", px=lasts, nx=True))


def _key(vendor: str, connection_id: UUID | None = None) -> str:
    return f"integrations:wait:{vendor}:{connection_id or 'everybody'}"
