"""T13: readings twice, out of order, a day late, and from clocks that run ahead or back: the distinct ones are there.

`UNRULY_READINGS=1000000` sends a million.
"""

import os
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from contexts.health import rules
from contexts.health.columns import microseconds_of
from contexts.health.models import Device, Reading
from contexts.health.rules import Stream
from kernel.http import encode_json
from kernel.observability import invariants
from kernel.timescale.columns import EPOCH
from tests.health.conftest import COLUMNS
from tests.identity.conftest import in_parallel

pytestmark = [pytest.mark.django_db(databases=["default", "health"], transaction=True), pytest.mark.timeout(900)]

COUNT = int(os.environ.get("UNRULY_READINGS", "100000"))
IN_A_REQUEST = 20_000

Told = tuple[int, int, int, float]
"""Stream, microseconds since 2000, sequence, value."""


def unruly(dice: random.Random, now: datetime) -> list[Told]:
    """Distinct readings of two days; 30 % come twice, 30 % out of order, some far ahead of our clock or long ago."""
    start = microseconds_of(now - timedelta(days=2))
    distinct = [
        (1 + n % 2 if n % 4 < 2 else (10, 35)[n % 2], start + n * 1_000, n % 3, float(50 + n % 300))
        for n in range(COUNT)
    ]
    skewed = {
        dice.randrange(COUNT): dice.choice([timedelta(hours=5), timedelta(minutes=20), timedelta(days=-40)])
        for _ in range(COUNT // 50)
    }
    for n, off in skewed.items():
        stream, _, sequence, value = distinct[n]
        distinct[n] = stream, microseconds_of(now + off) + n, sequence, value
    sent = distinct + dice.sample(distinct, COUNT * 3 // 10)
    for n in dice.sample(range(len(sent)), len(sent) * 3 // 10):
        other = dice.randrange(len(sent))
        sent[n], sent[other] = sent[other], sent[n]
    return sent


def body_of(readings: list[Told]) -> bytes:
    """The compact form, stream by stream in the order in which they are sent."""
    streams = []
    for number in sorted({stream for stream, *_ in readings}):
        _, times, sequences, values = zip(*(each for each in readings if each[0] == number), strict=True)
        streams.append(
            {
                "stream": Stream(number).name,
                "base": EPOCH + timedelta(microseconds=times[0]),
                "steps_us": [0, *np.diff(times).tolist()],
                "sequences": sequences,
                "values": values,
            }
        )
    return encode_json(streams)


def test_t13_unruly_readings_are_stored_once_each(strap):
    worn, now, dice = strap(), datetime.now(UTC), random.Random(20261121)
    sent = unruly(dice, now)
    requests = [sent[n : n + IN_A_REQUEST] for n in range(0, len(sent), IN_A_REQUEST)]
    answers = in_parallel(2, lambda hand: [worn.post(body_of(r), content_type=COLUMNS) for r in requests[hand::2]])
    told = [answer.json() for hand in answers for answer in hand]
    assert {answer.status_code for hand in answers for answer in hand} == {200}
    low = microseconds_of(Device.objects.get().connected_at - rules.RECORDED_BEFORE)
    high = microseconds_of(now + rules.CLOCK_AHEAD) + 60_000_000
    taken = [each for each in sent if low <= each[1] <= high]
    distinct = {each[:3]: each[3] for each in taken}
    stored = {
        (stream, microseconds_of(time), sequence): value
        for stream, time, sequence, value in Reading.objects.values_list("stream", "time", "sequence", "value")
    }
    assert stored == distinct
    assert sum(each["accepted"] for each in told) == len(distinct)
    assert sum(each["duplicates"] for each in told) == len(taken) - len(distinct)
    codes = Counter(rejection["code"] for each in told for rejection in each["rejected"])
    assert sum(codes.values()) == len(sent) - len(taken)
    assert set(codes) == {"in_future", "before_device"}
    broken = {i.id: found for i in invariants() if i.context == "health" if (found := i.violations())}
    assert broken == {}
