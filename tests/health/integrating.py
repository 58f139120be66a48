"""What tests of accounts at vendors share: the vendors, somebody who has agreed, a worker in their hands."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from contexts.health import tasks
from contexts.health.integrations import connecting, planning
from contexts.health.models import Portion
from kernel.databases import redis_client
from kernel.observability import invariants
from tests.conftest import Person, agree
from tests.health.vendors import Fitbit, Open, Withings, serving

HEALTH = "/api/v1/health"
INTEGRATIONS = f"{HEALTH}/integrations"
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests are the worker."""
    monkeypatch.setattr(planning, "_send", lambda: None)


@pytest.fixture
def withings(settings: Any) -> Iterator[Withings]:
    """Withings, named by the operator."""
    with serving(Withings()) as vendor:
        settings.INTEGRATIONS = [vendor.settings]
        yield vendor


@pytest.fixture
def fitbit(settings: Any) -> Iterator[Fitbit]:
    """Fitbit, named by the operator."""
    with serving(Fitbit()) as vendor:
        settings.INTEGRATIONS = [vendor.settings]
        settings.INTEGRATIONS_BACKFILL_DAYS = 10
        yield vendor


@pytest.fixture
def glucometers(settings: Any) -> Iterator[Open]:
    """A vendor that speaks open push, named by the operator."""
    with serving(Open()) as vendor:
        settings.INTEGRATIONS = [vendor.settings]
        yield vendor


@pytest.fixture
def anna(register: Callable[..., Person]) -> Person:
    """She has agreed."""
    person = register()
    agree(person)
    return person


def connect(person: Person, vendor: Any, account: str = "12345") -> str:
    """Connect an account through the front door; returns the connection's id."""
    begun = person.api.post(INTEGRATIONS, {"vendor": vendor.name})
    assert begun.status_code == 201, begun.content
    code = vendor.let_in(begun.json()["authorization_url"], account)
    made = person.api.post(f"{INTEGRATIONS}/complete", {"state": begun.json()["state"], "code": code})
    assert made.status_code == 201, made.content
    return str(made.json()["connection_id"])


def work() -> None:
    """What the worker does when it is woken."""
    tasks.fetch_from_vendors()


def later() -> None:
    """Whatever had to wait has waited."""
    redis = redis_client()
    for key in (*redis.keys("integrations:wait:*"), *redis.keys("limit:*")):
        redis.delete(key)
    Portion.objects.filter(done_at=None).update(not_before=datetime.now(UTC))


def shown(person: Person, connection_id: str) -> dict[str, Any]:
    """How a connection stands."""
    answer = person.api.get(f"{INTEGRATIONS}/{connection_id}")
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = answer.json()
    return found


def read(api: Any, metric: str, **more: Any) -> list[tuple[datetime, float]]:
    """What the API shows of a metric in the last hundred days."""
    now = datetime.now(UTC)
    span = {"from": (now - timedelta(days=100)).isoformat(), "to": (now + timedelta(minutes=1)).isoformat()}
    answer = api.get(f"{HEALTH}/metrics/{metric}/readings", data=span | {"limit": 100} | more)
    assert answer.status_code == 200, answer.content
    return [(datetime.fromisoformat(one["time"]), one["value"]) for one in answer.json()["items"]]


def broken() -> dict[str, Any]:
    """Health's invariants that do not hold."""
    return {each.id: found for each in invariants() if each.context == "health" if (found := each.violations())}


def path_of(url: str) -> str:
    """Of an address we have given a vendor."""
    return urlsplit(url).path


def post(path: str, body: Any, headers: dict[str, str] | None = None, form: bool = False) -> int:
    """A vendor posts."""
    kind = "application/x-www-form-urlencoded" if form else "application/json"
    return int(Client().post(path, data=body, content_type=kind, headers=headers or {}).status_code)


def hook(vendor: Any) -> str:
    """The address a vendor posts to."""
    return f"{INTEGRATIONS}/webhooks/{vendor.name}/{connecting.webhook_token(vendor.name)}"
