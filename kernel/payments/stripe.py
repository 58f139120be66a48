"""Stripe, with its own library: a Checkout Session to pay on, captured by us."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from django.conf import settings

from kernel.payments import (
    TIMEOUT_S,
    Authorisation,
    Money,
    PaymentProvider,
    PaymentStanding,
    ProviderRefused,
    ProviderUnavailable,
    SignatureInvalid,
    Status,
    WebhookEvent,
    signatures,
)

OPEN_LONGER = timedelta(minutes=2)
"""Stripe keeps a page open for half an hour at least, counted from when it is asked; who pays too late is paid back."""

KINDS: Mapping[str, Any] = {
    "payment_intent.amount_capturable_updated": "payment.authorised",
    "payment_intent.payment_failed": "payment.declined",
    "payment_intent.succeeded": "payment.captured",
    "payment_intent.canceled": "payment.voided",
    "refund.failed": "refund.failed",
}
STATUSES: Mapping[str, Status] = {
    "requires_capture": "authorised",
    "succeeded": "captured",
    "canceled": "voided",
}


class Stripe:
    """A client of Stripe's API. `provider_id` is the PaymentIntent once there is one, before that the session."""

    name = "stripe"

    @cached_property
    def _api(self) -> Any:
        import stripe

        stripe.enable_telemetry = False
        return stripe.StripeClient(
            settings.STRIPE_API_KEY,
            base_addresses={"api": settings.STRIPE_API_BASE},
            http_client=stripe.HTTPXClient(timeout=TIMEOUT_S, allow_sync_methods=True),
            max_network_retries=0,
        ).v1

    def authorise(
        self, *, payment_id: UUID, amount: Money, description: str, return_url: str, expires_at: datetime
    ) -> Authorisation:
        """See `PaymentProvider`."""
        line = {
            "quantity": 1,
            "price_data": {
                "currency": amount.currency.lower(),
                "unit_amount": amount.minor,
                "product_data": {"name": description},
            },
        }
        wanted = {
            "mode": "payment",
            "line_items": [line],
            "success_url": return_url,
            "cancel_url": return_url,
            "client_reference_id": str(payment_id),
            "expires_at": int((expires_at + OPEN_LONGER).timestamp()),
            "payment_intent_data": {"capture_method": "manual", "metadata": {"payment_id": str(payment_id)}},
        }
        made = self._do(lambda: self._api.checkout.sessions.create(wanted, _under(f"authorise:{payment_id}")))
        return Authorisation(provider_id=made.id, page_url=made.url)

    def capture(self, *, provider_id: str, payment_id: UUID) -> None:
        """See `PaymentProvider`."""
        self._do(lambda: self._api.payment_intents.capture(provider_id, {}, _under(f"capture:{payment_id}")))

    def void(self, *, provider_id: str, payment_id: UUID) -> None:
        """See `PaymentProvider`."""
        self._do(lambda: self._api.payment_intents.cancel(provider_id, {}, _under(f"void:{payment_id}")))

    def refund(self, *, provider_id: str, refund_id: UUID, amount: Money, reason: str) -> None:
        """See `PaymentProvider`."""
        wanted = {
            "payment_intent": provider_id,
            "amount": amount.minor,
            "reason": "requested_by_customer",
            "metadata": {"refund_id": str(refund_id), "reason": reason},
        }
        self._do(lambda: self._api.refunds.create(wanted, _under(f"refund:{refund_id}")))

    def look(self, *, provider_id: str) -> PaymentStanding:
        """See `PaymentProvider`."""
        found = self._do(lambda: self._api.payment_intents.retrieve(provider_id, {"expand": ["latest_charge"]}))
        currency = found.currency.upper()
        refunded = found.latest_charge.amount_refunded if found.latest_charge else 0
        return PaymentStanding(
            status=STATUSES.get(found.status, "open"),
            captured=Money(minor=found.amount_received, currency=currency),
            refunded=Money(minor=refunded, currency=currency),
        )

    def read_webhook(self, *, body: bytes, headers: Mapping[str, str], at: datetime) -> WebhookEvent:
        """See `PaymentProvider`."""
        header = headers.get("Stripe-Signature", "")
        signatures.verify(body, header=header, secret=settings.STRIPE_WEBHOOK_SECRET, at=at)
        try:
            told = json.loads(body)
            about = told["data"]["object"]
            metadata = about.get("metadata") or {}
            return WebhookEvent(
                event_id=told["id"],
                kind=KINDS.get(told["type"], "other"),
                provider_id=about.get("payment_intent") or about["id"],
                payment_id=_uuid(metadata.get("payment_id")),
                refund_id=_uuid(metadata.get("refund_id")),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SignatureInvalid from error

    @staticmethod
    def _do(call: Callable[[], Any]) -> Any:
        import stripe

        try:
            return call()
        except (stripe.APIConnectionError, stripe.RateLimitError) as error:
            raise ProviderUnavailable(type(error).__name__) from error
        except stripe.StripeError as error:
            if (error.http_status or 500) >= 500 or error.http_status == 409:
                raise ProviderUnavailable(f"HTTP {error.http_status}") from error
            raise ProviderRefused(error.code or type(error).__name__) from error


def _under(key: str) -> dict[str, str]:
    return {"idempotency_key": key}


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text else None


def provider() -> PaymentProvider:
    """The client."""
    return Stripe()
