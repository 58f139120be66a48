"""Free places over a WebSocket: the counts first, then every change; and what concerns one person alone."""

import pytest

from contexts.booking import organising
from kernel.realtime import in_thread
from tests.booking.conftest import BOOKING, book, check_out, make_event

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

ONE = organising.Kind(name="Entry", price_minor=0, quota=1)


def path(sport_event) -> str:
    """Where an event is watched."""
    return f"/ws/v1/booking/events/{sport_event.pk}"


async def test_a_watcher_sees_places_go_and_come_back(register, socket):
    anna, watcher = await in_thread(register), await in_thread(register)
    run = await in_thread(make_event)
    async with socket(path(run), watcher.token) as ws:
        first = await ws.next("places")
        assert (first["free"], first["capacity"], first["status"]) == (10, 10, "published")
        held = await in_thread(book, anna, run, 3)
        assert (await ws.next("places"))["free"] == 7
        await in_thread(anna.api.post, f"{BOOKING}/bookings/{held.json()['id']}/cancel")
        assert (await ws.next("places"))["free"] == 10


async def test_bo3_the_offer_reaches_whose_turn_it_is_and_nobody_else(register, socket, deliver):
    anna, boris, other = [await in_thread(register) for _ in range(3)]
    run = await in_thread(lambda: make_event(kinds=(ONE,)))
    held = (await in_thread(book, anna, run)).json()
    await in_thread(boris.api.post, f"{BOOKING}/events/{run.pk}/waitlist", {"quantity": 1})
    async with socket(path(run), boris.token) as his, socket(path(run), other.token) as theirs:
        await his.next("places")
        await theirs.next("places")
        await in_thread(anna.api.post, f"{BOOKING}/bookings/{held['id']}/cancel")
        await in_thread(deliver)
        offer = await his.next("offer")
        assert offer["quantity"] == 1
        await in_thread(check_out, boris, offer["booking_id"])
        confirmed = await his.next("booking")
        assert (confirmed["booking_id"], confirmed["status"]) == (offer["booking_id"], "confirmed")
        told = [await theirs.next(), await theirs.next()]
        assert {frame["type"] for frame in told} == {"places"}


async def test_a_draft_is_watched_by_nobody(register, socket):
    watcher, draft = await in_thread(register), await in_thread(lambda: make_event(is_open=False))
    ws = socket(path(draft), watcher.token)
    await ws.connect(timeout=10)
    assert await ws.closed_with() == 4404
