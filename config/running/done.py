"""What an earlier run has done already, for the files as they are now."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path


class Done:
    """A note in `file` that some work was finished for these `sources`; any change of them voids it."""

    def __init__(self, file: Path, *, sources: Iterable[Path], about: str = "") -> None:
        self._file = file
        self._fingerprint = _fingerprint(sources, about)

    @property
    def holds(self) -> bool:
        """True when the noted work needs no repetition."""
        return self._file.exists() and self._file.read_text() == self._fingerprint

    def note(self) -> None:
        """The work is finished."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(self._fingerprint)


def _fingerprint(sources: Iterable[Path], about: str) -> str:
    digest = hashlib.sha256(about.encode())
    for path in sorted(path for path in sources if path.is_file()):
        facts = path.stat()
        digest.update(f"{path} {facts.st_size} {facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()
