"""Several sources in one bridge."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from device_bridge.sources import Deliver, Source


class Together:
    """A source of sources: ends when all have ended, and fails as soon as one of them does."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    async def run(self, deliver: Deliver) -> None:
        """Listen to all. Raises what the first to fail raises, the others having let go of their radios."""
        working = [asyncio.ensure_future(source.run(deliver)) for source in self._sources]
        try:
            await asyncio.gather(*working)
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
