"""What the person at the terminal reads: one line a message, its speaker in front."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from typing import TextIO

COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
"""ANSI codes, given out in the order in which speakers first speak."""
OURS = "stayer"


class Output:
    """A terminal shared by many speakers; coloured only when it is one."""

    def __init__(self, stream: TextIO | None = None, *, width: int = 10) -> None:
        self._stream = stream or sys.stdout
        self._width = width
        self._coloured = self._stream.isatty()
        self._colour_of: dict[str, int] = {}
        self._lock = threading.Lock()

    def say(self, speaker: str, line: str) -> None:
        """Print a line; a terminal that went away is no reason to stop."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{self._name(speaker)} {line}\n")
            self._stream.flush()

    def _name(self, speaker: str) -> str:
        name = f"{speaker:<{self._width}} |"
        if not self._coloured:
            return name
        colour = self._colour_of.setdefault(speaker, COLOURS[len(self._colour_of) % len(COLOURS)])
        return f"\x1b[{colour}m{name}\x1b[0m"


class SpokenLog(logging.Handler):
    """Log records of the machinery itself, said by its own name."""

    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        self._output.say(OURS, record.getMessage())
