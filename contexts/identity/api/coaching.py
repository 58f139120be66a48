"""Coaches and athletes over HTTP."""

from typing import Any

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import coaching, rules
from contexts.identity.models import CoachGrant
from kernel.access import RateLimit, has_role, member
from kernel.http import PAGE_PARAMETERS, Endpoint, Identifier, page, page_of, validated


class NewCoach(serializers.Serializer):
    """Somebody who holds the role coach, and what they may see."""

    coach_id = Identifier()
    scopes = serializers.ListField(
        child=serializers.ChoiceField(rules.COACH_SCOPES), min_length=1, max_length=len(rules.COACH_SCOPES)
    )


class CoachItem(serializers.Serializer):
    """What one lets a coach see."""

    coach_id = serializers.UUIDField()
    display_name = serializers.CharField(source="coach.display_name")
    scopes = serializers.ListField(child=serializers.ChoiceField(rules.COACH_SCOPES))
    granted_at = serializers.DateTimeField()


class AthleteItem(serializers.Serializer):
    """What an athlete lets one see."""

    athlete_id = serializers.UUIDField()
    display_name = serializers.CharField(source="athlete.display_name")
    scopes = serializers.ListField(child=serializers.ChoiceField(rules.COACH_SCOPES))
    granted_at = serializers.DateTimeField()


class Coaches(Endpoint):
    """One's coaches."""

    access = member
    limit = RateLimit("60/min", by="user")

    @extend_schema(operation_id="list_coaches", parameters=PAGE_PARAMETERS, responses=page_of(CoachItem))
    def get(self, request: Request) -> Response:
        """Whom one lets see what."""
        grants = coaching.coaches_of(athlete_id=request.user.user_id)
        return Response(page(request, grants, order=("-granted_at", "-id"), to_item=lambda row: CoachItem(row).data))

    @extend_schema(operation_id="name_coach", request=NewCoach, responses={201: CoachItem})
    def post(self, request: Request) -> Response:
        """Let a coach see this, in place of what they could see before. Health data take a recent second factor."""
        made: CoachGrant = coaching.grant(by=request.user, **validated(NewCoach, request), at=now())
        return Response(CoachItem(made).data, status=201)


class OneCoach(Endpoint):
    """One of one's coaches."""

    access = member

    @extend_schema(operation_id="dismiss_coach", responses={204: None})
    def delete(self, request: Request, coach_id: Any) -> Response:
        """They see nothing any more, from this moment on."""
        coaching.withdraw(athlete_id=request.user.user_id, coach_id=coach_id, at=now())
        return Response(status=204)


class Athletes(Endpoint):
    """One's athletes."""

    access = has_role("coach")

    @extend_schema(operation_id="list_athletes", parameters=PAGE_PARAMETERS, responses=page_of(AthleteItem))
    def get(self, request: Request) -> Response:
        """Who lets one see what."""
        grants = coaching.athletes_of(coach_id=request.user.user_id)
        return Response(
            page(request, grants, order=("-granted_at", "-id"), to_item=lambda row: AthleteItem(row).data)
        )


urlpatterns = [
    path("coaches", Coaches.as_view()),
    path("coaches/<uuid:coach_id>", OneCoach.as_view()),
    path("athletes", Athletes.as_view()),
]
