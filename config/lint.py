"""`make lint`: every check that needs no running platform; all of them run, also after one has failed."""

# ruff: noqa: T201
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from config.engines import EngineError, start_engines
from config.running.keys import keys_for

ROOT = Path(__file__).resolve().parent.parent
CHECKS = """
    ruff check .
    ruff format --check .
    mypy
    lint-imports
    bandit -q -ll -c pyproject.toml -r kernel contexts config device_bridge payment_sandbox
    python -m config.messages --check
    python manage.py setup_databases
    python manage.py makemigrations --check --dry-run
    python manage.py check --deploy --fail-level WARNING
    python -m pytest -q tests/contracts/test_openapi.py tests/contracts/test_events.py
"""


def main() -> int:
    """Run the checks on fresh engines; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="stayer-lint-") as name:
        try:
            engines = start_engines(Path(name), durable=False)
        except EngineError as refusal:
            print(refusal, file=sys.stderr)
            return 1
        with engines:
            addresses = {"DATABASE_URL": engines.database_url, "REDIS_URL": engines.redis_url}
            known = {"STAYER_ENVIRONMENT_FILE": os.devnull, "HTTPS": "on", **keys_for(Path(name), os.environ)}
            failed = [check for check in CHECKS.strip().splitlines() if not _holds(check, {**addresses, **known})]
    for check in failed:
        print(f"failed: {check.strip()}")
    return 1 if failed else 0


def _holds(check: str, environment: dict[str, str]) -> bool:
    print(f"\n$ {check.strip()}", flush=True)
    program, *arguments = check.split()
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
