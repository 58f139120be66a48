"""Requests of a few readings, answered in groups: each as Django would answer it, and none for another."""

import asyncio
import gzip
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.db import DatabaseError

from config.asgi import HTTP_THREADS
from config.bridge import WsgiBridge
from config.wsgi import application as django_alone
from contexts.health import events
from contexts.health.api.grouped import grouped_endpoints
from contexts.health.intake import grouped
from contexts.health.models import Batch, Device, Reading
from kernel import policy
from kernel.grouped_requests import MAX_BODY_BYTES, GroupedRequests
from kernel.models import OutboxEvent
from kernel.observability import invariants
from tests.health.conftest import COLUMNS, COMMITTED, READINGS, Strap, beats, reading

pytestmark = COMMITTED

Header = tuple[str, str]


class Server:
    """What serves readings, and how many of the requests Django was asked."""

    def __init__(self) -> None:
        (endpoint,) = grouped_endpoints
        self.asked_django = 0
        self._bridge = WsgiBridge(django_alone, threads=HTTP_THREADS)
        self._grouped = GroupedRequests(endpoint, beyond=self._ask_django)

    async def _ask_django(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked_django += 1
        await self._bridge(scope, receive, send)

    def answers(self, requests: Sequence["Request"], *, in_groups: bool = True) -> list[SimpleNamespace]:
        """Send all at the same moment; the answers in the same order."""
        application = self._grouped if in_groups else self._bridge

        async def send_all() -> list[SimpleNamespace]:
            return await asyncio.gather(*(_answer(application, each) for each in requests))

        return asyncio.run(send_all())

    def close(self) -> None:
        for threads in (self._bridge.threads, self._grouped._threads):
            threads.shutdown()


async def _answer(application: Any, request: "Request") -> SimpleNamespace:
    scope = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "method": "POST",
        "path": READINGS,
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in request.headers],
    }
    talk = ApplicationCommunicator(application, scope)
    await talk.send_input({"type": "http.request", "body": request.body, "more_body": False})
    start, body = await talk.receive_output(20), await talk.receive_output(20)
    await talk.wait(20)
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return SimpleNamespace(status=start["status"], headers=headers, body=json.loads(body["body"]))


class Request(SimpleNamespace):
    headers: list[Header]
    body: bytes


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()
    broken = {i.id: i.violations() for i in invariants() if i.context == "health"}
    assert not any(broken.values()), broken


def request(strap: Strap, body: bytes, *more: Header, form: str = "application/json", **signed: Any) -> Request:
    """A signed request; `signed` replaces parts of what is signed."""
    headers = [
        *(("content-type", form), ("content-length", str(len(body)))),
        *(("authorization", strap.authorization(body, **signed)), *more),
    ]
    return Request(headers=headers, body=body)


def told(strap: Strap, readings: list[dict[str, Any]], **more: Any) -> Request:
    return request(strap, json.dumps({"readings": readings} | more).encode())


START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
GOOD = reading(START, 72)
COLUMN = {"stream": "heart_rate", "steps_us": [0], "values": [7]}

ORDINARY: dict[str, Callable[[Strap], list[Request]]] = {
    "one reading": lambda worn: [told(worn, [GOOD])],
    "some of two streams": lambda worn: [
        told(worn, [*beats(20, start=START), reading(START, 800, stream="rr_interval")])
    ],
    "implausible": lambda worn: [told(worn, [reading(START, 300)])],
    "sent again": lambda worn: [told(worn, [GOOD]), told(worn, [GOOD, reading(START, 80, sequence=1)])],
    "twice in one": lambda worn: [told(worn, [GOOD, GOOD])],
}
OTHERS: dict[str, Callable[[Strap], list[Request]]] = {
    "unknown stream": lambda worn: [told(worn, [GOOD, reading(START, stream="mood")])],
    "impossible": lambda worn: [told(worn, [GOOD, reading(START, 1e9, sequence=1)])],
    "from the future": lambda worn: [told(worn, [reading(datetime.now(UTC) + timedelta(hours=1))])],
    "from long before": lambda worn: [told(worn, [reading(START - timedelta(days=60))])],
    "doubted": lambda worn: [told(worn, [GOOD], doubts={"no_contact": [0]})],
    "in another unit": lambda worn: [told(worn, [GOOD], units={"heart_rate": "Hz"})],
    "no batch": lambda worn: [told(worn, [])],
    "no JSON": lambda worn: [request(worn, b"{")],
    "no UTF-8": lambda worn: [request(worn, b'{"readings": [{"stream": "\xff"}]}')],
    "columns": lambda worn: [request(worn, json.dumps([COLUMN | {"base": GOOD["time"]}]).encode(), form=COLUMNS)],
    "compressed": lambda worn: [
        request(worn, gzip.compress(json.dumps({"readings": [GOOD]}).encode()), ("content-encoding", "gzip"))
    ],
    "another form": lambda worn: [request(worn, b"hello", form="text/plain")],
    "large": lambda worn: [told(worn, beats(200, start=START))],
    "forged": lambda worn: [request(worn, b"{}", secret=b"x" * 32)],
    "stale": lambda worn: [request(worn, b"{}", seconds=int(time.time()) - 400)],
    "of nobody": lambda worn: [request(worn, b"{}", device_id="01920000-0000-7000-8000-000000000000")],
    "unsigned": lambda worn: [Request(headers=[("content-type", "application/json")], body=b"{}")],
    "signed twice": lambda worn: [request(worn, b"{}", ("authorization", "Bearer of.some.token"))],
}


@pytest.mark.parametrize("case", [*ORDINARY, *OTHERS])
def test_a_request_in_a_group_is_answered_as_django_answers_it(strap, server, case):
    alone, grouped = strap(), strap()
    make = (ORDINARY | OTHERS)[case]
    for by_django, in_group in zip(make(alone), make(grouped), strict=True):
        (expected,) = server.answers([by_django], in_groups=False)
        (answer,) = server.answers([in_group])
        assert (answer.status, _without_id(answer.body)) == (expected.status, _without_id(expected.body))
        said = {name: value for name, value in expected.headers.items() if name in answer.headers}
        assert set(expected.headers) - set(answer.headers) <= {"vary", "allow", "content-language"}
        differ = {name for name, value in said.items() if answer.headers[name] != value}
        assert differ <= {"x-correlation-id", "retry-after"}
    assert server.asked_django == (0 if case in ORDINARY else 1)
    rows = Reading.objects.values_list("stream", "time", "sequence", "value", "quarantined").order_by("pk")
    of = {each: Device.objects.get(device_id=each.device_id).number for each in (alone, grouped)}
    assert list(rows.filter(device_number=of[alone])) == list(rows.filter(device_number=of[grouped]))


def _without_id(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "correlation_id"}


def test_h1_h2_many_hands_in_groups_lose_nothing_and_store_nothing_twice(strap, server, announced):
    straps, readings = [strap() for _ in range(3)], beats(40, start=START)
    requests = [told(worn, [readings[n], readings[(n + 1) % 40]]) for n in range(40) for worn in straps]
    requests += [told(worn, [readings[n]]) for n in range(40) for worn in straps]
    answers = server.answers(requests)
    assert {answer.status for answer in answers} == {200}
    assert server.asked_django == 0
    assert sum(answer.body["accepted"] for answer in answers) == Reading.objects.count() == 120
    assert sum(answer.body["duplicates"] for answer in answers) == 240
    facts = announced(events.HealthMetricRecorded)
    assert sum(fact.count for fact in facts) == 120
    assert len(facts) == Batch.objects.count() < len(requests)


def test_what_is_wrong_in_a_group_spoils_nothing_else(strap, server):
    good, bad = strap(), strap()
    lost = strap()
    server.answers([told(lost, [reading(START)])])
    Device.objects.filter(device_id=lost.device_id).update(lost_at=datetime.now(UTC))  # no process has heard of it
    requests = [told(good, [reading(START, sequence=n)]) for n in range(10)]
    requests[3:3] = [told(bad, [reading(START, stream="mood")]), told(lost, [reading(START, sequence=1)])]
    answers = server.answers(requests)
    codes = [answer.body.get("code") for answer in answers if answer.status != 200]
    assert codes == ["device_lost"]
    assert server.asked_django == 2
    assert Reading.objects.count() == 1 + 10


def test_what_a_group_cannot_store_each_tries_by_itself(strap, server, monkeypatch):
    worn = strap()

    def fail(**_: Any) -> None:
        raise DatabaseError("no space left")

    monkeypatch.setattr(grouped, "_store", fail)
    answers = server.answers([told(worn, [reading(START, sequence=n)]) for n in range(5)])
    assert [answer.body for answer in answers] == [{"accepted": 1, "duplicates": 0, "rejected": []}] * 5
    assert server.asked_django == Reading.objects.count() == 5


def test_a_nonce_is_good_once_in_a_group_too(strap, server):
    worn = strap()
    body = json.dumps({"readings": [GOOD]}).encode()
    answers = server.answers([request(worn, body, nonce="n" * 20) for _ in range(6)])
    assert sorted(answer.status for answer in answers) == [200] + [401] * 5
    assert {answer.body["code"] for answer in answers if answer.status == 401} == {"nonce_reused"}


def test_whoever_sends_too_fast_is_told_when_to_come_again(strap, server, monkeypatch):
    monkeypatch.setattr("contexts.health.rules.REQUESTS_AT_ONCE", 3)
    monkeypatch.setattr("contexts.health.rules.REQUESTS_A_SECOND", 0.01)
    worn = strap()
    answers = server.answers([told(worn, [reading(START, sequence=n)]) for n in range(5)])
    assert sorted(answer.status for answer in answers) == [200, 200, 200, 429, 429]
    assert all("retry-after" in answer.headers for answer in answers if answer.status == 429)
    assert Reading.objects.count() == 3


def test_a_policy_laid_over_readings_counts_in_groups_too(strap, server, monkeypatch):
    worn = strap()
    closed = policy.SecurityRules(access={"health.Readings.POST": policy.AccessRule(closed=True)})
    monkeypatch.setattr(policy, "in_force", lambda: closed)
    (answer,) = server.answers([told(worn, [GOOD])])
    assert (answer.status, answer.body["code"]) == (403, "closed_by_policy")


def test_a_correlation_id_goes_from_the_request_to_its_event(strap, server):
    worn = strap()
    names = [f"request-{n}" for n in range(3)]
    asked = [told(worn, [reading(START, sequence=n)]) for n in range(3)]
    for each, name in zip(asked, names, strict=True):
        each.headers.append(("x-correlation-id", name))
    answers = server.answers(asked)
    assert [answer.headers["x-correlation-id"] for answer in answers] == names
    kept = OutboxEvent.objects.using("health").filter(type=events.HealthMetricRecorded.type)
    assert set(kept.values_list("correlation_id", flat=True)) == set(names)


def test_a_body_that_comes_in_pieces_or_too_large_is_djangos(strap, server):
    assert len(json.dumps({"readings": beats(200, start=START)})) > MAX_BODY_BYTES
    worn = strap()
    chunked = told(worn, [GOOD])
    chunked.headers = [header for header in chunked.headers if header[0] != "content-length"]
    (answer,) = server.answers([chunked])
    assert (answer.status, server.asked_django) == (200, 1)


def test_where_https_is_demanded_a_group_takes_nothing_else(strap, settings):
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 31_536_000
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    worn, server = strap(), Server()
    plain, secure = (told(worn, [reading(START, sequence=n)]) for n in range(2))
    secure.headers.append(("x-forwarded-proto", "https"))
    server.answers([plain])
    assert server.asked_django == 1
    (answer,) = server.answers([secure])
    assert server.asked_django == 1
    assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains; preload"
    server.close()


def test_a_group_that_is_answered_wrongly_leaves_nobody_waiting(strap, monkeypatch):
    (endpoint,) = grouped_endpoints
    monkeypatch.setattr(
        "tests.health.test_grouped_readings.grouped_endpoints", [replace(endpoint, serve=lambda _: [])]
    )
    worn, server = strap(), Server()
    for n in range(3):
        (answer,) = server.answers([told(worn, [reading(START, sequence=n)])])
        assert answer.status == 200
    assert server.asked_django == 3
    server.close()
