"""One process of the platform: how it starts, when it is ready, how its whole family ends."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from config.running.children import send_to_group, spawn
from config.running.done import Done

Say = Callable[[str, str], None]

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
GOOD_RUN = 60.0
"""Seconds: a process that lived this long starts its next life without a longer pause."""


class Process:
    """A program that runs until it is stopped, or (`once`) a step that must end well.

    `command` is what follows `python` on a command line: `manage.py relay`, `-m celery -A config beat`.
    `after` names those that must be ready before this one starts. `ready` tells when it is; without
    it a program is ready as soon as it runs, a step when it has ended, which is noted in `done`.
    """

    def __init__(
        self,
        name: str,
        command: str,
        *,
        after: str = "",
        once: bool = False,
        done: Done | None = None,
        ready: Callable[[], bool] | None = None,
    ) -> None:
        self.name = name
        self.command = shlex.split(command)
        self.after = frozenset(after.split())
        self.once = once
        self.is_ready = False
        self.exit_code: int | None = None
        self._ready = ready
        self._done = done
        self._child: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._started = 0.0
        self._pause = 0.0
        self._not_before = 0.0

    @property
    def is_running(self) -> bool:
        return self._child is not None

    def may_start(self) -> bool:
        """True when it does not run, is not a step already done, and its pause is over."""
        done = self.once and self.exit_code == 0
        return not self.is_running and not done and time.monotonic() >= self._not_before

    def start(self, *, environment: Mapping[str, str], folder: Path, say: Say) -> None:
        """Start it in `folder`; each line it prints goes to `say`. Main thread only."""
        self._started = time.monotonic()
        self.exit_code = None
        command = [sys.executable, *self.command]
        self._child = spawn(
            command, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._reader = threading.Thread(target=self._read, args=(self._child, say), daemon=True)
        self._reader.start()

    def look(self) -> None:
        """Notice that it became ready, or that it ended: then what is left of its family ends too."""
        if self._child is None:
            return
        if _has_ended(self._child):
            self._bury()
        elif not self.is_ready and not self.once:
            self.is_ready = self._ready is None or self._ready()

    def pause_before_restart(self) -> float:
        """Seconds until it may start again: 1, 2, 4 … 30 in a row of short lives."""
        lived = time.monotonic() - self._started
        self._pause = FIRST_PAUSE if lived >= GOOD_RUN or not self._pause else min(self._pause * 2, LONGEST_PAUSE)
        self._not_before = time.monotonic() + self._pause
        return self._pause

    def send(self, number: signal.Signals) -> None:
        """Signal the process and its family."""
        if self._child is not None:
            send_to_group(self._child.pid, number)

    def _bury(self) -> None:
        """The group is signalled before its leader is reaped: until then nobody can inherit its number."""
        assert self._child is not None
        send_to_group(self._child.pid, signal.SIGKILL)
        self.exit_code = self._child.wait()
        self.is_ready = self.once and self.exit_code == 0
        if self.is_ready and self._done is not None:
            self._done.note()
        self._child = None
        if self._reader is not None:
            self._reader.join(timeout=1.0)  # its last words come before the news of its end

    def _read(self, child: subprocess.Popen[bytes], say: Say) -> None:
        assert child.stdout is not None
        with child.stdout as lines:
            for line in lines:
                say(self.name, line.decode(errors="replace").rstrip())


def _has_ended(child: subprocess.Popen[bytes]) -> bool:
    """True when the process has exited; it is not reaped yet."""
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
