"""What athletes know of their bodies as of a day: of their dated thresholds those that hold then, in one sport."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from uuid import UUID

from contexts.workout.models import Thresholds

DECIDED: Final = (
    "ftp_w",
    "threshold_bpm",
    "threshold_mps",
    "vt1_bpm",
    "vt2_bpm",
    "resting_bpm",
    "hr_max",
    "height_cm",
)


@dataclass(frozen=True, slots=True)
class Held:
    """What is known on a day, by name, and the entry whose zones hold; none before the first entry."""

    values: dict[str, Any]
    zones: Thresholds | None


def entries_of(user_id: UUID) -> list[Thresholds]:
    """All that an athlete has written down, in the order in which one goes before the other.

    Later ones go before earlier, and of one day the sport's own before those for every sport.
    """
    return list(Thresholds.objects.filter(user_id=user_id).order_by("valid_from", "sport"))


def held_on(entries: Iterable[Thresholds], *, day: date, sport: str) -> Held:
    """What holds on a day in a sport; an entry that leaves something open lets an earlier one speak."""
    values: dict[str, Any] = {}
    zones = None
    for one in entries:
        if one.valid_from <= day and one.sport in ("", sport):
            values |= {name: value for name in DECIDED if (value := getattr(one, name)) is not None}
            zones = one
    return Held(values, zones)
