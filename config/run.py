"""`make run`: the whole platform on this machine, with engines of its own, until Ctrl-C.

Shows what it does while it does it; ends with code 0 after Ctrl-C or SIGTERM, and with one
sentence and code 1 when it cannot run. Its data are in `var/` (or where STAYER_VAR says);
`environment` in there tells a `python manage.py` beside it where the engines are.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from config.engines import EngineError, Engines, start_engines
from config.running import checks
from config.running.engine import free_port
from config.running.keys import keys_for
from config.running.locks import Held, Lock
from config.running.output import OURS, Output, SpokenLog
from config.running.private import write_private
from config.running.procfile import processes, reachable
from config.running.supervisor import StepFailed, Supervisor, sweep

ROOT = Path(__file__).resolve().parent.parent
VAR = Path(os.environ.get("STAYER_VAR") or ROOT / "var").resolve()
DEFAULTS = {"DEMO": "on", "ACCESS_LOG_LEVEL": "WARNING"}
"""What the environment may overrule."""
SANDBOX_BESIDE = 95
"""The payment sandbox's port is so far from the platform's."""
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> int:
    """Run until told to stop; return the exit code."""
    for number in ENDINGS:
        signal.signal(number, _interrupt)
    output = Output()
    logging.getLogger("stayer.engines").addHandler(SpokenLog(output))
    logging.getLogger("stayer.engines").setLevel(logging.INFO)
    try:
        run_platform(output)
    except KeyboardInterrupt:
        output.say(OURS, "Everything has stopped.")
    except (checks.CannotRun, EngineError, StepFailed) as refusal:
        print(refusal, file=sys.stderr)
        return 1
    return 0


def run_platform(output: Output) -> None:
    """Check, start the engines, start the processes; leave nothing behind, however it ends."""
    host, port = os.environ.get("HOST") or "127.0.0.1", checks.port_from(os.environ)
    VAR.mkdir(exist_ok=True)
    lock = Lock(VAR / "run.lock")
    try:
        lock.take()
    except Held as holder:
        raise checks.CannotRun(f"Stayer already runs here ({holder}): stop it first.") from None
    if sweep(str(VAR)):
        output.say(OURS, "Ended what an earlier run had left behind.")
    checks.ensure_disk_has_room(VAR)
    checks.ensure_port_is_free(host, port)
    checks.ensure_reachable("DATABASE_URL", os.environ)
    checks.ensure_reachable("REDIS_URL", os.environ)
    output.say(OURS, "Starting the engines.")
    with start_engines(VAR) as engines:
        _supervise(engines, output, host=host, port=port)


def _supervise(engines: Engines, output: Output, *, host: str, port: int) -> None:
    sandbox_port = _sandbox_port(port)
    environment = _environment(engines, host=host, port=port, sandbox_port=sandbox_port)
    supervisor = Supervisor(
        processes(
            folder=VAR,
            host=host,
            port=port,
            strap_port=free_port(),
            database_url=engines.database_url,
            sandbox_port=sandbox_port,
        ),
        folder=ROOT,
        mark=str(VAR),
        environment=environment,
        output=output,
        engines=engines,
    )
    try:
        supervisor.run(when_ready=lambda: _greet(output, environment["BASE_URL"]))
    finally:
        output.say(OURS, "Stopping.")
        supervisor.stop()


def _sandbox_port(port: int) -> int | None:
    """Where the payment sandbox listens, if it is wanted: at the same port each time, so that its pages stay."""
    if os.environ.get("PAYMENT_PROVIDER", "sandbox") != "sandbox" or os.environ.get("PAYMENT_SANDBOX_URL"):
        return None
    beside = port + SANDBOX_BESIDE if port + SANDBOX_BESIDE < 65536 else port - SANDBOX_BESIDE
    wanted = checks.port_from(os.environ, "PAYMENT_SANDBOX_PORT", usual=beside)
    try:
        checks.ensure_port_is_free("127.0.0.1", wanted)
    except checks.CannotRun:
        return free_port()
    return wanted


def _environment(engines: Engines, *, host: str, port: int, sandbox_port: int | None) -> Mapping[str, str]:
    """What every process is told; the same goes to a file for those who use `manage.py` beside it."""
    ours = {
        "DATABASE_URL": engines.database_url,
        "REDIS_URL": engines.redis_url,
        "BASE_URL": f"http://{reachable(host)}:{port}",
        "PUBLIC_URL": os.environ.get("PUBLIC_URL", f"http://localhost:{port}"),
        "EMAIL_BACKEND": os.environ.get("EMAIL_BACKEND", "config.mailbox.MailboxBackend"),
        **keys_for(VAR, os.environ),
    }
    if sandbox_port:
        ours["PAYMENT_SANDBOX_URL"] = f"http://127.0.0.1:{sandbox_port}"
    shutil.rmtree(VAR / "metrics", ignore_errors=True)  # counters of processes that are no more
    (VAR / "metrics").mkdir()
    write_private(VAR / "environment", "".join(f"{name}={value}\n" for name, value in ours.items()))
    shared = {"PROMETHEUS_MULTIPROC_DIR": str(VAR / "metrics"), "PYTHONUNBUFFERED": "1"}
    return {**DEFAULTS, **os.environ, **ours, **shared}


def _greet(output: Output, url: str) -> None:
    url = url.replace("127.0.0.1", "localhost")  # one name for all pages: a browser is signed in by name
    lines = [
        "",
        f"  Live page   {url}/",
        f"  Booking     {url}/booking/",
        f"  API         {url}/api/v1/docs/",
        f"  Account     {url}/account/",
        f"  Mail        {url}/demo-mail",
        f"  Admin       {url}/{(os.environ.get('ADMIN_PATH') or 'admin').strip('/')}/",
        "",
    ]
    lines += [f"  {person['email']}  {person['password']}  {person.get('about', '')}" for person in _demo_people()]
    if staff := [person["display_name"] for person in _demo_people() if person.get("role")]:
        lines.append(f"  Staff need a code to enter the administration: python -m config.demo code {staff[0]}")
    for line in [*lines, "", "  Ctrl-C stops everything."]:
        output.say(OURS, line)


def _demo_people() -> list[dict[str, str]]:
    """Who can sign in, as the demo data left it in var/demo.json."""
    try:
        people: list[dict[str, str]] = json.loads((VAR / "demo.json").read_text())
    except (OSError, ValueError):
        return []
    return people


def _interrupt(_number: int, _frame: object) -> None:
    for number in ENDINGS:  # stopping takes less than ten seconds: impatience must not cut it short
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
