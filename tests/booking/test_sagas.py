"""BO-7, BO-8: whoever dies, wherever on the way, money and places end together: confirmed, or given back and free."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings as configured
from django.utils.timezone import now

from contexts.booking import cancelling, paying, processes, reserving
from contexts.booking.models import Booking, Payment, Process, Refund, SportEvent
from kernel import payments
from kernel.payments import ledger
from tests.booking.conftest import PAID, make_event, settle, wish
from tests.booking.test_never_oversold import broken
from tests.payments.sandbox import SandboxProcess, pay

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

GOOD, FAILS_TWICE, REFUSES = "4242424242424242", "4000000000005126", "4000000000005134"
EVERY = int(os.environ.get("SAGA_EVERY", "3"))
"""Of the steps on the way every third is died at; 1 dies at each."""


class Mortals:
    """Servers that die when told to."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        cluster = configured.CLUSTER
        account = f"{cluster.user}:{cluster.password}@{cluster.host}:{cluster.port}"
        told = {"DATABASE_URL": f"postgresql://{account}/test_{cluster.prefix}", "PAYMENT_SANDBOX_URL": sandbox.url}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.booking.mortal"],
            env=os.environ | told | {"DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "CRITICAL"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def live(self, action: str, argument: Any, *, die_at: int = -1) -> str:
        """`dead`, or how many steps it took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(action, argument, die_at, file=self._process.stdin, flush=True)
        return self._process.stdout.readline().strip()

    def stop(self) -> None:
        """No more of them."""
        self._process.kill()
        self._process.wait()


@pytest.fixture
def mortals(sandbox: SandboxProcess) -> Iterator[Mortals]:
    made = Mortals(sandbox)
    yield made
    made.stop()


def paid(run: SportEvent, *, card: str = GOOD) -> Payment:
    """A booking whose payer has paid, of which we have not heard yet."""
    booking = reserving.hold_places(sport_event_id=run.pk, wish=wish(run), at=now())
    paying.check_out(booking_id=booking.pk, by=booking.user_id, return_url="http://localhost/", at=now())
    payment = Payment.objects.get(booking=booking)
    pay(payment.page_url, card)
    return payment


def heard(payment: Payment) -> None:
    """The provider's word, said again until it is heard."""
    told = payments.WebhookEvent(
        event_id="e", kind="payment.authorised", provider_id=payment.provider_id or "", payment_id=payment.pk
    )
    paying.note_webhook(told, at=now())


def assert_true_books(sandbox: SandboxProcess) -> None:
    """Ours, the ledger's and the provider's books say the same, and no rule is broken."""
    theirs = sandbox.books()
    for payment in Payment.objects.select_related("booking"):
        book = theirs[str(payment.pk)]
        ours = payment.amount_minor if payment.status == "captured" else 0
        assert (book["captured_minor"], book["refunded_minor"]) == (ours, payment.refunded_minor)
        accounts = ledger.balances(context="booking", order_id=payment.booking_id)
        assert sum(money.minor for money in accounts.values()) == 0
        assert (accounts["provider"].minor if accounts else 0) == ours - payment.refunded_minor
        kept = payment.status == "captured" and payment.refunded_minor == 0
        assert kept == (payment.booking.status == "confirmed")
    assert not Process.objects.filter(finished_at=None).exists()
    assert broken() == {}


@pytest.fixture
def deaf(sandbox: SandboxProcess) -> None:
    """Our webhook endpoint is away: only what a test says itself is heard."""
    sandbox.listener.hears = lambda body, headers: 503


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("action", ["note", "cancel"])
def test_bo7_whoever_dies_at_whatever_step_the_money_and_the_places_end_together(action, mortals, sandbox, deaf):
    run = make_event(kinds=(replace(PAID, quota=200),))

    def begin() -> Payment:
        payment = paid(run)
        if action == "cancel":
            heard(payment)
            settle()
        return payment

    steps = int(mortals.live(action, begin().pk))
    assert steps > 20
    for die_at in range(0, steps, EVERY):
        payment = begin()
        assert mortals.live(action, payment.pk, die_at=die_at) == "dead"
        heard(payment)
        settle()
        assert Booking.objects.get(pk=payment.booking_id).status in ("confirmed", "cancelled")
    settle()
    assert_true_books(sandbox)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_bo7_an_events_cancellation_goes_on_where_it_died(mortals, sandbox, deaf):
    def begin() -> SportEvent:
        run = make_event(kinds=(PAID,))
        for _ in range(3):
            heard(paid(run))
        settle()
        return run

    steps = int(mortals.live("cancel_event", begin().pk))
    for die_at in range(5, steps, steps // 6):
        run = begin()
        assert mortals.live("cancel_event", run.pk, die_at=die_at) == "dead"
        cancelling.cancel_sport_event(sport_event_id=run.pk, reason="storm", at=now())
        settle()
        assert set(Booking.objects.filter(sport_event=run).values_list("status", flat=True)) == {"cancelled"}
    assert_true_books(sandbox)
    assert Payment.objects.filter(refunded_minor=2_500).count() == Payment.objects.count()


def test_bo7_a_refund_that_fails_for_now_is_tried_again(sandbox, deaf):
    run = make_event(kinds=(PAID,))
    payment = paid(run, card=FAILS_TWICE)
    heard(payment)
    settle()
    cancelling.cancel_booking(booking_id=payment.booking_id, by=payment.booking.user_id, at=now())
    settle()
    process = Process.objects.get(kind="give_back")
    assert (process.tries, process.finished_at) == (1, None)
    for _ in range(3):
        process.refresh_from_db()
        if process.due_at is not None:
            settle(at=process.due_at)
    assert_true_books(sandbox)


def test_bo7_a_refund_refused_for_good_waits_for_a_person(sandbox, deaf, staff_client):
    run = make_event(kinds=(PAID,))
    payment = paid(run, card=REFUSES)
    heard(payment)
    settle()
    cancelling.cancel_booking(booking_id=payment.booking_id, by=payment.booking.user_id, at=now())
    settle()
    process = Process.objects.get(kind="give_back")
    assert (process.due_at, process.error, Refund.objects.get().status) == (None, "refund_refused", "failed")
    operator = staff_client("operator")
    form = {"action": "try_again", "_selected_action": [str(process.pk)]}
    assert b"1 tried again" in operator.post("/admin/booking/process/", form, follow=True).content
    process.refresh_from_db()
    assert process.due_at is not None


def test_bo7_a_refund_that_fails_afterwards_stands_in_the_books_and_waits(sandbox, deaf):
    payment = paid(make_event(kinds=(PAID,)))
    heard(payment)
    settle()
    cancelling.cancel_booking(booking_id=payment.booking_id, by=payment.booking.user_id, at=now())
    settle()
    refund = Refund.objects.get()
    for _ in range(2):
        processes.note_refund_failed(refund_id=refund.pk, at=now())
    payment.refresh_from_db()
    assert payment.refunded_minor == 0
    assert Process.objects.get(finished_at=None).error == "refund_failed"
    assert ledger.balances(context="booking", order_id=payment.booking_id)["provider"].minor == 2_500
    assert broken() == {}


def test_bo8_a_provider_that_is_away_is_no_ones_loss(register, sandbox, settings):
    run = make_event(kinds=(PAID,))
    anna = register()
    held = anna.api.post(
        f"/api/v1/booking/events/{run.pk}/bookings",
        {"places": [{"ticket_type_id": str(run.ticket_types.get().pk), "quantity": 1}]},
    ).json()
    sandbox.kill()
    away = anna.api.post(f"/api/v1/booking/bookings/{held['id']}/checkout", {})
    assert (away.status_code, away.json()["code"]) == (503, "payment_provider_unavailable")
    sandbox.start()
    again = anna.api.post(f"/api/v1/booking/bookings/{held['id']}/checkout", {})
    assert again.status_code == 200
    assert again.json()["payment"]["page_url"].startswith(sandbox.url)


def test_bo8_a_lost_webhook_is_made_good_by_asking_the_provider(sandbox, deaf, staff_client):
    payment = paid(make_event(kinds=(PAID,)))
    form = {"action": "ask_the_provider", "_selected_action": [str(payment.pk)]}
    answer = staff_client("operator").post("/admin/booking/payment/", form, follow=True)
    assert b"1 brought up to date" in answer.content
    settle()
    assert Booking.objects.get().status == "confirmed"


def test_bo8_a_webhook_that_nobody_signed_changes_nothing(sandbox, anonymous):
    payment = paid(make_event(kinds=(PAID,)))
    forged = {"id": "e", "type": "payment.authorised", "payment": payment.provider_id, "reference": str(payment.pk)}
    for signature in ({}, {"Sandbox-Signature": "t=1,v1=00"}):
        answer = anonymous.post("/api/v1/booking/payments/webhook", forged, headers=signature)
        assert (answer.status_code, answer.json()["code"]) == (400, "signature_invalid")
