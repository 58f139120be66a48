"""Live sessions: a thousand athletes train and are watched; how soon a reading is on a watcher's screen.

Each athlete's phone sends samples over HTTP, each session has a watcher on a socket. The limit is the same web server
answering a bare Django view at the same pace: what of the time is the server's, and what is ours.
"""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.figures import Figure, percentile
from benchmarks.people import Person, people
from benchmarks.programs import web_server

SESSIONS = 1_000
READINGS = 600
PACE_S = 0.02
TARGET_MS = 300


def run(*, quick: bool) -> list[Figure]:
    """Play it once."""
    count, readings = (50, 50) if quick else (SESSIONS, READINGS)
    athletes = people(count)
    sessions = _start(athletes)
    with web_server() as port:
        answered, seen = asyncio.run(_play(port, athletes, sessions, readings))
    return [
        Figure(
            about=f"live: reading in to frame out, {count:,} sessions, {1 / PACE_S:.0f} readings/s, p95",
            ours=percentile(seen, 95),
            unit="ms",
            beside="answer to the phone, p95",
            limit=percentile(answered, 95),
            at_most=TARGET_MS,
            note=f"p50 {percentile(seen, 50):,.0f} ms; {readings - len(seen)} lost",
        )
    ]


def _start(athletes: Sequence[Person]) -> list[str]:
    from django.utils.timezone import now

    from contexts.workout.recording import tracking

    return [
        str(
            tracking.start_session(
                sport="running", visibility="private", time_zone="UTC", by=athlete.user_id, at=now()
            ).pk
        )
        for athlete in athletes
    ]


async def _play(
    port: int, athletes: Sequence[Person], sessions: Sequence[str], readings: int
) -> tuple[list[float], list[float]]:
    url = f"ws://127.0.0.1:{port}/ws/v1/workout/sessions/"
    sockets = [
        await connect(url + session, subprotocols=["stayer.v1", f"bearer.{athlete.token}"], max_queue=None)  # type: ignore[list-item]
        for athlete, session in zip(athletes, sessions, strict=True)
    ]
    sent: dict[tuple[int, int], float] = {}
    seen: list[float] = []
    answered: list[float] = []
    listeners = [asyncio.create_task(_listen(socket, nth, sent, seen)) for nth, socket in enumerate(sockets)]
    limits = httpx.Limits(max_connections=32)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", limits=limits, timeout=30) as api:
        posts = []
        for number in range(readings):
            nth = number % len(sessions)
            posts.append(asyncio.create_task(_send(api, athletes[nth], sessions[nth], nth, number, sent, answered)))
            await asyncio.sleep(PACE_S)
        await asyncio.gather(*posts)
        await asyncio.sleep(1)
    for listener in listeners:
        listener.cancel()
    for socket in sockets:
        await socket.close()
    return answered, seen


async def _send(
    api: httpx.AsyncClient,
    athlete: Person,
    session: str,
    nth: int,
    number: int,
    sent: dict[tuple[int, int], float],
    answered: list[float],
) -> None:
    bpm = 60 + number // SESSIONS
    began = sent[nth, bpm] = time.perf_counter()
    series = [{"kind": "heart_rate", "times_ms": [int(time.time() * 1_000)], "values": [bpm]}]
    answer = await api.post(
        f"/api/v1/workout/sessions/{session}/samples",
        json={"series": series},
        headers={"Authorization": f"Bearer {athlete.token}"},
    )
    answer.raise_for_status()
    answered.append(1_000 * (time.perf_counter() - began))


async def _listen(socket: ClientConnection, nth: int, sent: dict[tuple[int, int], float], seen: list[float]) -> None:
    async for text in socket:
        frame: dict[str, Any] = json.loads(text)
        if frame["type"] == "samples":
            for _, bpm in frame["heart_rate"]:
                seen.append(1_000 * (time.perf_counter() - sent[nth, int(bpm)]))
