"""What athletes tell of their bodies after they have trained: it fills in what was unknown on the day of a session.

What was known then stays, for it was the body of that day; only a sex that is told otherwise was never another.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from django.db.models import Case, F, Func, JSONField, Q, QuerySet, Value, When

from contexts.identity import services as identity
from contexts.workout.models import TrainingSession
from kernel.databases import unit_of_work

FILLED_IN: Final = ("body_mass_kg", "hr_max")
TOLD: Final = (*FILLED_IN, "sex")


@unit_of_work("workout", gate="by")
def fill_in(*, by: UUID, known: identity.Physiology, changed: Collection[str]) -> int:
    """Take over what has changed where it was unknown, and have those sessions analysed anew; answers how many."""
    own = TrainingSession.objects.filter(user_id=by, state=TrainingSession.State.COMPLETED).exclude(athlete={})
    marked = 0
    for name in TOLD:
        value = getattr(known, name)
        if name in changed and value is not None:
            lacking = Q(**{f"athlete__{name}": None}) if name in FILLED_IN else ~Q(**{f"athlete__{name}": value})
            marked += _take_over(own.filter(lacking), {name: value})
    return marked


def _take_over(sessions: QuerySet[TrainingSession], told: dict[str, Any]) -> int:
    together = Func(
        F("athlete"),
        Value(told, output_field=JSONField()),
        template="(%(expressions)s)",
        arg_joiner=" || ",
        output_field=JSONField(),
    )
    due = Case(When(analysis_due="", then=Value("settings")), default=F("analysis_due"))
    return sessions.update(athlete=together, analysis_due=due)
