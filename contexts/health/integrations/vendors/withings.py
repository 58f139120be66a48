"""Withings: scales, blood pressure monitors, thermometers, watches. developer.withings.com/api-reference

Its OAuth names an `action` in the form, every answer is HTTP 200 with a `status` of its own, a value is
`value × 10^unit`. Webhooks are not signed: they come to an address that holds a token, and only make us ask.
"""

import hmac
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

from contexts.health.integrations import calling
from contexts.health.integrations.contract import (
    AccessExpired,
    AccessRevoked,
    Adapter,
    Grant,
    NotSigned,
    Page,
    Ping,
    Throttled,
    Told,
    VendorAway,
    Wanted,
    Way,
)
from contexts.health.integrations.oauth import grant_of, redirect_url
from contexts.health.rules import Stream

OK = 0
NOT_LET_IN = {100, 101, 102, 200, 401}
NOT_ALLOWED = {214, 277, 343, 2553, 2554, 2555}
TOO_OFTEN = 601
INVALID_GRANT = {503}
"""What the token service answers for a code or refresh token that is no good."""

TYPES: dict[int, tuple[Stream, str]] = {
    1: (Stream.body_mass, "kg"),
    4: (Stream.body_height, "m"),
    5: (Stream.lean_body_mass, "kg"),
    6: (Stream.body_fat, "%"),
    9: (Stream.blood_pressure_diastolic, "mm[Hg]"),
    10: (Stream.blood_pressure_systolic, "mm[Hg]"),
    11: (Stream.pulse_rate, "/min"),
    12: (Stream.body_temperature, "Cel"),
    54: (Stream.oxygen_saturation, "%"),
    71: (Stream.body_temperature, "Cel"),
    73: (Stream.skin_temperature, "Cel"),
    76: (Stream.muscle_mass, "kg"),
    88: (Stream.bone_mass, "kg"),
    123: (Stream.vo2_max, "mL/min/kg"),
    170: (Stream.visceral_fat_rating, "1"),
}
"""By Withings' number of a measure."""

MEASURED = 1
"""The category of what was measured; 2 are goals."""
MAYBE_OF_ANOTHER = 1
"""The `attrib` of what may be another person's who stood on the same scale; attributed later, it comes again."""
SUBSCRIBED = (1, 2, 4)
"""Notification categories: weight, temperature, blood pressure with pulse and oxygen saturation."""
OF_THE_ACCOUNT = 46
WAIT_S = 60.0


class Withings(Adapter):
    """See the module."""

    label = "Withings"
    ways = frozenset({Way.PULL, Way.PING})
    collections = {"measures": timedelta(days=90)}
    scopes = ("user.metrics",)
    api_url = "https://wbsapi.withings.net"
    authorize_url = "https://account.withings.com/oauth2_user/authorize2"
    of_everybody = "120/min"
    of_person = "60/min"

    def authorization_url(self, *, state: str, verifier: str) -> str:
        """See `Adapter`. Withings knows no PKCE: the state alone binds the answer."""
        about = {"response_type": "code", "client_id": self.vendor.client_id, "redirect_uri": redirect_url()}
        return f"{self.vendor.authorize_url}?{urlencode(about | {'scope': ','.join(self.scopes), 'state': state})}"

    def exchange(self, *, code: str, verifier: str) -> Grant:
        """See `Adapter`."""
        return self._granted({"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_url()})

    def refresh(self, *, refresh_token: str, vendor_user: str) -> Grant:
        """See `Adapter`."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return self._granted(form, vendor_user=vendor_user, refresh=refresh_token)

    def revoke(self, *, access: str, refresh: str, vendor_user: str) -> None:
        """See `Adapter`: signed, over a nonce of theirs."""
        stamp = str(int(time.time()))
        nonce = self._called("/v2/signature", self._signed("getnonce", {"timestamp": stamp}))["nonce"]
        form = self._signed("revoke", {"nonce": str(nonce)})
        self._called("/v2/oauth2", form | {"userid": vendor_user})

    def _granted(self, form: Mapping[str, str], *, vendor_user: str = "", refresh: str = "") -> Grant:
        shown = {"client_id": self.vendor.client_id, "client_secret": self.vendor.client_secret}
        answer = calling.ask(self.vendor, "POST", "/v2/oauth2", form={"action": "requesttoken", **shown, **form})
        if _status(answer) in INVALID_GRANT | NOT_LET_IN | NOT_ALLOWED:
            raise AccessRevoked
        return grant_of(_opened(answer), user_field="userid", vendor_user=vendor_user, refresh=refresh)

    def _signed(self, action: str, more: Mapping[str, str]) -> dict[str, str]:
        """The form with the HMAC of its values, in the order of their names."""
        form = {"action": action, "client_id": self.vendor.client_id, **more}
        message = ",".join(form[name] for name in sorted(form)).encode()
        return form | {"signature": hmac.digest(self.vendor.client_secret.encode(), message, "sha256").hex()}

    def subscribe(self, *, access: str, name: str, webhook_url: str) -> None:
        """See `Adapter`."""
        for category in SUBSCRIBED:
            form = {"action": "subscribe", "callbackurl": webhook_url, "appli": category}
            self._called("/notify", form, access=access)

    def unsubscribe(self, *, access: str, name: str, webhook_url: str) -> None:
        """See `Adapter`."""
        for category in SUBSCRIBED:
            form = {"action": "revoke", "callbackurl": webhook_url, "appli": category}
            self._called("/notify", form, access=access)

    def pull(self, *, access: str, wanted: Wanted) -> Page:
        """See `Adapter`: by when it was measured, or by when it was written, corrections among it."""
        form: dict[str, Any] = {"action": "getmeas", "meastypes": ",".join(map(str, TYPES)), "category": MEASURED}
        if wanted.changed:
            form["lastupdate"] = int(wanted.since.timestamp())
        else:
            form |= {"startdate": int(wanted.since.timestamp()), "enddate": int(wanted.until.timestamp())}
        if wanted.page:
            form["offset"] = wanted.page
        body = self._called("/measure", form, access=access)
        groups = body.get("measuregrps") or []
        try:
            readings = [told for group in groups for told in _readings_of(group)]
        except (KeyError, TypeError, ValueError):
            raise VendorAway from None
        return Page(readings=readings, next=str(body.get("offset") or "") if body.get("more") else "")

    def _called(self, path: str, form: Mapping[str, Any], *, access: str = "") -> Any:
        return _opened(calling.ask(self.vendor, "POST", path, form=form, access=access))

    def answer_check(self, query: Mapping[str, str]) -> int:
        """Withings looks with HEAD whether somebody is there."""
        return 200

    def read_webhook(
        self, *, body: bytes, headers: Mapping[str, str], token_is_right: bool, at: datetime
    ) -> Sequence[Ping]:
        """See `Adapter`: a form with the person, the category and a span."""
        if not token_is_right:
            raise NotSigned
        form = {name: values[0] for name, values in parse_qs(body.decode("ascii")).items()}
        if int(form.get("appli", "0")) == OF_THE_ACCOUNT:
            is_over = form.get("action") in ("delete", "unlink")
            return [Ping(vendor_user=form["userid"], is_revoked=True)] if is_over else []
        if int(form["appli"]) not in SUBSCRIBED:
            return []
        since, until = _instant(form["startdate"]), _instant(form["enddate"])
        return [Ping(vendor_user=form["userid"], collections=("measures",), since=since, until=until)]


def _status(answer: calling.Answer) -> int:
    status = answer.body.get("status") if isinstance(answer.body, dict) else None
    if answer.status != 200 or not isinstance(status, int):
        raise VendorAway
    return status


def _opened(answer: calling.Answer) -> dict[str, Any]:
    status = _status(answer)
    if status == OK:
        return dict(answer.body.get("body") or {})
    if status in NOT_LET_IN:
        raise AccessExpired
    if status in NOT_ALLOWED:
        raise AccessRevoked
    if status == TOO_OFTEN:
        raise Throttled(WAIT_S, everybody=True)
    raise VendorAway


def _readings_of(group: Mapping[str, Any]) -> list[Told]:
    if group.get("category", MEASURED) != MEASURED or group.get("attrib") == MAYBE_OF_ANOTHER:
        return []
    about: dict[str, Any] = {
        "time": _instant(group["date"]),
        "record": str(group["grpid"]),
        "device": str(group.get("model") or "")[:64],
    }
    found = []
    for measure in group["measures"]:
        stream, unit = TYPES.get(int(measure["type"]), (None, ""))
        if stream is not None:
            value = float(f"{int(measure['value'])}e{int(measure['unit'])}")  # exact, which × 10 ** unit is not
            found.append(Told(stream=stream, value=value, unit=unit, **about))
    return found


def _instant(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
