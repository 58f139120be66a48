"""Requests that must succeed where an account and the ways into it are concerned."""

from collections.abc import Callable
from typing import Any

from django.utils.timezone import now

from contexts.identity import mailing, roles
from contexts.identity.models import MailedLink, User
from kernel.databases import unit_of_work
from tests.conftest import Api, Person, make_person, sign_in
from tests.identity.authenticator import Authenticator

NEW_PASSWORD = "Quite another 7 letters?"
HOME = {"name": "home", "latitude": 56.95, "longitude": 24.1, "radius_m": 300}


@unit_of_work("identity")
def link(person: Person, purpose: str, **more: Any) -> str:
    """The token of a link that has just been mailed."""
    made = mailing.request_link(person=User.objects.get(pk=person.user_id), purpose=purpose, at=now(), **more)
    return mailing.token_of(made)


def unconfirmed() -> str:
    """The token of the link that somebody new has been mailed."""
    form = {"email": "gus@example.org", "display_name": "Gus", "birth_date": "1990-01-01", "password": NEW_PASSWORD}
    Api().post("/api/v1/identity/register", form)
    waiting = MailedLink.objects.filter(address="gus@example.org", used_at__isnull=True)
    return mailing.token_of(waiting.get())


def passkey_of(person: Person, device: Authenticator) -> str:
    """Give somebody a passkey in this device; answers its id."""
    asked = person.api.post("/api/v1/identity/passkeys/options").json()
    form = {"name": "Key", "challenge_id": asked["challenge_id"], "credential": device.make(asked["options"])}
    made = person.api.post("/api/v1/identity/passkeys", form)
    assert made.status_code == 201, made.content
    return str(made.json()["id"])


def shown(asker: Api, path: str, device: Authenticator) -> dict[str, Any]:
    """A passkey's answer to what this path asks."""
    asked = asker.post(f"/api/v1/identity/{path}").json()
    return {"challenge_id": asked["challenge_id"], "credential": device.answer(asked["options"])}


def coach() -> Person:
    """Somebody who holds the role coach."""
    person = make_person()
    roles.grant_role(user_id=person.user_id, role="coach")
    person.api.token = sign_in(person.email)["access"]
    return person


def calls(world: Any) -> dict[str, Callable[[], dict[str, Any]]]:
    """By operation: what to send."""
    anna, boris, device = world.anna, world.boris, world.device

    def new_passkey() -> dict[str, Any]:
        asked = boris.api.post("/api/v1/identity/passkeys/options").json()
        fresh = Authenticator()
        return {"name": "New", "challenge_id": asked["challenge_id"], "credential": fresh.make(asked["options"])}

    def body(make: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
        return lambda: {"body": make()}

    return {
        "confirm_email": body(lambda: {"token": unconfirmed(), "password": NEW_PASSWORD}),
        "resend_confirmation": body(lambda: {"email": boris.email}),
        "change_email": body(lambda: {"email": "new@example.org", "password": anna.password}),
        "confirm_email_change": body(lambda: {"token": link(boris, "change_email", address="b@example.org")}),
        "unlock": body(lambda: {"token": link(boris, "unlock", door="0" * 64)}),
        "judge_password": body(lambda: {"password": "correct horse battery staple!"}),
        "forget_password": body(lambda: {"email": boris.email}),
        "reset_password": body(lambda: {"token": link(boris, "reset_password"), "password": NEW_PASSWORD}),
        "change_password": lambda: {
            "by": boris,
            "body": {"password": boris.password, "new_password": NEW_PASSWORD},
        },
        "remove_totp": body(lambda: {"code": world.app.code()}),
        "begin_passkey": lambda: {"by": boris},
        "add_passkey": lambda: {"by": boris, "body": new_passkey()},
        "sign_in_with_passkey": lambda: (
            world.passkey_id,
            {"body": shown(Api(), "passkeys/sign-in/options", device)},
        )[1],
        "begin_passkey_step_up": lambda: (world.passkey_id, {})[1],
        "step_up_with_passkey": lambda: (
            world.passkey_id,
            {"body": shown(anna.api, "mfa/step-up/passkey/options", device)},
        )[1],
        "add_privacy_zone": body(lambda: HOME),
        "name_coach": body(lambda: {"coach_id": str(coach().user_id), "scopes": ["workout:read"]}),
        "list_athletes": lambda: {"by": coach()},
        "check_sessions": lambda: {
            "body": {"session_ids": [world.own_session_id]},
        },
    }
