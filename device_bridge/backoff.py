"""How long to wait before trying again."""

from __future__ import annotations

import random


class Backoff:
    """Exponential back-off with full jitter: a random wait between nothing and a bound which doubles.

    Full jitter keeps many bridges from returning to a server in step when it comes back.
    """

    def __init__(self, *, first_s: float, most_s: float) -> None:
        self._first_s, self._most_s = first_s, most_s
        self.failures = 0

    def reset(self) -> None:
        """It worked."""
        self.failures = 0

    def next_s(self) -> float:
        """It failed once more: seconds to wait."""
        bound = min(self._most_s, self._first_s * 2 ** min(self.failures, 30))
        self.failures += 1
        return random.uniform(0, bound)
