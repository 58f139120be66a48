"""Twelve devices in processes of their own, a bridge and a server in others: every distinct reading arrives."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from device_bridge.naming import metric_of
from device_bridge.readings import LINK_ENDED, Listener, Notification
from tests.device_bridge.conftest import ROOT
from tests.device_bridge.peripherals import address_of
from tests.device_bridge.test_peripherals import TWELVE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

DEPENDS_ON_WHEN = {"speed", "cadence", "sensor_contact", "battery"}
"""Derived from two packets, told again after a minute, or read as well as notified: what is lost changes these."""
READINGS = 1_500


def said(folder: Path) -> Counter[tuple[str, float]]:
    """All that the devices have said to a listener, each stored measurement once."""
    once: Counter[tuple[str, float]] = Counter()
    for index in range(len(TWELVE)):
        listener, kept = Listener(), set()
        lines = (folder / f"{address_of(index)}.jsonl").read_text().splitlines()
        told = [one for one in map(json.loads, lines) if one["listening"]]
        heard = [Notification(one["characteristic"], bytes.fromhex(one["value"]), n) for n, one in enumerate(told)]
        for notification in [*heard, Notification(LINK_ENDED, b"", len(heard))]:
            for seen in listener.observations(notification):
                identity = (seen.stream, seen.record, seen.value)
                if seen.record is None or identity not in kept:
                    once[metric_of(seen.stream), seen.value] += 1
                    kept.add(identity)
    return Counter({what: count for what, count in once.items() if what[0] not in DEPENDS_ON_WHEN})


def test_he3_every_distinct_reading_of_twelve_devices_arrives(bridge, server, tmp_path, free_port):
    port, folder = free_port(), tmp_path / "said"
    folder.mkdir()
    server.start("--lose-answers", "0.2")
    devices = subprocess.Popen(
        [sys.executable, "-m", "tests.device_bridge.peripherals", str(port), str(folder), "6", *TWELVE],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert devices.stdin is not None
    try:
        running = bridge(f"bumble:tcp-client:127.0.0.1:{port}", "--most", "12")
        server.until(lambda: all(list(folder.glob(f"{address_of(n)}.jsonl")) for n in range(len(TWELVE))))
        for number, killed in enumerate(("treadmill", "speed-cadence"), 1):
            enough = number * READINGS // 3
            server.until(lambda enough=enough: len(server.rows()) >= enough)
            devices.stdin.write(f"kill {TWELVE.index(killed)}\n")
            devices.stdin.flush()
        server.until(lambda: len(server.rows()) >= READINGS)
        devices.stdin.write("stop\n")
        devices.stdin.flush()
        assert devices.wait(20) == 0
        assert running.stop(signal.SIGTERM) == 0
        log = running.ended()[1]
    finally:
        devices.kill()
    assert any(line.endswith("stopped waiting=0") for line in log.splitlines())
    told, rows = said(folder), server.rows()
    stored = Counter((metric, value) for metric, _, _, value in rows if metric not in DEPENDS_ON_WHEN)
    assert not stored - told, "stored what was not said, or twice"
    lost = (told - stored).total()
    assert lost <= told.total() / 20, f"{lost} of {told.total()}: more than was in the air as links broke"
    assert {"oxygen_saturation", "power", "body_mass", "blood_glucose"} < {metric for metric, *_ in rows}
    assert len(set(server.rows("arrivals"))) == len(rows), "sent again, a reading is the same"
