"""The welcome series (ID-8)."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils.timezone import now

from contexts.identity import blocking, rules, welcoming
from contexts.identity.models import Consent, ScheduledMail, User
from tests.identity.conftest import in_parallel

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture
def anna(register, deliver):
    """Somebody whose account has just opened; the mails so far are put away."""
    person = register()
    deliver()
    mail.outbox.clear()
    return person


def agree_to_news(person) -> None:
    Consent.objects.create(
        user_id=person.user_id, purpose="marketing", version="1", given=True, decided_at=now() + timedelta(seconds=1)
    )


def subjects() -> list[str]:
    return [message.subject for message in mail.outbox]


def test_id8_an_open_account_is_welcomed_once(anna, deliver):
    deliver()
    assert ScheduledMail.objects.count() == len(rules.WELCOME)
    assert welcoming.send_due(at=now()) == 1
    assert welcoming.send_due(at=now()) == 0
    assert subjects() == ["Welcome to Stayer"]


def test_id8_the_later_letters_follow_with_consent(anna):
    agree_to_news(anna)
    User.objects.update(locale="ru")
    sent = [welcoming.send_due(at=now() + timedelta(days=day)) for day in (0, 1, 2, 6, 7)]
    assert sent == [1, 0, 1, 0, 1]
    assert subjects()[-1] == "Вместе тренироваться легче"


def test_id8_who_wants_no_news_gets_none(anna):
    assert welcoming.send_due(at=now() + timedelta(days=8)) == 1
    assert subjects() == ["Welcome to Stayer"]


def test_id8_blocked_people_get_nothing(anna):
    blocking.block_person(user_id=anna.user_id, at=now())
    assert welcoming.send_due(at=now() + timedelta(days=8)) == 0


def test_id8_two_clocks_send_a_letter_once(anna):
    assert sum(in_parallel(4, lambda _: welcoming.send_due(at=now()))) == 1
    assert len(mail.outbox) == 1
