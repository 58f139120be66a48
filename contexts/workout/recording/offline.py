"""Operations that a phone recorded offline become sessions (WO-9); `replaying` says which.

Operations are kept first and sessions made from them after: whatever dies in between, sending the same operations
again goes on where it stopped. A session exists for others once it has begun and ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, NamedTuple
from uuid import UUID, uuid5

import msgspec
from django.db.models import Exists, Max, OuterRef, TextField
from django.db.models.functions import Cast
from msgspec import Meta

from contexts.identity import services as identity
from contexts.workout.models import RANGES, Operation, TrainingSession
from contexts.workout.recording import completing, correcting, lifting, replaying, tracking
from contexts.workout.series import streams
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused

MAX_OPERATIONS: Final = 1_000
LOST_AFTER: Final = timedelta(hours=2)
"""A phone that has said nothing for so long has lost its session; it ends with what arrived."""

AHEAD: Final = timedelta(minutes=5)
"""So far a phone's clock may run ahead of ours."""

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SessionTaken(Refused):
    """This session id belongs to a session that was not recorded offline by you."""


class Sent(msgspec.Struct, forbid_unknown_fields=True):
    """An operation as a phone sends it."""

    operation_id: UUID
    session_id: UUID
    at: Annotated[datetime, Meta(tz=True)]
    operation: replaying.FromPhone


class _Body(msgspec.Struct):
    operations: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=MAX_OPERATIONS)]


class Outcome(NamedTuple):
    """What became of an operation, by its number in the request."""

    number: int
    status: str
    code: str | None = None


@dataclass(frozen=True, kw_only=True)
class Synced:
    """What became of the operations, and of the sessions they speak of."""

    outcomes: list[Outcome]
    sessions: list[dict[str, object]]


_sent = msgspec.json.Decoder(Sent)
_body = msgspec.json.Decoder(_Body)
_what = msgspec.json.Decoder(replaying.What)


def sync(*, body: bytes, by: UUID, time_zone: str, at: datetime) -> Synced:
    """Take in operations: any order, any number of repeats, good ones whatever the others are."""
    try:
        raws = _body.decode(body).operations
    except msgspec.DecodeError as fault:
        raise InvalidInput(str(fault), field="operations", code="operations_invalid") from fault
    good, outcomes = _decoded(raws, at=at)
    good, taken = _not_taken(good, by=by)
    outcomes += taken
    fresh = keep(by=by, sent=[one for _, one in good], at=at)
    outcomes += [Outcome(index, "applied" if one.operation_id in fresh else "repeated") for index, one in good]
    sessions = [
        make_session(session_id=session_id, by=by, time_zone=time_zone, at=at)
        for session_id in dict.fromkeys(one.session_id for _, one in good)
    ]
    return Synced(outcomes=sorted(outcomes), sessions=sessions)


def _decoded(raws: Sequence[msgspec.Raw], *, at: datetime) -> tuple[list[tuple[int, Sent]], list[Outcome]]:
    good, bad = [], []
    for index, raw in enumerate(raws):
        try:
            sent = _sent.decode(raw)
        except (msgspec.DecodeError, ValueError):
            bad.append(Outcome(index, "refused", "operation_invalid"))
            continue
        if sent.at < EARLIEST:
            bad.append(Outcome(index, "refused", "too_early"))
        elif sent.at > at + AHEAD:
            bad.append(Outcome(index, "refused", "in_the_future"))
        else:
            good.append((index, sent))
    return good, bad


def _not_taken(good: list[tuple[int, Sent]], *, by: UUID) -> tuple[list[tuple[int, Sent]], list[Outcome]]:
    """Without operations on sessions that are somebody else's, or were not recorded offline."""
    ids = {one.session_id for _, one in good}
    recorded = set(Operation.objects.filter(user_id=by, session_id__in=ids).values_list("session_id", flat=True))
    taken = set(TrainingSession.objects.filter(id__in=ids - recorded).values_list("id", flat=True))
    kept = [(index, one) for index, one in good if one.session_id not in taken]
    return kept, [Outcome(index, "refused", SessionTaken.code) for index, one in good if one.session_id in taken]


@unit_of_work("workout", gate="by")
def keep(*, by: UUID, sent: Sequence[Sent], at: datetime) -> set[UUID]:
    """Store operations; answers which were not known before."""
    ids = [one.operation_id for one in sent]
    known = set(Operation.objects.filter(user_id=by, operation_id__in=ids).values_list("operation_id", flat=True))
    fresh = {one.operation_id: one for one in sent if one.operation_id not in known}
    Operation.objects.bulk_create(
        Operation(
            user_id=by,
            operation_id=one.operation_id,
            session_id=one.session_id,
            happened_at=one.at,
            what=msgspec.to_builtins(one.operation),
            received_at=at,
        )
        for one in fresh.values()
    )
    return set(fresh)


def make_session(*, session_id: UUID, by: UUID, time_zone: str, at: datetime) -> dict[str, object]:
    """Bring a session to what its operations say; answers where it stands.

    Asks identity and health before the transaction opens.
    """
    replayed, operations = replay_of(session_id=session_id, by=by)
    stands = TrainingSession.objects.filter(pk=session_id, operations=operations).exists()
    if replayed.is_whole and not stands:
        assert replayed.started_at is not None
        assert replayed.ended_at is not None
        known = identity.get_physiology(user_id=by)
        recorder = completing.Recorder(
            time_zone=time_zone,
            visibility=tracking.usual_visibility(user_id=by),
            athlete=completing.athlete_on(replayed.started_at, known=known, at=at),
            readings=completing.readings_of(user_id=by, since=replayed.started_at, until=replayed.ended_at),
            counted=completing.counted_of(user_id=by, since=replayed.started_at, until=replayed.ended_at),
        )
        _record(session_id=session_id, by=by, recorder=recorder, at=at)
    elif replayed.deleted:
        with suppress(NotFound):  # it never became a session, or is gone
            correcting.delete_session(session_id=session_id, by=by, at=at)
    return {"session_id": session_id, "state": _state_of(replayed)}


def _state_of(replayed: replaying.Replayed) -> str:
    if replayed.deleted:
        return "deleted"
    if replayed.is_whole:
        return "completed"
    return "underway" if replayed.started_at else "waiting_for_start"


def replay_of(*, session_id: UUID, by: UUID) -> tuple[replaying.Replayed, int]:
    """What the operations received so far make of a session, and how many they are."""
    operations = list(_operations(session_id=session_id, by=by))
    return replaying.replay(operations), len(operations)


def _operations(*, session_id: UUID, by: UUID) -> Iterable[replaying.Operation]:
    rows = Operation.objects.filter(user_id=by, session_id=session_id).annotate(text=Cast("what", TextField()))
    for operation_id, happened_at, text in rows.values_list("operation_id", "happened_at", "text"):
        yield replaying.Operation(operation_id, happened_at, _what.decode(text))


@unit_of_work("workout", gate="by")
def _record(*, session_id: UUID, by: UUID, recorder: completing.Recorder, at: datetime) -> None:
    """Make the session, or change it to what its operations say now: read again, for the gate is ours only here."""
    replayed, operations = replay_of(session_id=session_id, by=by)
    if not replayed.is_whole:
        return
    assert replayed.started_at is not None
    session = TrainingSession.objects.select_for_update().filter(pk=session_id).first()
    is_new = session is None
    if session is None:
        session = TrainingSession(
            id=session_id, user_id=by, time_zone=recorder.time_zone, visibility=recorder.visibility, sport="other"
        )
    told = {name: value for name, value in replayed.fields.items() if name in replaying.TOLD}
    for name in replayed.fields.keys() - told.keys():
        setattr(session, name, replayed.fields[name])
    session.started_at, session.ended_at = replayed.started_at, replayed.ended_at
    session.pauses, session.laps, session.operations = replayed.marks, replayed.laps, operations
    session.auto_pause_marks = replayed.auto_pause_marks
    completing.record_offline(
        session=session, points=_points_of(session, replayed), recorder=recorder, is_new=is_new, at=at
    )
    if told:
        correcting.say(session, told)
        session.save()
    lifting.replace_sets(session=session, done=replayed.sets, at=at)


def _points_of(session: TrainingSession, replayed: replaying.Replayed) -> streams.Points:
    """Samples as points relative to the start; those outside the session or their range are left out (WO-3)."""
    assert session.ended_at is not None
    start = session.started_at
    lasted = streams.microseconds(session.ended_at - start)
    zero = streams.microseconds(start - replaying.instant(0))
    points: streams.Points = {}
    for kind, measured in replayed.samples.items():
        low, high = RANGES[kind]
        inside = {(at * 1_000 - zero, 0): value for at, value in measured.items() if low <= value <= high}
        if kept := {key: value for key, value in inside.items() if 0 <= key[0] <= lasted}:
            points[kind] = kept
    return points


def end_lost(*, at: datetime) -> int:
    """End the sessions whose phones have said nothing for two hours, with what arrived; answers how many."""
    ended = 0
    made = TrainingSession.objects.filter(pk=OuterRef("session_id"))
    quiet = (
        Operation.objects.filter(~Exists(made), received_at__gt=at - replaying.LONGEST)
        .values("user_id", "session_id")
        .annotate(last=Max("received_at"))
        .filter(last__lt=at - LOST_AFTER)
    )
    for row in quiet:
        by, session_id = row["user_id"], row["session_id"]
        replayed, _ = replay_of(session_id=session_id, by=by)
        if replayed.is_whole or replayed.deleted or replayed.last_sign is None or replayed.started_at is None:
            continue
        _end_lost(session_id=session_id, by=by, ended_at=max(replayed.last_sign, replayed.started_at), at=at)
        member = identity.get_member(user_id=by)
        make_session(session_id=session_id, by=by, time_zone=member.time_zone if member else "UTC", at=at)
        ended += 1
    return ended


@unit_of_work("workout", gate="by")
def _end_lost(*, session_id: UUID, by: UUID, ended_at: datetime, at: datetime) -> None:
    """Said as an operation of our own: one that the phone sends later still counts before it."""
    Operation.objects.get_or_create(
        user_id=by,
        operation_id=uuid5(session_id, "lost"),
        defaults={
            "session_id": session_id,
            "happened_at": ended_at,
            "what": msgspec.to_builtins(replaying.Lost()),
            "received_at": at,
        },
    )
