"""One room, a thousand sockets: what our chat delivers a second, beside a hub that does nothing else.

Both servers are one uvicorn process with the same options, both are measured in the same run, and the crowd
of clients lives in a process of its own. The bare hub is the limit: no framework, no sign-in, no database, a
loop over its sockets. Ours checks tokens, stores each message with its number in PostgreSQL and hands it on
through Redis. `run()` expects Django to be set up and the engines to be up.
"""

import asyncio
import base64
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SOCKETS = 1_000
SENDERS = 50
MESSAGES_A_SENDER = 6
ROUNDS = 3
PACED_MESSAGES = 30
PACE_S = 0.2
TARGET = 0.3

UVICORN = ["--loop", "uvloop", "--http", "httptools", "--ws", "websockets-sansio", "--log-level", "warning"]
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


def run() -> dict[str, Any]:
    """Measure both and print them; returns the figures."""
    bare = _measure("benchmarks.chat:bare_hub", path="/", tokens=[], room_id="0" * 36)
    tokens, room_id = _fill_a_room()
    ours = _measure("config.asgi:application", path="/ws/v1/social/chat", tokens=tokens, room_id=room_id)
    ratio = ours["deliveries_per_s"] / bare["deliveries_per_s"]
    print(f"chat: one room, {SOCKETS} sockets, {SENDERS} people writing; median of {ROUNDS} rounds")
    for name, figure in (("bare ASGI hub", bare), ("our chat", ours)):
        print(
            f"  {name:14} {figure['deliveries_per_s']:>9,.0f} deliveries/s"
            f"   at {1 / PACE_S:.0f} messages/s: p50 {figure['p50_ms']:.1f} ms  p99 {figure['p99_ms']:.1f} ms"
            f"   lost {figure['lost']}"
        )
    print(f"  ratio {ratio:.2f} (target {TARGET})")
    return {"bare": bare, "ours": ours, "ratio": ratio, "target": TARGET}


def _fill_a_room() -> tuple[list[str], str]:
    """A room of a thousand members straight in the database, and a signed token for each of them."""
    from django.utils.timezone import now

    from contexts.social.models import Membership, Room
    from kernel.models import uuid7

    members, at = [uuid7() for _ in range(SOCKETS)], now()
    room = Room.objects.create(
        kind="group",
        title="Everybody",
        created_by=members[0],
        created_at=at,
        active_at=at,
        member_count=SOCKETS,
    )
    Membership.objects.bulk_create(Membership(room=room, user_id=member, joined_at=at) for member in members)
    return [_token_for(member) for member in members], str(room.id)


def _token_for(user_id: Any) -> str:
    raise NotImplementedError


def _measure(application: str, **plan: Any) -> dict[str, Any]:
    """Start one server, send the crowd against it, and bring back what the crowd saw."""
    with _server(application) as port:
        crowd = subprocess.run(
            [sys.executable, "-m", "benchmarks.chat"],
            input=json.dumps({"port": port, **plan}),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    if crowd.returncode:
        raise RuntimeError(crowd.stderr)
    figures: dict[str, Any] = json.loads(crowd.stdout)
    return figures


@contextmanager
def _server(application: str) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port", str(port), *UVICORN]
    )
    try:
        _await_listening(process, port)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()


def _await_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server did not start")


class Crowd:
    """The clients: counts what arrives, and times it while `sampling`."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.people: list[Person] = []
        self.arrived = self.refused = self.ready = 0
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

    async def paced(self) -> None:
        """A message at a steady pace; every delivery is timed."""
        self._expect(PACED_MESSAGES * SOCKETS)
        self.sampling = True
        for number in range(PACED_MESSAGES):
            self.people[number % SENDERS].say()
            await asyncio.sleep(PACE_S)
        await self._everything(timeout=30)
        self.sampling = False

    async def burst(self) -> float:
        """Each writer says the next thing on seeing their last one; answers the deliveries a second."""
        self._expect(SENDERS * MESSAGES_A_SENDER * SOCKETS)
        started = time.perf_counter()
        for person in self.people[:SENDERS]:
            person.left = MESSAGES_A_SENDER
            person.say_next()
        await self._everything(timeout=60)
        return self.arrived / (time.perf_counter() - started)

    def _expect(self, deliveries: int) -> None:
        self.arrived, self.expected = 0, deliveries
        self.done.clear()

    async def _everything(self, *, timeout: float) -> None:
        try:
            await asyncio.wait_for(self.done.wait(), timeout)
        except TimeoutError:
            self.lost += self.expected - self.arrived

    lost = 0

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
            crowd.refused += data.find(b'"refused"', start, end) >= 0
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


async def load(plan: dict[str, Any]) -> dict[str, Any]:
    """What a crowd of this plan sees."""
    crowd = Crowd(plan)
    await crowd.gather()
    await crowd.paced()
    rates = [await crowd.burst() for _ in range(ROUNDS)]
    latencies_ms = sorted(ns / 1e6 for ns in crowd.latencies_ns)
    return {
        "deliveries_per_s": statistics.median(rates),
        "rounds": rates,
        "p50_ms": latencies_ms[len(latencies_ms) // 2],
        "p99_ms": latencies_ms[len(latencies_ms) * 99 // 100],
        "lost": crowd.lost,
        "refused": crowd.refused,
    }


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(load(json.load(sys.stdin)))))
