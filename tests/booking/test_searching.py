"""Finding sport events: by sport, dates, words, free places, distance."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from contexts.booking import organising, reserving
from tests.booking.conftest import BOOKING, make_event, run_out, wish

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

RIGA, JURMALA, FIJI, BERING = (56.95, 24.1), (56.97, 23.77), (-17.8, 178.0), (-17.8, -179.0)


def found(anonymous, **query) -> list[str]:
    """Titles, in the order of the answer."""
    answer = anonymous.get(f"{BOOKING}/events", data={name.rstrip("_"): value for name, value in query.items()})
    assert answer.status_code == 200, answer.content
    return [one["title"] for one in answer.json()["items"]]


def at_place(place: tuple[float, float], **more):
    return make_event(latitude=place[0], longitude=place[1], **more)


def test_by_sport_and_words(anonymous):
    make_event(title="Sunrise run")
    make_event(title="Night ride", sport="cycling", description="Lights are a must")
    assert found(anonymous, sport="cycling") == ["Night ride"]
    assert found(anonymous, text="lights") == ["Night ride"]
    assert found(anonymous, text="run OR ride") == ["Sunrise run", "Night ride"]
    assert found(anonymous, text="'); DROP TABLE") == []


def test_by_dates(anonymous):
    at = now()
    for days, title in ((1, "soon"), (30, "later")):
        starts = at + timedelta(days=days)
        make_event(title=title, starts_at=starts, ends_at=starts + timedelta(hours=1), closes_at=starts)
    assert found(anonymous) == ["soon", "later"]
    assert found(anonymous, to=(at + timedelta(days=2)).isoformat()) == ["soon"]
    assert found(anonymous, from_=(at + timedelta(days=2)).isoformat()) == ["later"]


def test_by_distance_also_over_the_date_line(anonymous):
    at_place(RIGA, title="Riga")
    at_place(JURMALA, title="Jūrmala")
    at_place(FIJI, title="Fiji")
    make_event(title="nowhere")
    assert found(anonymous, near="56.95,24.10", radius_km="10") == ["Riga"]
    assert sorted(found(anonymous, near="56.95,24.10", radius_km="30")) == ["Jūrmala", "Riga"]
    assert found(anonymous, near="-17.8,-179.0", radius_km="400") == ["Fiji"]
    (one,) = anonymous.get(f"{BOOKING}/events", data={"near": "56.97,23.77", "radius_km": 5}).json()["items"]
    assert one["distance_km"] == pytest.approx(0, abs=0.001)


def test_by_free_places_which_run_out_bookings_are(anonymous):
    one = make_event(title="one", kinds=(organising.Kind(name="Entry", price_minor=0, quota=2),))
    held = reserving.hold_places(sport_event_id=one.pk, wish=wish(one, quantity=2), at=now())
    make_event(title="many")
    assert found(anonymous, free="1") == ["many"]
    run_out(held.pk)
    assert sorted(found(anonymous, free="2")) == ["many", "one"]


def test_pages_follow_each_other_without_gap(anonymous):
    for number in range(7):
        starts = now() + timedelta(days=3, hours=number // 2)
        make_event(title=str(number), starts_at=starts, ends_at=starts + timedelta(hours=1), closes_at=starts)
    seen, cursor = [], {}
    while True:
        page = anonymous.get(f"{BOOKING}/events", data={"limit": 3} | cursor).json()
        seen += [one["title"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert sorted(seen) == [str(number) for number in range(7)]
    assert len(seen) == 7


@pytest.mark.parametrize(
    "query",
    [{"near": "91,0"}, {"near": "x"}, {"radius_km": "100000"}, {"free": "0"}, {"sport": "chess"}, {"to": "x"}],
)
def test_a_question_that_makes_no_sense_names_the_parameter(anonymous, query):
    answer = anonymous.get(f"{BOOKING}/events", data=query)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == next(iter(query))


def test_drafts_cancelled_and_past_events_are_not_found(anonymous):
    make_event(title="draft", is_open=False)
    assert found(anonymous) == []
