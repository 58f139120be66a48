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
