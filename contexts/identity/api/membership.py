"""One's membership over HTTP."""

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import membership, rules
from kernel.access import member
from kernel.http import Endpoint


class Period(serializers.Serializer):
    """A time in which one is, was or will be more than free."""

    tier = serializers.ChoiceField(rules.MEMBERSHIPS[1:])
    starts_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True, help_text="When it was taken away before its time.")


class MembershipShown(serializers.Serializer):
    """What one is now, until when, and every period so far, the newest first."""

    tier = serializers.ChoiceField(rules.MEMBERSHIPS)
    until = serializers.DateTimeField(allow_null=True)
    history = Period(many=True)


class Membership(Endpoint):
    """One's membership."""

    access = member

    @extend_schema(operation_id="show_membership", responses=MembershipShown)
    def get(self, request: Request) -> Response:
        """Free, premium or PRO. A token carries it for ten minutes at most after it has changed."""
        return Response(MembershipShown(membership.standing(user_id=request.user.user_id, at=now())).data)


urlpatterns = [path("membership", Membership.as_view())]
