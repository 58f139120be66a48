"""What every embedded engine has in common: a program, a folder, a port, a process, a polite end."""

from __future__ import annotations

import errno
import logging
import os
import platform
import signal
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from config.running.children import ON_LINUX, Escalation, end, spawn, working_in

log = logging.getLogger("stayer.engines")

START_PATIENCE = 60.0
"""Seconds until an engine must answer; replaying a long log after a crash takes some."""
MAX_LOG_BYTES = 20_000_000
PORT_TRIES = 5


class EngineError(Exception):
    """An engine cannot run; the message is one sentence for the person at the terminal."""


class PortTaken(Exception):
    """Somebody took the free port before the engine could."""


class Engine:
    """One server program. `start` it, `wait` for it, `stop` it."""

    name: ClassVar[str]
    death_signal: ClassVar[signal.Signals] = signal.SIGTERM
    escalation: ClassVar[Escalation]

    def __init__(self, folder: Path, *, durable: bool) -> None:
        self.folder = folder
        self.durable = durable
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._began = 0.0
        self._log_from = 0

    @property
    def url(self) -> str:
        """Address for clients, password included."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Make the folder ready: leftovers stopped, first files written."""
        raise NotImplementedError

    def command(self) -> list[str | Path]:
        """The command line that listens on `port`."""
        raise NotImplementedError

    def answers(self) -> bool:
        """True when clients may connect."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the program; `wait` tells when it answers. After a crash the port stays the same."""
        self._began = time.monotonic()
        self.prepare()
        self.port = self.port or free_port()
        self.process = self.launch(self.command())

    def wait(self) -> None:
        """Return when the engine answers, or raise `EngineError` saying why it never will."""
        for _ in range(PORT_TRIES):
            try:
                self._wait_once()
            except PortTaken:
                self.port = free_port()
                self.process = self.launch(self.command())
            else:
                took = time.monotonic() - self._began
                log.info("%s answers on 127.0.0.1:%d after %.1f s", self.name, self.port, took)
                return
        raise EngineError(f"{self.name} found no free port on 127.0.0.1.")

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ask_to_stop(self) -> None:
        """The first, polite signal; `stop` waits for its effect."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.escalation[0][0])

    def stop(self) -> None:
        """Stop politely, then less so; returns when the program is gone."""
        for number, patience in self.escalation:
            if self.process is None or self.process.poll() is not None:
                break
            self.process.send_signal(number)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                log.warning("%s did not listen to %s", self.name, number.name)
        self.process = None

    def launch(self, command: list[str | Path], **manner: Any) -> subprocess.Popen[bytes]:
        """Start one of the engine's programs with its words going to the log."""
        path = self.folder / "log"
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_name("log.previous"))
        with open(path, "ab") as output:
            self._log_from = output.tell()
            return spawn(command, death_signal=self.death_signal, stdout=output, stderr=output, **manner)

    def complaint(self) -> EngineError:
        """The error for a program that ended by itself, in the words it left in the log."""
        words = self._last_words()
        if os.strerror(errno.ENOSPC) in words:
            return disk_is_full(self.folder)
        lines = [line for line in words.splitlines() if line.strip()] or ["it left no word"]
        grave = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line]
        return EngineError(f"{self.name} does not start: {(grave or lines)[-1].strip()} (see {self.folder / 'log'}).")

    def stop_leftovers(self, folder: Path, programs: tuple[str, ...], pid_file: Path) -> None:
        """End what an earlier, killed run left working on `folder`; the caller holds the folder's lock."""
        pids = working_in(folder, programs) if ON_LINUX else _pid_in(pid_file, programs)
        if pids:
            log.info("%s of an earlier run is still there: stopping it", self.name)
        if left := end(pids, self.escalation):
            raise EngineError(f"{self.name} of an earlier run (process {left[0]}) cannot be stopped.")
        if ON_LINUX:  # its pid may belong to somebody else by now, whom the engine would take for its twin
            pid_file.unlink(missing_ok=True)

    def _wait_once(self) -> None:
        deadline = time.monotonic() + START_PATIENCE
        while not self.answers():
            if not self.is_running():
                if os.strerror(errno.EADDRINUSE) in self._last_words():
                    raise PortTaken
                raise self.complaint()
            if time.monotonic() > deadline:
                raise EngineError(
                    f"{self.name} does not answer in {START_PATIENCE:.0f} s; see {self.folder / 'log'}."
                )
            time.sleep(0.02)

    def _last_words(self) -> str:
        with open(self.folder / "log", "rb") as file:
            file.seek(self._log_from)
            return file.read(MAX_LOG_BYTES).decode(errors="replace")


def program_of(engine: str, *, variable: str, url: str, names: tuple[str, ...], wheel: str, inside: str) -> Path:
    """The engine's program: the one `variable` names (a folder or the program), else the wheel's.

    The wheel's package is looked for, never imported.
    """
    given = os.environ.get(variable)
    for place in [Path(given)] if given else _folders_in(wheel.replace("-", "_"), inside):
        for path in (place, *(place / name for name in names), *(place / "bin" / name for name in names)):
            if path.is_file() and os.access(path, os.X_OK):
                return path.absolute()
    if given:
        raise EngineError(f"{variable}={given} holds no {engine} program.")
    raise EngineError(
        f"There is no {engine} for {platform.system()} {platform.machine()} here: the wheel {wheel} is not "
        f"installed; set {variable} to the programs of another one or {url} to a running server."
    )


def _folders_in(package: str, inside: str) -> list[Path]:
    spec = find_spec(package)
    roots = (spec.submodule_search_locations or []) if spec else []
    return [path for root in roots for path in Path(root).glob(inside)]


def disk_is_full(folder: Path) -> EngineError:
    return EngineError(f"The disk that holds {folder} is full.")


def free_port() -> int:
    """A port of the loopback which nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _pid_in(pid_file: Path, programs: tuple[str, ...]) -> list[int]:
    """Without /proc: the pid that the engine wrote, if a program of that name still has it."""
    try:
        pid = int(pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return []
    shown = subprocess.run(["ps", "-p", str(pid), "-o", "comm="], capture_output=True, text=True)
    return [pid] if os.path.basename(shown.stdout.strip()) in programs else []
