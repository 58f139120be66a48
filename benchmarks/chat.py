"""One room, a thousand sockets: what our chat delivers a second, beside a hub that does nothing else.

Both servers are one process served like ours, both are measured in turns, and each crowd of clients lives in a
process of its own. The bare hub is the limit: no framework, no sign-in, no database, a loop over its sockets. Ours
checks tokens, stores each message with its number in PostgreSQL and hands it on through Redis.
"""

import asyncio
import base64
import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from benchmarks.figures import Figure
from benchmarks.people import people
from benchmarks.programs import OURS, web_server

SOCKETS = 1_000
SENDERS = 50
MESSAGES_A_SENDER = 3
ROUNDS = 3
PACED_MESSAGES = 30
PACE_S = 0.2
TARGET = 0.3

MARK = b"~t"
PADDING = "so that the frame is about as long as a line people really write, and not an empty one"

_hub: set[Any] = set()


async def bare_hub(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """The limit: an ASGI application that writes what one socket says to all of them."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept", "subprotocol": "stayer.v1"})
    await send({"type": "websocket.send", "text": '{"type":"ready"}'})
    _hub.add(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            frame = {"type": "websocket.send", "text": message["text"]}
            for each in _hub:
                await each(frame)
    finally:
        _hub.discard(send)


def run(*, quick: bool) -> list[Figure]:
    """Measure both in turns."""
    tokens, room_id = _fill_a_room()
    with ExitStack() as stack:
        bare = stack.enter_context(_crowd_at("benchmarks.chat:bare_hub", path="/", tokens=[], room_id=room_id))
        ours = stack.enter_context(_crowd_at(OURS, path="/ws/v1/social/chat", tokens=tokens, room_id=room_id))
        for each in (bare, ours):
            each.tell("paced")
        for _ in range(1 if quick else ROUNDS):
            bare.tell("burst")
            ours.tell("burst")
    return list(_figures(bare, ours))


def _figures(bare: "RemoteCrowd", ours: "RemoteCrowd") -> Iterator[Figure]:
    yield Figure(
        about=f"chat: one room, {SOCKETS:,} sockets, {SENDERS} people writing",
        ours=statistics.median(ours.rates),
        unit="deliveries/s",
        beside="bare ASGI hub",
        limit=statistics.median(bare.rates),
        at_least=TARGET,
        of_ratio=True,
        note=f"{ours.figures['lost']} lost, refused: {ours.figures['refused'] or 'none'}",
    )
    for percent in ("p50", "p99"):
        yield Figure(
            about=f"chat: {1 / PACE_S:.0f} messages/s in that room, {percent}",
            ours=ours.figures[f"{percent}_ms"],
            unit="ms",
            beside="bare ASGI hub",
            limit=bare.figures[f"{percent}_ms"],
        )


def _fill_a_room() -> tuple[list[str], str]:
    """A room of a thousand people straight in the database, and a signed token for each of them."""
    from django.utils.timezone import now

    from contexts.social.models import Membership, Room

    at, members = now(), people(SOCKETS)
    room = Room.objects.create(
        kind=Room.Kind.GROUP,
        title="Everybody",
        created_by=members[0].user_id,
        created_at=at,
        active_at=at,
        member_count=SOCKETS,
    )
    Membership.objects.bulk_create(Membership(room=room, user_id=m.user_id, joined_at=at) for m in members)
    return [member.token for member in members], str(room.id)


class RemoteCrowd:
    """The crowd's process, told what to do next."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.figures: dict[str, Any] = {}
        self.rates: list[float] = []

    def tell(self, what: str) -> None:
        """Let the crowd do one thing and take what it saw."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(what + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the crowd has gone")
        seen = json.loads(answer)
        if "deliveries_per_s" in seen:
            self.rates.append(seen.pop("deliveries_per_s"))
        self.figures |= seen


@contextmanager
def _crowd_at(application: str, **plan: Any) -> Iterator[RemoteCrowd]:
    """A server of this application and a crowd that is connected to it."""
    with web_server(application) as port, crowd(port, **plan) as connected:
        yield connected


@contextmanager
def crowd(port: int, **plan: Any) -> Iterator[RemoteCrowd]:
    """A thousand clients that are connected to this port."""
    command = [sys.executable, "-m", "benchmarks.chat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        remote = RemoteCrowd(process)
        remote.tell(json.dumps({"port": port, **plan}))
        yield remote


class Crowd:
    """The clients: counts what arrives, and times it while `sampling`."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.people: list[Person] = []
        self.arrived = self.lost = self.ready = 0
        self.refused: Counter[str] = Counter()
        self.expected = 0
        self.sampling = False
        self.latencies_ns: list[int] = []
        self.done = asyncio.Event()

    async def gather(self) -> None:
        """Connect everybody and wait until the server has greeted each."""
        loop = asyncio.get_running_loop()
        tokens = self.plan["tokens"] or [""] * SOCKETS
        for start in range(0, SOCKETS, 25):
            batch = [
                loop.create_connection(lambda t=token: Person(self, t), "127.0.0.1", self.plan["port"])
                for token in tokens[start : start + 25]
            ]
            self.people += [person for _, person in await asyncio.gather(*batch)]
        deadline = time.monotonic() + 60
        while self.ready < SOCKETS:
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {self.ready} of {SOCKETS} sockets opened")
            await asyncio.sleep(0.05)

    async def paced(self) -> dict[str, float]:
        """A message at a steady pace; every delivery is timed."""
        self._expect(PACED_MESSAGES * SOCKETS)
        self.sampling = True
        for number in range(PACED_MESSAGES):
            self.people[number % SENDERS].say()
            await asyncio.sleep(PACE_S)
        await self._everything(timeout=30)
        self.sampling = False
        ms = sorted(ns / 1e6 for ns in self.latencies_ns)
        return {"p50_ms": ms[len(ms) // 2], "p99_ms": ms[len(ms) * 99 // 100]}

    async def burst(self) -> dict[str, float]:
        """Each writer says the next thing on seeing their last one; answers the deliveries a second."""
        self._expect(SENDERS * MESSAGES_A_SENDER * SOCKETS)
        started = time.perf_counter()
        for person in self.people[:SENDERS]:
            person.left = MESSAGES_A_SENDER
            person.say_next()
        await self._everything(timeout=60)
        return {"deliveries_per_s": self.arrived / (time.perf_counter() - started)}

    def _expect(self, deliveries: int) -> None:
        self.arrived, self.expected = 0, deliveries
        self.done.clear()

    async def _everything(self, *, timeout: float) -> None:
        try:
            await asyncio.wait_for(self.done.wait(), timeout)
        except TimeoutError:
            self.lost += self.expected - self.arrived

    def deliver(self) -> None:
        """One message reached one socket."""
        self.arrived += 1
        if self.arrived == self.expected:
            self.done.set()


class Person(asyncio.Protocol):
    """One WebSocket client, as small as it can be: it shares the machine with what it measures."""

    def __init__(self, crowd: Crowd, token: str) -> None:
        self.crowd = crowd
        self.token = token
        self.rest = b""
        self.open = False
        self.left = 0
        self.said = 0
        self.awaits = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        offered = f"stayer.v1, bearer.{self.token}" if self.token else "stayer.v1"
        transport.write(
            f"GET {self.crowd.plan['path']} HTTP/1.1\r\nHost: 127.0.0.1:{self.crowd.plan['port']}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
            f"Sec-WebSocket-Protocol: {offered}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if self.rest:
            data, self.rest = self.rest + data, b""
        position = 0 if self.open else self._handshake(data)
        size = len(data)
        while size - position >= 2:
            length, start = data[position + 1], position + 2
            if length == 126:
                length, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            elif length == 127:
                length, start = int.from_bytes(data[start : start + 8], "big"), start + 8
            if start + length > size:
                break
            self._frame(data[position] & 15, data, start, start + length)
            position = start + length
        self.rest = data[position:]

    def _handshake(self, data: bytes) -> int:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        if not data.startswith(b"HTTP/1.1 101"):
            raise RuntimeError(data[:200].decode())
        self.open = True
        return end + 4

    def _frame(self, opcode: int, data: bytes, start: int, end: int) -> None:
        if opcode == 9:
            self._send(10, data[start:end])
        if opcode != 1:
            return
        crowd = self.crowd
        at = data.find(MARK, start, end)
        if at < 0:
            crowd.ready += data.find(b'"ready"', start, end) >= 0
            if data.find(b'"refused"', start, end) >= 0:
                crowd.refused[str(json.loads(data[start:end])["code"])] += 1
                self.left += bool(self.awaits)
                self.say_next()
            return
        if crowd.sampling:
            crowd.latencies_ns.append(time.monotonic_ns() - int(data[at + 2 : at + 21]))
        crowd.deliver()
        if self.awaits and data.find(self.awaits, start, end) >= 0:
            self.awaits = b""
            self.say_next()

    def say_next(self) -> None:
        """Say something and go on when it has come back, until nothing is left to say."""
        if self.left:
            self.left -= 1
            self.awaits = self.say()

    def say(self) -> bytes:
        """Send one message; returns what it can be known by."""
        self.said += 1
        known_by = f"{id(self)}.{self.said}"
        frame = {
            "type": "send",
            "room_id": self.crowd.plan["room_id"],
            "client_message_id": known_by,
            "text": f"{MARK.decode()}{time.monotonic_ns():019d} {PADDING}",
        }
        self._send(1, json.dumps(frame).encode())
        return f'"{known_by}"'.encode()

    def _send(self, opcode: int, payload: bytes) -> None:
        # Clients must mask; a mask of zeros leaves the bytes as they are.
        size = len(payload)
        length = bytes([128 | size]) if size < 126 else bytes([254]) + size.to_bytes(2, "big")
        self.transport.write(bytes([128 | opcode]) + length + b"\0\0\0\0" + payload)


async def obey() -> None:
    """Connect as the plan on the first line says, then do what each further line says and tell what was seen."""
    loop = asyncio.get_running_loop()
    crowd = Crowd(json.loads(await loop.run_in_executor(None, sys.stdin.readline)))
    await crowd.gather()
    print("{}", flush=True)
    while what := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        seen: dict[str, Any] = await {"paced": crowd.paced, "burst": crowd.burst}[what]()
        print(json.dumps(seen | {"lost": crowd.lost, "refused": crowd.refused}), flush=True)


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(obey())
