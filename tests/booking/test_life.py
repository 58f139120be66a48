"""The whole life of bookings against a model of a few lines, whatever is done in whatever order (hypothesis)."""

import os
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.core.management import call_command
from django.utils.timezone import now
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contexts.booking import cancelling, organising, paying, releasing, reserving, rules, waitlist
from contexts.booking.models import Booking, SportEvent, WaitlistEntry
from kernel.errors import Refused
from kernel.events import uuid7
from tests.booking.conftest import make_event, wish
from tests.booking.test_never_oversold import broken

CAPACITY = 5
LIVES = int(os.environ.get("BOOKING_LIVES", "15"))


class Life(RuleBasedStateMachine):
    """Five places, a clock that only moves forward, and people who do as they like.

    The model: `having` says who has how many places until when (`None`: for good), `queue` who waits for how many.
    """

    def __init__(self) -> None:
        super().__init__()
        self.having: dict[UUID, tuple[int, datetime | None]] = {}
        self.queue: list[tuple[bool, int, UUID, int]] = []
        self.people = [uuid7() for _ in range(7)]
        self.at = now()
        self.joined = 0

    @initialize()
    def begin(self) -> None:
        """An event with five places."""
        kind = organising.Kind(name="Entry", price_minor=0, quota=CAPACITY)
        self.run = make_event(kinds=(kind,))

    def free(self) -> int:
        """What nobody has, by the model."""
        return CAPACITY - sum(quantity for quantity, _ in self.having.values())

    def tidy(self) -> None:
        """What has run out is free, and goes to who waits, first come first served where it fits."""
        self.having = {who: one for who, one in self.having.items() if one[1] is None or one[1] > self.at}
        for entry in sorted(self.queue, key=lambda one: (not one[0], one[1])):
            _, _, who, quantity = entry
            if quantity <= self.free():
                self.having[who] = (quantity, self.at + rules.OFFER)
                self.queue.remove(entry)

    def does(self, call, expected: str | None) -> None:
        """It is done, or refused with this code."""
        try:
            call()
            told = None
        except Refused as refused:
            told = refused.code
        assert told == expected

    @rule(who=st.integers(0, 6), quantity=st.integers(1, 3))
    def hold(self, who: int, quantity: int) -> None:
        """Somebody wants places."""
        person = self.people[who]
        self.tidy()
        expected = "already_booked" if person in self.having else "sold_out" if quantity > self.free() else None
        wanted = wish(self.run, user_id=person, quantity=quantity)
        self.does(lambda: reserving.hold_places(sport_event_id=self.run.pk, wish=wanted, at=self.at), expected)
        if expected is None:
            self.having[person] = (quantity, self.at + rules.HOLD)

    @rule(who=st.integers(0, 6), quantity=st.integers(1, 3), is_premium=st.booleans())
    def wait(self, who: int, quantity: int, is_premium: bool) -> None:
        """Somebody stands in line."""
        person = self.people[who]
        before = (dict(self.having), list(self.queue))
        self.tidy()
        waits = any(one[2] == person for one in self.queue)
        expected = (
            "already_booked"
            if person in self.having
            else "already_waiting"
            if waits
            else "places_free"
            if quantity <= self.free()
            else None
        )
        wanted = wish(self.run, user_id=person, quantity=quantity, is_premium=is_premium)
        self.does(
            lambda: waitlist.join(sport_event_id=self.run.pk, wish=wanted, ticket_type_id=None, at=self.at), expected
        )
        if expected is None:
            self.joined += 1
            self.queue.append((is_premium, self.joined, person, quantity))
        else:
            self.having, self.queue = before  # a refusal has no effect, tidying up neither
        self.at += timedelta(milliseconds=1)

    @precondition(lambda self: self.having)
    @rule(nth=st.integers(0, 6), confirms=st.booleans())
    def use(self, nth: int, confirms: bool) -> None:
        """Somebody checks out, or gives their places back; who comes too late hears so."""
        person = list(self.having)[nth % len(self.having)]
        booking = Booking.objects.filter(user_id=person).latest("held_at", "id")
        quantity, until = self.having[person]
        is_over = until is not None and until <= self.at
        if confirms:
            expected = "hold_expired" if is_over else None
            self.does(lambda: paying.check_out(booking_id=booking.pk, by=person, return_url="", at=self.at), expected)
            if expected is None:
                self.having[person] = (quantity, None)
            return
        cancelling.cancel_booking(booking_id=booking.pk, by=person, at=self.at)
        if not is_over:
            del self.having[person]
            self.tidy_after_cancel()

    def tidy_after_cancel(self) -> None:
        """Cancelling serves the waitlist with what was given back; what ran out meanwhile is tidied with the next."""
        for entry in sorted(self.queue, key=lambda one: (not one[0], one[1])):
            _, _, who, quantity = entry
            if quantity <= self.free():
                self.having[who] = (quantity, self.at + rules.OFFER)
                self.queue.remove(entry)

    @rule(minutes=st.sampled_from([1, 14, 15, 16, 119, 121]))
    def let_time_pass(self, minutes: int) -> None:
        """The clock moves."""
        self.at += timedelta(minutes=minutes)

    @rule()
    def sweep(self) -> None:
        """The sweeper comes by."""
        self.tidy()
        releasing.tidy(sport_event_id=self.run.pk, at=self.at)

    @invariant()
    def agrees(self) -> None:
        """The database says what the model says, and no rule is broken."""
        if not hasattr(self, "run"):
            return
        active = Booking.objects.active().filter(sport_event=self.run)
        assert {one.user_id: (one.quantity, one.expires_at) for one in active} == self.having
        waiting = WaitlistEntry.objects.waiting().filter(sport_event=self.run).values_list("user_id", flat=True)
        assert list(waiting) == [who for _, _, who, _ in sorted(self.queue, key=lambda one: (not one[0], one[1]))]
        assert SportEvent.objects.get(pk=self.run.pk).free == self.free()
        assert broken() == {}

    def teardown(self) -> None:
        """Nothing is left for the next life."""
        call_command("flush", database="booking", interactive=False, verbosity=0)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.django_db(databases="__all__", transaction=True)
def test_bo2_whatever_is_done_the_places_are_as_a_simple_model_says():
    checked = settings(
        max_examples=LIVES, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Life, settings=checked)
