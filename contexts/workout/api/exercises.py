"""The library of exercises over HTTP."""

from typing import Any

from django.urls import path
from django.utils.translation import get_language
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.workout.api.plan_forms import asked
from contexts.workout.models import EQUIPMENT, MUSCLES, Exercise
from contexts.workout.plans import exercises
from kernel.access import RateLimit, member
from kernel.http import PAGE_PARAMETERS, Endpoint, page, page_of, validated
from kernel.idempotency import idempotent


class ExerciseForm(serializers.Serializer):
    name_en = serializers.CharField(max_length=80)
    name_ru = serializers.CharField(max_length=80, required=False, allow_blank=True)
    muscles = serializers.ListField(
        child=serializers.ChoiceField(choices=MUSCLES), min_length=1, max_length=8, help_text="The most worked first."
    )
    equipment = serializers.ListField(child=serializers.ChoiceField(choices=EQUIPMENT), required=False, max_length=6)
    propose = serializers.BooleanField(
        required=False, help_text="Ask for it to be taken into the library; until then it is yours alone."
    )


class ExerciseFilters(serializers.Serializer):
    muscle = serializers.ChoiceField(choices=MUSCLES, required=False)
    equipment = serializers.ChoiceField(choices=EQUIPMENT, required=False)
    text = serializers.CharField(max_length=80, required=False, help_text="Part of a name, in either language.")
    whose = serializers.ChoiceField(choices=["all", "mine"], required=False)


class ExerciseItem(serializers.Serializer):
    id = serializers.UUIDField()
    name = serializers.CharField(help_text="In the language of the request.")
    name_en = serializers.CharField()
    name_ru = serializers.CharField()
    muscles = serializers.ListField(child=serializers.ChoiceField(choices=MUSCLES))
    equipment = serializers.ListField(child=serializers.ChoiceField(choices=EQUIPMENT))
    state = serializers.ChoiceField(choices=Exercise.State.choices)


def shown(exercise: Exercise) -> dict[str, Any]:
    """An exercise for whoever may see it."""
    names = ("id", "name_en", "name_ru", "muscles", "equipment", "state")
    return {name: getattr(exercise, name) for name in names} | {"name": exercise.name(get_language() or "en")}


class Exercises(Endpoint):
    """What strength training is made of."""

    access = member
    limit = {"POST": RateLimit("60/h", by="user")}

    @extend_schema(
        operation_id="list_exercises",
        parameters=[ExerciseFilters, *PAGE_PARAMETERS],
        responses=page_of(ExerciseItem),
    )
    def get(self, request: Request) -> Response:
        """The library and your own exercises, by name."""
        found = exercises.find(by=request.user.user_id, **asked(ExerciseFilters, request))
        return Response(page(request, found, order=("name_en", "id"), to_item=shown))

    @extend_schema(operation_id="add_exercise", request=ExerciseForm, responses={201: ExerciseItem})
    @idempotent("workout")
    def post(self, request: Request) -> Response:
        """An exercise of your own."""
        usual = {"name_ru": "", "equipment": [], "propose": False}
        made = exercises.add_exercise(**usual | validated(ExerciseForm, request), by=request.user.user_id)
        return Response(shown(made), status=201)


urlpatterns = [path("exercises", Exercises.as_view())]
