"""The audit: what is written into it, who sees what of it, and that nobody changes it unseen."""

from datetime import UTC, datetime
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.utils.timezone import now

from contexts.identity import audit, rules
from contexts.identity.models import AuditEntry, AuditHead
from kernel.databases import unit_of_work
from kernel.observability import invariants
from tests.identity.conftest import IDENTITY, in_parallel

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def record(**more: Any) -> AuditEntry:
    """One entry, in a unit of work of its own."""
    isolation = more.pop("isolation", "read committed")
    fact = {"action": "test.happened", "actor": None, "actor_kind": "system", "subject": uuid4(), "at": now()} | more

    @unit_of_work("identity", isolation=isolation)
    def unit() -> AuditEntry:
        return audit.record(**fact)

    return unit()


def violations() -> list[dict[str, Any]]:
    """What the invariant finds, which computes the digests in PostgreSQL."""
    (chain,) = [rule for rule in invariants() if (rule.context, rule.id) == ("identity", "X7")]
    return chain.violations()


def as_superuser(statement: str) -> None:
    """Change the database behind every trigger's back."""
    with connection.cursor() as cursor:
        cursor.execute(f"SET session_replication_role = replica; {statement}; RESET session_replication_role")


def actions_seen(person: Any) -> list[str]:
    return [item["action"] for item in person.api.get(f"{IDENTITY}/audit", data={"limit": 100}).json()["items"]]


def test_id6_entries_seal_one_another():
    for nth in range(3):
        record(claims={"nth": nth, "a name": 'with "quotes" and ü', "deep": {"bb": [1, None], "a": True}})
    assert [entry.position for entry in AuditEntry.objects.order_by("position")] == [1, 2, 3]
    assert audit.first_bad_position() is None
    assert violations() == []


def test_id6_python_and_postgresql_compute_the_same_digest():
    record(
        at=datetime(2026, 1, 2, 3, 4, 5, 60, tzinfo=UTC),
        actor=uuid4(),
        reason="tab\tnewline\nbackslash\\ bell\x07 delete\x7f «кавычки» 🏃",
        claims={"ключ": "é", "zz": -3, "aaa": {"c": [], "bb": {}}},
        network="10.0.0.0",
    )
    assert violations() == []
    assert audit.first_bad_position() is None


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read"])
def test_id6_writers_at_the_same_moment_make_one_chain_without_gaps(isolation):
    in_parallel(8, lambda nth: [record(claims={"nth": nth}, isolation=isolation) for _ in range(3)])
    assert [entry.position for entry in AuditEntry.objects.order_by("position")] == list(range(1, 25))
    assert audit.first_bad_position() is None
    assert AuditHead.objects.get().position == 24


def test_id6_what_is_rolled_back_leaves_no_gap():
    @unit_of_work("identity")
    def fails() -> None:
        audit.record(action="test.undone", actor=None, actor_kind="system", subject=None, at=now())
        raise RuntimeError

    record()
    with pytest.raises(RuntimeError):
        fails()
    record()
    assert [entry.position for entry in AuditEntry.objects.order_by("position")] == [1, 2]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE identity_auditentry SET reason = 'another'",
        "DELETE FROM identity_auditentry",
        "TRUNCATE identity_auditentry",
        "DELETE FROM identity_audithead",
        "UPDATE identity_audithead SET position = 0",
        "UPDATE identity_audithead SET digest = ''",
    ],
)
def test_id6_the_database_refuses_to_rewrite_the_audit(statement):
    record()
    with pytest.raises(IntegrityError, match=r"never rewritten|entry by entry"), connection.cursor() as cursor:
        cursor.execute(statement)
    assert audit.first_bad_position() is None


def test_id6_the_application_has_no_right_to_rewrite_the_audit():
    query = "SELECT privilege_type FROM information_schema.table_privileges WHERE table_name = 'identity_auditentry'"
    with connection.cursor() as cursor:
        cursor.execute(query)
        assert not {row[0] for row in cursor.fetchall()} & {"UPDATE", "DELETE", "TRUNCATE"}


@pytest.mark.parametrize(
    ("tampering", "position"),
    [
        ("UPDATE identity_auditentry SET reason = 'forged' WHERE position = 3", 3),
        ("UPDATE identity_auditentry SET claims = '{\"nth\": 9}' WHERE position = 2", 2),
        ("UPDATE identity_auditentry SET at = at + interval '1 microsecond' WHERE position = 4", 4),
        ("DELETE FROM identity_auditentry WHERE position = 2", 2),
        ("DELETE FROM identity_auditentry WHERE position = 5", 5),
        ("DELETE FROM identity_audithead", 6),
    ],
)
def test_id6_tampering_is_found_and_named(tampering, position):
    for nth in range(5):
        record(claims={"nth": nth})
    as_superuser(tampering)
    with pytest.raises(CommandError, match=f"from position {position} on"):
        call_command("verify_audit")
    assert violations() != []


def test_id6_an_audit_that_nobody_touched_is_verified():
    record()
    said = StringIO()
    call_command("verify_audit", stdout=said)
    assert "1 entries, all as they were written" in said.getvalue()


def test_id6_what_happens_to_an_account_is_written_down_once(register, deliver):
    person = register(city="Paris")
    deliver()
    deliver()
    seen = actions_seen(person)
    assert sorted(set(seen) & {"identity.user_registered", "identity.user_authenticated"}) == [
        "identity.user_authenticated",
        "identity.user_registered",
    ]
    assert seen.count("identity.user_registered") == seen.count("identity.profile_updated") == 1
    assert "Paris" not in str(list(AuditEntry.objects.values()))
    assert audit.first_bad_position() is None


def test_id6_a_sign_in_is_written_with_its_network_and_factors(enrolled, deliver):
    person, _, _ = enrolled()
    deliver()
    entry = AuditEntry.objects.filter(action="identity.user_authenticated", subject=person.user_id).latest("position")
    assert (entry.network, entry.actor, entry.claims["with"]) == ("127.0.0.0", person.user_id, "password")
    assert entry.correlation_id


def test_id6_one_sees_ones_own_entries_only(register, deliver):
    ada, bo = register(), register()
    record(subject=bo.user_id, action="test.about_bo")
    deliver()
    assert "test.about_bo" in actions_seen(bo)
    assert "test.about_bo" not in actions_seen(ada)


def test_id6_staff_are_shown_by_their_role_and_never_by_name(register):
    ada, staff = register(), register(display_name="Sherlock")
    claims = {"roles": ["moderator"], "screen": "identity.user"}
    record(subject=ada.user_id, actor=staff.user_id, actor_kind="staff", action=rules.LOOKED_AT, claims=claims)
    answer = ada.api.get(f"{IDENTITY}/audit")
    (item,) = [item for item in answer.json()["items"] if item["action"] == rules.LOOKED_AT]
    assert (item["actor_kind"], item["role"], item["is_self"], item["app"]) == ("staff", "moderator", False, None)
    assert "Sherlock" not in answer.content.decode()
    assert str(staff.user_id) not in answer.content.decode()


def test_id6_the_list_comes_in_pages(register, deliver):
    person = register()
    deliver()
    for _ in range(4):
        record(subject=person.user_id)
    first = person.api.get(f"{IDENTITY}/audit", data={"limit": 3}).json()
    second = person.api.get(f"{IDENTITY}/audit", data={"limit": 3, "cursor": first["next"]}).json()
    positions = [item["position"] for item in first["items"] + second["items"]]
    assert positions == sorted(set(positions), reverse=True)


def test_id6_nobody_reads_the_audit_without_signing_in(anonymous):
    assert anonymous.get(f"{IDENTITY}/audit").status_code == 401
