"""An account opens by a link in a mail (ID-1), and nothing tells who has one."""

from datetime import timedelta

import pytest
from django.core import mail
from django.core.management import call_command
from django.utils.timezone import now

from contexts.identity import mailing
from contexts.identity.events import EmailConfirmed
from contexts.identity.models import MailedLink, User
from tests.conftest import PASSWORD
from tests.identity.conftest import IDENTITY, in_parallel

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

FORM = {"email": "anna@example.org", "password": PASSWORD, "display_name": "Anna", "birth_date": "1990-05-17"}
OTHER_PASSWORD = "Another long-enough one 5!"


def token_in(message) -> str:
    (line,) = [line for line in message.body.splitlines() if "/account/" in line and "#" in line]
    return line.partition("#")[2].strip()


@pytest.fixture
def registered(anonymous, deliver):
    """Anna has registered; the answer is the token in her mail."""
    assert anonymous.post(f"{IDENTITY}/register", FORM).status_code == 201
    deliver()
    (message,) = mail.outbox
    assert message.to == [FORM["email"]]
    mail.outbox.clear()
    return token_in(message)


def login(api, password=PASSWORD):
    return api.post(f"{IDENTITY}/login", {"email": FORM["email"], "password": password})


def confirm(api, token, password=PASSWORD):
    return api.post(f"{IDENTITY}/email/confirm", {"token": token, "password": password})


def test_id1_the_link_in_the_mail_opens_the_account(anonymous, registered, announced):
    assert confirm(anonymous, registered).status_code == 204
    assert login(anonymous).status_code == 200
    assert len(announced(EmailConfirmed)) == 1


def test_id1_an_unconfirmed_account_looks_like_none(anonymous, registered):
    unconfirmed = login(anonymous)
    unknown = anonymous.post(f"{IDENTITY}/login", {"email": "nobody@example.org", "password": PASSWORD})
    assert unconfirmed.status_code == unknown.status_code == 401
    first, second = unconfirmed.json(), unknown.json()
    first.pop("correlation_id"), second.pop("correlation_id")
    assert first == second


def test_id1_a_link_is_good_once_even_for_eight_at_a_time(anonymous, registered):
    answers = in_parallel(8, lambda _: confirm(type(anonymous)(), registered).status_code)
    assert sorted(answers) == [204, *[400] * 7]


def test_id1_a_link_grows_old(anonymous, registered):
    MailedLink.objects.update(expires_at=now() - timedelta(seconds=1))
    assert confirm(anonymous, registered).json()["code"] == "link_invalid"


@pytest.mark.parametrize("token", ["", "x", "a:b:c"])
def test_id1_a_made_up_link_is_refused(anonymous, token):
    assert confirm(anonymous, token).status_code == 400


def test_id1_a_link_of_another_purpose_is_refused(anonymous, registered):
    link = MailedLink.objects.get()
    link.purpose = "reset_password"
    assert confirm(anonymous, mailing.token_of(link)).status_code == 400


def test_id1_the_link_alone_opens_nothing(anonymous, registered):
    """Somebody may have registered the address with a password of theirs, hoping that its owner clicks."""
    refused = confirm(anonymous, registered, OTHER_PASSWORD)
    assert (refused.status_code, refused.json()["code"]) == (403, "password_does_not_fit")
    assert login(anonymous).status_code == 401
    codes = [confirm(anonymous, registered, OTHER_PASSWORD).status_code for _ in range(5)]
    assert codes[-1] == 429


def test_id1_the_newest_registration_counts_until_one_is_confirmed(anonymous, registered, deliver):
    again = anonymous.post(f"{IDENTITY}/register", FORM | {"password": OTHER_PASSWORD, "display_name": "Anja"})
    assert again.status_code == 201
    deliver()
    newer = token_in(mail.outbox[-1])
    assert confirm(anonymous, registered).status_code == 400
    assert confirm(anonymous, newer, OTHER_PASSWORD).status_code == 204
    assert login(anonymous, OTHER_PASSWORD).status_code == 200
    assert User.objects.get().display_name == "Anja"


def test_id1_the_mail_is_sent_again_without_a_hint(anonymous, registered, deliver):
    MailedLink.objects.update(created_at=now() - timedelta(minutes=3))
    answers = [anonymous.post(f"{IDENTITY}/email/confirm/resend", {"email": e}) for e in (FORM["email"], "x@y.org")]
    assert [(answer.status_code, answer.content) for answer in answers] == [(202, b"")] * 2
    deliver()
    (message,) = mail.outbox
    assert confirm(anonymous, token_in(message)).status_code == 204


def test_id1_nobodys_mailbox_is_flooded(anonymous, registered, deliver):
    for _ in range(5):
        anonymous.post(f"{IDENTITY}/email/confirm/resend", {"email": FORM["email"]})
    deliver()
    assert mail.outbox == []


def test_id1_an_operator_confirms_where_there_is_no_mail(anonymous, registered):
    call_command("confirm_email", FORM["email"].upper())
    assert login(anonymous).status_code == 200


def test_id8_mails_speak_the_persons_language(anonymous, registered, deliver):
    confirm(anonymous, registered)
    User.objects.update(locale="ru")
    anonymous.post(f"{IDENTITY}/password/forgotten", {"email": FORM["email"]})
    deliver()
    assert any("Новый пароль" in message.subject for message in mail.outbox)
