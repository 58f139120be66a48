"""Health's numbers and pure decisions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from contexts.health.catalogue import METRICS, Aggregation
from contexts.health.catalogue import Stream as Stream

PURPOSE = "health_processing"
"""What a person must have agreed to before anything of their health is taken in."""

WITHDRAWN_WITHIN = timedelta(seconds=5)
"""How long a request that is being stored when consent is withdrawn may take to end."""

MAX_DEVICES = 20
"""Devices a person has connected at one time."""

OWN_SOURCE = "own_entries"
"""The kind of device that stands for a person's own entries."""

INTEGRATION = "integration"
"""The kind of device that stands for an account at a vendor: what it measured is told by the vendor."""


class Origin(StrEnum):
    """Where readings are imported from; also the kind of the device that stands for it."""

    APPLE_HEALTH = "apple_health"
    HEALTH_CONNECT = "health_connect"
    APPLE_EXPORT = "apple_export"
    GOOGLE_TAKEOUT = "google_takeout"
    FITBIT_EXPORT = "fitbit_export"
    GARMIN_EXPORT = "garmin_export"


ORIGINS = [origin.value for origin in Origin]
NOT_WORN = [OWN_SOURCE, INTEGRATION, *ORIGINS]
"""Kinds of devices that stand for a source of readings and are no things; nobody has their secret."""

EARLIEST_ENTRY = datetime(1900, 1, 1, tzinfo=UTC)
"""A person may enter what was measured long ago, and import it."""

MAX_PHONE_SAMPLES = 5_000
"""Samples or records, and deletions, in one request of a phone."""

MAX_PHONE_READINGS = 50_000
"""In all records of one request of a phone."""

MAX_UPLOAD_BYTES = 4_000_000_000
"""Of an export as it is uploaded."""

PART_BYTES = (1_048_576, 8_388_608)
"""The least and the most bytes of a part of an upload; the last one may be smaller."""

MAX_OPEN_IMPORTS = 3
"""Imports of a person that are not finished."""

MAX_FILE_RECORDS = 30_000_000
"""Of one file of an import; ten years of a watch are about a third of it."""

UPLOAD_DELETED_WITHIN = timedelta(minutes=5)
"""How long after the end of an import its upload may still be there; then it is looked for."""

UPLOAD_WAITS = timedelta(days=7)
"""How long an upload may rest before it is given up."""

MAX_BATCH = 5_000
"""Readings in one request."""

MAX_COLUMNS = 50_000
"""Readings in one request of the compact form."""

MAX_STREAMS = 100
"""Streams in one request of the compact form; a stream may be told in several parts."""

MAX_DOUBTS = 64
"""Different doubts that a request, or a stream of the compact form, may name."""

LONGEST_STEP_US = 2**46
"""Between two readings of the compact form: more than two years, and no sum of such steps can overflow."""

MAX_BODY_BYTES = 1_500_000
"""5,000 readings take about 450 kB; the rest is for indented JSON. Of a compressed body as it travels."""

MAX_INFLATED_BYTES = 4_000_000
"""Of a compressed body once it is unpacked."""

TAKEN_AT_ONCE = 8
"""Requests of devices that one process decodes and stores at the same moment; more are asked to come again."""

REQUESTS_A_SECOND = 100
"""Of one device in one process, in the long run."""

REQUESTS_AT_ONCE = 6_000
"""Of one device in one process: a minute's worth, for whoever has been out of reach."""

CLOCK_AHEAD = timedelta(minutes=5)
"""How far a device's clock may run ahead of ours."""

RECORDED_BEFORE = timedelta(days=30)
"""How long before it was connected a device may have recorded: straps and watches keep a memory of their own."""

SIGNATURE_TOLERANCE = timedelta(seconds=300)
"""How far the time in a signature may lie from ours, either way."""

NONCE_KEPT = timedelta(minutes=11)
"""A signature dated 300 s ahead stays valid for 600 s; its nonce is remembered for longer than that."""

DEVICE_CACHED = timedelta(seconds=5)
"""How long a process goes on believing in a device it has looked up: a revocation takes effect within this time."""

CODE_LASTS = timedelta(minutes=10)
"""How long a code connects a device."""

CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: nothing in it looks like something else in it."""

CODE_LENGTH = 8
"""40 bits."""

CODE_LOOKS_LIKE = str.maketrans({"O": "0", "I": "1", "L": "1", "-": "", " ": ""})

REDEEMED_AT_MOST = "10000/h"
"""Codes that all the world together may try: with a thousand codes open, an hour of it finds one in 100,000 times."""

NEXT_SECRET_WAITS = timedelta(minutes=10)
"""How long a new secret may wait for its first use; unused by then it lapses, and the old one stays."""

PLAUSIBLE: dict[Stream, tuple[float, float]] = {stream: metric.plausible for stream, metric in METRICS.items()}
"""What a living person and a working device can show. Outside of it a reading is kept, but in quarantine (WO-3)."""

BUCKETS: dict[str, timedelta] = {
    "1s": timedelta(seconds=1),
    "5s": timedelta(seconds=5),
    "10s": timedelta(seconds=10),
    "30s": timedelta(seconds=30),
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "1d": timedelta(days=1),
}
"""Widths over which a metric may be averaged; days are UTC days."""

MAX_POINTS = 5_000
"""Buckets in one answer."""


class DeviceKind(StrEnum):
    """What is worn or stood on."""

    HEART_RATE_STRAP = "heart_rate_strap"
    CHEST_STRAP = "chest_strap"
    ARMBAND = "armband"
    WATCH = "watch"
    RING = "ring"
    PHONE = "phone"
    SCALE = "scale"
    BODY_COMPOSITION_SCALE = "body_composition_scale"
    BLOOD_PRESSURE_MONITOR = "blood_pressure_monitor"
    PULSE_OXIMETER = "pulse_oximeter"
    THERMOMETER = "thermometer"
    GLUCOSE_METER = "glucose_meter"
    GLUCOSE_SENSOR = "glucose_sensor"
    SPIROMETER = "spirometer"
    ECG_RECORDER = "ecg_recorder"
    SLEEP_TRACKER = "sleep_tracker"
    POWER_METER = "power_meter"
    SPEED_SENSOR = "speed_sensor"
    CADENCE_SENSOR = "cadence_sensor"
    FOOT_POD = "foot_pod"
    TREADMILL = "treadmill"
    CROSS_TRAINER = "cross_trainer"
    BIKE_TRAINER = "bike_trainer"
    ROWING_MACHINE = "rowing_machine"
    BRIDGE = "bridge"
    OTHER = "other"


MACHINES = (
    DeviceKind.TREADMILL,
    DeviceKind.CROSS_TRAINER,
    DeviceKind.BIKE_TRAINER,
    DeviceKind.ROWING_MACHINE,
)
"""What counts the energy of whoever is on it."""

CALIBRATED_EVERY: dict[str, timedelta] = {
    DeviceKind.SCALE: timedelta(days=365),
    DeviceKind.BODY_COMPOSITION_SCALE: timedelta(days=365),
    DeviceKind.BLOOD_PRESSURE_MONITOR: timedelta(days=730),
    DeviceKind.THERMOMETER: timedelta(days=365),
    DeviceKind.SPIROMETER: timedelta(days=30),
    DeviceKind.POWER_METER: timedelta(days=90),
    DeviceKind.TREADMILL: timedelta(days=365),
}
"""How long a calibration is good for, by the kind of device. Kinds that are absent need none from their owner."""

HANDOVER_LASTS = timedelta(hours=24)
"""How long a code to take a device over is good for."""

MAX_CERTIFICATIONS = 20
"""Of one device."""

MAX_CALIBRATIONS = 200
"""Of one device, all versions of all streams."""

MAX_CURVE_POINTS = 32
"""Of one calibration."""

NORMS_CACHED = timedelta(seconds=5)
"""How long a process goes on judging by the norms it has read."""

LATEST_WITHIN = timedelta(days=30)
"""How old a person's latest reading may be to be judged without naming a value."""

NEWS_FOR = timedelta(hours=48)
"""How old a reading may be when it arrives to raise an alert; what is older is history."""

CALIBRATED_ANEW = timedelta(hours=24)
"""How far back alerts are looked at anew when a device has a new calibration; those that are open, however old."""

ALERTS = "alerts"
"""What an access row says was looked at."""

MAX_ALERT_RULES = 50
"""Of one person."""

MAX_COMMENTS = 100
"""On one alert."""

SNOOZE_MINUTES = (5, 24 * 60)
ESCALATION_MINUTES = (5, 24 * 60)
ESCALATES_AFTER = timedelta(minutes=15)
"""How long an alert waits to be acknowledged where its person has not said otherwise."""

ANOMALIES_WITHIN = timedelta(days=31)
"""The longest range that is looked through for oddities at once."""

MAX_ANOMALY_READINGS = 20_000
"""The most readings that are looked through at once."""

CONNECTING_LASTS = timedelta(minutes=10)
"""How long somebody may be away at a vendor to let us in."""

PULL_EVERY = timedelta(minutes=15)
"""How often a vendor that can be asked is asked, give or take a tenth."""

SUBSCRIBE_AGAIN = timedelta(hours=1)
"""How long we leave it at asking, where a vendor would not take our address for its pings."""

FETCH_LEASE = timedelta(minutes=5)
"""How long a worker may be silent before somebody else takes what it was fetching."""

FETCH_AGAIN, FETCH_AGAIN_AT_MOST = timedelta(minutes=1), timedelta(hours=1)
"""When a vendor that was away is asked again: doubling from the one to the other."""

WITHOUT_CONSENT_AGAIN = timedelta(hours=1)
"""When to look again whether there is consent; given again, it is looked at once."""

CALLBACK_WITHIN = timedelta(hours=1)
"""How long a vendor may take to post what it was asked for, before it is asked again."""

POSTED_KEPT = timedelta(days=1)
"""How long the id of what a vendor has posted is known; its signature is good for five minutes."""

REVOKED_WITHIN = timedelta(days=1)
"""How long we try to give tokens back to a vendor that does not answer, before they are just forgotten."""

LONGEST_PING = timedelta(days=31)
"""The longest span that one ping makes us ask for."""

SAME_TIME: dict[Aggregation, timedelta] = {
    Aggregation.MEAN: timedelta(minutes=1),
    Aggregation.LAST: timedelta(minutes=5),
    Aggregation.SUM: timedelta(minutes=15),
}
"""Readings of two sources nearer than this are taken to be of the same: the one whose word goes first is shown."""

SOURCE_RANKS: dict[str, int] = {INTEGRATION: 1, DeviceKind.PHONE: 2, **dict.fromkeys(ORIGINS, 2), OWN_SOURCE: 3}
"""Whose word goes first where a person has not said: the lowest. What is not here is a device of their own: 0."""

MAX_SOURCES_ORDERED = 100
COLD_AFTER_AT_LEAST = 2
"""Months. What is younger is looked at by alerts, verdicts and oddities all the time."""

SUPERSEDED_KEPT = timedelta(days=1)
"""How long a cold file stays when another has taken its place: whoever has begun to read it ends in peace. An object
nobody knows is left alone as long: its file may be about to be written down."""

FORGOTTEN_AT_ONCE = 10_000
"""Objects of old request bodies that one run removes."""

ROLLED_UP = frozenset({Stream.heart_rate})
"""Metrics with rollups: those of which averages over buckets are asked. Whoever adds one has to invalidate all."""

ROLLUP_WIDTH = timedelta(minutes=15)
"""Of one rollup. Every time zone of today is a whole number of these away from UTC. Not less than `SAME_TIME`."""

LATE_AFTER = timedelta(hours=1)
"""A change of readings older than this invalidates rollups; a younger one comes before anything is rolled up."""

ROLLUPS_FOLLOW = timedelta(hours=2)
"""How old time is when it is rolled up. The hour between is what a commit and two clocks may be late by."""

ROLLUP_STEP = timedelta(hours=6)
"""What is rolled up at once."""


def earliest(*, connected_at: datetime, received_at: datetime | None = None) -> datetime:
    """The earliest instant at which it may have measured its owner: what it measured on another is not theirs."""
    return connected_at - RECORDED_BEFORE if received_at is None else received_at


def calibration_due(*, kind: str, connected_at: datetime, calibrated_at: datetime | None) -> datetime | None:
    """When a device wants to be calibrated next; one that never was, from the beginning. None: never."""
    lasts = CALIBRATED_EVERY.get(kind)
    if lasts is None:
        return None
    return connected_at if calibrated_at is None else calibrated_at + lasts


def code_as_typed(text: str) -> str:
    """A code as it was given out, from the way somebody typed it."""
    return text.upper().translate(CODE_LOOKS_LIKE)


def cold_before(*, at: datetime, months: int) -> datetime:
    """The beginning of the first month, in UTC, that is too young for cold files."""
    this = at.astimezone(UTC)
    return month_of(this.year * 12 + this.month - 1 - months)


def month_of(number: int) -> datetime:
    """The beginning, in UTC, of the month that is the number-th since the year 0."""
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def month_after(month: datetime) -> datetime:
    """When the month ends that begins then."""
    return month_of(month.year * 12 + month.month)


def months_between(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """This time, cut where months begin in UTC."""
    while since < until:
        ends = min(until, month_after(since.astimezone(UTC)))
        yield since, ends
        since = ends


def latest(*, at: datetime) -> datetime:
    """The latest instant a reading that arrives at `at` may carry."""
    return at + CLOCK_AHEAD


def points_between(since: datetime, until: datetime, *, bucket: timedelta) -> int:
    """How many buckets this range can have, the cut ones at its ends included."""
    return -(-(until - since) // bucket) + 1
