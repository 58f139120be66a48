"""A report as a FHIR R4 bundle (hl7.org/fhir/R4): a patient without a name, devices, observations.

LOINC where the catalogue names a code, UCUM units always. Systolic and diastolic pressure of one instant and device
are one observation with two components (LOINC 85354-9). A metric with many readings is told by days: each
observation says of how many readings it is the mean, or the sum.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from contexts.health.catalogue import METRICS, Aggregation, Kind, Metric
from contexts.health.judging.norms import Norm
from contexts.health.looking.measurements import Measured
from contexts.health.models import Device
from contexts.health.reports.gathering import Report, Section, is_own_source
from contexts.health.rules import Stream
from contexts.health.sealing import pseudonym
from contexts.health.trends.buckets import Bucket, midnight

LOINC, UCUM = "http://loinc.org", "http://unitsofmeasure.org"
METRIC, PSEUDONYM = "urn:stayer:metric", "urn:stayer:pseudonym"
CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
NAMESPACE = UUID("6f1c1d2e-5c0f-4c0e-9a55-0c6f3b9a4f11")
"""Of the bundle's ids: the same report has the same ones."""

_CATEGORY = {
    Kind.VITAL: "vital-signs",
    Kind.BODY: "vital-signs",
    Kind.HRV: "vital-signs",
    Kind.GLUCOSE: "laboratory",
    Kind.ACTIVITY: "activity",
    Kind.SLEEP: "activity",
    Kind.DEVICE: "activity",
}
SYSTOLIC, DIASTOLIC = Stream.blood_pressure_systolic, Stream.blood_pressure_diastolic


def bundle(report: Report) -> dict[str, Any]:
    """The bundle as JSON takes it."""
    person = pseudonym(report.about.user_id)
    patient = _entry("patient", person, {"resourceType": "Patient", **_patient(report, person)})
    devices = {
        number: _entry("device", str(device.device_id), _device(device, patient["fullUrl"]))
        for number, device in report.devices.items()
    }
    places = {number: entry["fullUrl"] for number, entry in devices.items()}
    found = _observations(report, patient["fullUrl"], places)
    seen = [_entry("observation", f"{person}:{report.first}:{nth}", body) for nth, body in enumerate(found)]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": _instant(report.made_at),
        "entry": [patient, *devices.values(), *seen],
    }


def _entry(kind: str, key: str, resource: dict[str, Any]) -> dict[str, Any]:
    identity = uuid5(NAMESPACE, f"{kind}:{key}")
    return {"fullUrl": f"urn:uuid:{identity}", "resource": {**resource, "id": str(identity)}}


def _patient(report: Report, person: str) -> dict[str, Any]:
    told: dict[str, Any] = {"identifier": [{"system": PSEUDONYM, "value": person}]}
    if report.about.sex in ("female", "male"):
        told["gender"] = report.about.sex
    return told


def _device(device: Device, patient: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "resourceType": "Device",
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{device.device_id}"}],
        "type": {"text": "entered by hand" if is_own_source(device) else device.kind},
        "patient": {"reference": patient},
    }
    facts = {"manufacturer": device.maker, "modelNumber": device.model, "serialNumber": device.serial}
    told |= {name: value for name, value in facts.items() if value}
    if device.firmware:
        told["version"] = [{"type": {"text": "firmware"}, "value": device.firmware}]
    return told


def _observations(report: Report, patient: str, places: dict[int, str]) -> Iterator[dict[str, Any]]:
    sections = {section.stream: section for section in report.sections}
    paired = _pairs(sections)
    for systolic, diastolic in paired:
        yield {
            **_head(patient, "vital-signs", "85354-9", "Blood pressure panel with all children optional"),
            "effectiveDateTime": _instant(systolic.time),
            "device": {"reference": places[systolic.device_number]},
            "component": [
                {"code": _code(METRICS[each.stream]), "valueQuantity": _quantity(METRICS[each.stream], each.value)}
                for each in (systolic, diastolic)
            ],
        }
    told = {id(each) for pair in paired for each in pair}
    for section in report.sections:
        if section.readings is None:
            yield from (_of_day(report, section, day, patient) for day in section.days)
        else:
            yield from (_of_one(section, one, patient, places) for one in section.readings if id(one) not in told)


def _pairs(sections: dict[Stream, Section]) -> list[tuple[Measured, Measured]]:
    """Both pressures of one instant, device and sequence."""
    upper, lower = (sections[each].readings if each in sections else None for each in (SYSTOLIC, DIASTOLIC))
    if not upper or not lower:
        return []
    below = {(one.time, one.device_number, one.sequence): one for one in lower}
    keys = [((one.time, one.device_number, one.sequence), one) for one in upper]
    return [(one, below[key]) for key, one in keys if key in below]


def _of_one(section: Section, one: Measured, patient: str, places: dict[int, str]) -> dict[str, Any]:
    metric = METRICS[section.stream]
    told = {
        **_of_metric(patient, metric, section.norms),
        "effectiveDateTime": _instant(one.time),
        "valueQuantity": _quantity(metric, one.value),
        "device": {"reference": places[one.device_number]},
    }
    if one.calibration is not None:
        told["note"] = [{"text": f"Corrected by calibration {one.calibration} of the device."}]
    return told


def _of_day(report: Report, section: Section, day: Bucket, patient: str) -> dict[str, Any]:
    metric = METRICS[section.stream]
    word = {Aggregation.SUM: "Sum", Aggregation.MEAN: "Mean", Aggregation.LAST: "Last"}[metric.aggregation]
    last = midnight(day.end, report.zone).astimezone(UTC) - timedelta(milliseconds=1)
    return {
        **_of_metric(patient, metric, section.norms),
        "effectivePeriod": {"start": _instant(midnight(day.begin, report.zone)), "end": _instant(last)},
        "valueQuantity": _quantity(metric, day.value),
        "note": [{"text": f"{word} of {day.count} readings of one day."}],
    }


def _of_metric(patient: str, metric: Metric, norms: list[Norm]) -> dict[str, Any]:
    ranges = [_range(metric, norm) for norm in norms]
    head = _head(patient, _CATEGORY[metric.kind], metric.loinc, metric.name.replace("_", " "))
    head["code"] = _code(metric)
    return head | ({"referenceRange": ranges} if ranges else {})


def _head(patient: str, category: str, loinc: str | None, text: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": CATEGORIES, "code": category}]}],
        "code": {"coding": [{"system": LOINC, "code": loinc}], "text": text},
        "subject": {"reference": patient},
    }


def _code(metric: Metric) -> dict[str, Any]:
    known = [{"system": LOINC, "code": metric.loinc}] if metric.loinc else []
    return {"coding": [*known, {"system": METRIC, "code": metric.name}], "text": metric.name.replace("_", " ")}


def _quantity(metric: Metric, value: float) -> dict[str, Any]:
    return {"value": float(f"{value:.12g}"), "unit": metric.unit, "system": UCUM, "code": metric.unit}


def _range(metric: Metric, norm: Norm) -> dict[str, Any]:
    """From where the normal bands begin to where the next one does; the source is its text."""
    nth = [place for place, band in enumerate(norm.bands) if band.status == "normal"]
    low = norm.bands[nth[0]].begin
    high = norm.bands[nth[-1] + 1].begin if nth[-1] + 1 < len(norm.bands) else None
    bounds = {"low": low, "high": high}
    return {name: _quantity(metric, bound) for name, bound in bounds.items() if bound is not None} | {
        "text": f"{norm.named}: {norm.source}"
    }


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
