"""What a session is, said by the operations a phone recorded offline (WO-9). Pure.

The result is a function of the *set* of operations: neither their order of arrival nor repeats change it. Where two
contradict each other:

* deleting wins over everything, for good;
* the earliest start counts; of ends the earliest that the phone itself sent, else the one we set when it was lost;
* pauses and resumes alternate in the order of their clock, as automatic pauses are switched on and off; one that
  repeats the state changes nothing;
* of two values for one field, one set or one instant of a stream the later operation counts.

"Later" is the phone's clock, then the operation's id: an arbitrary order, but everybody's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from contexts.workout.recordings.recording import MAX_NAMED, MAX_NOTES, MAX_TITLE

LONGEST = timedelta(days=7)
"""A session that says it is longer ends here: its clock was wrong."""

MAX_VALUES = 20_000
"""Values of one series in one operation."""

TOLD: Final = ("title", "notes", "effort", "mood", "commute", "gear")
"""What an athlete says of a session."""

Sport = Literal["running", "walking", "cycling", "swimming", "rowing", "strength", "other"]
Visibility = Literal["private", "friends", "everyone"]
Kind = Literal[
    "heart_rate",
    "latitude",
    "longitude",
    "altitude",
    "distance",
    "speed",
    "cadence",
    "power",
    "temperature",
    "steps",
    "resistance",
]
Milliseconds = Annotated[int, Meta(ge=0, le=4_102_444_800_000)]
Values = Annotated[list[float], Meta(min_length=1, max_length=MAX_VALUES)]


class Series(Struct, forbid_unknown_fields=True):
    """One kind of measurement: instants in milliseconds since 1970, and as many values."""

    kind: Kind
    times_ms: Annotated[list[Milliseconds], Meta(min_length=1, max_length=MAX_VALUES)]
    values: Values

    def __post_init__(self) -> None:
        if len(self.times_ms) != len(self.values):
            raise ValueError("`times_ms` and `values` have different lengths")


class Start(Struct, tag_field="kind", tag="start", forbid_unknown_fields=True):
    """The session begins."""

    sport: Sport
    visibility: Visibility | None = None
    auto_pause: bool = False


class AutoPause(Struct, tag_field="kind", tag="auto_pause", forbid_unknown_fields=True):
    """From now on standing still is a pause, or is none."""

    on: bool


class Pause(Struct, tag_field="kind", tag="pause", forbid_unknown_fields=True):
    """The clock stops."""


class Resume(Struct, tag_field="kind", tag="resume", forbid_unknown_fields=True):
    """The clock runs again."""


class Lap(Struct, tag_field="kind", tag="lap", forbid_unknown_fields=True):
    """A lap ends, the next begins."""


class Samples(Struct, tag_field="kind", tag="samples", forbid_unknown_fields=True):
    """What was measured."""

    series: Annotated[list[Series], Meta(min_length=1, max_length=20)]


class Set(Struct, tag_field="kind", tag="set", forbid_unknown_fields=True):
    """A set of strength training as it is from now on; `removed` takes it back."""

    set_id: UUID
    exercise: Annotated[str, Meta(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    reps: Annotated[int, Meta(ge=0, le=10_000)] | None = None
    duration_s: Annotated[float, Meta(ge=0, le=86_400)] | None = None
    weight_kg: Annotated[float, Meta(ge=0, le=1_000)] | None = None
    rpe: Annotated[float, Meta(ge=1, le=10)] | None = None
    exercise_id: UUID | None = None
    removed: bool = False

    def __post_init__(self) -> None:
        if not self.removed and (not self.exercise or (self.reps is None and self.duration_s is None)):
            raise ValueError("a set has an exercise, and repetitions or a duration")


class Edit(Struct, tag_field="kind", tag="edit", forbid_unknown_fields=True):
    """Fields as they are from now on; those that are absent stay, and a feeling that is null is taken back."""

    sport: Sport | None = None
    visibility: Visibility | None = None
    title: Annotated[str, Meta(max_length=MAX_TITLE)] | UnsetType = UNSET
    notes: Annotated[str, Meta(max_length=MAX_NOTES)] | UnsetType = UNSET
    effort: Annotated[int, Meta(ge=1, le=10)] | UnsetType | None = UNSET
    mood: Annotated[int, Meta(ge=1, le=5)] | UnsetType | None = UNSET
    commute: bool | UnsetType = UNSET
    gear: Annotated[list[Annotated[str, Meta(max_length=MAX_TITLE)]], Meta(max_length=MAX_NAMED)] | UnsetType = UNSET


class Complete(Struct, tag_field="kind", tag="complete", forbid_unknown_fields=True):
    """The session ends."""


class Lost(Struct, tag_field="kind", tag="lost", forbid_unknown_fields=True):
    """Nothing came for so long that we ended it; written by us alone."""


class Delete(Struct, tag_field="kind", tag="delete", forbid_unknown_fields=True):
    """The session is to go."""


FromPhone = Start | Pause | Resume | AutoPause | Lap | Samples | Set | Edit | Complete | Delete
What = FromPhone | Lost


class Operation(Struct, frozen=True):
    """One operation, as it was when it happened."""

    operation_id: UUID
    happened_at: datetime
    what: What

    @property
    def order(self) -> tuple[datetime, bytes]:
        """Everybody's order."""
        return self.happened_at, self.operation_id.bytes


@dataclass(frozen=True, kw_only=True)
class DoneSet:
    """A set, and when it was done."""

    done_at: datetime
    what: Set


@dataclass(kw_only=True)
class Replayed:
    """A session as its operations say."""

    started_at: datetime | None = None
    ended_at: datetime | None = None
    deleted: bool = False
    fields: dict[str, Any] = field(default_factory=dict)
    marks: list[datetime] = field(default_factory=list)
    auto_pause_marks: list[datetime] = field(default_factory=list)
    laps: list[datetime] = field(default_factory=list)
    sets: dict[UUID, DoneSet] = field(default_factory=dict)
    samples: dict[str, dict[int, float]] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether it began and ended."""
        return self.started_at is not None and self.ended_at is not None and not self.deleted

    @property
    def last_sign(self) -> datetime | None:
        """The latest instant anything speaks of."""
        measured = [at for series in self.samples.values() for at in series]
        instants = [*self.marks, *self.laps, *(one.done_at for one in self.sets.values())]
        instants += [instant(max(measured))] if measured else []
        instants += [self.started_at] if self.started_at else []
        return max(instants, default=None)


def instant(milliseconds: int) -> datetime:
    """Milliseconds since 1970 as an instant, exactly."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def replay(operations: Iterable[Operation]) -> Replayed:
    """The session that these operations make."""
    ordered = sorted({one.operation_id: one for one in operations}.values(), key=lambda one: one.order)
    session = Replayed()
    ends: dict[bool, list[datetime]] = {False: [], True: []}
    paused = False
    for operation in ordered:
        at, what = operation.happened_at, operation.what
        match what:
            case Start():
                if session.started_at is None:
                    session.started_at = at
                    session.fields |= _said(what)
                    if what.auto_pause:
                        _switch(session, on=True, at=at)
            case AutoPause(on=on):
                _switch(session, on=on, at=at)
            case Pause() | Resume():
                if isinstance(what, Pause) is not paused:
                    paused = not paused
                    session.marks.append(at)
            case Lap():
                session.laps.append(at)
            case Samples():
                for series in what.series:
                    measured = zip(series.times_ms, series.values, strict=True)
                    session.samples.setdefault(series.kind, {}).update(measured)
            case Set():
                first = session.sets.get(what.set_id)
                session.sets[what.set_id] = DoneSet(done_at=first.done_at if first else at, what=what)
            case Edit():
                session.fields |= _said(what)
            case Complete() | Lost():
                ends[isinstance(what, Lost)].append(at)
            case Delete():
                session.deleted = True
    session.sets = {key: one for key, one in session.sets.items() if not one.what.removed}
    _end(session, ends)
    return session


def _said(what: Start | Edit) -> dict[str, Any]:
    fields = {"sport": what.sport, "visibility": what.visibility}
    told = {name: getattr(what, name) for name in TOLD} if isinstance(what, Edit) else {}
    said = {name: value for name, value in fields.items() if value is not None}
    return said | {name: value for name, value in told.items() if value is not UNSET}


def _switch(session: Replayed, *, on: bool, at: datetime) -> None:
    """One that repeats the state changes nothing."""
    if on is not (len(session.auto_pause_marks) % 2 == 1):
        session.auto_pause_marks.append(at)


def _end(session: Replayed, ends: dict[bool, list[datetime]]) -> None:
    """The end, and what lies outside of start and end left out; a pause still open ends with the session."""
    start = session.started_at
    if start is None:
        return
    chosen = [at for at in (ends[False] or ends[True]) if at >= start]
    if not chosen:
        return
    end = session.ended_at = min(*chosen, start + LONGEST)
    session.laps = [at for at in session.laps if start < at < end]
    session.auto_pause_marks = [min(max(at, start), end) for at in session.auto_pause_marks]
    marks = [min(max(at, start), end) for at in session.marks]
    session.marks = marks if len(marks) % 2 == 0 else [*marks, end]
