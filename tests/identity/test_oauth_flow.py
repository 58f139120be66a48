"""An app gets tokens: with a real client library over a real socket, and in every way it must not."""

import base64
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from authlib.integrations.requests_client import OAuth2Session
from django.conf import settings
from django.utils.timezone import now

from contexts.identity import events, oauth, rules
from contexts.identity.models import AuthorizationCode, RefreshToken, Session, User
from tests.conftest import Api
from tests.identity.conftest import IDENTITY, in_parallel
from tests.identity.oauth_client import CALLBACK, Tracker, post_form, query_of, tracker_of

pytestmark = pytest.mark.django_db(transaction=True)

AUTHORIZATION = f"{IDENTITY}/oauth/authorization"


@pytest.fixture
def maker(register):
    return register(email="maker@example.org")


@pytest.fixture
def anna(register):
    return register(email="anna@example.org")


@pytest.fixture
def tracker(maker) -> Tracker:
    return tracker_of(maker)


def ask(person, request: dict[str, str], *, approve: bool = True):
    return person.api.post(AUTHORIZATION, request | {"approve": approve})


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "none"])
def test_id1_a_client_library_gets_refreshes_and_revokes_tokens(
    live_server, maker, anna, method, monkeypatch
) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    app = tracker_of(maker, confidential=method != "none")
    with OAuth2Session(
        app.client_id,
        app.secret,
        scope="profile:read workout:read",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
    ) as client:
        told = client.get(f"{live_server.url}/.well-known/oauth-authorization-server", withhold_token=True).json()
        here = {
            name: live_server.url + value.removeprefix(told["issuer"])
            for name, value in told.items()
            if "endpoint" in name and isinstance(value, str)
        }
        address, state = client.create_authorization_url(here["authorization_endpoint"], code_verifier=app.verifier)
        back = ask(anna, query_of(address)).json()["redirect_to"]
        assert query_of(back)["iss"] == told["issuer"] == settings.PUBLIC_URL

        got = client.fetch_token(
            here["token_endpoint"], authorization_response=back, state=state, code_verifier=app.verifier
        )
        assert got["scope"] == "profile:read workout:read"
        assert got["token_type"] == "Bearer"
        me = client.get(f"{live_server.url}{IDENTITY}/me")
        assert me.status_code == 200
        assert me.json()["email"] == anna.email

        renewed = client.refresh_token(here["token_endpoint"])
        assert renewed["access_token"] != got["access_token"]
        assert renewed["refresh_token"] != got["refresh_token"]
        if method != "none":
            seen = client.introspect_token(here["introspection_endpoint"], token=renewed["access_token"]).json()
            assert seen["active"]
            assert seen["sub"] == str(anna.user_id)
            assert seen["client_id"] == app.client_id
        ended = client.revoke_token(here["revocation_endpoint"], token=renewed["refresh_token"])
        assert ended.status_code == 200
        assert client.get(f"{live_server.url}{IDENTITY}/me").status_code == 401


def test_id1_the_consent_screen_learns_who_wants_what(tracker, anna) -> None:
    shown = anna.api.get(AUTHORIZATION, data=tracker.request("health:read profile:read")).json()
    assert shown["app"]["name"] == "Tracker"
    assert shown["redirect_uri"] == CALLBACK
    assert [(scope["name"], scope["is_medical"]) for scope in shown["scopes"]] == [
        ("profile:read", False),
        ("health:read", True),
    ]
    assert shown["needs_second_factor"]
    assert not AuthorizationCode.objects.exists()


def test_id1_a_no_is_told_to_the_app_and_opens_nothing(tracker, anna) -> None:
    back = query_of(ask(anna, tracker.request("profile:read"), approve=False).json()["redirect_to"])
    assert back == {"error": "access_denied", "state": "opaque", "iss": settings.PUBLIC_URL}
    assert not AuthorizationCode.objects.exists()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unauthorized_client"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "admin"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
    ],
)
def test_id1_a_wrong_request_is_told_to_the_app(tracker, anna, change, error) -> None:
    answer = ask(anna, tracker.request("profile:read") | change)
    assert answer.status_code == 400
    assert answer.json()["code"] == "app_request_invalid"
    assert answer.json()["redirect_to"].startswith(CALLBACK)
    back = query_of(answer.json()["redirect_to"])
    assert back["state"] == "opaque"
    assert back["iss"] == settings.PUBLIC_URL
    assert answer.json()["error"] == back["error"] == error
    assert not AuthorizationCode.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": CALLBACK + "/more"},
        {"redirect_uri": CALLBACK + "?more=1"},
        {"redirect_uri": CALLBACK.upper()},
        {"redirect_uri": ""},
        {"client_id": ""},
        {"client_id": "tracker"},
        {"client_id": "00000000-0000-7000-8000-000000000000"},
    ],
)
def test_id1_nobody_is_sent_to_an_address_that_is_not_the_apps(tracker, anna, change) -> None:
    for answer in (
        ask(anna, tracker.request("profile:read") | change),
        anna.api.get(AUTHORIZATION, data=tracker.request("profile:read") | change),
    ):
        assert answer.status_code == 400, answer.content
        assert "redirect_to" not in answer.json()


def test_id1_a_parameter_given_twice_is_refused(tracker, anna) -> None:
    doubled = urlencode([*tracker.request("profile:read").items(), ("redirect_uri", "https://evil.example/")])
    answer = anna.api.get(f"{AUTHORIZATION}?{doubled}")
    assert answer.status_code == 400
    assert "redirect_to" not in answer.json()


def test_id1_an_app_on_ones_own_machine_may_listen_on_any_port(maker, anna) -> None:
    app = tracker_of(maker, redirect_uris=["http://127.0.0.1/cb"], confidential=False)
    here = "http://127.0.0.1:51234/cb"
    code = app.code_from(anna, "profile:read", redirect_uri=here)
    assert app.post("token", grant_type="authorization_code", code=code, redirect_uri=here).status_code == 200
    for wrong in ("http://127.0.0.1:51234/other", "http://localhost:51234/cb", "https://127.0.0.1:51234/cb"):
        assert ask(anna, app.request("profile:read", redirect_uri=wrong)).status_code == 400


def test_id1_a_second_use_of_a_code_ends_the_session_it_made(tracker, anna, announced) -> None:
    code = tracker.code_from(anna, "profile:read")
    tokens = tracker.exchange(code).json()
    assert Api(tokens["access_token"]).get(f"{IDENTITY}/me").status_code == 200
    again = tracker.exchange(code)
    assert again.status_code == 400
    assert again.json()["error"] == "invalid_grant"
    assert Api(tokens["access_token"]).get(f"{IDENTITY}/me").status_code == 401
    assert tracker.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert [ended.reason for ended in announced(events.SessionRevoked)] == ["code_replayed"]
    assert anna.api.get(f"{IDENTITY}/me").status_code == 200


def test_id1_of_eight_parallel_exchanges_of_a_code_one_gets_tokens(tracker, anna) -> None:
    code = tracker.code_from(anna, "profile:read")
    answers = in_parallel(8, lambda number: tracker.exchange(code))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 7
    assert {answer.json().get("error") for answer in answers} == {None, "invalid_grant"}
    assert Session.objects.filter(app__isnull=False).count() == 1
    assert Session.objects.get(app__isnull=False).revoked_at is not None


def test_id1_eight_codes_in_parallel_get_eight_sessions(tracker, anna) -> None:
    """The negative control of the test above: exchanges of different codes do not stand in each other's way."""
    codes = [tracker.code_from(anna, "profile:read") for _ in range(8)]
    answers = in_parallel(8, lambda number: tracker.exchange(codes[number]))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert Session.objects.filter(app__isnull=False, revoked_at__isnull=True).count() == 8


def test_id1_a_code_is_good_for_a_minute(tracker, anna) -> None:
    code = tracker.code_from(anna, "profile:read")
    made = AuthorizationCode.objects.get()
    assert made.expires_at - made.issued_at == timedelta(seconds=60)
    AuthorizationCode.objects.update(expires_at=now())
    assert tracker.exchange(code).json()["error"] == "invalid_grant"
    assert not Session.objects.filter(app__isnull=False).exists()


@pytest.mark.parametrize("verifier", ["x" * 43, "", "y"])
def test_id1_a_code_without_its_verifier_opens_nothing(tracker, anna, verifier) -> None:
    code = tracker.code_from(anna, "profile:read")
    answer = tracker.exchange(code, code_verifier=verifier)
    assert answer.status_code == 400
    assert answer.json()["error"] in ("invalid_grant", "invalid_request")
    assert not Session.objects.filter(app__isnull=False).exists()
    assert tracker.exchange(code).status_code == 200


def test_id1_a_code_is_exchanged_for_the_address_it_was_sent_to(tracker, anna) -> None:
    code = tracker.code_from(anna, "profile:read")
    wrong = tracker.post("token", grant_type="authorization_code", code=code, redirect_uri="https://evil.example/")
    assert wrong.status_code == 400
    assert wrong.json()["error"] == "invalid_grant"
    missing = tracker.post("token", grant_type="authorization_code", code=code)
    assert missing.status_code == 400
    assert tracker.exchange(code).status_code == 200


def test_id1_another_app_can_use_neither_code_nor_refresh_token(tracker, maker, anna) -> None:
    other = tracker_of(maker, name="Other")
    other.verifier = tracker.verifier
    code = tracker.code_from(anna, "profile:read")
    assert other.exchange(code).json()["error"] == "invalid_grant"
    tokens = tracker.exchange(code).json()
    assert other.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    own = Api().post(f"{IDENTITY}/refresh", {"refresh": tokens["refresh_token"]})
    assert own.status_code == 401
    assert other.post("introspect", token=tokens["access_token"]).json() == {"active": False}
    assert other.post("introspect", token=tokens["refresh_token"]).json() == {"active": False}
    assert other.post("revoke", token=tokens["refresh_token"]).status_code == 200
    assert Api(tokens["access_token"]).get(f"{IDENTITY}/me").status_code == 200
    assert tracker.refresh(tokens["refresh_token"]).status_code == 200


def test_id1_a_persons_own_refresh_token_is_no_apps(tracker, anna) -> None:
    assert tracker.refresh(anna.refresh).json()["error"] == "invalid_grant"
    assert Api().post(f"{IDENTITY}/refresh", {"refresh": anna.refresh}).status_code == 200


def test_id1_a_refresh_token_used_twice_ends_the_session(tracker, anna) -> None:
    first = tracker.let_in_by(anna, "profile:read")
    second = tracker.refresh(first["refresh_token"]).json()
    assert Api(second["access_token"]).get(f"{IDENTITY}/me").status_code == 200
    assert tracker.refresh(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert Api(second["access_token"]).get(f"{IDENTITY}/me").status_code == 401
    assert tracker.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"


def test_id1_a_refresh_does_not_widen_what_was_granted(tracker, anna) -> None:
    tokens = tracker.let_in_by(anna, "profile:read")
    wider = tracker.post(
        "token", grant_type="refresh_token", refresh_token=tokens["refresh_token"], scope="profile:read social:write"
    )
    assert wider.status_code == 400
    assert wider.json()["error"] == "invalid_scope"
    assert tracker.refresh(tokens["refresh_token"]).json()["scope"] == "profile:read"


def test_id1_a_confidential_app_shows_its_secret_once_and_rightly(tracker, anna) -> None:
    code = tracker.code_from(anna, "profile:read")
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": tracker.verifier,
        "client_id": tracker.client_id,
    }
    basic = base64.b64encode(f"{tracker.client_id}:{tracker.secret}".encode()).decode()
    refused = [
        post_form("token", form),
        post_form("token", form | {"client_secret": "wrong"}),
        post_form(
            "token", form | {"client_secret": tracker.secret or ""}, headers={"Authorization": f"Basic {basic}"}
        ),
        post_form("token", form, headers={"Authorization": "Basic ???"}),
        post_form("token", form, headers={"Authorization": f"Bearer {anna.token}"}),
    ]
    for answer in refused:
        assert answer.status_code == 401, answer.content
        assert answer.json()["error"] == "invalid_client"
        assert answer["WWW-Authenticate"].startswith("Basic")
    assert post_form("token", form | {"client_secret": tracker.secret or ""}).status_code == 200


@pytest.mark.parametrize("grant", ["password", "client_credentials", "implicit", ""])
def test_id1_there_is_no_other_grant(tracker, anna, grant) -> None:
    answer = tracker.post("token", grant_type=grant, username=anna.email, password=anna.password)
    assert answer.status_code == 400
    assert answer.json()["error"] == "unsupported_grant_type"


def test_id1_token_endpoints_take_small_forms_alone(tracker) -> None:
    assert Api().post(f"{IDENTITY}/oauth/token", {"grant_type": "authorization_code"}).status_code == 415
    assert tracker.post("token", grant_type="authorization_code", code="x" * 20_000).status_code == 413
    assert post_form("token", {}).status_code == 400
    assert tracker.exchange("\0").json()["error"] == "invalid_grant"


def test_id1_only_confidential_apps_look_at_tokens(tracker, maker, anna) -> None:
    public = tracker_of(maker, confidential=False)
    tokens = public.let_in_by(anna, "profile:read")
    assert public.post("introspect", token=tokens["access_token"]).status_code == 401
    held = tracker.let_in_by(anna, "profile:read")
    for name, kind in (("access_token", "Bearer"), ("refresh_token", "refresh_token")):
        seen = tracker.post("introspect", token=held[name]).json()
        assert seen["active"]
        assert seen["token_type"] == kind
        assert seen["scope"] == "profile:read"
    assert tracker.post("introspect", token=anna.token).json() == {"active": False}
    assert tracker.post("introspect", token="nonsense").json() == {"active": False}
    assert tracker.post("revoke", token=held["access_token"]).status_code == 200
    for name in ("access_token", "refresh_token"):
        assert tracker.post("introspect", token=held[name]).json() == {"active": False}


def test_id1_an_app_ends_no_session_but_its_own(tracker, anna) -> None:
    assert tracker.post("revoke", token=anna.token).status_code == 200
    assert tracker.post("revoke", token=anna.refresh).status_code == 200
    assert anna.api.get(f"{IDENTITY}/me").status_code == 200


def test_id1_a_blocked_person_or_maker_opens_nothing(tracker, anna, maker) -> None:
    code = tracker.code_from(anna, "profile:read")
    User.objects.filter(pk=anna.user_id).update(is_active=False)
    assert tracker.exchange(code).json()["error"] == "invalid_grant"
    User.objects.filter(pk=anna.user_id).update(is_active=True)
    User.objects.filter(pk=maker.user_id).update(is_active=False)
    assert tracker.exchange(code).json()["error"] == "invalid_client"


def test_id1_codes_and_tokens_are_kept_as_digests(tracker, anna) -> None:
    code = tracker.code_from(anna, "profile:read")
    tokens = tracker.exchange(code).json()
    rows = [str(row) for table in (AuthorizationCode, RefreshToken, Session) for row in table.objects.values()]
    assert rows
    for secret in (code, tokens["access_token"], tokens["refresh_token"], tracker.secret):
        assert secret not in "".join(rows)


def test_id2_health_scopes_take_a_recent_second_factor(tracker, enrolled) -> None:
    carla, app, _ = enrolled()
    Session.objects.filter(user_id=carla.user_id).update(mfa_at=now() - timedelta(minutes=16))
    refused = ask(carla, tracker.request("health:read"))
    assert refused.status_code == 403
    assert refused.json()["code"] == "mfa_required"
    assert ask(carla, tracker.request("workout:read")).status_code == 200
    assert carla.api.post(f"{IDENTITY}/mfa/step-up", {"code": app.code()}).status_code == 200
    tokens = tracker.let_in_by(carla, "health:read")
    session = Session.objects.get(app__isnull=False)
    assert session.mfa_at is not None
    assert tokens["scope"] == "health:read"


def test_id8_old_codes_are_forgotten(tracker, anna) -> None:
    tracker.code_from(anna, "profile:read")
    assert oauth.forget_old_codes(at=now() + rules.CODES_KEPT) == 0
    assert oauth.forget_old_codes(at=now() + rules.CODES_KEPT + timedelta(minutes=2)) == 1
