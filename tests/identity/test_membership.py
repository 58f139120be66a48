"""Premium and PRO: granted with a reason, announced, carried by tokens, over when they are over (ID-9)."""

from datetime import timedelta

import jwt
import pytest
from django.utils.timezone import now

from contexts.identity import membership
from contexts.identity.events import MembershipChanged
from contexts.identity.models import AuditEntry
from kernel.errors import InvalidInput
from tests.conftest import sign_in
from tests.identity.conftest import IDENTITY

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

USERS = "/admin/identity/user/"


def grant(person, tier: str, days: int, **more):
    wanted = {"reason": "Won the race", "by": None, "at": now()} | more
    until = wanted["at"] + timedelta(days=days)
    return membership.grant(user_id=person.user_id, tier=tier, until=until, **wanted)


def claim(person) -> str:
    return jwt.decode(sign_in(person.email)["access"], options={"verify_signature": False})["membership"]


def test_id9_a_membership_is_announced_and_carried_by_tokens(register, announced):
    anna = register()
    assert claim(anna) == "free"
    grant(anna, "premium", 30)
    assert claim(anna) == "premium"
    assert [event.tier for event in announced(MembershipChanged)] == ["premium"]
    shown = anna.api.get(f"{IDENTITY}/membership").json()
    assert (shown["tier"], len(shown["history"])) == ("premium", 1)


def test_id9_of_overlapping_memberships_the_highest_is_in_force(register, announced):
    anna = register()
    grant(anna, "pro", 10)
    grant(anna, "premium", 30)
    assert claim(anna) == "pro"
    assert membership.expire(at=now() + timedelta(days=11)) == 1
    assert [event.tier for event in announced(MembershipChanged)] == ["pro", "premium"]


def test_id9_a_membership_ends_by_the_clock_even_before_it_is_tidied(register, announced):
    anna = register()
    grant(anna, "premium", 2, at=now() - timedelta(days=1))
    later = now() + timedelta(days=2)
    assert membership.standing(user_id=anna.user_id, at=later).tier == "free"
    assert membership.expire(at=later) == 1
    assert membership.expire(at=later) == 0
    assert [event.tier for event in announced(MembershipChanged)] == ["premium", "free"]


def test_id9_what_was_given_can_be_taken_away(register):
    anna = register()
    grant(anna, "pro", 30)
    assert membership.take_away(user_id=anna.user_id, reason="A mistake", by=None, at=now()) == 1
    assert claim(anna) == "free"


@pytest.mark.parametrize(
    ("tier", "days", "reason"), [("gold", 3, "x"), ("pro", 0, "x"), ("pro", 99_999, "x"), ("pro", 3, " ")]
)
def test_id9_a_membership_makes_sense_and_has_a_reason(register, tier, days, reason):
    with pytest.raises(InvalidInput):
        grant(register(), tier, days, reason=reason)


def test_id9_operators_grant_it_in_the_administration(register, staff_client):
    anna, operator = register(), staff_client("operator")
    form = {"action": "grant_membership", "_selected_action": str(anna.user_id), "tier": "pro", "days": "30"}
    operator.post(USERS, form)
    assert claim(anna) == "free"  # no reason, no membership
    operator.post(USERS, form | {"reason": "Ambassador"})
    assert claim(anna) == "pro"
    assert AuditEntry.objects.filter(subject=anna.user_id, reason="Ambassador", actor_kind="staff").exists()


def test_id9_moderators_grant_nothing(register, staff_client):
    anna, moderator = register(), staff_client("moderator")
    form = {
        "action": "grant_membership",
        "_selected_action": str(anna.user_id),
        "tier": "pro",
        "days": "30",
        "reason": "x",
    }
    moderator.post(USERS, form)
    assert claim(anna) == "free"
