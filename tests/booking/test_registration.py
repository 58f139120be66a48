"""BO-1, BO-4: when and for whom an event is open; days and clocks of other places."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils.timezone import now
from hypothesis import given
from hypothesis import strategies as st

from contexts.booking import organising, reserving, rules
from contexts.booking.models import DayPlace
from kernel.events import uuid7
from tests.booking.conftest import BOOKING, book, make_event, run_out, wish

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

INSTANT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
OPEN = rules.Registration(opens_at=INSTANT, closes_at=INSTANT + timedelta(days=3))


@pytest.mark.parametrize(
    ("is_premium", "at", "fault"),
    [
        (False, INSTANT - MILLISECOND, "premium_only_until"),
        (False, INSTANT, None),
        (True, INSTANT - MILLISECOND, None),
        (True, INSTANT - timedelta(hours=24), None),
        (True, INSTANT - timedelta(hours=24) - MILLISECOND, "not_open_yet"),
        (False, INSTANT - timedelta(hours=24) - MILLISECOND, "not_open_yet"),
        (False, OPEN.closes_at - MILLISECOND, None),
        (True, OPEN.closes_at, "closed"),
    ],
)
def test_bo4_premium_members_book_24_hours_earlier_to_the_millisecond(is_premium, at, fault):
    assert OPEN.fault(is_premium=is_premium, age=None, at=at) == fault


def test_bo4_the_boundary_holds_in_the_action_too():
    opens = now() + timedelta(hours=2)
    run = make_event(opens_at=opens)
    refused = {
        "premium_only_until": wish(run),
        "not_open_yet": wish(run, is_premium=True),
    }
    with pytest.raises(reserving.PremiumOnlyUntil) as early:
        reserving.hold_places(sport_event_id=run.pk, wish=refused["premium_only_until"], at=opens - MILLISECOND)
    assert early.value.extra == {"opens_at": opens}
    with pytest.raises(reserving.NotOpenYet):
        reserving.hold_places(
            sport_event_id=run.pk, wish=refused["not_open_yet"], at=opens - timedelta(hours=24) - MILLISECOND
        )
    kept = reserving.hold_places(sport_event_id=run.pk, wish=wish(run, is_premium=True), at=opens - MILLISECOND)
    assert kept.status == "held"
    assert reserving.hold_places(sport_event_id=run.pk, wish=wish(run), at=opens).status == "held"


def test_a_refusal_says_why_with_a_code_and_the_instant(register):
    opens = now() + timedelta(hours=30)
    anna, run = register(), make_event(opens_at=opens)
    answer = book(anna, run)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_open_yet")
    assert datetime.fromisoformat(answer.json()["opens_at"]) == opens
    assert answer.headers["Content-Type"].startswith("application/problem+json")


def test_bo1_ages_are_those_on_the_day_of_the_event(register):
    starts = now() + timedelta(days=10)
    birthday = starts.astimezone(ZoneInfo("Europe/Riga")).date()
    eve = register(birth_date=str(birthday.replace(year=birthday.year - 18)))
    young = register(birth_date=str((birthday + timedelta(days=1)).replace(year=birthday.year - 18)))
    run = make_event(min_age=18, starts_at=starts, ends_at=starts + timedelta(hours=1))
    assert book(eve, run).status_code == 201
    refused = book(young, run).json()
    assert (refused["code"], refused["min_age"]) == ("age", 18)


def test_bo1_nobody_books_what_has_ended_or_is_a_draft(register):
    anna = register()
    draft = make_event(is_open=False)
    assert book(anna, draft).status_code == 404
    assert anna.api.get(f"{BOOKING}/events/{draft.pk}").status_code == 404


@pytest.mark.parametrize(
    ("zone", "local", "day"),
    [
        ("Pacific/Auckland", "2027-04-04T02:30", date(2027, 4, 4)),  # 02:30 comes twice that night
        ("America/New_York", "2027-03-14T23:30", date(2027, 3, 14)),  # a day of 23 hours
        ("Europe/Riga", "2027-10-31T23:45", date(2027, 10, 31)),  # a day of 25 hours
        ("Pacific/Kiritimati", "2027-01-01T00:10", date(2027, 1, 1)),  # UTC says the day before
    ],
)
def test_bo4_the_day_is_the_events_own_day(zone, local, day):
    starts = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))
    me = uuid7()
    run = make_event(time_zone=zone, starts_at=starts, ends_at=starts + timedelta(hours=1), closes_at=starts)
    reserving.hold_places(sport_event_id=run.pk, wish=wish(run, user_id=me), at=now())
    assert DayPlace.objects.get(user_id=me).day == day


def test_bo4_two_events_of_one_day_in_two_zones_and_a_third_of_another():
    me = uuid7()

    def at_local(zone: str, local: str):
        starts = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone))
        run = make_event(time_zone=zone, starts_at=starts, ends_at=starts + timedelta(hours=1), closes_at=starts)
        return reserving.hold_places(sport_event_id=run.pk, wish=wish(run, user_id=me), at=now())

    at_local("Pacific/Auckland", "2027-05-05T08:00")
    at_local("America/Los_Angeles", "2027-05-05T20:00")
    with pytest.raises(reserving.DailyLimit):
        at_local("Europe/Riga", "2027-05-05T12:00")
    assert at_local("Europe/Riga", "2027-05-06T00:01").status == "held"


def test_bo4_a_hold_that_ran_out_leaves_its_place_in_the_day():
    me = uuid7()
    first, second, third = make_event(), make_event(), make_event()
    held = reserving.hold_places(sport_event_id=first.pk, wish=wish(first, user_id=me), at=now())
    reserving.hold_places(sport_event_id=second.pk, wish=wish(second, user_id=me), at=now())
    with pytest.raises(reserving.DailyLimit):
        reserving.hold_places(sport_event_id=third.pk, wish=wish(third, user_id=me), at=now())
    run_out(held.pk)
    assert reserving.hold_places(sport_event_id=third.pk, wish=wish(third, user_id=me), at=now()).status == "held"


QUANTITIES = st.lists(st.integers(1, 5), min_size=1, max_size=6)


@given(free=st.lists(st.integers(0, 10), min_size=1, max_size=4), total=st.integers(0, 20), data=st.data())
def test_bo6_vacancies_never_give_more_than_there_is(free, total, data):
    kinds = [uuid7() for _ in free]
    vacancies = rules.Vacancies(total=total, by_type=dict(zip(kinds, free, strict=True)))
    for _ in range(8):
        wanted = data.draw(st.lists(st.tuples(st.sampled_from(kinds), st.integers(1, 5)), min_size=1, max_size=3))
        places = [rules.Place(ticket_type_id=kind, quantity=number) for kind, number in wanted]
        if vacancies.have(places):
            vacancies.take(places)
    assert vacancies.total >= 0
    assert min(vacancies.by_type.values()) >= 0
    assert total - vacancies.total == sum(free) - sum(vacancies.by_type.values())


TIERS = st.lists(
    st.fixed_dictionaries({"hours": st.integers(0, 200), "percent": st.integers(0, 100)}), max_size=5
).filter(lambda tiers: rules.tiers_fault(tiers) is None)


@given(tiers=TIERS, before=st.integers(-10, 300), later=st.integers(0, 100))
def test_bo7_who_cancels_earlier_never_gets_less(tiers, before, later):
    early = rules.refund_percent(tiers, starts_at=INSTANT, at=INSTANT - timedelta(hours=before))
    late = rules.refund_percent(tiers, starts_at=INSTANT, at=INSTANT - timedelta(hours=before - later))
    assert 0 <= late <= early <= 100


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"ends_at": now()}, "ends_at"),
        ({"min_age": 30, "max_age": 20}, "max_age"),
        ({"latitude": 57.0}, "longitude"),
        ({"min_participants": 3}, "decide_at"),
        ({"refund_tiers": [{"hours": 48, "percent": 10}, {"hours": 24, "percent": 50}]}, "refund_tiers"),
        ({"capacity": 5}, "capacity"),
    ],
)
def test_bo1_a_plan_that_cannot_be_names_the_field_at_fault(change, field):
    with pytest.raises(organising.InvalidInput) as refused:
        make_event(**change)
    assert refused.value.extra["errors"][0]["field"] == field
