"""Writing workouts and plans, and letting others see them (WO-2)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import F, Q, QuerySet

from contexts.identity import services as identity
from contexts.workout.models import PlannedWorkout, PlanShare, TrainingPlan
from contexts.workout.planning import progression, schedule
from contexts.workout.planning import steps as parts
from contexts.workout.plans import exercises
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound, Refused

MAX_WORKOUTS = 500
MAX_PLANS = 100


class TooManyWorkouts(Refused):
    """You have as many workouts as one can have; delete one first."""


class TooManyPlans(Refused):
    """You have as many plans as one can have; delete one first."""


class WorkoutInUse(Refused):
    """A plan of yours contains this workout; take it out of there first."""


# --- Workouts -----------------------------------------------------------------------------------------------------


def steps_from(raw: Any, *, by: UUID) -> tuple[parts.Step, ...]:
    """The steps somebody has written, or a refusal that says what is wrong with them."""
    try:
        steps = parts.read(raw)
    except msgspec.ValidationError as error:
        raise malformed("steps", error) from None
    except parts.StepsFault as fault:
        raise InvalidInput("These steps cannot be done.", field="steps", code=fault.code) from None
    exercises.ensure_known(parts.exercises_in(steps), to=by)
    return steps


def malformed(field: str, error: msgspec.ValidationError) -> InvalidInput:
    """The refusal for what does not have the form it should have."""
    said = "This does not have the form it should have: {why}"
    return InvalidInput(said, field=field, code="malformed", why=str(error)[:200])


@unit_of_work("workout", gate="by")
def write_workout(*, title: str, sport: str, description: str, steps: Any, by: UUID, at: datetime) -> PlannedWorkout:
    """A new workout of one's own."""
    sound = steps_from(steps, by=by)
    if PlannedWorkout.objects.filter(owner_id=by).count() >= MAX_WORKOUTS:
        raise TooManyWorkouts(most=MAX_WORKOUTS)
    return PlannedWorkout.objects.create(
        owner_id=by,
        title=title,
        sport=sport,
        description=description,
        steps=parts.plain(sound),
        created_at=at,
        changed_at=at,
    )


@unit_of_work("workout", gate="by")
def change_workout(*, workout_id: UUID, changes: Mapping[str, Any], by: UUID, at: datetime) -> PlannedWorkout:
    """Change what `changes` names; the plans that contain it get a new version. Adopted plans stay as they are."""
    workout = PlannedWorkout.objects.select_for_update().filter(pk=workout_id, owner_id=by).first()
    if workout is None:
        raise NotFound
    containing = TrainingPlan.objects.filter(owner_id=by, workout_ids__contains=[workout_id])
    for name, value in changes.items():
        setattr(workout, name, parts.plain(steps_from(value, by=by)) if name == "steps" else value)
    if "steps" in changes:
        steps = {workout_id: parts.read(workout.steps)}
        for plan in containing:
            _ensure_rules_apply(msgspec.convert(plan.rules, type=schedule.Rules), steps)
    workout.changed_at = at
    workout.save()
    containing.update(version=F("version") + 1, changed_at=at)
    return workout


@unit_of_work("workout", gate="by")
def delete_workout(*, workout_id: UUID, by: UUID) -> None:
    """Away with it; not while a plan contains it."""
    if TrainingPlan.objects.filter(owner_id=by, workout_ids__contains=[workout_id]).exists():
        raise WorkoutInUse
    gone, _ = PlannedWorkout.objects.filter(pk=workout_id, owner_id=by).delete()
    if not gone:
        raise NotFound


def workout_for(*, workout_id: UUID, by: UUID) -> PlannedWorkout:
    """A workout of one's own, or of a plan one may see."""
    workout = PlannedWorkout.objects.filter(pk=workout_id).first()
    if workout is None:
        raise NotFound
    if workout.owner_id != by and not visible_to(by).filter(workout_ids__contains=[workout_id]).exists():
        raise NotFound
    return workout


# --- Plans --------------------------------------------------------------------------------------------------------


def find_plans(*, by: UUID, whose: str = "", sport: str = "") -> QuerySet[TrainingPlan]:
    """Of the plans one may see, those that fit; `whose` is `mine`, `shared` with one, `public`, or all."""
    found = visible_to(by)
    if whose == "mine":
        found = found.filter(owner_id=by)
    elif whose == "shared":
        found = found.filter(pk__in=PlanShare.objects.filter(athlete_id=by).values("plan_id"))
    elif whose == "public":
        found = found.filter(visibility=TrainingPlan.Visibility.PUBLIC)
    return found.filter(sport=sport) if sport else found


def visible_to(user_id: UUID) -> QuerySet[TrainingPlan]:
    """One's own plans, those a coach has shared with one, and public ones."""
    shared = PlanShare.objects.filter(athlete_id=user_id).values("plan_id")
    open_ones = Q(visibility="public") | Q(visibility="shared", pk__in=shared)
    return TrainingPlan.objects.filter(Q(owner_id=user_id) | (Q(hidden_at__isnull=True) & open_ones))


def plan_for(*, plan_id: UUID, by: UUID) -> TrainingPlan:
    """A plan one may see, or `NotFound`."""
    plan = visible_to(by).filter(pk=plan_id).first()
    if plan is None:
        raise NotFound
    return plan


@unit_of_work("workout", gate="by")
def write_plan(*, written: Mapping[str, Any], by: UUID, at: datetime) -> TrainingPlan:
    """A new plan of one's own, made of workouts of one's own."""
    if TrainingPlan.objects.filter(owner_id=by).count() >= MAX_PLANS:
        raise TooManyPlans(most=MAX_PLANS)
    plan = TrainingPlan(owner_id=by, created_at=at, changed_at=at)
    _apply(plan, written)
    plan.save(force_insert=True)
    return plan


@unit_of_work("workout", gate="by")
def change_plan(*, plan_id: UUID, changes: Mapping[str, Any], by: UUID, at: datetime) -> TrainingPlan:
    """Change what `changes` names; it is a new version. Who has adopted an earlier one keeps that."""
    plan = own_plan(plan_id=plan_id, by=by)
    _apply(plan, changes)
    plan.version, plan.changed_at = plan.version + 1, at
    plan.save()
    return plan


@unit_of_work("workout", gate="by")
def delete_plan(*, plan_id: UUID, by: UUID) -> None:
    """Away with it; who has adopted it keeps their own copy."""
    own_plan(plan_id=plan_id, by=by).delete()


def own_plan(*, plan_id: UUID, by: UUID) -> TrainingPlan:
    """A plan of one's own, locked for a change."""
    plan = TrainingPlan.objects.select_for_update().filter(pk=plan_id, owner_id=by).first()
    if plan is None:
        raise NotFound
    return plan


def _apply(plan: TrainingPlan, written: Mapping[str, Any]) -> None:
    for name, value in written.items():
        setattr(plan, name, value)
    weeks, rules = _weeks_from(plan.weeks), _rules_from(plan.rules)
    named = {placed.workout_id for week in weeks for placed in week.days}
    if not named:
        raise InvalidInput("A plan has at least one workout.", field="weeks", code="empty")
    steps = {
        workout_id: parts.read(raw)
        for workout_id, raw in PlannedWorkout.objects.filter(pk__in=named, owner_id=plan.owner_id).values_list(
            "pk", "steps"
        )
    }
    if named - steps.keys():
        raise InvalidInput("There is no such workout of yours.", field="weeks", code="unknown_workout")
    if {rule.workout_id for rule in rules} - named:
        raise InvalidInput("A rule is for a workout of the plan.", field="rules", code="unknown_workout")
    _ensure_rules_apply(rules, steps)
    plan.weeks, plan.rules, plan.workout_ids = parts.plain(weeks), parts.plain(rules), sorted(named)


def _weeks_from(raw: Any) -> tuple[schedule.Week, ...]:
    try:
        weeks: tuple[schedule.Week, ...] = msgspec.convert(raw, type=schedule.Weeks)
        schedule.ensure_sound(weeks)
    except msgspec.ValidationError as error:
        raise malformed("weeks", error) from None
    except schedule.TooManyADay:
        raise InvalidInput("So much cannot be done on one day.", field="weeks", code="too_many_a_day") from None
    return weeks


def _rules_from(raw: Any) -> tuple[progression.ProgressionRule, ...]:
    try:
        rules: tuple[progression.ProgressionRule, ...] = msgspec.convert(raw, type=schedule.Rules)
    except msgspec.ValidationError as error:
        raise malformed("rules", error) from None
    return rules


def _ensure_rules_apply(
    rules: Sequence[progression.ProgressionRule], steps: Mapping[UUID, tuple[parts.Step, ...]]
) -> None:
    """Refuse rules that cannot work on these workouts; those of other workouts are left alone."""
    for workout_id, asked in steps.items():
        try:
            progression.ensure_sound([rule for rule in rules if rule.workout_id == workout_id], asked)
        except progression.RuleFault as fault:
            raise InvalidInput("This rule cannot have an effect.", field="rules", code=fault.code) from None


# --- Letting others see a plan ------------------------------------------------------------------------------------


def share_plan(*, plan_id: UUID, athlete_id: UUID, by: UUID, at: datetime) -> None:
    """A coach shows an athlete a plan. Who has not let them coach is not found. Sharing again changes nothing.

    Asks identity, so not for an open unit of work.
    """
    granted = identity.get_coach_scopes(coach_id=by, athlete_ids=[athlete_id]).get(athlete_id, [])
    if "workout:read" not in granted:
        raise NotFound
    _share(plan_id=plan_id, athlete_id=athlete_id, by=by, at=at)


@unit_of_work("workout", gate="by")
def _share(*, plan_id: UUID, athlete_id: UUID, by: UUID, at: datetime) -> None:
    plan = own_plan(plan_id=plan_id, by=by)
    if plan.visibility == TrainingPlan.Visibility.PRIVATE:
        plan.visibility = TrainingPlan.Visibility.SHARED
        plan.save(update_fields=["visibility"])
    PlanShare.objects.get_or_create(plan=plan, athlete_id=athlete_id, defaults={"shared_at": at})


def shares_of(*, plan_id: UUID, by: UUID) -> QuerySet[PlanShare]:
    """Whom somebody has shown a plan of their own."""
    if not TrainingPlan.objects.filter(pk=plan_id, owner_id=by).exists():
        raise NotFound
    return PlanShare.objects.filter(plan_id=plan_id)


@unit_of_work("workout", gate="by")
def withdraw_plan(*, plan_id: UUID, athlete_id: UUID, by: UUID) -> None:
    """An athlete no longer sees the plan; what they have adopted stays theirs."""
    gone, _ = PlanShare.objects.filter(plan=own_plan(plan_id=plan_id, by=by), athlete_id=athlete_id).delete()
    if not gone:
        raise NotFound


@unit_of_work("workout")
def hide_plan(*, plan_id: UUID, at: datetime) -> bool:
    """A moderator takes a plan from everybody but its owner; whether it was to be seen until now."""
    return bool(TrainingPlan.objects.filter(pk=plan_id, hidden_at__isnull=True).update(hidden_at=at))
