"""The bridge from a strap's notification to the server's acknowledgement, beside what does nothing else, in one run.

A source hands over packets as fast as they are taken; the figure ends when the last reading is confirmed. The limit
has everything made beforehand: it writes the same rows to a file like the spool's, posts ready bodies to the same
server, and deletes the rows: no packet is understood, no number given, no JSON made. One request at a time.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import logging
import os
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, in_turns
from benchmarks.programs import web_server
from device_bridge import gatt, running
from device_bridge.credentials import Credentials
from device_bridge.naming import body_of
from device_bridge.readings import MICROSECONDS, Listener, Notification, Reading, Wearing
from device_bridge.uplink import MOST_READINGS, READINGS_PATH

PACKETS = 20_000
ROUNDS = 3
PACKET = bytes.fromhex("16 50 00 04 80 03")
"""80 a minute, with contact, and two intervals: three readings."""
AT_ONCE = 500
"""A source lets others work after so many."""
TWENTY_DAYS_S = 20 * 86_400


class Straps:
    """A source that has packets ready, and ends."""

    def __init__(self, packets: list[Notification]) -> None:
        self.packets = packets

    async def run(self, deliver: Any) -> None:
        for start in range(0, len(self.packets), AT_ONCE):
            for heard in self.packets[start : start + AT_ONCE]:
                deliver(heard)
            await asyncio.sleep(0)


def packets(count: int) -> list[Notification]:
    """A packet a second of one strap, from twenty days ago on."""
    first_us = time.time_ns() // 1000 - TWENTY_DAYS_S * MICROSECONDS
    number = gatt.HEART_RATE_MEASUREMENT
    return [Notification(number, PACKET, first_us + n * MICROSECONDS) for n in range(count)]


def run(*, quick: bool) -> list[Figure]:
    """Both in turns, each round with a device of its own."""
    count = 500 if quick else PACKETS
    journal_level = logging.getLogger("device_bridge").level
    logging.getLogger("device_bridge").setLevel(logging.ERROR)
    cpu: list[float] = []
    with web_server() as port:
        rates = in_turns(
            1 if quick else ROUNDS,
            {"ours": lambda: through_the_bridge(port, count, cpu), "bare": lambda: bare(port, count)},
        )
    logging.getLogger("device_bridge").setLevel(journal_level)
    return [
        Figure(
            about="bridge: notification to acknowledgement, 3 readings each",
            ours=statistics.median(rates["ours"]),
            unit="notifications/s",
            beside="bare: rows to a file, ready bodies posted",
            limit=statistics.median(rates["bare"]),
            note=f"the bridge itself takes a core for {1e6 / statistics.median(cpu):,.0f} µs of each notification",
        ),
        Figure(about="bridge: the same, of its own core", ours=statistics.median(cpu), unit="notifications/s"),
    ]


def new_device() -> Credentials:
    """Somebody's bridge."""
    from django.utils.timezone import now

    from contexts.health.worn.devices import add_device
    from kernel.models import uuid7

    device, secret = add_device(name="Bench", kind="bridge", by=uuid7(), at=now())
    return Credentials(str(device.device_id), base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4)))


def through_the_bridge(port: int, count: int, cpu: list[float]) -> float:
    """Notifications a second, by the wall; the processor time is noted beside it."""
    device, heard = new_device(), packets(count)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bridge.json"
        secret = base64.urlsafe_b64encode(device.secret).decode()
        file.write_text(json.dumps({"device_id": device.device_id, "secret": secret}))
        began, used = time.perf_counter(), time.process_time()
        asyncio.run(
            running.run(
                [Straps(heard)],
                folder=Path(folder),
                limit=10 * count,
                url=f"http://127.0.0.1:{port}",
                file=file,
                wearing=Wearing(),
                stop=asyncio.Event(),
            )
        )
        took, took_cpu = time.perf_counter() - began, time.process_time() - used
    cpu.append(count / took_cpu)
    return count / took


def bare(port: int, count: int) -> float:
    """The same readings, made beforehand, through a file and a connection."""
    device, batches = new_device(), ready(count)
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(os.path.join(folder, "bare.sqlite3"), isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE readings (position INTEGER PRIMARY KEY, stream, time_us, sequence, value)")
        connection = http.client.HTTPConnection("127.0.0.1", port)
        began = time.perf_counter()
        for rows, body in batches:
            db.execute("BEGIN")
            db.executemany("INSERT INTO readings VALUES (?, ?, ?, ?, ?)", rows)
            db.execute("COMMIT")
            signature = device.authorization(method="POST", path=READINGS_PATH, body=body, at=time.time())
            headers = {"Content-Type": "application/json", "Authorization": signature}
            connection.request("POST", READINGS_PATH, body, headers)
            answer = connection.getresponse()
            told = json.loads(answer.read())
            assert (answer.status, told["accepted"]) == (200, len(rows)), told
            db.execute("DELETE FROM readings WHERE position <= ?", (rows[-1][0],))
        took = time.perf_counter() - began
        db.close()
    return count / took


def ready(count: int) -> list[tuple[list[tuple[Any, ...]], bytes]]:
    """Rows and bodies of full batches, as the bridge makes them."""
    listener, numbers = Listener(), dict.fromkeys(("heart_rate", "rr_interval", "sensor_contact"), 0)
    readings: list[Reading] = []
    for heard in packets(count):
        for seen in listener.observations(heard):
            numbers[seen.stream] += 1
            sequence = numbers[seen.stream] - 1
            readings.append(Reading(seen.stream, seen.time_us, seen.value, sequence, len(readings)))
    made = []
    for start in range(0, len(readings), MOST_READINGS):
        batch = readings[start : start + MOST_READINGS]
        rows = [(one.position, one.stream, one.time_us, one.sequence, one.value) for one in batch]
        made.append((rows, body_of(batch)))
    return made
