"""Every process of `make run`, in the order in which it matters that they start."""

from __future__ import annotations

import shlex
import urllib.request
from collections.abc import Callable
from pathlib import Path

from config.running.process import Process

CELERY = "-m celery --quiet -A config"
WORKER = "--loglevel WARNING --concurrency 2 --without-gossip --without-mingle"


def processes(*, folder: Path, host: str, port: int, strap_port: int) -> list[Process]:
    """The platform with its data in `folder`, answering on `host`:`port`.

    First what the web process cannot answer without, then the web process, then all the others:
    so the first answer does not wait for them.
    """
    data = shlex.quote(str(folder))
    url = f"http://{reachable(host)}:{port}"
    web = f"-m uvicorn config.asgi:application --host {host} --port {port} --no-access-log --log-level warning"
    beat = f"--loglevel WARNING --schedule {data}/beat-schedule --pidfile="
    strap = f"--listen tcp-server:127.0.0.1:{strap_port}"
    radio = f"--transport bumble:tcp-client:127.0.0.1:{strap_port}"
    return [
        Process("databases", "manage.py setup_databases", once=True),
        Process("static", "manage.py collectstatic --noinput --verbosity 0", once=True),
        Process("web", web, after="databases static", ready=answers(f"{url}/readyz")),
        Process("demo", "manage.py load_demo", once=True, after="databases"),
        Process("relay", "manage.py relay", after="web"),
        Process("worker", f"{CELERY} worker {WORKER}", after="web"),
        Process("beat", f"{CELERY} beat {beat}", after="web"),
        Process("strap", f"-m device_bridge strap {strap}", after="web"),
        Process(
            "bridge",
            f"-m device_bridge run {radio} --url {url} --credentials {data}/bridge.json --spool {data}/spool",
            after="web demo strap",
        ),
    ]


def reachable(host: str) -> str:
    """The address by which this machine reaches a server that listens on `host`."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def answers(url: str) -> Callable[[], bool]:
    """True once `url` is answered with success."""

    def ask() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False

    return ask
