"""Training sessions, their streams, and imports over HTTP. Everything here is the athlete's own."""

from typing import Any
from uuid import UUID

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.workout import completing, history, importing, tasks, tracking
from contexts.workout.models import Import, Sport, TrainingSession, Visibility
from kernel.access import RateLimit, member
from kernel.databases import run_after_commit
from kernel.http import PAGE_PARAMETERS, Endpoint, page_of, page_size, validated
from kernel.idempotency import idempotent

FORM_OVERHEAD_BYTES = 65_536
"""What the multipart form may weigh beside the file."""


class StartSession(serializers.Serializer):
    sport = serializers.ChoiceField(choices=Sport.choices)
    visibility = serializers.ChoiceField(
        choices=Visibility.choices, required=False, help_text="As the athlete's profile says, unless given."
    )


class SessionItem(serializers.Serializer):
    id = serializers.UUIDField()
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    sport = serializers.ChoiceField(choices=Sport.choices)
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
    count = serializers.IntegerField()


class SessionDetails(SessionItem):
    time_zone = serializers.CharField()
    pauses = serializers.ListField(child=serializers.DateTimeField(), help_text="Paused, resumed, paused …")
    hr_zones_s = serializers.ListField(
        child=serializers.FloatField(), allow_null=True, help_text="Seconds below zone 1, then in zones 1 to 5."
    )
    fastest_1k_s = serializers.FloatField(allow_null=True)
    fastest_5k_s = serializers.FloatField(allow_null=True)
    ascent_m = serializers.FloatField(allow_null=True)
    methods = serializers.DictField(help_text="Each derived number's algorithm and what went into it.")
    anomalies = SessionAnomaly(many=True, help_text="What looked implausible, and how often.")
    import_id = serializers.UUIDField(allow_null=True)


class SessionStream(serializers.Serializer):
    kind = serializers.CharField()
    offsets_s = serializers.ListField(child=serializers.FloatField(), help_text="Seconds since the session's start.")
    values = serializers.ListField(child=serializers.FloatField())


class SessionStreams(serializers.Serializer):
    session_id = serializers.UUIDField()
    started_at = serializers.DateTimeField()
    revision = serializers.IntegerField()
    streams = SessionStream(many=True)


class PostImport(serializers.Serializer):
    file = serializers.FileField(allow_empty_file=True, help_text="FIT, GPX or TCX, up to 25 MB.")


class ImportRefusal(serializers.Serializer):
    code = serializers.CharField()
    detail = serializers.CharField()


class ImportWarning(serializers.Serializer):
    code = serializers.CharField()
    detail = serializers.CharField()


class ImportProgress(serializers.Serializer):
    import_id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=Import.State.choices)
    sessions = serializers.ListField(child=serializers.UUIDField())
    warnings = ImportWarning(many=True)
    refusal = ImportRefusal(allow_null=True)


class RecordingParser(MultiPartParser):
    """A multipart form; one that says it is too large is refused before it is read."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        declared = str((parser_context or {})["request"].META.get("CONTENT_LENGTH") or 0)
        if declared.isdecimal() and int(declared) > importing.MAX_FILE_BYTES + FORM_OVERHEAD_BYTES:
            raise importing.FileTooLarge(limit_bytes=importing.MAX_FILE_BYTES)
        return super().parse(stream, media_type, parser_context)


def details_of(session: TrainingSession) -> dict[str, Any]:
    """A session as its owner sees it."""
    listed = {name: getattr(session, name) for name in history.LISTED}
    more = ("time_zone", "pauses", "hr_zones_s", "ascent_m", "fastest_1k_s", "fastest_5k_s", "methods", "anomalies")
    return {**listed, **{name: getattr(session, name) for name in more}, "import_id": session.recording_id}


def progress_of(found: Import) -> dict[str, Any]:
    """Where an import stands."""
    refusal = {"code": found.refusal_code, "detail": found.refusal_detail} if found.refusal_code else None
    return {
        "import_id": found.id,
        "state": found.state,
        "sessions": importing.sessions_of(import_id=found.id),
        "warnings": found.warnings,
        "refusal": refusal,
    }


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


class StreamsOfSession(Endpoint):
    """What was measured during a session."""

    access = member

    @extend_schema(operation_id="show_session_streams", responses=SessionStreams)
    def get(self, request: Request, session_id: UUID) -> Response:
        """Every stream of a completed session; none yet while it is under way (its socket shows them live)."""
        session = history.shown_session(session_id=session_id, by=request.user.user_id, at=now())
        streams = [
            {"kind": kind, "offsets_s": offsets, "values": values}
            for kind, offsets, values in history.shown_streams(session=session, by=request.user.user_id)
        ]
        head = {"session_id": session.id, "started_at": session.started_at, "revision": session.revision}
        return Response({**head, "streams": streams})


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


class CompleteSession(Endpoint):
    """The session ends."""

    access = member

    @extend_schema(operation_id="complete_session", request=None, responses=SessionDetails)
    def post(self, request: Request, session_id: UUID) -> Response:
        """End it and compute its summary; a completed session answers as it is."""
        return Response(
            details_of(completing.complete_session(session_id=session_id, by=request.user.user_id, at=now()))
        )


class Imports(Endpoint):
    """Recordings from files."""

    access = member
    limit = RateLimit("600/h", by="user")
    parser_classes = [RecordingParser]

    @extend_schema(
        operation_id="post_import",
        request={"multipart/form-data": PostImport},
        responses={
            202: ImportProgress,
            200: OpenApiResponse(
                ImportProgress, description="You have handed in this file before; this became of it."
            ),
        },
    )
    @idempotent("workout")
    def post(self, request: Request) -> Response:
        """Hand in a FIT, GPX or TCX file; it becomes sessions soon after."""
        file = validated(PostImport, request)["file"]
        taken, is_new = importing.accept_file(file=file, name=file.name, by=request.user.user_id, at=now())
        if is_new:
            run_after_commit(lambda: tasks.read_import.delay(str(taken.id)))
        settled = taken.state in (Import.State.DONE, Import.State.REFUSED)
        return Response(progress_of(taken), status=200 if settled else 202)


class OneImport(Endpoint):
    """One import."""

    access = member

    @extend_schema(operation_id="show_import", responses=ImportProgress)
    def get(self, request: Request, import_id: UUID) -> Response:
        """Where it stands: its sessions, or why it was refused."""
        return Response(progress_of(importing.own_import(import_id=import_id, by=request.user.user_id)))


urlpatterns = [
    path("sessions", Sessions.as_view()),
    path("sessions/<uuid:session_id>", OneSession.as_view()),
    path("sessions/<uuid:session_id>/streams", StreamsOfSession.as_view()),
    path("sessions/<uuid:session_id>/pause", PauseSession.as_view()),
    path("sessions/<uuid:session_id>/resume", ResumeSession.as_view()),
    path("sessions/<uuid:session_id>/complete", CompleteSession.as_view()),
    path("imports", Imports.as_view()),
    path("imports/<uuid:import_id>", OneImport.as_view()),
]
