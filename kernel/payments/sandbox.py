"""Our own provider, for everything but real money: `payment_sandbox`, spoken to over HTTP like any other."""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, get_args
from uuid import UUID

import httpx
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
    WebhookEvent,
    signatures,
)

SIGNATURE = "Sandbox-Signature"
NOT_ABOUT_THE_PAYMENT = {401, 403, 429}
"""A wrong key or a full queue is no word about the payment; neither is an answer that is not the sandbox's own."""


class Sandbox:
    """A client of `payment_sandbox`."""

    name = "sandbox"

    @cached_property
    def _client(self) -> httpx.Client:
        return httpx.Client(
            base_url=settings.PAYMENT_SANDBOX_URL,
            headers={"Authorization": f"Bearer {settings.PAYMENT_API_KEY}"},
            timeout=TIMEOUT_S,
            trust_env=False,
        )

    def authorise(
        self, *, payment_id: UUID, amount: Money, description: str, return_url: str, expires_at: datetime
    ) -> Authorisation:
        """See `PaymentProvider`."""
        wanted = {
            "reference": str(payment_id),
            "amount_minor": amount.minor,
            "currency": amount.currency,
            "description": description,
            "return_url": return_url,
            "expires_at": int(expires_at.timestamp()),
        }
        made = self._ask("POST", "/v1/payments", wanted, key=f"authorise:{payment_id}")
        return Authorisation(provider_id=made["id"], page_url=made["page_url"])

    def capture(self, *, provider_id: str, payment_id: UUID) -> None:
        """See `PaymentProvider`."""
        self._ask("POST", f"/v1/payments/{provider_id}/capture", {}, key=f"capture:{payment_id}")

    def void(self, *, provider_id: str, payment_id: UUID) -> None:
        """See `PaymentProvider`."""
        self._ask("POST", f"/v1/payments/{provider_id}/void", {}, key=f"void:{payment_id}")

    def refund(self, *, provider_id: str, refund_id: UUID, amount: Money, reason: str) -> None:
        """See `PaymentProvider`."""
        wanted = {"reference": str(refund_id), "amount_minor": amount.minor, "reason": reason}
        self._ask("POST", f"/v1/payments/{provider_id}/refunds", wanted, key=f"refund:{refund_id}")

    def look(self, *, provider_id: str) -> PaymentStanding:
        """See `PaymentProvider`."""
        found = self._ask("GET", f"/v1/payments/{provider_id}")
        return PaymentStanding(
            status=found["status"],
            captured=Money(minor=found["captured_minor"], currency=found["currency"]),
            refunded=Money(minor=found["refunded_minor"], currency=found["currency"]),
        )

    def read_webhook(self, *, body: bytes, headers: Mapping[str, str], at: datetime) -> WebhookEvent:
        """See `PaymentProvider`."""
        header = headers.get(SIGNATURE, "")
        signatures.verify(body, header=header, secret=settings.PAYMENT_WEBHOOK_SECRET, at=at)
        try:
            told = json.loads(body)
            return WebhookEvent(
                event_id=told["id"],
                kind=told["type"] if told["type"] in get_args(Kind) else "other",
                provider_id=told["payment"],
                payment_id=UUID(told["reference"]),
                refund_id=UUID(told["refund"]) if told.get("refund") else None,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SignatureInvalid from error

    def _ask(self, method: str, path: str, wanted: Any = None, *, key: str | None = None) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        try:
            answer = self._client.request(method, path, json=wanted, headers=headers)
        except httpx.HTTPError as error:
            raise ProviderUnavailable(type(error).__name__) from error
        said = _object(answer)
        if answer.status_code == 200 and said:
            return said
        if 400 <= answer.status_code < 500 and answer.status_code not in NOT_ABOUT_THE_PAYMENT and "code" in said:
            raise ProviderRefused(str(said["code"]))
        raise ProviderUnavailable(f"HTTP {answer.status_code}")


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def provider() -> PaymentProvider:
    """The client."""
    return Sandbox()
