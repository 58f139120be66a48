"""Fitbit: watches, trackers and scales. dev.fitbit.com/build/reference/web-api

Days and times of day are those of the person's time zone, which their profile names; heart rate is asked for in UTC,
where no hour comes twice. What is told for a whole day stands at its first instant. Webhooks are signed with
HMAC-SHA1 under the client's secret and `&`, and say no more than which day of which collection has changed.
"""

import base64
import hmac
import time as clock
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from contexts.health.integrations import calling
from contexts.health.integrations.contract import (
    AccessExpired,
    NotGranted,
    NotSigned,
    Page,
    Ping,
    Throttled,
    Told,
    Vendor,
    VendorAway,
    Wanted,
    Way,
)
from contexts.health.integrations.oauth import RETRY_S, StandardOAuth
from contexts.health.rules import Stream

DAY = timedelta(days=1)
DAYS_AT_ONCE = 30
"""The least of what the requests for several days cover; heart rate and steps are asked for day by day."""
PINGED = {
    "activities": ("heart_rate", "steps", "daily"),
    "body": ("weight",),
    "sleep": ("oxygen", "variability", "daily"),
}
"""By what a notification says has changed, what we ask for."""
REVOKED = "userRevokedAccess"
SUBSCRIBED_ALREADY = 409
SUBSCRIBED = ("activities", "body", "sleep")
ZONE_KEPT_S = 3600.0
ZONES_KEPT = 10_000


class _Note(msgspec.Struct):
    """One notification of a webhook's list."""

    collectionType: str  # noqa: N815  (as it travels)
    ownerId: str  # noqa: N815
    date: str = ""


class Fitbit(StandardOAuth):
    """See the module."""

    label = "Fitbit"
    ways = frozenset({Way.PULL, Way.PING})
    collections = {
        "heart_rate": 7 * DAY,
        "steps": 7 * DAY,
        "daily": DAYS_AT_ONCE * DAY,
        "weight": DAYS_AT_ONCE * DAY,
        "oxygen": DAYS_AT_ONCE * DAY,
        "variability": DAYS_AT_ONCE * DAY,
    }
    scopes = ("activity", "heartrate", "oxygen_saturation", "profile", "sleep", "weight")
    api_url = "https://api.fitbit.com"
    authorize_url = "https://www.fitbit.com/oauth2/authorize"
    token_path = "/oauth2/token"  # noqa: S105  (a path)
    revoke_path = "/oauth2/revoke"
    overlap = DAY
    """A tracker that was out of reach tells of yesterday."""
    of_everybody = "6000/min"
    of_person = "150/h"

    def __init__(self, vendor: Vendor) -> None:
        super().__init__(vendor)
        self._zones: dict[str, tuple[float, ZoneInfo]] = {}

    def subscribe(self, *, access: str, name: str, webhook_url: str) -> None:
        """See `Adapter`. The address is registered at dev.fitbit.com."""
        for collection in SUBSCRIBED:
            with suppress(NotGranted):
                self._asked("POST", self._subscription(collection, name), access=access)

    def unsubscribe(self, *, access: str, name: str, webhook_url: str) -> None:
        """See `Adapter`."""
        for collection in SUBSCRIBED:
            with suppress(NotGranted):
                self._asked("DELETE", self._subscription(collection, name), access=access)

    def _subscription(self, collection: str, name: str) -> str:
        return f"/1/user/-/{collection}/apiSubscriptions/{quote(name)}-{collection}.json"

    def pull(self, *, access: str, wanted: Wanted) -> Page:
        """See `Adapter`: whole days, the ones at the ends included."""
        read = getattr(self, f"_{wanted.collection}")
        try:
            if wanted.collection == "heart_rate":
                days = list(_days(wanted.since, wanted.until, UTC))
                day = date.fromisoformat(wanted.page) if wanted.page else days[0]
                return Page(readings=read(access, day), next=_after(day, days))
            zone = self._zone(access, wanted.vendor_user)
            days = list(_days(wanted.since, wanted.until, zone))
            day = date.fromisoformat(wanted.page) if wanted.page else days[0]
            if wanted.collection == "steps":
                return Page(readings=read(access, day, zone), next=_after(day, days))
            last = min(day + (DAYS_AT_ONCE - 1) * DAY, days[-1])
            return Page(readings=read(access, day, last, zone), next=_after(last, days))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise VendorAway from None

    def _asked(self, method: str, path: str, *, access: str, **more: Any) -> Any:
        """See `StandardOAuth`; 429 says either way until when the hour of this person lasts."""
        answer = calling.ask(self.vendor, method, path, access=access, **more)
        if answer.status == SUBSCRIBED_ALREADY:
            return {}
        if answer.status == 429:
            told = answer.header("Retry-After"), answer.header("fitbit-rate-limit-reset")
            raise Throttled(max((seconds for seconds in told if seconds is not None), default=RETRY_S))
        if answer.status == 401:
            raise AccessExpired
        if answer.status == 403:
            raise NotGranted  # people tick what they let us see; and heart rate by the minute takes Fitbit's approval
        if answer.status >= 400:
            raise VendorAway
        return answer.body

    def _zone(self, access: str, vendor_user: str) -> ZoneInfo:
        """Of their profile, which is asked for once an hour: each request counts."""
        read_at, zone = self._zones.get(vendor_user, (float("-inf"), ZoneInfo("UTC")))
        if clock.monotonic() - read_at < ZONE_KEPT_S:
            return zone
        try:
            zone = ZoneInfo(str(self._asked("GET", "/1/user/-/profile.json", access=access)["user"]["timezone"]))
        except (ZoneInfoNotFoundError, OSError):
            raise VendorAway from None
        if len(self._zones) >= ZONES_KEPT:
            self._zones.clear()
        self._zones[vendor_user] = clock.monotonic(), zone
        return zone

    def _heart_rate(self, access: str, day: date) -> list[Told]:
        path = f"/1/user/-/activities/heart/date/{day}/1d/1min.json"
        found = self._asked("GET", path, access=access, query={"timezone": "UTC"})
        beats = found["activities-heart-intraday"]["dataset"]
        return [_told(Stream.heart_rate, beat["value"], "/min", _at(day, beat["time"], UTC)) for beat in beats]

    def _steps(self, access: str, day: date, zone: ZoneInfo) -> list[Told]:
        found = self._asked("GET", f"/1/user/-/activities/steps/date/{day}/1d/15min.json", access=access)
        rows = found["activities-steps-intraday"]["dataset"]
        return [_told(Stream.steps, row["value"], "1", _at(day, row["time"], zone)) for row in rows if row["value"]]

    def _daily(self, access: str, first: date, last: date, zone: ZoneInfo) -> list[Told]:
        found = self._asked("GET", f"/1/user/-/activities/heart/date/{first}/{last}.json", access=access)
        days = [(row["dateTime"], row["value"].get("restingHeartRate")) for row in found["activities-heart"]]
        return [
            _told(Stream.resting_heart_rate, rate, "/min", _at(date.fromisoformat(day), "00:00:00", zone))
            for day, rate in days
            if rate is not None
        ]

    def _weight(self, access: str, first: date, last: date, zone: ZoneInfo) -> list[Told]:
        found = self._asked("GET", f"/1/user/-/body/log/weight/date/{first}/{last}.json", access=access)
        readings = []
        for row in found["weight"]:
            at = _at(date.fromisoformat(row["date"]), row["time"], zone)
            about: dict[str, Any] = {"record": str(row["logId"]), "device": str(row.get("source") or "")[:64]}
            readings.append(_told(Stream.body_mass, row["weight"], "kg", at, **about))
            if row.get("fat") is not None:
                readings.append(_told(Stream.body_fat, row["fat"], "%", at, **about))
        return readings

    def _oxygen(self, access: str, first: date, last: date, zone: ZoneInfo) -> list[Told]:
        found = self._asked("GET", f"/1/user/-/spo2/date/{first}/{last}/all.json", access=access)
        return [
            _told(Stream.oxygen_saturation, row["value"], "%", _local(row["minute"], zone))
            for day in found
            for row in day["minutes"]
        ]

    def _variability(self, access: str, first: date, last: date, zone: ZoneInfo) -> list[Told]:
        found = self._asked("GET", f"/1/user/-/hrv/date/{first}/{last}.json", access=access)
        return [
            _told(Stream.hrv_rmssd, row["value"]["dailyRmssd"], "ms", _local(f"{row['dateTime']}T00:00:00", zone))
            for row in found["hrv"]
        ]

    def answer_check(self, query: Mapping[str, str]) -> int:
        """Fitbit shows its code, and a wrong one: 204 for the one, 404 for the other."""
        expected, shown = self.vendor.verify_code, query.get("verify", "")
        return 204 if expected and hmac.compare_digest(expected.encode(), shown.encode()) else 404

    def read_webhook(
        self, *, body: bytes, headers: Mapping[str, str], token_is_right: bool, at: datetime
    ) -> Sequence[Ping]:
        """See `Adapter`."""
        key = f"{self.vendor.client_secret}&".encode()
        expected = base64.b64encode(hmac.digest(key, body, "sha1"))
        if not hmac.compare_digest(expected, headers.get("X-Fitbit-Signature", "").encode()):
            raise NotSigned
        notes = msgspec.json.decode(body, type=list[_Note])
        return [ping for note in notes if (ping := _ping(note)) is not None]


def _ping(note: _Note) -> Ping | None:
    if note.collectionType == REVOKED:
        return Ping(vendor_user=note.ownerId, is_revoked=True)
    if note.collectionType not in PINGED:
        return None
    day = datetime.combine(date.fromisoformat(note.date), time(), UTC)
    # The day is of a time zone we are told only when we pull: what UTC counts to its neighbours is asked for too.
    since, until = day + timedelta(hours=-12), day + timedelta(hours=35, minutes=59)
    return Ping(vendor_user=note.ownerId, collections=PINGED[note.collectionType], since=since, until=until)


def _told(stream: Stream, value: Any, unit: str, at: datetime, **more: str) -> Told:
    return Told(stream=stream, value=float(value), unit=unit, time=at, **more)


def _days(since: datetime, until: datetime, zone: Any) -> Iterator[date]:
    day, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    while day <= last:
        yield day
        day += DAY


def _after(day: date, days: list[date]) -> str:
    return str(day + DAY) if day < days[-1] else ""


def _at(day: date, clock: str, zone: Any) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), zone).astimezone(UTC)


def _local(text: str, zone: ZoneInfo) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)
