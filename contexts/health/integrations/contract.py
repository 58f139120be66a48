"""What an adapter knows of its vendor: the one contract for the four ways in which readings come to us.

* pull: we ask for a span of time, or for what has changed since the last time;
* ping: the vendor tells that something of a person has changed in a span, and we pull it;
* stream: what the vendor posts holds the readings themselves;
* callback: we ask for a span, and the vendor posts it later to an address made for this one request.

An adapter speaks the vendor's protocol and nothing else: it stores nothing and knows no user of ours.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from contexts.health.rules import Stream


class Way(StrEnum):
    """How readings come."""

    PULL = "pull"
    PING = "ping"
    STREAM = "stream"
    CALLBACK = "callback"


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """A vendor as the operator has named it, and who we are to it. Its addresses come from here alone."""

    name: str
    label: str
    client_id: str
    client_secret: str
    api_url: str
    authorize_url: str
    webhook_secret: str = ""
    """What its webhooks are signed with, where that is not the client's secret."""
    verify_code: str = ""
    """What the vendor shows us when a webhook is registered (Fitbit)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """One value as a vendor tells it."""

    stream: Stream
    value: float
    unit: str
    """UCUM; one of those the metric accepts."""
    time: datetime
    record: str = ""
    """The vendor's own name of the record: tells apart equal instants, and knows a corrected record again."""
    device: str = ""
    """What measured it, as the vendor calls it."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a vendor gives us for a person: never logged, stored sealed."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    lasts_s: int
    vendor_user: str
    scopes: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A span of one of a vendor's collections, from `since` to `until`.

    `changed` asks for what was written in that time instead of what was measured in it, where a vendor tells that.
    """

    vendor_user: str
    collection: str
    since: datetime
    until: datetime
    changed: bool = False
    page: str = ""


@dataclass(frozen=True, kw_only=True)
class Page:
    """Readings, and where to go on for more."""

    readings: list[Told]
    next: str = ""


@dataclass(frozen=True, kw_only=True)
class Ping:
    """Something of this person has changed in these collections; without a span, lately."""

    vendor_user: str
    collections: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None
    is_revoked: bool = False
    """They have taken our permission away, at the vendor."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A body that holds readings. Its id is the vendor's, and the same when it is sent again."""

    delivery_id: str
    vendor_user: str


class VendorAway(Exception):
    """The vendor cannot be reached, or answers nonsense: ask again later."""


class Throttled(Exception):
    """The vendor wants to be asked less often; of one person, or by all of us."""

    def __init__(self, seconds: float, *, everybody: bool = False) -> None:
        """For how long."""
        super().__init__(f"for {seconds:.0f} s")
        self.seconds, self.everybody = seconds, everybody


class AccessExpired(Exception):
    """The access token is not good any more; a refreshed one may be."""


class AccessRevoked(Exception):
    """The person, or the vendor, has taken our permission away: nothing but connecting anew helps."""


class NotGranted(Exception):
    """The person has let us in, but not to this: there is nothing to be had of it."""


class NotSigned(Exception):
    """A webhook that the vendor has not signed, or that was recorded and is played again."""


class Adapter(ABC):
    """A vendor's protocol. Methods that call out raise `VendorAway`, `Throttled` and `AccessExpired`."""

    label: ClassVar[str]
    ways: ClassVar[frozenset[Way]]
    collections: ClassVar[Mapping[str, timedelta]]
    """What is asked for separately, and how long a portion of each is; its adapter may ask for it page by page."""
    scopes: ClassVar[Sequence[str]]
    api_url: ClassVar[str] = ""
    authorize_url: ClassVar[str] = ""
    overlap: ClassVar[timedelta] = timedelta(minutes=10)
    """How far a pull reaches back before the last one: clocks differ, and devices report late."""
    of_everybody: ClassVar[str]
    """How often we may ask, all people together: a rate."""
    of_person: ClassVar[str]
    """How often we may ask about one person."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor

    def __init_subclass__(cls) -> None:
        """A way that is declared has its method: nobody finds out when readings are to come."""
        super().__init_subclass__()
        for way, name in {Way.PULL: "pull", Way.CALLBACK: "ask_for_callback"}.items():
            if way in getattr(cls, "ways", ()) and getattr(cls, name) is getattr(Adapter, name):
                raise TypeError(f"{cls.__name__} declares {way} without {name}")

    @abstractmethod
    def authorization_url(self, *, state: str, verifier: str) -> str:
        """Where the person lets us in."""

    @abstractmethod
    def exchange(self, *, code: str, verifier: str) -> Grant:
        """What the vendor gives for a code; raises `AccessRevoked` for one that is no good."""

    @abstractmethod
    def refresh(self, *, refresh_token: str, vendor_user: str) -> Grant:
        """A new grant for an old one; raises `AccessRevoked` where there is none any more."""

    @abstractmethod
    def revoke(self, *, access: str, refresh: str, vendor_user: str) -> None:
        """Give back what we were given."""

    def subscribe(self, *, access: str, name: str, webhook_url: str) -> None:
        """Ask to be told of changes; again, nothing more happens. `name` is our own name of the connection."""
        return

    def unsubscribe(self, *, access: str, name: str, webhook_url: str) -> None:
        """Ask not to be told any more."""
        return

    def pull(self, *, access: str, wanted: Wanted) -> Page:
        """One page of readings; asked only of who declares the way."""
        raise TypeError(f"{self.vendor.name} is not asked like this")

    def ask_for_callback(self, *, access: str, wanted: Wanted, callback_url: str) -> None:
        """Ask for a span that is posted to this address later; asked only of who declares the way."""
        raise TypeError(f"{self.vendor.name} is not asked like this")

    def answer_check(self, query: Mapping[str, str]) -> int:
        """The status with which we answer a vendor that tries our address out."""
        return 204

    def read_webhook(
        self, *, body: bytes, headers: Mapping[str, str], token_is_right: bool, at: datetime
    ) -> Sequence[Ping] | Delivery:
        """What a webhook says; raises `NotSigned`, and `ValueError` for what this vendor does not post."""
        raise ValueError(f"{self.vendor.name} posts nothing")

    def read_readings(self, body: bytes) -> tuple[list[Told], bool]:
        """The readings of a delivery, and whether it is the last of a callback's; raises `ValueError`."""
        raise ValueError(f"{self.vendor.name} delivers nothing")
