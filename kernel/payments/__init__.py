"""Payments: what a context asks of whoever keeps the money, whichever company that is.

A payment is *authorised* by its payer on the provider's own page, so that no card number ever passes through us, then
*captured* or *voided* by us, and what was captured can be *refunded*. Everything is asked under an identifier of
ours: asking twice is asking once. The provider tells what has happened by signed webhooks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from typing import Literal, Protocol
from uuid import UUID

from django.conf import settings

from kernel.errors import Refused

PROVIDERS = {"sandbox": "kernel.payments.sandbox", "stripe": "kernel.payments.stripe"}
TIMEOUT_S = 5.0

Status = Literal["open", "authorised", "captured", "voided", "declined", "expired"]
Kind = Literal[
    "payment.authorised",
    "payment.declined",
    "payment.captured",
    "payment.voided",
    "refund.succeeded",
    "refund.failed",
    "other",
]


class ProviderUnavailable(Exception):
    """The provider did not answer, or asked to come back later: ask again."""


class ProviderRefused(Exception):
    """The provider will not do this, however often it is asked; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class SignatureInvalid(Refused):
    """This is not signed by the payment provider."""

    status = 400


@dataclass(frozen=True, kw_only=True)
class Money:
    """An exact amount in the smallest unit of a currency (ISO 4217); negative on the other side of a ledger."""

    minor: int
    currency: str

    def share(self, percent: int) -> "Money":
        """So many percent of it, half a unit rounded up."""
        return Money(minor=(self.minor * percent * 2 + 100) // 200, currency=self.currency)

    def __add__(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} are not added")
        return Money(minor=self.minor + other.minor, currency=self.currency)

    def __neg__(self) -> "Money":
        return Money(minor=-self.minor, currency=self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return self + -other


@dataclass(frozen=True, kw_only=True)
class Authorisation:
    """A payment that waits for its payer: the provider's name for it, and the page to pay on."""

    provider_id: str
    page_url: str


@dataclass(frozen=True, kw_only=True)
class PaymentStanding:
    """A payment as the provider's books have it."""

    status: Status
    captured: Money
    refunded: Money


@dataclass(frozen=True, kw_only=True)
class WebhookEvent:
    """What the provider says has happened. It may say so several times, late, and in any order."""

    event_id: str
    kind: Kind
    provider_id: str
    payment_id: UUID | None = None
    refund_id: UUID | None = None


class PaymentProvider(Protocol):
    """Whoever keeps the money. Each call raises `ProviderUnavailable` or `ProviderRefused` when it is not done."""

    name: str

    def authorise(
        self, *, payment_id: UUID, amount: Money, description: str, return_url: str, expires_at: datetime
    ) -> Authorisation:
        """Open a page on which the payer authorises `amount`; the same `payment_id` gets the same page."""
        ...

    def capture(self, *, provider_id: str, payment_id: UUID) -> None:
        """Take what was authorised, all of it; once, however often it is asked."""
        ...

    def void(self, *, provider_id: str, payment_id: UUID) -> None:
        """Let go what was authorised and not captured."""
        ...

    def refund(self, *, provider_id: str, refund_id: UUID, amount: Money, reason: str) -> None:
        """Give back a part of what was captured; once for each `refund_id`."""
        ...

    def look(self, *, provider_id: str) -> PaymentStanding:
        """What the provider's books say, to compare ours with."""
        ...

    def read_webhook(self, *, body: bytes, headers: Mapping[str, str], at: datetime) -> WebhookEvent:
        """What a webhook says; raises `SignatureInvalid` unless the provider signed these bytes lately."""
        ...


@cache
def provider() -> PaymentProvider:
    """The provider of this installation."""
    made: PaymentProvider = import_module(PROVIDERS[settings.PAYMENT_PROVIDER]).provider()
    return made
