"""Calendars for any program: one for everybody, and private ones behind a token that can be revoked."""

import io
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest
from dateutil import tz
from django.utils.timezone import now

from contexts.booking import calendars, cancelling, friends, processes
from contexts.booking.models import CalendarFeed, SportEvent
from kernel.events import uuid7
from tests.booking.conftest import BOOKING, at_once, book, make_event
from tests.booking.test_tickets import give, tickets_for

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

MADE = datetime(2026, 1, 1, tzinfo=UTC)


def sport_event(starts_at, *, time_zone="Europe/Berlin", hours=2, **changes):
    """One that no database knows."""
    usual = {"title": "Run", "venue": "Park", "created_at": MADE, "changed_at": MADE, "status": "published"}
    times = {"starts_at": starts_at, "ends_at": starts_at + timedelta(hours=hours), "time_zone": time_zone}
    return SportEvent(**usual | times | changes)


def entries(ics):
    return icalendar.Calendar.from_ical(ics).events


def spans(entry):
    """From when to when, in UTC: Python calls no two instants equal where one zone's clocks turn."""
    return entry.start.astimezone(UTC), entry.end.astimezone(UTC)


def read(api, url, **options):
    return api.get("/" + url.split("/", 3)[3], **options)


def make_feed(person, name="Mine"):
    answer = person.api.post(f"{BOOKING}/calendars", {"name": name})
    assert answer.status_code == 201, answer.content
    return answer.json()


# --- What a calendar says ---------------------------------------------------------------------------------------

TURNS = [
    ("Europe/Berlin", datetime(2026, 3, 29, 0, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, 0, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 3, 8, 6, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, 4, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, 14, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2026, 3, 29, 0, tzinfo=UTC)),
    ("Europe/Moscow", datetime(2026, 3, 29, 0, tzinfo=UTC)),
]


@pytest.mark.parametrize(("time_zone", "around"), TURNS)
def test_instants_are_right_where_clocks_change(time_zone, around):
    minutes = [*range(-180, 180, 15), -1440, -720, 720, 1440]
    made = [sport_event(around + timedelta(minutes=late), time_zone=time_zone, hours=5) for late in minutes]
    ics = calendars.ics_of(made, "All")
    found = entries(ics)
    assert [spans(entry) for entry in found] == [(one.starts_at, one.ends_at) for one in made]
    assert all(
        one.params.get("TZID", "UTC") in (time_zone, "UTC") for e in found for one in (e["dtstart"], e["dtend"])
    )
    described = tz.tzical(io.StringIO(ics.decode())).get(time_zone)  # another reader, and the calendar's own rules
    local = [one for entry in found for one in (entry["dtstart"], entry["dtend"]) if "TZID" in one.params]
    assert len(local) >= 40
    assert [one.dt.replace(tzinfo=described).utcoffset() for one in local] == [one.dt.utcoffset() for one in local]


def test_an_hour_that_comes_twice_is_said_in_utc():
    twice = sport_event(datetime(2026, 10, 25, 1, 30, tzinfo=UTC), hours=1)
    (entry,) = entries(calendars.ics_of([twice], "All"))
    assert b"DTSTART:20261025T013000Z" in calendars.ics_of([twice], "All")
    assert spans(entry) == (twice.starts_at, twice.ends_at)


def test_a_calendar_names_what_programs_look_for(settings):
    settings.PUBLIC_URL = "https://stayer.example"
    at = datetime(2026, 6, 1, 8, tzinfo=UTC)
    run = sport_event(
        at, title="Забег, «Ёлки»", address="ул. 1; корп. 2", latitude=55.5, longitude=37.25, description="a\nb"
    )
    (entry,) = entries(calendars.ics_of([run], "All"))
    assert entry["uid"] == f"{run.pk}@stayer.example"
    assert str(entry["summary"]) == "Забег, «Ёлки»"
    assert str(entry["location"]) == "Park, ул. 1; корп. 2"
    assert str(entry["description"]) == "a\nb"
    assert (entry["geo"].latitude, entry["geo"].longitude) == (55.5, 37.25)
    assert str(entry["url"]) == f"https://stayer.example/booking/#event={run.pk}"
    whole = icalendar.Calendar.from_ical(calendars.ics_of([run], "Mine"))
    assert (whole["x-wr-calname"], whole["version"]) == ("Mine", "2.0")
    assert b"REFRESH-INTERVAL;VALUE=DURATION:PT1H" in calendars.ics_of([run], "Mine")
    assert whole.get_missing_tzids() == set()


def test_lines_are_folded_at_75_octets_and_end_with_crlf():
    ics = calendars.ics_of([sport_event(MADE, title="Ё" * 120, description="я" * 3000)], "All")
    assert all(len(line) <= 75 for line in ics.split(b"\r\n"))
    assert b"\n" not in ics.replace(b"\r\n", b"")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x85", "\x1f"])
def test_what_people_write_cannot_begin_a_line_of_a_calendar(end):
    hostile = end.join(["Run", "BEGIN:VEVENT", "SUMMARY:Fake", "END:VEVENT"])
    made = sport_event(MADE, title=hostile, venue=hostile, address=hostile, description=hostile)
    ics = calendars.ics_of([made], hostile)
    (entry,) = entries(ics)
    assert "SUMMARY:Fake" in str(entry["summary"])
    starts = [line for line in ics.decode().splitlines() if line.startswith(("BEGIN:VEVENT", "SUMMARY"))]
    assert len(starts) == 2


def test_a_change_has_a_higher_number_and_a_cancelled_event_is_crossed_out():
    at = datetime(2026, 6, 1, 8, tzinfo=UTC)
    (before,) = entries(calendars.ics_of([sport_event(at)], "All"))
    gone = sport_event(at, changed_at=MADE + timedelta(days=1), status="cancelled")
    (after,) = entries(calendars.ics_of([gone], "All"))
    assert (before["status"], after["status"]) == ("CONFIRMED", "CANCELLED")
    assert after["sequence"] > before["sequence"]
    assert after["last-modified"].dt == MADE + timedelta(days=1)


def test_an_event_far_ahead_does_not_swell_the_calendar():
    near, far = (sport_event(datetime(year, 7, 1, tzinfo=UTC)) for year in (2026, 9000))
    assert len(calendars.ics_of([near, far], "All")) < 3 * len(calendars.ics_of([near], "All"))


def test_no_events_are_a_calendar_too():
    assert entries(calendars.ics_of([], "None")) == []


# --- For everybody ----------------------------------------------------------------------------------------------


def test_the_public_calendar_has_what_fits_the_filters(anonymous):
    later = {"starts_at": now() + timedelta(days=20), "ends_at": now() + timedelta(days=20, hours=1)}
    make_event(title="Swim", sport="swimming", latitude=57.0, longitude=24.1)
    make_event(title="Run later", **later)
    make_event(title="Run")
    make_event(title="Draft", is_open=False)

    def titles(query=""):
        answer = anonymous.get(f"{BOOKING}/calendar.ics{query}", headers={"Accept": "text/calendar"})
        assert answer["Content-Type"] == "text/calendar; charset=utf-8"
        return [str(entry["summary"]) for entry in entries(answer.content)]

    assert sorted(titles()) == ["Run", "Run later", "Swim"]
    assert titles("?sport=running") == ["Run", "Run later"]
    day = (now() + timedelta(days=15)).strftime("%Y-%m-%dT00:00:00Z")
    assert titles(f"?sport=running&from={day}") == ["Run later"]
    assert titles(f"?sport=running&to={day}") == ["Run"]
    assert titles("?near=57.01,24.11&radius_km=5") == ["Swim"]
    assert titles("?text=later") == ["Run later"]
    refused = anonymous.get(f"{BOOKING}/calendar.ics?sport=chess")
    assert (refused.status_code, refused["Content-Type"]) == (400, "application/problem+json")


def test_who_has_it_already_gets_304(anonymous):
    run = make_event()
    first = anonymous.get(f"{BOOKING}/calendar.ics")
    seen = {"If-None-Match": first["ETag"]}
    again = anonymous.get(f"{BOOKING}/calendar.ics", headers=seen)
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    SportEvent.objects.filter(pk=run.pk).update(title="Another", changed_at=now())
    assert anonymous.get(f"{BOOKING}/calendar.ics", headers=seen).status_code == 200


# --- For one person ---------------------------------------------------------------------------------------------


def test_a_private_calendar_has_ones_bookings_and_tickets(register, anonymous):
    anna, boris = register(), register()
    friends.note_friendship(user_a=anna.user_id, user_b=boris.user_id)
    tickets_for(anna, make_event(title="Booked"))
    (gift,) = tickets_for(boris, make_event(title="Given"))
    assert give(boris, gift, anna).status_code == 204
    next_month = {"starts_at": now() + timedelta(days=30), "ends_at": now() + timedelta(days=30, hours=1)}
    assert book(anna, make_event(title="Only held", **next_month)).status_code == 201
    tickets_for(register(), make_event(title="Of others"))
    feed = make_feed(anna)
    answer = read(anonymous, feed["url"])
    assert sorted(str(entry["summary"]) for entry in entries(answer.content)) == ["Booked", "Given"]
    assert "private" in answer["Cache-Control"]
    assert icalendar.Calendar.from_ical(answer.content)["x-wr-calname"] == "Mine"
    assert read(anonymous, feed["url"], headers={"If-None-Match": answer["ETag"]}).status_code == 304


def test_what_one_cancels_goes_and_what_the_organiser_calls_off_is_crossed_out(register, anonymous):
    anna = register()
    (mine,) = tickets_for(anna, make_event(title="Not for me"))
    off = make_event(title="Called off")
    tickets_for(anna, off)
    feed = make_feed(anna)
    anna.api.post(f"{BOOKING}/bookings/{mine.booking_id}/cancel")
    cancelling.cancel_sport_event(sport_event_id=off.pk, reason="storm", at=now())
    expected = [("Called off", "CANCELLED")]
    for _ in range(2):  # before its bookings have ended, and after
        found = entries(read(anonymous, feed["url"]).content)
        assert [(str(entry["summary"]), entry["status"]) for entry in found] == expected
        while processes.advance_due(at=now()):
            pass


def test_an_address_is_told_once_and_kept_as_a_digest(register, anonymous):
    anna = register()
    feed = make_feed(anna)
    token = feed["url"].rpartition("/")[2].removesuffix(".ics")
    assert len(token) >= 43
    kept = CalendarFeed.objects.get()
    assert token.encode() not in bytes(kept.token_sha256)
    (listed,) = anna.api.get(f"{BOOKING}/calendars").json()["items"]
    assert listed.keys() == {"id", "name", "created_at", "read_at"}
    assert listed["read_at"] is None
    read(anonymous, feed["url"])
    (listed,) = anna.api.get(f"{BOOKING}/calendars").json()["items"]
    assert listed["read_at"] is not None


def test_a_revoked_address_leads_nowhere(register, anonymous):
    anna, eve = register(), register()
    feed, other = make_feed(anna), make_feed(anna, "Other")
    assert eve.api.delete(f"{BOOKING}/calendars/{feed['id']}").status_code == 404
    assert read(anonymous, feed["url"]).status_code == 200
    assert anna.api.delete(f"{BOOKING}/calendars/{feed['id']}").status_code == 204
    assert read(anonymous, feed["url"]).status_code == 404
    assert anna.api.delete(f"{BOOKING}/calendars/{feed['id']}").status_code == 404
    assert read(anonymous, other["url"]).status_code == 200
    assert anonymous.get(f"{BOOKING}/calendars/guess.ics").status_code == 404
    assert eve.api.get(f"{BOOKING}/calendars").json()["items"] == []


def test_a_person_has_at_most_ten_also_when_asking_at_once(db):
    user_id = uuid7()
    answers = at_once(
        [lambda n=n: calendars.make_feed(user_id=user_id, name=str(n), at=now()) for n in range(16)], threads=8
    )
    assert sum(isinstance(one, calendars.TooManyCalendars) for one in answers) == 6
    assert CalendarFeed.objects.count() == calendars.MAX_FEEDS


def test_the_past_leaves_a_private_calendar_after_a_while(register):
    anna = register()
    run = make_event()
    tickets_for(anna, run)
    at = run.ends_at.astimezone(ZoneInfo("UTC"))
    assert calendars.events_of(anna.user_id, at=at + timedelta(days=89)) == [run]
    assert calendars.events_of(anna.user_id, at=at + timedelta(days=91)) == []
