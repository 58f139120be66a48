"""What the person on call needs: one correlation id from request to log line to event to socket frame,
structured logs, Prometheus metrics, liveness and readiness, and the invariants that must always hold.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client import REGISTRY as PROCESS_REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from kernel.databases import alias_of, redis_client
from kernel.events import uuid7

CORRELATION_HEADER = "X-Correlation-ID"
_CORRELATION_FORM = re.compile(r"[A-Za-z0-9._-]{8,64}")

_correlation: ContextVar[str | None] = ContextVar("correlation_id", default=None)


def correlation_id() -> str:
    """The id that ties together everything one request or event has caused."""
    current = _correlation.get()
    return current if current is not None else str(uuid7())


@contextmanager
def correlation(value: str) -> Iterator[None]:
    """Everything inside belongs to this correlation id."""
    token = _correlation.set(value)
    try:
        yield
    finally:
        _correlation.reset(token)


class CorrelationFilter(logging.Filter):
    """Adds the correlation id to every log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.correlation_id = _correlation.get()
        return True


requests_total = Counter("http_requests_total", "Requests answered", ["method", "route", "status"])
request_seconds = Histogram(
    "http_request_seconds",
    "Time to answer a request",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
deliveries_total = Counter("event_deliveries_total", "Events handed to a handler", ["handler", "outcome"])

access_log = logging.getLogger("http.access")


class ObserveRequests:
    """Middleware: accepts or makes a correlation id, counts and times the request, writes one log line."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        current = correlation_of(request.headers.get(CORRELATION_HEADER, ""))
        started = time.perf_counter()
        with correlation(current):
            response = self.get_response(request)
            response[CORRELATION_HEADER] = current
            route = request.resolver_match.route if request.resolver_match else "unmatched"
            observe(request.method or "", route, response.status_code, time.perf_counter() - started)
        return response


def correlation_of(asked: str) -> str:
    """The correlation id of a request that asks for this one; another, where it cannot be one."""
    return asked if _CORRELATION_FORM.fullmatch(asked) else str(uuid7())


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count and time an answered request, and log it by its route: a path may hold a person's identifiers."""
    requests_total.labels(method, route, status).inc()
    request_seconds.labels(route).observe(seconds)
    if access_log.isEnabledFor(logging.INFO):
        extra = {"method": method, "route": route, "status": status}
        access_log.info("answered", extra=extra | {"ms": round(seconds * 1000, 1)})


def healthz(request: HttpRequest) -> HttpResponse:
    """Liveness: this process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> JsonResponse:
    """Readiness: the state of each engine, 503 while one of them is away."""
    engines = {f"postgresql:{context}": _state(_ask_database, context) for context in settings.CONTEXTS}
    engines["redis"] = _state(_ask_redis)
    ready = all(state == "ok" for state in engines.values())
    return JsonResponse({"ready": ready, "engines": engines}, status=200 if ready else 503)


def _state(ask: Callable[..., None], *args: str) -> str:
    try:
        ask(*args)
    except Exception as error:
        logging.getLogger(__name__).warning("engine is away", extra={"engine": args, "error": type(error).__name__})
        return "unavailable"
    return "ok"


def _ask_database(context: str) -> None:
    with connections[alias_of(context)].cursor() as cursor:
        cursor.execute("SELECT 1 FROM kernel_outbox LIMIT 1")


def _ask_redis() -> None:
    redis_client().ping()


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What a context's outbox and failed deliveries hold at this moment."""

    context: str
    waiting: int
    oldest_s: float
    retrying: int
    dead: int


def backlog(context: str) -> Backlog:
    """Count what waits in a context: events not yet relayed from it, deliveries failed towards it."""
    with connections[alias_of(context)].cursor() as cursor:
        cursor.execute(
            "SELECT count(*), coalesce(extract(epoch FROM now() - min(recorded_at)), 0)::float8"
            " FROM kernel_outbox WHERE published_at IS NULL"
        )
        waiting, oldest = cursor.fetchone()
        cursor.execute(
            "SELECT count(*) FILTER (WHERE state = 'retrying'), count(*) FILTER (WHERE state = 'dead')"
            " FROM kernel_failed_delivery"
        )
        retrying, dead = cursor.fetchone()
    return Backlog(context=context, waiting=waiting, oldest_s=oldest, retrying=retrying, dead=dead)


class _BacklogCollector(Collector):
    """Outbox and dead-letter figures, read from the databases when somebody looks."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        figures = [backlog(context) for context in settings.CONTEXTS]
        for field, about in (
            ("waiting", "Events not relayed yet"),
            ("oldest_s", "Age of the oldest event not relayed yet, seconds"),
            ("retrying", "Deliveries being tried again"),
            ("dead", "Dead letters"),
        ):
            gauge = GaugeMetricFamily(f"events_{field}", about, labels=["context"])
            for figure in figures:
                gauge.add_metric([figure.context], getattr(figure, field))
            yield gauge


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' page, over all processes that share `PROMETHEUS_MULTIPROC_DIR`; operators only."""
    if not _may_read_metrics(request):
        return HttpResponse(status=404)
    shown = CollectorRegistry()
    shown.register(_BacklogCollector())
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(shown)  # type: ignore[no-untyped-call]
        return HttpResponse(generate_latest(shown), content_type=CONTENT_TYPE_LATEST)
    page = generate_latest(PROCESS_REGISTRY) + generate_latest(shown)
    return HttpResponse(page, content_type=CONTENT_TYPE_LATEST)


def _may_read_metrics(request: HttpRequest) -> bool:
    token = settings.METRICS_TOKEN
    if token:
        return request.headers.get("Authorization") == f"Bearer {token}"
    return request.META.get("REMOTE_ADDR") in {"127.0.0.1", "::1"}


@dataclass(frozen=True, kw_only=True)
class Invariant:
    """Something that must always hold, as a query whose rows are the violations."""

    context: str
    id: str
    sentence: str
    query: str

    def violations(self, *, limit: int = 20) -> list[dict[str, Any]]:
        """The first rows that break it; empty when all is well."""
        with connections[alias_of(self.context)].cursor() as cursor:
            cursor.execute(self.query)
            columns = [column.name for column in cursor.description]
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchmany(limit)]


_invariants: dict[str, Invariant] = {}


def invariant(context: str, id: str, sentence: str) -> Callable[[Callable[[], str]], Callable[[], str]]:
    """Register the decorated function's SQL: it must return no row while `sentence` is true."""

    def register(query: Callable[[], str]) -> Callable[[], str]:
        _invariants[f"{context}.{id}"] = Invariant(context=context, id=id, sentence=sentence, query=query())
        return query

    return register


def invariants() -> list[Invariant]:
    """Every registered invariant, the kernel's own for each context among them."""
    return [*_kernel_invariants(), *_invariants.values()]


def _kernel_invariants() -> Iterator[Invariant]:
    for context in settings.CONTEXTS:
        yield Invariant(
            context=context,
            id="X4",
            sentence="The outbox drains: no event waits longer than five minutes",
            query="SELECT event_id, type, recorded_at FROM kernel_outbox"
            " WHERE published_at IS NULL AND recorded_at < now() - interval '5 minutes'",
        )
        yield Invariant(
            context=context,
            id="X2",
            sentence="An event that a handler has applied is not also waiting to be applied",
            query="SELECT handler, event_id FROM kernel_failed_delivery JOIN kernel_inbox USING (handler, event_id)",
        )
        yield Invariant(
            context=context,
            id="X8",
            sentence="No table refers to another context's tables",
            query="SELECT conname FROM pg_constraint JOIN pg_class ON pg_class.oid = confrelid"
            " WHERE contype = 'f' AND relnamespace <> 'public'::regnamespace",
        )
