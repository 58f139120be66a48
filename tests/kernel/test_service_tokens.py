"""How contexts prove to each other what they are, and that one can leave the platform's process."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from django.conf import settings
from django.utils.timezone import now

from contexts.identity import sessions
from kernel import keys
from kernel.access import Forbidden, NotSignedIn, TokenInvalid
from kernel.errors import TryAgain
from kernel.service_tokens import (
    ServicePrincipal,
    service_of,
    service_of_token,
    service_token,
    session_is_active,
)
from tests.conftest import Api
from tests.identity.test_sessions import claims
from tests.kernel.elsewhere import running_elsewhere
from tests.kernel.tokens import claims_of, service_authorization, sign, token_of

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

CHECKS = "/api/v1/identity/internal/session-checks"


def ask(*ids: Any, authorization: str | None = None) -> Any:
    headers = {"Authorization": authorization} if authorization else {}
    return Api().post(CHECKS, {"session_ids": [str(each) for each in ids]}, headers=headers)


def asking(changes: dict[str, Any] | None = None, **how: Any) -> str:
    at = int(time.time())
    said = {
        "iss": "stayer:workout",
        "aud": "stayer:identity",
        "typ": "service",
        "jti": "1",
        "iat": at,
        "exp": at + 60,
    }
    return f"Service {sign(said | (changes or {}), **how)}"


@pytest.fixture
def own_keys(tmp_path: Path) -> Any:
    """Keys of the workout context alone, known to the platform."""
    ring, folder = Path(settings.TOKEN_KEYS), tmp_path / "workout"
    kid = keys.add_key(folder, active_at=datetime.now(UTC) - timedelta(seconds=1), owner="workout")
    keys.publish_key(kid, of=folder, into=ring)
    keys.ring.cache_clear()
    yield SimpleNamespace(folder=folder, kid=kid, private=keys._read(folder).private[kid])
    keys.forget_key(ring, kid)
    keys.ring.cache_clear()


def test_id5_a_context_learns_which_sessions_are_active(register) -> None:
    open_one, ended = register(), register()
    ids = [claims(person.token)["sid"] for person in (open_one, ended)]
    sessions.revoke_session(session_id=ids[1], reason="revoked", at=now())
    answer = ask(*ids, uuid4(), authorization=service_authorization(audience="identity"))
    assert (answer.status_code, answer.json()) == (200, {"active": [ids[0]]})


def test_at_most_five_hundred_sessions_are_asked_about_at_once() -> None:
    authorization = service_authorization(audience="identity")
    assert ask(*(uuid4() for _ in range(500)), authorization=authorization).json() == {"active": []}
    assert ask(*(uuid4() for _ in range(501)), authorization=authorization).status_code == 400


def test_a_persons_token_is_no_services_token_and_the_other_way_round(register) -> None:
    person = register()
    assert person.api.post(CHECKS, {"session_ids": []}).status_code == 401
    assert ask(authorization=f"Service {person.token}").status_code == 401
    token = service_token(issuer="workout", audience="identity")
    assert Api(token).get("/api/v1/identity/me").status_code == 401
    assert Api().post("/api/v1/identity/refresh", {"refresh": token}).status_code == 401


def test_a_service_token_is_good_for_one_audience_one_minute_and_more_than_one_question() -> None:
    authorization = asking()
    assert [ask(authorization=authorization).status_code for _ in range(2)] == [200, 200]
    assert ask(authorization=service_authorization(audience="workout")).status_code == 401
    said = jwt.decode(service_token(issuer="workout", audience="identity"), options={"verify_signature": False})
    assert said["exp"] - said["iat"] == 60
    past = int(time.time()) - keys.LEEWAY_S - 1
    assert ask(authorization=asking({"iat": past - 60, "exp": past})).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"typ": "access"},
        {"typ": None},
        {"iss": "somebody"},
        {"aud": "stayer"},
        {"aud": "stayer:social"},
        {"exp": None},
    ],
)
def test_what_says_something_else_is_no_service_token(changes: dict[str, Any]) -> None:
    assert ask(authorization=asking(changes)).status_code == 401


def test_a_service_token_of_a_strangers_key_is_refused(own_keys) -> None:
    assert ask(authorization=asking(key="x" * 64, algorithm="HS256")).status_code == 401
    assert ask(authorization=asking(kid="../1")).status_code == 401
    assert ask(authorization=asking(key=own_keys.private)).status_code == 401  # not the key it names


def test_a_contexts_own_key_speaks_for_that_context_alone(own_keys) -> None:
    mine = {"key": own_keys.private, "kid": own_keys.kid}
    assert ask(authorization=asking(**mine)).status_code == 200
    assert ask(authorization=asking({"iss": "stayer:health"}, **mine)).status_code == 401


def test_a_contexts_own_key_signs_no_token_of_a_person(own_keys, register) -> None:
    person = register()
    said = jwt.decode(person.token, options={"verify_signature": False})
    assert Api(sign(said)).get("/api/v1/identity/me").status_code == 200
    assert Api(sign(said, key=own_keys.private, kid=own_keys.kid)).get("/api/v1/identity/me").status_code == 401


def test_a_door_may_be_open_to_some_contexts_only() -> None:
    door = service_of("workout", "health")
    door.admit(ServicePrincipal(context="health"))
    with pytest.raises(Forbidden):
        door.admit(ServicePrincipal(context="social"))
    with pytest.raises(NotSignedIn):
        door.admit(SimpleNamespace(is_authenticated=True, context="health"))


def test_a_service_token_names_who_asks() -> None:
    token = service_token(issuer="gamification", audience="identity")
    assert service_of_token(token, audience="identity").context == "gamification"
    with pytest.raises(TokenInvalid):
        service_of_token(token, audience="health")


def test_while_identity_does_not_answer_nobody_is_let_in(settings) -> None:
    settings.IDENTITY_URL = "http://127.0.0.1:1"
    with pytest.raises(TryAgain):
        session_is_active(session_id=uuid4())


def test_p10_a_context_that_runs_by_itself_verifies_without_the_platforms_keys(
    live_server, own_keys, register
) -> None:
    person = register()
    with running_elsewhere(platform=live_server.url, service_keys=own_keys.folder) as address:

        def see(token: str) -> tuple[int, str]:
            answer = httpx.get(f"{address}/members", headers={"Authorization": f"Bearer {token}"}, timeout=20)
            return answer.status_code, answer.json().get("user_id") or answer.json()["code"]

        assert see(person.token) == (200, str(person.user_id))
        assert see(sign(claims_of(), key=own_keys.private)) == (401, "token_invalid")
        assert see(sign(claims_of())) == (401, "token_invalid")  # signed by us, but of no session
        sessions.revoke_all_sessions(user_id=person.user_id, reason="revoked", at=now())
        deadline = time.monotonic() + 10  # it asks again after a second
        while (seen := see(person.token))[0] == 200:
            assert time.monotonic() < deadline
        assert seen == (401, "token_invalid")
        keys.forget_key(Path(settings.TOKEN_KEYS), own_keys.kid)  # now identity does not know who asks
        keys.ring.cache_clear()
        assert see(token_of()) == (503, "try_again")
