"""Refreshing and signing out."""

import base64
import hashlib
import hmac
import json
from collections import Counter
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.utils.timezone import now

from contexts.identity import services, sessions, signing_in, tasks
from contexts.identity.models import RefreshToken, User
from contexts.identity.sessions import Origin
from kernel.databases import redis_client
from tests.identity.conftest import IDENTITY, in_parallel
from tests.kernel.tokens import KID, PUBLIC_PEM, SIGNING_KEY

pytestmark = pytest.mark.django_db(databases=["default"], transaction=True)


def sign_in(client, person) -> dict:
    return client.post(f"{IDENTITY}/login", json={"email": person.email, "password": person.password}).json()


def refresh(client, token):
    return client.post(f"{IDENTITY}/refresh", json={"refresh": token})


def me(client, access):
    return client.get(f"{IDENTITY}/me", headers={"Authorization": f"Bearer {access}"})


def claims(token: str) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


def test_the_access_token_says_all_that_a_request_needs(anonymous, register):
    token = sign_in(anonymous, register())["access"]
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": KID}
    said = claims(token)
    assert said | dict.fromkeys(("sub", "sid", "jti", "iat", "exp")) == {
        "typ": "access",
        "iss": "stayer",
        "aud": "stayer",
        "roles": ["member"],
        "membership": "free",
        "age_band": "adult",
        "amr": ["pwd"],
        "mfa_at": None,
        "tz": "UTC",
        "scopes": [],
        **dict.fromkeys(("sub", "sid", "jti", "iat", "exp")),
    }
    assert said["exp"] - said["iat"] == 600


def test_id1_a_refresh_gives_new_tokens_of_the_same_session(anonymous, register):
    first = sign_in(anonymous, register())
    second = refresh(anonymous, first["refresh"])
    assert second.status_code == 200
    assert claims(second.json()["access"])["sid"] == claims(first["access"])["sid"]
    assert refresh(anonymous, second.json()["refresh"]).status_code == 200


def test_id1_of_eight_parallel_refreshes_exactly_one_succeeds(anonymous, register):
    for _ in range(5):
        token = sign_in(anonymous, register())["refresh"]
        answers = in_parallel(8, lambda _, token=token: refresh(anonymous, token))
        codes = Counter(a.status_code if a.status_code == 200 else a.json()["code"] for a in answers)
        assert codes == {200: 1, "refresh_token_reused": 7}


def test_id1_a_reused_refresh_token_ends_the_whole_family(anonymous, register):
    first = sign_in(anonymous, register())
    second = refresh(anonymous, first["refresh"]).json()
    other = sign_in(anonymous, register())
    assert refresh(anonymous, first["refresh"]).json()["code"] == "refresh_token_reused"
    assert refresh(anonymous, second["refresh"]).status_code == 401
    assert me(anonymous, second["access"]).status_code == 401
    assert me(anonymous, other["access"]).status_code == 200


def test_id5_after_logout_the_old_access_token_is_refused_at_once(anonymous, register):
    person = register()
    pair, other = sign_in(anonymous, person), sign_in(anonymous, person)
    assert me(anonymous, pair["access"]).status_code == 200  # the answer is now cached as good
    bearer = {"Authorization": f"Bearer {pair['access']}"}
    assert anonymous.post(f"{IDENTITY}/logout", headers=bearer).status_code == 204
    assert me(anonymous, pair["access"]).status_code == 401
    assert refresh(anonymous, pair["refresh"]).status_code == 401
    assert me(anonymous, other["access"]).status_code == 200


def test_id5_the_database_knows_of_a_revocation_that_redis_has_lost(anonymous, register):
    pair = sign_in(anonymous, register())
    sid = claims(pair["access"])["sid"]
    sessions.revoke_session(session_id=sid, reason="revoked", at=now())
    assert redis_client().get(f"session:{sid}") == b"0"
    redis_client().flushdb()
    assert me(anonymous, pair["access"]).status_code == 401


def test_id5_every_session_of_a_person_can_be_ended(anonymous, register):
    person = register()
    pairs = [sign_in(anonymous, person) for _ in range(3)]
    assert sessions.revoke_all_sessions(user_id=person.user_id, reason="revoked", at=now()) >= 3
    assert {me(anonymous, pair["access"]).status_code for pair in pairs} == {401}
    assert {refresh(anonymous, pair["refresh"]).status_code for pair in pairs} == {401}


def test_a_refresh_of_a_person_who_is_gone_is_refused(anonymous, register):
    person = register()
    pair = sign_in(anonymous, person)
    User.objects.filter(pk=person.user_id).delete()
    assert refresh(anonymous, pair["refresh"]).json()["code"] == "invalid_refresh_token"


def test_id1_a_refresh_token_dies_after_two_weeks(register):
    person, long_ago = register(), now() - timedelta(days=14, seconds=1)
    origin = Origin(address="192.0.2.1")
    pair = signing_in.sign_in(email=person.email, password=person.password, otp=None, origin=origin, at=long_ago)
    with pytest.raises(sessions.InvalidRefreshToken):
        sessions.refresh(token=pair.refresh, at=now())


def test_expired_refresh_tokens_are_forgotten_and_living_ones_are_not(anonymous, register):
    first = sign_in(anonymous, register())
    second = refresh(anonymous, first["refresh"]).json()
    RefreshToken.objects.filter(used_at__isnull=False).update(expires_at=now())
    tasks.forget_what_is_over()
    assert not RefreshToken.objects.filter(used_at__isnull=False).exists()
    assert refresh(anonymous, second["refresh"]).status_code == 200


def test_i7_of_a_refresh_token_only_a_digest_is_kept(anonymous, register):
    token = sign_in(anonymous, register())["refresh"]
    jti = claims(token)["jti"]
    kept = str(list(RefreshToken.objects.values()))
    assert jti not in kept
    assert token not in kept


def _forged(header: dict, payload: dict, sign=lambda text: b"") -> str:
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    text = f"{part(json.dumps(header).encode())}.{part(json.dumps(payload).encode())}"
    return f"{text}.{part(sign(text))}"


def _forgeries(refresh_token: str, access_token: str) -> dict[str, str]:
    said = claims(refresh_token)
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    ours = SIGNING_KEY
    kid = {"kid": KID}

    def signed(changes: dict, headers: dict = kid, key=ours) -> str:
        return jwt.encode(said | changes, key, algorithm="RS256", headers=headers)

    public = PUBLIC_PEM.encode()
    return {
        "access used as refresh": access_token,
        "no signature": _forged({"alg": "none", "typ": "JWT"} | kid, said),
        "public key as HMAC secret": _forged(
            {"alg": "HS256", "typ": "JWT"} | kid,
            said,
            lambda text: hmac.new(public, text.encode(), hashlib.sha256).digest(),
        ),
        "a stranger's key": signed({}, key=stranger),
        "a key from elsewhere": signed({}, headers={"kid": "../../etc/passwd"}),
        "no key named": jwt.encode(said, ours, algorithm="RS256"),
        "a header nobody understands": signed({}, headers=kid | {"crit": ["x"], "x": 1}),
        "expired": signed({"exp": said["iat"] - 60}),
        "another audience": signed({"aud": "somebody"}),
        "another issuer": signed({"iss": "somebody"}),
        "an id of its own": signed({"jti": "0" * 32}),
        "no token at all": "x",
    }


def test_id1_forged_refresh_tokens_are_refused(anonymous, register):
    pair = sign_in(anonymous, register())
    for what, token in _forgeries(pair["refresh"], pair["access"]).items():
        answer = refresh(anonymous, token)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token"), what
    assert refresh(anonymous, pair["refresh"]).status_code == 200  # and none of them did any harm


def test_id1_forged_access_tokens_are_refused(anonymous, register):
    pair = sign_in(anonymous, register())
    forged = _forgeries(pair["access"], pair["refresh"])
    del forged["an id of its own"]  # access tokens are not kept, so their ids mean nothing
    for what, token in forged.items():
        assert me(anonymous, token).status_code == 401, what
    assert me(anonymous, pair["access"]).status_code == 200


def test_neighbours_learn_whether_a_session_is_active(anonymous, register):
    sid = claims(sign_in(anonymous, register())["access"])["sid"]
    assert services.session_is_active(session_id=sid)
    sessions.revoke_session(session_id=sid, reason="revoked", at=now())
    assert not services.session_is_active(session_id=sid)
