"""Where `make run` puts the payment sandbox."""

import socket

import pytest

from config import run
from config.running.checks import CannotRun


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PAYMENT_PROVIDER", "PAYMENT_SANDBOX_URL", "PAYMENT_SANDBOX_PORT"):
        monkeypatch.delenv(name, raising=False)


def test_it_is_beside_the_platform_also_at_the_end_of_the_ports() -> None:
    assert abs((run._sandbox_port(41_000) or 0) - 41_000) == run.SANDBOX_BESIDE
    assert abs((run._sandbox_port(65_500) or 0) - 65_500) == run.SANDBOX_BESIDE


def test_a_port_that_is_taken_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        monkeypatch.setenv("PAYMENT_SANDBOX_PORT", str(taken))
        assert run._sandbox_port(8000) not in (taken, None)


def test_what_is_no_port_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_SANDBOX_PORT", "eighty")
    with pytest.raises(CannotRun, match="PAYMENT_SANDBOX_PORT=eighty is not a port"):
        run._sandbox_port(8000)


@pytest.mark.parametrize(
    ("name", "value"), [("PAYMENT_PROVIDER", "stripe"), ("PAYMENT_SANDBOX_URL", "http://elsewhere:1")]
)
def test_who_keeps_the_money_elsewhere_needs_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert run._sandbox_port(8000) is None
