"""ID-10 in booking: what one takes along, and what is left of who goes."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from contexts.booking.models import Booking, DayPlace, Payment, SportEvent, Ticket, WaitlistEntry
from kernel import personal_data
from kernel.payments import ledger
from tests.booking.conftest import BOOKING, PAID, book, check_out, make_event, settle
from tests.booking.test_never_oversold import broken
from tests.payments.sandbox import pay

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def test_id10_who_leaves_gives_their_places_back_and_money_stays_without_a_name(register, sandbox):
    anna, boris, run = register(), register(), make_event(kinds=(PAID,), capacity=10)
    held = book(anna, run, 10).json()
    pay(check_out(anna, held["id"]).json()["payment"]["page_url"], "4242424242424242")
    sandbox.listener.wait_for(1)
    settle()
    assert boris.api.post(f"{BOOKING}/events/{run.pk}/waitlist", {"quantity": 2}).status_code == 201
    for _ in range(2):  # a repeated erasure finds nothing more to do
        personal_data.erase("booking", anna.user_id)
    settle()
    assert not Booking.objects.filter(user_id=anna.user_id).exists()
    assert not Ticket.objects.filter(holder_id=anna.user_id).exists()
    assert not DayPlace.objects.filter(user_id=anna.user_id).exists()
    payment = Payment.objects.get()
    assert (payment.status, payment.refunded_minor) == ("captured", 25_000)
    assert ledger.balances(context="booking", order_id=payment.booking_id)["provider"].minor == 0
    assert WaitlistEntry.objects.get(user_id=boris.user_id).status == "offered"
    assert broken() == {}


def test_id10_what_an_organiser_leaves_behind_does_not_take_place(register):
    olga = register()
    coming, past = make_event(organiser_id=olga.user_id), make_event(organiser_id=olga.user_id)
    SportEvent.objects.filter(pk=past.pk).update(
        starts_at=now() - timedelta(days=2), ends_at=now() - timedelta(days=1), status="finished"
    )
    personal_data.erase("booking", olga.user_id)
    assert not SportEvent.objects.filter(organiser_id=olga.user_id).exists()
    assert SportEvent.objects.get(pk=coming.pk).status == "cancelled"
    assert SportEvent.objects.get(pk=past.pk).status == "finished"
