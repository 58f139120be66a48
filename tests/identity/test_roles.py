"""Roles, and the administration as moderators see it."""

import io

import jwt
import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client

from contexts.identity import roles
from contexts.identity.models import AuditEntry, User
from kernel.errors import InvalidInput
from tests.identity.conftest import IDENTITY

pytestmark = pytest.mark.django_db(databases=["default"], transaction=True)

USERS = "/admin/identity/user/"


@pytest.fixture
def moderator(staff_client) -> Client:
    return staff_client("moderator", display_name="Mo")


def test_id4_a_role_is_in_the_next_token(anonymous, register):
    person = register()
    roles.grant_role(user_id=person.user_id, role="coach")
    credentials = {"email": person.email, "password": person.password}
    token = anonymous.post(f"{IDENTITY}/login", json=credentials).json()["access"]
    assert jwt.decode(token, options={"verify_signature": False})["roles"] == ["member", "coach"]
    assert not User.objects.get(pk=person.user_id).is_staff


def test_id4_the_command_gives_each_the_role_that_follows(register):
    mo, ola = register(), register()
    call_command("grant_role", mo.email, "moderator", ola.email, "organiser", stdout=io.StringIO())
    found = dict(User.objects.values_list("pk", "roles"))
    assert found == {mo.user_id: ["moderator"], ola.user_id: ["organiser"]}
    for words in ([mo.email], [mo.email, "emperor"], ["nobody@example.org", "coach"]):
        with pytest.raises(CommandError):
            call_command("grant_role", *words)


def test_id4_there_are_no_other_roles(register):
    with pytest.raises(InvalidInput):
        roles.grant_role(user_id=register().user_id, role="emperor")


def test_id4_members_do_not_enter_the_administration(register):
    browser = Client()
    browser.force_login(User.objects.get(pk=register().user_id))
    assert browser.get(USERS).status_code == 302


def test_id4_a_moderator_who_is_none_any_more_stays_outside(register):
    person = register()
    roles.grant_role(user_id=person.user_id, role="moderator")
    roles.withdraw_role(user_id=person.user_id, role="moderator")
    user = User.objects.get(pk=person.user_id)
    assert (user.is_staff, user.roles, user.get_all_permissions()) == (False, [], set())


def test_id4_a_moderator_sees_people(moderator, register):
    person = register(display_name="Anna Athlete")
    assert "Anna Athlete" in moderator.get(USERS).content.decode()
    assert moderator.get(f"{USERS}{person.user_id}/change/").status_code == 200


def test_id4_a_moderator_sees_nothing_medical(moderator, register):
    person = register(birth_date="1987-06-05")
    person.api.patch(f"{IDENTITY}/me", json={"hr_max": 187, "body_mass_kg": 73.25})
    shown = moderator.get(f"{USERS}{person.user_id}/change/").content.decode()
    assert not [value for value in ("1987", "187", "73.25", "Birth date", "Hr max") if value in shown]
    held = Permission.objects.filter(group__name="moderator")
    medical = ("health", "view_physiology", "stream", "sample", "heart")
    assert not [p for p in held if any(word in f"{p.content_type.app_label}.{p.codename}" for word in medical)]


def test_id4_a_superuser_sees_what_a_moderator_does_not(register, staff_client):
    person = register(birth_date="1987-06-05")
    shown = staff_client("superuser").get(f"{USERS}{person.user_id}/change/")
    assert "1987" in shown.content.decode()


def test_id4_a_moderator_blocks_members_and_no_staff(moderator, register):
    member, colleague = register(), register()
    roles.grant_role(user_id=colleague.user_id, role="moderator")
    chosen = [str(member.user_id), str(colleague.user_id)]
    moderator.post(USERS, {"action": "block", "_selected_action": chosen})
    assert not User.objects.get(pk=member.user_id).is_active
    assert User.objects.get(pk=colleague.user_id).is_active
    assert member.api.get(f"{IDENTITY}/me").status_code == 401


@pytest.mark.parametrize("action", ["make_moderator", "unmake_moderator"])
def test_id4_a_moderator_appoints_nobody(moderator, register, action):
    person = register()
    moderator.post(USERS, {"action": action, "_selected_action": [str(person.user_id)]})
    assert User.objects.get(pk=person.user_id).roles == []


def test_id4_nothing_is_edited_by_hand(moderator, register):
    person = register(display_name="Anna")
    moderator.post(f"{USERS}{person.user_id}/change/", {"display_name": "Hacked"})
    assert User.objects.get(pk=person.user_id).display_name == "Anna"
    assert moderator.get(f"{USERS}add/").status_code == 403
    assert moderator.get("/admin/identity/session/").status_code == 403


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_id4_support_sees_masked_addresses_and_says_why(staff_client, register):
    person, support = register(email="anna.athlete@example.org", display_name="Anna"), staff_client("support")
    listed = support.get(USERS).content.decode()
    assert "a•••@example.org" in listed
    assert person.email not in listed
    page = f"{USERS}{person.user_id}/change/"
    asked = support.get(page)
    assert (asked.status_code, person.email in asked.content.decode()) == (403, False)
    assert support.post(page, {"why": "Ticket 4711"}).status_code == 302
    shown = support.get(page)
    assert shown.status_code == 200
    assert person.email not in shown.content.decode()
    looks = AuditEntry.objects.filter(subject=person.user_id, action="admin.looked_at")
    assert [(look.reason, look.actor_kind) for look in looks] == [("Ticket 4711", "staff")]


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_id6_a_moderators_look_is_written_down(moderator, register):
    person = register()
    moderator.get(f"{USERS}{person.user_id}/change/")
    assert AuditEntry.objects.filter(subject=person.user_id, action="admin.looked_at").count() == 1


@pytest.mark.parametrize("role", ["moderator", "support"])
def test_id4_who_grants_nothing_sees_no_such_button(staff_client, register, role):
    register()
    listed = staff_client(role).get(USERS).content.decode()
    assert not any(button in listed for button in ("grant_role", "grant_membership"))
