"""What must hold before anything starts; each check raises `CannotRun` with one sentence."""

from __future__ import annotations

import errno
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

NEEDED_BYTES = 300_000_000
"""A fresh cluster, its write-ahead log and the demo history, with room to move."""
DEFAULT_PORTS = {"postgresql": 5432, "postgres": 5432, "redis": 6379, "rediss": 6379}


class CannotRun(Exception):
    """The platform cannot start here; the message is one sentence for the person at the terminal."""


def ensure_disk_has_room(folder: Path) -> None:
    """At least `NEEDED_BYTES` where the data go."""
    free = shutil.disk_usage(folder).free
    if free < NEEDED_BYTES:
        raise CannotRun(
            f"The disk that holds {folder} is full: {free // 1_000_000} MB are free, "
            f"Stayer needs {NEEDED_BYTES // 1_000_000}."
        )


def port_from(environment: Mapping[str, str], variable: str = "PORT", *, usual: int = 8000) -> int:
    """The port which the variable names, the usual one unless given."""
    given = environment.get(variable) or str(usual)
    if not given.isascii() or not given.isdigit() or not 0 < int(given) < 65536:
        raise CannotRun(f"{variable}={given} is not a port: give a number between 1 and 65535.")
    return int(given)


def ensure_port_is_free(host: str, port: int) -> None:
    """Nobody else answers where the web process wants to."""
    reason = _why_not_bind(host, port)
    if reason is None:
        return
    if reason.errno == errno.EADDRINUSE:
        raise CannotRun(
            f"Port {port} of {host} is in use by another program: choose another one, "
            f"for example PORT={_next_free(host, port)} make run."
        )
    raise CannotRun(f"Stayer cannot listen on {host}:{port}: {reason.strerror or reason}.")


def ensure_reachable(variable: str, environment: Mapping[str, str]) -> None:
    """Where a URL names an engine outside, somebody listens there."""
    url = environment.get(variable)
    if not url:
        return
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    if not host:  # a socket's folder: the client knows better than we
        return
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError as reason:
        raise CannotRun(f"{variable} is set, but nobody answers at {host}:{port} ({reason}).") from reason


def _why_not_bind(host: str, port: int) -> OSError | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one still closing is no obstacle
        try:
            probe.bind((host, port))
        except OSError as reason:
            return reason
    return None


def _next_free(host: str, port: int) -> int:
    ports = (other for other in range(port + 1, min(port + 50, 65536)) if _why_not_bind(host, other) is None)
    return next(ports, 8080)
