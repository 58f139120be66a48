"""Segments, their leaderboards and efforts over HTTP."""

from typing import Any
from uuid import UUID

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.workout import tasks
from contexts.workout.api.places import NEAR_PARAMETERS, LineField, NearForm, asked
from contexts.workout.api.tracks import SEARCHES
from contexts.workout.models import Segment, SegmentEffort, Sport, Visibility
from contexts.workout.outdoors import leaderboards, segments
from contexts.workout.outdoors.leaderboards import Place
from contexts.workout.places import privacy
from contexts.workout.places.privacy import Circle
from kernel.access import RateLimit, member
from kernel.databases import run_after_commit
from kernel.http import PAGE_PARAMETERS, Endpoint, Identifier, page, page_of, page_size, validated
from kernel.idempotency import idempotent


class MakeSegment(serializers.Serializer):
    session_id = Identifier(help_text="The session of yours that it is cut from.")
    from_s = serializers.FloatField(min_value=0, max_value=10**8, help_text="Seconds since the session's start.")
    to_s = serializers.FloatField(min_value=0, max_value=10**8)
    name = serializers.CharField(max_length=100)
    visibility = serializers.ChoiceField(choices=Visibility.choices, default=Visibility.PRIVATE)


class ChangeSegment(serializers.Serializer):
    name = serializers.CharField(max_length=100, required=False)
    visibility = serializers.ChoiceField(choices=Visibility.choices, required=False)


class SegmentItem(serializers.Serializer):
    id = serializers.UUIDField(source="segment.id")
    user_id = serializers.UUIDField(source="segment.user_id", help_text="Who made it.")
    name = serializers.CharField(source="segment.name")
    sport = serializers.ChoiceField(choices=Sport.choices, source="segment.sport")
    visibility = serializers.ChoiceField(choices=Visibility.choices, source="segment.visibility")
    length_m = serializers.FloatField(source="segment.length_m")
    ascent_m = serializers.FloatField(source="segment.ascent_m", allow_null=True)
    created_at = serializers.DateTimeField(source="segment.created_at")
    line = LineField()


class SegmentNear(SegmentItem):
    distance_m = serializers.FloatField(help_text="From the place asked about to what is shown of the segment.")


class SegmentsNear(serializers.Serializer):
    items = SegmentNear(many=True)


class SegmentMatching(serializers.Serializer):
    is_done = serializers.BooleanField(help_text="Whether all sessions there were have been looked at.")
    looked_at = serializers.IntegerField()
    of = serializers.IntegerField()


class SegmentDetails(SegmentItem):
    matching = SegmentMatching()


class NearSegmentsForm(NearForm):
    sport = serializers.ChoiceField(choices=Sport.choices, required=False, default=None)


class LeaderboardItem(serializers.Serializer):
    rank = serializers.IntegerField(help_text="Among those you may see; equal times share a rank.")
    user_id = serializers.UUIDField(source="effort.user_id")
    session_id = serializers.UUIDField(source="effort.session_id")
    started_at = serializers.DateTimeField(source="effort.started_at")
    elapsed_s = serializers.FloatField(source="effort.elapsed_s")
    speed_mps = serializers.FloatField(source="effort.speed_mps")


class EffortItem(serializers.ModelSerializer):
    segment_id = serializers.UUIDField()
    session_id = serializers.UUIDField()
    name = serializers.CharField(source="segment.name", help_text="The segment's name.")

    class Meta:
        model = SegmentEffort
        fields = (
            "id",
            "segment_id",
            "session_id",
            "name",
            "nth",
            "started_at",
            "elapsed_s",
            "speed_mps",
            "heart_rate",
            "power_w",
        )
        read_only_fields = fields


class SessionEfforts(serializers.Serializer):
    items = EffortItem(many=True)


def details_of(segment: Segment, *, by: UUID) -> dict[str, Any]:
    """A segment with its line, and how far matching has come. Asks identity unless it is the viewer's own."""
    matching = {"is_done": segment.matched_at is not None, "looked_at": segment.looked_at, "of": segment.to_look_at}
    return SegmentItem(segments.as_shown(segment, by=by)).data | {"matching": matching}


def _own_zones(request: Request) -> list[Circle]:
    return privacy.circles_of([request.user.user_id])[request.user.user_id]


class Segments(Endpoint):
    """Segments to compare times on."""

    access = member
    limit = RateLimit("60/min", by="user")

    @extend_schema(operation_id="make_segment", request=MakeSegment, responses={201: SegmentDetails})
    @idempotent("workout", prepare=_own_zones)
    def post(self, request: Request, circles: list[Circle]) -> Response:
        """Cut a segment out of a session of yours; earlier sessions on it are looked for soon after.

        409 `end_in_privacy_zone` if it begins or ends in a privacy zone of yours, `segment_length_refused` unless
        it has 100 m to 100 km, `no_places` if the session has none.
        """
        form, by = validated(MakeSegment, request), request.user.user_id
        segment = segments.make_segment(**form, circles=circles, by=by, at=now())
        run_after_commit(lambda: tasks.match_segment.delay(str(segment.id)))
        return Response(details_of(segment, by=by), status=201)


class SegmentsNearPlace(Endpoint):
    """Segments by place."""

    access = member
    limit = SEARCHES

    @extend_schema(
        operation_id="list_segments_near",
        parameters=[*NEAR_PARAMETERS, OpenApiParameter("sport", {"type": "string", "enum": Sport.values})],
        responses=SegmentsNear,
    )
    def get(self, request: Request) -> Response:
        """Segments shared with you that come near a place, the nearest first, at most 100."""
        found = segments.segments_near(**asked(NearSegmentsForm, request), by=request.user.user_id)
        return Response({"items": SegmentNear(found, many=True).data})


class OneSegment(Endpoint):
    """One segment."""

    access = member

    @extend_schema(operation_id="show_segment", responses=SegmentDetails)
    def get(self, request: Request, segment_id: UUID) -> Response:
        """A segment of yours or shared with you."""
        by = request.user.user_id
        return Response(details_of(segments.seen_segment(segment_id=segment_id, by=by), by=by))

    @extend_schema(operation_id="change_segment", request=ChangeSegment, responses=SegmentDetails)
    def patch(self, request: Request, segment_id: UUID) -> Response:
        """Give your segment another name or visibility. 409 `end_in_privacy_zone` as when it is made."""
        changes, by, circles = validated(ChangeSegment, request), request.user.user_id, _own_zones(request)
        segment = segments.change_segment(segment_id=segment_id, changes=changes, circles=circles, by=by)
        return Response(details_of(segment, by=by))

    @extend_schema(operation_id="remove_segment", responses={204: None})
    def delete(self, request: Request, segment_id: UUID) -> Response:
        """Remove a segment of yours. 409 `segment_in_use` once others have times on it."""
        segments.remove_segment(segment_id=segment_id, by=request.user.user_id)
        return Response(status=204)


class SegmentLeaderboard(Endpoint):
    """Who was how fast."""

    access = member

    @extend_schema(
        operation_id="show_segment_leaderboard", parameters=PAGE_PARAMETERS, responses=page_of(LeaderboardItem)
    )
    def get(self, request: Request, segment_id: UUID) -> Response:
        """Each athlete's best effort in a session you may see, the fastest first."""
        cursor, limit = request.query_params.get("cursor"), page_size(request)
        found = leaderboards.leaderboard(segment_id=segment_id, by=request.user.user_id, cursor=cursor, limit=limit)
        items: list[Place] = found["items"]
        return Response(found | {"items": LeaderboardItem(items, many=True).data})


class OwnEfforts(Endpoint):
    """Your efforts on a segment."""

    access = member

    @extend_schema(operation_id="list_segment_efforts", parameters=PAGE_PARAMETERS, responses=page_of(EffortItem))
    def get(self, request: Request, segment_id: UUID) -> Response:
        """Every time you went along it, the fastest first, with your heart rate and power."""
        own = leaderboards.own_efforts(segment_id=segment_id, by=request.user.user_id)
        return Response(page(request, own, order=("elapsed_s", "id"), to_item=lambda row: EffortItem(row).data))


class EffortsOfSession(Endpoint):
    """What a session did on segments."""

    access = member

    @extend_schema(operation_id="list_session_efforts", responses=SessionEfforts)
    def get(self, request: Request, session_id: UUID) -> Response:
        """The efforts of a session of yours, in the order in which they were made."""
        efforts = leaderboards.efforts_of_session(session_id=session_id, by=request.user.user_id)
        return Response({"items": EffortItem(efforts, many=True).data})


urlpatterns = [
    path("segments", Segments.as_view()),
    path("segments/near", SegmentsNearPlace.as_view()),
    path("segments/<uuid:segment_id>", OneSegment.as_view()),
    path("segments/<uuid:segment_id>/leaderboard", SegmentLeaderboard.as_view()),
    path("segments/<uuid:segment_id>/efforts", OwnEfforts.as_view()),
    path("sessions/<uuid:session_id>/efforts", EffortsOfSession.as_view()),
]
