"""What a benchmark hands back: each figure beside its limit or its peer of the same run, and whether it will do."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of the table. `target` holds for `ours / limit` where `of_ratio`, else for `ours`."""

    about: str
    ours: float
    unit: str
    beside: str = ""
    limit: float | None = None
    at_least: float | None = None
    at_most: float | None = None
    of_ratio: bool = False
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours over the limit measured in the same run."""
        return self.ours / self.limit if self.limit else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; `None` where there is none."""
        value = self.ratio if self.of_ratio else self.ours
        if value is None or (self.at_least is None and self.at_most is None):
            return None
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    @property
    def target(self) -> str:
        """The target in words."""
        if self.at_least is None and self.at_most is None:
            return ""
        bound = f"≥ {self.at_least:,g}" if self.at_least is not None else f"≤ {self.at_most:,g}"
        return f"{bound} of it" if self.of_ratio else f"{bound} {self.unit}"


def print_table(figures: Iterable[Figure]) -> None:
    """All figures as one table; what is worth knowing about a figure follows below it."""
    heads = ("figure", "ours", "limit or peer in this run", "ratio", "target", "")
    rows = [(_row(figure), figure.note) for figure in figures]
    widths = [max(len(cells[n]) for cells in [heads, *(row for row, _ in rows)]) for n in range(len(heads))]
    print(_line(heads, widths))
    print("  ".join("─" * width for width in widths))
    for cells, note in rows:
        print(_line(cells, widths))
        if note:
            print(f"    {note}")


def _row(figure: Figure) -> tuple[str, ...]:
    verdict = {True: "met", False: "MISSED", None: ""}[figure.met]
    beside = f"{rounded(figure.limit)} {figure.beside}" if figure.limit is not None else figure.beside
    ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else ""
    return figure.about, f"{rounded(figure.ours)} {figure.unit}", beside, ratio, figure.target, verdict


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def rounded(value: float) -> str:
    """Three significant digits, and thousands by commas."""
    if value == 0 or not math.isfinite(value):
        return str(value)
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def percentile(values: Iterable[float], percent: int) -> float:
    """The value below which `percent` of all lie."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def in_turns(rounds: int, contenders: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Each contender's values, measured one after the other in every round; a first round warms up and is dropped.

    The machine may be busy with other things: two values of one round belong to the same seconds.
    """
    values: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, measure in contenders.items():
            value = measure()
            if number:
                values[name].append(value)
    return values
