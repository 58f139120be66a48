"""Getting an account."""

import json
import re
from datetime import date, timedelta

import pytest
from django.core import mail
from django.db import IntegrityError, connections
from django.utils.timezone import now

from contexts.identity import events
from contexts.identity.models import User
from tests.accounts import PASSWORD
from tests.conftest import confirm, sign_in
from tests.identity.conftest import IDENTITY, in_parallel
from tests.tables import empty_tables, used_tables

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

ANNA = {
    "email": "anna@example.org",
    "password": "correct-horse-battery",
    "display_name": "Anna",
    "birth_date": "1990-05-17",
}


def test_id1_a_person_registers_and_signs_in(anonymous, announced):
    made = anonymous.post(f"{IDENTITY}/register", json=ANNA)
    assert made.status_code == 201
    assert [str(e.user_id) for e in announced(events.UserRegistered)] == [made.json()["user_id"]]
    confirm(ANNA["email"], ANNA["password"])
    entered = anonymous.post(f"{IDENTITY}/login", json={k: ANNA[k] for k in ("email", "password")})
    assert entered.status_code == 200
    assert entered.json()["expires_in"] == 600


def test_id1_registering_a_known_address_looks_the_same(anonymous, announced, deliver):
    first = anonymous.post(f"{IDENTITY}/register", json=ANNA)
    confirm(ANNA["email"], ANNA["password"])
    again = anonymous.post(f"{IDENTITY}/register", json=ANNA | {"password": "another-one-entirely"})
    assert (again.status_code, again.json().keys()) == (first.status_code, first.json().keys())
    assert again.json() != first.json()
    assert len(announced(events.UserRegistered)) == 1
    old = anonymous.post(f"{IDENTITY}/login", json={k: ANNA[k] for k in ("email", "password")})
    assert old.status_code == 200  # the account is as it was
    deliver()
    deliver()
    assert [m.to for m in mail.outbox if "already" in m.subject] == [[ANNA["email"]]]


def test_id1_the_owner_of_an_address_is_told_once_a_day_at_most(anonymous, deliver):
    for _ in range(4):
        anonymous.post(f"{IDENTITY}/register", json=ANNA)
    deliver()
    assert len(mail.outbox) == 1


def test_i1_addresses_are_unique_whatever_their_case(anonymous):
    anonymous.post(f"{IDENTITY}/register", json=ANNA)
    anonymous.post(f"{IDENTITY}/register", json=ANNA | {"email": "ANNA@Example.Org"})
    assert User.objects.count() == 1
    with pytest.raises(IntegrityError):
        User.objects.create(email="ANNA@example.org", display_name="A", birth_date=date(1990, 1, 1))


def test_i1_of_eight_parallel_registrations_of_one_address_one_makes_an_account(anonymous, announced):
    answers = in_parallel(8, lambda _: anonymous.post(f"{IDENTITY}/register", json=ANNA))
    assert {answer.status_code for answer in answers} == {201}
    assert User.objects.count() == 1
    assert len(announced(events.UserRegistered)) == 1


@pytest.mark.parametrize(
    ("password", "codes"),
    [
        ("short!", {"password_too_short"}),
        ("nospecialcharacter", {"password_no_special_character"}),
        ("password", {"password_too_short", "password_no_special_character", "password_too_common"}),
        ("123456789012", {"password_no_special_character", "password_entirely_numeric"}),
        ("anna@example.org", {"password_too_similar"}),
    ],
)
def test_id3_weak_passwords_are_refused_with_every_reason(anonymous, password, codes):
    refused = anonymous.post(f"{IDENTITY}/register", json=ANNA | {"password": password})
    assert refused.status_code == 400
    errors = refused.json()["errors"]
    assert {error["field"] for error in errors} == {"password"}
    assert {error["code"] for error in errors} >= codes
    assert password not in refused.content.decode() or password == "password"
    assert not User.objects.exists()


def test_id1_nobody_under_13_registers(anonymous):
    today = now().date()
    thirteen = today.replace(year=today.year - 13, day=min(today.day, 28))
    twelve = {"birth_date": str(thirteen + timedelta(days=31))}
    refused = anonymous.post(f"{IDENTITY}/register", json=ANNA | twelve)
    assert refused.status_code == 400
    assert refused.json()["errors"][0] | {"detail": ""} == {"field": "birth_date", "code": "too_young", "detail": ""}
    old_enough = anonymous.post(f"{IDENTITY}/register", json=ANNA | {"birth_date": str(thirteen)})
    assert old_enough.status_code == 201


@pytest.mark.parametrize(
    "fault",
    [
        {"email": "nobody"},
        {"email": "İ" * 190 + "@example.org"},
        {"birth_date": "2999-01-01"},
        {"birth_date": "0001-01-01"},
        {"display_name": "  "},
        {"display_name": "a\u0007b"},
        {"display_name": "x" * 81},
        {"password": "p!" * 600},
    ],
)
def test_what_makes_no_sense_is_refused_by_field(anonymous, fault):
    refused = anonymous.post(f"{IDENTITY}/register", json=ANNA | fault)
    assert refused.status_code == 400
    assert {error["field"] for error in refused.json()["errors"]} == set(fault)


def test_id7_a_new_person_is_private(register):
    shown = register().api.get(f"{IDENTITY}/me").json()
    assert set(shown["visibility"].values()) == {"nobody"}


def test_a_person_made_for_a_test_is_what_the_front_door_leaves(anonymous, register):
    anonymous.post(f"{IDENTITY}/register", json=ANNA | {"password": PASSWORD})
    confirm(ANNA["email"])
    sign_in(ANNA["email"])
    left = _standing()
    assert left.keys() >= {"identity_user", "identity_session", "identity_consent", "kernel_outbox"}
    empty_tables("default")
    register(email=ANNA["email"], display_name=ANNA["display_name"], birth_date=ANNA["birth_date"])
    assert _standing() == left


def _standing() -> dict[str, list[str]]:
    """What identity's tables say, but for secrets, moments, chance, and the link in the letter, which is used up."""
    told = {}
    with connections["default"].cursor() as cursor:
        for table in used_tables("default", cursor).keys() - {'"identity_mailedlink"', '"identity_lockout"'}:
            cursor.execute(f"SELECT to_jsonb(kept) - %s::text[] FROM {table} AS kept", [NOT_COMPARED])
            rows = (re.sub(BY_CHANCE, "…", json.dumps(row)) for (row,) in cursor.fetchall())
            told[table.strip('"')] = sorted(row for row in rows if "identity.mail_requested" not in row)
    return told


NOT_COMPARED = ["password", "jti_sha256", "id", "position", "lane"]
BY_CHANCE = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[^"]*'
