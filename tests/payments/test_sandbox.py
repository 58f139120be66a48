"""The payment sandbox behaves like a provider, and our client of it like a customer."""

import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from django.conf import settings
from django.utils.timezone import now
from hypothesis import given
from hypothesis import strategies as st

from kernel import payments
from kernel.events import uuid7
from kernel.payments import Money, SignatureInvalid, signatures
from tests.payments.sandbox import pay

GOOD, DECLINED, SLOW = "4242424242424242", "4000000000000002", "4000000000000010"
THRICE, EARLY, CAPTURE_REFUSED = "4000000000000028", "4000000000000036", "4000000000000119"
FAILS_TWICE, REFUSES = "4000000000005126", "4000000000005134"
SOON = now() + timedelta(hours=2)
TEN = Money(minor=1_000, currency="EUR")


def opened(payment_id: UUID | None = None, *, amount: Money = TEN, description: str = "1 × Run"):
    """A payment that waits for its payer."""
    return payments.provider().authorise(
        payment_id=payment_id or uuid7(),
        amount=amount,
        description=description,
        return_url="http://localhost:8000/booking/",
        expires_at=SOON,
    )


def told(sandbox) -> list[str]:
    """The kinds of what was said, in order."""
    return [json.loads(body)["type"] for body in sandbox.listener.heard]


def test_a_payer_pays_and_the_money_is_taken_and_returned_once(sandbox):
    provider, payment_id, refund_id = payments.provider(), uuid7(), uuid7()
    waiting = opened(payment_id)
    assert opened(payment_id) == waiting
    assert provider.look(provider_id=waiting.provider_id).status == "open"
    answer = pay(waiting.page_url, GOOD)
    assert (answer.status_code, answer.headers["Location"]) == (303, "http://localhost:8000/booking/")
    assert provider.look(provider_id=waiting.provider_id).status == "authorised"
    for _ in range(2):
        provider.capture(provider_id=waiting.provider_id, payment_id=payment_id)
    for _ in range(2):
        provider.refund(
            provider_id=waiting.provider_id, refund_id=refund_id, amount=TEN.share(40), reason="cancelled"
        )
    standing = provider.look(provider_id=waiting.provider_id)
    assert (standing.captured, standing.refunded) == (TEN, Money(minor=400, currency="EUR"))
    sandbox.listener.wait_for(3)
    assert told(sandbox) == ["payment.authorised", "payment.captured", "refund.succeeded"]


def test_a_declined_card_leaves_the_page_open_for_another(sandbox):
    waiting = opened()
    declined = pay(waiting.page_url, DECLINED)
    assert (declined.status_code, "declined" in declined.text) == (402, True)
    assert pay(waiting.page_url, GOOD).status_code == 303


def test_the_slow_card_is_heard_late_and_the_early_one_before_the_answer(sandbox):
    slow, early = opened(), opened()
    pay(slow.page_url, SLOW)
    pay(early.page_url, EARLY)
    assert json.loads(sandbox.listener.heard[0])["payment"] == early.provider_id
    sandbox.listener.wait_for(2)
    assert json.loads(sandbox.listener.heard[1])["payment"] == slow.provider_id


def test_the_duplicate_card_is_heard_three_times(sandbox):
    pay(opened().page_url, THRICE)
    sandbox.listener.wait_for(3)
    assert len(set(sandbox.listener.heard)) == 1


def test_a_capture_may_be_refused_and_a_refund_fail_twice_or_for_good(sandbox):
    provider = payments.provider()
    refused = opened()
    pay(refused.page_url, CAPTURE_REFUSED)
    with pytest.raises(payments.ProviderRefused, match="card_declined"):
        provider.capture(provider_id=refused.provider_id, payment_id=uuid7())
    for card in (FAILS_TWICE, REFUSES):
        payment_id, refund_id = uuid7(), uuid7()
        paid = opened(payment_id)
        pay(paid.page_url, card)
        provider.capture(provider_id=paid.provider_id, payment_id=payment_id)
        asking = {"provider_id": paid.provider_id, "refund_id": refund_id, "amount": TEN, "reason": "x"}
        if card == REFUSES:
            with pytest.raises(payments.ProviderRefused, match="refund_refused"):
                provider.refund(**asking)
            continue
        for _ in range(2):
            with pytest.raises(payments.ProviderUnavailable):
                provider.refund(**asking)
        provider.refund(**asking)
        assert provider.look(provider_id=paid.provider_id).refunded == TEN


def test_never_more_is_refunded_than_was_taken_and_nothing_captured_is_voided(sandbox):
    provider, payment_id = payments.provider(), uuid7()
    paid = opened(payment_id)
    with pytest.raises(payments.ProviderRefused, match="payment_open"):
        provider.capture(provider_id=paid.provider_id, payment_id=payment_id)
    pay(paid.page_url, GOOD)
    provider.capture(provider_id=paid.provider_id, payment_id=uuid7())
    with pytest.raises(payments.ProviderRefused, match="payment_captured"):
        provider.void(provider_id=paid.provider_id, payment_id=payment_id)
    too_much = Money(minor=1_001, currency="EUR")
    with pytest.raises(payments.ProviderRefused, match="more_than_was_captured"):
        provider.refund(provider_id=paid.provider_id, refund_id=uuid7(), amount=too_much, reason="x")


def test_parallel_repeats_of_one_key_are_one_payment(sandbox):
    payment_id = uuid7()
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: opened(payment_id), range(40)))
    assert len(made) == 1
    assert len(sandbox.books()) == 1


def test_another_body_under_a_used_key_is_refused(sandbox):
    payment_id = uuid7()
    opened(payment_id)
    with pytest.raises(payments.ProviderRefused, match="idempotency_conflict"):
        opened(payment_id, amount=Money(minor=1, currency="EUR"))


def test_a_webhook_is_said_again_until_it_is_heard_even_after_sigkill(sandbox):
    answers = itertools.chain([500, 500], itertools.repeat(500))
    deaf = threading.Event()
    deaf.set()
    sandbox.listener.hears = lambda body, headers: next(answers) if deaf.is_set() else 204
    pay(opened().page_url, GOOD)
    sandbox.listener.wait_for(2)
    sandbox.kill()
    said = len(sandbox.listener.heard)
    deaf.clear()
    sandbox.start()
    sandbox.listener.wait_for(said + 1)
    assert set(told(sandbox)) == {"payment.authorised"}


def test_a_provider_that_is_away_is_said_so(sandbox):
    sandbox.kill()
    with pytest.raises(payments.ProviderUnavailable):
        opened()


@pytest.mark.parametrize(
    ("change", "status"),
    [({"headers": {}}, 401), ({"json": {"amount_minor": 0}}, 400), ({"json": []}, 400), ({"content": b"{"}, 400)],
)
def test_the_sandbox_refuses_strangers_and_nonsense(sandbox, change, status):
    known = {"Authorization": f"Bearer {settings.PAYMENT_API_KEY}", "Idempotency-Key": "k"}
    answer = httpx.post(f"{sandbox.url}/v1/payments", **({"headers": known, "json": {}} | change))
    assert answer.status_code == status


def test_the_page_escapes_what_it_shows(sandbox):
    page = httpx.get(opened(description="<script>alert(1)</script>").page_url)
    assert "<script>" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_our_client_believes_only_what_is_signed_now(sandbox):
    pay(opened().page_url, GOOD)
    sandbox.listener.wait_for(1)
    body, at = sandbox.listener.heard[0], now()
    secret = settings.PAYMENT_WEBHOOK_SECRET
    good = signatures.sign(body, secret=secret, at=at)
    read = payments.provider().read_webhook
    assert read(body=body, headers={"Sandbox-Signature": good}, at=at).kind == "payment.authorised"
    wrong = [
        (body + b" ", good, at),
        (body, signatures.sign(body, secret="another", at=at), at),
        (body, good, at + timedelta(seconds=302)),
        (body, "", at),
        (body, good.replace("v1=", "v0="), at),
        (body, "t=x," + good.partition(",")[2], at),
    ]
    for told_body, header, when in wrong:
        with pytest.raises(SignatureInvalid):
            read(body=told_body, headers={"Sandbox-Signature": header}, at=when)


def test_without_a_secret_nothing_is_believed():
    with pytest.raises(SignatureInvalid):
        signatures.verify(b"{}", header=signatures.sign(b"{}", secret="", at=now()), secret="", at=now())


@given(minor=st.integers(0, 10**9), percent=st.integers(0, 100))
def test_a_share_is_exact_and_never_more_than_the_whole(minor, percent):
    whole = Money(minor=minor, currency="EUR")
    share = whole.share(percent)
    assert isinstance(share.minor, int)
    assert 0 <= share.minor <= minor
    assert abs(share.minor * 100 - minor * percent) <= 50
    assert share + (whole - share) == whole
    if percent == 100:
        assert share == whole


def test_two_currencies_are_not_added():
    with pytest.raises(ValueError, match="EUR and USD"):
        TEN + Money(minor=1, currency="USD")
