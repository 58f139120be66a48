"""BO-6: no place is ever sold twice, however many want it at once; and the detector sees it when one is."""

import os
import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from django.db import connections
from django.db.utils import IntegrityError
from django.utils.timezone import now

from contexts.booking import organising, places, reserving, rules
from contexts.booking.api.bookings import BookingsOfEvent
from contexts.booking.events import SeatHeld
from contexts.booking.models import Booking, DayPlace, Seat, SportEvent
from kernel.databases import try_gate, unit_of_work
from kernel.errors import Refused
from kernel.events import uuid7
from kernel.models import OutboxEvent
from kernel.observability import invariants
from tests.booking.conftest import FREE, at_once, book, counts_add_up, make_event, wish

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

ONE = organising.Kind(name="Entry", price_minor=0, quota=1)
ROUNDS = int(os.environ.get("BOOKING_ROUNDS", "1"))
CONNECTIONS, ATTEMPTS, SEATS = 64, 2_000, 500
KINDS = (
    organising.Kind(name="Early", price_minor=0, quota=100),
    organising.Kind(name="Team", price_minor=0, quota=250),
    organising.Kind(name="Late", price_minor=0, quota=300),
)


def broken() -> dict[str, object]:
    """The invariants of booking that do not hold, with rows that break them."""
    ours = [known for known in invariants() if known.context == "booking"]
    return {known.id: rows for known in ours if (rows := known.violations())}


class Alone:
    """Nobody is gathered with anybody."""

    def ask(self, _, asked):
        """A transaction for each."""
        return reserving.hold_all(sport_event_id=asked.sport_event_id, asked=[asked])[0]


def final(answers: list[object]) -> Counter[str]:
    """What came of the attempts; anything but a booking or a refusal is no final answer."""
    strange = [one for one in answers if not isinstance(one, Booking | Refused)]
    assert strange == []
    return Counter(one.code if isinstance(one, Refused) else "held" for one in answers)


def attempts(sport_event: SportEvent, dice: random.Random, number: int) -> list[partial]:
    """Wishes of strangers for one to four places of one or two ticket types."""
    types = list(sport_event.ticket_types.order_by("position"))
    return [
        partial(
            reserving.hold_places,
            sport_event_id=sport_event.pk,
            wish=rules.Wish(
                user_id=uuid7(),
                places=tuple(
                    rules.Place(ticket_type_id=one.pk, quantity=dice.choice((1, 1, 1, 2)))
                    for one in dice.sample(types, dice.choice((1, 1, 1, 2)))
                ),
            ),
            at=now(),
        )
        for _ in range(number)
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(ROUNDS))
@pytest.mark.parametrize("manner", ["gathered", "each in a transaction of its own"])
def test_bo6_2000_attempts_over_64_connections_never_oversell_500_places(manner, seed, monkeypatch):
    dice = random.Random(seed)
    if manner != "gathered":
        monkeypatch.setattr(reserving, "_gathered", Alone())
    run = make_event(kinds=KINDS, capacity=SEATS)
    told = final(at_once(attempts(run, dice, ATTEMPTS), threads=CONNECTIONS))
    fresh = SportEvent.objects.get()
    held = sum(Booking.objects.values_list("quantity", flat=True))
    assert told["held"] == Booking.objects.count()
    assert set(told) == {"held", "sold_out"}
    assert (fresh.held, fresh.held + fresh.free) == (held, SEATS)
    assert counts_add_up(run)
    assert broken() == {}


def test_bo6_a_numbered_seat_is_given_once(register):
    labels = tuple(f"B{number}" for number in range(1, 21))
    spin = make_event(kinds=(organising.Kind(name="Bike", price_minor=0, quota=20, seats=labels),))
    dice = random.Random(4)
    calls = [
        partial(
            reserving.hold_places,
            sport_event_id=spin.pk,
            wish=wish(spin, quantity=2, seats=tuple(dice.sample(labels, 2))),
            at=now(),
        )
        for _ in range(120)
    ]
    answers = at_once(calls, threads=16)
    told = final(answers)
    assert set(told) <= {"held", "seat_taken", "sold_out"}
    assert told["held"] == Booking.objects.count() == Seat.objects.exclude(booking=None).count() / 2
    taken = next(one for one in answers if isinstance(one, reserving.SeatTaken) and one.extra["free"])
    assert set(taken.extra["free"]).isdisjoint(taken.extra["taken"])
    assert broken() == {}


def test_bo6_the_database_refuses_even_when_the_application_does_not(monkeypatch):
    run = make_event(kinds=(FREE,))
    monkeypatch.setattr(rules.Vacancies, "have", lambda self, places: True)
    for _ in range(10):
        reserving.hold_places(sport_event_id=run.pk, wish=wish(run), at=now())
    with pytest.raises(IntegrityError, match="booking_never_more"):
        reserving.hold_places(sport_event_id=run.pk, wish=wish(run), at=now())
    assert SportEvent.objects.get().held == 10


@unit_of_work("booking", isolation="read committed")
def _hold_without_guard(*, sport_event: SportEvent, all_have_looked: threading.Barrier) -> None:
    """As shops do that oversell: look, then take, without a lock, a gate or a constraint."""
    seen = SportEvent.objects.get(pk=sport_event.pk)
    if Booking.objects.active().filter(sport_event=seen).count() >= seen.capacity:
        raise reserving.SoldOut
    all_have_looked.wait()
    at = now()
    Booking.objects.create(
        sport_event=seen, user_id=uuid7(), status="held", quantity=1, total_minor=0, currency="EUR", held_at=at,
        expires_at=at + rules.HOLD,
    )  # fmt: skip


def test_bo6_the_detector_sees_an_oversold_event():
    run = make_event(kinds=(FREE,))
    barrier = threading.Barrier(16, timeout=20)
    at_once([partial(_hold_without_guard, sport_event=run, all_have_looked=barrier)] * 16, threads=16)
    assert Booking.objects.active().count() > run.capacity
    assert "B1" in broken()
    assert not counts_add_up(run)


def test_bo4_100_parallel_bookings_of_one_day_are_exactly_two():
    events, me = [make_event() for _ in range(50)], uuid7()
    calls = [
        partial(reserving.hold_places, sport_event_id=one.pk, wish=wish(one, user_id=me), at=now())
        for one in events * 2
    ]
    told = final(at_once(calls, threads=32))
    assert told["held"] == 2
    assert set(told) <= {"held", "daily_limit", "already_booked"}
    assert Booking.objects.count() == DayPlace.objects.count() == 2
    assert broken() == {}


def test_bo4_the_database_holds_the_two_a_day(monkeypatch):
    me = uuid7()
    monkeypatch.setattr(rules, "MAX_EVENTS_A_DAY", 3)
    for _ in range(2):
        one = make_event()
        reserving.hold_places(sport_event_id=one.pk, wish=wish(one, user_id=me), at=now())
    third = make_event()
    with pytest.raises(IntegrityError, match="booking_two_events_a_day"):
        reserving.hold_places(sport_event_id=third.pk, wish=wish(third, user_id=me), at=now())


def test_p8_serializable_is_what_booking_runs_at_and_the_gate_spares_the_retries(monkeypatch):
    levels, retries = set(), []
    whole = places.vacancies_of

    def watched(*words):
        with connections["booking"].cursor() as cursor:
            cursor.execute("SHOW transaction_isolation")
            levels.add(cursor.fetchone()[0])
        return whole(*words)

    monkeypatch.setattr(places, "vacancies_of", watched)
    monkeypatch.setattr("kernel.databases.log.debug", lambda *words, **more: retries.append(words))
    run = make_event(kinds=(organising.Kind(name="Entry", price_minor=0, quota=400),))
    told = final(
        at_once(
            [partial(reserving.hold_places, sport_event_id=run.pk, wish=wish(run), at=now()) for _ in range(400)],
            threads=32,
        )
    )
    assert told == {"held": 400}
    assert levels == {"serializable"}
    assert len(retries) < 4, f"{len(retries)} retries in 400 bookings"


def test_bo6_1000_replays_of_one_key_are_one_booking_with_one_answer(register, monkeypatch):
    monkeypatch.setattr(BookingsOfEvent, "limit", None)
    anna, run = register(), make_event()
    types = str(run.ticket_types.get().pk)
    body = {"places": [{"ticket_type_id": types, "quantity": 1}]}
    path, key = f"/api/v1/booking/events/{run.pk}/bookings", {"Idempotency-Key": "once"}
    first = anna.api.post(path, body, headers=key)
    answers = at_once([partial(anna.api.post, path, body, headers=key) for _ in range(1_000)], threads=8)
    codes = Counter(answer.status_code for answer in answers)
    assert set(codes) == {201}
    assert {answer.content for answer in answers if answer.status_code == 201} == {first.content}
    assert Booking.objects.count() == 1


def test_bo6_a_crash_between_the_commit_and_the_answer_loses_neither(register, monkeypatch):
    anna, run = register(), make_event()
    body = {"places": [{"ticket_type_id": str(run.ticket_types.get().pk), "quantity": 1}]}
    path, key = f"/api/v1/booking/events/{run.pk}/bookings", {"Idempotency-Key": "once"}
    whole = reserving.hold_places

    def dies_afterwards(**words):
        whole(**words)
        raise SystemError("the power went")

    monkeypatch.setattr(reserving, "hold_places", dies_afterwards)
    with pytest.raises(SystemError):
        anna.api.post(path, body, headers=key)
    monkeypatch.undo()
    again = anna.api.post(path, body, headers=key)
    assert (again.status_code, again["Idempotency-Replayed"]) == (201, "true")
    assert again.json()["id"] == str(Booking.objects.get().pk)


def test_bo6_a_refusal_is_not_kept_under_the_key(register):
    anna, boris, run = register(), register(), make_event()
    path, key = f"/api/v1/booking/events/{run.pk}/bookings", {"Idempotency-Key": "once"}
    body = {"places": [{"ticket_type_id": str(run.ticket_types.get().pk), "quantity": 10}]}
    held = book(boris, run, 1).json()
    assert anna.api.post(path, body, headers=key).json()["code"] == "sold_out"
    boris.api.post(f"/api/v1/booking/bookings/{held['id']}/cancel")
    assert anna.api.post(path, body, headers=key).status_code == 201


def test_bo6_the_same_person_books_an_event_once(register):
    anna, run = register(), make_event()
    answers = at_once([partial(book, anna, run) for _ in range(8)], threads=8)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"already_booked"}


def test_an_event_that_is_being_changed_keeps_nobody_else_waiting():
    busy, other = make_event(), make_event()
    taken, go_on = threading.Event(), threading.Event()

    def change() -> None:
        with try_gate("booking", "sport_event_id", busy.pk) as ours:
            assert ours
            taken.set()
            assert go_on.wait(20)

    def hold(run: SportEvent) -> Booking:
        return reserving.hold_places(sport_event_id=run.pk, wish=wish(run), at=now())

    with ThreadPoolExecutor(8) as pool:
        changing = pool.submit(at_once, [change], threads=1)
        assert taken.wait(20)
        kept_waiting = [pool.submit(at_once, [partial(hold, busy)], threads=1) for _ in range(3)]
        assert [one.sport_event_id for one in at_once([partial(hold, other)] * 5, threads=2)] == [other.pk] * 5
        assert not any(one.done() for one in kept_waiting)
        go_on.set()
        changing.result(20)
        assert {one.result(20)[0].sport_event_id for one in kept_waiting} == {busy.pk}
    assert broken() == {}


def test_wishes_gathered_from_many_events_each_get_their_own_answer():
    full, draft, spacious = make_event(kinds=(ONE,)), make_event(is_open=False), [make_event() for _ in range(3)]
    me = uuid7()
    asked = [
        reserving.Asked(run.pk, wish(run, user_id=user), now(), correlation_id=f"request {number}")
        for number, (run, user) in enumerate(
            [(full, None), (full, None), (draft, None), *((run, me) for run in spacious), (spacious[2], None)]
        )
    ]
    answers = at_once([partial(reserving._gathered._serve, None, asked)], threads=1)[0]
    told = [one.code if isinstance(one, Refused) else "held" for one in answers]
    assert told == ["held", "sold_out", "not_found", "held", "held", "daily_limit", "held"]
    requests = OutboxEvent.objects.using("booking").filter(type=SeatHeld.type).order_by("position")
    held_by = [f"request {number}" for number, one in enumerate(told) if one == "held"]
    assert list(requests.values_list("correlation_id", flat=True)) == held_by
    assert broken() == {}
