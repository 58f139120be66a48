"""Staff's screens: looked at by moderators, changed by buttons alone, each of them written down."""

import pytest

from contexts.booking.models import Booking, SportEvent, WaitlistEntry
from contexts.identity.models import AuditEntry
from tests.booking.conftest import BOOKING, book, check_out, make_event, settle
from tests.booking.test_never_oversold import broken

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

PAGES = ["sportevent", "booking", "payment", "process"]


@pytest.mark.parametrize("page", PAGES)
def test_a_moderator_looks_and_edits_nothing(staff_client, page):
    moderator = staff_client("moderator")
    assert moderator.get(f"/admin/booking/{page}/").status_code == 200
    assert moderator.get(f"/admin/booking/{page}/add/").status_code == 403


def test_an_event_shows_its_capacity_and_its_waitlist_at_a_glance(staff_client, register):
    run, anna, boris = make_event(), register(), register()
    book(anna, run, 10)
    boris.api.post(f"{BOOKING}/events/{run.pk}/waitlist", {"quantity": 2})
    shown = staff_client("moderator").get(f"/admin/booking/sportevent/{run.pk}/change/").content.decode()
    assert str(boris.user_id) in shown
    assert str(anna.user_id) not in shown


def test_a_moderator_ends_a_booking_and_it_is_written_down(staff_client, register):
    run, anna, boris = make_event(), register(), register()
    held = book(anna, run, 10).json()
    check_out(anna, held["id"])
    boris.api.post(f"{BOOKING}/events/{run.pk}/waitlist", {"quantity": 2})
    form = {"action": "cancel_with_refund", "_selected_action": [held["id"]]}
    answer = staff_client("moderator").post("/admin/booking/booking/", form, follow=True)
    assert b"1 cancelled." in answer.content
    ended = Booking.objects.get(pk=held["id"])
    assert (ended.status, ended.end_reason) == ("cancelled", "cancelled_by_staff")
    assert WaitlistEntry.objects.get().status == "offered"
    entry = AuditEntry.objects.get(action="admin.cancel_with_refund")
    assert entry.subject == anna.user_id
    assert broken() == {}


def test_a_moderator_cancels_an_event(staff_client, register):
    run, anna = make_event(), register()
    held = book(anna, run).json()
    form = {"action": "cancel_events", "_selected_action": [str(run.pk)]}
    assert b"1 cancelled." in staff_client("moderator").post("/admin/booking/sportevent/", form, follow=True).content
    settle()
    assert SportEvent.objects.get().status == "cancelled"
    assert Booking.objects.get(pk=held["id"]).end_reason == "event_cancelled"


def test_money_is_an_operators_affair(staff_client):
    page = staff_client("moderator").get("/admin/booking/process/").content.decode()
    assert "Try the selected processes again" not in page
    assert staff_client("support").get("/admin/booking/booking/").status_code == 403
