"""The Stripe adapter against a server that speaks Stripe's documented wire format: form-encoded in, JSON out."""

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.utils.timezone import now

from kernel import payments
from kernel.events import uuid7
from kernel.payments import Money, SignatureInvalid, signatures

SECRET = "whsec_of_a_test"
TEN = Money(minor=1_000, currency="EUR")


class FakeStripe:
    """Answers what it is told to; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any], str | None]] = []
        self.answers: dict[str, tuple[int, dict[str, Any]]] = {}
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                path = self.path.partition("?")[0]
                fields = {name: values[0] for name, values in parse_qs(body).items()}
                fake.asked.append((self.command, path, fields, self.headers.get("Idempotency-Key")))
                status, answer = fake.answers.get(f"{self.command} {path}") or fake.answers[path]
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _answer

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """No more."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def stripe(settings: Any) -> Iterator[FakeStripe]:
    fake = FakeStripe()
    settings.PAYMENT_PROVIDER, settings.STRIPE_API_BASE = "stripe", fake.url
    settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRET = "sk_test_nothing", SECRET
    payments.provider.cache_clear()
    yield fake
    payments.provider.cache_clear()
    fake.close()


def test_a_page_is_opened_under_our_identifier_and_captured_by_hand(stripe):
    payment_id = uuid7()
    stripe.answers["/v1/checkout/sessions"] = (
        200,
        {"id": "cs_1", "object": "checkout.session", "url": "https://pay/1"},
    )
    opened = payments.provider().authorise(
        payment_id=payment_id,
        amount=TEN,
        description="1 × Run",
        return_url="http://localhost/",
        expires_at=now() + timedelta(minutes=30),
    )
    assert (opened.provider_id, opened.page_url) == ("cs_1", "https://pay/1")
    ((method, path, fields, key),) = stripe.asked
    assert (method, path, key) == ("POST", "/v1/checkout/sessions", f"authorise:{payment_id}")
    assert fields["payment_intent_data[capture_method]"] == "manual"
    assert fields["payment_intent_data[metadata][payment_id]"] == str(payment_id)
    assert fields["line_items[0][price_data][unit_amount]"] == "1000"
    assert fields["line_items[0][price_data][currency]"] == "eur"
    assert int(fields["expires_at"]) >= (now() + timedelta(minutes=30)).timestamp()


def test_capture_void_and_refund_are_asked_under_keys_of_their_own(stripe):
    payment_id, refund_id, provider = uuid7(), uuid7(), payments.provider()
    intent = {"id": "pi_1", "object": "payment_intent"}
    stripe.answers["/v1/payment_intents/pi_1/capture"] = 200, intent | {"status": "succeeded"}
    stripe.answers["/v1/payment_intents/pi_1/cancel"] = 200, intent | {"status": "canceled"}
    stripe.answers["POST /v1/refunds"] = 200, {"id": "re_1", "object": "refund", "status": "succeeded"}
    stripe.answers["GET /v1/refunds"] = 200, {"object": "list", "data": []}
    provider.capture(provider_id="pi_1", payment_id=payment_id)
    provider.void(provider_id="pi_1", payment_id=payment_id)
    provider.refund(provider_id="pi_1", refund_id=refund_id, amount=TEN.share(40), reason="cancelled")
    keys = [key for method, _, _, key in stripe.asked if method == "POST"]
    assert keys == [f"capture:{payment_id}", f"void:{payment_id}", f"refund:{refund_id}"]
    refund = stripe.asked[-1][2]
    assert (refund["amount"], refund["payment_intent"], refund["metadata[refund_id]"]) == (
        "400",
        "pi_1",
        str(refund_id),
    )


def test_the_standing_of_a_payment(stripe):
    stripe.answers["/v1/payment_intents/pi_1"] = (
        200,
        {
            "id": "pi_1",
            "object": "payment_intent",
            "status": "succeeded",
            "currency": "eur",
            "amount_received": 1_000,
            "latest_charge": {"id": "ch_1", "object": "charge", "amount_refunded": 400},
        },
    )
    standing = payments.provider().look(provider_id="pi_1")
    assert (standing.status, standing.captured, standing.refunded.minor) == ("captured", TEN, 400)


@pytest.mark.parametrize(
    ("status", "kind", "error"),
    [
        (402, "card_error", payments.ProviderRefused),
        (400, "invalid_request_error", payments.ProviderRefused),
        (409, "idempotency_error", payments.ProviderUnavailable),
        (429, "rate_limit_error", payments.ProviderUnavailable),
        (500, "api_error", payments.ProviderUnavailable),
        (401, "invalid_request_error", payments.ProviderUnavailable),
        (403, "invalid_request_error", payments.ProviderUnavailable),
    ],
)
def test_what_stripe_will_not_do_and_what_it_cannot_do_now(stripe, status, kind, error):
    answer = {"error": {"type": kind, "code": "some_code", "message": "No."}}
    stripe.answers["/v1/payment_intents/pi_1/capture"] = status, answer
    with pytest.raises(error):
        payments.provider().capture(provider_id="pi_1", payment_id=uuid7())


def test_a_stripe_that_is_away_is_said_so(stripe):
    stripe.close()
    with pytest.raises(payments.ProviderUnavailable):
        payments.provider().capture(provider_id="pi_1", payment_id=uuid7())


def _told(kind: str, about: dict[str, Any]) -> bytes:
    return json.dumps({"id": "evt_1", "type": kind, "data": {"object": about}}).encode()


@pytest.mark.parametrize(
    ("kind", "meaning"),
    [
        ("payment_intent.amount_capturable_updated", "payment.authorised"),
        ("payment_intent.payment_failed", "payment.declined"),
        ("payment_intent.canceled", "payment.voided"),
        ("payment_intent.succeeded", "payment.captured"),
        ("customer.created", "other"),
    ],
)
def test_webhooks_in_our_words(stripe, kind, meaning):
    payment_id, at = uuid7(), now()
    body = _told(kind, {"id": "pi_1", "object": "payment_intent", "metadata": {"payment_id": str(payment_id)}})
    header = {"Stripe-Signature": signatures.sign(body, secret=SECRET, at=at)}
    told = payments.provider().read_webhook(body=body, headers=header, at=at)
    assert (told.kind, told.provider_id, told.payment_id) == (meaning, "pi_1", payment_id)


def test_a_failed_refund_names_it(stripe):
    refund_id, at = uuid7(), now()
    about = {"id": "re_1", "payment_intent": "pi_1", "metadata": {"refund_id": str(refund_id)}}
    body = _told("refund.failed", about)
    header = {"Stripe-Signature": signatures.sign(body, secret=SECRET, at=at)}
    told = payments.provider().read_webhook(body=body, headers=header, at=at)
    assert (told.kind, told.provider_id, told.refund_id) == ("refund.failed", "pi_1", refund_id)


def test_stripes_own_library_agrees_with_our_signatures(stripe):
    import stripe as library

    body, at = _told("customer.created", {"id": "cus_1"}), now()
    library.WebhookSignature.verify_header(body.decode(), signatures.sign(body, secret=SECRET, at=at), SECRET, 300)
    with pytest.raises(SignatureInvalid):
        payments.provider().read_webhook(body=body, headers={"Stripe-Signature": "t=1,v1=0"}, at=at)


def _heard(kind: str, about: dict[str, Any]) -> payments.WebhookEvent:
    """What our client makes of a webhook."""
    body, at = _told(kind, about), now()
    header = {"Stripe-Signature": signatures.sign(body, secret=SECRET, at=at)}
    return payments.provider().read_webhook(body=body, headers=header, at=at)


def test_a_completed_page_names_the_intent_and_our_payment(stripe):
    payment_id = uuid7()
    session = {"id": "cs_1", "object": "checkout.session", "payment_intent": "pi_1", "metadata": {}}
    told = _heard("checkout.session.completed", session | {"client_reference_id": str(payment_id)})
    assert (told.kind, told.provider_id, told.payment_id) == ("payment.authorised", "pi_1", payment_id)


def test_a_captured_charge_names_the_intent_and_our_payment(stripe):
    payment_id = uuid7()
    charge = {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "metadata": {"payment_id": str(payment_id)}}
    told = _heard("charge.captured", charge)
    assert (told.kind, told.provider_id, told.payment_id) == ("payment.captured", "pi_1", payment_id)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("succeeded", "refund.succeeded"),
        ("failed", "refund.failed"),
        ("canceled", "refund.failed"),
        ("pending", "other"),
    ],
)
def test_a_refund_is_what_its_status_says(stripe, status, meaning):
    refund_id = uuid7()
    about = {"id": "re_1", "payment_intent": "pi_1", "status": status, "metadata": {"refund_id": str(refund_id)}}
    told = _heard("refund.updated", about)
    assert (told.kind, told.refund_id) == (meaning, refund_id)


def test_somebody_elses_identifier_is_not_ours(stripe):
    told = _heard("payment_intent.succeeded", {"id": "pi_9", "metadata": {"payment_id": "order 9"}})
    assert (told.provider_id, told.payment_id) == ("pi_9", None)


def test_a_page_asked_for_again_is_the_same_request_and_half_an_hour_ahead_of_its_latest(stripe):
    payment_id, expires_at = uuid7(), now() + timedelta(minutes=1)
    stripe.answers["/v1/checkout/sessions"] = 200, {"id": "cs_1", "object": "checkout.session", "url": "https://p/1"}
    for _ in range(2):
        payments.provider().authorise(
            payment_id=payment_id, amount=TEN, description="Run", return_url="http://l/", expires_at=expires_at
        )
    first, second = (fields for _, _, fields, _ in stripe.asked)
    assert first == second
    assert int(first["expires_at"]) >= (now() + timedelta(minutes=30)).timestamp()


def _intent(status: str) -> dict[str, Any]:
    received = 1_000 if status == "succeeded" else 0
    intent = {"id": "pi_1", "object": "payment_intent", "status": status, "currency": "eur"}
    return intent | {"amount_received": received, "latest_charge": None}


def _session(status: str, intent: str | None) -> dict[str, Any]:
    page = {"id": "cs_1", "object": "checkout.session", "currency": "eur"}
    return page | {"status": status, "payment_intent": intent}


UNEXPECTED = 400, {"error": {"type": "invalid_request_error", "code": "payment_intent_unexpected_state"}}


def test_what_was_captured_or_voided_before_is_done_and_what_was_not_is_refused(stripe):
    provider, asked = payments.provider(), {"provider_id": "pi_1", "payment_id": uuid7()}
    for step, call, done in (("capture", provider.capture, "succeeded"), ("cancel", provider.void, "canceled")):
        stripe.answers[f"/v1/payment_intents/pi_1/{step}"] = UNEXPECTED
        stripe.answers["/v1/payment_intents/pi_1"] = 200, _intent(done)
        call(**asked)
        stripe.answers["/v1/payment_intents/pi_1"] = 200, _intent("requires_payment_method")
        with pytest.raises(payments.ProviderRefused, match="payment_intent_unexpected_state"):
            call(**asked)


def test_a_refund_made_long_ago_is_not_made_again(stripe):
    refund_id = uuid7()
    made = {"id": "re_1", "object": "refund", "status": "succeeded", "metadata": {"refund_id": str(refund_id)}}
    stripe.answers["GET /v1/refunds"] = 200, {"object": "list", "data": [made]}
    payments.provider().refund(provider_id="pi_1", refund_id=refund_id, amount=TEN, reason="cancelled")
    assert [method for method, _, _, _ in stripe.asked] == ["GET"]


def test_a_page_stands_for_its_intent_where_no_webhook_has_named_it(stripe):
    provider = payments.provider()
    stripe.answers["/v1/checkout/sessions/cs_1"] = 200, _session("complete", "pi_1")
    stripe.answers["/v1/payment_intents/pi_1"] = 200, _intent("requires_capture")
    stripe.answers["/v1/payment_intents/pi_1/capture"] = 200, _intent("succeeded")
    assert provider.look(provider_id="cs_1").status == "authorised"
    provider.capture(provider_id="cs_1", payment_id=uuid7())
    assert stripe.asked[-1][1] == "/v1/payment_intents/pi_1/capture"


@pytest.mark.parametrize(("session", "standing"), [("open", "open"), ("expired", "expired")])
def test_a_page_nobody_has_paid_on(stripe, session, standing):
    stripe.answers["/v1/checkout/sessions/cs_1"] = 200, _session(session, None)
    found = payments.provider().look(provider_id="cs_1")
    assert (found.status, found.captured) == (standing, Money(minor=0, currency="EUR"))
    with pytest.raises(payments.ProviderRefused, match=f"payment_{standing}"):
        payments.provider().capture(provider_id="cs_1", payment_id=uuid7())
