"""What is normal by age and sex: bands of values with their source, and where a value falls among them.

A band reaches from its `begin` to before the next one's. The outermost bands may be critical: their inner edges are
the bounds of the alerts that everybody gets. A verdict names `key@version`, and no version is ever rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Literal

import msgspec

from contexts.health.catalogue import BY_NAME

Status = Literal["normal", "attention", "critical"]
Sex = Literal["", "female", "male"]
Condition = Literal["", "fasting", "random"]

OLDEST = 150
"""Years to which a norm without an end reaches."""

LONGEST_S = 24 * 3_600
"""To which an alert's times may be set."""


class Band(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values from `begin`, which is absent for the lowest band only, in the metric's stored unit."""

    name: str
    status: Status
    begin: float | None = None


class Watch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the critical bands of a norm are watched; see `episodes.Rule`."""

    hysteresis: float
    lasts_s: int
    silence_s: int
    cool_down_s: int


class Norm(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The bands of one metric for people from `age_from` to before `age_below` years, of one sex or of any."""

    key: str
    metric: str
    bands: tuple[Band, ...]
    source: str
    url: str
    age_from: int
    age_below: int = OLDEST
    sex: Sex = ""
    condition: Condition = ""
    note: str = ""
    watch: Watch | None = None
    withdrawn: bool = False
    version: int = 1

    @property
    def named(self) -> str:
        """As a verdict names it."""
        return f"{self.key}@{self.version}"

    @property
    def critical_below(self) -> float | None:
        """Values under this are critical."""
        return self.bands[1].begin if self.bands[0].status == "critical" else None

    @property
    def critical_from(self) -> float | None:
        """Values from this on are critical."""
        return self.bands[-1].begin if self.bands[-1].status == "critical" else None

    def covers(self, *, age: int, sex: str) -> bool:
        """Whether it is said of people of this age and sex."""
        return not self.withdrawn and self.age_from <= age < self.age_below and self.sex in ("", sex)

    def band_of(self, value: float) -> Band:
        """Where a value falls."""
        return [band for band in self.bands if band.begin is None or band.begin <= value][-1]

    def faults(self) -> list[str]:
        """Why it cannot be put in force."""
        begins = [band.begin for band in self.bands[1:]]
        rising = all(low is not None and high is not None and low < high for low, high in pairwise(begins))
        told = {
            "unknown_metric": self.metric not in BY_NAME,
            "too_few_bands": len(self.bands) < 2,
            "bands_do_not_rise": self.bands[:1] != () and (self.bands[0].begin is not None or not rising),
            "band_without_begin": None in begins,
            "nothing_is_normal": not any(band.status == "normal" for band in self.bands),
            "critical_between": any(band.status == "critical" for band in self.bands[1:-1]),
            "ages_empty": not 0 <= self.age_from < self.age_below <= OLDEST,
            "no_source": not self.source.strip() or not self.url.startswith("https://"),
            "watch_invalid": self.watch is not None and not _can_be_watched(self.watch),
        }
        return [code for code, is_so in told.items() if is_so]


def _can_be_watched(watch: Watch) -> bool:
    times = (watch.lasts_s, watch.silence_s, watch.cool_down_s)
    return watch.hysteresis >= 0 and watch.silence_s > 0 and all(0 <= each <= LONGEST_S for each in times)


def norm_for(norms: Iterable[Norm], *, metric: str, condition: str, age: int, sex: str) -> Norm | None:
    """The norm for such a person: one for their sex before one for everybody."""
    fit = [n for n in norms if n.metric == metric and n.condition == condition and n.covers(age=age, sex=sex)]
    return max(fit, key=lambda norm: norm.sex != "", default=None)
