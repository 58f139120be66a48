"""The fixtures every test may use: people, clients, sockets, the relay, what was announced."""

import gc
import itertools
import json
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import hypothesis
import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db.backends.base.creation import BaseDatabaseCreation
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client, TransactionTestCase
from django.test.client import ClientHandler
from django.utils.timezone import now
from xdist.scheduler import LoadFileScheduling

from contexts.identity import mailing
from contexts.identity.models import MailedLink
from kernel import policy
from kernel.databases import alias_of, redis_client
from kernel.events import DomainEvent, Envelope
from kernel.memory import settle_in
from kernel.models import OutboxEvent
from kernel.relay import Relay
from tests.accounts import PASSWORD, open_account
from tests.engines import OF_THE_SUITE
from tests.migrating import only_what_lives_in
from tests.tables import empty_tables

# The same examples in every run: a suite that fails must fail again. HYPOTHESIS_EXPLORE=on looks for new ones.
hypothesis.settings.register_profile("suite", derandomize="HYPOTHESIS_EXPLORE" not in os.environ, deadline=None)
hypothesis.settings.load_profile("suite")

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests go first, so that no worker ends with a long one while the other has nothing to do."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


PARTS = {"tests/contracts/test_schemathesis.py": 12, "tests/workout/test_recordings_samples.py": 4}
"""Files that would be a worker's whole life: their tests have nothing in common, so they are handed out in parts."""


class ByWorld(LoadFileScheduling):
    """`pytest -n`: a file's tests stay together, and so do all journeys, which share one running platform."""

    def _split_scope(self, nodeid: str) -> str:
        path = super()._split_scope(nodeid)
        if path.startswith("tests/journeys/"):
            return "journeys"
        return f"{path} {zlib.crc32(nodeid.encode()) % PARTS[path]}" if path in PARTS else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByWorld:
    """Hand out tests `ByWorld`."""
    return ByWorld(config, log)


class Api:
    """An HTTP client that speaks JSON and signs in with a bearer token."""

    handler = ClientHandler(enforce_csrf_checks=False)
    """One for all clients: each would put the middlewares together anew, and look for the static files again."""

    def __init__(self, token: str | None = None) -> None:
        self._client = Client()
        self._client.handler = self.handler
        self.token = token

    def __deepcopy__(self, _: Any) -> "Api":
        return Api(self.token)

    def request(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        """Send one request; `headers` are added to the bearer token, `data` is a form or raw body."""
        headers = dict(options.pop("headers", {}))
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if json is not None:
            options |= {"data": encode(json), "content_type": "application/json"}
        return getattr(self._client, method)(path, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        """GET; `data` become query parameters."""
        return self.request("get", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> Any:
        """POST a JSON value, or `data` as a form with files."""
        return self.request("post", path, json, **options)

    def put(self, path: str, json: Any = None, **options: Any) -> Any:
        """PUT a JSON value."""
        return self.request("put", path, json, **options)

    def patch(self, path: str, json: Any = None, **options: Any) -> Any:
        """PATCH a JSON value."""
        return self.request("patch", path, json, **options)

    def delete(self, path: str, **options: Any) -> Any:
        """DELETE."""
        return self.request("delete", path, **options)


def encode(value: Any) -> str:
    """JSON with UUIDs and instants as text."""
    return json.dumps(value, default=str)


@dataclass
class Person:
    """Somebody who has registered and signed in."""

    user_id: UUID
    email: str
    password: str
    token: str
    refresh: str
    api: Api = field(repr=False)


def sign_in(email: str, password: str = PASSWORD, **more: Any) -> dict[str, Any]:
    """The tokens of a fresh login."""
    answer = Api().post("/api/v1/identity/login", {"email": email, "password": password} | more)
    assert answer.status_code == 200, answer.content
    tokens: dict[str, Any] = answer.json()
    return tokens


def confirm(email: str, password: str = PASSWORD) -> None:
    """Open the account as the link in the mail would."""
    link = MailedLink.objects.filter(address=email.lower(), purpose="confirm_email", used_at__isnull=True).get()
    form = {"token": mailing.token_of(link), "password": password}
    answer = Api().post("/api/v1/identity/email/confirm", form)
    assert answer.status_code == 204, answer.content


def make_person(email: str | None = None, **profile: Any) -> Person:
    """Somebody who has registered, confirmed and signed in (`open_account`), with what `profile` says set."""
    email = email or f"person{next(_numbers)}@example.org"
    person, tokens = open_account(
        email=email,
        display_name=profile.pop("display_name", email.partition("@")[0].title()),
        birth_date=date.fromisoformat(str(profile.pop("birth_date", "1990-05-17"))),
        at=now(),
    )
    api = Api(tokens.access)
    if profile:
        changed = api.patch("/api/v1/identity/me", profile)
        assert changed.status_code == 200, changed.content
    return Person(
        user_id=person.pk, email=email, password=PASSWORD, token=tokens.access, refresh=tokens.refresh, api=api
    )


def agree(person: Person, purpose: str = "health_processing", *, given: bool = True) -> Any:
    """Say yes (or no) to the text in force of a purpose."""
    standings = person.api.get("/api/v1/identity/consents").json()["purposes"]
    (version,) = [standing["version_in_force"] for standing in standings if standing["purpose"] == purpose]
    decision = {"purpose": purpose, "version": version, "given": given}
    answer = person.api.post("/api/v1/identity/consents", decision)
    assert answer.status_code == 200, answer.content
    return answer.json()


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix() -> None:
    """Parallel workers have a prefix of their own already (`tests.engines`)."""


@pytest.fixture(scope="session")
def django_db_keepdb(request: pytest.FixtureRequest) -> bool:
    """Databases of an engine that ends with the suite need not be dropped one by one before."""
    return request.config.getoption("reuse_db") or OF_THE_SUITE in os.environ


@pytest.fixture
def register(db: None) -> Callable[..., Person]:
    """`register(email=…, display_name=…, sex=…, …) -> Person`."""
    return make_person


def enrol_app(person: Person) -> Any:
    """Enrol an authenticator app for the person, which it answers; its codes are good once, as everybody's."""
    from tests.identity.conftest import App

    app = App(person.api.post("/api/v1/identity/mfa/totp").json()["secret"])
    answer = person.api.post("/api/v1/identity/mfa/totp/confirm", {"code": app.code()})
    assert answer.status_code == 200, answer.content
    return app


def enter_admin(person: Person, code: str, **more: Any) -> Client:
    """A browser that has signed in to the administration through its form."""
    browser = Client()
    form = {"username": person.email, "password": person.password, "code": code}
    answer = browser.post(f"/{settings.ADMIN_PATH}login/", form | more)
    assert answer.status_code == 302, answer.content
    return browser


@pytest.fixture
def staff_client(register: Callable[..., Person]) -> Callable[..., Client]:
    """`staff_client("moderator", display_name=…) -> Client`: a new member of staff, signed in to the administration.

    The role "superuser" may do everything.
    """

    def enter(role: str, **profile: Any) -> Client:
        person = register(**profile)
        app = enrol_app(person)
        if role == "superuser":
            get_user_model().objects.filter(pk=person.user_id).update(is_staff=True, is_superuser=True)
        else:
            call_command("grant_role", person.email, role, verbosity=0)
        return enter_admin(person, app.code())

    return enter


@pytest.fixture
def anonymous() -> Api:
    """A client that has not signed in."""
    return Api()


@pytest.fixture
def deliver() -> Callable[[], int]:
    """Run the relay until nothing is left; calling it twice must change nothing more."""
    return Relay(contexts=settings.CONTEXTS).drain


@pytest.fixture
def announced() -> Callable[[type[DomainEvent]], list[Any]]:
    """`announced(workout.WorkoutCompleted)`: the events of that type so far, oldest first."""

    def events(kind: type[DomainEvent]) -> list[DomainEvent]:
        rows = OutboxEvent.objects.using(alias_of(kind.context)).filter(type=kind.type).order_by("position")
        return [_opened(row) for row in rows]

    return events


def _opened(row: OutboxEvent) -> DomainEvent:
    return Envelope(
        event_id=row.event_id,
        type=row.type,
        version=row.version,
        key=row.key,
        occurred_at=row.occurred_at,
        correlation_id=row.correlation_id,
        causation_id=row.causation_id,
        payload=encode(row.payload).encode(),
    ).open()


class TestSocket(WebsocketCommunicator):
    """A WebSocket client against the ASGI entry, as a browser would connect."""

    __test__ = False

    def __init__(self, path: str, token: str | None = None) -> None:
        from config.asgi import application

        offered = ["stayer.v1", *([f"bearer.{token}"] if token else [])]
        super().__init__(application, path, subprotocols=offered)

    async def __aenter__(self) -> "TestSocket":
        connected, protocol = await self.connect(timeout=10)
        assert connected, f"refused with {protocol}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect()

    async def next(self, type: str | None = None, timeout: float = 10) -> dict[str, Any]:
        """The next frame, or the next of this type."""
        while True:
            frame: dict[str, Any] = await self.receive_json_from(timeout=timeout)
            if type is None or frame["type"] == type:
                return frame

    async def closed_with(self, timeout: float = 10) -> int:
        """Read on until the server closes; returns the close code."""
        while (message := await self.receive_output(timeout))["type"] != "websocket.close":
            pass
        return int(message.get("code", 1000))


@pytest.fixture
async def socket() -> Any:
    """`async with socket(path, token) as ws: await ws.next("snapshot")`."""
    from kernel.realtime import hub

    yield TestSocket
    await hub().stop()


@pytest.fixture(autouse=True)
def empty_redis() -> Iterator[None]:
    """Counters, caches and boards of one test are not seen by the next."""
    redis_client().flushdb()
    policy.forget()
    return


def _empty_databases(self: TransactionTestCase) -> None:
    for alias in self._databases_names(include_mirrors=False):
        empty_tables(alias)


def _create_database(self: BaseDatabaseCreation, *args: Any, **options: Any) -> str:
    """The first worker goes through the migrations; the next ones have a copy of what came of it."""
    if OF_THE_SUITE not in os.environ:
        return _migrate_database(self, *args, **options)
    migrated = f"migrated_{self.connection.alias}"
    with self._nodb_cursor() as maintenance:
        maintenance.execute("SELECT pg_advisory_lock(hashtext(%s))", [migrated])
        maintenance.execute("SELECT FROM pg_database WHERE datname = %s", [migrated])
        if maintenance.fetchone() is not None:
            self.connection.settings_dict["TEST"]["TEMPLATE"] = migrated
            return _migrate_database(self, *args, **options)
        name = _migrate_database(self, *args, **options)
        self.connection.close()
        self.connection.close_pool()
        maintenance.execute(f'CREATE DATABASE "{migrated}" TEMPLATE "{name}"')
        return name


def _migrate_database(self: BaseDatabaseCreation, *args: Any, **options: Any) -> str:
    """The migrations of apps that live elsewhere need only be noted."""
    with only_what_lives_in(self.connection.alias) as elsewhere:
        name = _djangos_create(self, *args, **options)
    noted, known = MigrationRecorder(self.connection), MigrationLoader(self.connection)
    missing = known.disk_migrations.keys() - known.applied_migrations.keys()
    noted.migration_qs.bulk_create(noted.Migration(app=app, name=of) for app, of in missing if app in elsewhere)
    return name


_djangos_create = BaseDatabaseCreation.create_test_db
BaseDatabaseCreation.create_test_db = _create_database
TransactionTestCase._fixture_teardown = _empty_databases


def pytest_collection_finish() -> None:
    """A worker lives long. Until now nothing it made was garbage, so nobody looked for any (`tests.engines`)."""
    gc.enable()
    settle_in()
