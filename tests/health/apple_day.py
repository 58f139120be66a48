"""An Apple Health export as the Health app writes it, made day by day and as long as one likes; written from Apple's
own files and not from the code that reads them.
"""

import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

BEGIN = datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=3)))
HEAD = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE HealthData [
<!-- HealthKit Export Version: 14 -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout|ActivitySummary|ClinicalRecord|Audiogram)*)>
<!ATTLIST HealthData
  locale CDATA #REQUIRED
>
<!ELEMENT ExportDate EMPTY>
<!ATTLIST ExportDate
  value CDATA #REQUIRED
>
<!-- Note: Any Records that appear as children of a correlation also appear as top-level records in this document. -->
<!ELEMENT Record ((MetadataEntry|HeartRateVariabilityMetadataList)*)>
<!ATTLIST Record
  type          CDATA #REQUIRED
  unit          CDATA #IMPLIED
  value         CDATA #IMPLIED
  sourceName    CDATA #REQUIRED
  startDate     CDATA #REQUIRED
  endDate       CDATA #REQUIRED
>
]>
<HealthData locale="en_GB">
 <ExportDate value="2026-03-02 09:00:00 +0300"/>
 <Me HKCharacteristicTypeIdentifierDateOfBirth="1990-05-17" HKCharacteristicTypeIdentifierBiologicalSex=""/>
"""
TAIL = b"</HealthData>\n"
QUANTITY = "HKQuantityTypeIdentifier"
SLEEP = "HKCategoryTypeIdentifierSleepAnalysis"
WATCH, PHONE = "Anna\N{RIGHT SINGLE QUOTATION MARK}s Apple\N{NO-BREAK SPACE}Watch", "Anna's iPhone"


def _date(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z")


def record(
    kind: str, value: object, start: datetime, *, lasts: float = 0, unit: str = "", source: str = WATCH
) -> bytes:
    """One record; what it carries inside stands in some of them, as in Apple's."""
    told = f' unit="{unit}"' if unit else ""
    source = source.replace("'", "&apos;")
    inside = ""
    if kind == f"{QUANTITY}HeartRate" and start.second == 0:
        inside = '>\n  <MetadataEntry key="HKMetadataKeyHeartRateMotionContext" value="1"/>\n </Record'
    return (
        f' <Record type="{kind}" sourceName="{source}" sourceVersion="11.3"{told} creationDate="{_date(start)}"'
        f' startDate="{_date(start)}" endDate="{_date(start + timedelta(seconds=lasts))}" value="{value}"'
        f"{inside or '/'}>\n"
    ).encode()


def day_of_records(day: int, *, every_s: int = 5) -> Iterator[bytes]:
    """A day: heart rate each five seconds, and what else a watch and a phone write."""
    begin = BEGIN + timedelta(days=day)
    for n in range(0, 86_400, every_s):
        yield record(f"{QUANTITY}HeartRate", 55 + n // 60 % 90, begin + timedelta(seconds=n), unit="count/min")
    for minute in range(1_440):
        at = begin + timedelta(minutes=minute)
        yield record(f"{QUANTITY}StepCount", minute % 120, at, lasts=60, unit="count", source=PHONE)
        yield record(f"{QUANTITY}StepCount", minute % 110, at, lasts=60, unit="count")
        yield record(f"{QUANTITY}ActiveEnergyBurned", minute % 7 / 10, at, lasts=60, unit="kcal")
        yield record(f"{QUANTITY}BasalEnergyBurned", 1.1, at, lasts=60, unit="kcal")
        yield record(f"{QUANTITY}DistanceWalkingRunning", minute % 90 / 1_000, at, lasts=60, unit="km")
    for n in range(48):
        at = begin + timedelta(minutes=30 * n)
        yield record(f"{QUANTITY}OxygenSaturation", 0.94 + n % 6 / 100, at, unit="%")
        yield record(f"{QUANTITY}HeartRateVariabilitySDNN", 30 + n, at, unit="ms")
        yield record(f"{QUANTITY}RespiratoryRate", 14 + n % 3, at, unit="count/min")
        yield record(f"{QUANTITY}EnvironmentalAudioExposure", 60 + n, at, lasts=1_800, unit="dBASPL")
    stages = ("Core", "Deep", "Core", "REM") * 4
    for n, stage in enumerate(stages):
        at = begin + timedelta(minutes=25 * n)
        yield record(SLEEP, f"HKCategoryValueSleepAnalysisAsleep{stage}", at, lasts=1_500)
    yield record(f"{QUANTITY}BodyMass", 140.5, begin + timedelta(hours=7), unit="lb", source=PHONE)
    yield record(f"{QUANTITY}BodyTemperature", 98.6, begin + timedelta(hours=7), unit="degF", source=PHONE)
    yield record(f"{QUANTITY}BloodGlucose", 5.1, begin + timedelta(hours=7), unit="mmol&lt;180.1558800000541&gt;/L")
    pressures = b"".join(
        record(f"{QUANTITY}BloodPressure{name}", value, begin + timedelta(hours=8), unit="mmHg", source=PHONE)
        for name, value in (("Systolic", 118), ("Diastolic", 76))
    )
    yield pressures
    kind = "HKCorrelationTypeIdentifierBloodPressure"
    yield f' <Correlation type="{kind}" sourceName="Anna">\n'.encode() + pressures + b" </Correlation>\n"
    yield b' <Workout workoutActivityType="HKWorkoutActivityTypeRunning" duration="30">\n'
    yield b'  <WorkoutStatistics type="HKQuantityTypeIdentifierActiveEnergyBurned" sum="300" unit="kcal"/>\n'
    yield b'  <WorkoutRoute sourceName="Anna"><FileReference path="/workout-routes/1.gpx"/></WorkoutRoute>\n'
    yield b" </Workout>\n"


READINGS_A_DAY = 17_280 + 1_440 * 5 + 48 * 3 + 16 * 2 + 3 + 2
"""Of those above; a stage of sleep is two."""

RECORDS_A_DAY = 17_280 + 1_440 * 5 + 48 * 4 + 16 + 3 + 2 + 1 + 1


def export(days: int = 1, **how: int) -> Iterator[bytes]:
    """The whole `export.xml`, piece by piece."""
    yield HEAD
    for day in range(days):
        yield from day_of_records(day, **how)
    yield TAIL


def archive(xml: bytes, name: str = "apple_health_export/export.xml") -> bytes:
    """An `export.zip` with what else is in there."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr(name, xml)
        opened.writestr("apple_health_export/export_cda.xml", '<?xml version="1.0"?><ClinicalDocument/>')
        opened.writestr("apple_health_export/workout-routes/route_2026-03-01.gpx", "<gpx/>")
    return made.getvalue()


def utc(time: datetime) -> datetime:
    """The same instant as answers tell it."""
    return time.astimezone(UTC)
