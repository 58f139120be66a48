"""A new password for a known or a forgotten one (ID-3)."""

import pytest
from django.core import mail
from django.utils.timezone import now

from contexts.identity.events import CredentialsChanged, SessionRevoked
from contexts.identity.models import Lockout
from tests.conftest import PASSWORD, Api, sign_in
from tests.identity.conftest import IDENTITY, in_parallel
from tests.identity.test_confirming import token_in

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

NEW = "Quite another 7 letters?"


def changed(person, old=PASSWORD, new=NEW):
    return person.api.post(f"{IDENTITY}/password/change", {"password": old, "new_password": new})


def forgotten(email, deliver) -> str:
    """The token of a reset link."""
    deliver()
    mail.outbox.clear()
    assert Api().post(f"{IDENTITY}/password/forgotten", {"email": email}).status_code == 202
    deliver()
    (message,) = mail.outbox
    return token_in(message)


def reset(token, password=NEW):
    return Api().post(f"{IDENTITY}/password/reset", {"token": token, "password": password})


def test_id3_changing_takes_the_old_password_and_ends_every_session(register, announced):
    anna = register()
    elsewhere = sign_in(anna.email)["access"]
    answer = changed(anna)
    assert answer.status_code == 200
    assert Api(anna.token).get(f"{IDENTITY}/me").status_code == 401
    assert Api(elsewhere).get(f"{IDENTITY}/me").status_code == 401
    assert Api(answer.json()["access"]).get(f"{IDENTITY}/me").status_code == 200
    assert Api().post(f"{IDENTITY}/refresh", {"refresh": anna.refresh}).status_code == 401
    assert {event.reason for event in announced(SessionRevoked)} == {"password_changed"}
    assert [event.what for event in announced(CredentialsChanged)] == ["password"]
    sign_in(anna.email, NEW)


def test_id3_a_wrong_old_password_counts_and_locks(register):
    anna = register()
    codes = [changed(anna, old="Not the password 1!").status_code for _ in range(6)]
    assert codes == [403] * 5 + [429]


def test_id3_a_weak_new_password_is_refused_with_every_reason(register):
    refused = changed(register(), new="short")
    assert refused.status_code == 400
    codes = {error["code"] for error in refused.json()["errors"]}
    assert {"password_too_short", "password_no_special_character"} <= codes


@pytest.mark.parametrize("leaning", ["Stayer-workout-1!", "Stayer fitness 12!"])
def test_id3_passwords_do_not_lean_on_the_products_words(register, leaning):
    codes = {error["code"] for error in changed(register(), new=leaning).json()["errors"]}
    assert "password_of_context_words" in codes


def test_id3_a_forgotten_password_is_replaced_by_mail(register, deliver):
    anna = register()
    token = forgotten(anna.email, deliver)
    assert reset(token).status_code == 204
    assert Api(anna.token).get(f"{IDENTITY}/me").status_code == 401
    sign_in(anna.email, NEW)
    assert reset(token, "And one more 3 times!").json()["code"] == "link_invalid"


def test_id3_asking_for_a_reset_does_not_tell_who_has_an_account(register, deliver):
    anna = register()
    answers = [Api().post(f"{IDENTITY}/password/forgotten", {"email": e}) for e in (anna.email, "nobody@example.org")]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"")] * 2


def test_id3_of_eight_parallel_resets_one_succeeds(register, deliver):
    token = forgotten(register().email, deliver)
    codes = in_parallel(8, lambda number: reset(token, f"Parallel number {number} it is!").status_code)
    assert sorted(codes) == [204, *[400] * 7]


def test_id3_a_reset_opens_what_was_locked(register, deliver):
    anna = register()
    for _ in range(5):
        Api().post(f"{IDENTITY}/login", {"email": anna.email, "password": "Not the password 1!"})
    assert Api().post(f"{IDENTITY}/login", {"email": anna.email, "password": PASSWORD}).status_code == 429
    assert Lockout.objects.filter(locked_until__gt=now()).exists()
    assert reset(forgotten(anna.email, deliver)).status_code == 204
    sign_in(anna.email, NEW)


def test_id2_a_reset_does_not_drop_the_second_factor(enrolled, deliver):
    person, app, _ = enrolled()
    assert reset(forgotten(person.email, deliver)).status_code == 204
    form = {"email": person.email, "password": NEW}
    assert Api().post(f"{IDENTITY}/login", form).json()["code"] == "otp_required"
    assert Api().post(f"{IDENTITY}/login", form | {"otp": app.code()}).status_code == 200


def test_id3_an_unconfirmed_account_is_confirmed_by_a_reset(anonymous, deliver):
    form = {"email": "late@example.org", "password": PASSWORD, "display_name": "Late", "birth_date": "1990-01-01"}
    anonymous.post(f"{IDENTITY}/register", form)
    assert reset(forgotten(form["email"], deliver)).status_code == 204
    sign_in(form["email"], NEW)


def test_id3_the_owner_hears_of_a_changed_password(register, deliver):
    anna = register()
    changed(anna)
    deliver()
    assert "Your Stayer account was changed" in {message.subject for message in mail.outbox}


@pytest.mark.parametrize(
    ("password", "score", "acceptable"),
    [("password", 0, False), ("correct horse battery staple!", 4, True), ("x" * 1024, 0, False)],
)
def test_id3_one_is_told_how_strong_a_password_is(anonymous, password, score, acceptable):
    told = anonymous.post(f"{IDENTITY}/password/strength", {"password": password}).json()
    assert (told["score"], told["acceptable"]) == (score, acceptable)
    assert bool(told["reasons"]) is not acceptable
    assert told["hint"]


def test_id3_the_owner_of_a_locked_account_opens_it_by_mail(register, deliver):
    anna = register()
    deliver()
    mail.outbox.clear()
    wrong = {"email": anna.email, "password": "Not the password 1!"}
    codes = [Api().post(f"{IDENTITY}/login", wrong).status_code for _ in range(6)]
    assert codes == [401] * 5 + [429]
    deliver()
    (message,) = mail.outbox
    assert Api().post(f"{IDENTITY}/unlock", {"token": token_in(message)}).status_code == 204
    sign_in(anna.email)


def test_id3_five_failures_at_nobodys_address_mail_nobody(anonymous, deliver):
    for _ in range(6):
        anonymous.post(f"{IDENTITY}/login", {"email": "nobody@example.org", "password": "Not the password 1!"})
    deliver()
    assert mail.outbox == []
