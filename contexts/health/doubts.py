"""What a device says against its own reading. A doubted reading is stored and stays in quarantine.

The words are those of Bluetooth's status fields: Heart Rate (contact), Pulse Oximeter, Blood Pressure, Glucose and
the User Data services. What a device remarks without doubting the value (an irregular pulse, a low battery, a value
at the end of its range) is none of these.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from kernel.errors import InvalidInput

Doubts = NDArray[np.int16]
"""A number for each reading; 0 where nobody doubts it."""

Told = dict[str, list[int]]
"""By the word, the places of the readings it is said of."""


class Doubt(IntEnum):
    """The doubts by their numbers, which are stored: never change them."""

    other = 1
    no_contact = 2
    measurement_ongoing = 3
    early_estimate = 4
    questionable = 5
    body_moved = 6
    cuff_loose = 7
    wrong_position = 8
    sensor_fault = 9
    sample_insufficient = 10
    strip_inserted_wrongly = 11
    wrong_strip = 12
    too_hot = 13
    too_cold = 14
    strip_pulled = 15
    device_fault = 16
    time_fault = 17
    unknown_user = 18


def numbers_of(told: Told, *, size: int) -> Doubts | None:
    """The doubts of so many readings, or None without any. A word nobody knows counts as `other`: it is a doubt.

    Of several words for one reading the first one stays. Raises `InvalidInput` for a place that is not there.
    """
    if not told:
        return None
    doubts = np.zeros(size, np.int16)
    for word, places in told.items():
        at = np.array(places, np.int64)
        if len(at) and not 0 <= at.min() <= at.max() < size:
            raise InvalidInput("A doubt is about a reading of the request.", field="doubts", code="batch_invalid")
        at = at[doubts[at] == 0]
        doubts[at] = Doubt.__members__.get(word, Doubt.other)
    return doubts if doubts.any() else None
