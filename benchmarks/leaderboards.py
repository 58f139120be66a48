"""A finished workout to a frame at its watchers: how long, beside one bare hop through Redis.

The limit is ZADD and PUBLISH in one pipeline to a subscriber that does nothing else. Ours commits WorkoutCompleted,
relays it, writes the award and its event, relays that, copies the total from the ledger to the board, asks identity
for the name and pushes through the hub; the clock stops when the last of a hundred sockets has the frame. Both are
measured in turns, paced so that no frame waits for the 250 ms in which changes are put together.
"""

import asyncio
import json
import time
from typing import Any
from uuid import UUID

from benchmarks.figures import Figure, percentile
from benchmarks.people import people
from benchmarks.programs import relay, web_server

WATCHERS = 100
ATHLETES = 5
ROUNDS = 100
PACE_S = 0.3
AT_MOST_P99_MS = 500
CHANNEL = "bench:board"


def run(*, quick: bool = False) -> list[Figure]:
    """Two lines: the median beside the bare hop, and the 99th percentile."""
    members = people(ATHLETES)
    with web_server() as port, relay():
        bare, ours = asyncio.run(_measure(port, members, rounds=5 if quick else ROUNDS))
    about = f"finished workout to frame, last of {WATCHERS} watchers"
    beside = "ms ZADD + PUBLISH to a subscriber"
    return [
        Figure(
            about=f"{about}, p50", ours=percentile(ours, 50), unit="ms", beside=beside, limit=percentile(bare, 50)
        ),
        Figure(
            about=f"{about}, p99",
            ours=percentile(ours, 99),
            unit="ms",
            beside=beside,
            limit=percentile(bare, 99),
            at_most=AT_MOST_P99_MS,
        ),
    ]


async def _measure(port: int, members: list[Any], *, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each bare hop and of each of ours; the first of each warms up and is dropped."""
    watchers = [await _watch(port, members[n % ATHLETES].token) for n in range(WATCHERS)]
    subscriber = await _subscriber()
    bare, ours = [], []
    for number in range(rounds + 1):
        await asyncio.sleep(PACE_S)
        bare.append(await _bare_hop(subscriber, number))
        ours.append(await _our_hop(watchers, members[number % ATHLETES].user_id))
    await asyncio.gather(subscriber.aclose(), *(watcher.close() for watcher in watchers))
    return bare[1:], ours[1:]


async def _watch(port: int, token: str) -> Any:
    import websockets

    uri = f"ws://127.0.0.1:{port}/ws/v1/gamification/leaderboards/daily"
    watcher = await websockets.connect(uri, subprotocols=["stayer.v1", f"bearer.{token}"], max_queue=None)
    board = json.loads(await watcher.recv())
    if board["type"] != "board":
        raise RuntimeError(f"not a board: {board}")
    return watcher


async def _subscriber() -> Any:
    import redis.asyncio
    from django.conf import settings

    pubsub = redis.asyncio.Redis.from_url(settings.REDIS_URL).pubsub()
    await pubsub.subscribe(CHANNEL)
    await pubsub.get_message(timeout=5)
    return pubsub


async def _bare_hop(subscriber: Any, number: int) -> float:
    heard = asyncio.create_task(subscriber.get_message(ignore_subscribe_messages=True, timeout=5))
    await asyncio.sleep(0)
    began = time.perf_counter()
    await asyncio.to_thread(_bare_update, number)
    await heard
    return (time.perf_counter() - began) * 1000


def _bare_update(number: int) -> None:
    from kernel.databases import redis_client

    with redis_client().pipeline(transaction=False) as pipe:
        pipe.zadd(CHANNEL, {"somebody": number})
        pipe.publish(CHANNEL, b'{"entries":[{"points":1,"rank":1}]}')
        pipe.execute()


async def _our_hop(watchers: list[Any], athlete: UUID) -> float:
    began = time.perf_counter()
    heard = [asyncio.create_task(_next_change(watcher)) for watcher in watchers]
    await asyncio.to_thread(_finish_workout, athlete)
    await asyncio.gather(*heard)
    return (time.perf_counter() - began) * 1000


async def _next_change(watcher: Any) -> None:
    while json.loads(await asyncio.wait_for(watcher.recv(), 10))["type"] != "changes":
        pass


def _finish_workout(athlete: UUID) -> None:
    """What workout announces when a live session of a minute ends."""
    from django.utils.timezone import now

    from contexts.workout.events import WorkoutCompleted
    from kernel.bus import publish
    from kernel.databases import release_connections, unit_of_work
    from kernel.models import uuid7

    moment = now()
    finished = WorkoutCompleted(
        session_id=uuid7(),
        user_id=athlete,
        sport="running",
        started_at=moment,
        ended_at=moment,
        duration_s=60.0,
        moving_s=60.0,
        distance_m=None,
        energy_kcal=None,
        visibility="private",
        time_zone="UTC",
        source="live",
        occurred_at=moment,
    )
    unit_of_work("workout")(publish)(finished)
    release_connections()
