"""Real programs in processes of their own: bridge, straps, server; and a spool to look into."""

from __future__ import annotations

import contextlib
import json
import queue
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from device_bridge.credentials import Credentials, find_credentials

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
DEVICE_ID = "01931f00-0000-7000-8000-000000000001"
SECRET = "c3RheWVyLXRlc3Qtc2VjcmV0LXN0YXllci10ZXN0LXM"
PATIENCE_S = 30.0


class Program:
    """A process whose lines can be waited for."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._coming: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._coming.put(line.rstrip("\n"))
        self._coming.put(None)

    def until(self, pattern: str) -> re.Match[str]:
        """The next line that matches; fails with everything said so far."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                line = self._coming.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                raise AssertionError(f"no line matches {pattern!r} in:\n" + "\n".join(self.lines))
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def ended(self) -> tuple[int, str]:
        """Exit code and everything said, once the program ends by itself."""
        code = self.process.wait(PATIENCE_S)
        while (line := self._coming.get(timeout=PATIENCE_S)) is not None:
            self.lines.append(line)
        return code, "\n".join(self.lines)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(PATIENCE_S)


class Server:
    """The health API's stand-in, and what it has stored."""

    def __init__(self, start: Callable[..., Program], database: Path, port: int) -> None:
        self._start, self._database, self.port = start, database, port
        self.url = f"http://127.0.0.1:{port}"

    def start(self, *options: str) -> Program:
        where = ["--port", str(self.port), "--database", str(self._database)]
        who = ["--device", DEVICE_ID, "--secret", SECRET]
        program = self._start(str(HERE / "health_server.py"), *where, *who, *options)
        program.until("ready")
        return program

    def rows(self, table: str = "readings") -> list[tuple[str, str, int, float]]:
        with contextlib.closing(sqlite3.connect(self._database, timeout=10)) as db:
            return db.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall()

    def stream(self, name: str) -> list[tuple[str, int, float]]:
        """(time, sequence, value) of one stream, in order of its sequence."""
        return sorted((row[1:] for row in self.rows() if row[0] == name), key=lambda row: row[1])

    def until(self, enough: Callable[[], bool]) -> None:
        """Wait until the store satisfies `enough`; the store changes in another process, so it is polled."""
        deadline = time.monotonic() + PATIENCE_S
        while not enough():
            assert time.monotonic() < deadline, f"only {len(self.rows())} readings arrived"
            time.sleep(0.03)

    def count(self, stream: str) -> int:
        with contextlib.closing(sqlite3.connect(self._database, timeout=10)) as db:
            return int(db.execute("SELECT count(*) FROM readings WHERE stream = ?", (stream,)).fetchone()[0])

    def until_count(self, stream: str, count: int) -> None:
        self.until(lambda: self.count(stream) >= count)

    def assert_whole(self) -> None:
        """Nothing lost: sequences without a gap from 0. Nothing double: no reading under a second identity."""
        for stream in {row[0] for row in self.rows()}:
            found = self.stream(stream)
            assert [sequence for _, sequence, _ in found] == list(range(len(found))), stream
            assert [moment for moment, _, _ in found] == sorted(moment for moment, _, _ in found), stream
        instants = [moment for moment, _, _ in self.stream("heart_rate")]
        assert len(set(instants)) == len(instants)


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    running: list[Program] = []

    def start(*arguments: str) -> Program:
        running.append(Program(*arguments))
        return running[-1]

    yield start
    for program in running:
        program.kill()


@pytest.fixture
def free_port() -> Callable[[], int]:
    def free_port() -> int:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            return int(held.getsockname()[1])

    return free_port


@pytest.fixture
def server(start, tmp_path, free_port) -> Server:
    return Server(start, tmp_path / "health.sqlite3", free_port())


@pytest.fixture
def credentials_file(tmp_path) -> Path:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"device_id": DEVICE_ID, "secret": SECRET}))
    return file


@pytest.fixture
def credentials(credentials_file) -> Credentials:
    return find_credentials(file=credentials_file, environment={})


@pytest.fixture
def bridge(start, server, credentials_file, tmp_path) -> Callable[..., Program]:
    """Start a bridge process on this test's spool and server."""

    def bridge(transport: str, *options: str) -> Program:
        return start(
            *("-m", "device_bridge", "run", "--transport", transport, "--url", server.url),
            *("--credentials", str(credentials_file), "--spool", str(tmp_path / "spool"), "--verbose"),
            *options,
        )

    return bridge
