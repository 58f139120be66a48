"""A small world for the API's description to be tried in: people, a strap, sessions, rooms, requests."""

import base64
import copy
import hashlib
import hmac
import io
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings

from config.wsgi import application
from contexts.identity.models import ExternalAccount, Session
from contexts.identity.rules import CONSENTS
from kernel.models import uuid7
from kernel.relay import Relay
from tests.conftest import Person, make_person
from tests.contracts import accounts, connections
from tests.contracts.alerts import Alerts
from tests.contracts.bookings import Bookings
from tests.contracts.exchange import Exchange
from tests.contracts.health_imports import HealthImports
from tests.contracts.integrations import Integrations
from tests.contracts.measurements import Measurements
from tests.contracts.places import WITH_PLACES, Places
from tests.contracts.plans import Plans
from tests.contracts.sharing import Sharing
from tests.contracts.workouts import Workouts
from tests.identity.authenticator import Authenticator
from tests.identity.conftest import App
from tests.identity.oauth_client import tracker_of
from tests.tables import Kept, empty_tables

API = "/api/v1"
READINGS = f"{API}/health/readings"
KEPT_S = 120.0
"""How long a world is put back. Its tokens are good for ten minutes: whoever gets it last has eight of them left."""

FILES = {"gpx": b"<gpx version='1.1' xmlns='http://www.topografix.com/GPX/1/1'><trk><trkseg/></trk></gpx>"}


class Strap:
    """A connected device that signs over the bytes that really travel, as the last thing before they do."""

    def __init__(self, device_id: str, secret: str) -> None:
        self.device_id = device_id
        self._secret = base64.urlsafe_b64decode(secret + "==")

    def sign(self, environ: dict[str, Any]) -> None:
        """Put the signature into a WSGI request."""
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        stamp, nonce = str(int(time.time())), secrets.token_urlsafe(16)
        lines = [environ["REQUEST_METHOD"], environ["PATH_INFO"], hashlib.sha256(body).hexdigest(), stamp, nonce]
        mac = hmac.digest(self._secret, "\n".join(lines).encode(), "sha256")
        signature = base64.urlsafe_b64encode(mac).rstrip(b"=").decode()
        environ["HTTP_AUTHORIZATION"] = f"Device {self.device_id}:{stamp}:{nonce}:{signature}"


class World:
    """Anna with a recent second factor, Boris her friend, Chloe who asked her, Dmitri whom she asked."""

    current: "World"
    _kept: "ClassVar[dict[Callable[[World], Any] | None, tuple[World, Kept]]]" = {}

    @classmethod
    def anew(cls, furnish: "Callable[[World], Any] | None" = None) -> "World":
        """A world as it is when it has just been made, and furnished, in databases that are empty.

        It takes fifty requests to make one, so one is kept, and put back for those who come soon after.
        """
        for alias in settings.DATABASES:
            empty_tables(alias)  # a straggler of the test before may have committed after it was cleared away
        kept = cls._kept.get(furnish)
        if kept is None or kept[0].made_at < time.monotonic() - KEPT_S:
            made = cls.current = cls()
            if furnish:
                furnish(made)
            cls._kept[furnish] = copy.deepcopy(made), Kept()
        else:
            world, stored = kept
            stored.put_back()
            made = copy.deepcopy(world)
        cls.current = made
        return made

    def __init__(self) -> None:
        self.made_at = time.monotonic()
        self.device = Authenticator()
        self.anna, self.boris, self.chloe, self.dmitri, self.elif_ = (make_person() for _ in range(5))
        self.app = self._enrol(self.anna)
        agreed = {"purpose": "health_processing", "version": CONSENTS["health_processing"], "given": True}
        self.made("identity/consents", agreed)
        self.strap = Strap(**self.made("health/devices", {"name": "Bridge", "kind": "bridge"}))
        self.ended = self.made("workout/sessions", {"sport": "rowing"})["id"]
        self.made(f"workout/sessions/{self.ended}/complete")
        self.session = self.made("workout/sessions", {"sport": "running", "visibility": "friends"})["id"]
        self.befriend(self.anna, self.boris)
        self.incoming = self.ask(self.chloe, self.anna)
        self.outgoing = self.ask(self.anna, self.dmitri)
        group = {"kind": "group", "title": "Runners", "member_ids": [str(self.boris.user_id)]}
        self.room = self.made("social/rooms", group)["id"]
        self.made(f"social/rooms/{self.room}/messages", {"client_message_id": "first", "text": "Hello"})

    def made(self, path: str, body: Any = None, by: Person | None = None) -> dict[str, Any]:
        """What a POST answers."""
        answer = (by or self.anna).api.post(f"{API}/{path}", body)
        assert answer.status_code < 300, answer.content
        made: dict[str, Any] = answer.json()
        return made

    def ask(self, who: Person, whom: Person) -> str:
        """Send a friend request; returns its id."""
        return str(self.made("social/friend-requests", {"user_id": str(whom.user_id)}, by=who)["id"])

    def befriend(self, one: Person, other: Person) -> None:
        """Make two people friends."""
        self.made(f"social/friend-requests/{self.ask(one, other)}/accept", by=other)

    def _enrol(self, person: Person) -> App:
        app = App(self.made("identity/mfa/totp", by=person)["secret"])
        confirmed = self.made("identity/mfa/totp/confirm", {"code": app.code()}, by=person)
        person.api.token = confirmed["access"]
        return app

    def id_for(self, name: str, operation_id: str) -> str:
        """The seeded thing which an operation's path parameter should name."""
        if name == "period":
            return "daily"
        if name == "request_id":
            return self.outgoing if operation_id == "withdraw_friend_request" else self.incoming
        if name == "session_id" and operation_id == "end_session":
            return self.other_session_id
        if ours := self.workouts.id_for(name, operation_id):
            return ours
        if name == "session_id" and operation_id in WITH_PLACES:
            return self.places.session_id
        if name in ("route_id", "segment_id"):
            return str(getattr(self.places, name))
        if name in ("zoom", "column", "row"):
            return "0"
        if ours := self.exchange.id_for(name, operation_id):
            return ours
        if ours := self.integrations.id_for(name, operation_id):
            return ours
        if ours := self.alerts.id_for(name, operation_id):
            return ours
        if ours := self.sharing.id_for(name, operation_id):
            return ours
        if ours := self.measurements.id_for(name, operation_id):
            return ours
        if ours := self.health_imports.id_for(name, operation_id):
            return ours
        if name == "session_id":
            return self.ended if operation_id == "show_session_streams" else self.session
        if name == "import_id":
            return self.recording
        if name in ("export_id", "erasure_id", "app_id", "account_id", "passkey_id", "zone_id", "coach_id"):
            return str(getattr(self, name))
        if name == "user_id":
            return str(self.anna.user_id)
        if name in ("event_id", "booking_id", "ticket_id", "series_id", "calendar_id", "token"):
            return self.bookings.id_for(name, operation_id)
        if name in Plans.NAMES:
            return self.plans.id_for(name, operation_id)
        if name == "provider":
            connections.provider()
            return connections.PROVIDER
        return {"device_id": self.strap.device_id, "room_id": self.room}[name]

    @property
    def code(self) -> str:
        """A code that connects a device of Anna's."""
        return str(self.made("health/enrolments", {})["code"])

    @property
    def recording(self) -> str:
        """An import of Anna's; handing in the same file again finds it."""
        file = io.BytesIO(FILES["gpx"])
        file.name = "empty.gpx"
        answer = self.anna.api.request("post", f"{API}/workout/imports", data={"file": file})
        assert answer.status_code in (200, 202), answer.content
        return str(answer.json()["import_id"])

    @property
    def things(self) -> dict[str, str]:
        """Anna's things by the name they have in requests: what nobody else is to see or touch."""
        return {
            "user_id": str(self.anna.user_id),
            "device_id": self.strap.device_id,
            "session_id": self.session,
            "room_id": self.room,
            "import_id": self.recording,
            "batch_id": self.exchange.batch_id,
            "app_id": self.app_id,
            "zone_id": self.zone_id,
            "passkey_id": self.passkey_id,
            "export_id": self.export_id,
            "account_id": self.account_id,
            "entry_id": self.measurements.entry_id,
            "connection_id": self.integrations.connection_id,
            "alert_id": self.alerts.alert_id,
            "rule_id": self.alerts.rule_id,
            "data_import_id": self.health_imports.data_import_id,
            "grant_id": self.sharing.grant_id,
            "certification_id": self.measurements.certification_id,
            "booking_id": self.bookings.booking_id,
            "ticket_id": self.bookings.ticket_id,
            "goal_id": self.workouts.goal_id,
            "thresholds_id": self.workouts.thresholds_id,
            "group_id": self.workouts.group_id,
            "calendar_id": self.bookings.id_for("calendar_id", ""),
            **{name: self.plans.id_for(name, "") for name in Plans.HERS},
            "route_id": self.places.route_id,
            "segment_id": self.places.segment_id,
        }

    @cached_property
    def workouts(self) -> Workouts:
        """What Anna records and plans."""
        return Workouts(self)

    @cached_property
    def bookings(self) -> Bookings:
        """What Anna has to do with sport events."""
        return Bookings(self)

    @cached_property
    def plans(self) -> Plans:
        """What Anna trains by."""
        return Plans(self)

    @cached_property
    def places(self) -> Places:
        """Where Anna has been."""
        return Places(self)

    @cached_property
    def exchange(self) -> Exchange:
        """Anna's recordings."""
        return Exchange(self)

    @cached_property
    def alerts(self) -> Alerts:
        """What Anna is alerted to."""
        return Alerts(self)

    @cached_property
    def integrations(self) -> Integrations:
        """Anna's accounts at vendors."""
        return Integrations(self)

    @cached_property
    def health_imports(self) -> HealthImports:
        """What Anna has exported elsewhere."""
        return HealthImports(self)

    @cached_property
    def sharing(self) -> Sharing:
        """What Anna lets others see, and others her."""
        return Sharing(self)

    @cached_property
    def measurements(self) -> Measurements:
        """What Anna's devices are, and what she enters by hand."""
        return Measurements(self)

    @property
    def own_session_id(self) -> str:
        """The sign-in behind Anna's token."""
        return str(Session.objects.filter(user_id=self.anna.user_id, app__isnull=True).earliest("started_at").pk)

    @cached_property
    def other_session_id(self) -> str:
        """Another sign-in of Anna's."""
        session = Session.objects.get(pk=self.own_session_id)
        session.pk = uuid7()
        session.save(force_insert=True)
        return str(session.pk)

    @cached_property
    def passkey_id(self) -> str:
        """A passkey of Anna's, in `device`."""
        return accounts.passkey_of(self.anna, self.device)

    @cached_property
    def zone_id(self) -> str:
        """A privacy zone of Anna's."""
        return str(self.made("identity/privacy-zones", accounts.HOME)["zone_id"])

    @cached_property
    def coach_id(self) -> str:
        """Somebody whom Anna lets see her workouts."""
        coach = accounts.coach()
        self.made("identity/coaches", {"coach_id": str(coach.user_id), "scopes": ["workout:read"]})
        return str(coach.user_id)

    @cached_property
    def export_id(self) -> str:
        """An export of Anna's, ready to be fetched."""
        export_id = self.made("identity/exports")["id"]
        Relay(contexts=settings.CONTEXTS).drain()
        return str(export_id)

    @cached_property
    def app_id(self) -> str:
        """An app of Anna's, which she has let in herself."""
        tracker = tracker_of(self.anna)
        tracker.let_in_by(self.anna, "profile:read")
        return tracker.client_id

    @cached_property
    def account_id(self) -> str:
        """An account elsewhere with which Anna may sign in."""
        linked = ExternalAccount(
            user_id=self.anna.user_id, provider=connections.PROVIDER, subject="anna", linked_at=datetime.now(UTC)
        )
        linked.save()
        return str(linked.pk)

    @cached_property
    def erasure_id(self) -> str:
        """The erasure of Elif's account."""
        return str(self.made("identity/erasure", {"password": self.elif_.password}, by=self.elif_)["erasure_id"])


def signing(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The platform's WSGI entry, with a strap in front of it that signs what asks for its signature."""
    if environ.get("HTTP_AUTHORIZATION") == "Device":
        World.current.strap.sign(environ)
    return application(environ, start_response)


def right_call(world: World, operation_id: str) -> dict[str, Any]:
    """`by`, `query` and `body` of a request that must succeed, and `media_type` where there are several."""
    now = datetime.now(UTC)
    beat = {"stream": "heart_rate", "time": (now - timedelta(seconds=1)).isoformat(), "sequence": 0, "value": 71}
    whom = {"user_id": str(world.elif_.user_id)}
    elif_ = {"email": world.elif_.email, "password": world.elif_.password}
    born = {"display_name": "Fay", "birth_date": "1990-01-01"}
    calls: dict[str, Callable[[], dict[str, Any]]] = {
        "register": lambda: {"body": {"email": "fay@example.org", "password": world.anna.password, **born}},
        "login": lambda: {"body": elif_},
        "refresh": lambda: {"body": {"refresh": world.boris.refresh}},
        "change_me": lambda: {"body": {"sex": "female", "body_mass_kg": 61.5, "hr_max": None}},
        "decide_consent": lambda: {"body": {"purpose": "marketing", "version": CONSENTS["marketing"], "given": True}},
        "erase_account": lambda: {"by": world.elif_, "body": {"password": world.elif_.password}},
        "enrol_totp": lambda: {"by": world.boris},
        "confirm_totp": lambda: {"by": world.boris, "body": {"code": _begun(world, world.boris).code()}},
        "step_up": lambda: {"body": {"code": world.app.code()}},
        "connect_device": lambda: {"body": {"name": "Watch", "kind": "watch"}},
        "begin_enrolment": lambda: {"body": {}},
        "redeem_enrolment": lambda: {"body": {"code": world.code, "name": "Bridge", "kind": "bridge"}},
        "rotate_device_secret": dict,
        "record_readings": lambda: {"body": {"readings": [beat]}, "media_type": "application/json"},
        "read_heart_rate": lambda: {"query": {"from": (now - timedelta(hours=1)).isoformat(), "to": now.isoformat()}},
        "start_session": lambda: {"by": world.boris, "body": {"sport": "running"}},
        "post_import": lambda: {"body": {"file": FILES["gpx"]}},
        "send_friend_request": lambda: {"body": whom},
        "open_room": lambda: {"body": {"kind": "direct", "member_ids": [str(world.boris.user_id)]}},
        "send_message": lambda: {"body": {"client_message_id": "second", "text": "Здравствуй"}},
        "mark_room_read": lambda: {"body": {"seq": 1}},
    }
    if operation_id == "show_external_second_factor":
        world.account_id  # noqa: B018  (links it)
    known = (
        connections.calls(world.anna, world.app)
        | accounts.calls(world)
        | world.bookings.calls()
        | world.workouts.calls()
        | world.plans.calls()
        | world.places.calls()
        | world.exchange.calls()
        | world.measurements.calls()
        | world.health_imports.calls()
        | world.alerts.calls()
        | world.integrations.calls()
        | world.sharing.calls()
        | calls
    )
    return known.get(operation_id, dict)()


def _begun(world: World, person: Person) -> App:
    return App(world.made("identity/mfa/totp", by=person)["secret"])


def meet(world: World, parameters: dict[str, Any], operation_id: str) -> dict[str, Any]:
    """Three of four generated identifiers become those of things that exist."""
    return {name: _met(world, name, value, operation_id) for name, value in parameters.items()}


def _met(world: World, name: str, value: Any, operation_id: str) -> Any:
    try:
        generated = UUID(str(value))
    except ValueError:
        return value
    return value if generated.int % 4 == 0 else world.id_for(name, operation_id)
