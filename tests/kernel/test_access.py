"""Who may enter: tokens, sessions, policies, and that nobody enters an undeclared door."""

import functools
import time
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings

from kernel.databases import redis_client
from tests.conftest import Api
from tests.kernel.tokens import claims_of, sign, token_of

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.urls("tests.kernel.views")]


def other_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@functools.cache
def forged() -> dict[str, str]:
    """Tokens that must not be believed."""
    public = settings.TOKEN_PUBLIC_KEYS[settings.TOKEN_KID]
    unsigned = jwt.encode(claims_of(), "", algorithm="none", headers={"kid": settings.TOKEN_KID})
    without = {name: {k: v for k, v in claims_of().items() if k != name} for name in ("exp", "sid", "sub", "jti")}
    return {
        "unsigned": unsigned,
        "another key": sign(claims_of(), key=other_key()),
        "unknown kid": sign(claims_of(), kid="../../etc/passwd"),
        "expired": sign(claims_of(exp=int(time.time()) - 1)),
        "refresh used as access": sign(claims_of(typ="refresh")),
        "another audience": sign(claims_of(aud="somebody")),
        "another issuer": sign(claims_of(iss="somebody")),
        "public key as HMAC secret": _hs256(public),
        "garbage": "not.a.token",
        "empty": "",
        **{f"no {name}": sign(claims) for name, claims in without.items()},
    }


def _hs256(public: str) -> str:
    import base64
    import hashlib
    import hmac
    import json

    def part(value: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    body = part({"alg": "HS256", "typ": "JWT", "kid": settings.TOKEN_KID}) + b"." + part(claims_of())
    seal = base64.urlsafe_b64encode(hmac.new(public.encode(), body, hashlib.sha256).digest()).rstrip(b"=")
    return (body + b"." + seal).decode()


@pytest.mark.parametrize("name", sorted(forged()))
def test_a_forged_token_is_a_401(name: str) -> None:
    answer = Api(forged()[name] or " ").get("/members")
    assert answer.status_code == 401, name
    assert answer["WWW-Authenticate"] == "Bearer"


def test_a_valid_token_is_believed_without_a_user_row(django_assert_num_queries) -> None:
    user_id = uuid4()
    token = token_of(user_id, membership="premium")
    with django_assert_num_queries(0):
        answer = Api(token).get("/members")
    assert answer.json() == {"user_id": str(user_id), "membership": "premium"}


def test_an_ended_session_is_a_401_at_once() -> None:
    claims = claims_of()
    redis_client().set(f"session:{claims['sid']}", b"1")
    api = Api(sign(claims))
    assert api.get("/members").status_code == 200
    redis_client().set(f"session:{claims['sid']}", b"0")
    assert api.get("/members").status_code == 401


def test_a_session_nobody_knows_is_a_401() -> None:
    assert Api(sign(claims_of())).get("/members").status_code == 401


def test_nobody_in_particular_is_a_401() -> None:
    answer = Api().get("/members")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


def test_a_role_opens_its_doors_only() -> None:
    assert Api(token_of()).delete("/members").status_code == 403
    assert Api(token_of(roles=["moderator"])).delete("/members").status_code == 204


def test_id2_medical_data_need_a_recent_second_factor() -> None:
    now = int(time.time())
    assert Api(token_of()).get("/medical").json()["code"] == "mfa_required"
    assert Api(token_of(mfa_at=now - 3600)).get("/medical").status_code == 403
    assert Api(token_of(mfa_at=now - 60)).get("/medical").status_code == 200
    assert Api().get("/medical").status_code == 401


def test_a_view_without_a_policy_answers_nobody() -> None:
    with pytest.raises(LookupError):
        Api(token_of(roles=["moderator"])).get("/undeclared")
