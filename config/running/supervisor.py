"""Starts the processes in their order, starts the fallen again, and ends them all."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from config.engines import Engines
from config.running.children import end, marked, with_mark
from config.running.output import OURS, Output
from config.running.process import Process

PATIENCE = 4.0
"""Seconds a process gets between SIGTERM and SIGKILL; with the engines' time it stays below ten."""
GLANCE = 0.05


class StepFailed(Exception):
    """A step without which the platform cannot run ended badly; the message is one sentence."""


class Supervisor:
    """Runs `processes` in `folder` until it is interrupted, then leaves none of them behind.

    `mark` is the value by which every descendant is found again, also by the next run when this
    one is killed. `engines` are watched like processes.
    """

    def __init__(
        self,
        processes: Sequence[Process],
        *,
        folder: Path,
        mark: str,
        environment: Mapping[str, str],
        output: Output,
        engines: Engines | None = None,
    ) -> None:
        self._processes = processes
        self._folder = folder
        self._mark = mark
        self._environment = with_mark(environment, mark)
        self._output = output
        self._engines = engines
        self._all_ready = False

    def run(self, *, when_ready: Callable[[], None]) -> None:
        """Work until KeyboardInterrupt, which passes through; `when_ready` is called once.

        Raises `StepFailed`. Whatever ends it, `stop` must follow.
        """
        while True:
            for process in self._processes:
                self._attend(process)
            if self._engines is not None:
                self._engines.revive()
            if not self._all_ready and all(process.is_ready for process in self._processes):
                self._all_ready = True
                when_ready()
            time.sleep(GLANCE)

    def stop(self) -> None:
        """End every process and every descendant of one, within `PATIENCE` and a moment."""
        running = [process for process in self._processes if process.is_running]
        for process in running:
            process.send(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE
        while any(process.is_running for process in running) and time.monotonic() < deadline:
            time.sleep(GLANCE)
            for process in running:
                process.look()
        for process in running:
            if process.is_running:
                self._say(f"{process.name} does not stop: killing it")
                process.send(signal.SIGKILL)
        sweep(self._mark)
        for process in running:
            while process.is_running:
                process.look()
                time.sleep(GLANCE / 5)

    def _attend(self, process: Process) -> None:
        if process.is_running:
            process.look()
            if process.exit_code is not None:
                self._ended(process)
        elif process.may_start() and process.after <= self._ready_names():
            process.start(environment=self._environment, folder=self._folder, say=self._output.say)

    def _ended(self, process: Process) -> None:
        how = _how(process.exit_code or 0)
        if not process.once:
            self._say(f"{process.name} {how}; it starts again in {process.pause_before_restart():.0f} s")
        elif process.exit_code != 0:
            raise StepFailed(f"Stayer cannot run: the step {process.name} {how} (its words are above).")

    def _ready_names(self) -> set[str]:
        return {process.name for process in self._processes if process.is_ready}

    def _say(self, line: str) -> None:
        self._output.say(OURS, line)


def sweep(mark: str) -> list[int]:
    """Kill what still runs under `mark`: children that left their group, or a killed run's remains."""
    remains = marked(mark)
    end(remains, ((signal.SIGKILL, 2.0),))
    return remains


def _how(exit_code: int) -> str:
    if exit_code < 0:
        return f"was ended by {signal.Signals(-exit_code).name}"
    return f"stopped with exit code {exit_code}"
