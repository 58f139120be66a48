"""Training sessions and their streams over HTTP. Everything here is the athlete's own."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.workout.api.places import StreamsField
from contexts.workout.models import RANGES, Sport, TrainingSession, Visibility
from contexts.workout.numbers import heart_zones, telling
from contexts.workout.recording import completing, correcting, tracking
from contexts.workout.recordings.parts import POOL_UNITS
from contexts.workout.recordings.recording import MAX_NAMED, MAX_NOTES, MAX_TITLE
from contexts.workout.sessions import history, parts
from kernel.access import RateLimit, member
from kernel.conditional import unless_known
from kernel.http import PAGE_PARAMETERS, Endpoint, encode_json, page_of, page_size, validated
from kernel.idempotency import idempotent


class StartSession(serializers.Serializer):
    sport = serializers.ChoiceField(choices=Sport.choices)
    visibility = serializers.ChoiceField(
        choices=Visibility.choices, required=False, help_text="As the athlete's profile says, unless given."
    )
    auto_pause = serializers.BooleanField(default=False, help_text="Whether standing still is a pause.")


class AutoPauseForm(serializers.Serializer):
    on = serializers.BooleanField()


class SessionItem(serializers.Serializer):
    id = serializers.UUIDField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    sport = serializers.ChoiceField(choices=Sport.choices)
    title = serializers.CharField()
    state = serializers.ChoiceField(choices=TrainingSession.State.choices)
    visibility = serializers.ChoiceField(choices=Visibility.choices)
    source = serializers.ChoiceField(choices=TrainingSession.Source.choices)
    revision = serializers.IntegerField(help_text="How often late readings changed the summary.")
    duration_s = serializers.FloatField(
        allow_null=True, help_text="As the device timed it, else from start to end without pauses."
    )
    moving_s = serializers.FloatField(allow_null=True, help_text="Without standstill.")
    distance_m = serializers.FloatField(allow_null=True)
    energy_kcal = serializers.FloatField(allow_null=True)
    hr_avg = serializers.FloatField(allow_null=True)
    hr_max = serializers.FloatField(allow_null=True)


class SessionAnomaly(serializers.Serializer):
    code = serializers.CharField()
    reason = serializers.CharField(help_text="What is wrong with it, in the reader's language.")
    count = serializers.IntegerField()


class LapItem(serializers.Serializer):
    start_s = serializers.FloatField(help_text="Since the start, as all times here.")
    end_s = serializers.FloatField()
    timer_s = serializers.FloatField(allow_null=True)
    distance_m = serializers.FloatField(allow_null=True)
    kcal = serializers.FloatField(allow_null=True)


class LengthItem(serializers.Serializer):
    start_s = serializers.FloatField()
    end_s = serializers.FloatField()
    active = serializers.BooleanField(help_text="Swum; else a rest at the wall.")
    stroke = serializers.CharField(allow_null=True, help_text="freestyle, backstroke, …, as the device took it for.")
    strokes = serializers.IntegerField(allow_null=True)


class PoolItem(serializers.Serializer):
    length_m = serializers.FloatField()
    unit = serializers.ChoiceField(choices=POOL_UNITS, help_text="In what the pool is measured: metres or yards.")
    lengths = LengthItem(many=True)


class SessionDetails(SessionItem):
    time_zone = serializers.CharField()
    pauses = serializers.ListField(child=serializers.DateTimeField(), help_text="Paused, resumed, paused …")
    auto_pause = serializers.BooleanField(help_text="Whether standing still is a pause now, or was at the end.")
    auto_pauses = serializers.ListField(
        child=serializers.DateTimeField(),
        help_text="Paused, resumed, paused … by itself; found when the session ends, apart from your own pauses.",
    )
    laps = serializers.ListField(child=serializers.DateTimeField(), help_text="Where one ended and the next began.")
    recorded_laps = LapItem(many=True, help_text="The same with what the device summed up of each.")
    sub_sport = serializers.CharField(allow_null=True, help_text="treadmill, lap_swimming, …, as the device says.")
    pool = PoolItem(allow_null=True)
    hr_zones_s = serializers.ListField(
        child=serializers.FloatField(),
        allow_null=True,
        help_text="Seconds below zone 1, then in each zone. The zones are those of the analysis, your own on that "
        "day; until it is analysed five by the maximum heart rate.",
    )
    hr_zones_bpm = serializers.ListField(
        child=serializers.FloatField(),
        allow_null=True,
        help_text="The lower bound of each of these zones; `methods.hr_zones_s` says where they come from.",
    )
    fastest_1k_s = serializers.FloatField(allow_null=True)
    fastest_5k_s = serializers.FloatField(allow_null=True)
    ascent_m = serializers.FloatField(allow_null=True)
    steps = serializers.IntegerField(allow_null=True, help_text="As a phone counted them, pauses left out.")
    methods = serializers.DictField(help_text="Each derived number's algorithm and what went into it.")
    anomalies = SessionAnomaly(many=True, help_text="What looked implausible, and how often.")
    import_id = serializers.UUIDField(allow_null=True)
    notes = serializers.CharField()
    effort = serializers.IntegerField(allow_null=True, help_text="Borg's CR10 scale: 1 to 10.")
    mood = serializers.IntegerField(allow_null=True, help_text="1 (bad) to 5 (great).")
    commute = serializers.BooleanField()
    gear = serializers.ListField(child=serializers.CharField())
    media = serializers.ListField(child=serializers.CharField(), help_text="As the export that brought them says.")
    origin = serializers.ChoiceField(choices=TrainingSession.Origin.choices, help_text="What recorded it.")
    device = serializers.CharField()
    duplicate_of = serializers.UUIDField(
        allow_null=True, help_text="The session shown instead of this one: both recorded the same activity."
    )
    taken_from = serializers.DictField(
        child=serializers.UUIDField(), help_text="Fields, streams and sets that come from a duplicate, and which."
    )


class ChangeSession(serializers.Serializer):
    sport = serializers.ChoiceField(choices=Sport.choices, required=False)
    visibility = serializers.ChoiceField(choices=Visibility.choices, required=False)
    title = serializers.CharField(max_length=MAX_TITLE, allow_blank=True, required=False)
    notes = serializers.CharField(max_length=MAX_NOTES, allow_blank=True, required=False)
    effort = serializers.IntegerField(min_value=1, max_value=10, allow_null=True, required=False)
    mood = serializers.IntegerField(min_value=1, max_value=5, allow_null=True, required=False)
    commute = serializers.BooleanField(required=False)
    gear = serializers.ListField(
        child=serializers.CharField(max_length=MAX_TITLE), max_length=MAX_NAMED, required=False
    )


class SplitSessions(serializers.Serializer):
    sessions = SessionDetails(many=True)


class StreamsQuery(serializers.Serializer):
    kinds = serializers.MultipleChoiceField(choices=sorted(RANGES), default=(), help_text="All, unless named.")
    points = serializers.IntegerField(min_value=3, max_value=10_000, required=False, help_text="Of each, at most.")


class SessionStreams(serializers.Serializer):
    session_id = serializers.UUIDField()
    started_at = serializers.DateTimeField()
    revision = serializers.IntegerField()
    streams = StreamsField()
    derived = serializers.DictField(
        child=serializers.CharField(),
        help_text="Streams nobody measured, and the algorithm they follow by: on foot the cadence by the steps.",
    )


DETAILS = (
    "time_zone",
    "pauses",
    "auto_pause",
    "auto_pauses",
    "laps",
    "ascent_m",
    "steps",
    "fastest_1k_s",
    "fastest_5k_s",
    "notes",
    "effort",
    "mood",
    "commute",
    "gear",
    "media",
    "origin",
    "device",
    "taken_from",
)


def details_of(session: TrainingSession) -> dict[str, Any]:
    """A session as its owner sees it."""
    listed = {name: getattr(session, name) for name in history.LISTED}
    ids = {"import_id": session.recording_id, "duplicate_of": session.duplicate_of_id}
    pool = parts.pool_of(session)
    zones = heart_zones.shown_zones(session)
    said = {
        "hr_zones_s": zones.seconds,
        "hr_zones_bpm": zones.lower_bpm,
        "methods": session.methods | ({"hr_zones_s": zones.method} if zones.method else {}),
        "anomalies": telling.told(session.anomalies),
        "recorded_laps": [asdict(lap) for lap in parts.laps_of(session)],
        "sub_sport": session.said.get("sub_sport"),
        "pool": pool and asdict(pool),
    }
    return {**listed, **{name: getattr(session, name) for name in DETAILS}, **ids, **said}


def _usual_visibility(request: Request) -> str:
    return tracking.usual_visibility(user_id=request.user.user_id)


class Sessions(Endpoint):
    """The athlete's training sessions."""

    access = member
    limit = {"POST": RateLimit("60/min", by="user")}

    @extend_schema(operation_id="list_sessions", parameters=PAGE_PARAMETERS, responses=page_of(SessionItem))
    def get(self, request: Request) -> Response:
        """Your sessions, the newest first."""
        wanted = request.query_params
        limit = page_size(request)
        return Response(history.list_sessions(by=request.user.user_id, cursor=wanted.get("cursor"), limit=limit))

    @extend_schema(operation_id="start_session", request=StartSession, responses={201: SessionDetails})
    @idempotent("workout", prepare=_usual_visibility)
    def post(self, request: Request, usual_visibility: str) -> Response:
        """Start a live session. 409 `session_already_active` while another one is under way."""
        wanted = {"visibility": usual_visibility} | validated(StartSession, request)
        who = request.user
        session = tracking.start_session(**wanted, time_zone=who.time_zone, by=who.user_id, at=now())
        return Response(details_of(session), status=201)


class OneSession(Endpoint):
    """One training session."""

    access = member

    @extend_schema(operation_id="show_session", responses=SessionDetails)
    def get(self, request: Request, session_id: UUID) -> Response:
        """The session with its summary. A coach whom the athlete lets see their workouts sees it too."""
        return Response(details_of(history.shown_session(session_id=session_id, by=request.user.user_id, at=now())))

    @extend_schema(operation_id="change_session", request=ChangeSession, responses=SessionDetails)
    def patch(self, request: Request, session_id: UUID) -> Response:
        """Name it, note how it felt, correct its sport, or say who may see it."""
        changes = validated(ChangeSession, request)
        return Response(
            details_of(
                correcting.change_session(session_id=session_id, changes=changes, by=request.user.user_id, at=now())
            )
        )

    @extend_schema(operation_id="delete_session", responses={204: None})
    def delete(self, request: Request, session_id: UUID) -> Response:
        """Delete a completed session, what it was recorded with, and, with a file's last session, the file.

        A workout of a plan that it counted for is due again, or missed where its day is over.
        """
        correcting.delete_session(session_id=session_id, by=request.user.user_id, at=now())
        return Response(status=204)


class SplitSession(Endpoint):
    """What was taken for one activity."""

    access = member

    @extend_schema(operation_id="split_session", request=None, responses=SplitSessions)
    def post(self, request: Request, session_id: UUID) -> Response:
        """Take it apart again: each recording is a session of its own. 409 `not_merged` where there is only one."""
        apart = correcting.split_session(session_id=session_id, by=request.user.user_id, at=now())
        return Response({"sessions": [details_of(session) for session in apart]})


class StreamsOfSession(Endpoint):
    """What was measured during a session."""

    access = member

    @extend_schema(operation_id="show_session_streams", parameters=[StreamsQuery], responses=SessionStreams)
    def get(self, request: Request, session_id: UUID) -> Any:
        """The streams of a completed session; none yet while it is under way (its socket shows them live).

        Ask for the kinds you draw and for as many points as your screen is wide: the shape stays. The answer has an
        ETag: who asks again with `If-None-Match` gets 304 while nothing has changed.
        """
        asked = StreamsQuery(data=request.query_params)
        asked.is_valid(raise_exception=True)
        session = history.shown_session(session_id=session_id, by=request.user.user_id, at=now())
        streams, derived = history.shown_streams(
            session=session,
            by=request.user.user_id,
            kinds=asked.validated_data["kinds"],
            most=asked.validated_data.get("points"),
        )
        head = {"session_id": session.id, "started_at": session.started_at, "revision": session.revision}
        body = encode_json(SessionStreams(head | {"streams": streams, "derived": derived}).data)
        return unless_known(request, body, content_type="application/json")


class PauseSession(Endpoint):
    """The clock stops."""

    access = member

    @extend_schema(operation_id="pause_session", request=None, responses=SessionDetails)
    def post(self, request: Request, session_id: UUID) -> Response:
        """Pause; a paused session stays as it is. 409 `session_completed` after its end."""
        return Response(details_of(tracking.pause_session(session_id=session_id, by=request.user.user_id, at=now())))


class ResumeSession(Endpoint):
    """The clock runs again."""

    access = member

    @extend_schema(operation_id="resume_session", request=None, responses=SessionDetails)
    def post(self, request: Request, session_id: UUID) -> Response:
        """Resume; an active session stays as it is. 409 `session_completed` after its end."""
        return Response(details_of(tracking.resume_session(session_id=session_id, by=request.user.user_id, at=now())))


class AutoPauseOfSession(Endpoint):
    """Whether standing still is a pause."""

    access = member
    limit = RateLimit("120/min", by="user")

    @extend_schema(operation_id="switch_auto_pause", request=AutoPauseForm, responses=SessionDetails)
    def put(self, request: Request, session_id: UUID) -> Response:
        """Switch automatic pauses on or off from now on. 409 `session_completed` after the session's end."""
        on = validated(AutoPauseForm, request)["on"]
        session = tracking.switch_auto_pause(session_id=session_id, on=on, by=request.user.user_id, at=now())
        return Response(details_of(session))


class CompleteSession(Endpoint):
    """The session ends."""

    access = member

    @extend_schema(operation_id="complete_session", request=None, responses=SessionDetails)
    def post(self, request: Request, session_id: UUID) -> Response:
        """End it and compute its summary; a completed session answers as it is."""
        return Response(
            details_of(completing.complete_session(session_id=session_id, by=request.user.user_id, at=now()))
        )


urlpatterns = [
    path("sessions", Sessions.as_view()),
    path("sessions/<uuid:session_id>", OneSession.as_view()),
    path("sessions/<uuid:session_id>/streams", StreamsOfSession.as_view()),
    path("sessions/<uuid:session_id>/split", SplitSession.as_view()),
    path("sessions/<uuid:session_id>/pause", PauseSession.as_view()),
    path("sessions/<uuid:session_id>/resume", ResumeSession.as_view()),
    path("sessions/<uuid:session_id>/auto-pause", AutoPauseOfSession.as_view()),
    path("sessions/<uuid:session_id>/complete", CompleteSession.as_view()),
]
