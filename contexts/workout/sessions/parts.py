"""The parts of a session: laps, the lengths of a pool, sets; as recorded, and as they are kept."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

from contexts.workout.models import StrengthSet, TrainingSession
from contexts.workout.plans.exercises import Movement, recognise
from contexts.workout.recordings import Lap, Length, LiftedSet, Pool
from kernel.models import uuid7


def laps_of(session: TrainingSession) -> list[Lap]:
    """As the device recorded them, else from where the athlete marked them; none where nobody did."""
    said = [Lap(**lap) for lap in session.said.get("laps", [])]
    if said or not session.laps:
        return said
    marks = [0.0, *((mark - session.started_at).total_seconds() for mark in session.laps)]
    if session.ended_at is not None:
        marks.append((session.ended_at - session.started_at).total_seconds())
    pauses = session.pauses_s()
    return [_lap(start, max(start, end), pauses) for start, end in pairwise(marks)]


def _lap(start: float, end: float, pauses: list[tuple[float, float]]) -> Lap:
    paused = sum(max(min(end, resumed) - max(start, begun), 0.0) for begun, resumed in pauses)
    return Lap(start_s=start, end_s=end, timer_s=round(end - start - paused, 6))


def pool_of(session: TrainingSession) -> Pool | None:
    """The pool a session was swum in, with its lengths."""
    said: dict[str, Any] | None = session.said.get("pool")
    if said is None:
        return None
    return Pool(said["length_m"], said["unit"], [Length(**length) for length in said["lengths"]])


def sets_of(session: TrainingSession) -> list[LiftedSet]:
    """What was lifted, in the order in which it was done; as an activity recorded more than once shows it."""
    return [
        LiftedSet(
            exercise=one.exercise,
            at_s=max((one.done_at - session.started_at).total_seconds(), 0.0),
            reps=one.reps,
            duration_s=one.duration_s,
            weight_kg=one.weight_kg,
            rpe=one.rpe,
        )
        for one in StrengthSet.shown_in(session)
    ]


def keep_sets(session: TrainingSession, sets: list[LiftedSet]) -> None:
    """The sets of an imported session; of one moment they stay in their order. Known names find their exercise."""
    if not sets:
        return
    ids = sorted(uuid7() for _ in sets)
    said = [Movement(one.exercise, None) for one in sets]
    meant = recognise(said, by=session.user_id)
    StrengthSet.objects.bulk_create(
        StrengthSet(
            session=session,
            set_id=set_id,
            done_at=session.started_at + timedelta(seconds=one.at_s),
            exercise=one.exercise,
            exercise_id=meant[words].exercise_id,
            reps=one.reps,
            duration_s=one.duration_s,
            weight_kg=one.weight_kg,
            rpe=one.rpe,
        )
        for set_id, words, one in zip(ids, said, sets, strict=True)
    )
