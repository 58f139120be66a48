"""An account with a sign-in, as the front door leaves it, in one transaction instead of three requests.

Hardly a test is about registering: `tests/identity/test_registering.py` shows that both ways end in the same rows.
"""

from datetime import date, datetime

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password

from contexts.identity import consents, events, sessions
from contexts.identity.models import User
from contexts.identity.sessions import Origin
from contexts.identity.tokens import Tokens
from kernel.bus import publish
from kernel.databases import unit_of_work

PASSWORD = "Long-enough 4 everyone!"


@unit_of_work("identity", isolation="read committed")
def open_account(*, email: str, display_name: str, birth_date: date, at: datetime) -> tuple[User, Tokens]:
    """Somebody whose password is `PASSWORD`, who has confirmed their address and signed in."""
    person = User(
        email=email.lower(),
        password=make_password(PASSWORD),
        display_name=display_name,
        birth_date=birth_date,
        registered_at=at,
        confirmed_at=at,
    )
    person.save(force_insert=True)
    EmailAddress(user=person, email=person.email, primary=True, verified=True).save(force_insert=True)
    consents.accept_terms(person=person, at=at)
    session = sessions.begin(person=person, origin=Origin(address="127.0.0.1"), mfa_at=None, at=at)
    publish(
        events.UserRegistered(user_id=person.pk, occurred_at=at),
        events.EmailConfirmed(user_id=person.pk, occurred_at=at),
        events.UserAuthenticated(user_id=person.pk, session_id=session.pk, occurred_at=at),
    )
    return person, sessions.issue(session, at=at)
