"""Small files for one pair of eyes."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def private_text(path: Path, make: Callable[[], str] = lambda: secrets.token_urlsafe(24)) -> str:
    """The text in `path`, made on first use and readable by its owner alone."""
    if not path.exists():
        write_private(path, make())
    return path.read_text().strip()


def write_private(path: Path, text: str) -> None:
    """Whole or not at all: a reader never sees half of it, and nobody else sees any."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".draft")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
