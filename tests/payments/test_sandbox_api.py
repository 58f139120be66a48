"""What a shop may rely on when it speaks to the sandbox: keys, refusals, addresses, and a word that is never lost."""

import json
import socket
import sqlite3
import threading
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.conf import settings
from django.utils.timezone import now

from kernel import payments
from kernel.events import uuid7
from kernel.payments import signatures
from payment_sandbox import page
from payment_sandbox.books import Books
from payment_sandbox.webhooks import Teller
from tests.payments.sandbox import NO_AUTHORITIES, PATIENCE_S, Listener, SandboxProcess, pay

GOOD, DECLINED = "4242424242424242", "4000000000000002"


def ask(sandbox: SandboxProcess, path: str, wanted: Any = None, *, key: str = "k") -> httpx.Response:
    """One POST of a shop."""
    headers = {"Authorization": f"Bearer {settings.PAYMENT_API_KEY}", "Idempotency-Key": key}
    return httpx.post(
        f"{sandbox.url}{path}", headers=headers, content=json.dumps(wanted or {}), verify=NO_AUTHORITIES
    )


def wanted(**changes: Any) -> dict[str, Any]:
    """A sound request for a payment."""
    usual = {
        "reference": str(uuid7()),
        "amount_minor": 1_000,
        "currency": "EUR",
        "description": "1 × Run",
        "return_url": "http://localhost:8000/booking/",
        "expires_at": int(now().timestamp()) + 600,
    }
    return usual | changes


def paid(sandbox: SandboxProcess, card: str = GOOD) -> str:
    """A payment whose payer has paid."""
    made = ask(sandbox, "/v1/payments", wanted(), key=str(uuid7())).json()
    pay(made["page_url"], card)
    return str(made["id"])


def test_a_key_belongs_to_one_request(sandbox):
    one, other = paid(sandbox), paid(sandbox)
    assert ask(sandbox, f"/v1/payments/{one}/capture").status_code == 200
    answer = ask(sandbox, f"/v1/payments/{other}/capture")
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")


def test_a_refusal_is_repeated_too(sandbox):
    made = ask(sandbox, "/v1/payments", wanted(), key="open").json()
    capture = f"/v1/payments/{made['id']}/capture"
    first = ask(sandbox, capture, key="early")
    pay(made["page_url"], GOOD)
    again = ask(sandbox, capture, key="early")
    assert (first.status_code, again.status_code, first.content) == (409, 409, again.content)
    assert ask(sandbox, capture, key="later").status_code == 200


def test_never_more_is_captured_than_was_authorised(sandbox):
    capture = f"/v1/payments/{paid(sandbox)}/capture"
    answer = ask(sandbox, capture, {"amount_minor": 1_001}, key="more")
    assert (answer.status_code, answer.json()["code"]) == (409, "more_than_was_authorised")
    assert ask(sandbox, capture, {"amount_minor": 999}, key="less").status_code == 400
    assert ask(sandbox, capture, {"amount_minor": 1_000}, key="all").json()["captured_minor"] == 1_000


@pytest.mark.parametrize(
    "change",
    [
        {"amount_minor": 2**70},
        {"amount_minor": True},
        {"expires_at": 2**70},
        {"currency": "euro"},
        {"description": "\ud800"},
        {"return_url": "http://["},
        {"return_url": "javascript:alert(1)"},
        {"return_url": "http://localhost/\r\nX-Header: 1"},
        {"return_url": "http://localhost/назад"},
    ],
)
def test_what_makes_no_sense_is_refused_and_not_dropped(sandbox, change):
    answer = ask(sandbox, "/v1/payments", wanted(**change))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_too_much_and_what_has_no_length_are_refused(sandbox):
    assert ask(sandbox, "/v1/payments", wanted(description="x" * 70_000)).status_code == 413
    address = urlsplit(sandbox.url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE_S) as connection:
        connection.sendall(b"POST /pay/x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        heard = b"".join(iter(lambda: connection.recv(4096), b""))
    assert heard.startswith(b"HTTP/1.1 411")
    assert heard.count(b"HTTP/1.1") == 1


def test_an_address_that_is_none_is_not_found(sandbox):
    address = urlsplit(sandbox.url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE_S) as connection:
        connection.sendall(b"GET //[ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.1 404")


def test_two_declined_cards_are_two_events(sandbox):
    made = ask(sandbox, "/v1/payments", wanted()).json()
    for _ in range(2):
        pay(made["page_url"], DECLINED)
    sandbox.listener.wait_for(2)
    assert len({json.loads(body)["id"] for body in sandbox.listener.heard}) == 2


def test_a_shop_that_is_away_for_days_is_still_told(tmp_path):
    books = Books(tmp_path / "books.sqlite", slow_s=0.0)
    made = books.open_payment(wanted())
    books.pay(made["id"], GOOD)
    with sqlite3.connect(tmp_path / "books.sqlite") as file:
        file.execute("UPDATE webhook SET tries = 5000")
    ((webhook_id, _),) = books.due_webhooks()
    books.note_unheard(webhook_id)
    assert 0 < books.next_due_in() <= 60


def test_the_teller_outlives_a_fault(tmp_path):
    class Faulty(Books):
        faults = 1

        def due_webhooks(self) -> list[tuple[int, bytes]]:
            if self.faults:
                self.faults -= 1
                raise sqlite3.OperationalError("disk I/O error")
            return super().due_webhooks()

    listener = Listener(lambda body, headers: 204)
    books = Faulty(tmp_path / "books.sqlite", slow_s=0.0)
    Teller(books, url=f"{listener.url}?shop=1", secret="s").start()
    books.pay(books.open_payment(wanted())["id"], GOOD)
    listener.wait_for(1)
    listener.close()


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (123_456, "EUR", "1,234.56 EUR"),
        (5, "EUR", "0.05 EUR"),
        (2**53 + 1, "EUR", "71,992,547,409.93 EUR"),
        (500, "JPY", "500 JPY"),
        (1_500, "KWD", "1.500 KWD"),
    ],
)
def test_the_page_shows_the_amount_exactly(minor, currency, shown):
    assert shown in page.pay_page(wanted(amount_minor=minor, currency=currency, status="open"))


def test_who_has_paid_is_not_told_to_leave_without_paying():
    assert "without paying" in page.pay_page(wanted(status="open"))
    assert "without paying" not in page.pay_page(wanted(status="captured"))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (409, b'{"code": "payment_open"}', payments.ProviderRefused),
        (404, b"<html>", payments.ProviderUnavailable),
        (409, b"[]", payments.ProviderUnavailable),
        (401, b'{"code": "unauthorised"}', payments.ProviderUnavailable),
        (200, b"<html>", payments.ProviderUnavailable),
        (302, b"", payments.ProviderUnavailable),
        (429, b"{}", payments.ProviderUnavailable),
        (503, b"{}", payments.ProviderUnavailable),
    ],
)
def test_our_client_is_not_thrown_by_what_stands_between(monkeypatch, status, body, error):
    from kernel.payments.sandbox import Sandbox

    client = Sandbox()
    answering = httpx.MockTransport(lambda request: httpx.Response(status, content=body))
    client.__dict__["_client"] = httpx.Client(transport=answering, base_url="http://sandbox")
    with pytest.raises(error):
        client.capture(provider_id="pay_1", payment_id=uuid7())


def test_a_kind_that_our_client_does_not_know_is_other(settings: Any):
    at = now()
    told = {"id": "e", "type": "payment.disputed", "payment": "pay_1", "reference": str(uuid7()), "refund": None}
    body = json.dumps(told).encode()
    header = {"Sandbox-Signature": signatures.sign(body, secret=settings.PAYMENT_WEBHOOK_SECRET, at=at)}
    from kernel.payments.sandbox import Sandbox

    assert Sandbox().read_webhook(body=body, headers=header, at=at).kind == "other"


def test_eight_payers_of_one_payment_pay_once(sandbox):
    """Eight payers at once, one payment: one of them pays."""
    made = ask(sandbox, "/v1/payments", wanted()).json()
    payers = [threading.Thread(target=pay, args=(made["page_url"], GOOD)) for _ in range(8)]
    for payer in payers:
        payer.start()
    for payer in payers:
        payer.join()
    ask(sandbox, f"/v1/payments/{made['id']}/capture", key="capture")
    sandbox.listener.wait_for(2)
    assert [json.loads(body)["type"] for body in sandbox.listener.heard] == ["payment.authorised", "payment.captured"]
