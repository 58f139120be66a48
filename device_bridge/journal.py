"""Log lines: `time level event key=value …`, never a heart rate, a name or a whole address."""

from __future__ import annotations

import json
import logging
import sys
import time

_logger = logging.getLogger("device_bridge")


def open_journal(*, verbose: bool) -> None:
    """Write lines to standard error, times in UTC. Libraries below us speak only when something is wrong."""
    form = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    form.converter = time.gmtime
    out = logging.StreamHandler(sys.stderr)
    out.setFormatter(form)
    logging.basicConfig(level=logging.WARNING, handlers=[out], force=True)
    # bumble reports packets after an unsubscribe, and lost peers, as errors with tracebacks.
    logging.getLogger("bumble").setLevel(logging.CRITICAL)
    _logger.setLevel(logging.DEBUG if verbose else logging.INFO)


def _line(event: str, fields: dict[str, object]) -> str:
    def shown(value: object) -> str:
        text = str(value)
        return json.dumps(text) if not text or any(c in text for c in ' "=\n') else text

    return " ".join([event, *(f"{key}={shown(value)}" for key, value in fields.items())])


def note(event: str, **fields: object) -> None:
    """Something worth knowing in normal operation."""
    _logger.info(_line(event, fields))


def detail(event: str, **fields: object) -> None:
    """Something worth knowing only when looking closely (`--verbose`)."""
    _logger.debug(_line(event, fields))


def warn(event: str, **fields: object) -> None:
    """Something an operator should see."""
    _logger.warning(_line(event, fields))


def masked(address: str) -> str:
    """The tail of an address: enough to tell two straps apart, too little to recognise a person by."""
    return f"…{address[-5:]}"
