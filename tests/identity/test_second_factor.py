"""Authenticator apps, recovery codes, and stepping up."""

import base64
import re
from collections import Counter
from datetime import timedelta
from xml.etree import ElementTree

import jwt
import pytest
import qrcode
from allauth.mfa.models import Authenticator
from django.utils.timezone import now

from contexts.identity import events, rules
from contexts.identity.models import Session
from kernel.observability import invariants
from tests.identity.conftest import IDENTITY, App, in_parallel

pytestmark = pytest.mark.django_db(databases=["default"], transaction=True)


def claims(token: str) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


def login(client, person, **more):
    body = {"email": person.email, "password": person.password} | more
    return client.post(f"{IDENTITY}/login", json=body)


def step_up(person, code):
    return person.api.post(f"{IDENTITY}/mfa/step-up", json={"code": code})


def test_id2_a_person_enrols_an_authenticator_app(register):
    person = register()
    begun = person.api.post(f"{IDENTITY}/mfa/totp").json()
    assert begun["uri"].startswith("otpauth://totp/")
    assert begun["secret"] in begun["uri"]
    confirmed = person.api.post(f"{IDENTITY}/mfa/totp/confirm", json={"code": App(begun["secret"]).code()})
    assert confirmed.status_code == 200
    assert len(set(confirmed.json()["recovery_codes"])) == 10
    assert claims(confirmed.json()["access"])["amr"] == ["pwd", "otp"]
    assert person.api.get(f"{IDENTITY}/me").json()["second_factor"] is True


def test_id2_a_wrong_code_confirms_nothing(register, anonymous):
    person = register()
    app = App(person.api.post(f"{IDENTITY}/mfa/totp").json()["secret"])
    refused = person.api.post(f"{IDENTITY}/mfa/totp/confirm", json={"code": app.wrong()})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_code")
    assert login(anonymous, person).status_code == 200
    assert person.api.post(f"{IDENTITY}/mfa/totp/confirm", json={"code": app.code()}).status_code == 200


def test_id2_nothing_is_confirmed_that_was_not_begun(register):
    refused = register().api.post(f"{IDENTITY}/mfa/totp/confirm", json={"code": "123456"})
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_confirm")


def test_id2_one_app_is_enough(enrolled):
    person, app, _ = enrolled()
    assert person.api.post(f"{IDENTITY}/mfa/totp").json()["code"] == "already_enrolled"
    again = person.api.post(f"{IDENTITY}/mfa/totp/confirm", json={"code": app.code()})
    assert again.json()["code"] == "already_enrolled"


def test_id2_enrolling_takes_a_recent_sign_in(register):
    person = register()
    Session.objects.filter(user_id=person.user_id).update(started_at=now() - timedelta(minutes=16))
    refused = person.api.post(f"{IDENTITY}/mfa/totp")
    assert (refused.status_code, refused.json()["code"]) == (403, "sign_in_again")


def test_id2_of_parallel_confirmations_one_enrols(register):
    person = register()
    app = App(person.api.post(f"{IDENTITY}/mfa/totp").json()["secret"])
    code = app.code()
    answers = in_parallel(
        6, lambda _: person.api.post(f"{IDENTITY}/mfa/totp/confirm", json={"code": code}).status_code
    )
    assert Counter(answers) == {200: 1, 409: 5}


def test_id2_signing_in_takes_a_code_once_enrolled(anonymous, enrolled):
    person, app, _ = enrolled()
    assert login(anonymous, person).json()["code"] == "otp_required"
    wrong = login(anonymous, person, otp=app.wrong())
    assert (wrong.status_code, wrong.json()["code"]) == (401, "otp_invalid")
    entered = login(anonymous, person, otp=app.code())
    assert entered.status_code == 200
    assert claims(entered.json()["access"])["amr"] == ["pwd", "otp"]


def test_id2_a_code_without_the_password_is_worth_nothing(anonymous, enrolled):
    person, app, _ = enrolled()
    code = app.code()
    refused = login(anonymous, person, password="wrong-password!", otp=code)
    assert refused.json()["code"] == "invalid_credentials"
    assert login(anonymous, person, otp=code).status_code == 200  # and it was not used up


def test_id2_stepping_up_gives_a_token_with_a_fresh_second_factor(enrolled):
    person, app, _ = enrolled()
    before = now()
    given = step_up(person, app.code())
    assert given.status_code == 200
    said = claims(given.json()["access"])
    assert said["amr"] == ["pwd", "otp"]
    assert said["mfa_at"] >= int(before.timestamp())


def test_id2_stepping_up_needs_something_enrolled(register):
    refused = step_up(register(), "123456")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_enrolled")


def test_id2_a_code_is_good_once(anonymous, enrolled):
    person, app, _ = enrolled()
    code = app.code()
    assert step_up(person, code).status_code == 200
    assert step_up(person, code).json()["code"] == "invalid_code"
    assert login(anonymous, person, otp=code).json()["code"] == "otp_invalid"


def test_id2_of_parallel_uses_of_one_code_one_succeeds(enrolled):
    person, app, _ = enrolled()
    code = app.code()
    answers = in_parallel(5, lambda _: step_up(person, code).status_code)
    assert Counter(answers) == {200: 1, 400: 4}


def test_id2_an_earlier_code_is_worth_nothing_after_a_later_one(enrolled):
    person, app, _ = enrolled()
    code = app.code()
    app.last += 1
    Authenticator.objects.filter(type="totp").update(data=_with_last_step(app.last))
    assert step_up(person, code).json()["code"] == "invalid_code"


def _with_last_step(step: int) -> dict:
    return Authenticator.objects.get(type="totp").data | {"last_step": step}


def test_id2_five_wrong_codes_shut_the_door_for_every_session(anonymous, enrolled):
    person, app, _ = enrolled()
    answers = in_parallel(20, lambda _: step_up(person, app.wrong()))
    assert Counter(a.json()["code"] for a in answers) == {"invalid_code": 5, "locked_out": 15}
    assert step_up(person, app.code()).status_code == 429
    assert login(anonymous, person, otp=app.code()).json()["code"] == "locked_out"


def test_id2_a_recovery_code_is_good_once(anonymous, enrolled):
    person, _, recovery_codes = enrolled()
    assert login(anonymous, person, otp=recovery_codes[3]).status_code == 200
    assert login(anonymous, person, otp=recovery_codes[3]).json()["code"] == "otp_invalid"
    assert step_up(person, recovery_codes[0]).status_code == 200


def test_i7_no_secret_lies_in_the_clear(register, enrolled):
    _, app, recovery_codes = enrolled()
    pending = register().api.post(f"{IDENTITY}/mfa/totp").json()["secret"]
    kept = str(list(Authenticator.objects.values())) + str(list(Session.objects.values()))
    assert not [secret for secret in (app.secret, pending, *recovery_codes) if secret in kept]
    assert not [i.id for i in invariants() if i.context == "identity" and i.violations()]


@pytest.mark.parametrize("leak", ["secret", "last_step"])
def test_i7_the_invariants_see_a_secret_in_the_clear(enrolled, leak):
    enrolled()
    row = Authenticator.objects.get(type="totp")
    row.data = row.data | {"secret": "JBSWY3DPEHPK3PXP"} if leak == "secret" else {"secret": row.data["secret"]}
    row.save()
    assert [i.id for i in invariants() if i.context == "identity" and i.violations()] == [
        "I7" if leak == "secret" else "I6"
    ]


def test_id2_the_enrolment_comes_as_a_picture_too(register):
    begun = register().api.post(f"{IDENTITY}/mfa/totp").json()
    kind, _, encoded = begun["qr"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    drawing = ElementTree.fromstring(base64.b64decode(encoded))
    assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
    (path,) = drawing.iter("{http://www.w3.org/2000/svg}path")
    drawn = {(int(x), int(y)) for x, y in re.findall(r"M(\d+),(\d+)", path.attrib["d"])}
    code = qrcode.QRCode()
    code.add_data(begun["uri"])
    dark = {(x, y) for y, row in enumerate(code.get_matrix()) for x, is_dark in enumerate(row) if is_dark}
    assert drawn == dark


def test_id2_what_is_enrolled_can_be_seen(enrolled, register):
    assert register().api.get(f"{IDENTITY}/mfa").json() == {"totp": False, "passkeys": [], "recovery_codes_left": 0}
    person, _, recovery_codes = enrolled()
    assert step_up(person, recovery_codes[0]).status_code == 200
    assert person.api.get(f"{IDENTITY}/mfa").json() == {"totp": True, "passkeys": [], "recovery_codes_left": 9}


def test_id2_a_new_set_of_recovery_codes_replaces_the_old_one(anonymous, enrolled, announced):
    person, _, old = enrolled()
    new = person.api.post(f"{IDENTITY}/mfa/recovery-codes").json()["recovery_codes"]
    assert len(set(new) - set(old)) == 10
    assert login(anonymous, person, otp=old[0]).json()["code"] == "otp_invalid"
    assert login(anonymous, person, otp=new[0]).status_code == 200
    assert [fact.what for fact in announced(events.CredentialsChanged)] == ["totp", "recovery_codes"]


def test_id2_new_recovery_codes_take_a_recent_second_factor(enrolled, register):
    person, app, _ = enrolled()
    Session.objects.filter(user_id=person.user_id).update(mfa_at=now() - timedelta(minutes=16))
    refused = person.api.post(f"{IDENTITY}/mfa/recovery-codes")
    assert (refused.status_code, refused.json()["code"]) == (403, "sign_in_again")
    assert step_up(person, app.code()).status_code == 200
    assert person.api.post(f"{IDENTITY}/mfa/recovery-codes").status_code == 200
    assert register().api.post(f"{IDENTITY}/mfa/recovery-codes").json()["code"] == "not_enrolled"


@pytest.mark.parametrize("with_a", ["code", "recovery code"])
def test_id2_an_app_is_removed_with_a_code(anonymous, enrolled, announced, with_a):
    person, app, recovery_codes = enrolled()
    code = app.code() if with_a == "code" else recovery_codes[0]
    assert person.api.delete(f"{IDENTITY}/mfa/totp", json={"code": code}).status_code == 204
    assert login(anonymous, person).status_code == 200
    assert person.api.get(f"{IDENTITY}/mfa").json()["recovery_codes_left"] == 0
    assert not Authenticator.objects.exists()
    assert [fact.what for fact in announced(events.CredentialsChanged)] == ["totp", "totp"]


def test_id2_removing_an_app_takes_a_good_code_and_a_recent_sign_in(enrolled, register):
    person, app, _ = enrolled()
    wrong = person.api.delete(f"{IDENTITY}/mfa/totp", json={"code": app.wrong()})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_code")
    long_ago = now() - timedelta(minutes=16)
    Session.objects.filter(user_id=person.user_id).update(started_at=long_ago, mfa_at=long_ago)
    late = person.api.delete(f"{IDENTITY}/mfa/totp", json={"code": app.code()})
    assert (late.status_code, late.json()["code"]) == (403, "sign_in_again")
    none = register().api.delete(f"{IDENTITY}/mfa/totp", json={"code": "123456"})
    assert (none.status_code, none.json()["code"]) == (409, "not_enrolled")


def test_id2_five_wrong_codes_keep_the_app_where_it_is(enrolled):
    person, app, _ = enrolled()
    refused = [person.api.delete(f"{IDENTITY}/mfa/totp", json={"code": app.wrong()}) for _ in range(6)]
    assert [answer.json()["code"] for answer in refused] == ["invalid_code"] * 5 + ["locked_out"]
    assert person.api.delete(f"{IDENTITY}/mfa/totp", json={"code": app.code()}).status_code == 429


def test_id2_a_recent_second_factor_is_as_good_as_a_recent_sign_in(enrolled):
    person, app, _ = enrolled()
    Session.objects.filter(user_id=person.user_id).update(started_at=now() - timedelta(hours=3))
    assert person.api.delete(f"{IDENTITY}/mfa/totp", json={"code": app.code()}).status_code == 204


def test_id2_the_login_names_what_would_do(anonymous, enrolled):
    person, _, _ = enrolled()
    assert login(anonymous, person).json()["mfa_methods"] == ["totp", "recovery_code"]


@pytest.mark.parametrize(
    ("signed_in_with", "second_factor", "amr"),
    [
        ("password", "", ["pwd"]),
        ("password", "otp", ["pwd", "otp"]),
        ("password", "hwk", ["pwd", "hwk"]),
        ("passkey", "hwk", ["hwk", "user"]),
        ("passkey", "otp", ["hwk", "user", "otp"]),
        ("external:google", "", ["fed"]),
        ("external:google", "hwk", ["fed", "hwk"]),
    ],
)
def test_id2_a_token_says_how_its_person_was_recognised(signed_in_with, second_factor, amr):
    assert rules.methods_of(signed_in_with, second_factor=second_factor) == amr
