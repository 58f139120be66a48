"""A sandbox whose webhooks are written down."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel import payments
from tests.payments.sandbox import SandboxProcess, running_sandbox


@pytest.fixture
def sandbox(tmp_path: Path, settings: Any) -> Iterator[SandboxProcess]:
    """A running sandbox, heard with 204."""
    with running_sandbox(tmp_path, lambda body, headers: 204) as process:
        settings.PAYMENT_SANDBOX_URL = process.url
        payments.provider.cache_clear()
        yield process
    payments.provider.cache_clear()
