"""Alerts: how soon after a reading a frame is at its person, and how often there is nothing behind one.

A device posts, signed; the clock starts before the request and stops when the person's socket has the frame. Each
person has one episode, so each round opens an alert: request, outbox, relay, norm by age and sex, evaluation in the
database, event, push. Beside it stands the answer to the same request: what comes before the relay.

False alarms are counted in simulated months, always the same: a saturation each minute with a sensor's noise and
slips, a breathing rate each minute, a resting pulse and temperature a day, and one true desaturation of six minutes a
month. Beside them stands what every single reading beyond the bound would raise, cool-down included.
"""

import asyncio
import base64
import json
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import numpy as np
from numpy.typing import NDArray
from websockets.asyncio.client import connect

from benchmarks.figures import Figure, percentile
from benchmarks.people import Person, people
from benchmarks.programs import relay, web_server
from benchmarks.readings import PATH, signature_of

ROUNDS = 150
PACE_S = 0.05
TARGET_MS = 2_000
MONTHS = 40
DAYS = 30
SEED = 7
FALSE_A_MONTH = 1.0
DAY_S = 86_400


def run(*, quick: bool) -> list[Figure]:
    """Latency, then false alarms and what was found."""
    members = people(6 if quick else ROUNDS)
    devices = [_device(person) for person in members]
    with web_server() as port, relay():
        answered, told = asyncio.run(_play(port, members, devices))
    months = 4 if quick else MONTHS
    ours, bare, found = _months(months)
    return [
        Figure(
            about="critical reading in to alert at its person, p95",
            ours=percentile(told, 95),
            unit="ms",
            beside="ms answer to the device, p95",
            limit=percentile(answered, 95),
            at_most=TARGET_MS,
        ),
        Figure(
            about=f"false alarms a person and month, {months} simulated months",
            ours=ours / months,
            unit="alarms",
            beside="one for each reading beyond the bound",
            limit=bare / months,
            at_most=FALSE_A_MONTH,
        ),
        Figure(
            about="true desaturations of six minutes that raise an alert",
            ours=100 * found / months,
            unit="%",
            at_least=100,
        ),
    ]


# --- Latency -----------------------------------------------------------------------------------------------------


def _device(person: Person) -> tuple[Any, bytes]:
    from contexts.health.worn import devices
    from contexts.identity import consents, rules

    at, purpose = datetime.now(UTC), "health_processing"
    consents.decide(purpose=purpose, version=rules.CONSENTS[purpose], given=True, by=person.user_id, at=at)
    device, told = devices.connect_device(name="Bench", kind="pulse_oximeter", by=person.user_id, at=at)
    return device, base64.urlsafe_b64decode(told + "=" * (-len(told) % 4))


async def _play(port: int, members: list[Person], devices: list[Any]) -> tuple[list[float], list[float]]:
    """Milliseconds to the answer and to the frame, one of each a person; the first warms up and is dropped."""
    answered, told = [], []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
        for person, (device, secret) in zip(members, devices, strict=True):
            offered: Any = ["stayer.v1", f"bearer.{person.token}"]
            uri = f"ws://127.0.0.1:{port}/ws/v1/health/alerts"
            async with connect(uri, subprotocols=offered) as socket:
                await socket.recv()
                await asyncio.sleep(PACE_S)
                body = _desaturation()
                headers = {
                    "Authorization": signature_of(device.device_id, secret, body),
                    "Content-Type": "application/json",
                }
                heard = asyncio.create_task(_alert(socket))
                began = time.perf_counter()
                (await http.post(PATH, content=body, headers=headers)).raise_for_status()
                answered.append((time.perf_counter() - began) * 1000)
                told.append((await heard - began) * 1000)
    return answered[1:], told[1:]


async def _alert(socket: Any) -> float:
    while json.loads(await asyncio.wait_for(socket.recv(), 30))["type"] != "alert":
        pass
    return time.perf_counter()


def _desaturation() -> bytes:
    """Two minutes below the bound, a value each second, which end now."""
    first = datetime.now(UTC) - timedelta(seconds=119)
    rows = [
        {"stream": "oxygen_saturation", "time": first + timedelta(seconds=n), "sequence": 0, "value": 86.0}
        for n in range(120)
    ]
    return msgspec.json.encode({"readings": rows})


# --- False alarms ------------------------------------------------------------------------------------------------


def _months(count: int) -> tuple[int, int, int]:
    """False alarms of ours and of a bare bound, and how many true episodes were found."""
    from contexts.health.alerts.episodes import Rule, episodes
    from contexts.health.alerts.watching import bounds_of
    from contexts.health.judging.norm_data import NORMS

    adult = [norm for norm in NORMS if norm.watch and norm.covers(age=35, sex="female")]
    rules = [rule for norm in adult for rule in bounds_of(norm)]
    dice, false, bare, found = np.random.default_rng(SEED), 0, 0, 0

    def raised(rule: Rule, times: NDArray[Any], values: NDArray[Any], true: tuple[int, int]) -> tuple[int, int]:
        """False ones, and whether the true one was among the alerts."""
        told = [(one.began <= true[1] and true[0] <= one.last) for one in episodes(times, values, rule)]
        return told.count(False), int(True in told)

    for _ in range(count):
        month, true = _month(dice)
        for rule in rules:
            if rule.stream.name in month:
                wrong, right = raised(rule, *month[rule.stream.name], true)
                single = replace(rule, hysteresis=0, lasts_s=0)
                false, found = false + wrong, found + right
                bare += raised(single, *month[rule.stream.name], true)[0]
    return false, bare, found


def _month(dice: np.random.Generator) -> tuple[dict[str, tuple[NDArray[Any], NDArray[Any]]], tuple[int, int]]:
    """A healthy adult's month by metric, and from when to when (µs) the true desaturation lasts."""
    minutes = np.arange(0, DAYS * DAY_S, 60, dtype=np.int64)
    saturation = np.minimum(dice.normal(96.8, 1.0, len(minutes)), 100)
    slips = np.flatnonzero(dice.random(len(minutes)) < 0.002)  # a finger moves: one minute, seldom two
    saturation[slips] = dice.uniform(78, 91, len(slips))
    longer = slips[dice.random(len(slips)) < 0.005] + 1
    saturation[longer[longer < len(minutes)]] = 88.0
    first = int(dice.integers(0, len(minutes) - 6))
    saturation[first : first + 6] = dice.uniform(82, 88, 6)
    breathing = dice.normal(14.5, 2.0, len(minutes))
    hour = (minutes // 3_600) % 24
    breathing -= np.where(hour < 6, 1.5, 0.0)
    days = np.arange(0, DAYS * DAY_S, DAY_S, dtype=np.int64)
    micro = 1_000_000
    series = {
        "oxygen_saturation": (minutes * micro, saturation),
        "respiratory_rate": (minutes * micro, breathing),
        "resting_heart_rate": (days * micro, dice.normal(58, 4, DAYS)),
        "body_temperature": (days * micro, dice.normal(36.7, 0.25, DAYS)),
    }
    return series, (int(minutes[first]) * micro, int(minutes[first + 5]) * micro)
