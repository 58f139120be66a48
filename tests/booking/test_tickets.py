"""Tickets: a code nobody can forge, pictures and paper of it, and giving one to a friend."""

import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import icalendar
import pytest
import segno
from django.utils import translation
from django.utils.timezone import now
from hypothesis import given
from hypothesis import strategies as st

from contexts.booking import cancelling, drawing, friends, reserving, tickets
from contexts.booking.events import TicketTransferred
from contexts.booking.models import Friendship, SportEvent, Ticket
from kernel.events import uuid7
from tests.booking.conftest import BOOKING, FREE, at_once, book, check_out, make_event

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def tickets_for(person, sport_event, quantity=1, **more):
    booking = book(person, sport_event, quantity, **more)
    assert booking.status_code == 201, booking.content
    assert check_out(person, booking.json()["id"]).json()["status"] == "confirmed"
    return list(Ticket.objects.filter(booking_id=booking.json()["id"]).order_by("id"))


def befriended(register, **profile):
    anna, boris = register(), register(**profile)
    friends.note_friendship(user_a=anna.user_id, user_b=boris.user_id)
    return anna, boris


def address(ticket, what=""):
    return f"{BOOKING}/tickets/{ticket.pk}{what}"


def give(person, ticket, to):
    return person.api.post(address(ticket, "/transfer"), {"user_id": str(to.user_id)})


# --- The code ---------------------------------------------------------------------------------------------------

CODE = tickets.code_for(uuid7(), 3)


def test_a_code_says_which_ticket_and_which_version():
    ticket_id = uuid7()
    claim = tickets.ticket_behind(tickets.code_for(ticket_id, 7))
    assert (claim.ticket_id, claim.version) == (ticket_id, 7)


@given(place=st.integers(0, len(CODE) - 1), letter=st.characters())
def test_a_code_with_another_letter_is_refused(place, letter):
    tampered = CODE[:place] + letter + CODE[place + 1 :]
    if tampered != CODE:
        with pytest.raises(tickets.TicketInvalid):
            tickets.ticket_behind(tampered)


@given(
    st.one_of(
        st.text(),
        st.from_regex(r"STAYER:1:[0-9a-f]{32}:[1-9][0-9]{0,4}:[A-Za-z0-9_-]{22}", fullmatch=True),
        st.integers(0, len(CODE) - 1).map(lambda end: CODE[:end]),
        st.text(min_size=1).map(lambda more: CODE + more),
        st.text(min_size=1).map(lambda more: more + CODE),
    )
)
def test_a_forged_code_is_refused(code):
    with pytest.raises(tickets.TicketInvalid):
        tickets.ticket_behind(code)


def test_another_spelling_of_the_same_signature_is_refused():
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = alphabet[alphabet.index(CODE[-1]) + 1]  # the last letter has four bits that mean nothing
    with pytest.raises(tickets.TicketInvalid):
        tickets.ticket_behind(CODE[:-1] + twin)


def test_a_version_cannot_be_raised_by_hand():
    with pytest.raises(tickets.TicketInvalid):
        tickets.ticket_behind(CODE.replace(":3:", ":4:"))


# --- Showing them -----------------------------------------------------------------------------------------------


def test_a_holder_sees_their_tickets_page_by_page(register):
    anna, run, ride = register(), make_event(), make_event(sport="cycling", title="Ride")
    mine = [*tickets_for(anna, run, 2), *tickets_for(anna, ride)]
    first = anna.api.get(f"{BOOKING}/tickets?limit=2").json()
    rest = anna.api.get(f"{BOOKING}/tickets?limit=2&cursor={first['next']}").json()
    assert [item["id"] for item in first["items"] + rest["items"]] == [str(one.pk) for one in reversed(mine)]
    assert rest["items"][0]["code"] == tickets.code_of(mine[0])
    of_ride = anna.api.get(f"{BOOKING}/tickets?booking_id={mine[2].booking_id}").json()["items"]
    assert [item["title"] for item in of_ride] == ["Ride"]
    assert anna.api.get(f"{BOOKING}/tickets?booking_id=none").status_code == 400


@pytest.mark.parametrize("what", ["", "/qr.png", "/qr.svg", "/ticket.pdf", "/ticket.ics"])
def test_somebody_elses_ticket_does_not_exist(register, anonymous, what):
    anna, eve, run = register(), register(), make_event()
    (ticket,) = tickets_for(anna, run)
    assert anna.api.get(address(ticket, what)).status_code == 200
    assert eve.api.get(address(ticket, what)).status_code == 404
    assert anonymous.get(address(ticket, what)).status_code == 401


def test_a_picture_of_the_code_has_its_quiet_zone_and_level_m(register):
    (ticket,) = tickets_for(anna := register(), make_event())
    code = drawing.qr(tickets.code_of(ticket))
    assert code.error == "M"
    assert not code.is_micro
    assert list(code.matrix) == list(segno.make(tickets.code_of(ticket), error="m", micro=False).matrix)
    picture = anna.api.get(address(ticket, "/qr.png"), headers={"Accept": "image/png"})
    assert picture["Content-Type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG\r\n")
    side = int.from_bytes(picture.content[16:20], "big")
    assert side == (len(code.matrix) + 2 * 4) * drawing.PIXELS_A_MODULE
    svg = anna.api.get(address(ticket, "/qr.svg"), headers={"Accept": "image/svg+xml"})
    assert ElementTree.fromstring(svg.content).attrib["width"] == str(side)


def test_what_goes_wrong_with_a_picture_is_said_in_json(register):
    missing = SimpleNamespace(pk=uuid7())
    answer = register().api.get(address(missing, "/qr.png"), headers={"Accept": "image/png"})
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["code"] == "not_found"


def letters_of(pdf: bytes) -> str:
    """All that a document can write: the letters its fonts are subset to."""
    maps = b"".join(re.findall(rb"beginbfchar(.*?)endbfchar", pdf, re.DOTALL))
    return "".join(chr(int(code, 16)) for code in re.findall(rb"<[0-9A-Fa-f]{4}> <([0-9A-Fa-f]{4})>", maps))


def test_a_pdf_has_a_page_for_each_ticket_and_writes_cyrillic(register):
    anna = register(display_name="Жанна")
    mine = tickets_for(anna, make_event(title="Забег «Ёлки»", time_zone="Europe/Moscow"), 3)
    whole = anna.api.get(f"{BOOKING}/bookings/{mine[0].booking_id}/tickets.pdf")
    assert (whole.status_code, whole["Content-Type"]) == (200, "application/pdf")
    assert whole.content.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type /Page\b(?!s)", whole.content)) == 3
    assert set("ЗабегЁлкиЖанна«»") <= set(letters_of(whole.content))
    one = anna.api.get(address(mine[0], "/ticket.pdf")).content
    assert len(re.findall(rb"/Type /Page\b(?!s)", one)) == 1
    assert register().api.get(f"{BOOKING}/bookings/{mine[0].booking_id}/tickets.pdf").status_code == 404


def test_paper_shows_the_clocks_of_the_venue_in_the_readers_language():
    run = SportEvent(
        time_zone="Europe/Berlin",
        starts_at=datetime(2026, 10, 24, 22, tzinfo=UTC),
        ends_at=datetime(2026, 10, 25, 3, tzinfo=UTC),
    )
    with translation.override("en"):
        assert drawing.when(run) == "Oct. 25, 2026, 00:00 – 04:00 (Europe/Berlin, UTC+02:00)"
    with translation.override("ru"):
        assert drawing.when(run).startswith("25 октября 2026")


def test_a_ticket_goes_into_a_calendar_with_a_reminder(register):
    (ticket,) = tickets_for(anna := register(), make_event(title="Sunrise; run, again", description="Bring water"))
    answer = anna.api.get(address(ticket, "/ticket.ics"), headers={"Accept": "text/calendar"})
    assert answer["Content-Type"].startswith("text/calendar")
    (entry,) = icalendar.Calendar.from_ical(answer.content).events
    assert (entry["summary"], entry["status"]) == ("Sunrise; run, again", "CONFIRMED")
    assert str(entry["description"]) == "Entry\n\nBring water"
    assert entry.start == ticket.sport_event.starts_at.replace(microsecond=0)
    (alarm,) = entry.walk("VALARM")
    assert alarm["trigger"].dt == -timedelta(hours=2)


# --- Giving one away --------------------------------------------------------------------------------------------


def test_a_ticket_given_to_a_friend_has_a_new_code_and_the_old_one_is_void(register, announced):
    anna, boris = befriended(register)
    mine = tickets_for(anna, make_event(), 2)
    before = tickets.code_of(mine[0])
    assert give(anna, mine[0], boris).status_code == 204
    theirs = boris.api.get(address(mine[0])).json()
    assert theirs["version"] == 2
    assert theirs["code"] != before
    assert tickets.ticket_behind(before).version == 1
    assert anna.api.get(address(mine[0])).status_code == 404
    assert [item["id"] for item in anna.api.get(f"{BOOKING}/tickets").json()["items"]] == [str(mine[1].pk)]
    (told,) = announced(TicketTransferred)
    assert (told.former_holder_id, told.holder_id, told.ticket_id) == (anna.user_id, boris.user_id, mine[0].pk)


def test_tickets_are_given_to_friends_alone(register):
    anna, boris = register(), register()
    (ticket,) = tickets_for(anna, make_event())
    refused = give(anna, ticket, boris)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_friends")
    assert give(anna, ticket, SimpleNamespace(user_id=uuid7())).status_code == 403
    assert give(anna, ticket, anna).status_code == 403
    assert give(boris, ticket, boris).status_code == 404


def test_a_ticket_is_not_given_to_somebody_too_young(register):
    anna, boris = befriended(register, birth_date=f"{now().year - 17}-01-01")
    (ticket,) = tickets_for(anna, make_event(min_age=18))
    assert give(anna, ticket, boris).json()["code"] == reserving.Age.code
    assert Ticket.objects.get().holder_id == anna.user_id


def test_a_used_ticket_stays_with_whom_it_let_in(register):
    anna, boris = befriended(register)
    (ticket,) = tickets_for(anna, make_event())
    Ticket.objects.update(checked_in_at=now(), checked_in_by=uuid7())
    assert give(anna, ticket, boris).json()["code"] == cancelling.AlreadyUsed.code


def test_a_void_ticket_is_neither_given_away_nor_shown(register):
    anna, boris = befriended(register)
    (ticket,) = tickets_for(anna, make_event())
    assert anna.api.post(f"{BOOKING}/bookings/{ticket.booking_id}/cancel").status_code == 200
    assert give(anna, ticket, boris).json()["code"] == "ticket_void"
    assert anna.api.get(address(ticket, "/qr.png")).json()["code"] == "ticket_void"
    assert anna.api.get(address(ticket, "/ticket.pdf")).json()["code"] == "ticket_void"
    assert anna.api.get(address(ticket)).json()["code"] is None
    assert anna.api.get(f"{BOOKING}/bookings/{ticket.booking_id}/tickets.pdf").status_code == 404


def test_a_ticket_changes_hands_only_before_the_event_begins(register):
    anna, boris = befriended(register)
    (ticket,) = tickets_for(anna, make_event())
    SportEvent.objects.update(starts_at=now() - timedelta(minutes=1))
    assert give(anna, ticket, boris).json()["code"] == cancelling.EventOver.code


def test_a_ticket_given_to_many_at_once_goes_to_one(register):
    anna = register()
    (ticket,) = tickets_for(anna, make_event())
    crowd = [uuid7() for _ in range(8)]
    for friend in crowd:
        friends.note_friendship(user_a=friend, user_b=anna.user_id)
    answers = at_once(
        [
            lambda to=to: tickets.transfer(ticket_id=ticket.pk, by=anna.user_id, to=to, age=None, at=now())
            for to in crowd
        ],
        threads=8,
    )
    (given,) = [one for one in answers if isinstance(one, Ticket)]
    kept = Ticket.objects.get()
    assert (kept.holder_id, kept.version) == (given.holder_id, 2)


def test_bo4_a_gift_takes_none_of_the_friends_two_events_a_day(register):
    anna, boris = befriended(register)
    (gift,) = tickets_for(anna, make_event())
    for _ in range(2):
        tickets_for(boris, make_event())
    assert give(anna, gift, boris).status_code == 204
    assert book(boris, make_event(kinds=(replace(FREE, quota=5),))).json()["code"] == "daily_limit"


def test_a_friendship_heard_twice_is_one():
    one, other = uuid7(), uuid7()
    friends.note_friendship(user_a=one, user_b=other)
    friends.note_friendship(user_a=other, user_b=one)
    assert Friendship.objects.count() == 1
    assert friends.are_friends(one, other)
    assert friends.are_friends(other, one)
    assert not friends.are_friends(one, uuid7())


def test_a_png_can_be_opened():
    pillow = pytest.importorskip("PIL.Image")
    picture = pillow.open(io.BytesIO(drawing.qr_png(CODE)))
    dark = [[picture.convert("1").getpixel((x * 8 + 4, y * 8 + 4)) == 0 for x in range(4, 12)] for y in range(4, 12)]
    expected = [[bool(module) for module in row[:8]] for row in list(drawing.qr(CODE).matrix)[:8]]
    assert dark == expected
