"""Handlers and a ledger of effects for the tests of the bus."""

from collections.abc import Iterator

import pytest

from kernel.bus import handlers_removed_after
from tests.kernel.probe import create_ledger


@pytest.fixture
def probe(transactional_db: None) -> Iterator[None]:
    """An empty ledger; handlers that the test registers are forgotten afterwards."""
    create_ledger("social", "gamification")
    with handlers_removed_after():
        yield
