"""What workouts, plans and schedules look like in requests and answers."""

from functools import cache
from typing import Any, ClassVar

import msgspec
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from contexts.workout.models import ScheduledWorkout, Sport, TrainingPlan
from contexts.workout.planning import progression, schedule
from contexts.workout.planning import steps as parts
from kernel.http import Identifier, JsonRenderer


class Fit(JsonRenderer):
    """Lets clients ask for FIT files."""

    media_type, format = "application/vnd.ant.fit", "fit"


class Ics(JsonRenderer):
    """Lets clients ask for calendars."""

    media_type, format = "text/calendar", "ics"


FILE_RENDERERS: list[type[BaseRenderer]] = [Fit, JsonRenderer]


NULL = {"type": "null"}
LEFT_OUT = frozenset({"$defs", "discriminator", "title", "description"})
"""What OpenAPI 3.0 does not know, or says elsewhere."""


@cache
def form_of(kind: Any) -> dict[str, Any]:
    """The JSON schema of a type as OpenAPI 3.0 has it: without references, `nullable` for what may be null."""
    written = msgspec.json.schema(kind)
    return _inlined(written, written.get("$defs", {}))


def _inlined(part: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return [_inlined(one, definitions) for one in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _inlined(definitions[part["$ref"].rpartition("/")[2]], definitions)
    if NULL in part.get("anyOf", ()):
        some = [one for one in part["anyOf"] if one != NULL]
        return _inlined(some[0] if len(some) == 1 else {"anyOf": some}, definitions) | {"nullable": True}
    kept = {key: value for key, value in part.items() if key not in LEFT_OUT and value != []}
    named = {name: _inlined(one, definitions) for name, one in kept.pop("properties", {}).items()}
    inlined = {key: _inlined(value, definitions) for key, value in kept.items()}
    return inlined | {"properties": named} if named else inlined


class Described(serializers.JSONField):
    """A value whose form `planning` declares and reads; the description of the API says it once, by name."""

    kind: ClassVar[Any]
    component: ClassVar[str]


class DescribedSchema(OpenApiSerializerFieldExtension):
    """Puts the form of a `Described` field into the description of the API."""

    target_class = Described
    match_subclasses = True

    def get_name(self) -> str:
        """The component's name."""
        return str(self.target.component)

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """The component."""
        return form_of(self.target.kind)


class StepsField(Described):
    """What a workout consists of."""

    kind, component = parts.Steps, "WorkoutSteps"


class WeeksField(Described):
    """What a plan consists of."""

    kind, component = schedule.Weeks, "PlanWeeks"


class RulesField(Described):
    """How the workouts of a plan grow."""

    kind, component = schedule.Rules, "ProgressionRules"


class ThresholdsField(Described):
    """What targets are relative to."""

    kind, component = parts.Thresholds, "AthleteThresholds"


class ResultsField(Described):
    """What was done of strength steps."""

    kind, component = tuple[progression.Result, ...], "StrengthResults"


class WorkoutForm(serializers.Serializer):
    title = serializers.CharField(max_length=120)
    sport = serializers.ChoiceField(choices=Sport.choices)
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    steps = StepsField()


class WorkoutItem(serializers.Serializer):
    id = serializers.UUIDField()
    title = serializers.CharField()
    sport = serializers.ChoiceField(choices=Sport.choices)
    description = serializers.CharField()
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class WorkoutDetail(WorkoutItem):
    steps = StepsField()
    is_mine = serializers.BooleanField()


class PlanForm(serializers.Serializer):
    title = serializers.CharField(max_length=120)
    description = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    sport = serializers.ChoiceField(choices=Sport.choices)
    visibility = serializers.ChoiceField(choices=TrainingPlan.Visibility.choices, required=False)
    weeks = WeeksField(help_text="At most 52 weeks; of each the days 1 to 7, counted from the day of the start.")
    rules = RulesField(required=False)


class PlanFilters(serializers.Serializer):
    whose = serializers.ChoiceField(choices=["mine", "shared", "public"], required=False)
    sport = serializers.ChoiceField(choices=Sport.choices, required=False)


class PlanItem(serializers.Serializer):
    id = serializers.UUIDField()
    owner_id = serializers.UUIDField()
    title = serializers.CharField()
    description = serializers.CharField()
    sport = serializers.ChoiceField(choices=Sport.choices)
    visibility = serializers.ChoiceField(choices=TrainingPlan.Visibility.choices)
    version = serializers.IntegerField()
    week_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    changed_at = serializers.DateTimeField()


class PlanDetail(PlanItem):
    weeks = WeeksField()
    rules = RulesField()


class ShareForm(serializers.Serializer):
    athlete_id = Identifier()


class ShareItem(serializers.Serializer):
    athlete_id = serializers.UUIDField()
    shared_at = serializers.DateTimeField()


class AdoptForm(serializers.Serializer):
    starts_on = serializers.DateField(help_text="Day 1 of week 1.")
    thresholds = ThresholdsField(
        required=False,
        help_text="What targets are relative to; unless given, your dated thresholds of each day, and your profile's "
        "maximal heart rate.",
    )


class AdoptedThresholdsForm(serializers.Serializer):
    thresholds = ThresholdsField()


class AdoptedItem(serializers.Serializer):
    id = serializers.UUIDField()
    plan_id = serializers.UUIDField(allow_null=True)
    plan_version = serializers.IntegerField()
    title = serializers.CharField()
    starts_on = serializers.DateField()
    time_zone = serializers.CharField()
    thresholds = ThresholdsField()
    adopted_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class CompliancePart(serializers.Serializer):
    name = serializers.CharField()
    unit = serializers.CharField(allow_blank=True)
    planned = serializers.FloatField()
    done = serializers.FloatField()
    score = serializers.FloatField()
    weight = serializers.IntegerField()


class ScheduledItem(serializers.Serializer):
    id = serializers.UUIDField()
    adopted_id = serializers.UUIDField()
    day = serializers.DateField()
    week = serializers.IntegerField(help_text="Of your calendar, from 1.")
    plan_week = serializers.IntegerField(help_text="Of the plan, from 1; a repeated week has its number again.")
    title = serializers.CharField()
    sport = serializers.ChoiceField(choices=Sport.choices)
    priority = serializers.ChoiceField(choices=["key", "normal", "optional"])
    state = serializers.ChoiceField(choices=ScheduledWorkout.State.choices)
    moved = serializers.BooleanField()
    made_up = serializers.BooleanField()
    session_id = serializers.UUIDField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)
    steps = serializers.ListField(
        child=serializers.DictField(), help_text="Each with its `range` for you, where your threshold is known."
    )
    results = ResultsField()
    rpe = serializers.FloatField(allow_null=True)
    compliance = serializers.FloatField(allow_null=True, help_text="0 to 100; null if there was nothing to compare.")
    compliance_parts = CompliancePart(many=True, help_text="What the score was made of.")


class MoveForm(serializers.Serializer):
    day = serializers.DateField()


class CompleteForm(serializers.Serializer):
    session_id = Identifier(required=False)
    results = ResultsField(required=False)
    rpe = serializers.FloatField(min_value=1, max_value=10, required=False, help_text="How hard it was, 1 to 10.")


class PlanFeedForm(serializers.Serializer):
    name = serializers.CharField(max_length=80)


class PlanFeedItem(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class NewPlanFeed(PlanFeedItem):
    url = serializers.CharField(help_text="For a calendar program. Whoever knows it sees your schedule; shown once.")


def asked(form: type[serializers.Serializer], request: Request) -> dict[str, Any]:
    """The query as the form's fields; raises a 400 that names each field at fault."""
    bound = form(data={name: value for name, value in request.query_params.items() if name in form().fields})
    bound.is_valid(raise_exception=True)
    return dict(bound.validated_data)


def item_of(form: type[serializers.Serializer], row: Any) -> dict[str, Any]:
    """What a form shows of a row, straight from its attributes."""
    return {name: getattr(row, name) for name in form().fields if hasattr(row, name)}
