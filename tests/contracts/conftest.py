"""What every test of a contract relies on."""

import pytest

from kernel.access import RateLimit


@pytest.fixture(autouse=True)
def nobody_has_come_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of requests are judged one by one; `tests/kernel/test_access.py` shows that they are counted."""
    monkeypatch.setattr(RateLimit, "take", lambda limit, key: None)
