"""The HTTP client of the benchmarks: a process of its own, and far lighter than what it measures.

`load(...)` sends prepared requests over some connections, each waiting for its answer before the next, and tells
how long that took.
"""

import asyncio
import json
import pickle
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Told:
    """What the client saw."""

    per_second: float
    p50_ms: float
    p99_ms: float


def load(port: int, requests: Sequence[bytes], *, times: int = 1, connections: int = 4, status: str = "200") -> Told:
    """Send each request `times` times; raises `RuntimeError` unless every answer has this status."""
    plan = pickle.dumps((port, list(requests), times, connections))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"], input=plan, stdout=subprocess.PIPE, check=True, timeout=120
    )
    told = json.loads(done.stdout)
    if set(told["statuses"]) != {status}:
        raise RuntimeError(f"answers: {told['statuses']}, one of them {told['refusal']}")
    return Told(told["per_second"], told["p50_ms"], told["p99_ms"])


def request(method: str, path: str, *, body: bytes = b"", **headers: str) -> bytes:
    """An HTTP request as bytes; `Content_Type="…"` becomes the header `Content-Type`."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the last is answered."""

    def __init__(self, requests: Iterator[bytes], seen: "Seen") -> None:
        self.requests, self.seen = requests, seen
        self.done = asyncio.get_running_loop().create_future()
        self.answer = b""
        self.whole = 0
        self.sent_at = 0.0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.send_next()

    def send_next(self) -> None:
        following = next(self.requests, None)
        if following is None:
            self.done.set_result(None)
            return
        self.answer, self.whole, self.sent_at = b"", 0, time.perf_counter()
        self.transport.write(following)

    def data_received(self, data: bytes) -> None:
        self.answer = self.answer + data if self.answer else data
        if not self.whole:
            self._read_head()
        if self._is_whole():
            self.seen.add(self.answer, time.perf_counter() - self.sent_at)
            self.send_next()

    def _is_whole(self) -> bool:
        if self.whole < 0:
            return self.answer.endswith(b"\r\n0\r\n\r\n")
        return 0 < self.whole <= len(self.answer)

    def _read_head(self) -> None:
        end = self.answer.find(b"\r\n\r\n")
        if end < 0:
            return
        _, named, length = self.answer[:end].lower().partition(b"content-length:")
        self.whole = end + 4 + int(length.partition(b"\r\n")[0]) if named else -1  # else in chunks

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or RuntimeError(f"the server hung up: {self.answer[:200]!r}"))


class Seen:
    """Counts and times the answers."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.refusal = ""
        self.seconds: list[float] = []

    def add(self, answer: bytes, took: float) -> None:
        status = answer[9:12].decode()
        self.statuses[status] += 1
        self.seconds.append(took)
        if status != "200":
            self.refusal = answer.decode("latin-1")[:500]


async def _send_all(port: int, requests: list[bytes], times: int, connections: int) -> dict[str, Any]:
    seen = Seen()
    upcoming = (each for _ in range(times) for each in requests)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    made = [
        await loop.create_connection(lambda: Connection(upcoming, seen), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.done for _, connection in made))
    took = time.perf_counter() - began
    ms = sorted(1000 * seconds for seconds in seen.seconds)
    told = {"per_second": len(ms) / took, "p50_ms": ms[len(ms) // 2], "p99_ms": ms[len(ms) * 99 // 100]}
    return told | {"statuses": seen.statuses, "refusal": seen.refusal}


if __name__ == "__main__":
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_send_all(*pickle.load(sys.stdin.buffer)))))
