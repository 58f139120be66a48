"""The only way XML is read here: as a stream of events, without document types, entities or deep nesting."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from . import recording
from .recording import Flaw, Limits

FIRST_PAGES = 64 * 1024

OUT_OF_MEMORY = 1
"""The parser's own error code for it."""


class Document:
    """Receives the elements of a document; no tree is ever built. Names come without their namespace."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.warnings: list[Flaw] = []
        self.points = 0
        self.path: list[str] = []
        self._local: dict[str, str] = {}
        self._text: list[str] = []

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def closed(self, name: str, text: str) -> None:
        """An element ends; `text` is what stood in it after its last child."""

    def count_point(self) -> None:
        """Counts one more point against the limit."""
        self.points += 1
        if self.points > self.limits.max_points:
            raise recording.TooManyPoints

    # What the parser calls.

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = self._local.get(tag)
        if name is None:
            name = self._local[tag] = tag.rpartition("}")[2]
        if len(self.path) >= self.limits.max_depth:
            raise recording.XmlForbidden
        self._text.clear()
        self.opened(name, attributes)
        self.path.append(name)

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        name = self.path.pop()
        self.closed(name, "".join(self._text).strip())
        self._text.clear()

    def close(self) -> None:
        """The parser has come to the end."""


class Recorded(Document, ABC):
    """A document of which a recording is read."""

    @abstractmethod
    def reading(self) -> recording.Reading:
        """What was read, once the document has ended."""


class RootFound(Exception):
    """Carries the name of the outermost element out of the parser."""


class _Root(Document):
    def opened(self, name: str, attributes: dict[str, str]) -> None:
        raise RootFound(name)


def root_of(data: bytes, limits: Limits) -> str | None:
    """The name of the outermost element; None where there is none in the first pages."""
    try:
        parse(data[:FIRST_PAGES], _Root(limits))
    except RootFound as found:
        return str(found)
    except recording.CorruptXml:
        return None
    return None


def parse(data: bytes, document: Document) -> None:
    """Feeds the document. Damage after the first point is a warning, before it a refusal."""
    parser = DefusedXMLParser(target=document, forbid_dtd=True)
    try:
        parser.feed(data)  # at once: in small pieces the parser would look at a long name again and again
        parser.close()
    except DefusedXmlException as forbidden:
        raise recording.XmlForbidden from forbidden
    except (ParseError, ValueError, LookupError) as damage:
        if getattr(damage, "code", None) == OUT_OF_MEMORY:
            raise recording.TooExpensive from damage
        if document.points == 0:
            raise recording.CorruptXml from damage
        document.warnings.append(Flaw("corrupt_tail", "The file is damaged; everything recorded before was kept."))


def seconds(text: str | None) -> float | None:
    """Unix seconds of an XML date and time; without a zone it is taken as universal time."""
    try:
        at = datetime.fromisoformat(text or "")
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return (at - recording.EPOCH).total_seconds()
    except (ValueError, OverflowError):
        return None
