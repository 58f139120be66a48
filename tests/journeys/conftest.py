"""One platform for all journeys: starting it is the slow part."""

from collections.abc import Iterator

import pytest

from tests.journeys.world import Platform


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The platform, running, with its demo people."""
    running = Platform(tmp_path_factory.mktemp("journey"))
    try:
        running.start()
        yield running
    finally:
        running.stop()
