"""What an app may do with what it was granted: over real addresses and sockets, and nothing beside (ID-1, ID-2)."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from django.utils.timezone import now

from contexts.health.models import Access
from contexts.identity.models import Session
from kernel.access import CONNECTION_LASTS
from kernel.observability import invariants
from tests.conftest import Api, TestSocket, agree
from tests.identity.conftest import IDENTITY
from tests.identity.oauth_client import ALL_SCOPES, Tracker, tracker_of

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

HEART_RATE = "/api/v1/health/metrics/heart_rate?from=2026-01-01T00:00:00Z&to=2026-01-01T01:00:00Z&bucket=1m"
AS_JSON = {"Accept": "application/vnd.oai.openapi+json"}
STRAP = {"name": "Strap", "kind": "chest_strap"}

OPENS: list[tuple[str, str, str, dict[str, Any] | None]] = [
    ("profile:read", "get", f"{IDENTITY}/me", None),
    ("workout:read", "get", "/api/v1/workout/sessions", None),
    ("workout:write", "post", "/api/v1/workout/sessions", {"sport": "running"}),
    ("health:read", "get", "/api/v1/health/devices", None),
    ("health:read", "get", HEART_RATE, None),
    ("health:write", "post", "/api/v1/health/devices", STRAP),
    ("social:read", "get", "/api/v1/social/friends", None),
    ("social:read", "get", "/api/v1/social/feed", None),
    ("social:write", "post", "/api/v1/social/friend-requests", {"user_id": "somebody"}),
    ("gamification:read", "get", "/api/v1/gamification/points", None),
    ("gamification:read", "get", "/api/v1/gamification/leaderboards/daily", None),
]
"""One address or more for each scope that has any, and what to send there."""

OURS: list[tuple[str, str, dict[str, Any] | None]] = [
    ("patch", "me", {"display_name": "Taken"}),
    ("get", "sessions", None),
    ("delete", "sessions", None),
    ("post", "logout", None),
    ("get", "apps", None),
    ("post", "apps", {"name": "Child", "redirect_uris": ["https://a.example/"], "scopes": ["profile:read"]}),
    ("get", "connected-apps", None),
    ("get", "oauth/authorization", None),
    ("post", "oauth/authorization", {"approve": True}),
    ("get", "external/accounts", None),
    ("post", "external/mock/begin", {"purpose": "link"}),
    ("post", "mfa/totp", None),
    ("post", "mfa/step-up", {"code": "000000"}),
    ("get", "consents", None),
    ("post", "exports", None),
    ("get", "audit", None),
]
"""A person's own business: no scope opens it."""

SOCKETS = {
    "/ws/v1/gamification/leaderboards/daily": "gamification:read",
    "/ws/v1/social/chat": "social:write",
}


@pytest.fixture
def tracker(register) -> Tracker:
    return tracker_of(register(email="maker@example.org"))


@pytest.fixture
def carla(enrolled):
    """Somebody with a recent second factor, so that every scope can be granted."""
    carla = enrolled()[0]
    agree(carla)
    return carla


def broken_in_identity() -> set[str]:
    return {one.id for one in invariants() if one.context == "identity" and one.violations()}


def app_with(tracker: Tracker, person: Any, *scopes: str) -> Api:
    return Api(tracker.let_in_by(person, " ".join(scopes))["access_token"])


@pytest.mark.parametrize(("scope", "method", "path", "body"), OPENS)
def test_id1_a_scope_opens_what_it_is_for(tracker, carla, register, scope, method, path, body) -> None:
    if body and "user_id" in body:
        body = body | {"user_id": register().user_id}
    answer = app_with(tracker, carla, scope).request(method, path, body)
    assert answer.status_code in (200, 201), answer.content


@pytest.mark.parametrize(("scope", "method", "path", "body"), OPENS)
def test_id1_every_other_scope_together_does_not(tracker, carla, scope, method, path, body) -> None:
    others = [other for other in ALL_SCOPES if other != scope]
    answer = app_with(tracker, carla, *others).request(method, path, body)
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert answer.json()["scope"] == scope
    assert answer["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{scope}"'


def test_id1_no_scope_opens_what_is_a_persons_own_business(tracker, carla) -> None:
    app = app_with(tracker, carla, *ALL_SCOPES)
    opened = {}
    for method, path, body in OURS:
        answer = app.request(method, f"{IDENTITY}/{path}", body)
        if answer.status_code != 403 or answer.json()["code"] != "insufficient_scope":
            opened[method, path] = answer.status_code
    assert opened == {}
    assert carla.api.get(f"{IDENTITY}/sessions").status_code == 200


@pytest.fixture
def sockets(tracker, carla) -> list[tuple[str, str, str]]:
    """Each socket's address, with the token of an app that has its scope and of one that has every other."""
    prepared = []
    for path, scope in SOCKETS.items():
        others = [other for other in ALL_SCOPES if other != scope]
        tokens = [tracker.let_in_by(carla, " ".join(scopes))["access_token"] for scopes in ([scope], others)]
        prepared.append((path, *tokens))
    return prepared


async def test_id1_sockets_ask_for_scopes_too(sockets, socket) -> None:
    for path, scoped, other in sockets:
        async with socket(path, scoped) as ws:
            await ws.send_json_to({"type": "ping"})
            frame = await ws.receive_json_from(timeout=10)
            assert frame.get("code") != "insufficient_scope"
        refused: TestSocket = socket(path, other)
        await refused.connect(timeout=10)
        assert (await refused.next())["code"] == "insufficient_scope"
        assert await refused.closed_with() == 4403


def test_id1_a_token_says_for_whom_and_what(tracker, carla) -> None:
    tokens = tracker.let_in_by(carla, "workout:read profile:read")
    claims = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    assert claims["client_id"] == tracker.client_id
    assert claims["scopes"] == ["profile:read", "workout:read"]
    assert (claims["sub"], claims["aud"]) == (str(carla.user_id), "stayer")
    assert claims["roles"] == ["member"]
    assert claims["mfa_at"] is None  # no medical scope: the second factor of the person stays theirs
    own = jwt.decode(carla.token, options={"verify_signature": False})
    assert own["scopes"] == []
    assert "client_id" not in own


def test_id2_a_connection_opens_medical_data_for_ninety_days(tracker, carla) -> None:
    tokens = tracker.let_in_by(carla, "health:read")
    connection = Session.objects.filter(app__isnull=False)
    connection.update(mfa_at=now() - CONNECTION_LASTS + timedelta(minutes=1))
    tokens = tracker.refresh(tokens["refresh_token"]).json()
    assert Api(tokens["access_token"]).get(HEART_RATE).status_code == 200
    connection.update(mfa_at=now() - CONNECTION_LASTS - timedelta(minutes=1))
    tokens = tracker.refresh(tokens["refresh_token"]).json()
    over = Api(tokens["access_token"]).get(HEART_RATE)
    assert (over.status_code, over.json()["code"]) == (403, "mfa_required")


def test_id2_a_person_needs_it_again_after_fifteen_minutes(carla) -> None:
    """The negative control of the test above: what is enough for an app is not for a person."""
    Session.objects.update(mfa_at=now() - timedelta(minutes=16))
    access = Api().post(f"{IDENTITY}/refresh", {"refresh": carla.refresh}).json()["access"]
    assert Api(access).get(HEART_RATE).json()["code"] == "mfa_required"


def test_id6_a_look_by_an_app_says_which(tracker, carla) -> None:
    assert app_with(tracker, carla, "health:read").get(HEART_RATE).status_code == 200
    (look,) = Access.objects.all()
    assert (look.app_id, look.by) == (UUID(tracker.client_id), carla.user_id)


def test_id1_the_description_names_the_scopes(anonymous) -> None:
    document = json.loads(anonymous.get("/api/v1/schema/", headers=AS_JSON).content)
    flow = document["components"]["securitySchemes"]["oauth2"]["flows"]["authorizationCode"]
    assert list(flow["scopes"]) == ALL_SCOPES
    demanded = {
        (scope, method): document["paths"][path.partition("?")[0].replace("/daily", "/{period}")][method]["security"]
        for scope, method, path, _ in OPENS
    }
    for (scope, _), security in demanded.items():
        assert {"oauth2": [scope]} in security
        assert {"bearer": []} in security
    assert document["paths"][f"{IDENTITY}/apps"]["get"]["security"] == [{"bearer": []}]


def test_id2_the_books_agree_on_what_apps_may_do(tracker, carla) -> None:
    tracker.let_in_by(carla, "health:read workout:read")
    tracker.let_in_by(carla, "workout:read")
    assert broken_in_identity() == set()
    connections = Session.objects.filter(app__isnull=False)
    connections.update(mfa_at=None)
    assert broken_in_identity() == {"I8"}
    connections.update(mfa_at=now(), scopes=[])
    assert broken_in_identity() == {"I8"}
