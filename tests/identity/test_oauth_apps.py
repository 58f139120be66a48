"""Apps: who registers them, where they may send people, and how one lets go of them."""

import hashlib
from datetime import timedelta

import pytest
from django.utils.timezone import now

from contexts.identity import events, rules
from contexts.identity.models import OAuthApp, Session
from tests.conftest import Api
from tests.identity.conftest import IDENTITY
from tests.identity.oauth_client import CALLBACK, register_app, tracker_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def maker(register):
    return register(email="maker@example.org")


@pytest.fixture
def anna(register):
    return register(email="anna@example.org")


def test_id1_a_secret_is_shown_once_and_kept_as_a_digest(maker) -> None:
    made = register_app(maker).json()
    secret = made["client_secret"]
    assert len(secret) >= 43
    assert not made["is_public"]
    assert OAuthApp.objects.get().secret_sha256 == hashlib.sha256(secret.encode()).hexdigest()
    shown = maker.api.get(f"{IDENTITY}/apps/{made['id']}")
    assert "client_secret" not in shown.json()
    assert secret not in shown.content.decode()
    assert secret not in maker.api.get(f"{IDENTITY}/apps").content.decode()


def test_id1_a_public_app_has_no_secret(maker) -> None:
    made = register_app(maker, confidential=False).json()
    assert made["client_secret"] is None
    assert made["is_public"]
    assert maker.api.post(f"{IDENTITY}/apps/{made['id']}/secret").json()["code"] == "public_app"


@pytest.mark.parametrize(
    "uri",
    [
        "https://tracker.example/callback",
        "https://tracker.example:8443/a/b?c=d",
        "http://localhost/cb",
        "http://127.0.0.1:3000/cb",
        "http://[::1]/cb",
        "com.example.tracker:/callback",
        "com.example.tracker://callback",
    ],
)
def test_id1_a_safe_redirect_uri_is_taken(maker, uri: str) -> None:
    assert register_app(maker, redirect_uris=[uri]).status_code == 201


@pytest.mark.parametrize(
    "uri",
    [
        "http://tracker.example/callback",
        "https://tracker.example/callback#part",
        "https://tracker.example/#",
        "https:///callback",
        "https://anna@tracker.example/",
        "https://tracker.example:port/",
        "http://localhost.evil.example/",
        "http://127.0.0.1@evil.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "tracker:/callback",
        "/callback",
        "//evil.example/callback",
        "https://tracker.example/\\evil.example",
        "https://tracker.example/ a",
        "https://тракер.example/",
    ],
)
def test_id1_an_unsafe_redirect_uri_is_refused(maker, uri: str) -> None:
    assert register_app(maker, redirect_uris=[uri]).status_code == 400


def test_id1_an_app_has_one_to_ten_redirect_uris_and_a_person_twenty_apps(maker) -> None:
    addresses = [f"https://tracker.example/{number}" for number in range(rules.MAX_REDIRECT_URIS + 1)]
    assert register_app(maker, redirect_uris=addresses).status_code == 400
    assert register_app(maker, redirect_uris=[]).status_code == 400
    assert register_app(maker, redirect_uris=addresses[1:]).status_code == 201
    app = OAuthApp.objects.get()
    OAuthApp.objects.bulk_create(
        OAuthApp(owner_id=app.owner_id, name="x", redirect_uris=[], scopes=[], created_at=now())
        for _ in range(rules.MAX_APPS - 1)
    )
    assert register_app(maker).json()["code"] == "too_many_apps"


def test_id1_another_secret_makes_the_one_before_worthless(maker, anna) -> None:
    tracker = tracker_of(maker)
    tokens = tracker.let_in_by(anna, "profile:read")
    renewed = maker.api.post(f"{IDENTITY}/apps/{tracker.client_id}/secret").json()["client_secret"]
    assert tracker.refresh(tokens["refresh_token"]).json()["error"] == "invalid_client"
    tracker.secret = renewed
    assert tracker.refresh(tokens["refresh_token"]).status_code == 200


def test_id1_apps_and_their_secrets_take_a_recent_sign_in(maker) -> None:
    tracker = tracker_of(maker)
    Session.objects.update(started_at=now() - rules.FRESH_SIGN_IN - timedelta(seconds=1))
    assert register_app(maker).json()["code"] == "sign_in_again"
    own = f"{IDENTITY}/apps/{tracker.client_id}"
    assert maker.api.post(f"{own}/secret").json()["code"] == "sign_in_again"
    assert maker.api.patch(own, {"redirect_uris": ["https://evil.example/"]}).json()["code"] == "sign_in_again"
    assert OAuthApp.objects.get().redirect_uris == [CALLBACK]


def test_id1_an_app_is_its_makers_alone(maker, anna) -> None:
    tracker = tracker_of(maker)
    own = f"{IDENTITY}/apps/{tracker.client_id}"
    assert anna.api.get(own).status_code == 404
    assert anna.api.patch(own, {"name": "Mine"}).status_code == 404
    assert anna.api.post(f"{own}/secret").status_code == 404
    assert anna.api.delete(own).status_code == 404
    assert anna.api.get(f"{IDENTITY}/apps").json()["items"] == []
    changed = maker.api.patch(own, {"name": "Tracker 2", "redirect_uris": ["https://two.example/"]})
    assert changed.json()["name"] == "Tracker 2"
    assert changed.json()["redirect_uris"] == ["https://two.example/"]


def test_id1_a_removed_app_stops_at_once_for_everybody(maker, anna, register, deliver, announced) -> None:
    tracker, ben = tracker_of(maker), register()
    tokens = [tracker.let_in_by(person, "profile:read") for person in (anna, ben)]
    code = tracker.code_from(anna, "profile:read")
    for held in tokens:
        assert Api(held["access_token"]).get(f"{IDENTITY}/me").status_code == 200
    assert maker.api.delete(f"{IDENTITY}/apps/{tracker.client_id}").status_code == 204
    for held in tokens:
        assert Api(held["access_token"]).get(f"{IDENTITY}/me").status_code == 401
        assert tracker.refresh(held["refresh_token"]).json()["error"] == "invalid_client"
    assert tracker.exchange(code).json()["error"] == "invalid_client"
    assert {ended.reason for ended in announced(events.SessionRevoked)} == {"app_removed"}
    assert anna.api.get(f"{IDENTITY}/me").status_code == 200
    assert maker.api.get(f"{IDENTITY}/apps/{tracker.client_id}").status_code == 404


def test_id5_connected_apps_are_seen_and_disconnected_at_once(maker, anna, announced) -> None:
    tracker, other = tracker_of(maker), tracker_of(maker, name="Other")
    tokens, kept = tracker.let_in_by(anna, "profile:read workout:read"), other.let_in_by(anna, "profile:read")
    pending = tracker.code_from(anna, "profile:read")
    connected = {item["id"]: item for item in anna.api.get(f"{IDENTITY}/connected-apps").json()["items"]}
    assert set(connected) == {tracker.client_id, other.client_id}
    assert connected[tracker.client_id]["scopes"] == ["profile:read", "workout:read"]
    assert anna.api.delete(f"{IDENTITY}/connected-apps/{tracker.client_id}").status_code == 204
    assert Api(tokens["access_token"]).get(f"{IDENTITY}/me").status_code == 401
    assert tracker.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert tracker.exchange(pending).json()["error"] == "invalid_grant"
    assert Api(kept["access_token"]).get(f"{IDENTITY}/me").status_code == 200
    assert [item["id"] for item in anna.api.get(f"{IDENTITY}/connected-apps").json()["items"]] == [other.client_id]
    assert [ended.reason for ended in announced(events.SessionRevoked)] == ["app_disconnected"]
    assert [changed.what for changed in announced(events.CredentialsChanged)].count("app") == 3
    assert anna.api.delete(f"{IDENTITY}/connected-apps/{tracker.client_id}").status_code == 404


def test_id5_nobody_disconnects_for_somebody_else(maker, anna, register) -> None:
    tracker = tracker_of(maker)
    tokens = tracker.let_in_by(anna, "profile:read")
    assert register().api.delete(f"{IDENTITY}/connected-apps/{tracker.client_id}").status_code == 404
    assert Api(tokens["access_token"]).get(f"{IDENTITY}/me").status_code == 200
