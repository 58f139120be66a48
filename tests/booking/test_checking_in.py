"""At the door: each ticket lets one in once, also where scanners are many or offline."""

import hashlib
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import jwt
import pytest
from django.utils.timezone import now

from contexts.booking import cancelling, checking_in, friends, tickets
from contexts.booking.events import TicketCheckedIn
from contexts.booking.models import SportEvent, Ticket
from contexts.identity import roles
from kernel.access import TokenInvalid, principal_of
from kernel.errors import NotFound
from kernel.events import uuid7
from tests.booking.conftest import BOOKING, at_once, make_event
from tests.booking.test_tickets import give, tickets_for
from tests.conftest import sign_in

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture
def run(organiser):
    """An event that begins in an hour."""
    made = make_event(organiser_id=organiser.user_id)
    starts_at = now() + timedelta(hours=1)
    SportEvent.objects.filter(pk=made.pk).update(
        starts_at=starts_at, ends_at=starts_at + timedelta(hours=2), closes_at=starts_at
    )
    return SportEvent.objects.get(pk=made.pk)


def scan_of(ticket, **changes):
    """What a scanner tells of a ticket it has seen just now."""
    usual = {"code": tickets.code_of(ticket), "scanned_at": now().isoformat(), "device": "gate", "scan_id": "1"}
    return usual | changes


def check_in(person, sport_event, *scans):
    return person.api.post(f"{BOOKING}/events/{sport_event.pk}/check-ins", {"scans": scans})


def results(answer):
    assert answer.status_code == 200, answer.content
    return [one["result"] for one in answer.json()["answers"]]


def test_a_ticket_lets_one_in_once(register, organiser, run, announced):
    first, second = tickets_for(register(), run, 2)
    answer = check_in(organiser, run, scan_of(first), scan_of(second, scan_id="2"), scan_of(first, scan_id="3"))
    assert results(answer) == ["checked_in", "checked_in", "already_checked_in"]
    told = answer.json()["answers"]
    assert told[2]["checked_in_at"] == told[0]["checked_in_at"]
    assert (told[0]["ticket_id"], told[0]["ticket_type"]) == (str(first.pk), "Entry")
    assert {event.ticket_id for event in announced(TicketCheckedIn)} == {first.pk, second.pk}


def test_the_same_scan_sent_again_has_the_same_answer_and_no_second_effect(register, organiser, run, announced):
    (ticket,) = tickets_for(register(), run)
    scan = scan_of(ticket)
    first = check_in(organiser, run, scan).json()
    assert check_in(organiser, run, scan).json() == first
    assert check_in(organiser, run, scan, scan).json()["answers"] == first["answers"] * 2
    other_device = check_in(organiser, run, scan | {"device": "back door"})
    assert results(other_device) == ["already_checked_in"]
    assert len(announced(TicketCheckedIn)) == 1


def test_sixteen_scanners_at_once_let_one_in(register, organiser, run, announced):
    (ticket,) = tickets_for(register(), run)
    at = now()
    looks = [
        checking_in.Scan(code=tickets.code_of(ticket), scanned_at=at, device=f"gate {n}", scan_id="1")
        for n in range(16)
    ]
    answers = at_once(
        [
            lambda one=one: (
                checking_in.check_in_all(sport_event_id=run.pk, by=organiser.user_id, scans=[one], at=now())[0].result
            )
            for one in looks
        ],
        threads=16,
    )
    assert sorted(answers) == ["already_checked_in"] * 15 + ["checked_in"]
    assert len(announced(TicketCheckedIn)) == 1


def test_two_scanners_with_the_same_tickets_do_not_stop_each_other(register, organiser, run, announced):
    many = tickets_for(register(), run, 10)
    ways = [many, list(reversed(many))] * 4

    def sync(number, order):
        scans = [
            checking_in.Scan(
                code=tickets.code_of(one), scanned_at=now(), device=f"gate {number}", scan_id=str(one.pk)
            )
            for one in order
        ]
        return checking_in.check_in_all(sport_event_id=run.pk, by=organiser.user_id, scans=scans, at=now())

    answers = at_once([lambda n=n, order=order: sync(n, order) for n, order in enumerate(ways)], threads=8)
    let_in = [one.ticket.pk for answer in answers for one in answer if one.result == "checked_in"]
    assert sorted(let_in) == sorted(one.pk for one in many)
    assert len(announced(TicketCheckedIn)) == 10


def test_a_ticket_is_either_given_away_or_used(register, organiser, run):
    anna, boris = register(), uuid7()
    friends.note_friendship(user_a=anna.user_id, user_b=boris)
    (ticket,) = tickets_for(anna, run)
    look = checking_in.Scan(code=tickets.code_of(ticket), scanned_at=now(), device="gate", scan_id="1")
    outcomes = at_once(
        [
            lambda: tickets.transfer(ticket_id=ticket.pk, by=anna.user_id, to=boris, age=None, at=now()),
            lambda: checking_in.check_in_all(sport_event_id=run.pk, by=organiser.user_id, scans=[look], at=now()),
        ],
        threads=2,
    )
    kept = Ticket.objects.get()
    if kept.checked_in_at:
        assert isinstance(outcomes[0], cancelling.AlreadyUsed)
        assert (kept.holder_id, kept.version) == (anna.user_id, 1)
    else:
        assert outcomes[1][0].result == "void"
        assert (kept.holder_id, kept.version) == (boris, 2)


def test_a_code_from_before_a_transfer_is_void_and_the_new_one_opens(register, organiser, run):
    anna, boris = register(), register()
    friends.note_friendship(user_a=anna.user_id, user_b=boris.user_id)
    (ticket,) = tickets_for(anna, run)
    old = scan_of(ticket)
    assert give(anna, ticket, boris).status_code == 204
    new = boris.api.get(f"{BOOKING}/tickets/{ticket.pk}").json()["code"]
    assert results(check_in(organiser, run, old, old | {"code": new, "scan_id": "2"})) == ["void", "checked_in"]


def test_what_is_no_valid_ticket_of_this_event_stays_outside(register, organiser, run):
    anna = register()
    (cancelled,) = tickets_for(anna, run)
    assert anna.api.post(f"{BOOKING}/bookings/{cancelled.booking_id}/cancel").status_code == 200
    (elsewhere,) = tickets_for(anna, make_event())
    gone = SimpleNamespace(pk=uuid7(), version=1)
    forged = scan_of(cancelled, code=tickets.code_of(cancelled)[:-2] + "AA")
    answer = check_in(organiser, run, scan_of(cancelled), scan_of(elsewhere), scan_of(gone), forged)
    assert results(answer) == ["void", "other_event", "invalid", "invalid"]
    assert answer.json()["answers"][1]["ticket_id"] is None
    assert not Ticket.objects.filter(checked_in_at__isnull=False).exists()


def test_a_cancelled_event_lets_nobody_in(register, organiser, run):
    (ticket,) = tickets_for(register(), run)
    cancelling.cancel_sport_event(sport_event_id=run.pk, reason="storm", at=now())
    assert results(check_in(organiser, run, scan_of(ticket))) == ["void"]


def test_a_scan_in_the_future_or_on_another_day_does_not_count(register, organiser, run):
    (ticket,) = tickets_for(register(), run)
    times = [now() + timedelta(minutes=10), now() - timedelta(days=3)]
    scans = [scan_of(ticket, scanned_at=at.isoformat(), scan_id=str(at)) for at in times]
    assert results(check_in(organiser, run, *scans)) == ["out_of_time", "out_of_time"]
    fast_clock = scan_of(ticket, scanned_at=(now() + timedelta(minutes=1)).isoformat())
    assert results(check_in(organiser, run, fast_clock)) == ["checked_in"]
    assert Ticket.objects.get().checked_in_at <= now()


@pytest.mark.parametrize(
    ("local", "timely"),
    [
        ("2026-03-27T23:59", False),
        ("2026-03-28T00:00", True),
        ("2026-03-29T01:59", True),
        ("2026-03-31T23:59", True),
        ("2026-04-01T00:00", False),
    ],
)
def test_the_days_of_an_event_are_its_venues(local, timely):
    two_days = SportEvent(
        time_zone="Europe/Berlin",
        starts_at=datetime(2026, 3, 28, 23, tzinfo=UTC),
        ends_at=datetime(2026, 3, 30, 10, tzinfo=UTC),
    )
    scanned_at = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert checking_in.is_timely(two_days, scanned_at, at=datetime(2026, 5, 1, tzinfo=UTC)) is timely


def test_of_two_offline_scanners_the_earlier_scan_says_when(register, organiser, run, announced):
    (ticket,) = tickets_for(register(), run)
    early, late = now() - timedelta(minutes=20), now() - timedelta(minutes=5)
    second = check_in(organiser, run, scan_of(ticket, device="b", scanned_at=late.isoformat()))
    first = check_in(organiser, run, scan_of(ticket, device="a", scanned_at=early.isoformat()))
    assert results(second) + results(first) == ["checked_in", "already_checked_in"]
    assert Ticket.objects.get().checked_in_at == early
    assert results(check_in(organiser, run, scan_of(ticket, device="b", scanned_at=late.isoformat()))) == [
        "checked_in"
    ]
    assert len(announced(TicketCheckedIn)) == 1


def test_of_two_scans_in_one_batch_the_earlier_counts(register, organiser, run):
    (ticket,) = tickets_for(register(), run)
    early, late = now() - timedelta(minutes=20), now() - timedelta(minutes=5)
    batch = [
        scan_of(ticket, scanned_at=late.isoformat(), scan_id="late"),
        scan_of(ticket, scanned_at=early.isoformat(), scan_id="early"),
    ]
    assert results(check_in(organiser, run, *batch)) == ["already_checked_in", "checked_in"]
    assert Ticket.objects.get().checked_in_at == early


def test_only_the_events_organiser_stands_at_its_door(register, organiser, run, anonymous):
    (ticket,) = tickets_for(anna := register(), run)
    stranger = register()
    roles.grant_role(user_id=stranger.user_id, role="organiser")
    stranger.api.token = sign_in(stranger.email)["access"]
    where = f"{BOOKING}/events/{run.pk}"
    assert check_in(stranger, run, scan_of(ticket)).status_code == 404
    assert stranger.api.get(f"{where}/admission-list").status_code == 404
    assert check_in(anna, run, scan_of(ticket)).status_code == 403
    assert anna.api.get(f"{where}/admission-list").status_code == 403
    assert anonymous.get(f"{where}/admission-list").status_code == 401
    with pytest.raises(NotFound):
        checking_in.check_in_all(sport_event_id=run.pk, by=anna.user_id, scans=[], at=now())
    assert Ticket.objects.get().checked_in_at is None


def test_a_batch_has_a_size(register, organiser, run):
    (ticket,) = tickets_for(register(), run)
    many = [scan_of(ticket, scan_id=str(n)) for n in range(checking_in.MAX_SCANS)]
    assert results(check_in(organiser, run, *many)).count("checked_in") == 1
    assert check_in(organiser, run, *many, scan_of(ticket)).status_code == 400
    assert check_in(organiser, run).status_code == 400


# --- Without a network ------------------------------------------------------------------------------------------


class Scanner:
    """A scanner's program: it has the platform's public keys and a list, and nothing else of ours."""

    def __init__(self, jwks, jws):
        kid = jwt.get_unverified_header(jws)["kid"]
        key = next(jwt.PyJWK(one) for one in jwks["keys"] if one["kid"] == kid)
        claims = jwt.decode(jws, key, algorithms=["RS256"], audience="stayer:check-in", issuer="stayer")
        self.event_id = claims["sub"]
        self.known = {one["code_sha256"]: one for one in claims["tickets"]}
        self.seen = []

    def look_at(self, code, at):
        """Whether whoever shows this may come in; remembered for later."""
        ticket = self.known.get(hashlib.sha256(code.encode()).hexdigest())
        if ticket is None or ticket["checked_in"]:
            return False
        ticket["checked_in"] = True
        scan_id = str(len(self.seen))
        self.seen.append({"code": code, "scanned_at": at.isoformat(), "device": "offline", "scan_id": scan_id})
        return True


def test_a_scanner_without_a_network_lets_each_in_once_and_tells_later(register, organiser, run, anonymous):
    inside, first, second = tickets_for(register(), run, 3)
    check_in(organiser, run, scan_of(inside))
    listed = organiser.api.get(f"{BOOKING}/events/{run.pk}/admission-list").json()
    assert listed["tickets"] == 3
    scanner = Scanner(anonymous.get("/.well-known/jwks.json").json(), listed["jws"])
    assert scanner.event_id == str(run.pk)
    at = now()
    assert scanner.look_at(tickets.code_of(first), at)
    assert scanner.look_at(tickets.code_of(second), at)
    assert not scanner.look_at(tickets.code_of(first), at)
    assert not scanner.look_at(tickets.code_of(inside), at)
    assert not scanner.look_at(tickets.code_for(first.pk, 2), at)
    for _ in range(2):
        assert results(check_in(organiser, run, *scanner.seen)) == ["checked_in", "checked_in"]
    assert Ticket.objects.filter(checked_in_at__isnull=False).count() == 3
    assert Ticket.objects.get(pk=first.pk).checked_in_at == at


def test_a_list_names_nobody_and_prints_no_ticket(register, organiser, run):
    anna = register(display_name="Anna Kareninova")
    (ticket,) = tickets_for(anna, run)
    jws = organiser.api.get(f"{BOOKING}/events/{run.pk}/admission-list").json()["jws"]
    said = str(jwt.decode(jws, options={"verify_signature": False}))
    for secret in (tickets.code_of(ticket), str(anna.user_id), "Kareninova"):
        assert secret not in said


def test_a_list_ends_a_day_after_the_event_and_leaves_out_what_is_void(register, organiser, run):
    anna = register()
    (void,) = tickets_for(anna, run)
    assert anna.api.post(f"{BOOKING}/bookings/{void.booking_id}/cancel").status_code == 200
    (valid,) = tickets_for(anna, run)
    jws = organiser.api.get(f"{BOOKING}/events/{run.pk}/admission-list").json()["jws"]
    claims = jwt.decode(jws, options={"verify_signature": False})
    assert [one["id"] for one in claims["tickets"]] == [str(valid.pk)]
    assert claims["exp"] == int((run.ends_at + timedelta(days=1)).timestamp())


def test_a_list_is_no_access_token(organiser, run):
    jws = organiser.api.get(f"{BOOKING}/events/{run.pk}/admission-list").json()["jws"]
    with pytest.raises(TokenInvalid):
        principal_of(jws)
