"""The administration's door: the same locks as the API's, a second factor for everybody, and an end when it ends."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session as BrowserSession
from django.test import Client
from django.utils.timezone import now

from config import staff_sessions
from contexts.identity import blocking, events, roles
from contexts.identity.models import Session, User
from tests.conftest import enrol_app, enter_admin
from tests.identity.conftest import IDENTITY

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

LOGIN, INDEX, USERS = "/admin/login/", "/admin/", "/admin/identity/user/"


def entering(person, code="", **more):
    form = {"username": person.email, "password": person.password, "code": code}
    return Client().post(LOGIN, form | more)


def said(answer) -> str:
    assert answer.status_code == 200, "signed in"
    return answer.content.decode()


def identity_session(browser) -> Session:
    return Session.objects.get(pk=browser.session["identity_session"])


@pytest.fixture
def moderator(register):
    person = register()
    app = enrol_app(person)
    roles.grant_role(user_id=person.user_id, role="moderator")
    return person, app


@pytest.fixture
def inside(moderator):
    person, app = moderator
    browser = enter_admin(person, app.code())
    assert browser.get(USERS).status_code == 200
    return person, browser


def test_id4_staff_enter_with_address_password_and_code(inside, announced):
    person, browser = inside
    assert browser.get(INDEX).status_code == 200
    row = identity_session(browser)
    assert row.user_id == person.user_id
    assert row.mfa_at is not None
    assert announced(events.UserAuthenticated)[-1].session_id == row.pk


def test_id4_a_code_for_the_administration_is_good_once(moderator):
    person, app = moderator
    code = app.code()
    enter_admin(person, code)
    assert "was used before" in said(entering(person, code))


def test_id4_a_recovery_code_enters(enrolled):
    person, _, recovery_codes = enrolled()
    roles.grant_role(user_id=person.user_id, role="support")
    enter_admin(person, recovery_codes[0])
    assert "was used before" in said(entering(person, recovery_codes[0]))


def test_id4_without_a_code_nobody_enters(moderator):
    person, _ = moderator
    assert "second factor is needed" in said(entering(person))
    assert not BrowserSession.objects.exists()


def test_id4_staff_without_a_second_factor_are_told_where_to_enrol(register):
    person = register()
    roles.grant_role(user_id=person.user_id, role="moderator")
    assert "sign in at /account/, enrol an authenticator app there" in said(entering(person))
    assert Session.objects.filter(user_id=person.user_id).count() == 1  # the one that registering began


def test_id4_members_hear_what_strangers_hear(enrolled, moderator):
    member, app, _ = enrolled()
    answers = {said(entering(member, app.code())), said(entering(moderator[0], password="wrong-Password 1!"))}
    assert all("address or the password is wrong" in answer for answer in answers)


def test_id3_five_failures_shut_the_administrations_door_and_the_apis(moderator, anonymous):
    person, app = moderator
    for _ in range(5):
        assert "is wrong" in said(entering(person, password="wrong-Password 1!"))
    assert "Too many failed attempts" in said(entering(person, app.code()))
    login = Client().post(
        f"{IDENTITY}/login", {"email": person.email, "password": person.password, "otp": app.code()}
    )
    assert login.status_code in (415, 429)


def test_id2_five_wrong_codes_shut_the_door(moderator):
    person, app = moderator
    for _ in range(5):
        assert "wrong, too old" in said(entering(person, app.wrong()))
    assert "Too many failed attempts" in said(entering(person, app.code()))


def test_id3_the_form_is_limited_by_address(moderator):
    person, app = moderator
    answers = (said(entering(person, app.code(), username=f"nobody{n}@example.org")) for n in range(90))
    refused = [number for number, answer in enumerate(answers) if "Too many requests" in answer]
    assert refused  # 30 at once, and one more every two seconds: a slow machine is refused later
    assert refused[0] >= 30


def test_id4_a_django_session_without_a_second_factor_opens_nothing(moderator):
    person, _ = moderator
    browser = Client()
    browser.force_login(User.objects.get(pk=person.user_id))
    answer = browser.get(USERS)
    assert (answer.status_code, answer.url.startswith(LOGIN)) == (302, True)


@pytest.mark.parametrize(
    "end",
    [
        lambda person: blocking.block_person(user_id=person.user_id, at=now()),
        lambda person: roles.withdraw_role(user_id=person.user_id, role="moderator"),
        lambda person: person.api.delete(f"{IDENTITY}/sessions"),
        lambda person: person.api.delete(f"{IDENTITY}/sessions?keep=none"),
    ],
    ids=["blocked", "role withdrawn", "signed out elsewhere", "signed out everywhere"],
)
def test_id5_what_ends_the_identity_session_ends_the_administrations_at_once(inside, end):
    person, browser = inside
    end(person)
    answer = browser.get(USERS)
    assert (answer.status_code, answer.url.startswith(LOGIN)) == (302, True)
    assert not BrowserSession.objects.exists()


def test_id5_an_unblocked_member_of_staff_signs_in_anew(inside):
    person, browser = inside
    blocking.block_person(user_id=person.user_id, at=now())
    blocking.unblock_person(user_id=person.user_id)
    assert browser.get(USERS).status_code == 302


@pytest.mark.parametrize(
    ("key", "ago", "status"),
    [
        ("seen_at", staff_sessions.IDLE - timedelta(minutes=1), 200),
        ("seen_at", staff_sessions.IDLE + timedelta(minutes=1), 302),
        ("mfa_at", timedelta(seconds=settings.SESSION_COOKIE_AGE - 60), 200),
        ("mfa_at", timedelta(seconds=settings.SESSION_COOKIE_AGE + 60), 302),
    ],
)
def test_id5_half_an_hour_of_silence_or_half_a_day_ends_it(inside, key, ago, status):
    _, browser = inside
    row = identity_session(browser)
    kept = browser.session
    kept[key] = (now() - ago).timestamp()
    kept.save()
    assert browser.get(USERS).status_code == status
    row.refresh_from_db()
    assert (row.revoked_at is None) == (status == 200)


def test_id5_each_click_counts(inside):
    _, browser = inside
    kept = browser.session
    kept["seen_at"] = before = (now() - timedelta(minutes=10)).timestamp()
    kept.save()
    browser.get(USERS)
    assert browser.session["seen_at"] > before + 500


def test_id5_signing_out_ends_the_identity_session(inside, announced):
    _, browser = inside
    row = identity_session(browser)
    assert browser.post("/admin/logout/").status_code in (200, 302)
    row.refresh_from_db()
    assert row.revoked_at is not None
    assert announced(events.SessionRevoked)[-1].reason == "signed_out"
    assert browser.get(USERS).status_code == 302


def test_id5_a_look_at_the_sign_out_page_ends_nothing(inside):
    _, browser = inside
    assert browser.get("/admin/logout/").status_code == 405
    assert browser.get(USERS).status_code == 200


def test_id4_passwords_are_not_changed_in_the_administration(inside):
    _, browser = inside
    assert browser.get("/admin/password_change/").status_code == 404
    assert browser.get("/admin/account/").url == "/account/"
    assert "/admin/account/" in browser.get(INDEX).content.decode()


ELSEWHERE = """
import django
django.setup()
from django.test import Client
client = Client(SERVER_NAME="localhost")
print([client.get(path).status_code for path in ("/back/office/login/", "/back/office/", "/admin/login/")])
"""


@pytest.mark.parametrize("written", ["back/office", "/back/office/"])
def test_id4_the_administration_stands_where_the_environment_says(written):
    environment = os.environ | {"ADMIN_PATH": written, "DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "-W", "ignore", "-c", ELSEWHERE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=settings.BASE_DIR)
    assert done.stdout.strip() == "[200, 302, 404]", done.stderr
