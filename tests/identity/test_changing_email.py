"""Another address for an account: proven where it leads, told where it led."""

import pytest
from django.core import mail

from contexts.identity.events import SessionRevoked
from tests.conftest import PASSWORD, Api, sign_in
from tests.identity.conftest import IDENTITY
from tests.identity.test_confirming import token_in

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def asked(person, email, deliver, password=PASSWORD):
    deliver()
    mail.outbox.clear()
    answer = person.api.post(f"{IDENTITY}/email/change", {"email": email, "password": password})
    deliver()
    return answer


def test_id1_the_new_address_counts_once_it_is_confirmed(register, deliver, announced):
    anna = register()
    assert asked(anna, "new@example.org", deliver).status_code == 202
    (message,) = mail.outbox
    assert message.to == ["new@example.org"]
    sign_in(anna.email)
    mail.outbox.clear()
    answer = Api().post(f"{IDENTITY}/email/change/confirm", {"token": token_in(message)})
    assert answer.status_code == 204
    sign_in("new@example.org")
    assert Api().post(f"{IDENTITY}/login", {"email": anna.email, "password": PASSWORD}).status_code == 401
    assert "email_changed" in {event.reason for event in announced(SessionRevoked)}


def test_id1_the_old_address_hears_of_it(register, deliver):
    anna = register()
    asked(anna, "new@example.org", deliver)
    token = token_in(mail.outbox[0])
    mail.outbox.clear()
    Api().post(f"{IDENTITY}/email/change/confirm", {"token": token})
    deliver()
    assert {tuple(message.to) for message in mail.outbox} == {("new@example.org",), (anna.email,)}


def test_id1_changing_takes_the_password(register, deliver):
    answer = asked(register(), "new@example.org", deliver, password="Not the password 1!")
    assert (answer.status_code, mail.outbox) == (403, [])


def test_id1_a_taken_address_is_not_told_of(register, deliver):
    anna, boris = register(), register()
    answer = asked(anna, boris.email, deliver)
    assert answer.status_code == 202
    (message,) = mail.outbox
    assert message.to == [boris.email]
    assert "already" in message.subject


def test_id1_an_address_taken_meanwhile_stays_its_owners(register, deliver):
    anna = register()
    asked(anna, "wanted@example.org", deliver)
    token = token_in(mail.outbox[0])
    register(email="wanted@example.org")
    refused = Api().post(f"{IDENTITY}/email/change/confirm", {"token": token})
    assert (refused.status_code, refused.json()["code"]) == (409, "address_is_taken")
    sign_in(anna.email)
