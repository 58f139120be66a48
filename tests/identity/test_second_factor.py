"""Authenticator apps, recovery codes, and stepping up."""

from collections import Counter
from datetime import timedelta

import jwt
import pytest
from allauth.mfa.models import Authenticator
from django.utils.timezone import now

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
