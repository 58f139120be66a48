"""Tickets as pictures and on paper."""

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from itertools import groupby
from zoneinfo import ZoneInfo

import segno
from django.utils.formats import date_format
from fpdf import FPDF

from contexts.booking.models import SportEvent

PIXELS_A_MODULE = 8
QUIET_ZONE = 4
"""Modules of white around a code, which ISO/IEC 18004 asks for."""
MARGIN_MM, QR_MM = 20.0, 80.0
FONT = "Roboto"

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of each table of each font


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """One ticket as it is printed."""

    sport_event: SportEvent
    ticket_type: str
    seat: str
    holder: str
    code: str


def qr(code: str) -> segno.QRCode:
    """The QR code of a ticket's code: level M stays readable with 15 % of it gone."""
    return segno.make_qr(code, error="m")


def qr_png(code: str) -> bytes:
    """The QR code as a picture, with its quiet zone."""
    picture = io.BytesIO()
    qr(code).save(picture, kind="png", scale=PIXELS_A_MODULE, border=QUIET_ZONE)
    return picture.getvalue()


def qr_svg(code: str) -> bytes:
    """The QR code as a drawing of any size, white behind it wherever it is put."""
    drawing = io.BytesIO()
    qr(code).save(drawing, kind="svg", scale=PIXELS_A_MODULE, border=QUIET_ZONE, light="#fff")
    return drawing.getvalue()


def ticket_pdf(sheets: Sequence[Sheet], *, at: datetime) -> bytes:
    """A page for each ticket, in the language of the request, with times as the clocks at the venue show them."""
    paper = FPDF(format="A4")
    fonts = resources.files("font_roboto") / "files"
    for style, name in (("", "Roboto-Regular.ttf"), ("B", "Roboto-Bold.ttf")):
        with resources.as_file(fonts / name) as file:
            paper.add_font(FONT, style, file)
    paper.set_creation_date(at)
    paper.set_margin(MARGIN_MM)
    paper.set_auto_page_break(False)
    for sheet in sheets:
        _draw(paper, sheet)
    return bytes(paper.output())


def _draw(paper: FPDF, sheet: Sheet) -> None:
    event = sheet.sport_event
    paper.add_page()
    paper.set_title(event.title)
    _write(paper, event.title, size=24, style="B")
    _write(paper, when(event), size=13)
    _write(paper, event.venue, size=13, style="B")
    _write(paper, event.address, size=11)
    _write(paper, " · ".join(filter(None, [sheet.ticket_type, sheet.seat])), size=16, style="B")
    _write(paper, sheet.holder, size=13)
    _draw_code(paper, sheet.code)
    _write(paper, sheet.code, size=7)


def _write(paper: FPDF, text: str, *, size: int, style: str = "") -> None:
    if text:
        paper.set_font(FONT, style, size)
        paper.multi_cell(0, size * 0.5, text, align="L", new_x="LMARGIN", new_y="NEXT")
        paper.ln(2)


def _draw_code(paper: FPDF, code: str) -> None:
    """Bars instead of a picture: sharp on any printer."""
    rows = list(qr(code).matrix_iter(border=QUIET_ZONE))
    side, left, top = QR_MM / len(rows), (paper.w - QR_MM) / 2, paper.get_y() + 4
    paper.set_fill_color(0)
    for line, row in enumerate(rows):
        column = 0
        for dark, modules in groupby(row, key=bool):
            width = len(list(modules))
            if dark:
                paper.rect(left + column * side, top + line * side, width * side, side, style="F")
            column += width
    paper.set_y(top + QR_MM + 2)


def when(event: SportEvent) -> str:
    """Its day and hours at the venue, with the zone's name and its distance from UTC on that day."""
    starts, ends = (instant.astimezone(ZoneInfo(event.time_zone)) for instant in (event.starts_at, event.ends_at))
    until = f"{ends:%H:%M}" if ends.date() == starts.date() else f"{_day(ends)}, {ends:%H:%M}"
    zone = f"{starts:%z}"
    return f"{_day(starts)}, {starts:%H:%M} – {until} ({event.time_zone}, UTC{zone[:3]}:{zone[3:]})"


def _day(instant: datetime) -> str:
    return date_format(instant.date(), "DATE_FORMAT")
