"""Child processes with manners: they die with their parent, and nothing of them is left behind.

Standard library only. Linux does all of this in the kernel; elsewhere a killed parent leaves
children behind, and the next start finds the engines by their pid files.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ON_LINUX = sys.platform == "linux"
MARK = "STAYER_RUN"
"""Environment variable that tells the processes of one folder from all others of the machine."""

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000

Step = Callable[[], None]
Escalation = Sequence[tuple[signal.Signals, float]]
"""Signals in the order they are sent, each with the seconds it is given to work."""


def spawn(
    command: Sequence[str | Path],
    *,
    death_signal: signal.Signals = signal.SIGKILL,
    first: Step | None = None,
    **popen: Any,
) -> subprocess.Popen[bytes]:
    """Start `command` in a session of its own; it gets `death_signal` when this process dies.

    The kernel ties the child to the *thread* that starts it: call this from the main thread.
    `first` runs in the child before anything else (giving up root, say).
    """
    parent = os.getpid()

    def prepare() -> None:
        if first is not None:
            first()
        if ON_LINUX:
            _LIBC.prctl(_PR_SET_PDEATHSIG, int(death_signal))
            if os.getppid() != parent:  # it died before the kernel was told
                os._exit(1)

    return subprocess.Popen(
        [str(word) for word in command],
        preexec_fn=prepare,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        **popen,
    )


def enter_user_namespace() -> None:
    """Stop being root for this process and its children, without another user and without a chown."""
    if _LIBC.unshare(_CLONE_NEWUSER):
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER) is not allowed here")


def is_alive(pid: int) -> bool:
    """True while the process exists and is more than a zombie."""
    if not ON_LINUX:
        return _answers_signals(pid)
    try:
        status = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def end(pids: Iterable[int], escalation: Escalation) -> list[int]:
    """Send each signal in turn to those still alive; return the pids that outlived all of them."""
    alive = [pid for pid in pids if is_alive(pid)]
    for number, patience in escalation:
        for pid in alive:
            send(pid, number)
        deadline = time.monotonic() + patience
        while alive and time.monotonic() < deadline:
            time.sleep(0.02)
            alive = [pid for pid in alive if is_alive(pid)]
        if not alive:
            break
    return alive


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process which may already be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def send_to_group(pgid: int, number: signal.Signals) -> None:
    """Signal a process group which may already be empty."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pgid, number)


def working_in(folder: Path, programs: Iterable[str]) -> list[int]:
    """Pids of `programs` whose working directory is `folder`: engines go to live in their data."""
    names = set(programs)
    return [
        pid
        for pid in _all_pids()
        if _link(pid, "cwd") == str(folder.resolve())
        and os.path.basename(_link(pid, "exe").removesuffix(" (deleted)")) in names
    ]


def marked(value: str) -> list[int]:
    """Pids of processes that were started with `MARK` set to `value`, grandchildren included."""
    wanted = f"{MARK}={value}".encode()
    return [pid for pid in _all_pids() if pid != os.getpid() and wanted in _environment(pid).split(b"\0")]


def with_mark(environment: Mapping[str, str], value: str) -> dict[str, str]:
    """The environment by which `marked` finds a process and its descendants again."""
    return {**environment, MARK: value}


def _answers_signals(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as reason:
        return isinstance(reason, PermissionError)
    return True


def _all_pids() -> list[int]:
    if not ON_LINUX:
        return []
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and is_alive(int(name))]


def _link(pid: int, name: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/{name}")
    except OSError:
        return ""


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
