"""`make run` with small stand-ins for the platform's processes: it starts, watches, recovers, leaves nothing."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.engines import Engines
from config.running.children import is_alive, marked
from config.running.done import Done
from config.running.engine import free_port
from config.running.keys import keys_for
from config.running.process import Process
from config.running.procfile import collected, migrated, processes
from tests.running.conftest import living_in, script, until

PLATFORM = """
import functools, sys
from pathlib import Path
from config import run
from config.running.process import Process
here = Path(__file__).parent
run.VAR = here / "var"
run.start_engines = functools.partial(run.start_engines, durable=False)
run.checks.NEEDED_BYTES = {needed}
run.processes = lambda **wanted: [{processes}]
sys.exit(run.main())
"""
IDLE = """-c 'import time; print("at work"); time.sleep(600)'"""
DEAF = """-c 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print("deaf"); time.sleep(600)'"""
RUNAWAY = """-c 'import os, time; (os.fork() or os.setsid() is None) and time.sleep(600)'"""


class Platform:
    """A run of `config.run` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.var = folder / "var"
        self.process: subprocess.Popen[str] | None = None
        self.words = ""

    def start(self, *processes: str, needed: int = 0, **environment: str) -> None:
        """`processes` are `Process(...)` expressions."""
        text = PLATFORM.format(processes=", ".join(processes), needed=needed)
        self.words = ""
        self.process = script(self.folder / "stand_in.py", text, **{"PORT": str(free_port()), **environment})

    def hears(self, words: str) -> str:
        """Read on until `words` are said; returns that line."""
        assert self.process
        assert self.process.stdout
        for line in self.process.stdout:
            self.words += line
            if words in line:
                return line
        pytest.fail(f"never said {words!r}, but:\n{self.words}")

    def ends(self, seconds: float = 10) -> int:
        """The exit code, which must come within the time that stopping may take."""
        assert self.process
        assert self.process.stdout
        began = time.monotonic()
        self.words += self.process.stdout.read()
        code = self.process.wait()
        assert time.monotonic() - began < seconds, self.words
        return code

    def send(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def family(self) -> list[int]:
        """Every process of this run but the supervisor and the engines."""
        return marked(str(self.var))


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    platform = Platform(tmp_path)
    yield platform
    if platform.process and platform.process.poll() is None:
        platform.process.kill()
    until(lambda: not platform.family() and not living_in(platform.var), "nothing is left behind")


@pytest.fixture
def given(outside: Engines) -> dict[str, str]:
    """Engines from outside: for tests that are not about them."""
    return {"DATABASE_URL": outside.database_url, "REDIS_URL": outside.redis_url}


def process(name: str, command: str, **how: object) -> str:
    return f"Process({name!r}, {command!r}, **{how!r})"


class TestStopping:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_everything_ends_within_ten_seconds(self, platform: Platform, number: signal.Signals) -> None:
        platform.start(process("web", IDLE), process("relay", IDLE, after="web"))
        platform.hears("Ctrl-C stops everything")
        assert len(platform.family()) == 2
        assert living_in(platform.var)
        platform.send(number)
        assert platform.ends() == 0, platform.words
        assert platform.family() == living_in(platform.var) == []

    def test_the_deaf_and_the_runaways_end_too(self, platform: Platform) -> None:
        platform.start(process("deaf", DEAF), process("runaway", RUNAWAY), process("web", IDLE))
        platform.hears("Ctrl-C stops everything")
        until(lambda: len(platform.family()) == 4, "the runaway has run away")
        platform.send(signal.SIGINT)
        time.sleep(0.2)
        platform.send(signal.SIGINT)  # impatience changes nothing
        assert platform.ends() == 0, platform.words
        assert "deaf does not stop: killing it" in platform.words
        assert platform.family() == living_in(platform.var) == []

    def test_an_interrupt_while_a_step_works_is_heard(self, platform: Platform, given: dict[str, str]) -> None:
        platform.start(process("databases", IDLE, once=True), **given)
        platform.hears("at work")
        platform.send(signal.SIGINT)
        assert platform.ends() == 0
        assert platform.family() == []


class TestRecovering:
    def test_a_killed_supervisor_takes_all_with_it_and_the_next_run_starts(self, platform: Platform) -> None:
        platform.start(process("web", IDLE), process("runaway", RUNAWAY))
        platform.hears("Ctrl-C stops everything")
        before = platform.family()
        platform.send(signal.SIGKILL)
        platform.ends()
        until(lambda: not living_in(platform.var), "the engines followed")
        until(lambda: len([pid for pid in before if is_alive(pid)]) <= 1, "the direct children followed")
        platform.start(process("web", IDLE))
        platform.hears("Ctrl-C stops everything")
        assert "Ended what an earlier run had left behind." in platform.words
        assert len(platform.family()) == 1
        platform.send(signal.SIGINT)
        assert platform.ends() == 0

    def test_a_crashed_process_starts_again_after_a_pause_that_grows(
        self, platform: Platform, given: dict[str, str]
    ) -> None:
        platform.start(process("worker", "-c 'raise SystemExit(3)'"), **given)
        platform.hears("worker stopped with exit code 3; it starts again in 1 s")
        platform.hears("worker stopped with exit code 3; it starts again in 2 s")
        platform.send(signal.SIGINT)
        assert platform.ends() == 0

    def test_a_killed_process_and_a_killed_engine_come_back(self, platform: Platform) -> None:
        platform.start(process("web", IDLE))
        platform.hears("Ctrl-C stops everything")
        os.kill(platform.family()[0], signal.SIGKILL)
        platform.hears("web was ended by SIGKILL; it starts again in 1 s")
        platform.hears("at work")
        os.kill(living_in(platform.var)[0], signal.SIGKILL)
        platform.hears("has stopped by itself: starting it again")
        platform.hears("answers on 127.0.0.1")
        platform.send(signal.SIGINT)
        assert platform.ends() == 0


class TestOrder:
    def test_steps_come_before_those_who_need_them(self, platform: Platform, given: dict[str, str]) -> None:
        platform.start(
            process("web", "-c 'import time; print(\"second\"); time.sleep(600)'", after="databases"),
            process("databases", "-c 'import time; time.sleep(0.5); print(\"first\")'", once=True),
            **given,
        )
        platform.hears("second")
        assert "first" in platform.words
        platform.send(signal.SIGINT)
        platform.ends()

    def test_a_step_that_fails_ends_the_run(self, platform: Platform, given: dict[str, str]) -> None:
        platform.start(process("databases", "-c 'raise SystemExit(2)'", once=True), process("web", IDLE), **given)
        assert platform.ends() == 1
        assert "Stayer cannot run: the step databases stopped with exit code 2" in platform.words
        assert platform.family() == []


class TestGreeting:
    def test_addresses_and_demo_logins_are_shown_when_all_is_ready(
        self, platform: Platform, given: dict[str, str]
    ) -> None:
        platform.var.mkdir()
        demo = [{"email": "ada@example.org", "password": "Runs every day 1!", "about": "wears the strap"}]
        (platform.var / "demo.json").write_text(json.dumps(demo))
        platform.start(process("web", IDLE), PORT="18123", **given)
        platform.hears("Ctrl-C stops everything")
        for words in (":18123/\n", ":18123/api/v1/docs/", ":18123/admin/", "ada@example.org  Runs every day 1!"):
            assert words in platform.words
        platform.send(signal.SIGINT)
        platform.ends()

    def test_processes_and_a_manage_py_beside_them_are_told_the_same(
        self, platform: Platform, given: dict[str, str]
    ) -> None:
        show = '-c \'import os; print(*(f"{n}={v}" for n, v in os.environ.items()), sep="\\n")\''
        platform.start(process("web", show, once=True), **given)
        platform.hears("Ctrl-C stops everything")
        file = platform.var / "environment"
        assert file.stat().st_mode & 0o077 == 0
        for line in file.read_text().splitlines():
            assert line in platform.words
        platform.send(signal.SIGINT)
        platform.ends()


class TestRefusing:
    """Exit code 1, one sentence, nothing started."""

    def refuses(self, platform: Platform, sentence: str, **environment: str) -> None:
        platform.start(process("web", IDLE), **environment)
        assert platform.ends() == 1
        assert sentence in platform.words
        assert "Traceback" not in platform.words
        assert "at work" not in platform.words

    def test_a_busy_port(self, platform: Platform, given: dict[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.refuses(platform, f"Port {port} of 127.0.0.1 is in use by another program", PORT=str(port), **given)
        assert "PORT=" in platform.words
        assert not (platform.var / "postgres").exists()

    @pytest.mark.parametrize("port", ["eighty", "0", "70000", "-1"])
    def test_what_is_no_port(self, platform: Platform, port: str) -> None:
        self.refuses(platform, f"PORT={port} is not a port", PORT=port)

    def test_a_full_disk(self, platform: Platform, given: dict[str, str]) -> None:
        platform.start(process("web", IDLE), needed=10**18, **given)
        assert platform.ends() == 1
        assert f"The disk that holds {platform.var} is full" in platform.words

    def test_a_second_run_in_the_same_place(self, platform: Platform, given: dict[str, str]) -> None:
        platform.start(process("web", IDLE), **given)
        platform.hears("Ctrl-C stops everything")
        second = Platform(platform.folder)
        self.refuses(second, "Stayer already runs here (process ", **given)
        assert len(platform.family()) == 1
        platform.send(signal.SIGINT)
        assert platform.ends() == 0

    @pytest.mark.parametrize("variable", ["DATABASE_URL", "REDIS_URL"])
    def test_a_given_engine_that_does_not_answer(
        self, platform: Platform, given: dict[str, str], variable: str
    ) -> None:
        nowhere = f"postgresql://somebody@127.0.0.1:{free_port()}/stayer"
        sentence = f"{variable} is set, but nobody answers at 127.0.0.1"
        self.refuses(platform, sentence, **{**given, variable: nowhere})


class TestSecondRun:
    def test_the_web_process_does_not_wait_for_what_is_done_already(self, tmp_path: Path) -> None:
        def wanted(port: int) -> dict[str, Process]:
            url = f"postgresql://stayer:word@127.0.0.1:{port}/stayer"
            listed = processes(folder=tmp_path, host="127.0.0.1", port=8000, strap_port=1, database_url=url)
            return {process.name: process for process in listed}

        assert wanted(5001)["web"].after == {"databases", "static"}
        for done in (migrated(tmp_path, "postgresql://stayer:word@127.0.0.1:5001/stayer"), collected(tmp_path)):
            done.note()
        assert wanted(5002)["web"].after == frozenset()
        assert "static" not in wanted(5002)
        assert "databases" in wanted(5002), "it looks at every start: somebody may have dropped one"

    def test_a_changed_source_voids_the_note(self, tmp_path: Path) -> None:
        source, note = tmp_path / "0001_initial.py", tmp_path / "note"
        source.write_text("one")
        Done(note, sources=[source]).note()
        assert Done(note, sources=[source]).holds
        source.write_text("another")
        assert not Done(note, sources=[source]).holds


class TestGivenEngines:
    def test_nothing_embedded_starts(self, platform: Platform, given: dict[str, str]) -> None:
        platform.start(process("web", IDLE), **given)
        platform.hears("Ctrl-C stops everything")
        assert living_in(platform.var) == []
        assert not (platform.var / "postgres").exists()
        assert not (platform.var / "valkey").exists()
        platform.send(signal.SIGINT)
        assert platform.ends() == 0


class TestKeys:
    def test_secrets_are_made_once_for_their_owner_alone(self, tmp_path: Path) -> None:
        keys = keys_for(tmp_path, {})
        assert keys == keys_for(tmp_path, {})
        assert len(base64.urlsafe_b64decode(keys["FIELD_KEY"])) == 32
        assert next(Path(keys["TOKEN_KEYS"]).glob("*.pem")).read_text().startswith("-----BEGIN PRIVATE KEY-----")
        assert {path.stat().st_mode & 0o077 for path in (tmp_path / "keys").rglob("*")} == {0}

    def test_given_secrets_are_left_alone(self, tmp_path: Path) -> None:
        names = ("SECRET_KEY", "FIELD_KEY", "TOKEN_KEYS", "PAYMENT_API_KEY", "PAYMENT_WEBHOOK_SECRET")
        given = dict.fromkeys(names, "ours")
        assert keys_for(tmp_path, given) == {}
        assert list(tmp_path.iterdir()) == []
