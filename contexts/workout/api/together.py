"""Group workouts over HTTP."""

from datetime import timedelta
from uuid import UUID

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.workout.api.sessions import SessionDetails, details_of
from contexts.workout.models import GroupPlace, Sport
from contexts.workout.recording import together, tracking
from kernel.access import RateLimit, member
from kernel.http import Endpoint, Identifier, validated
from kernel.idempotency import idempotent


class GroupWorkoutForm(serializers.Serializer):
    title = serializers.CharField(max_length=120)
    sport = serializers.ChoiceField(choices=Sport.choices)
    starts_at = serializers.DateTimeField()
    duration_s = serializers.IntegerField(min_value=60, max_value=86_400)
    invited = serializers.ListField(
        child=Identifier(), max_length=together.MAX_INVITED, default=list, help_text="Friends of yours."
    )


class GroupParticipant(serializers.Serializer):
    user_id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=GroupPlace.State.choices)
    shares_heart_rate = serializers.BooleanField()
    shares_position = serializers.BooleanField()
    is_training = serializers.BooleanField()
    result = serializers.DictField(
        child=serializers.FloatField(allow_null=True), allow_null=True, help_text="Once they have finished."
    )


class GroupWorkoutItem(serializers.Serializer):
    id = serializers.UUIDField()
    organiser_id = serializers.UUIDField()
    title = serializers.CharField()
    sport = serializers.ChoiceField(choices=Sport.choices)
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    cancelled_at = serializers.DateTimeField(allow_null=True)
    my_state = serializers.ChoiceField(choices=GroupPlace.State.choices)


class GroupWorkoutDetails(GroupWorkoutItem):
    participants = GroupParticipant(many=True)


class Invited(serializers.Serializer):
    user_id = serializers.UUIDField()
    outcome = serializers.ChoiceField(choices=["reserved", "busy", "not_a_friend"])


class PlannedGroupWorkout(GroupWorkoutDetails):
    invited = Invited(many=True)


class GroupWorkoutList(serializers.Serializer):
    group_workouts = GroupWorkoutItem(many=True)


class AnswerForm(serializers.Serializer):
    accepts = serializers.BooleanField()
    shares_heart_rate = serializers.BooleanField(default=False, help_text="Live and in the result.")
    shares_position = serializers.BooleanField(default=False, help_text="Live, outside your privacy zones.")


class GroupWorkouts(Endpoint):
    """Training together."""

    access = member
    limit = {"POST": RateLimit("30/h", by="user")}

    @extend_schema(operation_id="list_group_workouts", responses=GroupWorkoutList)
    def get(self, request: Request) -> Response:
        """Those ahead of you and under way, the next first."""
        return Response({"group_workouts": together.group_workouts_of(user_id=request.user.user_id, at=now())})

    @extend_schema(operation_id="plan_group_workout", request=GroupWorkoutForm, responses={201: PlannedGroupWorkout})
    @idempotent("workout")
    def post(self, request: Request) -> Response:
        """Invite friends; a place is kept for each who is free at that time."""
        wanted, by = validated(GroupWorkoutForm, request), request.user.user_id
        duration = timedelta(seconds=wanted.pop("duration_s"))
        group, told = together.plan_group_workout(by=by, duration=duration, at=now(), **wanted)
        invited = [{"user_id": user_id, "outcome": outcome} for user_id, outcome in told.items()]
        shown = together.group_workout_for(group_id=group.pk, viewer=by)
        return Response(shown | {"invited": invited}, status=201)


class OneGroupWorkout(Endpoint):
    """One group workout, for those who are invited."""

    access = member

    @extend_schema(operation_id="show_group_workout", responses=GroupWorkoutDetails)
    def get(self, request: Request, group_id: UUID) -> Response:
        """Who takes part, and the results of those who have finished."""
        return Response(together.group_workout_for(group_id=group_id, viewer=request.user.user_id))


class AnswerToInvitation(Endpoint):
    """Your answer."""

    access = member

    @extend_schema(operation_id="answer_group_workout", request=AnswerForm, responses=GroupWorkoutDetails)
    def post(self, request: Request, group_id: UUID) -> Response:
        """Take part or not, and say what the others may see of you; you may change your mind until the end."""
        by = request.user.user_id
        together.answer_invitation(group_id=group_id, by=by, at=now(), **validated(AnswerForm, request))
        return Response(together.group_workout_for(group_id=group_id, viewer=by))


class BeginTogether(Endpoint):
    """Your part begins."""

    access = member

    @extend_schema(operation_id="begin_group_workout", request=None, responses=SessionDetails)
    def post(self, request: Request, group_id: UUID) -> Response:
        """Start your own live session in it, from half an hour before its start; again, the same session answers."""
        who = request.user
        session = together.begin_together(
            group_id=group_id,
            by=who.user_id,
            visibility=tracking.usual_visibility(user_id=who.user_id),
            time_zone=who.time_zone,
            at=now(),
        )
        return Response(details_of(session))


class CancelGroupWorkout(Endpoint):
    """The organiser calls it off."""

    access = member

    @extend_schema(operation_id="cancel_group_workout", request=None, responses=GroupWorkoutDetails)
    def post(self, request: Request, group_id: UUID) -> Response:
        """Everybody's place is free again."""
        together.cancel_group_workout(group_id=group_id, by=request.user.user_id, at=now())
        return Response(together.group_workout_for(group_id=group_id, viewer=request.user.user_id))


urlpatterns = [
    path("group-workouts", GroupWorkouts.as_view()),
    path("group-workouts/<uuid:group_id>", OneGroupWorkout.as_view()),
    path("group-workouts/<uuid:group_id>/answer", AnswerToInvitation.as_view()),
    path("group-workouts/<uuid:group_id>/begin", BeginTogether.as_view()),
    path("group-workouts/<uuid:group_id>/cancel", CancelGroupWorkout.as_view()),
]
