"""One's own consents over HTTP."""

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import consents, rules
from kernel.access import RateLimit, member
from kernel.http import PAGE_PARAMETERS, Endpoint, page, page_of, validated


class Deciding(serializers.Serializer):
    """A yes is to the version in force; a no may name any."""

    purpose = serializers.ChoiceField(list(rules.CONSENTS))
    version = serializers.CharField(max_length=20)
    given = serializers.BooleanField()


class ConsentStanding(serializers.Serializer):
    """How one stands to a purpose; `version` and `decided_at` are of one's last decision."""

    purpose = serializers.ChoiceField(list(rules.CONSENTS))
    given = serializers.BooleanField()
    version = serializers.CharField(allow_null=True)
    decided_at = serializers.DateTimeField(allow_null=True)
    version_in_force = serializers.CharField()


class ConsentDecision(serializers.Serializer):
    """One decision of the past."""

    purpose = serializers.CharField()
    version = serializers.CharField()
    given = serializers.BooleanField()
    decided_at = serializers.DateTimeField()


class ConsentOverview(serializers.Serializer):
    """Every purpose, and every decision so far."""

    purposes = ConsentStanding(many=True)
    history = page_of(ConsentDecision)


class Consents(Endpoint):
    """One's own consents."""

    access = member
    limit = {"POST": RateLimit("60/h")}

    @extend_schema(operation_id="list_consents", parameters=PAGE_PARAMETERS, responses=ConsentOverview)
    def get(self, request: Request) -> Response:
        """How you stand to each purpose, the version of its text that is in force, and your decisions so far."""
        own = request.user.user_id
        decisions = consents.history(user_id=own)
        order = ("-decided_at", "-id")
        past = page(request, decisions, order=order, to_item=lambda row: ConsentDecision(row).data)
        purposes = ConsentStanding(consents.standings(user_id=own), many=True).data
        return Response({"purposes": purposes, "history": past})

    @extend_schema(operation_id="decide_consent", request=Deciding, responses=ConsentStanding)
    def post(self, request: Request) -> Response:
        """Agree to a purpose, or withdraw: that is as easy, and takes effect within seconds."""
        wanted = validated(Deciding, request)
        return Response(ConsentStanding(consents.decide(**wanted, by=request.user.user_id, at=now())).data)


urlpatterns = [
    path("consents", Consents.as_view()),
]
