"""A booking's life over HTTP: held, paid for, confirmed, cancelled, run out (BO-2, BO-5, BO-7, BO-8)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils.timezone import now

from contexts.booking import releasing
from contexts.booking.models import Booking, Payment, SportEvent, Ticket
from kernel.payments import Money, ledger
from tests.booking.conftest import (
    BOOKING,
    FREE,
    PAID,
    asked,
    book,
    check_out,
    counts_add_up,
    make_event,
    run_out,
    settle,
)
from tests.payments.sandbox import pay

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

GOOD, EARLY, THRICE, CAPTURE_REFUSED = "4242424242424242", "4000000000000036", "4000000000000028", "4000000000000119"


def test_bo2_a_free_place_is_held_and_confirmed_at_once(register):
    anna, run = register(), make_event()
    held = book(anna, run, 2)
    assert held.status_code == 201, held.content
    assert held.json()["status"] == "held"
    done = check_out(anna, held.json()["id"])
    assert (done.status_code, done.json()["status"], done.json()["expires_at"]) == (200, "confirmed", None)
    assert Ticket.objects.filter(holder_id=anna.user_id).count() == 2
    assert counts_add_up(run)


def test_bo5_a_hold_lasts_15_minutes_and_an_unpaid_booking_30(register, sandbox):
    anna, run = register(), make_event(kinds=(PAID,))
    held = book(anna, run).json()
    assert Booking.objects.get(pk=held["id"]).expires_at - Booking.objects.get(pk=held["id"]).held_at == timedelta(
        minutes=15
    )
    before = now()
    pending = check_out(anna, held["id"]).json()
    left = Booking.objects.get(pk=held["id"]).expires_at - before
    assert pending["status"] == "pending_payment"
    assert timedelta(minutes=30) <= left < timedelta(minutes=30, seconds=5)


def test_bo5_what_has_run_out_is_free_at_the_instant_with_every_worker_stopped(register):
    anna, boris, run = register(), register(), make_event(kinds=(replace(FREE, quota=1),))
    mine = book(anna, run).json()
    assert book(boris, run).json()["code"] == "sold_out"
    run_out(mine["id"])
    assert anna.api.get(f"{BOOKING}/bookings/{mine['id']}").json()["status"] == "expired"
    assert anna.api.get(f"{BOOKING}/events/{run.pk}").json()["free_places"] == 1
    assert check_out(anna, mine["id"]).json()["code"] == "hold_expired"
    assert book(boris, run).status_code == 201
    assert counts_add_up(run)


def test_bo8_paying_confirms_and_takes_the_money_once(register, sandbox):
    anna, run = register(), make_event(kinds=(PAID,))
    held = book(anna, run, 2).json()
    page = check_out(anna, held["id"]).json()["payment"]["page_url"]
    assert check_out(anna, held["id"]).json()["payment"]["page_url"] == page
    assert pay(page, THRICE).status_code == 303
    sandbox.listener.wait_for(3)
    settle()
    shown = anna.api.get(f"{BOOKING}/bookings/{held['id']}").json()
    assert (shown["status"], shown["payment"]["status"]) == ("confirmed", "captured")
    (ours,) = sandbox.books().values()
    assert (ours["status"], ours["captured_minor"]) == ("captured", 5_000)
    accounts = ledger.balances(context="booking", order_id=Booking.objects.get().pk)
    assert accounts == {"provider": Money(minor=5_000, currency="EUR"), "sales": Money(minor=-5_000, currency="EUR")}
    assert counts_add_up(run)


def test_bo8_the_word_of_a_payment_may_come_before_the_page_answers(register, sandbox):
    anna, run = register(), make_event(kinds=(PAID,))
    held = book(anna, run).json()
    page = check_out(anna, held["id"]).json()["payment"]["page_url"]
    pay(page, EARLY)
    assert Booking.objects.get().status == "confirmed"


def test_bo8_money_that_cannot_be_taken_ends_the_booking_and_frees_its_places(register, sandbox):
    anna, run = register(), make_event(kinds=(PAID,))
    held = book(anna, run).json()
    pay(check_out(anna, held["id"]).json()["payment"]["page_url"], CAPTURE_REFUSED)
    sandbox.listener.wait_for(1)
    settle()
    booking = Booking.objects.get()
    assert (booking.status, booking.end_reason, booking.payment.status) == ("cancelled", "payment_failed", "declined")
    assert SportEvent.objects.get().confirmed == 0
    assert counts_add_up(run)


@pytest.mark.parametrize(("before", "percent"), [(49, 100), (30, 50), (1, 0)])
def test_bo7_cancelling_gives_back_what_the_policy_says(register, sandbox, before, percent):
    at = now()
    starts = at + timedelta(hours=before)
    run = make_event(kinds=(PAID,), starts_at=starts, ends_at=starts + timedelta(hours=1), closes_at=starts)
    anna = register()
    held = book(anna, run).json()
    pay(check_out(anna, held["id"]).json()["payment"]["page_url"], GOOD)
    sandbox.listener.wait_for(1)
    settle()
    cancelled = anna.api.post(f"{BOOKING}/bookings/{held['id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    settle()
    again = anna.api.post(f"{BOOKING}/bookings/{held['id']}/cancel")
    assert again.json()["payment"]["refunded_minor"] == 25 * percent
    settle()
    (theirs,) = sandbox.books().values()
    assert theirs["refunded_minor"] == 25 * percent
    assert Ticket.objects.get().voided_at is not None
    assert SportEvent.objects.get().free == 10
    balance = ledger.balances(context="booking", order_id=Booking.objects.get().pk)
    assert balance["provider"].minor == theirs["captured_minor"] - theirs["refunded_minor"] == -balance["sales"].minor


def test_bo5_a_payment_after_the_time_is_confirmed_while_the_places_are_free(register, sandbox):
    anna, run = register(), make_event(kinds=(PAID,))
    held = book(anna, run).json()
    page = check_out(anna, held["id"]).json()["payment"]["page_url"]
    run_out(held["id"])
    pay(page, GOOD)
    sandbox.listener.wait_for(1)
    settle()
    assert Booking.objects.get().status == "confirmed"
    assert counts_add_up(run)


def test_bo5_a_payment_after_the_time_goes_back_when_the_places_are_somebody_elses(register, sandbox):
    anna, boris, run = register(), register(), make_event(kinds=(PAID,), capacity=10)
    held = book(anna, run, 10).json()
    page = check_out(anna, held["id"]).json()["payment"]["page_url"]
    run_out(held["id"])
    assert book(boris, run, 10).status_code == 201
    pay(page, GOOD)
    sandbox.listener.wait_for(1)
    settle()
    assert Booking.objects.get(pk=held["id"]).status == "expired"
    assert Payment.objects.get(booking_id=held["id"]).status == "voided"
    (theirs,) = sandbox.books().values()
    assert (theirs["status"], theirs["captured_minor"]) == ("voided", 0)
    assert counts_add_up(run)


def test_bo6_a_repeat_with_one_key_holds_nothing_twice(register):
    anna, run = register(), make_event()
    key = {"Idempotency-Key": "tap-tap"}
    path = f"{BOOKING}/events/{run.pk}/bookings"
    first = anna.api.post(path, asked(run), headers=key)
    second = anna.api.post(path, asked(run), headers=key)
    other = anna.api.post(path, asked(run, 2), headers=key)
    assert first.status_code == second.status_code == 201
    assert first.content == second.content
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert SportEvent.objects.get().held == 1


def test_anothers_booking_does_not_exist(register):
    anna, boris, run = register(), register(), make_event()
    held = book(anna, run).json()
    for method, path in (("get", ""), ("post", "/checkout"), ("post", "/cancel"), ("post", "/accepted-move")):
        body = {} if path == "/checkout" else None
        answer = boris.api.request(method, f"{BOOKING}/bookings/{held['id']}{path}", body)
        assert answer.status_code == 404, path


def test_tidying_up_frees_what_nobody_came_by_for(register):
    anna, run = register(), make_event()
    held = book(anna, run, 3).json()
    run_out(held["id"])
    assert releasing.with_lapsed(at=now()) == [run.pk]
    assert releasing.tidy(sport_event_id=run.pk, at=now()) == 1
    assert SportEvent.objects.get().held == 0
    assert Booking.objects.get().status == "expired"
