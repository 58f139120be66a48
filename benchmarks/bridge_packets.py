"""Packets of Bluetooth devices which the bridge understands in a second: decoded, and turned into readings."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.figures import Figure
from device_bridge import gatt
from device_bridge.readings import Listener, Notification

PACKETS = 100_000
ROUNDS = 7
AT_US = 1_790_000_000_000_000

DECODED = {
    "heart rate, two intervals": (gatt.HEART_RATE_MEASUREMENT, "16 50 00 04 80 03", 300_000),
    "heart rate alone": (gatt.HEART_RATE_MEASUREMENT, "06 50", 300_000),
    "cycling power with wheel and crank": (
        gatt.CYCLING_POWER_MEASUREMENT,
        "3000 C800 1D1C0000 D9EB CC0A B9E8",
        None,
    ),
    "indoor bike": (gatt.INDOOR_BIKE_DATA, "4402 B80B B400 C800 8C", None),
    "pulse oximeter": (gatt.PULSE_OXIMETER_CONTINUOUS, "00 6200 4000", None),
}


def per_second(work: Callable[[int], object], count: int, rounds: int) -> float:
    """The best of several rounds, by processor time: what else the machine does is none of our business."""
    best = float("inf")
    for _ in range(rounds):
        begun = time.process_time()
        for number in range(count):
            work(number)
        best = min(best, time.process_time() - begun)
    return count / best


def run(*, quick: bool) -> list[Figure]:
    """One core."""
    count, rounds = (1_000, 1) if quick else (PACKETS, ROUNDS)
    figures = []
    for about, (number, written, target) in DECODED.items():
        packet, decode = bytes.fromhex(written), gatt.CHARACTERISTICS[number].decode
        rate = per_second(lambda _, decode=decode, packet=packet: decode(packet), count, rounds)  # type: ignore[misc]
        figures.append(Figure(about=f"decoded: {about}", ours=rate, unit="packets/s", at_least=target))
    listener, packet = Listener(), bytes.fromhex("16 50 00 04 80 03")

    def understood(number: int) -> object:
        heard = Notification(gatt.HEART_RATE_MEASUREMENT, packet, AT_US + number * 1_000_000, "C0:57")
        return listener.observations(heard)

    rate = per_second(understood, count, rounds)
    note = "three readings each, and sensor contact once a minute"
    return [*figures, Figure(about="heart rate to readings", ours=rate, unit="packets/s", note=note)]
