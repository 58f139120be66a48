"""What operators lay over the code: effective at once, versioned, only ever tighter (ID-4)."""

import json
import socket as sockets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connections
from django.utils.timezone import now

from contexts.identity import security_policy
from contexts.identity.models import SecurityPolicy
from kernel import policy
from kernel.errors import InvalidInput
from tests.identity.conftest import IDENTITY

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

POLICIES = "/admin/identity/securitypolicy/"
ME, ROOMS = f"{IDENTITY}/me", "/api/v1/social/rooms"


def enact(document, note="A test"):
    made = security_policy.enact(document=document, note=note, by=None, at=now())
    policy.forget()
    return made


def closed(*operations):
    return {"access": {name: {"closed": True} for name in operations}}


def test_id4_an_operation_is_closed_and_opened_at_once(register):
    anna = register()
    enact(closed("identity.Me.PATCH"))
    refused = anna.api.patch(ME, {"city": "Riga"})
    assert (refused.status_code, refused.json()["code"]) == (403, "closed_by_policy")
    assert anna.api.get(ME).status_code == 200
    enact({})
    assert anna.api.patch(ME, {"city": "Riga"}).status_code == 200


def test_id4_a_role_or_a_second_factor_can_be_asked_for(register):
    anna = register()
    enact({"access": {"identity.Me.GET": {"roles": ["coach"]}, "social.Rooms.GET": {"recent_mfa": True}}})
    assert anna.api.get(ME).json()["code"] == "forbidden"
    assert anna.api.get(ROOMS).json()["code"] == "mfa_required"


def test_id4_a_policy_never_opens_what_the_code_closes(anonymous):
    enact({"access": {"identity.Me.GET": {"closed": False, "roles": []}}})
    assert anonymous.get(ME).status_code == 401


def test_id4_a_rate_limit_is_replaced(register):
    anna = register()
    enact({"limits": {"identity.Me.GET": "2/min"}})
    assert [anna.api.get(ME).status_code for _ in range(3)] == [200, 200, 429]


async def test_id4_a_socket_is_closed_by_policy(transactional_db, socket):
    from asgiref.sync import sync_to_async

    from tests.conftest import make_person

    anna = await sync_to_async(make_person)()
    await sync_to_async(enact)(closed("social.Chat"))
    ws = socket("/ws/v1/social/chat", anna.token)
    await ws.connect(timeout=10)
    assert await ws.closed_with() == 4403


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"rules": {}},
        {"access": {"identity.Nothing.GET": {"closed": True}}},
        {"access": {"identity.Me.GET": {"roles": ["emperor"]}}},
        {"access": {"identity.Me.GET": {"open": True}}},
        {"access": {"identity.Me.GET": {"closed": "yes"}}},
        {"limits": {"identity.Me.GET": "many"}},
        {"limits": {"identity.Me.GET": "0/min"}},
        {"limits": {"social.Chat": "3/min"}},
    ],
)
def test_id4_a_policy_that_makes_no_sense_is_refused(document):
    with pytest.raises(InvalidInput):
        security_policy.ensure_valid(document)


def test_id4_operators_enact_versions_in_the_administration(register, staff_client):
    anna, operator = register(), staff_client("operator")
    assert operator.get(f"{POLICIES}add/").status_code == 200
    text = json.dumps(closed("identity.Me.GET"))
    assert operator.post(f"{POLICIES}add/", {"rules": text, "note": "Maintenance"}).status_code == 302
    policy.forget()
    assert anna.api.get(ME).status_code == 403
    wrong = operator.post(f"{POLICIES}add/", {"rules": '{"access": {"x": {}}}', "note": "?"})
    assert (wrong.status_code, b"There is no operation x" in wrong.content) == (200, True)
    listed = operator.get(POLICIES).content.decode()
    assert "Maintenance" in listed
    assert "identity.Me.GET" in listed
    (only,) = SecurityPolicy.objects.all()
    assert operator.post(f"{POLICIES}{only.pk}/change/", {"rules": "{}", "note": "x"}).status_code == 403


def test_id4_moderators_do_not_see_the_policy(staff_client):
    assert staff_client("moderator").get(POLICIES).status_code == 403


def test_id4_the_last_known_policy_stays_while_its_keeper_is_away(register, monkeypatch, settings):
    anna = register()
    enact(closed("identity.Me.GET"))
    assert anna.api.get(ME).status_code == 403
    settings.SECURITY_POLICY = "nowhere.at_all"
    policy.forget()
    assert anna.api.get(ME).status_code == 403


@contextmanager
def unreachable_database(monkeypatch) -> Iterator[threading.Event]:
    """The keeper's database is at an address where nobody listens; yields what is set when its pool gives up."""
    with sockets.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, never listening: every connection is refused
        away = connections["default"].copy(alias="away")
        away.settings_dict |= {"HOST": "127.0.0.1", "PORT": taken.getsockname()[1]}
        gave_up = threading.Event()

        def ask() -> policy.SecurityRules:
            try:
                away.ensure_connection()
            finally:
                gave_up.set()
            return policy.SecurityRules()

        monkeypatch.setattr(policy, "import_string", lambda keeper: ask)
        policy.forget()
        try:
            yield gave_up
        finally:
            away.pool.close()
            gave_up.wait(30)


def test_id4_no_request_waits_for_a_policy_whose_database_is_away(register, monkeypatch):
    anna = register()
    enact(closed("identity.Me.GET"))
    assert anna.api.get(ME).status_code == 403
    monkeypatch.setattr(policy, "PATIENCE_S", 0.05)
    with unreachable_database(monkeypatch) as gave_up:
        assert [anna.api.get(ME).status_code for _ in range(3)] == [403] * 3  # as it was known last
        assert anna.api.patch(ME, {"city": "Riga"}).status_code == 200
        assert sum(thread.name == "security-policy" for thread in threading.enumerate()) == 1
        assert not gave_up.is_set()  # the pool is waiting still
    monkeypatch.undo()
    enact({})
    assert anna.api.get(ME).status_code == 200
