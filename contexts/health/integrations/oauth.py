"""OAuth 2.0 as most vendors speak it (RFC 6749, 7009, 7636). Whoever speaks it otherwise replaces a method."""

import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from django.conf import settings

from contexts.health.integrations import calling
from contexts.health.integrations.contract import AccessExpired, AccessRevoked, Adapter, Grant, Throttled, VendorAway

log = logging.getLogger(__name__)

RETRY_S = 60.0
"""How long to wait for a vendor that does not say."""


def redirect_url() -> str:
    """Where vendors send people back to."""
    return f"{settings.PUBLIC_URL}/account/integrations"


class StandardOAuth(Adapter):
    """The code flow with PKCE; the client shows its secret by HTTP Basic."""

    token_path = "/oauth/token"  # noqa: S105  (a path)
    revoke_path = "/oauth/revoke"
    user_field = "user_id"
    """Under which the vendor names the person in its token answer."""

    def authorization_url(self, *, state: str, verifier: str) -> str:
        """See `Adapter`."""
        return str(
            prepare_grant_uri(
                self.vendor.authorize_url,
                client_id=self.vendor.client_id,
                response_type="code",
                redirect_uri=redirect_url(),
                scope=list(self.scopes),
                state=state,
                code_challenge=create_s256_code_challenge(verifier),
                code_challenge_method="S256",
            )
        )

    def exchange(self, *, code: str, verifier: str) -> Grant:
        """See `Adapter`."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_url()}
        return self._granted(form | {"client_id": self.vendor.client_id, "code_verifier": verifier})

    def refresh(self, *, refresh_token: str, vendor_user: str) -> Grant:
        """See `Adapter`."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self._granted(form, vendor_user=vendor_user, refresh=refresh_token)

    def revoke(self, *, access: str, refresh: str, vendor_user: str) -> None:
        """See `Adapter`; a token that is of no use already is fine."""
        self._shown(self.revoke_path, {"token": refresh})

    def _granted(self, form: Mapping[str, str], *, vendor_user: str = "", refresh: str = "") -> Grant:
        answer = self._shown(self.token_path, form)
        if answer.status == 429:
            raise throttled(answer)
        if answer.status in (400, 401, 403) and "invalid_client" not in _errors(answer.body):
            raise AccessRevoked
        if answer.status != 200:
            if answer.status != 503:
                log.error("a vendor does not take us for who we are", extra={"vendor": self.vendor.name})
            raise VendorAway
        return grant_of(answer.body, user_field=self.user_field, vendor_user=vendor_user, refresh=refresh)

    def _shown(self, path: str, form: Mapping[str, str]) -> calling.Answer:
        auth = ClientAuth(self.vendor.client_id, self.vendor.client_secret, "client_secret_basic")
        _, headers, _ = auth.prepare("POST", path, {}, urlencode(form))
        return calling.ask(self.vendor, "POST", path, headers=headers, form=form)

    def _asked(self, method: str, path: str, *, access: str, **more: Any) -> Any:
        """What an answer with a person's token says; a refusal is raised as what it is."""
        answer = calling.ask(self.vendor, method, path, access=access, **more)
        if answer.status == 401:
            raise AccessExpired
        if answer.status == 429:
            raise throttled(answer)
        if answer.status >= 400:
            raise VendorAway
        return answer.body


def _errors(body: Any) -> set[str]:
    """The codes of a refusal: RFC 6749's `error`, or a list of them."""
    if not isinstance(body, dict):
        return set()
    listed = body.get("errors")
    more = [one.get("errorType") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return {str(code) for code in (body.get("error"), *more) if code}


def throttled(answer: calling.Answer, *, everybody: bool = False) -> Throttled:
    """For as long as the vendor says."""
    wait = answer.header("Retry-After")
    return Throttled(RETRY_S if wait is None else wait, everybody=everybody)


def grant_of(body: Any, *, user_field: str, vendor_user: str = "", refresh: str = "") -> Grant:
    """A token answer (RFC 6749 §5.1); a refreshed one need not repeat the person and the refresh token."""
    try:
        scope = body.get("scope") or ""
        return Grant(
            access=str(body["access_token"]),
            refresh=str(body.get("refresh_token") or refresh),
            lasts_s=int(body.get("expires_in") or 3600),
            vendor_user=str(body.get(user_field) or vendor_user)[:128],
            scopes=scope.replace(",", " ").split(),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        raise VendorAway from None
