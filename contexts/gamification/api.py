"""Points and leaderboards over HTTP."""

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.gamification import leaderboards, rules, scoring
from contexts.gamification.models import PointsEntry
from kernel.access import member
from kernel.errors import NotFound
from kernel.http import PAGE_PARAMETERS, Endpoint, page, page_of


class NoSuchLeaderboard(NotFound):
    """There are daily, weekly and monthly leaderboards, and no others."""

    code = "not_found"


class LeaderboardLine(serializers.Serializer):
    row = serializers.CharField(help_text="Opaque and stable within this board: lets a client move a row.")
    rank = serializers.IntegerField(help_text="Equals share a rank and the next one skips: 1, 2, 2, 4.")
    user_id = serializers.UUIDField(allow_null=True, help_text="null: this athlete's profile is private.")
    display_name = serializers.CharField(allow_null=True)
    points = serializers.IntegerField()


class Leaderboard(serializers.Serializer):
    period = serializers.ChoiceField(choices=rules.PERIODS)
    period_key = serializers.CharField(help_text="2026-11-20, 2026-W47 or 2026-11; days are the athletes' own.")
    seq = serializers.IntegerField(help_text="The last change which this answer contains for certain.")
    top = LeaderboardLine(many=True)
    around_me = LeaderboardLine(many=True, help_text="Three above and three below; empty without points.")
    me = LeaderboardLine(allow_null=True)


class PointsEntryItem(serializers.ModelSerializer):
    class Meta:
        model = PointsEntry
        fields = (
            "id",
            "rule",
            "source_id",
            "points_asked",
            "points_granted",
            "local_day",
            "earned_at",
            "awarded_at",
        )
        read_only_fields = fields


class Points(serializers.Serializer):
    today = serializers.IntegerField(help_text="Points of your local day.")
    cap = serializers.IntegerField(help_text="The most that one local day can bring.")
    total = serializers.IntegerField()
    entries = page_of(PointsEntryItem)


class Leaderboards(Endpoint):
    """The board of your local day, its ISO week or its month."""

    access = member

    @extend_schema(
        operation_id="show_leaderboard",
        parameters=[OpenApiParameter("period", str, OpenApiParameter.PATH, enum=rules.PERIODS)],
        responses=Leaderboard,
    )
    def get(self, request: Request, period: str) -> Response:
        """The first twenty and your neighbourhood."""
        if period not in rules.PERIODS:
            raise NoSuchLeaderboard
        board = rules.Board.of(period, rules.local_day(now(), request.user.time_zone))
        return Response(Leaderboard(leaderboards.show_board(board, viewer=request.user.user_id)).data)


class PointsOfMine(Endpoint):
    """Your balance and your ledger."""

    access = member

    @extend_schema(operation_id="show_points", parameters=PAGE_PARAMETERS, responses=Points)
    def get(self, request: Request) -> Response:
        """What you have today and altogether, and the awards behind it, the newest first."""
        who = request.user
        balance = scoring.balance_of(user_id=who.user_id, today=rules.local_day(now(), who.time_zone))
        entries = page(
            request,
            scoring.entries_of(user_id=who.user_id),
            order=("-awarded_at", "-id"),
            to_item=lambda entry: PointsEntryItem(entry).data,
        )
        return Response({"today": balance.today, "cap": rules.DAILY_CAP, "total": balance.total, "entries": entries})


urlpatterns = [
    path("leaderboards/<str:period>", Leaderboards.as_view()),
    path("points", PointsOfMine.as_view()),
]
