"""Following a plan: taking it on, doing, moving and skipping its workouts, and what happens to missed ones (WO-2).

What is to come is laid out anew by `planning.schedule` whenever something has been settled; what is settled stays.
Whoever changes a schedule holds the athlete's gate.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
from django.db.models import DateField, DateTimeField, F, Func, QuerySet, Value
from django.db.models.functions import Cast

from contexts.workout import events
from contexts.workout.models import AdoptedPlan, PlannedWorkout, ScheduledWorkout, StrengthSet, TrainingSession
from contexts.workout.planning import compliance, lifted, schedule
from contexts.workout.planning import steps as parts
from contexts.workout.planning.progression import Outcome, Result
from contexts.workout.planning.schedule import Move, Occurrence, Settled, Slot
from contexts.workout.planning.steps import Thresholds
from contexts.workout.plans import authoring, dated, exercises, targets
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused

MAX_ADOPTED: Final = 5
STARTS_WITHIN: Final = timedelta(days=366)
STARTED_AGO: Final = timedelta(days=7)
"""So far back a plan may have begun when it is adopted: who starts on Wednesday may keep Monday as day one."""

MOVES_WITHIN: Final = timedelta(days=7)
MATCHES_WITHIN: Final = timedelta(days=1)
"""A session so many days away from a workout may still be the one that was meant."""

MAX_DAYS: Final = 366
"""How much of a schedule is shown at once."""

SWEPT_AT_ONCE: Final = 500

State = ScheduledWorkout.State


class TooManyAdopted(Refused):
    """You follow as many plans as one can; give one up first."""


class PlanEnded(Refused):
    """You have given this plan up."""


class AlreadySettled(Refused):
    """This workout is behind you; only what is to come can be changed like this."""


class DayFull(Refused):
    """So much cannot be done on one day."""


class DayOutOfReach(Refused):
    """A workout can be moved from today on, up to seven days from where the plan has it."""


class SessionTaken(Refused):
    """This session already counts for another workout."""


# --- Taking a plan on ---------------------------------------------------------------------------------------------


@unit_of_work("workout", gate="by")
def adopt_plan(
    *,
    plan_id: UUID,
    starts_on: date,
    thresholds: Thresholds,
    usual_hr_max: int | None,
    time_zone: str,
    language: str,
    by: UUID,
    at: datetime,
) -> AdoptedPlan:
    """Take a plan on, with a copy of all that its schedule follows from; announces `PlanAdopted`.

    `thresholds` are what the athlete says for this plan; `usual_hr_max` is what their profile says.
    """
    plan = authoring.plan_for(plan_id=plan_id, by=by)
    if AdoptedPlan.objects.filter(user_id=by, ended_at__isnull=True).count() >= MAX_ADOPTED:
        raise TooManyAdopted(most=MAX_ADOPTED)
    adopted = AdoptedPlan(
        user_id=by,
        plan=plan,
        plan_version=plan.version,
        title=plan.title,
        thresholds=parts.plain(thresholds),
        usual_hr_max=usual_hr_max,
        starts_on=starts_on,
        time_zone=time_zone,
        adopted_at=at,
    )
    today = adopted.today(at=at)
    if not today - STARTED_AGO <= starts_on <= today + STARTS_WITHIN:
        raise InvalidInput("Begin within a week ago and a year ahead.", field="starts_on", code="too_far")
    workouts = {
        workout.pk: schedule.Workout(workout.title, workout.sport, parts.read(workout.steps))
        for workout in PlannedWorkout.objects.filter(pk__in=plan.workout_ids)
    }
    used = {exercise for workout in workouts.values() for exercise in parts.exercises_in(workout.steps)}
    content = schedule.Content(
        weeks=msgspec.convert(plan.weeks, type=schedule.Weeks),
        rules=msgspec.convert(plan.rules, type=schedule.Rules),
        workouts=workouts,
        exercises=exercises.names_of(used, language=language),
    )
    adopted.content = parts.plain(content)
    adopted.save(force_insert=True)
    lay_out(adopted, at=at)
    publish(
        events.PlanAdopted(
            adopted_id=adopted.pk,
            plan_id=plan.pk,
            plan_version=plan.version,
            user_id=by,
            sport=plan.sport,
            starts_on=starts_on,
            weeks=len(content.weeks),
            occurred_at=at,
        )
    )
    return adopted


@unit_of_work("workout", gate="by")
def change_thresholds(*, adopted_id: UUID, thresholds: Thresholds, by: UUID) -> AdoptedPlan:
    """From now on targets are relative to these; what is settled keeps those it was done with."""
    adopted = _open_plan(adopted_id=adopted_id, by=by)
    adopted.thresholds = parts.plain(thresholds)
    adopted.save(update_fields=["thresholds"])
    return adopted


@unit_of_work("workout", gate="by")
def give_up_plan(*, adopted_id: UUID, by: UUID, at: datetime) -> None:
    """What is still to come goes, what is settled stays. Giving up again changes nothing."""
    adopted = own_adopted(adopted_id=adopted_id, by=by)
    if adopted.ended_at is None:
        adopted.ended_at = at
        adopted.save(update_fields=["ended_at"])
        adopted.scheduled.filter(state=State.PLANNED).delete()


def own_adopted(*, adopted_id: UUID, by: UUID) -> AdoptedPlan:
    """A plan this athlete has taken on, or `NotFound`."""
    adopted = AdoptedPlan.objects.filter(pk=adopted_id, user_id=by).first()
    if adopted is None:
        raise NotFound
    return adopted


def _open_plan(*, adopted_id: UUID, by: UUID) -> AdoptedPlan:
    adopted = own_adopted(adopted_id=adopted_id, by=by)
    if adopted.ended_at is not None:
        raise PlanEnded
    return adopted


# --- The schedule -------------------------------------------------------------------------------------------------


def days(*, by: UUID, first: date, last: date) -> QuerySet[ScheduledWorkout]:
    """An athlete's workouts from one day to another, both included."""
    if not timedelta() <= last - first < timedelta(days=MAX_DAYS):
        raise InvalidInput("Ask for at most {most} days in order.", field="to", code="out_of_order", most=MAX_DAYS)
    found = ScheduledWorkout.objects.filter(user_id=by, day__gte=first, day__lte=last)
    return found.prefetch_related("adopted").order_by("day", "id")


def own_scheduled(*, scheduled_id: UUID, by: UUID) -> ScheduledWorkout:
    """One workout of the athlete's schedule, or `NotFound`."""
    found = ScheduledWorkout.objects.select_related("adopted").filter(pk=scheduled_id, user_id=by).first()
    if found is None:
        raise NotFound
    return found


def names_of(row: ScheduledWorkout) -> dict[UUID, str]:
    """The names of the exercises of its plan."""
    return msgspec.convert(row.adopted.content["exercises"], type=dict[UUID, str])


def lay_out(adopted: AdoptedPlan, *, at: datetime) -> None:
    """Write what follows from the plan and its history; settled rows are history and stay."""
    content = schedule.read_content(adopted.content)
    rows = {Slot(row.week, row.place): row for row in adopted.scheduled.all()}
    settled = {slot for slot, row in rows.items() if row.state != State.PLANNED}
    occurrences = schedule.lay_out(
        content,
        adopted.starts_on,
        history={slot: Settled(rows[slot].workout_id, outcome_of(rows[slot])) for slot in settled},
        moves={slot: Move(row.plan_week, row.day) for slot, row in rows.items() if row.moved},
    )
    wanted = {one.slot: one for one in occurrences}
    gone = [row.pk for slot, row in rows.items() if slot not in wanted and slot not in settled]
    ScheduledWorkout.objects.filter(pk__in=gone).delete()
    written: list[ScheduledWorkout] = []
    for slot, occurrence in wanted.items():
        if slot in settled:
            continue
        row = rows.get(slot) or ScheduledWorkout(adopted=adopted, user_id=adopted.user_id)
        before = {name: getattr(row, name) for name in _LAID_OUT}
        _write(row, occurrence, content, adopted.starts_on)
        if slot in rows and before == {name: getattr(row, name) for name in _LAID_OUT}:
            continue
        row.changed_at = at
        written.append(row)
    ScheduledWorkout.objects.bulk_create(
        written, update_conflicts=True, unique_fields=["id"], update_fields=[*_LAID_OUT, "changed_at"], batch_size=500
    )


_LAID_OUT: Final = (
    "week",
    "place",
    "plan_week",
    "workout_id",
    "priority",
    "title",
    "sport",
    "day",
    "moved",
    "made_up",
    "steps",
)


def _write(row: ScheduledWorkout, occurrence: Occurrence, content: schedule.Content, starts_on: date) -> None:
    slot, workout = occurrence.slot, content.workouts[occurrence.workout_id]
    placed = content.weeks[occurrence.plan_week - 1].in_order()[slot.place]
    row.week, row.place, row.plan_week = slot.week, slot.place, occurrence.plan_week
    row.workout_id, row.title, row.sport = occurrence.workout_id, workout.title, workout.sport
    row.priority, row.day = occurrence.priority, occurrence.day
    row.moved = occurrence.day != schedule.day_of(placed, slot, starts_on)
    row.made_up = row.made_up and row.moved
    row.steps = parts.plain(occurrence.steps)


def outcome_of(row: ScheduledWorkout) -> Outcome:
    """What became of it, as the progression wants to know it."""
    return msgspec.convert({**row.outcome, "state": row.state}, type=Outcome)


# --- What an athlete does with a workout --------------------------------------------------------------------------


@unit_of_work("workout", gate="by")
def move_workout(*, scheduled_id: UUID, to: date, by: UUID, at: datetime) -> ScheduledWorkout:
    """Another day for it, near where the plan has it."""
    row = _changeable(scheduled_id=scheduled_id, by=by)
    if row.state != State.PLANNED:
        raise AlreadySettled
    content = schedule.read_content(row.adopted.content)
    placed = content.weeks[row.plan_week - 1].in_order()[row.place]
    usual = schedule.day_of(placed, Slot(row.week, row.place), row.adopted.starts_on)
    if to < row.adopted.today(at=at) or abs(to - usual) > MOVES_WITHIN:
        raise DayOutOfReach
    if ScheduledWorkout.objects.filter(user_id=by, day=to).exclude(pk=row.pk).count() >= schedule.MAX_A_DAY:
        raise DayFull(most=schedule.MAX_A_DAY)
    row.day, row.moved, row.changed_at = to, to != usual, at
    row.save(update_fields=["day", "moved", "changed_at"])
    return row


@unit_of_work("workout", gate="by")
def skip_workout(*, scheduled_id: UUID, by: UUID, at: datetime) -> ScheduledWorkout:
    """Leave it out on purpose. Skipping again changes nothing."""
    row = _changeable(scheduled_id=scheduled_id, by=by)
    if row.state in (State.DONE, State.FAILED):
        raise AlreadySettled
    if row.state != State.SKIPPED:
        row.settle(State.SKIPPED, thresholds=parts.plain(targets.thresholds_of(row)), at=at)
        row.save()
        lay_out(row.adopted, at=at)
    return row


@unit_of_work("workout", gate="by")
def complete_workout(
    *,
    scheduled_id: UUID,
    session_id: UUID | None,
    results: Sequence[Result],
    rpe: float | None,
    by: UUID,
    at: datetime,
) -> ScheduledWorkout:
    """It was done: in this session, with these results. Said again, it replaces what was said before."""
    row = _changeable(scheduled_id=scheduled_id, by=by)
    if session_id is not None:
        row.session = _free_session(session_id=session_id, row=row, by=by)
    row.outcome = parts.plain(Outcome(results=tuple(results), rpe=rpe))
    _fulfil(row, at=at)
    return row


def _changeable(*, scheduled_id: UUID, by: UUID) -> ScheduledWorkout:
    row = own_scheduled(scheduled_id=scheduled_id, by=by)
    if row.adopted.ended_at is not None:
        raise PlanEnded
    return row


def _free_session(*, session_id: UUID, row: ScheduledWorkout, by: UUID) -> TrainingSession:
    completed = TrainingSession.objects.filter(pk=session_id, user_id=by, state=TrainingSession.State.COMPLETED)
    session = completed.first()
    if session is None:
        raise NotFound
    if ScheduledWorkout.objects.filter(session=session).exclude(pk=row.pk).exists():
        raise SessionTaken
    return session


def _fulfil(row: ScheduledWorkout, *, at: datetime) -> None:
    """Done or failed; what is to come follows from it."""
    judge(row, at=at)
    lay_out(row.adopted, at=at)


def judge(row: ScheduledWorkout, *, at: datetime) -> None:
    """Done or failed, as its results and its session say.

    The sets of the session are its results unless the athlete has said others.
    """
    session, asked, outcome = row.session, parts.read(row.steps), outcome_of(row)
    if session is not None and (outcome.from_sets or not outcome.results):
        outcome = Outcome(results=lifted.results_of(asked, _sets_of(session)), rpe=outcome.rpe, from_sets=True)
        row.outcome = parts.plain(outcome)
    done = compliance.Done()
    if session is not None:
        done = compliance.Done(session.duration_s, session.distance_m, session.hr_zones_s)
    thresholds = targets.thresholds_of(row)
    found = compliance.compare(asked, done, outcome, thresholds)
    row.compliance = found.score if found else None
    row.compliance_parts = [asdict(part) for part in found.parts] if found else []
    enough = compliance.all_sets_done(asked, outcome) and (found is None or found.score >= compliance.FAILED_BELOW)
    row.settle(State.DONE if enough else State.FAILED, thresholds=parts.plain(thresholds), at=at)
    row.save()


def _sets_of(session: TrainingSession) -> list[lifted.Lifted]:
    done = StrengthSet.shown_in(session).values_list("exercise_id", "reps", "weight_kg", "rpe")
    return [
        lifted.Lifted(exercise_id, reps, weight_kg, rpe)
        for exercise_id, reps, weight_kg, rpe in done
        if exercise_id is not None and reps is not None
    ]


def count_sets(*, session: TrainingSession, at: datetime) -> None:
    """A session's sets or numbers have changed after it was counted for a workout.

    The caller holds the athlete's gate.
    """
    row = ScheduledWorkout.objects.select_related("adopted").filter(session=session).first()
    if (
        row is not None
        and row.adopted.ended_at is None
        and (outcome_of(row).from_sets or not outcome_of(row).results)
    ):
        _fulfil(row, at=at)


# --- What happens by itself ---------------------------------------------------------------------------------------


@unit_of_work("workout", gate="by")
def match_session(*, session_id: UUID, by: UUID, at: datetime) -> ScheduledWorkout | None:
    """Count a completed session for the workout that was meant, and answer it: of its sport, the nearest.

    On its own day, even one already missed: its session came in late. On the day before or after only where its plan
    has nothing of this sport on the session's own day, for a second run of a day is not tomorrow's.
    """
    session = TrainingSession.objects.filter(pk=session_id, user_id=by).first()
    return match(session, at=at) if session is not None else None


def match(session: TrainingSession, *, at: datetime) -> ScheduledWorkout | None:
    """As `match_session`. The caller holds the athlete's gate."""
    if ScheduledWorkout.objects.filter(session=session).exists():
        return None
    around = session.started_at.date()
    reach = MATCHES_WITHIN + timedelta(days=1)  # the athlete's day is at most one away from that of UTC
    near = ScheduledWorkout.objects.select_related("adopted").filter(
        user_id=session.user_id,
        sport=session.sport,
        day__range=(around - reach, around + reach),
        adopted__ended_at__isnull=True,
    )
    apart = [(_days_apart(row, session), row) for row in near]
    today = [row for days_apart, row in apart if not days_apart]
    has_today = {row.adopted_id for row in today}
    meant = [(days_apart, row.day, row.place, row) for days_apart, row in apart if row.state == State.PLANNED]
    beside = [one for one in meant if one[0] <= MATCHES_WITHIN and one[3].adopted_id not in has_today]
    late = [(timedelta(), row.day, row.place, row) for row in today if row.state == State.MISSED]
    fitting = [one for one in meant if not one[0]] or late or beside
    if not fitting:
        return None
    row = min(fitting, key=lambda one: one[:3])[3]
    row.session = session
    _fulfil(row, at=at)
    return row


def _days_apart(row: ScheduledWorkout, session: TrainingSession) -> timedelta:
    return abs(row.day - row.adopted.today(at=session.started_at))


def plans_with_missed(*, at: datetime) -> list[tuple[UUID, UUID]]:
    """Adopted plans with something left from a day that is over for their athlete, and whose they are."""
    local = Cast(
        Func(F("adopted__time_zone"), Value(at), function="timezone", output_field=DateTimeField()), DateField()
    )
    tomorrow_somewhere = at.date() + timedelta(days=1)  # lets the index find the few rows that can be meant
    over = ScheduledWorkout.objects.filter(state=State.PLANNED, day__lt=tomorrow_somewhere).filter(day__lt=local)
    return list(over.values_list("adopted_id", "user_id").distinct()[:SWEPT_AT_ONCE])


@unit_of_work("workout", gate="by")
def mark_missed(*, adopted_id: UUID, by: UUID, at: datetime) -> int:
    """What was not done on days that are over is missed, or made up on another day; returns how many these were."""
    return miss_what_is_over(own_adopted(adopted_id=adopted_id, by=by), at=at)


def miss_what_is_over(adopted: AdoptedPlan, *, at: datetime) -> int:
    """As `mark_missed`. The caller holds the athlete's gate."""
    today = adopted.today(at=at)
    rows = list(adopted.scheduled.filter(state=State.PLANNED, day__lt=today).order_by("day", "place"))
    if not rows:
        return 0
    taken = set(adopted.scheduled.values_list("day", flat=True))
    entries = dated.entries_of(adopted.user_id)
    for row in rows:
        row.adopted = adopted
        to = schedule.day_to_make_up(
            row.priority,  # type: ignore[arg-type]
            slot=Slot(row.week, row.place),
            starts_on=adopted.starts_on,
            today=today,
            taken=taken,
            made_up=row.made_up,
        )
        if to is None:
            row.settle(State.MISSED, thresholds=parts.plain(targets.thresholds_of(row, entries)), at=at)
        else:
            taken.add(to)
            row.day, row.moved, row.made_up, row.changed_at = to, True, True, at
    ScheduledWorkout.objects.bulk_update(
        rows, ["state", "settled_at", "thresholds", "day", "moved", "made_up", "changed_at"]
    )
    lay_out(adopted, at=at)
    return len(rows)


def sweep(*, at: datetime) -> int:
    """Mark what was missed, athlete by athlete; returns how many workouts these were."""
    return sum(mark_missed(adopted_id=adopted_id, by=by, at=at) for adopted_id, by in plans_with_missed(at=at))


def feed_rows(user_id: UUID, *, since: date, most: int) -> list[ScheduledWorkout]:
    """What a calendar shows of an athlete's schedule, the earliest first."""
    found = ScheduledWorkout.objects.filter(user_id=user_id, day__gte=since).prefetch_related("adopted")
    return list(found.order_by("day", "id")[:most])


def outcome_said(row: ScheduledWorkout) -> dict[str, Any]:
    """What the athlete reported: results and perceived exertion."""
    said = outcome_of(row)
    return {"results": parts.plain(said.results), "rpe": said.rpe}
