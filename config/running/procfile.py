"""Every process of `make run`, in the order in which it matters that they start."""

from __future__ import annotations

import re
import shlex
import urllib.request
from collections.abc import Callable
from pathlib import Path

from config.running.done import Done
from config.running.process import Process

ROOT = Path(__file__).resolve().parents[2]
INSTALLED = ROOT / ".venv" / "installed.txt"
CELERY = """-W "ignore:You're running the worker" -m celery --quiet -A config"""
WORN = ("strap", "oximeter", "foot-pod")
"""What the demo's first athlete wears: virtual devices on a virtual radio."""
WORKER = "--loglevel WARNING --concurrency 2 --without-gossip --without-mingle"


def processes(
    *, folder: Path, host: str, port: int, strap_port: int, database_url: str, sandbox_port: int | None = None
) -> list[Process]:
    """The platform with its data in `folder`, answering on `host`:`port`.

    First what the web process cannot answer without, then the web process, then all the others: so
    the first answer waits for nothing else. Where an earlier run has brought this very database up
    to these very migrations, the web process starts beside the step that looks after them. Without a `sandbox_port`
    the money is kept by somebody else.
    """
    data = shlex.quote(str(folder))
    url = f"http://{reachable(host)}:{port}"
    web = shlex.join(web_command("config.asgi:application", host=host, port=port))
    beat = f"--loglevel WARNING --schedule {data}/beat-schedule --pidfile="
    kinds = " ".join(f"--kind {kind}" for kind in WORN)
    strap = f"--listen tcp-server:127.0.0.1:{strap_port} {kinds}"
    radio = f"--transport bumble:tcp-client:127.0.0.1:{strap_port} --most {len(WORN)} --separate"
    bridge = f"{radio} --url {url} --credentials {data}/worn.json --spool {data}/spool"
    up_to_date, complete = migrated(folder, database_url), collected(folder)
    webhook = f"--webhook-url {url}/api/v1/booking/payments/webhook"
    sandbox = f"-m payment_sandbox --port {sandbox_port} --database {data}/payment_sandbox.sqlite {webhook}"
    databases = Process("databases", "manage.py setup_databases", once=True, done=up_to_date)
    static = Process("static", "manage.py collectstatic --noinput --verbosity 0", once=True, done=complete)
    first = [step for step, done in ((databases, up_to_date), (static, complete)) if not done.holds]
    return [
        *dict.fromkeys([*first, databases]),
        Process("web", web, after=" ".join(step.name for step in first), ready=answers(f"{url}/readyz")),
        Process("demo", f"-m config.demo {url} {data}", once=True, after="databases web"),
        Process("relay", "manage.py relay", after="databases web"),
        Process("worker", f"{CELERY} worker {WORKER}", after="databases web"),
        Process("beat", f"{CELERY} beat {beat}", after="databases web"),
        *([Process("sandbox", sandbox)] if sandbox_port else []),
        Process("strap", f"-m device_bridge strap {strap}", after="web"),
        Process("bridge", f"-m device_bridge run {bridge}", after="demo strap"),
    ]


def web_command(application: str, *, host: str, port: int) -> list[str]:
    """How an ASGI application is served, HTTP and sockets on one port; ADR 0003 says why so."""
    options = f"""--host {host} --port {port} --loop uvloop --http httptools --no-proxy-headers --no-server-header
        --no-access-log --log-level warning --timeout-keep-alive 30 --timeout-graceful-shutdown 5
        --ws websockets-sansio --ws-max-size 65536 --ws-per-message-deflate false
        --ws-ping-interval 20 --ws-ping-timeout 20"""
    return ["-m", "uvicorn", application, *options.split()]


def migrated(folder: Path, database_url: str) -> Done:
    """The note that these databases have seen all migrations."""
    migrations = [*ROOT.glob("kernel/migrations/*.py"), *ROOT.glob("contexts/*/migrations/*.py")]
    anywhere = re.sub(r":\d+/", "/", database_url)  # an embedded engine answers on another port each time
    return Done(folder / "done" / "databases", sources=[INSTALLED, *migrations], about=anywhere)


def collected(folder: Path) -> Done:
    """The note that the static files are where the web process looks for them."""
    return Done(
        folder / "static" / ".complete",
        sources=[INSTALLED, *ROOT.glob("config/static/**/*"), *ROOT.glob("contexts/*/static/**/*")],
    )


def reachable(host: str) -> str:
    """The address by which this machine reaches a server that listens on `host`."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104  # nosec B104: compared with, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def answers(url: str) -> Callable[[], bool]:
    """True once `url` is answered with success."""

    def ask() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  # nosec B310: our own address
                return bool(answer.status == 200)
        except OSError:
            return False

    return ask
