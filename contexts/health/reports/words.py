"""How a report names metrics to people; looked up in the catalogue of texts."""

from contexts.health.catalogue import METRICS
from contexts.health.rules import Stream

_SPELT = {
    Stream.rr_interval: "RR interval",
    Stream.hrv_sdnn: "HRV: SDNN",
    Stream.hrv_rmssd: "HRV: RMSSD",
    Stream.hrv_pnn50: "HRV: pNN50",
    Stream.vo2_max: "VO₂max",
    Stream.haemoglobin_a1c: "Haemoglobin A1c",
    Stream.rem_sleep_duration: "REM sleep duration",
}
TITLES = {
    stream: _SPELT.get(stream, metric.name.replace("_", " ").capitalize()) for stream, metric in METRICS.items()
}
"""In English."""

_UNITS = {"Cel": "°C", "mm[Hg]": "mmHg", "s": "h", "{steps}": "", "{flights}": "", "1": "", "kg/m2": "kg/m²"}


def unit_on_paper(unit: str) -> str:
    """As people write what UCUM calls so; seconds, of which there are many in a night, are told as hours."""
    return _UNITS.get(unit, unit)


def on_paper(value: float, *, unit: str) -> str:
    """A value in the stored unit, in four digits of the unit of the paper."""
    told = value / 3_600 if unit == "s" else value
    return f"{told:.4g}" if abs(told) < 10_000 else f"{told:.0f}"
