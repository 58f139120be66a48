"""Which server serves us best: what ADR 0003 rests on. One process each, the same views, the same client, in turns.

`python -m benchmarks servers`. HTTP: our list of workouts, our readings, and the liveness page, through each way from
a server to Django. Sockets: the bare hub of the chat benchmark on each server that speaks WebSocket.
"""

import os
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from benchmarks import chat, readings, workouts
from benchmarks.figures import Figure, in_turns
from benchmarks.load import load, request
from benchmarks.programs import listening, web_server
from config.running.engine import free_port

ROUNDS = 3
CONNECTIONS = 8
REQUESTS = {"healthz": 2_000, "list": 600, "readings": 60}
"""Requests a round."""
THREADS = (1, 2, 4, 8)
USUAL_THREADS = 4

GRANIAN = "-m granian --host 127.0.0.1 --no-ws --log-level error --workers 1 --port {port}"
CANDIDATES = {
    **{f"uvicorn + our bridge, {n} threads": f"bridge:{n}" for n in THREADS},
    "uvicorn + a2wsgi": "a2wsgi",
    "uvicorn + Django's ASGI handler": "django",
    "daphne + our bridge": "-m daphne -b 127.0.0.1 -p {port} -v 0 benchmarks.servers:bridged",
    "granian ASGI + our bridge": f"{GRANIAN} --interface asgi benchmarks.servers:bridged",
    "granian WSGI (no sockets)": f"{GRANIAN} --interface wsgi --blocking-threads {USUAL_THREADS}"
    " config.wsgi:application",
    "gunicorn gthread (no sockets)": f"-m gunicorn -k gthread --threads {USUAL_THREADS} -b 127.0.0.1:{{port}}"
    " --keep-alive 30 --log-level error config.wsgi:application",
}
HUBS = {
    "uvicorn": "",
    "daphne": "-m daphne -b 127.0.0.1 -p {port} -v 0 benchmarks.servers:hub",
    "granian": "-m granian --host 127.0.0.1 --log-level error --workers 1 --port {port} --interface asgi --ws"
    " benchmarks.servers:hub",
}


def __getattr__(name: str) -> Any:
    """The applications, each made in the process that serves it."""
    if name == "hub":
        return chat.bare_hub
    if name in ("bridged", "a2wsgi", "django"):
        return _application(name)
    raise AttributeError(name)


def _application(name: str) -> Any:
    from config.bridge import WsgiBridge

    threads = int(os.environ.get("BENCH_THREADS", USUAL_THREADS))
    if name == "django":
        from django.core.asgi import get_asgi_application

        return get_asgi_application()
    from config.wsgi import application

    if name == "a2wsgi":
        from a2wsgi import WSGIMiddleware

        return WSGIMiddleware(application, workers=threads)
    return WsgiBridge(application, threads=threads)


def run(*, quick: bool) -> list[Figure]:
    """HTTP through every candidate, then the hub on every server with sockets."""
    return [*_http(quick=quick), *_sockets(quick=quick)]


def _http(*, quick: bool) -> Iterator[Figure]:
    batches = readings.Batches()
    share = 20 if quick else 1
    with workouts.history() as (_, token), ExitStack() as servers:
        ports = {name: servers.enter_context(_candidate(plan)) for name, plan in CANDIDATES.items()}
        for what, count in REQUESTS.items():

            def measure(port: int, what: str = what, count: int = max(8, count // share)) -> float:
                if what == "readings":
                    return load(port, batches.signed(count), connections=CONNECTIONS).per_second
                asked = workouts.list_request(token) if what == "list" else request("GET", "/healthz")
                return load(port, [asked], times=count, connections=CONNECTIONS).per_second

            rates = in_turns(1 if quick else ROUNDS, {name: partial(measure, port) for name, port in ports.items()})
            for name, values in rates.items():
                yield Figure(
                    about=f"{what}: {name}",
                    ours=statistics.median(values),
                    unit="requests/s",
                    beside="uvicorn + a2wsgi",
                    limit=statistics.median(rates["uvicorn + a2wsgi"]),
                )


@contextmanager
def _candidate(plan: str) -> Iterator[int]:
    kind, _, threads = plan.partition(":")
    if kind in ("bridge", "a2wsgi", "django"):
        application = f"benchmarks.servers:{'bridged' if kind == 'bridge' else kind}"
        with web_server(application, BENCH_THREADS=threads or str(USUAL_THREADS)) as port:
            yield port
    else:
        with _elsewhere(plan) as port:
            yield port


@contextmanager
def _elsewhere(plan: str) -> Iterator[int]:
    port = free_port()
    with listening(plan.format(port=port).split(), port):
        yield port


def _sockets(*, quick: bool) -> Iterator[Figure]:
    rates: dict[str, float] = {}
    for name, plan in HUBS.items():
        with (
            _elsewhere(plan) if plan else web_server("benchmarks.chat:bare_hub") as port,
            chat.crowd(port, path="/", tokens=[], room_id="") as crowd,
        ):
            for _ in range(1 if quick else ROUNDS):
                crowd.tell("burst")
        rates[name] = statistics.median(crowd.rates)
    for name, rate in rates.items():
        yield Figure(
            about=f"sockets: bare hub on {name}, {chat.SOCKETS:,} sockets",
            ours=rate,
            unit="deliveries/s",
            beside="uvicorn",
            limit=rates["uvicorn"],
        )
