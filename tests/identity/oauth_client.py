"""An app of the tests: registered by a person, let in by another, with PKCE of its own."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.conftest import Api, Person
from tests.identity.conftest import IDENTITY

CALLBACK = "https://tracker.example/callback"


def challenge_of(verifier: str) -> str:
    """RFC 7636 §4.2, written here once more so that the tests do not believe the library."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def query_of(address: str) -> dict[str, str]:
    """The parameters an app is sent back with."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@dataclass
class Tracker:
    """An app, its secret where it has one, and the verifier of the flow it has begun."""

    client_id: str
    secret: str | None
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def request(self, scope: str, **more: str) -> dict[str, str]:
        """What it asks for."""
        return {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "scope": scope,
            "state": "opaque",
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
        } | more

    def code_from(self, person: Person, scope: str, **more: str) -> str:
        """The code it gets when the person says yes."""
        answer = person.api.post(f"{IDENTITY}/oauth/authorization", self.request(scope, **more) | {"approve": True})
        assert answer.status_code == 200, answer.content
        return query_of(answer.json()["redirect_to"])["code"]

    def exchange(self, code: str, **more: str) -> Any:
        """The answer to a code."""
        return self.post("token", grant_type="authorization_code", code=code, redirect_uri=CALLBACK, **more)

    def refresh(self, token: str) -> Any:
        """The answer to a refresh token."""
        return self.post("token", grant_type="refresh_token", refresh_token=token)

    def post(self, name: str, **form: str) -> Any:
        """Call an endpoint for apps, with its secret in the header or its id in the form."""
        if form.get("grant_type") == "authorization_code":
            form.setdefault("code_verifier", self.verifier)
        headers = {}
        if self.secret:
            basic = base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
            headers["Authorization"] = f"Basic {basic}"
        else:
            form.setdefault("client_id", self.client_id)
        return post_form(name, form, headers=headers)

    def let_in_by(self, person: Person, scope: str) -> dict[str, Any]:
        """The tokens it gets when the person says yes."""
        answer = self.exchange(self.code_from(person, scope))
        assert answer.status_code == 200, answer.content
        tokens: dict[str, Any] = answer.json()
        return tokens


def post_form(name: str, form: dict[str, str], **options: Any) -> Any:
    """Send a form to an endpoint for apps."""
    return Api().post(
        f"{IDENTITY}/oauth/{name}", data=urlencode(form), content_type="application/x-www-form-urlencoded", **options
    )


ALL_SCOPES = [
    "profile:read",
    "workout:read",
    "workout:write",
    "health:read",
    "health:write",
    "social:read",
    "social:write",
    "gamification:read",
    "gamification:write",
    "booking:read",
    "booking:write",
]


def register_app(owner: Person, **fields: Any) -> Any:
    """The answer to the registration of an app."""
    form = {"name": "Tracker", "redirect_uris": [CALLBACK], "scopes": ALL_SCOPES, "confidential": True} | fields
    return owner.api.post(f"{IDENTITY}/apps", form)


def tracker_of(owner: Person, **fields: Any) -> Tracker:
    """An app somebody has registered."""
    answer = register_app(owner, **fields)
    assert answer.status_code == 201, answer.content
    return Tracker(client_id=answer.json()["client_id"], secret=answer.json()["client_secret"])
