"""BO-3: who waits is served in order, inside the transaction that frees a place, and nobody gets in between."""

import threading
from datetime import timedelta
from functools import partial

import pytest
from django.utils.timezone import now

from contexts.booking import cancelling, organising, places, releasing, reserving, waitlist
from contexts.booking.models import Booking, SportEvent, WaitlistEntry
from contexts.identity import membership
from kernel.events import uuid7
from tests.booking.conftest import BOOKING, FREE, at_once, book, check_out, make_event, run_out, wish
from tests.booking.test_never_oversold import broken

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

ONE = organising.Kind(name="Entry", price_minor=0, quota=1)
TEN = organising.Kind(name="Entry", price_minor=0, quota=10)


def full(*, quota: int = 1):
    """An event whose places are all held, and the booking that holds them."""
    run = make_event(kinds=(organising.Kind(name="Entry", price_minor=0, quota=quota),))
    bookings = [reserving.hold_places(sport_event_id=run.pk, wish=wish(run), at=now()) for _ in range(quota)]
    return run, bookings


def wait(run: SportEvent, *, quantity: int = 1, is_premium: bool = False):
    """Somebody new stands in line; answers who."""
    who = uuid7()
    wanted = wish(run, user_id=who, quantity=quantity, is_premium=is_premium)
    waitlist.join(sport_event_id=run.pk, wish=wanted, ticket_type_id=None, at=now())
    return who


def offered() -> list:
    """To whom places are offered, in the order of the offers."""
    return list(Booking.objects.filter(is_offer=True).order_by("id").values_list("user_id", flat=True))


def cancel(booking: Booking) -> None:
    """Its holder gives it back."""
    cancelling.cancel_booking(booking_id=booking.pk, by=booking.user_id, at=now())


def test_bo3_a_freed_place_is_offered_in_the_transaction_that_frees_it(register):
    anna, boris, run = register(), register(), make_event(kinds=(ONE,))
    held = book(anna, run).json()
    joined = boris.api.post(f"{BOOKING}/events/{run.pk}/waitlist", {"quantity": 1})
    assert (joined.status_code, joined.json()["position"], joined.json()["reason"]) == (201, 1, "not_enough_free")
    anna.api.post(f"{BOOKING}/bookings/{held['id']}/cancel")
    assert SportEvent.objects.get().free == 0
    standing = boris.api.get(f"{BOOKING}/events/{run.pk}/waitlist").json()
    assert (standing["status"], standing["reason"]) == ("offered", "offered")
    assert check_out(boris, standing["booking_id"]).json()["status"] == "confirmed"
    assert boris.api.get(f"{BOOKING}/events/{run.pk}/waitlist").json()["status"] == "taken"
    assert broken() == {}


def test_bo4_premium_members_come_first_then_who_came_first():
    run, (booking, *_) = full(quota=3)
    first, second = wait(run), wait(run)
    premium, later_premium = wait(run, is_premium=True), wait(run, is_premium=True)
    assert waitlist.standing_of(sport_event_id=run.pk, user_id=first).position == 3
    for one in Booking.objects.filter(is_offer=False):
        cancel(one)
    assert offered() == [premium, later_premium, first]
    assert waitlist.standing_of(sport_event_id=run.pk, user_id=second).position == 1
    assert booking.pk != offered()[0]


def test_bo4_the_waitlist_is_no_way_around_the_premium_window():
    opens = now() + timedelta(hours=2)
    run = make_event(kinds=(ONE,), opens_at=opens)
    with pytest.raises(reserving.PremiumOnlyUntil):
        wait(run)
    held = reserving.hold_places(sport_event_id=run.pk, wish=wish(run, is_premium=True), at=now())
    lapsed_member = wait(run, is_premium=True)
    premium = wait(run, is_premium=True)
    waitlist.note_membership(user_id=lapsed_member, is_premium=False)
    cancel(held)
    assert offered() == [premium]


def test_bo4_who_becomes_premium_moves_ahead(register, deliver):
    run, (booking,) = full()
    anna, boris = register(), register()
    for person in (anna, boris):
        assert person.api.post(f"{BOOKING}/events/{run.pk}/waitlist", {"quantity": 1}).status_code == 201
    membership.grant(
        user_id=boris.user_id, tier="premium", until=now() + timedelta(days=30), reason="bought", by=boris.user_id,
        at=now(),
    )  # fmt: skip
    deliver()
    cancel(booking)
    assert offered() == [boris.user_id]


def test_bo3_an_offer_that_lapses_passes_on():
    run, (booking,) = full()
    first, second = wait(run), wait(run)
    cancel(booking)
    run_out(Booking.objects.get(user_id=first).pk)
    releasing.tidy(sport_event_id=run.pk, at=now())
    assert offered() == [first, second]
    assert WaitlistEntry.objects.get(user_id=first).status == "lapsed"
    assert broken() == {}


def test_bo3_who_wants_more_than_is_free_keeps_their_turn():
    run, bookings = full(quota=3)
    family, single = wait(run, quantity=2), wait(run)
    cancel(bookings[0])
    assert offered() == [single]
    assert waitlist.standing_of(sport_event_id=run.pk, user_id=family).position == 1
    cancel(bookings[1])
    assert waitlist.standing_of(sport_event_id=run.pk, user_id=family).reason == "not_enough_free"
    cancel(bookings[2])
    assert offered() == [single, family]


def test_bo3_more_capacity_goes_to_who_waits_first():
    run, _ = full(quota=2)
    first = wait(run)
    quotas = {run.ticket_types.get().pk: 3}
    organising.change_sport_event(
        sport_event_id=run.pk, by=run.organiser_id, changes={"capacity": 3, "quotas": quotas}, at=now()
    )
    assert offered() == [first]


def test_bo3_with_free_places_nobody_waits():
    run = make_event(kinds=(TEN,))
    with pytest.raises(waitlist.PlacesFree):
        wait(run)


def test_bo3_leaving_makes_room_for_the_next(register):
    run, (booking,) = full()
    anna = register()
    anna.api.post(f"{BOOKING}/events/{run.pk}/waitlist", {"quantity": 1})
    second = wait(run)
    assert anna.api.delete(f"{BOOKING}/events/{run.pk}/waitlist").status_code == 204
    assert anna.api.get(f"{BOOKING}/events/{run.pk}/waitlist").status_code == 404
    assert waitlist.standing_of(sport_event_id=run.pk, user_id=second).position == 1
    cancel(booking)
    assert offered() == [second]
    assert broken() == {}


SNIPERS, TRIES = 6, 170


def snipe(run: SportEvent) -> list:
    """A stranger who tries to book again and again; answers what they got."""
    got = []
    for _ in range(TRIES):
        try:
            got.append(reserving.hold_places(sport_event_id=run.pk, wish=wish(run), at=now()))
        except reserving.SoldOut:
            continue
    return got


def test_bo3_nobody_snipes_a_freed_place_in_1000_tries():
    """One place passes from hand to hand while strangers grab: each time it goes to who waits, in their order."""
    run, (booking,) = full()
    queue, sniping = [wait(run) for _ in range(5)], threading.Semaphore(0)

    def pass_on() -> list:
        current, passes = booking, 0
        while not sniping.acquire(blocking=False) or passes < 50:
            cancel(current)
            current = Booking.objects.active().get(sport_event=run)
            queue.append(wait(run))
            passes += 1
        return []

    def sniper() -> list:
        try:
            return snipe(run)
        finally:
            sniping.release()

    told = at_once([pass_on, *[sniper] * SNIPERS], threads=SNIPERS + 1)
    assert SNIPERS * TRIES >= 1_000
    assert [got for got in told if got != []] == []
    passed = offered()
    assert len(passed) >= 50
    assert passed == queue[: len(passed)]
    assert broken() == {}


def test_bo3_a_sniper_succeeds_where_freeing_and_offering_are_two_transactions(monkeypatch):
    """The negative control: serve the waitlist afterwards, as shops with a cron job do, and a stranger gets in."""
    run, (booking,) = full()
    queue = [wait(run) for _ in range(5)]
    monkeypatch.setattr(releasing.offering, "serve", lambda sport_event, at: None)
    cancel(booking)
    sniped = reserving.hold_places(sport_event_id=run.pk, wish=wish(run), at=now())
    assert sniped.user_id not in queue


def test_bo3_parallel_cancels_serve_in_strict_order():
    run, bookings = full(quota=20)
    queue = [wait(run) for _ in range(30)]
    at_once([partial(cancel, booking) for booking in bookings], threads=16)
    assert offered() == queue[:20]
    assert broken() == {}


def test_bo3_what_ran_out_is_no_strangers_while_somebody_waits():
    run, (booking,) = full()
    first = wait(run)
    run_out(booking.pk)
    assert places.free_places([SportEvent.objects.get()], at=now()) == {run.pk: 0}
    with pytest.raises(reserving.SoldOut):
        reserving.hold_places(sport_event_id=run.pk, wish=wish(run), at=now())
    assert offered() == [first]


def test_bo4_an_offer_counts_towards_the_two_of_the_day_when_it_is_taken(register):
    anna, run = register(), make_event(kinds=(ONE,))
    (held,) = [reserving.hold_places(sport_event_id=run.pk, wish=wish(run), at=now())]
    anna.api.post(f"{BOOKING}/events/{run.pk}/waitlist", {"quantity": 1})
    for _ in range(2):
        assert book(anna, make_event(kinds=(FREE,))).status_code == 201
    cancel(held)
    offer = anna.api.get(f"{BOOKING}/events/{run.pk}/waitlist").json()
    refused = check_out(anna, offer["booking_id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "daily_limit")
