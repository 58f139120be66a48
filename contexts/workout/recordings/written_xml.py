"""What our GPX and TCX writers share: instants, numbers and text as XML Schema wants them, and who is in a row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from .recording import RecordedActivity, plain

HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
MILLISECOND: Final = timedelta(milliseconds=1)

__all__ = ["HEAD", "attribute", "decimal", "element", "instant", "moments", "rows", "whole_ms"]

attribute = quoteattr

Row = dict[str, float]


def whole_ms(at: datetime) -> datetime:
    """The instant without what is finer than a millisecond, which is how fine our readers of XML are."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def instant(at: datetime) -> str:
    """An instant in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def decimal(value: float) -> str:
    """The shortest decimal that reads as this number again, never with an exponent."""
    text = format(Decimal(repr(float(value))), "f")
    return text.removesuffix(".0")


def element(name: str, content: str | None, indent: str = "") -> str:
    """One line with text in it; nothing where there is no text."""
    return f"{indent}<{name}>{escape(content)}</{name}>\n" if content else ""


def moments(activity: RecordedActivity) -> list[datetime]:
    """When each row was measured."""
    return [whole_ms(activity.started_at + timedelta(seconds=at)) for at in activity.streams.time.tolist()]


def rows(activity: RecordedActivity) -> Iterator[tuple[datetime, Row]]:
    """Each row's instant and the values it has."""
    columns = [(name, plain(getattr(activity.streams, name))) for name in activity.streams.present()]
    for nth, at in enumerate(moments(activity)):
        yield at, {name: value for name, column in columns if (value := column[nth]) is not None}
