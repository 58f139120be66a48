"""The ring: which key signs, which verify, how a new one becomes known, and what is never looked up."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.management import CommandError, call_command
from django.test import Client

from config.running.keys import keys_for
from kernel import access, keys
from kernel.keys import Folder, Published
from tests.conftest import Api
from tests.identity.conftest import in_parallel
from tests.kernel.tokens import token_of

accounts = pytest.mark.django_db(databases="__all__", transaction=True)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch) -> Any:
    """A monotonic clock that stands still until `clock.now` is moved."""

    class Clock:
        now = 1000.0

    monkeypatch.setattr(keys.time, "monotonic", lambda: Clock.now)
    return Clock


@pytest.fixture
def ring(tmp_path, settings) -> Iterator[Path]:
    """A ring of its own for this test."""
    settings.TOKEN_KEYS = str(tmp_path / "ring")
    keys.add_key(tmp_path / "ring", active_at=NOON - timedelta(days=1))
    keys.ring.cache_clear()
    keys.service_ring.cache_clear()
    yield tmp_path / "ring"
    keys.ring.cache_clear()
    keys.service_ring.cache_clear()


def signed(kid: str, key: Any = None) -> str:
    return jwt.encode({}, key or "x" * 32, algorithm="RS256" if key else "HS256", headers={"kid": kid})


def test_the_newest_active_key_signs_and_the_coming_one_already_verifies(ring) -> None:
    old = keys.signing_key(at=NOON)[0]
    coming = keys.add_key(ring, active_at=NOON + timedelta(minutes=10))
    keys.ring.cache_clear()
    assert keys.signing_key(at=NOON)[0] == old
    assert keys.signing_key(at=NOON + timedelta(minutes=9, seconds=59))[0] == old
    assert keys.signing_key(at=NOON + timedelta(minutes=10))[0] == coming
    assert {key["kid"] for key in keys.jwks()["keys"]} == {old, coming}


def test_a_new_key_is_seen_without_a_restart_and_the_folder_looked_at_once_a_second(ring, clock, monkeypatch) -> None:
    looks = []
    look = Folder._look
    monkeypatch.setattr(Folder, "_look", lambda folder: (looks.append(1), look(folder)))
    keys.signing_key(at=NOON)
    added = keys.add_key(ring, active_at=NOON)
    for _ in range(100):
        assert keys.signing_key(at=NOON)[0] != added
        with pytest.raises(KeyError):
            keys.verifying_key(signed("unknown"))
    assert len(looks) == 1
    clock.now += keys.LOOK_AGAIN_S
    assert keys.signing_key(at=NOON)[0] == added
    assert len(looks) == 2


def test_all_who_come_first_wait_for_the_ring_to_be_read(ring) -> None:
    for _ in range(5):
        folder = Folder(ring)
        assert in_parallel(8, lambda _, folder=folder: len(folder.keys().public)) == [1] * 8


def test_an_unchanged_folder_is_not_read_again(ring, clock, monkeypatch) -> None:
    before = keys.ring().keys()
    clock.now += 10
    assert keys.ring().keys(wanted="unknown") is before


def test_a_ring_that_cannot_be_read_stays_as_it_was(ring, clock) -> None:
    before = keys.ring().keys()
    (ring / "broken.pem").write_text("half a key")
    clock.now += 10
    assert keys.ring().keys() is before
    keys.ring.cache_clear()
    with pytest.raises(ValueError, match="PEM"):
        keys.ring().keys()  # a process that has no good keys yet does not start with half of them


@pytest.mark.parametrize(
    "kid",
    ["../../etc/passwd", "..", "", "a/b", "1\x00", "%2e%2e", "a" * 65, "1.pub", "https://evil.example/key", "１"],
)
def test_a_name_outside_the_ring_is_never_looked_up(ring, kid, monkeypatch) -> None:
    token = signed(kid)
    monkeypatch.setattr(Folder, "keys", lambda folder, wanted: pytest.fail("looked up"))
    with pytest.raises((KeyError, jwt.PyJWTError)):
        keys.verifying_key(token)


def test_a_key_is_for_its_owners_eyes_only(ring) -> None:
    assert {file.stat().st_mode & 0o777 for file in ring.iterdir()} == {0o600}
    assert ring.stat().st_mode & 0o777 == 0o700


def test_a_public_key_alone_verifies_and_never_signs(ring, tmp_path) -> None:
    kid = keys.add_key(tmp_path / "other", active_at=NOON)
    keys.publish_key(kid, of=tmp_path / "other", into=ring)
    own, _ = keys.signing_key(at=NOON)
    assert own != kid
    other_private = Folder(tmp_path / "other").keys().private[kid]
    assert keys.verifying_key(signed(kid, other_private)) == other_private.public_key()
    (ring / f"{own}.pem").unlink()
    keys.ring.cache_clear()
    with pytest.raises(keys.NoSigningKey):
        keys.signing_key(at=NOON)


def test_retired_keys_verify_until_their_tokens_have_ended_and_are_then_forgotten(ring) -> None:
    old = keys.signing_key(at=NOON)[0]
    new = keys.add_key(ring, active_at=NOON)
    assert keys.retire_keys(ring, unused_since=NOON - timedelta(seconds=1)) == []
    assert keys.retire_keys(ring, unused_since=NOON) == [old]
    assert sorted(file.name for file in ring.iterdir()) == [f"{old}.pub.pem", f"{new}.pem"]
    keys.ring.cache_clear()
    assert keys.ring().keys().public.keys() == {old, new}
    retired_at = datetime.fromtimestamp((ring / f"{old}.pub.pem").stat().st_mtime, UTC)
    keys.retire_keys(ring, unused_since=retired_at - timedelta(seconds=1))
    assert (ring / f"{old}.pub.pem").exists()
    keys.retire_keys(ring, unused_since=retired_at + timedelta(seconds=1))
    assert [file.name for file in ring.iterdir()] == [f"{new}.pem"]


def test_the_newest_key_of_a_service_stays_however_old_it_is(ring, tmp_path) -> None:
    folder = tmp_path / "workout"
    old, new = (keys.add_key(folder, active_at=NOON + timedelta(days=n), owner="workout") for n in range(2))
    for kid in (old, new):
        keys.publish_key(kid, of=folder, into=ring)
    keys.retire_keys(ring, unused_since=NOON + timedelta(days=400))
    assert [file.name for file in ring.glob("service-*")] == [f"{new}.pub.pem"]


@accounts
def test_p10_after_a_rotation_old_tokens_are_good_and_new_ones_have_the_new_key(
    ring, register, clock, monkeypatch
) -> None:
    person = register()
    first = jwt.get_unverified_header(person.token)["kid"]
    call_command("rotate_signing_key", "--now")
    clock.now += keys.LOOK_AGAIN_S
    assert person.api.get("/api/v1/identity/me").status_code == 200
    refreshed = Api().post("/api/v1/identity/refresh", {"refresh": person.refresh}).json()
    assert jwt.get_unverified_header(refreshed["access"])["kid"] != first
    assert Api(refreshed["access"]).get("/api/v1/identity/me").status_code == 200


@accounts
def test_p10_a_key_that_has_leaked_takes_its_tokens_along_at_once(ring, register, clock) -> None:
    person = register()
    assert person.api.get("/api/v1/identity/me").status_code == 200  # and verified tokens are remembered
    kid = jwt.get_unverified_header(person.token)["kid"]
    call_command("rotate_signing_key", "--now", "--forget", kid)
    clock.now += keys.LOOK_AGAIN_S
    assert person.api.get("/api/v1/identity/me").status_code == 401
    with pytest.raises(CommandError, match="no key"):
        call_command("rotate_signing_key", "--forget", "../ring/1")


def test_the_command_lets_a_new_key_become_known_before_it_signs(ring, capsys) -> None:
    call_command("rotate_signing_key", "--prune")
    kid = capsys.readouterr().out.partition(" ")[0]
    assert kid in keys.ring().keys().public
    assert keys.signing_key(at=datetime.now(UTC))[0] != kid
    assert keys.active_from(kid) > datetime.now(UTC) + timedelta(minutes=9)
    assert keys.KNOWN_BEFORE_USE.total_seconds() >= 2 * keys.JWKS_KEPT_S


def test_the_command_gives_a_context_a_key_of_its_own(ring, tmp_path, settings, capsys) -> None:
    call_command("rotate_signing_key", "--now", "--service", "health", "--into", str(tmp_path / "health"))
    kid = capsys.readouterr().out.partition(" ")[0]
    assert keys.owner_of(kid) == "health"
    assert [file.name for file in ring.glob("service-*")] == [f"{kid}.pub.pem"]
    settings.SERVICE_KEYS = str(tmp_path / "health")
    keys.service_ring.cache_clear()
    assert keys.service_signing_key(at=datetime.now(UTC))[0] == kid
    assert keys.signing_key(at=datetime.now(UTC))[0] != kid
    with pytest.raises(CommandError, match="together"):
        call_command("rotate_signing_key", "--service", "health")


@accounts
def test_the_jwks_is_public_may_be_kept_and_tells_no_secret(ring) -> None:
    answer = Client().get("/.well-known/jwks.json")
    assert answer["Content-Type"] == "application/jwk-set+json"
    assert answer["Cache-Control"] == "public, max-age=300"
    (only,) = answer.json()["keys"]
    assert set(only) == {"kty", "use", "alg", "kid", "n", "e"}
    kid, private = keys.signing_key(at=NOON)
    assert only["kid"] == kid
    assert jwt.PyJWK(only).key == private.public_key()


class Platform(BaseHTTPRequestHandler):
    """Serves the JWKS that stands in `server.said`, and counts."""

    server: Any

    def do_GET(self) -> None:
        """Answer, when allowed."""
        self.server.asked += 1
        self.server.may_answer.wait(10)
        status, body = self.server.said
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def platform() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Platform)
    server.asked, server.said, server.may_answer = 0, (200, {"keys": []}), Event()
    server.may_answer.set()
    server.published = Published(f"http://127.0.0.1:{server.server_port}/")
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def jwk(kid: str) -> dict[str, str]:
    return keys._jwk(kid, rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key())


def test_p10_an_unknown_kid_is_asked_for_at_once_but_not_more_often_than_every_ten_seconds(clock) -> None:
    with platform() as server:
        server.said = 200, {"keys": [jwk("a")]}
        assert server.published.keys(wanted="a").public.keys() == {"a"}
        server.said = 200, {"keys": [jwk("a"), jwk("b")]}
        clock.now += keys.FETCH_AGAIN_S - 1
        for n in range(50):
            assert "b" not in server.published.keys(wanted=f"guess{n}").public
        assert server.asked == 1
        clock.now += 1
        assert "b" in server.published.keys(wanted="b").public
        assert server.asked == 2


def test_known_keys_are_looked_up_again_after_five_minutes(clock) -> None:
    with platform() as server:
        server.said = 200, {"keys": [jwk("a")]}
        for _ in range(5):
            server.published.keys(wanted="a")
        clock.now += keys.JWKS_KEPT_S
        server.said = 200, {"keys": [jwk("b")]}
        assert server.published.keys(wanted="a").public.keys() == {"b"}
        assert server.asked == 2


@pytest.mark.parametrize(
    "said",
    [
        (503, b""),
        (302, b""),
        (200, b"<html>"),
        (200, []),
        (200, {}),
        (200, {"keys": []}),
        (200, {"keys": ["x"]}),
        (200, {"keys": [{}, 1]}),
    ],
)
def test_the_last_good_keys_stay_while_the_platform_talks_nonsense(clock, said) -> None:
    with platform() as server:
        server.said = 200, {"keys": [jwk("a")]}
        good = server.published.keys(wanted="a")
        clock.now += keys.JWKS_KEPT_S
        server.said = said
        assert server.published.keys(wanted="a") is good
        assert server.asked == 2


def test_the_last_good_keys_stay_while_the_platform_is_away(clock) -> None:
    with platform() as server:
        server.said = 200, {"keys": [jwk("a")]}
        good = server.published.keys(wanted="a")
    clock.now += keys.JWKS_KEPT_S
    assert server.published.keys(wanted="a") is good


def test_keys_of_other_kinds_are_passed_over(clock) -> None:
    with platform() as server:
        secret = {"kty": "oct", "kid": "s", "k": "c2VjcmV0"}
        server.said = 200, {"keys": [jwk("a"), secret, jwk("e") | {"use": "enc"}]}
        assert server.published.keys(wanted="a").public.keys() == {"a"}
        assert server.published.keys().private == {}


def test_all_who_need_the_first_keys_wait_for_one_question() -> None:
    with platform() as server:
        server.said = 200, {"keys": [jwk("a")]}
        known = in_parallel(8, lambda _: "a" in server.published.keys(wanted="a").public)
        assert (known, server.asked) == ([True] * 8, 1)


def test_who_knows_their_key_does_not_wait_for_a_slow_platform(clock) -> None:
    with platform() as server:
        server.said = 200, {"keys": [jwk("a")]}
        good = server.published.keys(wanted="a")
        clock.now += keys.JWKS_KEPT_S
        server.may_answer.clear()
        asking = Thread(target=server.published.keys)
        asking.start()
        while server.asked < 2:
            time.sleep(0)
        assert server.published.keys(wanted="a") is good
        server.may_answer.set()
        asking.join()


def test_a_process_with_a_jwks_alone_signs_nothing(settings) -> None:
    settings.TOKEN_JWKS_URL, settings.SERVICE_KEYS = "http://127.0.0.1:1/jwks.json", ""
    keys.ring.cache_clear()
    keys.service_ring.cache_clear()
    try:
        with pytest.raises(keys.NoSigningKey):
            keys.signing_key(at=NOON)
        with pytest.raises(keys.NoSigningKey):
            keys.service_signing_key(at=NOON)
        with pytest.raises(access.TokenInvalid):
            access.principal_of(token_of())
    finally:
        keys.ring.cache_clear()
        keys.service_ring.cache_clear()


def test_the_single_key_of_an_earlier_release_goes_on_in_the_ring(tmp_path) -> None:
    kid = keys.add_key(tmp_path / "made", active_at=NOON)
    pem = (tmp_path / "made" / f"{kid}.pem").read_bytes()
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "token.pem").write_bytes(pem)
    folder = Path(keys_for(tmp_path, {})["TOKEN_KEYS"])
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == {"1.pem": pem}
    assert Path(keys_for(tmp_path, {})["TOKEN_KEYS"]) == folder
    newer = keys.add_key(folder, active_at=NOON)
    assert max(["1", newer], key=keys.active_from) == newer
