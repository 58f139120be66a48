"""Liveness, readiness, metrics, invariants, setting databases up: what operators and their programs ask."""

import json
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections

from kernel import observability
from kernel.observability import Invariant, invariants
from tests.conftest import Api
from tests.kernel.probe import send

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def test_p12_liveness_and_readiness(anonymous: Api) -> None:
    assert anonymous.get("/healthz").content == b"ok\n"
    ready = anonymous.get("/readyz").json()
    assert ready["ready"] is True
    assert set(ready["engines"]) == {*(f"postgresql:{name}" for name in settings.CONTEXTS), "redis"}


def test_readiness_names_the_engine_that_is_away(anonymous: Api, monkeypatch) -> None:
    def away() -> None:
        raise ConnectionError("redis://:password@secret-host")

    monkeypatch.setattr(observability, "_ask_redis", away)
    answer = anonymous.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["engines"]["redis"] == "unavailable"
    assert b"secret-host" not in answer.content
    assert anonymous.get("/healthz").status_code == 200


def test_p12_metrics_count_requests_and_show_the_backlog(anonymous: Api) -> None:
    send(subject="a", numbers=[1, 2])
    anonymous.get("/healthz")
    page = anonymous.get("/metrics").content.decode()
    assert 'http_requests_total{method="GET",route="healthz",status="200"}' in page
    assert 'events_waiting{context="social"} 2.0' in page


def test_metrics_are_for_operators(anonymous: Api, settings) -> None:
    assert anonymous.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 404
    settings.METRICS_TOKEN = "scrape-me"
    assert anonymous.get("/metrics").status_code == 404
    allowed = anonymous.get("/metrics", headers={"Authorization": "Bearer scrape-me"})
    assert allowed.status_code == 200


def run_invariants() -> tuple[int, list[dict]]:
    out = StringIO()
    try:
        call_command("check_invariants", json=True, stdout=out)
    except SystemExit as end:
        return int(end.code or 0), json.loads(out.getvalue())
    return 0, json.loads(out.getvalue())


def test_every_invariant_holds_on_empty_databases() -> None:
    code, results = run_invariants()
    assert code == 0
    assert len(results) >= 3 * len(settings.CONTEXTS)
    assert {r["context"] for r in results} == set(settings.CONTEXTS)


def test_negative_control_a_broken_invariant_is_shown(monkeypatch) -> None:
    broken = Invariant(context="social", id="Z9", sentence="One is two", query="SELECT 1 AS one WHERE 1 <> 2")
    monkeypatch.setitem(observability._invariants, "social.Z9", broken)
    code, results = run_invariants()
    assert code == 1
    assert [r["violations"] for r in results if r["id"] == "Z9"] == [[{"one": 1}]]


def test_x4_an_event_that_waits_too_long_breaks_an_invariant() -> None:
    send(subject="a", numbers=[1])
    with connections["social"].cursor() as cursor:
        cursor.execute("UPDATE kernel_outbox SET recorded_at = now() - interval '1 hour'")
    (stuck,) = [one for one in invariants() if (one.context, one.id) == ("social", "X4")]
    assert len(stuck.violations()) == 1


def test_setting_up_complete_databases_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("setup_databases")
    assert capsys.readouterr().out == ""
