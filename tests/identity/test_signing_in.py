"""Passwords and lock-outs."""

from collections import Counter
from datetime import timedelta
from statistics import median
from threading import Barrier
from time import perf_counter

import pytest
from django.utils.timezone import now

from contexts.identity import blocking, events, lockout, signing_in
from contexts.identity.models import Lockout, Session
from contexts.identity.sessions import Origin
from tests.identity.conftest import IDENTITY, in_parallel

pytestmark = pytest.mark.django_db(databases=["default"], transaction=True)

ELSEWHERE = Origin(address="203.0.113.77", user_agent="Elsewhere/1")


def login(client, person, password=None, **more):
    body = {"email": person.email, "password": password or person.password} | more
    return client.post(f"{IDENTITY}/login", json=body)


def test_id1_signing_in_begins_a_session_and_says_so(anonymous, register, announced):
    person = register()
    entered = login(anonymous, person)
    assert entered.status_code == 200
    event = announced(events.UserAuthenticated)[-1]
    assert str(event.user_id) == str(person.user_id)
    assert Session.objects.filter(pk=event.session_id, revoked_at=None).exists()


def test_id1_addresses_are_taken_in_any_case(anonymous, register):
    person = register(email="Bo.Berg@example.org")
    assert (
        anonymous.post(
            f"{IDENTITY}/login", json={"email": " BO.berg@EXAMPLE.org ", "password": person.password}
        ).status_code
        == 200
    )


def test_id1_unknown_addresses_are_refused_in_the_same_words(anonymous, register):
    known = login(anonymous, register(), "not-the-password!")
    unknown = anonymous.post(
        f"{IDENTITY}/login", json={"email": "nobody@example.org", "password": "not-the-password!"}
    )
    assert known.status_code == unknown.status_code == 401
    strip = {"correlation_id"}
    assert {k: v for k, v in known.json().items() if k not in strip} == {
        k: v for k, v in unknown.json().items() if k not in strip
    }
    assert known.json()["code"] == "invalid_credentials"


def test_id1_an_unknown_address_takes_as_long_as_a_known_one(register, settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    known = register().email

    def seconds(email: str, number: int) -> float:
        origin = Origin(address=f"198.51.{number}.1")
        begun = perf_counter()
        with pytest.raises(signing_in.InvalidCredentials):
            signing_in.sign_in(email=email, password="not-the-password!", otp=None, origin=origin, at=now())
        return perf_counter() - begun

    pairs = [(seconds(known, n), seconds("nobody@example.org", n)) for n in range(5)]
    with_account, without = (median(times) for times in zip(*pairs, strict=True))
    assert 0.5 < with_account / without < 2  # without care an unknown address is refused ten times faster


def test_id3_after_five_failures_even_the_right_password_waits(anonymous, register):
    person = register()
    assert [login(anonymous, person, "wrong-password!").status_code for _ in range(6)] == [401] * 5 + [429]
    locked = login(anonymous, person)
    assert locked.json()["code"] == "locked_out"
    assert 0 < int(locked.headers["Retry-After"]) <= 15 * 60


def test_id3_of_fifty_parallel_wrong_passwords_five_are_looked_at(anonymous, register):
    person = register()
    answers = in_parallel(50, lambda _: login(anonymous, person, "wrong-password!"))
    assert Counter(answer.json()["code"] for answer in answers) == {"invalid_credentials": 5, "locked_out": 45}
    assert Lockout.objects.get(failures=5).locked_until > now()


def test_without_the_row_lock_more_than_five_would_be_looked_at(anonymous, register, monkeypatch):
    def unlocked_row(*, key: str, account: str) -> Lockout:
        row = Lockout.objects.get_or_create(pk=key)[0]
        everybody_has_read.wait()
        return row

    person, everybody_has_read = register(), Barrier(10, timeout=20)
    login(anonymous, person, "wrong-password!")  # the row is there: nobody waits for who inserts it
    monkeypatch.setattr(lockout, "locked_row", unlocked_row)
    answers = in_parallel(10, lambda _: login(anonymous, person, "wrong-password!"))
    assert Counter(answer.json()["code"] for answer in answers) == {"invalid_credentials": 10}


def test_id3_failures_of_yesterday_leave_no_trace(anonymous, register):
    login(anonymous, register(), "wrong-password!")
    assert lockout.forget_old_failures(at=now()) == 0
    assert lockout.forget_old_failures(at=now() + timedelta(hours=25)) == 1


def test_id3_parallel_failures_at_an_unknown_address_are_counted_alike(anonymous):
    nobody = {"email": "nobody@example.org", "password": "wrong-password!"}
    answers = in_parallel(20, lambda _: anonymous.post(f"{IDENTITY}/login", json=nobody))
    assert Counter(answer.status_code for answer in answers) == {401: 5, 429: 15}


def test_id3_many_at_once_with_the_right_password_all_get_in(anonymous, register):
    person = register()
    answers = in_parallel(12, lambda _: login(anonymous, person))
    assert {answer.status_code for answer in answers} == {200}


def test_id3_a_success_forgets_the_failures_before_it(anonymous, register):
    person = register()
    for _ in range(3):
        assert [login(anonymous, person, "wrong-password!").status_code for _ in range(4)] == [401] * 4
        assert login(anonymous, person).status_code == 200


def test_id3_the_owner_elsewhere_is_not_locked_out_by_strangers(anonymous, register):
    person = register()
    for _ in range(6):
        login(anonymous, person, "wrong-password!")
    tokens = signing_in.sign_in(email=person.email, password=person.password, otp=None, origin=ELSEWHERE, at=now())
    assert tokens.access


def test_id3_the_door_opens_again_after_fifteen_minutes(anonymous, register):
    person = register()
    for _ in range(5):
        with pytest.raises(signing_in.InvalidCredentials):
            signing_in.sign_in(email=person.email, password="wrong-password!", otp=None, origin=ELSEWHERE, at=now())
    later = now() + timedelta(minutes=15, seconds=1)
    assert signing_in.sign_in(
        email=person.email, password=person.password, otp=None, origin=ELSEWHERE, at=later
    ).refresh


def test_a_blocked_person_is_refused_in_the_same_words_and_loses_every_session(anonymous, register):
    person = register()
    assert person.api.get(f"{IDENTITY}/me").status_code == 200
    blocking.block_person(user_id=person.user_id, at=now())
    assert person.api.get(f"{IDENTITY}/me").status_code == 401
    assert login(anonymous, person).json()["code"] == "invalid_credentials"
    blocking.unblock_person(user_id=person.user_id)
    assert login(anonymous, person).status_code == 200


def test_sessions_keep_the_network_and_not_the_host(register):
    person = register()
    signing_in.sign_in(email=person.email, password=person.password, otp=None, origin=ELSEWHERE, at=now())
    session = Session.objects.get(user_agent="Elsewhere/1")
    assert session.address == "203.0.113.0"
    assert Origin(address="2001:db8:1:2::3").network == "2001:db8:1::"
    assert Origin(address="").network == ""
