"""A report on paper: charts as drawings, norms with their sources, alerts, where it all comes from.

In the language of the request, days in the person's time zone.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib import resources
from itertools import pairwise

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from fpdf import FPDF

from contexts.health.catalogue import BY_NAME, METRICS, Aggregation
from contexts.health.judging.norms import Norm
from contexts.health.reports.gathering import Report, Section, is_own_source
from contexts.health.reports.words import TITLES, on_paper, unit_on_paper
from contexts.health.rules import Stream

FONT = "Roboto"
MARGIN_MM, CHART_MM, AXIS_MM = 18.0, 42.0, 16.0
SHADES = {"normal": (223, 240, 223), "attention": (253, 240, 210), "critical": (250, 219, 216)}
Down = Callable[[float], float]
LINE, GREY = (33, 84, 160), (120, 120, 120)

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of each table of each font


class Paper(FPDF):
    """A4 with page numbers and the disclaimer on every page."""

    def footer(self) -> None:
        """Below each page."""
        self.set_y(-14)
        self.set_font(FONT, "", 7)
        self.set_text_color(*GREY)
        self.cell(0, 4, f"{disclaimer()}  {self.page_no()}", align="C")
        self.set_text_color(0)


def disclaimer() -> str:
    """On every page."""
    return _("Measured by consumer devices and by hand. No diagnosis, and no substitute for a doctor.")


def pdf(report: Report) -> bytes:
    """The document."""
    paper = Paper(format="A4")
    fonts = resources.files("font_roboto") / "files"
    for style, name in (("", "Roboto-Regular.ttf"), ("B", "Roboto-Bold.ttf")):
        with resources.as_file(fonts / name) as file:
            paper.add_font(FONT, style, file)
    paper.set_creation_date(report.made_at)
    paper.set_title(_("Health report"))
    paper.set_margin(MARGIN_MM)
    paper.set_auto_page_break(True, margin=20)
    paper.add_page()
    _head(paper, report)
    for section in report.sections:
        _section(paper, report, section)
    _alerts(paper, report)
    _provenance(paper, report)
    return bytes(paper.output())


def _write(paper: FPDF, text: str, *, size: float = 10, style: str = "", after: float = 1) -> None:
    paper.set_font(FONT, style, size)
    paper.multi_cell(0, size * 0.45, text, align="L", new_x="LMARGIN", new_y="NEXT")
    paper.ln(after)


def _head(paper: FPDF, report: Report) -> None:
    _write(paper, _("Health report"), size=22, style="B", after=2)
    _write(paper, report.about.name, size=13, style="B")
    if report.about.age is not None:
        sex = {"female": _("female"), "male": _("male")}.get(report.about.sex, "")
        _write(paper, ", ".join(filter(None, [_("{age} years").format(age=report.about.age), sex])))
    days = f"{date_format(report.first, 'DATE_FORMAT')} – {date_format(report.last, 'DATE_FORMAT')}"
    _write(paper, f"{days} ({report.zone.key})")
    _write(paper, _("Made on {when}").format(when=_when(report, report.made_at)), size=8, after=4)


def _when(report: Report, at: datetime) -> str:
    local = at.astimezone(report.zone)
    return f"{date_format(local.date(), 'DATE_FORMAT')}, {local:%H:%M}"


def _section(paper: FPDF, report: Report, section: Section) -> None:
    metric = METRICS[section.stream]
    if paper.get_y() > paper.h - CHART_MM - 55:
        paper.add_page()
    _write(
        paper, ", ".join(filter(None, [_(TITLES[section.stream]), unit_on_paper(metric.unit)])), size=14, style="B"
    )
    if not section.days:
        _write(paper, _("Nothing was measured in this time."), after=4)
        return
    values = [day.value for day in section.days]
    kind = {
        Aggregation.SUM: _("sums of days"),
        Aggregation.MEAN: _("means of days"),
        Aggregation.LAST: _("last values of days"),
    }[metric.aggregation]
    facts = _("{kind}: lowest {low}, mean {mean}, highest {high}; {days} days, {count} readings").format(
        kind=kind,
        low=on_paper(min(values), unit=metric.unit),
        mean=on_paper(sum(values) / len(values), unit=metric.unit),
        high=on_paper(max(values), unit=metric.unit),
        days=len(values),
        count=sum(day.count for day in section.days),
    )
    _write(paper, facts, size=9)
    _chart(paper, report, section)
    for norm in section.norms:
        _norm(paper, norm)
    paper.ln(4)


def _bounds(section: Section) -> tuple[float, float]:
    values = [day.value for day in section.days]
    low, high = min(values), max(values)
    room = (high - low) * 0.15 or abs(high) * 0.05 or 1.0
    return low - room, high + room


def _chart(paper: FPDF, report: Report, section: Section) -> None:
    """A line through the days' values before the bands of the norm; a gap where nothing was measured."""
    left, top, width = MARGIN_MM + AXIS_MM, paper.get_y() + 1, paper.w - 2 * MARGIN_MM - AXIS_MM
    low, high = _bounds(section)

    def down(value: float) -> float:
        return top + CHART_MM * (1 - (min(max(value, low), high) - low) / (high - low))

    def across(nth: int) -> float:
        return left + width * (nth + 0.5) / ((report.last - report.first).days + 1)

    if section.norms:
        _shade(paper, section.norms[0], (low, high), (left, width), down)
    paper.set_draw_color(*GREY)
    paper.set_line_width(0.1)
    paper.rect(left, top, width, CHART_MM)
    paper.set_font(FONT, "", 7)
    for value in (low, (low + high) / 2, high):
        paper.text(MARGIN_MM, down(value) + 1, on_paper(value, unit=METRICS[section.stream].unit))
    paper.set_draw_color(*LINE)
    paper.set_fill_color(*LINE)
    paper.set_line_width(0.4)
    points = [((day.begin - report.first).days, day.value) for day in section.days]
    for (nth, value), (following, next_value) in pairwise(points):
        if following - nth == 1:
            paper.line(across(nth), down(value), across(following), down(next_value))
    for nth, value in points:
        paper.ellipse(across(nth) - 0.5, down(value) - 0.5, 1, 1, style="F")
    paper.text(left, top + CHART_MM + 4, report.first.isoformat())
    paper.text(left + width - 16, top + CHART_MM + 4, report.last.isoformat())
    paper.set_y(top + CHART_MM + 7)


def _shade(paper: FPDF, norm: Norm, shown: tuple[float, float], place: tuple[float, float], down: Down) -> None:
    begins = [shown[0], *(band.begin for band in norm.bands[1:] if band.begin is not None), shown[1]]
    for band, (begin, end) in zip(norm.bands, pairwise(begins), strict=True):
        bottom, upper = down(begin), down(end)
        if bottom > upper:
            paper.set_fill_color(*SHADES[band.status])
            paper.rect(place[0], upper, place[1], bottom - upper, style="F")


def _norm(paper: FPDF, norm: Norm) -> None:
    statuses = {"normal": _("normal"), "attention": _("to be looked at"), "critical": _("critical")}
    unit, bands = BY_NAME[norm.metric].unit, []
    for band in norm.bands:
        begin = "" if band.begin is None else f"{_('from')} {on_paper(band.begin, unit=unit)}: "
        bands.append(f"{begin}{statuses[band.status]}")
    condition = {"fasting": _("fasting"), "random": _("at any time")}.get(norm.condition, "")
    _write(paper, f"{_('Norm')} {norm.named} {condition}".strip() + ": " + "; ".join(bands), size=8, after=0.5)
    _write(paper, f"{norm.source}. {norm.url}", size=7)


def _alerts(paper: FPDF, report: Report) -> None:
    _write(paper, _("Alerts"), size=14, style="B")
    if not report.alerts:
        _write(paper, _("None in this time."), after=4)
        return
    headings = [_("Began"), _("Ended"), _("Metric"), _("Rule"), _("Severity")]
    severities = {"warning": _("warning"), "critical": _("critical")}
    rows = [
        [
            _when(report, alert.began_at),
            _when(report, alert.ended_at) if alert.ended_at else "–",
            str(_(TITLES[Stream(alert.stream)])),
            f"{alert.rule if alert.rule.startswith('norm.') else _('own bound')}@{alert.rule_version}",
            severities[alert.severity],
        ]
        for alert in report.alerts
    ]
    _table(paper, headings, rows)


def _provenance(paper: FPDF, report: Report) -> None:
    _write(paper, _("Where this comes from"), size=14, style="B")
    rows = []
    for number, device in report.devices.items():
        metrics = [_(TITLES[section.stream]) for section in report.sections if number in section.devices]
        name = _("entered by hand") if is_own_source(device) else device.name
        model = " ".join(filter(None, [device.maker, device.model, device.firmware]))
        rows.append([name, model or "–", ", ".join(metrics)])
    if rows:
        _table(paper, [_("Device"), _("Model"), _("Metrics")], rows)
    _write(
        paper,
        _("Days are those of {zone}. Implausible readings are left out; calibrations are applied.").format(
            zone=report.zone.key
        ),
        size=8,
    )


def _table(paper: FPDF, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    paper.set_font(FONT, "", 8)
    with paper.table(line_height=4.5, text_align="LEFT") as table:
        for cells in (headings, *rows):
            row = table.row()
            for cell in cells:
                row.cell(cell)
    paper.ln(4)
