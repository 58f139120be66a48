"""Starts what is measured as processes of its own: web servers with the options of `make run`, the relay."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from config.running.engine import free_port
from config.running.procfile import web_command

OURS = "config.asgi:application"
STARTS_WITHIN_S = 60.0
ENDS_WITHIN_S = 20.0


@contextmanager
def program(command: Sequence[str], **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python <command>` while inside."""
    process = subprocess.Popen([sys.executable, *command], env=os.environ | environment)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def web_server(application: str = OURS, *options: str, **environment: str) -> Iterator[int]:
    """Serve an ASGI application as `make run` serves ours; yields the port."""
    port = free_port()
    command = [*web_command(application, host="127.0.0.1", port=port), *options]
    with listening(command, port, **environment):
        yield port


@contextmanager
def listening(command: Sequence[str], port: int, **environment: str) -> Iterator[None]:
    """Run a program that answers on this port."""
    with program(command, **environment) as process:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"this did not start: {' '.join(command)}")
            time.sleep(0.05)
        yield


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def relay() -> Iterator[None]:
    """The relay in a process of its own, as in production."""
    with program(["manage.py", "relay"]):
        yield
