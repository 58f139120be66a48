"""BO-1, BO-7: what organisers do, over HTTP: drafts, publishing, changes, moves, cancellations, series, decisions."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils.timezone import now

from contexts.booking import organising, series
from contexts.booking.models import Booking, DayPlace, SportEvent
from tests.booking.conftest import BOOKING, FREE, PAID, book, check_out, make_event, settle
from tests.booking.test_never_oversold import broken
from tests.payments.sandbox import pay

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

GOOD = "4242424242424242"


def form(**changes: Any) -> dict[str, Any]:
    """What an organiser sends."""
    starts = now() + timedelta(days=20)
    usual = {
        "title": "Lake swim",
        "sport": "swimming",
        "venue": "Ķīšezers",
        "time_zone": "Europe/Riga",
        "starts_at": starts.isoformat(),
        "ends_at": (starts + timedelta(hours=2)).isoformat(),
        "ticket_types": [{"name": "Swimmer", "price_minor": 1_500, "quota": 30}],
    }
    return usual | changes


def test_bo1_an_organiser_drafts_publishes_and_is_found(organiser, anonymous):
    made = organiser.api.post(f"{BOOKING}/events", form())
    assert made.status_code == 201, made.content
    where = made.headers["Location"]
    assert anonymous.get(where).status_code == 404
    assert organiser.api.get(where).json()["status"] == "draft"
    assert organiser.api.post(f"{where}/publication").json()["status"] == "published"
    listed = anonymous.get(f"{BOOKING}/events").json()["items"]
    assert [one["id"] for one in listed] == [made.json()["id"]]
    assert organiser.api.get(f"{BOOKING}/events/organised").json()["items"][0]["free_places"] == 30


def test_bo1_only_organisers_make_events_and_only_their_own_change(organiser, register):
    anna = register()
    assert anna.api.post(f"{BOOKING}/events", form()).status_code == 403
    others = make_event()
    for method, path in (("patch", ""), ("post", "/publication"), ("post", "/cancellation"), ("get", "/bookings")):
        body = {"title": "x", "reason": "x"} if method != "get" else None
        answer = organiser.api.request(method, f"{BOOKING}/events/{others.pk}{path}", body)
        assert answer.status_code == 404, path


def test_bo1_what_is_sold_keeps_its_price(organiser):
    run = make_event(organiser_id=organiser.user_id)
    answer = organiser.api.patch(
        f"{BOOKING}/events/{run.pk}", {"ticket_types": [{"name": "Entry", "price_minor": 1, "quota": 5}]}
    )
    assert (answer.status_code, answer.json()["code"]) == (409, "only_drafts")
    draft = make_event(organiser_id=organiser.user_id, is_open=False)
    changed = organiser.api.patch(
        f"{BOOKING}/events/{draft.pk}", {"ticket_types": [{"name": "Bike", "price_minor": 1, "seats": ["A", "B"]}]}
    )
    assert (changed.status_code, changed.json()["capacity"], changed.json()["is_numbered"]) == (200, 2, True)


def test_bo1_capacity_never_falls_below_what_is_taken(organiser, register):
    run, anna = make_event(organiser_id=organiser.user_id), register()
    book(anna, run, 5)
    quotas = [{"ticket_type_id": str(run.ticket_types.get().pk), "quota": 4}]
    answer = organiser.api.patch(f"{BOOKING}/events/{run.pk}", {"capacity": 4, "quotas": quotas})
    assert (answer.status_code, answer.json()["code"], answer.json()["taken"]) == (409, "capacity_too_small", 5)


def test_bo7_a_cancelled_event_gives_everybody_all_their_money(organiser, register, sandbox):
    run = make_event(organiser_id=organiser.user_id, kinds=(PAID,), refund_tiers=[])
    people = [register() for _ in range(3)]
    for person in people:
        page = check_out(person, book(person, run).json()["id"]).json()["payment"]["page_url"]
        pay(page, GOOD)
    sandbox.listener.wait_for(3)
    settle()
    answer = organiser.api.post(f"{BOOKING}/events/{run.pk}/cancellation", {"reason": "Storm warning"})
    assert (answer.status_code, answer.json()["total"], answer.json()["status"]) == (202, 3, "cancelled")
    settle()
    progress = organiser.api.get(f"{BOOKING}/events/{run.pk}/cancellation").json()
    assert (progress["done"], progress["finished_at"] is not None) == (3, True)
    assert {book["refunded_minor"] for book in sandbox.books().values()} == {2_500}
    mine = people[0].api.get(f"{BOOKING}/bookings").json()["items"][0]
    assert (mine["status"], mine["end_reason"]) == ("cancelled", "event_cancelled")
    assert book(people[0], run).json()["code"] == "closed"
    assert broken() == {}


def test_bo7_moving_an_event_asks_who_has_places(organiser, register, sandbox):
    run = make_event(organiser_id=organiser.user_id, kinds=(PAID,), refund_tiers=[])
    stays, goes = register(), register()
    ids = {}
    for person in (stays, goes):
        held = book(person, run).json()
        ids[person.email] = held["id"]
        pay(check_out(person, held["id"]).json()["payment"]["page_url"], GOOD)
    sandbox.listener.wait_for(2)
    settle()
    starts = run.starts_at + timedelta(days=1)
    times = {"starts_at": starts.isoformat(), "ends_at": (starts + timedelta(hours=1)).isoformat()}
    assert organiser.api.patch(f"{BOOKING}/events/{run.pk}", times).status_code == 200
    asked = stays.api.get(f"{BOOKING}/bookings/{ids[stays.email]}").json()
    assert (asked["asked_to_move_at"] is not None, asked["refund_percent"]) == (True, 100)
    kept = stays.api.post(f"{BOOKING}/bookings/{ids[stays.email]}/accepted-move").json()
    assert (kept["status"], kept["asked_to_move_at"], kept["refund_percent"]) == ("confirmed", None, 0)
    goes.api.post(f"{BOOKING}/bookings/{ids[goes.email]}/cancel")
    settle()
    assert sorted(one["refunded_minor"] for one in sandbox.books().values()) == [0, 2_500]
    assert DayPlace.objects.count() == 0
    assert broken() == {}


@pytest.mark.parametrize(("coming", "status"), [(2, "cancelled"), (3, "published")])
def test_bo1_too_few_participants_cancel_an_event_at_its_time(register, coming, status):
    run = make_event(min_participants=3, decide_at=now() + timedelta(days=1))
    for _ in range(coming):
        person = register()
        check_out(person, book(person, run).json()["id"])
    assert organising.decide_due(at=now()) == 0
    assert organising.decide_due(at=now() + timedelta(days=1)) == 1
    assert SportEvent.objects.get().status == status
    settle(at=now() + timedelta(days=1))
    assert set(Booking.objects.values_list("status", flat=True)) == (
        {"cancelled"} if status == "cancelled" else {"confirmed"}
    )


def test_bo1_a_series_keeps_its_local_time_over_the_change_of_clocks(organiser):
    starts = "2027-03-22T18:00:00+02:00"  # Riga goes to summer time on the 28th
    body = {
        "rule": "FREQ=WEEKLY;BYDAY=MO,WE;COUNT=4",
        "publish": True,
        "sport_event": form(starts_at=starts, ends_at="2027-03-22T19:00:00+02:00"),
    }
    made = organiser.api.post(f"{BOOKING}/series", body)
    assert made.status_code == 201, made.content
    events = SportEvent.objects.order_by("starts_at")
    assert [one.starts_at.isoformat() for one in events] == [
        "2027-03-22T16:00:00+00:00",
        "2027-03-24T16:00:00+00:00",
        "2027-03-29T15:00:00+00:00",
        "2027-03-31T15:00:00+00:00",
    ]
    assert {one.status for one in events} == {"published"}
    again = organiser.api.get(f"{BOOKING}/series/{made.json()['id']}").json()
    assert again["sport_event_ids"] == [str(one.pk) for one in events]


def test_bo1_one_event_of_a_series_changes_alone_and_the_rest_ends_together(organiser):
    body = {"rule": "FREQ=DAILY;COUNT=5", "publish": True, "sport_event": form()}
    made = organiser.api.post(f"{BOOKING}/series", body).json()
    second = made["sport_event_ids"][1]
    organiser.api.patch(f"{BOOKING}/events/{second}", {"title": "By moonlight"})
    third = made["sport_event_ids"][2]
    organiser.api.post(f"{BOOKING}/events/{third}/cancellation", {"reason": "Holiday"})
    titles = list(SportEvent.objects.order_by("starts_at").values_list("title", "status"))
    assert titles[1] == ("By moonlight", "published")
    assert [status for _, status in titles].count("cancelled") == 1
    ended = organiser.api.post(f"{BOOKING}/series/{made['id']}/end", {"reason": "Season over"})
    assert (ended.status_code, ended.json()["cancelled"]) == (202, 4)
    assert set(SportEvent.objects.values_list("status", flat=True)) == {"cancelled"}


def test_bo1_an_endless_series_is_made_as_far_as_one_looks_ahead(organiser):
    body = {"rule": "FREQ=WEEKLY", "publish": False, "sport_event": form()}
    organiser.api.post(f"{BOOKING}/series", body)
    before = SportEvent.objects.count()
    later = now() + timedelta(days=60)
    assert series.extend_due(at=later) >= 5
    assert series.extend_due(at=later) == 0
    assert SportEvent.objects.count() >= before + 5
    starts = [one.starts_at for one in SportEvent.objects.order_by("starts_at")]
    assert all((b - a).days in (6, 7) for a, b in itertools.pairwise(starts))


@pytest.mark.parametrize("rule", ["FREQ=SECONDLY", "EVERY DAY", "FREQ=DAILY;BYHOUR=x", "", "FREQ=DAILY\nDTSTART:1"])
def test_a_rule_that_is_none_is_refused(organiser, rule):
    answer = organiser.api.post(f"{BOOKING}/series", {"rule": rule, "sport_event": form()})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "rule"


def test_an_organiser_sees_who_comes(organiser, register):
    run, anna = make_event(organiser_id=organiser.user_id, kinds=(FREE,)), register(display_name="Anna")
    book(anna, run, 2)
    (one,) = organiser.api.get(f"{BOOKING}/events/{run.pk}/bookings").json()["items"]
    assert (one["display_name"], one["quantity"], one["status"]) == ("Anna", 2, "held")
    assert datetime.fromisoformat(organiser.api.get(f"{BOOKING}/events/{run.pk}").json()["premium_opens_at"])
