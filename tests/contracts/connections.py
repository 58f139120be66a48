"""Requests that must succeed where apps and sign-in providers are concerned."""

import atexit
import functools
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings

from contexts.identity import external_providers
from tests.conftest import Api, Person
from tests.identity.conftest import App
from tests.identity.oauth_client import CALLBACK, tracker_of
from tests.identity.wicked_provider import Wicked, serving

PROVIDER = "honest"
_running = ExitStack()
atexit.register(_running.close)  # while its threads still run: later nobody would answer


@functools.cache
def provider() -> Wicked:
    """A provider that says what it should, as long as this process lives."""
    made = _running.enter_context(serving())
    client = {"client_id": "stayer", "client_secret": "known-to-both"}
    settings.OIDC_PROVIDERS = [{"name": PROVIDER, "label": "Honest", "issuer": made.issuer} | client]
    external_providers._published.clear()
    return made


def returned_as(subject: str) -> dict[str, Any]:
    """What a browser comes back with that has signed in as `subject`."""
    there = provider()
    begun = Api().post(f"/api/v1/identity/external/{PROVIDER}/begin", {}).json()
    nonce = parse_qs(urlsplit(begun["authorization_url"]).query)["nonce"][0]
    there.sign(there.claims(nonce, sub=subject))
    return {"state": begun["state"], "code": "c", "binding": begun["binding"]}


def _ticket(subject: str) -> str:
    return str(Api().post("/api/v1/identity/external/complete", returned_as(subject)).json()["ticket"])


def calls(anna: Person, app: App) -> dict[str, Callable[[], dict[str, Any]]]:
    """By operation: what to send. Anna is linked to the provider as `anna`."""
    born = {"display_name": "Fay", "birth_date": "1990-01-01"}
    wanted = {"name": "Tracker", "redirect_uris": [CALLBACK], "scopes": ["profile:read"]}

    def asked() -> dict[str, str]:
        return tracker_of(anna).request("profile:read")

    def shown(confidential: bool = True) -> dict[str, str]:
        tracker = tracker_of(anna, confidential=confidential)
        secret = {"client_secret": tracker.secret} if tracker.secret else {}
        token = tracker.let_in_by(anna, "profile:read")["access_token"]
        return {"client_id": tracker.client_id, "token": token, **secret}

    def exchange() -> dict[str, str]:
        tracker = tracker_of(anna, confidential=False)
        code = {"code": tracker.code_from(anna, "profile:read"), "code_verifier": tracker.verifier}
        grant = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "client_id": tracker.client_id}
        return grant | code

    def second_factor() -> dict[str, str]:
        return {"ticket": _ticket("anna"), "otp": app.code()}

    return {
        "register_app": lambda: {"body": wanted | {"confidential": True}},
        "change_app": lambda: {"body": {"name": "Tracker 2"}},
        "describe_authorization": lambda: {"query": asked()},
        "decide_authorization": lambda: {"body": asked() | {"approve": True}},
        "give_tokens": lambda: {"body": exchange()},
        "revoke_token": lambda: {"body": shown(confidential=False)},
        "introspect_token": lambda: {"body": shown()},
        "begin_external_sign_in": lambda: {"body": {"purpose": "sign_in"}},
        "complete_external_sign_in": lambda: {"body": returned_as("somebody new")},
        "show_external_second_factor": lambda: {"body": second_factor()},
        "register_external": lambda: {"body": {"ticket": _ticket("somebody new"), **born}},
    }
