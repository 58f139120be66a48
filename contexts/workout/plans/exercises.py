"""The library of exercises: everybody's, one's own beside it, and how an own one becomes everybody's."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet

from contexts.workout.models import EQUIPMENT, MUSCLES, AdoptedPlan, Exercise
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, Refused

MAX_OWN = 200


class TooManyExercises(Refused):
    """You have as many exercises of your own as one can have."""


class NameTaken(Refused):
    """The library has an exercise of this name."""


def visible_to(user_id: UUID) -> QuerySet[Exercise]:
    """The library, and what somebody has added themselves."""
    return Exercise.objects.filter(Q(state=Exercise.State.LIBRARY) | Q(owner_id=user_id))


def find(*, by: UUID, muscle: str = "", equipment: str = "", text: str = "", whose: str = "") -> QuerySet[Exercise]:
    """Those that fit all the filters that are given."""
    found = visible_to(by)
    if muscle:
        found = found.filter(muscles__contains=[muscle])
    if equipment:
        found = found.filter(equipment__contains=[equipment])
    if text:
        found = found.filter(Q(name_en__icontains=text) | Q(name_ru__icontains=text))
    if whose == "mine":
        found = found.filter(owner_id=by)
    return found


@unit_of_work("workout", gate="by")
def add_exercise(
    *, name_en: str, name_ru: str, muscles: Sequence[str], equipment: Sequence[str], propose: bool, by: UUID
) -> Exercise:
    """An exercise of one's own; proposed ones wait for a moderator, and are one's own until then."""
    if not muscles or not set(muscles) <= set(MUSCLES):
        raise InvalidInput("Name the muscles it trains.", field="muscles", code="unknown_muscle")
    if not set(equipment) <= set(EQUIPMENT):
        raise InvalidInput("There is no such equipment.", field="equipment", code="unknown_equipment")
    if Exercise.objects.filter(owner_id=by).count() >= MAX_OWN:
        raise TooManyExercises(most=MAX_OWN)
    return Exercise.objects.create(
        owner_id=by,
        state=Exercise.State.PROPOSED if propose else Exercise.State.PRIVATE,
        name_en=name_en,
        name_ru=name_ru,
        muscles=list(dict.fromkeys(muscles)),
        equipment=list(dict.fromkeys(equipment)) or ["none"],
    )


@unit_of_work("workout")
def accept_exercise(*, exercise_id: UUID) -> bool:
    """A proposed exercise becomes everybody's and nobody's own; whether it was one. `NameTaken` for a second."""
    exercise = Exercise.objects.select_for_update().get(pk=exercise_id)
    if exercise.state != Exercise.State.PROPOSED:
        return False
    if Exercise.objects.filter(state=Exercise.State.LIBRARY, name_en=exercise.name_en).exists():
        raise NameTaken
    exercise.state, exercise.owner_id = Exercise.State.LIBRARY, None
    exercise.save(update_fields=["state", "owner_id"])
    return True


@unit_of_work("workout")
def decline_exercise(*, exercise_id: UUID) -> bool:
    """A proposed exercise stays its owner's own; whether it was one."""
    proposed = Exercise.objects.filter(pk=exercise_id, state=Exercise.State.PROPOSED)
    return bool(proposed.update(state=Exercise.State.DECLINED))


def ensure_known(exercise_ids: Iterable[UUID], *, to: UUID) -> None:
    """Refuse exercises this person does not see."""
    wanted = set(exercise_ids)
    known = set(visible_to(to).filter(pk__in=wanted).values_list("pk", flat=True))
    if wanted - known:
        raise InvalidInput("There is no such exercise.", field="steps", code="unknown_exercise")


class Movement(NamedTuple):
    """What an athlete says they did: in their own words, and which exercise of ours that is."""

    words: str
    exercise_id: UUID | None = None


def recognise(said: Iterable[Movement], *, by: UUID, language: str = "en") -> dict[Movement, Movement]:
    """What each of these is: a known name finds its exercise, an exercise without words gets its name.

    Names are known in both languages, in any case; an own exercise goes before the library's. One that the athlete
    neither sees nor has in a plan is none of ours: its words stay.
    """
    asked = set(said)
    if not asked:
        return {}
    library_first = sorted(visible_to(by), key=lambda one: one.owner_id is not None)
    names = {one.pk: one.name(language) for one in library_first} | _names_in_plans(asked, by=by)
    by_name = {_folded(name): one.pk for one in library_first for name in (one.name_en, one.name_ru) if name}
    found = {}
    for one in asked:
        known = one.exercise_id if one.exercise_id in names else by_name.get(_folded(one.words))
        found[one] = Movement(one.words or names.get(known, ""), known) if known else Movement(one.words)
    return found


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold().replace("ё", "е")


def _names_in_plans(asked: Iterable[Movement], *, by: UUID) -> dict[UUID, str]:
    """A coach's own exercises, as the plans call them which an athlete has taken on."""
    if not any(one.exercise_id for one in asked):
        return {}
    plans = AdoptedPlan.objects.filter(user_id=by).values_list("content__exercises", flat=True)
    return {UUID(exercise_id): name for known in plans for exercise_id, name in known.items()}


def names_of(exercise_ids: Iterable[UUID], *, language: str) -> dict[UUID, str]:
    """Their names in a language."""
    return {one.pk: one.name(language) for one in Exercise.objects.filter(pk__in=set(exercise_ids))}
