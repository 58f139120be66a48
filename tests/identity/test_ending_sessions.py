"""What is signed in where, and an end to it: of tokens at once, of sockets within five seconds (ID-5)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils.timezone import now

from contexts.identity import blocking, events, rules, sessions, signing_in
from contexts.identity.models import OAuthApp, Session
from kernel import access, realtime
from kernel.databases import redis_client
from kernel.realtime import in_thread
from tests.conftest import Api, Person, sign_in
from tests.identity.conftest import IDENTITY, in_parallel
from tests.identity.test_sessions import claims, me, refresh

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

CHAT = "/ws/v1/social/chat"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
NEW_PASSWORD = "Another long 1, everyone!"


def sid(token: str) -> UUID:
    return UUID(claims(token)["sid"])


def listed(api: Api) -> list[dict[str, Any]]:
    return api.get(f"{IDENTITY}/sessions").json()["items"]


def session_of_an_app(person: Person) -> Session:
    app = OAuthApp.objects.create(
        owner_id=person.user_id,
        name="Route Planner",
        redirect_uris=["https://planner.example/back"],
        scopes=["workout:read"],
        created_at=now(),
    )
    return Session.objects.create(
        user_id=person.user_id,
        app=app,
        scopes=["workout:read"],
        started_at=now(),
        last_seen_at=now(),
        address="198.51.100.0",
    )


def change_password(person: Person) -> None:
    form = {"password": person.password, "new_password": NEW_PASSWORD}
    assert person.api.post(f"{IDENTITY}/password/change", form).status_code == 200


def block(person: Person) -> None:
    blocking.block_person(user_id=person.user_id, at=now())


def erase(person: Person) -> None:
    assert person.api.post(f"{IDENTITY}/erasure", {"password": person.password}).status_code == 202


def sign_out_everywhere(person: Person) -> None:
    assert person.api.delete(f"{IDENTITY}/sessions?keep=none").status_code == 204


ENDS = [change_password, block, erase, sign_out_everywhere]


def test_id5_a_person_sees_where_they_are_signed_in(register) -> None:
    person, other = register(), register()
    form = {"email": person.email, "password": person.password}
    Api().post(f"{IDENTITY}/login", form, headers={"User-Agent": FIREFOX}, REMOTE_ADDR="203.0.113.77")
    app = session_of_an_app(person)
    by_app, elsewhere, here = listed(person.api)
    assert here["id"] == str(sid(person.token))
    assert [item["is_current"] for item in (by_app, elsewhere, here)] == [False, False, True]
    assert elsewhere["device"] == "Firefox on Linux"
    assert elsewhere["network"] == "203.0.113.0"
    assert (elsewhere["signed_in_with"], elsewhere["second_factor"], elsewhere["app"]) == ("password", False, None)
    assert by_app["app"] == {"id": str(app.app_id), "name": "Route Planner"}
    assert [item["id"] for item in listed(other.api)] == [str(sid(other.token))]


def test_id5_what_is_over_is_not_listed(register) -> None:
    person = register()
    for change in (
        {"revoked_at": now()},
        {"last_seen_at": now() - rules.REFRESH_LIFETIME},
        {"started_at": now() - rules.LONGEST_SESSION},
    ):
        Session.objects.filter(pk=sid(sign_in(person.email)["access"])).update(**change)
    assert [item["id"] for item in listed(person.api)] == [str(sid(person.token))]


def test_id5_a_refresh_moves_when_a_session_was_last_seen(register, anonymous) -> None:
    person = register()
    long_ago = now() - timedelta(days=3)
    Session.objects.update(last_seen_at=long_ago, started_at=long_ago)
    assert refresh(anonymous, person.refresh).status_code == 200
    (item,) = listed(person.api)
    assert item["last_seen_at"] > item["started_at"]


def test_id5_even_a_session_in_daily_use_ends_after_ninety_days(register, anonymous) -> None:
    person = register()
    token = person.refresh
    Session.objects.update(started_at=now() - timedelta(days=90, minutes=-1))
    token = refresh(anonymous, token).json()["refresh"]
    Session.objects.update(started_at=now() - timedelta(days=90))
    assert refresh(anonymous, token).json()["code"] == "invalid_refresh_token"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Macintosh) AppleWebKit/605 (KHTML, like Gecko) Version/18.1 Safari/605", "Safari on Mac"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537 Chrome/142.0 Safari/537", "Chrome on Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537 Chrome/142.0 Safari/537 Edg/142", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537 Chrome/142.0 Mobile Safari/537", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1) Version/18.1 Mobile Safari/604", "Safari on iPhone"),
        ("stayer-bridge/1.2 python-httpx/0.28", "stayer-bridge"),
        ("", ""),
    ],
)
def test_devices_are_called_as_people_call_them(user_agent: str, name: str) -> None:
    assert rules.device_name(user_agent) == name


def test_id5_a_session_is_ended_from_another_one(register, anonymous, announced) -> None:
    person = register()
    lost = sign_in(person.email)
    assert person.api.delete(f"{IDENTITY}/sessions/{sid(lost['access'])}").status_code == 204
    assert me(anonymous, lost["access"]).status_code == 401
    assert refresh(anonymous, lost["refresh"]).status_code == 401
    assert person.api.get(f"{IDENTITY}/me").status_code == 200
    event = announced(events.SessionRevoked)[-1]
    assert (event.user_id, event.session_id, event.reason) == (person.user_id, sid(lost["access"]), "revoked")


def test_id5_sessions_of_others_and_ended_ones_are_not_found(register) -> None:
    person, other = register(), register()
    ended = sid(sign_in(person.email)["access"])
    assert person.api.delete(f"{IDENTITY}/sessions/{ended}").status_code == 204
    for session_id in (ended, sid(other.token), uuid4()):
        assert person.api.delete(f"{IDENTITY}/sessions/{session_id}").status_code == 404
    assert other.api.get(f"{IDENTITY}/me").status_code == 200


def test_id5_all_other_sessions_end_apps_too_and_on_request_this_one(register, anonymous) -> None:
    person, bystander = register(), register()
    pair, app = sign_in(person.email), session_of_an_app(person)
    assert person.api.delete(f"{IDENTITY}/sessions").status_code == 204
    assert me(anonymous, pair["access"]).status_code == 401
    assert not access.session_is_active(app.pk)
    assert person.api.delete(f"{IDENTITY}/sessions?keep=everything").status_code == 400
    assert person.api.get(f"{IDENTITY}/me").status_code == 200
    assert person.api.delete(f"{IDENTITY}/sessions?keep=none").status_code == 204
    assert person.api.get(f"{IDENTITY}/me").status_code == 401
    assert bystander.api.get(f"{IDENTITY}/me").status_code == 200


def test_id5_an_end_is_announced_once_however_many_hands_end_it(register, announced) -> None:
    person = register()
    session_id = sid(person.token)

    def end(number: int) -> int:
        if number % 2:
            return sessions.revoke_session(session_id=session_id, reason="revoked", at=now())
        return sessions.revoke_all_sessions(user_id=person.user_id, reason="revoked", at=now())

    assert sum(in_parallel(8, end)) == 1
    assert [event.session_id for event in announced(events.SessionRevoked)] == [session_id]
    sessions.revoke_session(session_id=session_id, reason="revoked", at=now())
    assert len(announced(events.SessionRevoked)) == 1


def test_id5_an_app_is_disconnected_alone(register) -> None:
    person = register()
    one, two = session_of_an_app(person), session_of_an_app(person)
    assert sessions.disconnect_app(user_id=person.user_id, app_id=one.app_id, at=now()) == 1
    assert [access.session_is_active(session.pk) for session in (one, two)] == [False, True]
    assert person.api.get(f"{IDENTITY}/me").status_code == 200


@pytest.mark.parametrize("end", ENDS)
def test_id5_what_changes_an_account_ends_its_sessions_at_once(register, anonymous, end) -> None:
    person = register()
    pair, app = sign_in(person.email), session_of_an_app(person)
    assert me(anonymous, pair["access"]).status_code == 200  # the answer is now cached as good
    assert access.session_is_active(app.pk)
    end(person)
    assert {me(anonymous, token).status_code for token in (pair["access"], person.token)} == {401}
    assert refresh(anonymous, pair["refresh"]).status_code == 401
    assert not access.session_is_active(app.pk)


@pytest.mark.parametrize("end", ENDS)
async def test_id5_what_changes_an_account_closes_its_sockets(
    register, socket, monkeypatch, end: Callable[[Person], None]
) -> None:
    monkeypatch.setattr(realtime, "SESSION_CHECK_S", 0.2)  # how soon is shown where the kernel's sockets are
    person, bystander = await in_thread(register), await in_thread(register)
    async with socket(CHAT, person.token) as theirs, socket(CHAT, bystander.token) as others:
        await theirs.next()
        await others.next()
        await in_thread(end, person)
        assert await theirs.closed_with() == 4401
        assert await others.receive_nothing()


def test_id5_a_word_to_redis_that_was_lost_is_said_again(register, deliver) -> None:
    person = register()
    session_id = sid(person.token)
    sessions.revoke_session(session_id=session_id, reason="revoked", at=now())
    redis_client().set(f"session:{session_id}", b"1")  # as if the process had ended before it told Redis
    assert person.api.get(f"{IDENTITY}/me").status_code == 200
    deliver()
    assert person.api.get(f"{IDENTITY}/me").status_code == 401


def test_id5_a_password_that_is_changed_while_somebody_signs_in_with_it_lets_nobody_in(register, monkeypatch) -> None:
    person = register()
    recognise = signing_in.authenticate

    def slowly(**credentials: str) -> Any:
        found = recognise(**credentials)
        change_password(person)
        return found

    monkeypatch.setattr(signing_in, "authenticate", slowly)
    answer = Api().post(f"{IDENTITY}/login", {"email": person.email, "password": person.password})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    monkeypatch.undo()
    assert Session.objects.filter(user_id=person.user_id, revoked_at=None).count() == 1  # of who changed it
