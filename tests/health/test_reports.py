"""Reports: FHIR held to the models of a FHIR library, paper read back as text."""

import json
import re
import zlib
from datetime import UTC, datetime, timedelta

import pytest
from fhir.resources.R4B.bundle import Bundle
from pydantic import ValidationError

from contexts.health.models import Access, Device
from tests.health.conftest import HEALTH, reading, step_up

pytestmark = pytest.mark.django_db(databases=["default", "health"])

REPORTS = f"{HEALTH}/reports"


@pytest.fixture
def patient(strap, register):
    """Anna of Berlin, who has a monitor that told its model, and a recent second factor."""
    person = register(display_name="Анна Жукова", sex="female", time_zone="Europe/Berlin")
    worn = strap(person, kind="blood_pressure_monitor", name="Тонометр")
    worn.tell({"maker": "Omron", "model": "M7", "serial": "S-1"})
    Device.objects.update(connected_at=datetime.now(UTC) - timedelta(days=60))
    return step_up(person), worn


def form(*metrics, days=3):
    """A report of these metrics over the last days."""
    today = datetime.now(UTC).date()
    return {"from": today - timedelta(days=days), "to": today, "metrics": list(metrics)}


def resources(answer, kind):
    """What of a kind is in a bundle, as FHIR's models read it: they refuse what is no R4."""
    assert answer.status_code == 200, answer.content
    read = Bundle.model_validate_json(answer.content)
    return [entry.resource for entry in read.entry if entry.resource.get_resource_type() == kind]


def values_of(observation):
    return float(observation.valueQuantity.value), observation.valueQuantity.code


def test_fhir_readings_are_observations_with_loinc_and_ucum(patient):
    api, worn = patient
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    worn.send([reading(at, 36.6, stream="body_temperature"), reading(at, 400, stream="body_impedance")])
    answer = api.post(f"{REPORTS}/fhir", form("body_temperature", "body_impedance"))
    assert answer["Content-Type"] == "application/fhir+json"
    warm, impedance = resources(answer, "Observation")
    assert (values_of(warm), values_of(impedance)) == ((36.6, "Cel"), (400.0, "Ohm"))
    assert [(each.system, each.code) for each in warm.code.coding] == [
        ("http://loinc.org", "8310-5"),
        ("urn:stayer:metric", "body_temperature"),
    ]
    assert [each.system for each in impedance.code.coding] == ["urn:stayer:metric"]
    assert warm.effectiveDateTime == at
    assert warm.category[0].coding[0].code == "vital-signs"
    assert warm.referenceRange[0].text.startswith("body_temperature")
    (device,) = resources(answer, "Device")
    assert (device.manufacturer, device.modelNumber, device.serialNumber) == ("Omron", "M7", "S-1")


def test_fhir_blood_pressure_is_one_observation_with_two_components(patient):
    api, worn = patient
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
    pressures = {"blood_pressure_systolic": 121, "blood_pressure_diastolic": 79}
    worn.send([reading(at, value, stream=name) for name, value in pressures.items()])
    worn.send([reading(at + timedelta(minutes=5), 118, stream="blood_pressure_systolic")])
    both, alone = resources(api.post(f"{REPORTS}/fhir", form(*pressures)), "Observation")
    assert both.code.coding[0].code == "85354-9"
    told = [(part.code.coding[0].code, float(part.valueQuantity.value)) for part in both.component]
    assert told == [("8480-6", 121.0), ("8462-4", 79.0)]
    assert (alone.code.coding[0].code, values_of(alone)) == ("8480-6", (118.0, "mm[Hg]"))


def test_fhir_many_readings_are_told_by_days_of_the_time_zone(patient):
    api, worn = patient
    at = datetime.now(UTC) - timedelta(hours=1)
    worn.send([reading(at - timedelta(seconds=n), 60) for n in range(600)])
    found = resources(api.post(f"{REPORTS}/fhir", form("heart_rate")), "Observation")
    assert sum(int(re.search(r"of (\d+) readings", each.note[0].text)[1]) for each in found) == 600
    assert {values_of(each) for each in found} == {(60.0, "/min")}
    assert all(each.effectivePeriod.end > each.effectivePeriod.start for each in found)


def test_fhir_names_nobody_and_ids_are_unique(patient):
    api, worn = patient
    worn.send([reading(datetime.now(UTC) - timedelta(minutes=n), 60, sequence=n) for n in range(5)])
    answer = api.post(f"{REPORTS}/fhir", form("heart_rate", "pulse_rate"))
    (person,) = resources(answer, "Patient")
    assert (person.gender, person.name, person.birthDate) == ("female", None, None)
    assert str(worn.owner.user_id) not in answer.content.decode()
    assert "Жукова" not in answer.content.decode()
    urls = [entry["fullUrl"] for entry in json.loads(answer.content)["entry"]]
    assert len(urls) == len(set(urls)) == 7


def test_the_fhir_library_refuses_what_is_wrong(patient):
    """The negative control: a bundle of ours with a member that R4 does not know."""
    made = json.loads(patient[0].post(f"{REPORTS}/fhir", form("heart_rate")).content)
    made["entry"][0]["resource"]["favourite"] = 1
    with pytest.raises(ValidationError):
        Bundle.model_validate(made)


def drawn_on(paper: bytes) -> tuple[str, str]:
    """The drawing itself, and the words in it: each font of the paper has a table of its own."""
    tables = [
        {bytes.fromhex(glyph.decode()): bytes.fromhex(sign.decode()).decode("utf-16-be") for glyph, sign in pairs}
        for table in re.findall(rb"beginbfchar(.*?)endbfchar", paper, re.DOTALL)
        if (pairs := re.findall(rb"<([0-9A-F]{4})> <([0-9A-F]{4,8})>", table))
    ]
    streams = [_inflated(body) for body in re.findall(rb"stream\r?\n(.*?)endstream", paper, re.DOTALL)]
    pages, words, font = [body for body in streams if b" Tf" in body], [], 0
    for token in re.findall(rb"/F(\d+) |\(((?:\\.|[^\\)])*)\) ?Tj", b"\n".join(pages), re.DOTALL):
        if token[0]:
            font = int(token[0]) - 1
        else:
            plain = re.sub(rb"\\(.)", lambda found: {b"r": b"\r"}.get(found[1], found[1]), token[1], flags=re.DOTALL)
            glyphs = (plain[nth : nth + 2] for nth in range(0, len(plain), 2))
            words.append("".join(tables[font].get(glyph, "?") for glyph in glyphs))
    return b"\n".join(pages).decode("latin-1"), "\n".join(words)


def _inflated(body: bytes) -> bytes:
    try:
        return zlib.decompress(body)
    except zlib.error:
        return b""


def test_paper_has_charts_drawn_as_lines_in_russian_too(patient):
    api, worn = patient
    at = datetime.now(UTC) - timedelta(hours=1)
    worn.send([reading(at - timedelta(days=n), 60 + n) for n in range(3)])
    worn.send([reading(at - timedelta(days=n), 36.6 + n, stream="body_temperature") for n in (0, 2)])
    entry = {"stream": "body_mass", "value": 62, "time": at}
    assert worn.owner.api.post(f"{HEALTH}/entries", entry).status_code == 201
    metrics = form("heart_rate", "body_temperature", "body_mass", "steps")
    english = api.post(f"{REPORTS}/pdf", metrics)
    russian = api.post(f"{REPORTS}/pdf", metrics, headers={"Accept-Language": "ru"})
    told = {
        english: ("Health report", "No diagnosis", "Body temperature, °C", "Nothing was measured", "entered by hand"),
        russian: (
            "Отчёт о здоровье",
            "Не диагноз",
            "Температура тела, °C",
            "ничего не измерено",
            "введено вручную",
            "Анна",
        ),
    }
    for answer, sentences in told.items():
        assert answer.status_code == 200, answer.content
        assert answer.content.startswith(b"%PDF-")
        assert b"/Subtype /Image" not in answer.content
        drawing, words = drawn_on(answer.content)
        assert drawing.count(" l S") >= 2
        assert "body_temperature.adult@1" in words
        assert "Тонометр" in words
        assert [sentence for sentence in sentences if sentence not in words] == [], words


def test_i5_h8_a_report_takes_a_second_factor_and_is_written_down(patient):
    api, worn = patient
    for kind in ("pdf", "fhir"):
        refused = worn.owner.api.post(f"{REPORTS}/{kind}", form("heart_rate"))
        assert refused.json()["code"] == "mfa_required"
    api.post(f"{REPORTS}/fhir?purpose=treatment", form("heart_rate", "steps"))
    looks = Access.objects.order_by("stream").values_list("stream", "purpose", "by")
    assert list(looks) == [(name, "treatment", worn.owner.user_id) for name in ("heart_rate", "steps")]


def test_a_doctor_gets_what_was_granted_as_fhir(patient, register):
    api, worn = patient
    doctor = register()
    bo = step_up(doctor)
    worn.send([reading(datetime.now(UTC) - timedelta(minutes=5), 64)])
    offer = {"grantee_id": doctor.user_id, "role": "doctor", "metrics": ["heart_rate"], "purposes": ["treatment"]}
    made = api.post(f"{HEALTH}/grants", offer | {"expires_at": datetime.now(UTC) + timedelta(days=7)}).json()
    bo.post(f"{HEALTH}/grants/{made['grant_id']}/acceptance")
    path = f"{HEALTH}/shared/{made['grant_id']}/reports/fhir?purpose=treatment"
    (seen,) = resources(bo.post(path, form("heart_rate")), "Observation")
    assert values_of(seen) == (64.0, "/min")
    assert bo.post(path, form("heart_rate", "steps")).json()["code"] == "metric_not_granted"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"metrics": []}, "metrics"),
        ({"metrics": ["mood"]}, "metrics.0"),
        ({"from": "2020-01-01"}, "to"),
        ({"to": "1999-01-01"}, "to"),
    ],
)
def test_a_report_is_bounded(patient, change, field):
    answer = patient[0].post(f"{REPORTS}/fhir", form("heart_rate") | change)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)
