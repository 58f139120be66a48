"""The codes of the demo's staff: what an authenticator app would show, each of them once."""

import base64
import time
from pathlib import Path

from config.demo import Codes
from tests.identity.conftest import code_at

SEED = base64.b32encode(b"12345678901234567890").decode()


def test_id2_the_demo_shows_what_an_authenticator_app_would(tmp_path: Path) -> None:
    codes = Codes(tmp_path)
    codes.keep("Mira", SEED)
    before = int(time.time()) // 30
    shown = [codes.next("Mira"), Codes(tmp_path).next("Mira")]  # another process knows what was shown
    steps = range(before, int(time.time()) // 30 + 2)
    nth = [next(step for step in steps if code_at(SEED, step) == code) for code in shown]
    assert nth[0] < nth[1]
    assert (tmp_path / "demo-codes.json").stat().st_mode & 0o777 == 0o600
