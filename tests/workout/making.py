"""Makes recordings as devices write them, for tests: FIT, GPX and TCX, whole and damaged. Invented places only."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

FIT_EPOCH = datetime(1989, 12, 31, tzinfo=UTC)
START = datetime(2026, 5, 1, 6, 30, tzinfo=UTC)

ENUM, SINT8, UINT8, STRING, BYTE = 0x00, 0x01, 0x02, 0x07, 0x0D
SINT16, UINT16, SINT32, UINT32, FLOAT32 = 0x83, 0x84, 0x85, 0x86, 0x88

CODES = {
    ENUM: "B",
    SINT8: "b",
    UINT8: "B",
    BYTE: "B",
    SINT16: "h",
    UINT16: "H",
    SINT32: "i",
    UINT32: "I",
    FLOAT32: "f",
}

RUNNING, CYCLING, TRANSITION, SWIMMING = 1, 2, 3, 5


@dataclass(frozen=True)
class Value:
    """A field as it is written: number, base type, and the raw value (several for an array, bytes as they are)."""

    number: int
    base_type: int
    raw: int | float | bytes | Sequence[int]

    def packed(self, order: str) -> bytes:
        if isinstance(self.raw, bytes):
            return self.raw
        values = [self.raw] if isinstance(self.raw, int | float) else list(self.raw)
        return struct.pack(f"{order}{len(values)}{CODES[self.base_type]}", *values)


def crc(data: bytes) -> int:
    """CRC-16/ARC byte by byte, as its definition says."""
    value = 0
    for byte in data:
        value = value >> 8 ^ CRC_OF_BYTE[(value ^ byte) & 0xFF]
    return value


def _crc_of_byte(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


CRC_OF_BYTE = [_crc_of_byte(byte) for byte in range(256)]


def fit_time(at: datetime) -> int:
    return int((at - FIT_EPOCH).total_seconds())


def semicircles(degrees: float) -> int:
    return round(degrees * 2**31 / 180)


class FitWriter:
    """Writes one FIT file message by message; defines a local type anew whenever its layout changes."""

    def __init__(self, *, order: str = "<", header_size: int = 14) -> None:
        self.order = order
        self.header_size = header_size
        self.body = bytearray()
        self.layouts: dict[int, bytes] = {}

    def write(
        self,
        message: int,
        *values: Value,
        local: int = 0,
        time_offset: int | None = None,
        developer: Sequence[tuple[int, int, bytes]] = (),
    ) -> FitWriter:
        """One message; with `time_offset` under a compressed header. Developer fields: number, index, bytes."""
        packed = [value.packed(self.order) for value in values]
        layout = struct.pack(f"{self.order}xBHB", self.order == ">", message, len(values))
        for value, raw in zip(values, packed, strict=True):
            layout += bytes([value.number, len(raw), value.base_type])
        if developer:
            layout += bytes([len(developer)])
            layout += b"".join(bytes([number, len(raw), index]) for number, index, raw in developer)
        if self.layouts.get(local) != layout:
            self.layouts[local] = layout
            self.body += bytes([0x40 | (0x20 if developer else 0) | local]) + layout
        header = local if time_offset is None else 0x80 | local << 5 | time_offset & 0x1F
        self.body += bytes([header]) + b"".join(packed) + b"".join(raw for _, _, raw in developer)
        return self

    def file(self) -> bytes:
        """Header, data and checksum."""
        header = struct.pack("<BBHI4s", self.header_size, 0x20, 2132, len(self.body), b".FIT")
        if self.header_size == 14:
            header += struct.pack("<H", crc(header))
        return header + bytes(self.body) + struct.pack("<H", crc(header + bytes(self.body)))


def file_id(writer: FitWriter, kind: int = 4) -> None:
    writer.write(0, Value(0, ENUM, kind), Value(1, UINT16, 1), Value(2, UINT16, 2697), local=0)


def session(
    writer: FitWriter,
    *,
    start: datetime,
    seconds: float,
    sport: int = RUNNING,
    sub_sport: int = 0,
    metres: float | None = None,
    kcal: int | None = None,
) -> None:
    """A session's summary, and a lap of the same length."""
    totals = [
        Value(253, UINT32, fit_time(start + timedelta(seconds=seconds))),
        Value(2, UINT32, fit_time(start)),
        Value(7, UINT32, round(seconds * 1000)),
        Value(8, UINT32, round(seconds * 1000)),
        Value(9, UINT32, 0xFFFFFFFF if metres is None else round(metres * 100)),
        Value(11, UINT16, 0xFFFF if kcal is None else kcal),
    ]
    writer.write(19, *totals, local=2)
    writer.write(18, *totals, Value(5, ENUM, sport), Value(6, ENUM, sub_sport), local=3)


def records(
    writer: FitWriter,
    *,
    start: datetime,
    seconds: int,
    heart_rate: int | None = 140,
    speed_mps: float = 3.0,
    places: bool = True,
    step_s: int = 1,
) -> None:
    """Records at an even pace due north."""
    for second in range(0, seconds + 1, step_s):
        metres = second * speed_mps
        values = [
            Value(253, UINT32, fit_time(start) + second),
            Value(3, UINT8, 0xFF if heart_rate is None else heart_rate),
            Value(4, UINT8, 85),
            Value(5, UINT32, round(metres * 100)),
            Value(6, UINT16, round(speed_mps * 1000)),
        ]
        if places:
            values += [
                Value(0, SINT32, semicircles(metres / 111_195)),
                Value(1, SINT32, semicircles(0.0)),
                Value(2, UINT16, (100 + 500) * 5),
            ]
        writer.write(20, *values, local=1)


def fit_activity(
    *,
    start: datetime = START,
    seconds: int = 600,
    sport: int = RUNNING,
    sub_sport: int = 0,
    heart_rate: int | None = 140,
    speed_mps: float = 3.0,
    places: bool = True,
    kcal: int | None = None,
    order: str = "<",
    header_size: int = 14,
    summary: str = "last",
    offset_s: int = 7200,
) -> bytes:
    """An activity of even pace and heart rate; its summary comes "first", "last" or "never"."""
    writer = FitWriter(order=order, header_size=header_size)
    file_id(writer)

    def summarise() -> None:
        session(
            writer,
            start=start,
            seconds=seconds,
            sport=sport,
            sub_sport=sub_sport,
            metres=seconds * speed_mps,
            kcal=kcal,
        )

    if summary == "first":
        summarise()
    records(writer, start=start, seconds=seconds, heart_rate=heart_rate, speed_mps=speed_mps, places=places)
    if summary == "last":
        summarise()
    end = fit_time(start) + seconds
    writer.write(34, Value(253, UINT32, end), Value(5, UINT32, end + offset_s), Value(1, UINT16, 1), local=4)
    return writer.file()


def fit_multisport(*, start: datetime = START, legs: Sequence[tuple[int, int]], summary: str = "last") -> bytes:
    """Several sessions in one file; a leg is a FIT sport and its seconds."""
    writer = FitWriter()
    file_id(writer)
    starts = [start + timedelta(seconds=sum(lasted for _, lasted in legs[:nth])) for nth in range(len(legs))]

    def summarise() -> None:
        for begin, (sport, seconds) in zip(starts, legs, strict=True):
            session(writer, start=begin, seconds=seconds, sport=sport, metres=seconds * 3.0)

    if summary == "first":
        summarise()
    for begin, (_, seconds) in zip(starts, legs, strict=True):
        records(writer, start=begin, seconds=seconds - 1)
    if summary == "last":
        summarise()
    return writer.file()


def fit_other(kind: int) -> bytes:
    """A FIT file that is no activity: 2 settings, 5 workout, 6 course, 9 weight, 15 monitoring."""
    writer = FitWriter()
    file_id(writer, kind)
    return writer.file()


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def gpx(
    *,
    start: datetime = START,
    points: int = 60,
    tracks: int = 1,
    segments: int = 1,
    sport: str = "running",
    namespace: str = "http://www.topografix.com/GPX/1/1",
    times: bool = True,
    heart_rate: int = 140,
    step_s: int = 5,
) -> bytes:
    """Tracks due north at 3 m/s with heart rate and cadence in Garmin's extension."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    declared = f' xmlns="{namespace}"' if namespace else ""
    extension = "http://www.garmin.com/xmlschemas/TrackPointExtension/v1"
    lines.append(f'<gpx version="1.1" creator="making"{declared} xmlns:x="{extension}">')
    nth = 0
    for _ in range(tracks):
        lines.append(f"<trk><type>{sport}</type>")
        for _ in range(segments):
            lines.append("<trkseg>")
            for _ in range(points):
                seconds = nth * step_s
                at = f"<time>{_iso(start + timedelta(seconds=seconds))}</time>" if times else ""
                lines.append(
                    f'<trkpt lat="{seconds * 3 / 111_195:.7f}" lon="0.0"><ele>100.0</ele>{at}<extensions>'
                    f"<x:TrackPointExtension><x:hr>{heart_rate}</x:hr><x:cad>85</x:cad></x:TrackPointExtension>"
                    "</extensions></trkpt>"
                )
                nth += 1
            lines.append("</trkseg>")
        lines.append("</trk>")
    lines.append("</gpx>")
    return "\n".join(lines).encode()


def tcx(
    *,
    start: datetime = START,
    laps: int = 2,
    points: int = 30,
    activities: int = 1,
    sport: str = "Running",
    heart_rate: int = 140,
    times: bool = True,
) -> bytes:
    """Activities of even laps, a point a second at 3 m/s, speed and cadence in ActivityExtension v2."""
    base = "http://www.garmin.com/xmlschemas/TrainingCenterDatabase/v2"
    extension = "http://www.garmin.com/xmlschemas/ActivityExtension/v2"
    lines = [f'<?xml version="1.0"?><TrainingCenterDatabase xmlns="{base}" xmlns:e="{extension}"><Activities>']
    for activity in range(activities):
        began = start + timedelta(hours=2 * activity)
        lines.append(f'<Activity Sport="{sport}"><Id>{_iso(began)}</Id>')
        for lap in range(laps):
            lap_start = began + timedelta(seconds=lap * points)
            lines.append(
                f'<Lap StartTime="{_iso(lap_start)}"><TotalTimeSeconds>{points}</TotalTimeSeconds>'
                f"<DistanceMeters>{points * 3}</DistanceMeters><Calories>7</Calories><Track>"
            )
            for point in range(points):
                seconds = lap * points + point
                at = f"<Time>{_iso(began + timedelta(seconds=seconds))}</Time>" if times else ""
                lines.append(
                    f"<Trackpoint>{at}<DistanceMeters>{seconds * 3}</DistanceMeters>"
                    f"<HeartRateBpm><Value>{heart_rate}</Value></HeartRateBpm><Extensions><e:TPX>"
                    "<e:Speed>3.0</e:Speed><e:RunCadence>85</e:RunCadence></e:TPX></Extensions></Trackpoint>"
                )
            lines.append("</Track></Lap>")
        lines.append("<Creator><Name>making</Name></Creator></Activity>")
    lines.append("</Activities></TrainingCenterDatabase>")
    return "\n".join(lines).encode()
