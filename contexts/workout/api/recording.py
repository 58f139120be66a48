"""What a phone sends while it records: samples, laps, sets; and everything at once after it was offline."""

from typing import Annotated
from uuid import UUID

import msgspec
from django.urls import path
from django.utils.timezone import now
from django.utils.translation import get_language
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.workout.api.sessions import SessionDetails, details_of
from contexts.workout.models import Sport, TrainingSession, Visibility
from contexts.workout.places import privacy
from contexts.workout.recording import active, lifting, offline, replaying, sampling, together, tracking
from contexts.workout.sessions import history
from kernel.access import RateLimit, member
from kernel.errors import InvalidInput, NotFound
from kernel.http import Endpoint, Identifier, validated
from kernel.idempotency import idempotent
from kernel.models import uuid7

KINDS = list(replaying.Kind.__args__)


class MeasuredSeries(serializers.Serializer):
    kind = serializers.ChoiceField(
        choices=KINDS,
        help_text="`distance` and `steps` are counters: at each instant how far, or how many steps, from wherever "
        "they began. Android's step counter says just that; where you get counts per interval (HealthKit, Health "
        "Connect), add them up and send the sum at the end of each interval, with the sum before at its start. What "
        "is lost on the way is then made up for by the next value. Without `cadence` a run's or a walk's follows "
        "from its steps. `resistance` is in the machine's own levels.",
    )
    times_ms = serializers.ListField(
        child=serializers.IntegerField(min_value=0), max_length=replaying.MAX_VALUES, help_text="Since 1970, UTC."
    )
    values = serializers.ListField(
        child=serializers.FloatField(),
        max_length=replaying.MAX_VALUES,
        help_text="bpm, degrees, m, m, m/s, 1/min, W, °C, steps or levels; as many as times.",
    )


class SamplesForm(serializers.Serializer):
    series = MeasuredSeries(many=True, max_length=20)


class SamplesTaken(serializers.Serializer):
    new = serializers.IntegerField()
    known = serializers.IntegerField(help_text="Sent before.")
    out_of_range = serializers.IntegerField()
    outside_session = serializers.IntegerField(help_text="Before its start or after its end.")


class SetForm(serializers.Serializer):
    exercise = serializers.CharField(
        max_length=80, required=False, help_text="In your words; unless given, the name of the exercise."
    )
    exercise_id = Identifier(
        required=False, help_text="Of the library, your own, or a plan you follow; a known name finds it by itself."
    )
    reps = serializers.IntegerField(min_value=0, max_value=10_000, required=False)
    duration_s = serializers.FloatField(min_value=0, max_value=86_400, required=False)
    weight_kg = serializers.FloatField(min_value=0, max_value=1_000, required=False)
    rpe = serializers.FloatField(min_value=1, max_value=10, required=False, help_text="Perceived exertion.")


class SetItem(serializers.Serializer):
    set_id = serializers.UUIDField()
    done_at = serializers.DateTimeField()
    exercise = serializers.CharField()
    exercise_id = serializers.UUIDField(allow_null=True, help_text="null: none of ours.")
    reps = serializers.IntegerField(allow_null=True)
    duration_s = serializers.FloatField(allow_null=True)
    weight_kg = serializers.FloatField(allow_null=True)
    rpe = serializers.FloatField(allow_null=True)


class Sets(serializers.Serializer):
    sets = SetItem(many=True)


class SessionUnderWay(serializers.Serializer):
    id = serializers.UUIDField()
    user_id = serializers.UUIDField()
    sport = serializers.ChoiceField(choices=Sport.choices)
    state = serializers.ChoiceField(choices=TrainingSession.State.choices)
    visibility = serializers.ChoiceField(choices=Visibility.choices)
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    pauses = serializers.ListField(child=serializers.DateTimeField())
    auto_pause = serializers.BooleanField(help_text="Whether standing still is a pause now.")
    laps = serializers.ListField(child=serializers.DateTimeField())
    seq = serializers.IntegerField(help_text="The latest frame on its socket.")


class OperationForm(serializers.Serializer):
    operation_id = Identifier(help_text="Yours to choose; what is sent again changes nothing.")
    session_id = Identifier(help_text="Yours to choose.")
    at = serializers.DateTimeField(help_text="When it happened, by the phone's clock.")
    operation = serializers.DictField(
        help_text='`{"kind": "start", "sport": …}`, `pause`, `resume`, `lap`, `complete`, `delete`, '
        '`{"kind": "samples", "series": […]}`, `{"kind": "set", "set_id": …, "exercise": …}`, '
        '`{"kind": "edit", "sport": …, "visibility": …, "title": …, "notes": …, "effort": …, "mood": …, '
        '"commute": …, "gear": …}` with what is to change, `{"kind": "auto_pause", "on": …}`.'
    )


class SyncForm(serializers.Serializer):
    operations = OperationForm(many=True, min_length=1, max_length=offline.MAX_OPERATIONS)


class OperationOutcome(serializers.Serializer):
    number = serializers.IntegerField(help_text="In the request, from 0.")
    status = serializers.ChoiceField(choices=["applied", "repeated", "refused"])
    code = serializers.CharField(allow_null=True)


class SyncedSession(serializers.Serializer):
    session_id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=["waiting_for_start", "underway", "completed", "deleted"])


class SyncAnswer(serializers.Serializer):
    outcomes = OperationOutcome(many=True)
    sessions = SyncedSession(many=True)


class ActiveSession(Endpoint):
    """The session you have under way."""

    access = member
    may_be_absent = True

    @extend_schema(operation_id="show_active_session", responses=SessionUnderWay)
    def get(self, request: Request) -> Response:
        """404 when there is none."""
        found = active.session_under_way(user_id=request.user.user_id)
        if found is None:
            raise NotFound
        return Response(found)


class SamplesOfSession(Endpoint):
    """What a phone measures itself."""

    access = member
    limit = RateLimit("600/min", by="user")

    @extend_schema(operation_id="add_samples", request=SamplesForm, responses=SamplesTaken)
    def post(self, request: Request, session_id: UUID) -> Response:
        """Add measurements to a live session, in batches, in any order, as often as you like; late ones revise it."""
        by = request.user.user_id
        is_shared = together.shares_position(session_id=session_id)
        taken = sampling.take_samples(
            session_id=session_id,
            by=by,
            series=_series(request.body),
            at=now(),
            shown=privacy.gate_for(session_id, athletes=[by]) if is_shared else None,
        )
        return Response(taken._asdict())


class _Samples(msgspec.Struct):
    series: Annotated[list[replaying.Series], msgspec.Meta(max_length=20)]


_samples = msgspec.json.Decoder(_Samples)


def _series(body: bytes) -> list[replaying.Series]:
    """Typed in one pass: an hour of a phone is tens of thousands of values."""
    try:
        return _samples.decode(body).series
    except (msgspec.DecodeError, ValueError) as fault:
        raise InvalidInput("These are no samples.", field="series", code="samples_invalid") from fault


class LapsOfSession(Endpoint):
    """Laps of a live session."""

    access = member
    limit = RateLimit("120/min", by="user")

    @extend_schema(operation_id="mark_lap", request=None, responses={201: SessionDetails})
    @idempotent("workout")
    def post(self, request: Request, session_id: UUID) -> Response:
        """End the lap and begin the next."""
        session = tracking.mark_lap(session_id=session_id, by=request.user.user_id, at=now())
        return Response(details_of(session), status=201)


class SetsOfSession(Endpoint):
    """Sets of strength training."""

    access = member
    limit = {"POST": RateLimit("120/min", by="user")}

    @extend_schema(operation_id="list_sets", responses=Sets)
    def get(self, request: Request, session_id: UUID) -> Response:
        """In the order in which they were done."""
        session = history.own_session(session_id=session_id, by=request.user.user_id)
        return Response({"sets": lifting.sets_of(session=session)})

    @extend_schema(operation_id="add_set", request=SetForm, responses={201: SetItem})
    @idempotent("workout")
    def post(self, request: Request, session_id: UUID) -> Response:
        """Add a set; it was done now, or at the end of a session that is over."""
        return _put(request, session_id, uuid7())


class OneSet(Endpoint):
    """One set."""

    access = member

    @extend_schema(operation_id="put_set", request=SetForm, responses={200: SetItem, 201: SetItem})
    def put(self, request: Request, session_id: UUID, set_id: UUID) -> Response:
        """Write a set under an id of your choice, as it is from now on."""
        return _put(request, session_id, set_id)

    @extend_schema(operation_id="remove_set", responses={204: None})
    def delete(self, request: Request, session_id: UUID, set_id: UUID) -> Response:
        """Take it back."""
        lifting.remove_set(session_id=session_id, set_id=set_id, by=request.user.user_id, at=now())
        return Response(status=204)


def _put(request: Request, session_id: UUID, set_id: UUID) -> Response:
    values = validated(SetForm, request)
    if "reps" not in values and "duration_s" not in values:
        raise InvalidInput("Say how many repetitions, or how long.", field="reps", code="extent_missing")
    by = request.user.user_id
    done = lifting.made(set_id, values, by=by, language=get_language() or "en")
    written, is_new = lifting.put_set(session_id=session_id, done=done, by=by, at=now())
    return Response(SetItem(written).data, status=201 if is_new else 200)


class Sync(Endpoint):
    """Sessions recorded offline."""

    access = member
    limit = RateLimit("120/min", by="user")

    @extend_schema(operation_id="sync_operations", request=SyncForm, responses=SyncAnswer)
    def post(self, request: Request) -> Response:
        """Hand in what happened while there was no network: in any order, any number of times, in any pieces.

        A session appears once it has begun and ended. Where operations contradict each other the later one counts;
        deleting counts for good.
        """
        who = request.user
        synced = offline.sync(body=request.body, by=who.user_id, time_zone=who.time_zone, at=now())
        return Response({"outcomes": [one._asdict() for one in synced.outcomes], "sessions": synced.sessions})


urlpatterns = [
    path("sessions/active", ActiveSession.as_view()),
    path("sessions/<uuid:session_id>/samples", SamplesOfSession.as_view()),
    path("sessions/<uuid:session_id>/laps", LapsOfSession.as_view()),
    path("sessions/<uuid:session_id>/sets", SetsOfSession.as_view()),
    path("sessions/<uuid:session_id>/sets/<uuid:set_id>", OneSet.as_view()),
    path("sync", Sync.as_view()),
]
