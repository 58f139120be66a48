"""The platform as `make run` starts it, in processes of its own, seen from outside: HTTP, sockets, a strap.

Nothing here imports the platform's models or settings. What a client cannot see (an outbox row) is read with SQL.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import redis
import websockets
from psycopg import sql

from config.running.children import spawn, with_mark
from config.running.engine import free_port
from config.running.supervisor import sweep

ROOT = Path(__file__).resolve().parents[2]
CONTEXTS = ("identity", "health", "workout", "social", "gamification", "booking")
REDIS_DATABASES = 16
STARTS_WITHIN_S = 240
PATIENCE_S = 60
"""How long anything may take that a person would wait a moment for: the machine may be busy."""
PASSWORD = "Long-enough 4 everyone!"


class Platform:
    """`python -m config.run` on the suite's engines, with databases and a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.sockets = f"ws://127.0.0.1:{self.port}/ws/v1"
        self.prefix = "journey_" + urlsplit(os.environ["DATABASE_URL"]).path.strip("/")
        self.database_url = _with_path(os.environ["DATABASE_URL"], f"/{self.prefix}")
        suites_own = int(urlsplit(os.environ["REDIS_URL"]).path.strip("/") or 0)
        self.redis_url = _with_path(
            os.environ["REDIS_URL"], f"/{(suites_own + REDIS_DATABASES // 2) % REDIS_DATABASES}"
        )
        self._log = self.folder / "journey.log"

    def start(self) -> None:
        """Start from nothing and wait until everything is ready, demo people included."""
        self._forget()
        self._take_what_is_migrated()
        self.runner = spawn(
            [sys.executable, "-m", "config.run"],
            cwd=ROOT,
            env=self._environment(),
            stdout=self._log.open("wb"),
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + STARTS_WITHIN_S
        while "Ctrl-C stops everything" not in self.said():
            assert self.runner.poll() is None, f"it did not start:\n{self.said()}"
            assert time.monotonic() < deadline, f"it did not start in time:\n{self.said()}"
            time.sleep(0.1)

    def stop(self) -> None:
        """End it politely; what does not end is killed. Its databases go with it."""
        self.runner.send_signal(signal.SIGTERM)
        try:
            self.runner.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.runner.kill()
        sweep(str(self.folder))
        self._forget()

    def said(self) -> str:
        """What the processes have printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def rows(self, context: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read from a context's database."""
        with psycopg.connect(_with_path(self.database_url, f"/{self.prefix}_{context}")) as connection:
            return connection.execute(query, values).fetchall()

    @contextlib.contextmanager
    def program(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A program beside the platform, for example a strap; ends with the block."""
        log = (self.folder / f"{arguments[1]}-{arguments[2]}.log").open("ab")
        environment = with_mark(self._environment(), f"{self.folder}/beside")
        child = spawn([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(timeout=15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _environment(self) -> dict[str, str]:
        """What the suite's environment says, except that this is no test but the real thing."""
        ours = {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "STAYER_VAR": str(self.folder),
            "MEDIA_ROOT": str(self.folder / "media"),
            "PORT": str(self.port),
            "BASE_URL": self.url,
            "EMAIL_BACKEND": "config.mailbox.MailboxBackend",
            "DEMO": "on",
            "TESTING": "off",
        }
        return {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"} | ours

    def _forget(self) -> None:
        with psycopg.connect(_with_path(self.database_url, "/postgres"), autocommit=True) as maintenance:
            for context in CONTEXTS:
                name = sql.Identifier(f"{self.prefix}_{context}")
                maintenance.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        redis.Redis.from_url(self.redis_url).flushdb()

    def _take_what_is_migrated(self) -> None:
        """Copies of the databases that the suite has migrated (`tests.conftest`); from nothing is the smoke's job."""
        with psycopg.connect(_with_path(self.database_url, "/postgres"), autocommit=True) as maintenance:
            for context in CONTEXTS:
                migrated = f"migrated_{'default' if context == 'identity' else context}"
                maintenance.execute("SELECT pg_advisory_lock(hashtext(%s))", [migrated])
                if (
                    maintenance.execute("SELECT FROM pg_database WHERE datname = %s", [migrated]).fetchone()
                    is not None
                ):
                    ours, theirs = sql.Identifier(f"{self.prefix}_{context}"), sql.Identifier(migrated)
                    maintenance.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(ours, theirs))


class Someone:
    """A person with a client of their own."""

    def __init__(self, platform: Platform, name: str) -> None:
        self.name = name
        self.platform = platform
        self.http = httpx.AsyncClient(base_url=f"{platform.url}/api/v1/", timeout=30)
        self.token = ""
        self.user_id = ""

    async def register(self) -> Self:
        """Open an account and sign in."""
        form = {"email": f"{self.name.lower()}@journey.example", "password": PASSWORD}
        born = {"display_name": self.name, "birth_date": "1990-05-17"}
        self.user_id = (await self.send("POST", "identity/register", form | born))["user_id"]
        await self._confirm(form)
        await self.sign_in(**form)
        return self

    async def _confirm(self, form: dict[str, str]) -> None:
        """Open the account by the link in the mail."""

        async def link() -> str:
            answer = await self.http.get(f"{self.platform.url}/demo-mail.json", params={"to": form["email"]})
            mails = answer.json()["messages"]
            words = [word for mail in mails for word in mail["body"].split() if "/account/confirm#" in word]
            return words[0] if words else ""

        token = (await eventually(link)).partition("#")[2]
        await self.send("POST", "identity/email/confirm", {"token": token, "password": form["password"]})

    async def agree(self, purpose: str) -> None:
        """Say yes to the text in force of a purpose."""
        standings = (await self.get("identity/consents"))["purposes"]
        (version,) = [standing["version_in_force"] for standing in standings if standing["purpose"] == purpose]
        decision = {"purpose": purpose, "version": version, "given": True}
        await self.send("POST", "identity/consents", decision)

    async def sign_in(self, *, email: str, password: str) -> None:
        """Get a token."""
        self.token = (await self.send("POST", "identity/login", {"email": email, "password": password}))["access"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    async def send(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """A request that must succeed; what it answers."""
        answer = await self.http.request(method, path, json=body, **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def get(self, path: str, **query: Any) -> Any:
        """What a GET answers."""
        return await self.send("GET", path, params=query)

    @contextlib.asynccontextmanager
    async def watching(self, path: str) -> AsyncIterator["Line"]:
        """A socket, open as long as the block."""
        protocols = [websockets.Subprotocol("stayer.v1"), websockets.Subprotocol(f"bearer.{self.token}")]
        async with websockets.connect(f"{self.platform.sockets}/{path}", subprotocols=protocols) as socket:
            yield Line(socket)


class Line:
    """One socket, frame by frame."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket

    async def say(self, frame: Mapping[str, Any]) -> None:
        """Send a frame."""
        await self._socket.send(json.dumps(frame))

    async def next(self, type: str, where: Callable[[Any], bool] = lambda frame: True) -> Any:
        """The next frame of this type of which `where` is true; others are skipped."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                frame = json.loads(await self._socket.recv())
                if frame["type"] == type and where(frame):
                    return frame

    async def heart_rates(self, *, until_s: float) -> list[tuple[float, float]]:
        """The samples that arrive until the session is so many seconds old."""
        heard: list[tuple[float, float]] = []
        async with asyncio.timeout(PATIENCE_S + until_s):
            while not heard or heard[-1][0] < until_s:
                frame = json.loads(await self._socket.recv())
                if frame["type"] == "samples":
                    heard += [(offset, value) for offset, value in frame["heart_rate"]]
        return heard


async def eventually(look: Callable[[], Awaitable[Any]], *, within_s: float = PATIENCE_S) -> Any:
    """The first true answer of `look`, which may also fail with an assertion or a broken connection for a while."""
    failure: Exception | None = None
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if found := await look():
                return found
        except (AssertionError, httpx.HTTPError, OSError, websockets.WebSocketException) as error:
            failure = error
        await asyncio.sleep(0.1)
    raise AssertionError("it never came true") from failure


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=path))
