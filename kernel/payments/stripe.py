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
    Kind,
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

OPEN_LONGER = timedelta(minutes=31)
"""Stripe keeps a page open for half an hour at least from when it is asked for, be it at the last moment, and takes a
repeated request only with the same parameters: so the clock is not asked. Who pays too late is paid back."""

KINDS: Mapping[str, Kind] = {
    "checkout.session.completed": "payment.authorised",
    "payment_intent.amount_capturable_updated": "payment.authorised",
    "payment_intent.payment_failed": "payment.declined",
    "payment_intent.succeeded": "payment.captured",
    "charge.captured": "payment.captured",
    "payment_intent.canceled": "payment.voided",
    "refund.failed": "refund.failed",
}
REFUND_KINDS: Mapping[str, Kind] = {
    "succeeded": "refund.succeeded",
    "failed": "refund.failed",
    "canceled": "refund.failed",
}
"""What a refund's status says where the event, `refund.created` or `refund.updated`, does not."""
STATUSES: Mapping[str, Status] = {
    "requires_capture": "authorised",
    "succeeded": "captured",
    "canceled": "voided",
}
UNEXPECTED_STATE = "payment_intent_unexpected_state"
NOT_ABOUT_THE_PAYMENT = {401, 403, 409}
"""A wrong key or two requests at once are no word about the payment."""


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
        intent, key = self._intent_of(provider_id), _under(f"capture:{payment_id}")
        self._once(intent, "captured", lambda: self._api.payment_intents.capture(intent, {}, key))

    def void(self, *, provider_id: str, payment_id: UUID) -> None:
        """See `PaymentProvider`."""
        intent, key = self._intent_of(provider_id), _under(f"void:{payment_id}")
        self._once(intent, "voided", lambda: self._api.payment_intents.cancel(intent, {}, key))

    def refund(self, *, provider_id: str, refund_id: UUID, amount: Money, reason: str) -> None:
        """See `PaymentProvider`."""
        intent = self._intent_of(provider_id)
        if self._is_refunded(intent, refund_id):
            return
        wanted = {
            "payment_intent": intent,
            "amount": amount.minor,
            "reason": "requested_by_customer",
            "metadata": {"refund_id": str(refund_id), "reason": reason},
        }
        self._do(lambda: self._api.refunds.create(wanted, _under(f"refund:{refund_id}")))

    def look(self, *, provider_id: str) -> PaymentStanding:
        """See `PaymentProvider`."""
        session = self._session(provider_id)
        if session and not session.payment_intent:
            nothing = Money(minor=0, currency=session.currency.upper())
            status: Status = "expired" if session.status == "expired" else "open"
            return PaymentStanding(status=status, captured=nothing, refunded=nothing)
        intent = session.payment_intent if session else provider_id
        found = self._do(lambda: self._api.payment_intents.retrieve(intent, {"expand": ["latest_charge"]}))
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
                kind=_kind(told["type"], about),
                provider_id=about.get("payment_intent") or about["id"],
                payment_id=_uuid(metadata.get("payment_id") or about.get("client_reference_id")),
                refund_id=_uuid(metadata.get("refund_id")),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SignatureInvalid from error

    def _session(self, provider_id: str) -> Any:
        """The page, where that is what the identifier names."""
        if not provider_id.startswith("cs_"):
            return None
        return self._do(lambda: self._api.checkout.sessions.retrieve(provider_id))

    def _intent_of(self, provider_id: str) -> str:
        """The PaymentIntent, also where no webhook has named it yet; there is none before the payer pays."""
        session = self._session(provider_id)
        if session and not session.payment_intent:
            raise ProviderRefused(f"payment_{session.status}")
        return str(session.payment_intent) if session else provider_id

    def _once(self, intent: str, wanted: Status, call: Callable[[], Any]) -> None:
        """What is so already is done: Stripe forgets an Idempotency-Key after a day."""
        try:
            self._do(call)
        except ProviderRefused as error:
            if error.code != UNEXPECTED_STATE or self.look(provider_id=intent).status != wanted:
                raise

    def _is_refunded(self, intent: str, refund_id: UUID) -> bool:
        """Whether Stripe has this refund: a person may ask for it again days later, when its key is forgotten."""
        made = self._do(lambda: self._api.refunds.list({"payment_intent": intent, "limit": 100}))
        return any(
            getattr(refund.metadata, "refund_id", "") == str(refund_id)
            and refund.status not in ("failed", "canceled")
            for refund in made.data
        )

    @staticmethod
    def _do(call: Callable[[], Any]) -> Any:
        import stripe

        try:
            return call()
        except (stripe.APIConnectionError, stripe.RateLimitError) as error:
            raise ProviderUnavailable(type(error).__name__) from error
        except stripe.StripeError as error:
            if (error.http_status or 500) >= 500 or error.http_status in NOT_ABOUT_THE_PAYMENT:
                raise ProviderUnavailable(f"HTTP {error.http_status}") from error
            raise ProviderRefused(error.code or type(error).__name__) from error


def _under(key: str) -> dict[str, str]:
    return {"idempotency_key": key}


def _kind(event: str, about: Mapping[str, Any]) -> Kind:
    if event in ("refund.created", "refund.updated"):
        return REFUND_KINDS.get(about.get("status", ""), "other")
    return KINDS.get(event, "other")


def _uuid(text: Any) -> UUID | None:
    """An identifier of ours; somebody else's is none."""
    try:
        return UUID(str(text)) if text else None
    except ValueError:
        return None


def provider() -> PaymentProvider:
    """The client."""
    return Stripe()
