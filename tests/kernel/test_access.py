"""Who may enter: tokens, sessions, policies, and that nobody enters an undeclared door."""

import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from kernel import access, keys, policy
from kernel.access import RateLimit, RateLimited
from kernel.databases import redis_client
from kernel.service_tokens import service_token
from tests.conftest import Api
from tests.kernel.tokens import KID, PUBLIC_PEM, claims_of, sign, token_of

HANDS = 50

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.urls("tests.kernel.views")]


@functools.cache
def other_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _jwk_of(pem: str) -> dict[str, str]:
    public = load_pem_private_key(pem.encode(), None).public_key()
    return {"kid": KID, **jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True)}


@functools.cache
def forged() -> dict[str, str]:
    """Tokens that must not be believed."""
    public = PUBLIC_PEM
    unsigned = jwt.encode(claims_of(), "", algorithm="none", headers={"kid": KID})
    without = {name: {k: v for k, v in claims_of().items() if k != name} for name in ("exp", "sid", "sub", "jti")}
    return {
        "unsigned": unsigned,
        "another key": sign(claims_of(), key=other_key()),
        "unknown kid": sign(claims_of(), kid="../../etc/passwd"),
        "a context's own key": sign(claims_of(), key=other_key(), kid="service-workout-1"),
        "no kid": sign(claims_of(), kid=""),
        "a critical extension": sign(claims_of(), crit=["exp"]),
        "a key brought along": sign(claims_of(), key=other_key(), jwk=_jwk_of(other_key())),
        "a key of ours and one brought along": sign(claims_of(), jwk=_jwk_of(other_key())),
        "a key set elsewhere": sign(claims_of(), key=other_key(), jku="https://evil.example/jwks.json"),
        "a certificate elsewhere": sign(claims_of(), key=other_key(), x5u="https://evil.example/cert.pem"),
        "another algorithm of our key": sign(claims_of(), algorithm="PS256"),
        "expired": sign(claims_of(exp=int(time.time()) - 60)),
        "a service token": service_token(issuer="workout", audience="identity"),
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

    body = part({"alg": "HS256", "typ": "JWT", "kid": KID}) + b"." + part(claims_of())
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
    policy.in_force()  # read once a second, by whoever asks first
    with django_assert_num_queries(0):
        answer = Api(token).get("/members")
    assert answer.json() == {"user_id": str(user_id), "membership": "premium"}


def test_a_session_ended_by_another_process_is_a_401_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    claims, started = claims_of(), time.monotonic()
    redis_client().set(f"session:{claims['sid']}", b"1")
    api = Api(sign(claims))
    assert api.get("/members").status_code == 200
    redis_client().set(f"session:{claims['sid']}", b"0")
    monkeypatch.setattr(access.time, "monotonic", lambda: started + 60)
    assert api.get("/members").status_code == 401


def test_a_session_ended_by_this_process_is_a_401_at_once() -> None:
    claims = claims_of()
    redis_client().set(f"session:{claims['sid']}", b"1")
    api = Api(sign(claims))
    assert api.get("/members").status_code == 200
    redis_client().set(f"session:{claims['sid']}", b"0")
    access.forget_session(UUID(claims["sid"]))
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


def test_the_clocks_of_two_machines_may_differ_by_seconds() -> None:
    late, early = int(time.time()) - keys.LEEWAY_S // 2, int(time.time()) + keys.LEEWAY_S // 2
    assert keys.LEEWAY_S <= 30
    assert Api(token_of(exp=late)).get("/members").status_code == 200
    assert Api(token_of(iat=early)).get("/members").status_code == 200
    assert Api(token_of(iat=early + 60)).get("/members").status_code == 401


def passed(take: Callable[[str], None]) -> int:
    """How many of five hundred parallel tries a limiter lets through."""
    together = Barrier(HANDS, timeout=60)

    def one(number: int) -> bool:
        if number < HANDS:
            together.wait()
        try:
            take("everybody")
        except RateLimited:
            return False
        return True

    with ThreadPoolExecutor(HANDS) as pool:
        return sum(pool.map(one, range(500)))


@pytest.mark.parametrize("rate", ["1/day", "30/h", "499/day"])
def test_id5_of_five_hundred_parallel_tries_exactly_the_limit_pass(rate: str) -> None:
    limit = RateLimit(rate)
    assert passed(limit.take) == limit.count


def test_id5_a_limiter_that_reads_and_then_writes_would_let_more_pass() -> None:
    all_have_read = Barrier(HANDS, timeout=60)

    def take(key: str) -> None:
        seen = int(redis_client().get(key) or 0)
        with suppress(BrokenBarrierError):
            all_have_read.wait(timeout=1)
        if seen >= 30:
            raise RateLimited
        redis_client().set(key, seen + 1)

    assert passed(take) > 30
