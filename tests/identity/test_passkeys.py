"""Passkeys: made, shown instead of a password or after it, and every lie about them refused."""

from collections import Counter
from datetime import timedelta

import jwt
import pytest
from allauth.mfa.models import Authenticator as Row
from django.utils.timezone import now

from contexts.identity import blocking, events, passkeys, rules
from contexts.identity.models import Session, User
from kernel.databases import redis_client
from kernel.observability import invariants
from tests.identity.authenticator import Authenticator
from tests.identity.conftest import IDENTITY, App, in_parallel

pytestmark = pytest.mark.django_db(databases=["default"], transaction=True)


def claims(token: str) -> dict:
    return jwt.decode(token, options={"verify_signature": False})


def made_by(device, person, name="Key"):
    """The device makes a passkey for the person; the answer of the registration."""
    asked = person.api.post(f"{IDENTITY}/passkeys/options").json()
    form = {"name": name, "challenge_id": asked["challenge_id"], "credential": device.make(asked["options"])}
    return person.api.post(f"{IDENTITY}/passkeys", json=form)


def answer_to(asked, device):
    return {"challenge_id": asked["challenge_id"], "credential": device.answer(asked["options"])}


def sign_in(client, device):
    asked = client.post(f"{IDENTITY}/passkeys/sign-in/options").json()
    return client.post(f"{IDENTITY}/passkeys/sign-in", json=answer_to(asked, device))


def step_up(person, device):
    asked = person.api.post(f"{IDENTITY}/mfa/step-up/passkey/options").json()
    return person.api.post(f"{IDENTITY}/mfa/step-up/passkey", json=answer_to(asked, device))


def login(client, person, **more):
    return client.post(f"{IDENTITY}/login", json={"email": person.email, "password": person.password} | more)


@pytest.fixture
def holder(register):
    """Make a person with a passkey: the person and their authenticator."""

    def make(**bent):
        person, device = register(), Authenticator(**bent)
        assert made_by(device, person).status_code == 201
        return person, device

    return make


def test_id2_a_person_makes_a_passkey(register, announced):
    person = register()
    asked = person.api.post(f"{IDENTITY}/passkeys/options").json()["options"]
    assert asked["rp"]["id"] == "localhost"
    assert asked["authenticatorSelection"]["residentKey"] == "required"
    made = made_by(Authenticator(), person, name="Phone")
    assert made.status_code == 201
    assert len(set(made.json()["recovery_codes"])) == 10
    kept = person.api.get(f"{IDENTITY}/mfa").json()
    assert [(key["id"], key["name"], key["last_used_at"]) for key in kept["passkeys"]] == [
        (made.json()["id"], "Phone", None)
    ]
    assert (kept["totp"], kept["recovery_codes_left"]) == (False, 10)
    assert person.api.get(f"{IDENTITY}/me").json()["second_factor"] is True
    assert [fact.what for fact in announced(events.CredentialsChanged)] == ["passkey"]
    assert not [i.id for i in invariants() if i.context == "identity" and i.violations()]


def test_id2_a_second_passkey_brings_no_recovery_codes_and_is_not_made_twice(holder):
    person, device = holder()
    asked = person.api.post(f"{IDENTITY}/passkeys/options").json()["options"]
    assert len(asked["excludeCredentials"]) == 1
    assert made_by(Authenticator(), person).json()["recovery_codes"] == []
    again = made_by(device, person)
    assert (again.status_code, again.json()["code"]) == (409, "passkey_known")
    assert len(person.api.get(f"{IDENTITY}/mfa").json()["passkeys"]) == 2


def test_id2_a_passkey_belongs_to_one_account(holder, register):
    _, device = holder()
    assert made_by(device, register()).json()["code"] == "passkey_known"


def test_id2_there_is_room_for_so_many_passkeys(holder, monkeypatch):
    person, _ = holder()
    monkeypatch.setattr(rules, "MAX_PASSKEYS", 1)
    assert made_by(Authenticator(), person).json()["code"] == "too_many_passkeys"


def test_id2_making_and_removing_a_passkey_takes_a_recent_sign_in(holder):
    person, _ = holder()
    (key,) = person.api.get(f"{IDENTITY}/mfa").json()["passkeys"]
    Session.objects.update(started_at=now() - timedelta(minutes=16), mfa_at=None)
    refused = person.api.post(f"{IDENTITY}/passkeys/options")
    assert (refused.status_code, refused.json()["code"]) == (403, "sign_in_again")
    assert person.api.delete(f"{IDENTITY}/passkeys/{key['id']}").json()["code"] == "sign_in_again"


@pytest.mark.parametrize(
    "lie", [{"origin": "https://localhost.evil.example"}, {"origin": "http://localhost:8001"}, {"rp_id": "evil"}]
)
def test_id2_a_passkey_made_elsewhere_is_refused(register, lie):
    refused = made_by(Authenticator(**lie), register())
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_passkey")
    assert not Row.objects.exists()


def test_id2_a_passkey_made_for_another_challenge_is_refused(register):
    person = register()
    first, second = (person.api.post(f"{IDENTITY}/passkeys/options").json() for _ in range(2))
    form = {
        "name": "Key",
        "challenge_id": first["challenge_id"],
        "credential": Authenticator().make(second["options"]),
    }
    assert person.api.post(f"{IDENTITY}/passkeys", json=form).json()["code"] == "invalid_passkey"


def test_id2_nobody_completes_the_registration_of_another(register):
    person, other = register(), register()
    asked = person.api.post(f"{IDENTITY}/passkeys/options").json()
    form = {"name": "K", "challenge_id": asked["challenge_id"], "credential": Authenticator().make(asked["options"])}
    refused = other.api.post(f"{IDENTITY}/passkeys", json=form)
    assert (refused.status_code, refused.json()["code"]) == (400, "challenge_invalid")


def test_id1_a_passkey_signs_in_without_a_password_and_counts_as_a_second_factor(holder, anonymous, announced):
    person, device = holder()
    before = len(announced(events.UserAuthenticated))
    entered = sign_in(anonymous, device)
    assert entered.status_code == 200
    said = claims(entered.json()["access"])
    assert (said["sub"], said["amr"]) == (str(person.user_id), ["hwk", "user"])
    assert said["mfa_at"] is not None
    assert len(announced(events.UserAuthenticated)) == before + 1
    (key,) = person.api.get(f"{IDENTITY}/mfa").json()["passkeys"]
    assert key["last_used_at"] is not None
    refreshed = anonymous.post(f"{IDENTITY}/refresh", json={"refresh": entered.json()["refresh"]})
    assert claims(refreshed.json()["access"])["amr"] == ["hwk", "user"]


@pytest.mark.parametrize(
    "lie",
    [
        {"origin": "https://localhost.evil.example"},
        {"rp_id": "evil.example"},
        {"verifies_user": False},
        {"credential_id": b"x" * 32},
        {"user_handle": b"y" * 16},
        {"user_handle": b""},
    ],
)
def test_id1_a_lying_passkey_does_not_sign_in(holder, anonymous, lie):
    _, device = holder()
    vars(device).update(lie)
    refused = sign_in(anonymous, device)
    assert (refused.status_code, refused.json()["code"]) == (401, "passkey_refused")


def test_id1_another_key_does_not_sign_in(holder, anonymous):
    _, device = holder()
    device.key = Authenticator().key
    assert sign_in(anonymous, device).json()["code"] == "passkey_refused"


def test_id1_the_passkey_of_one_person_does_not_sign_in_another(holder, anonymous):
    (person, _), (_, device) = holder(), holder()
    device.user_handle = person.user_id.bytes
    assert sign_in(anonymous, device).json()["code"] == "passkey_refused"


@pytest.mark.parametrize(
    "credential",
    [{}, {"rawId": 5}, {"response": []}, {"response": {"userHandle": 7}}, {"response": {"userHandle": "é"}}],
)
def test_id1_what_is_no_credential_is_refused(holder, anonymous, register, credential):
    person, _ = holder()
    asked = anonymous.post(f"{IDENTITY}/passkeys/sign-in/options").json()
    form = {"challenge_id": asked["challenge_id"], "credential": credential}
    assert anonymous.post(f"{IDENTITY}/passkeys/sign-in", json=form).status_code == 401
    begun = person.api.post(f"{IDENTITY}/passkeys/options").json()
    form = {"name": "K", "challenge_id": begun["challenge_id"], "credential": credential}
    assert person.api.post(f"{IDENTITY}/passkeys", json=form).status_code == 400
    begun = person.api.post(f"{IDENTITY}/mfa/step-up/passkey/options").json()
    form = {"challenge_id": begun["challenge_id"], "credential": credential}
    assert person.api.post(f"{IDENTITY}/mfa/step-up/passkey", json=form).status_code == 400


def test_id1_a_challenge_is_answered_once(holder, anonymous):
    _, device = holder()
    asked = anonymous.post(f"{IDENTITY}/passkeys/sign-in/options").json()
    form = answer_to(asked, device)
    assert anonymous.post(f"{IDENTITY}/passkeys/sign-in", json=form).status_code == 200
    replayed = anonymous.post(f"{IDENTITY}/passkeys/sign-in", json=form)
    assert (replayed.status_code, replayed.json()["code"]) == (400, "challenge_invalid")


def test_id1_of_parallel_answers_to_one_challenge_one_is_heard(holder, anonymous):
    _, device = holder()
    asked = anonymous.post(f"{IDENTITY}/passkeys/sign-in/options").json()
    forms = [answer_to(asked, device) for _ in range(6)]
    answers = in_parallel(6, lambda n: anonymous.post(f"{IDENTITY}/passkeys/sign-in", json=forms[n]).status_code)
    assert Counter(answers) == {200: 1, 400: 5}


def test_id1_reading_before_deleting_would_hear_more_than_one(holder, anonymous, monkeypatch):
    """The negative control: a challenge that is only read lets every answer in that counts on."""
    _, device = holder()
    asked = anonymous.post(f"{IDENTITY}/passkeys/sign-in/options").json()
    monkeypatch.setattr(type(redis_client()), "getdel", lambda self, key: self.get(key))
    forms = [answer_to(asked, device) for _ in range(2)]
    answers = [anonymous.post(f"{IDENTITY}/passkeys/sign-in", json=form).status_code for form in forms]
    assert answers == [200, 200]


def test_id1_a_challenge_ends_by_itself(anonymous):
    asked = anonymous.post(f"{IDENTITY}/passkeys/sign-in/options").json()
    left = redis_client().ttl(f"passkey:{asked['challenge_id']}")
    assert 0 < left <= rules.CHALLENGE_LIFETIME.total_seconds()


def test_id1_a_challenge_is_for_one_purpose(holder, anonymous):
    person, device = holder()
    asked = person.api.post(f"{IDENTITY}/mfa/step-up/passkey/options").json()
    refused = anonymous.post(f"{IDENTITY}/passkeys/sign-in", json=answer_to(asked, device))
    assert refused.json()["code"] == "challenge_invalid"


def test_id1_a_copied_passkey_is_refused(holder, anonymous):
    person, device = holder()
    assert sign_in(anonymous, device).status_code == 200
    device.count -= 1
    for refused in (sign_in(anonymous, device), step_up(person, _earlier(device))):
        assert (refused.status_code, refused.json()["code"]) == (403, "passkey_copied")
    assert Row.objects.get(type="webauthn").data["sign_count"] == 1


def _earlier(device):
    device.count = 0
    return device


def test_id1_a_passkey_that_never_counts_is_no_copy(holder, anonymous):
    _, device = holder()
    for _ in range(2):
        device.count = -1
        assert sign_in(anonymous, device).status_code == 200


def test_id1_of_parallel_answers_with_one_count_one_succeeds(holder, anonymous):
    _, device = holder()
    forms = []
    for _ in range(5):
        asked = anonymous.post(f"{IDENTITY}/passkeys/sign-in/options").json()
        device.count = 6
        forms.append(answer_to(asked, device))
    answers = in_parallel(5, lambda n: anonymous.post(f"{IDENTITY}/passkeys/sign-in", json=forms[n]).status_code)
    assert Counter(answers) == {200: 1, 403: 4}


def test_id1_the_blocked_and_the_unconfirmed_do_not_sign_in_with_a_passkey(holder, anonymous):
    person, device = holder()
    blocking.block_person(user_id=person.user_id, at=now())
    assert sign_in(anonymous, device).json()["code"] == "passkey_refused"
    blocking.unblock_person(user_id=person.user_id)
    User.objects.filter(pk=person.user_id).update(confirmed_at=None)
    assert sign_in(anonymous, device).json()["code"] == "passkey_refused"
    User.objects.filter(pk=person.user_id).update(confirmed_at=now())
    assert sign_in(anonymous, device).status_code == 200


def test_id2_a_password_takes_the_passkey_where_one_is_enrolled(holder, anonymous):
    person, device = holder()
    asked = login(anonymous, person)
    assert (asked.status_code, asked.json()["code"]) == (401, "otp_required")
    assert asked.json()["mfa_methods"] == ["passkey", "recovery_code"]
    entered = login(anonymous, person, passkey=answer_to(asked.json()["passkey"], device))
    assert entered.status_code == 200
    assert claims(entered.json()["access"])["amr"] == ["pwd", "hwk"]


def test_id2_a_security_key_that_knows_no_faces_is_a_second_factor(holder, anonymous):
    person, device = holder(verifies_user=False)
    asked = login(anonymous, person).json()["passkey"]
    assert login(anonymous, person, passkey=answer_to(asked, device)).status_code == 200
    assert sign_in(anonymous, device).status_code == 401


def test_id2_somebody_elses_passkey_is_no_second_factor(holder, anonymous):
    (person, _), (_, device) = holder(), holder()
    asked = login(anonymous, person).json()["passkey"]
    refused = login(anonymous, person, passkey=answer_to(asked, device))
    assert (refused.status_code, refused.json()["code"]) == (401, "otp_invalid")


def test_id2_the_challenge_of_one_login_is_not_for_another_person(holder, anonymous):
    (person, _), (other, device) = holder(), holder()
    asked = login(anonymous, person).json()["passkey"]
    assert login(anonymous, other, passkey=answer_to(asked, device)).json()["code"] == "challenge_invalid"


def test_id2_a_recovery_code_stands_in_for_a_lost_passkey(register, anonymous):
    person = register()
    codes = made_by(Authenticator(), person).json()["recovery_codes"]
    assert login(anonymous, person, otp=codes[0]).status_code == 200
    assert login(anonymous, person, otp=codes[0]).json()["code"] == "otp_invalid"


def test_id2_wrong_passkeys_shut_the_door_of_the_second_factor(holder, anonymous):
    person, device = holder()
    device.key = Authenticator().key
    answers = [step_up(person, device).json()["code"] for _ in range(6)]
    assert answers == ["invalid_passkey"] * 5 + ["locked_out"]
    asked = login(anonymous, person).json()["passkey"]
    assert login(anonymous, person, passkey=answer_to(asked, device)).json()["code"] == "locked_out"


def test_id2_stepping_up_with_a_passkey(holder):
    person, device = holder()
    before = now()
    given = step_up(person, device)
    assert given.status_code == 200
    said = claims(given.json()["access"])
    assert said["amr"] == ["pwd", "hwk"]
    assert said["mfa_at"] >= int(before.timestamp())


def test_id2_stepping_up_with_the_passkey_of_another_is_refused(holder):
    (person, _), (_, device) = holder(), holder()
    refused = step_up(person, device)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_passkey")


def test_id2_stepping_up_with_a_passkey_needs_one(enrolled):
    person, _, _ = enrolled()
    refused = person.api.post(f"{IDENTITY}/mfa/step-up/passkey/options")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_enrolled")


def test_id2_an_app_and_a_passkey_live_side_by_side(holder, anonymous):
    person, device = holder()
    app = App(person.api.post(f"{IDENTITY}/mfa/totp").json()["secret"])
    confirmed = person.api.post(f"{IDENTITY}/mfa/totp/confirm", json={"code": app.code()})
    assert (confirmed.status_code, confirmed.json()["recovery_codes"]) == (200, [])
    assert login(anonymous, person).json()["mfa_methods"] == ["totp", "passkey", "recovery_code"]
    assert claims(login(anonymous, person, otp=app.code()).json()["access"])["amr"] == ["pwd", "otp"]
    assert sign_in(anonymous, device).status_code == 200


def test_id2_a_removed_passkey_opens_nothing(holder, anonymous, announced):
    person, device = holder()
    (key,) = person.api.get(f"{IDENTITY}/mfa").json()["passkeys"]
    assert person.api.delete(f"{IDENTITY}/passkeys/{key['id']}").status_code == 204
    assert person.api.get(f"{IDENTITY}/mfa").json() == {"totp": False, "passkeys": [], "recovery_codes_left": 0}
    assert sign_in(anonymous, device).status_code == 401
    assert login(anonymous, person).status_code == 200
    assert [fact.what for fact in announced(events.CredentialsChanged)] == ["passkey", "passkey"]


def test_id2_nobody_removes_the_passkey_of_another(holder, register):
    person, _ = holder()
    (key,) = person.api.get(f"{IDENTITY}/mfa").json()["passkeys"]
    assert register().api.delete(f"{IDENTITY}/passkeys/{key['id']}").status_code == 404
    assert passkeys.passkeys_of(user_id=person.user_id)
