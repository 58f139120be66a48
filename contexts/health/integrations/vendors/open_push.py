"""Open push: our own contract, for any vendor that wants to bring readings (the README has it in full).

What they post is signed, by webhook (stream) or to the address of a request for a span of the past (callback):
`Stayer-Signature: t=<seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from contexts.health.catalogue import BY_NAME
from contexts.health.integrations.contract import Delivery, NotSigned, Told, Wanted, Way
from contexts.health.integrations.oauth import StandardOAuth
from kernel.payments import SignatureInvalid, signatures

SIGNATURE = "Stayer-Signature"
MAX_READINGS = 5_000


class _Reading(msgspec.Struct):
    metric: str
    value: float
    time: datetime
    unit: str | None = None
    record: str = ""
    device: str = ""


class _Body(msgspec.Struct):
    """What a vendor posts: `user` as its token answer named them, `delivery` its own id of this message."""

    user: str
    delivery: str
    readings: list[_Reading]
    last: bool = False


class OpenPush(StandardOAuth):
    """See the module."""

    label = "Open push"
    ways = frozenset({Way.STREAM, Way.CALLBACK})
    collections = {"readings": timedelta(days=30)}
    scopes = ("readings",)
    user_field = "user"
    of_everybody = "600/min"
    of_person = "60/min"

    def ask_for_callback(self, *, access: str, wanted: Wanted, callback_url: str) -> None:
        """See `Adapter`."""
        span = {"from": wanted.since, "to": wanted.until, "callback_url": callback_url}
        self._asked("POST", "/v1/history", access=access, json={"user": wanted.vendor_user, **span})

    def answer_check(self, query: Mapping[str, str]) -> int:
        """Nobody needs to try our address out."""
        return 404

    def read_webhook(
        self, *, body: bytes, headers: Mapping[str, str], token_is_right: bool, at: datetime
    ) -> Delivery:
        """See `Adapter`."""
        try:
            signatures.verify(body, header=headers.get(SIGNATURE, ""), secret=self.vendor.webhook_secret, at=at)
        except SignatureInvalid:
            raise NotSigned from None
        told = _decoded(body)
        return Delivery(delivery_id=told.delivery, vendor_user=told.user)

    def read_readings(self, body: bytes) -> tuple[list[Told], bool]:
        """See `Adapter`. Metrics this version does not know are left out."""
        told = _decoded(body)
        return [_told(row) for row in told.readings if row.metric in BY_NAME], told.last


def _decoded(body: bytes) -> _Body:
    told = msgspec.json.decode(body, type=_Body)
    named = [told.delivery, told.user, *(row.device for row in told.readings)]
    if not all(name.isprintable() for name in named):
        raise ValueError("a name with signs nobody can read")
    if not 0 < len(told.delivery) <= 64 or not 0 < len(told.user) <= 128 or len(told.readings) > MAX_READINGS:
        raise ValueError("beyond the bounds of the contract")
    if any(row.time.tzinfo is None for row in told.readings):
        raise ValueError("a time without its offset from UTC")
    return told


def _told(row: _Reading) -> Told:
    metric = BY_NAME[row.metric]
    return Told(
        stream=metric.stream,
        value=row.value,
        unit=row.unit or metric.unit,
        time=row.time,
        record=row.record,
        device=row.device[:64],
    )
