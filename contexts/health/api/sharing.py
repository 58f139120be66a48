"""Letting others look: grants, what was looked at, and the looks of those who were let."""

from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health.api.metrics import RANGE, ReadingPage, asked_readings, reading_page
from contexts.health.api.purposes import GRANTED_PURPOSE
from contexts.health.api.readings import METRIC_NAMES
from contexts.health.api.trends import BUCKET, DAYS, UNIT, DerivedTrend, MetricTrend, derived_trend, metric_trend
from contexts.health.catalogue import Kind
from contexts.health.models.sharing import EmergencyAccess, Grant
from contexts.health.sharing import grants, looking
from contexts.health.sharing.looking import Sight
from contexts.health.terms import Purpose, Role
from kernel.access import member, recent_mfa
from kernel.databases import database_time
from kernel.http import PAGE_PARAMETERS, Endpoint, Identifier, page, page_of, validated
from kernel.idempotency import idempotent

STANDINGS = ["offered", "active", "suspended", "expired", "ended"]
SIDES = ["given", "received"]
GRANTED_PURPOSES = [Purpose.COACHING.value, Purpose.TREATMENT.value]
EMERGENCY_VERDICTS = [*EmergencyAccess.Verdict.values, ""]
ENDED_BY = [*Grant.Ended.values, ""]


class NewGrant(serializers.Serializer):
    grantee_id = Identifier(help_text="Who may look, once they accept.")
    role = serializers.ChoiceField(choices=list(Role))
    metrics = serializers.ListField(child=serializers.ChoiceField(choices=METRIC_NAMES), default=list, max_length=100)
    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=list(Kind)), default=list, help_text="All metrics of a kind."
    )
    purposes = serializers.ListField(
        child=serializers.ChoiceField(choices=GRANTED_PURPOSES), min_length=1, help_text="A coach does not treat."
    )
    since = serializers.DateTimeField(
        default=None, allow_null=True, help_text="Of what was measured; null: everything until `until`."
    )
    until = serializers.DateTimeField(default=None, allow_null=True)
    expires_at = serializers.DateTimeField(help_text="A year from now at most.")


class GrantItem(serializers.Serializer):
    grant_id = serializers.UUIDField()
    owner_id = serializers.UUIDField()
    grantee_id = serializers.UUIDField()
    role = serializers.ChoiceField(choices=list(Role))
    metrics = serializers.ListField(child=serializers.CharField())
    purposes = serializers.ListField(child=serializers.ChoiceField(choices=GRANTED_PURPOSES))
    since = serializers.DateTimeField(allow_null=True)
    until = serializers.DateTimeField(allow_null=True)
    made_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    accepted_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    ended_by = serializers.ChoiceField(choices=ENDED_BY)
    standing = serializers.SerializerMethodField()

    def get_standing(self, grant: Grant) -> str:
        """`offered` until it is accepted; `suspended` while consent is withdrawn."""
        if grant.ended_at is not None:
            return "ended"
        if grant.expires_at <= self.context["at"]:
            return "expired"
        if grant.suspended_at is not None:
            return "suspended"
        return "active" if grant.accepted_at else "offered"


class AccessItem(serializers.Serializer):
    access_id = serializers.UUIDField()
    by = serializers.UUIDField()
    at = serializers.DateTimeField()
    measured = serializers.CharField(source="stream", help_text="A metric, or what else was looked at.")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    purpose = serializers.ChoiceField(choices=[purpose.value for purpose in Purpose])
    grant_id = serializers.UUIDField(allow_null=True)
    emergency_id = serializers.UUIDField(allow_null=True)
    app_id = serializers.UUIDField(allow_null=True)


class EmergencyItem(serializers.Serializer):
    emergency_id = serializers.UUIDField()
    opened_by = serializers.UUIDField()
    opened_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    verdict = serializers.ChoiceField(choices=EMERGENCY_VERDICTS, help_text="Empty until somebody else has judged.")
    judged_at = serializers.DateTimeField(allow_null=True)


def _told(grant: Grant) -> Any:
    return GrantItem(grant, context={"at": database_time("health")}).data


def _may_give(request: Request) -> dict[str, Any]:
    form = validated(NewGrant, request)
    grants.ensure_may_give(owner_id=request.user.user_id, grantee_id=form["grantee_id"])
    return form


class Grants(Endpoint):
    access = {"GET": member, "POST": recent_mfa}

    @extend_schema(
        operation_id="list_grants",
        parameters=[OpenApiParameter("side", str, enum=SIDES, default="given"), *PAGE_PARAMETERS],
        responses=page_of(GrantItem),
    )
    def get(self, request: Request) -> Response:
        """What you let others see, or what others let you see; the newest first. No measurements."""
        received = request.query_params.get("side") == "received"
        rows = (grants.given_to if received else grants.given_by)(request.user.user_id)
        return Response(page(request, rows, order=("-made_at", "-grant_id"), to_item=_told))

    @extend_schema(operation_id="give_grant", request=NewGrant, responses={201: GrantItem})
    @idempotent("health", prepare=_may_give)
    def post(self, request: Request, form: dict[str, Any]) -> Response:
        """Let somebody see some of your measurements, for some time and purposes, once they accept."""
        offer = grants.Offer(**{**form, "role": Role(form["role"])})
        return Response(_told(grants.give(offer=offer, by=request.user.user_id)), status=201)


class OneGrant(Endpoint):
    access = member

    @extend_schema(operation_id="end_grant", request=None, responses={204: None})
    def delete(self, request: Request, grant_id: UUID) -> Response:
        """Revoke a grant, or give back what you were granted. It opens nothing from now on."""
        grants.end(grant_id=grant_id, by=request.user.user_id)
        return Response(status=204)


class GrantAcceptance(Endpoint):
    access = member

    @extend_schema(operation_id="accept_grant", request=None, responses=GrantItem)
    def post(self, request: Request, grant_id: UUID) -> Response:
        """Take what was offered to you."""
        return Response(_told(grants.accept(grant_id=grant_id, by=request.user.user_id)))


class Accesses(Endpoint):
    access = recent_mfa

    @extend_schema(operation_id="list_accesses", parameters=PAGE_PARAMETERS, responses=page_of(AccessItem))
    def get(self, request: Request) -> Response:
        """Who has looked at your measurements, when, at what, for what; the newest first. Your own looks too."""
        rows = grants.accesses_to(request.user.user_id)
        return Response(page(request, rows, order=("-at", "-access_id"), to_item=lambda row: AccessItem(row).data))


class OwnEmergencies(Endpoint):
    access = member

    @extend_schema(
        operation_id="list_emergency_accesses", parameters=PAGE_PARAMETERS, responses=page_of(EmergencyItem)
    )
    def get(self, request: Request) -> Response:
        """When staff have opened your measurements in an emergency, and what came of it."""
        rows = grants.emergencies_of(request.user.user_id)
        order = ("-opened_at", "-emergency_id")
        return Response(page(request, rows, order=order, to_item=lambda row: EmergencyItem(row).data))


def granted_sight(request: Request, grant_id: UUID) -> Sight:
    return looking.by_grant(grant_id=grant_id, by=request.user, purpose=request.query_params.get("purpose"))


def _readings(request: Request, sight: Sight, metric: str) -> Response:
    stream, unit, since, until = asked_readings(request, metric)
    looking.look(sight, streams=[stream], since=since, until=until)
    return Response(reading_page(request, of=sight.subject_id, stream=stream, since=since, until=until, unit=unit))


class SharedReadings(Endpoint):
    access = recent_mfa

    @extend_schema(
        operation_id="read_shared_metric",
        parameters=[*RANGE, UNIT, GRANTED_PURPOSE, *PAGE_PARAMETERS],
        responses=ReadingPage,
    )
    def get(self, request: Request, grant_id: UUID, metric: str) -> Response:
        """Readings that somebody lets you see. Each look is written down, and shown to them."""
        return _readings(request, granted_sight(request, grant_id), metric)


class SharedMetricTrend(Endpoint):
    access = recent_mfa

    @extend_schema(
        operation_id="show_shared_metric_trend",
        parameters=[*DAYS, BUCKET, UNIT, GRANTED_PURPOSE],
        responses=MetricTrend,
    )
    def get(self, request: Request, grant_id: UUID, metric: str) -> Response:
        """A metric that somebody lets you see, over days of their time zone. Each look is shown to them."""
        return metric_trend(request, granted_sight(request, grant_id), metric)


class SharedDerivedTrend(Endpoint):
    access = recent_mfa

    @extend_schema(operation_id="show_shared_trend", parameters=[*DAYS, GRANTED_PURPOSE], responses=DerivedTrend)
    def get(self, request: Request, grant_id: UUID, trend: str) -> Response:
        """What is derived from metrics that somebody lets you see, its history too. Each look is shown to them."""
        return derived_trend(request, granted_sight(request, grant_id), trend)


class EmergencyReadings(Endpoint):
    access = recent_mfa

    @extend_schema(
        operation_id="read_emergency_metric", parameters=[*RANGE, UNIT, *PAGE_PARAMETERS], responses=ReadingPage
    )
    def get(self, request: Request, emergency_id: UUID, metric: str) -> Response:
        """Readings of whom you have opened in an emergency. Each look is written down, and shown to them."""
        return _readings(request, looking.by_emergency(emergency_id=emergency_id, by=request.user), metric)


class EmergencyMetricTrend(Endpoint):
    access = recent_mfa

    @extend_schema(
        operation_id="show_emergency_metric_trend", parameters=[*DAYS, BUCKET, UNIT], responses=MetricTrend
    )
    def get(self, request: Request, emergency_id: UUID, metric: str) -> Response:
        """A metric of whom you have opened in an emergency. Each look is written down, and shown to them."""
        return metric_trend(request, looking.by_emergency(emergency_id=emergency_id, by=request.user), metric)


urlpatterns = [
    path("grants", Grants.as_view()),
    path("grants/<uuid:grant_id>", OneGrant.as_view()),
    path("grants/<uuid:grant_id>/acceptance", GrantAcceptance.as_view()),
    path("accesses", Accesses.as_view()),
    path("emergency-accesses", OwnEmergencies.as_view()),
    path("shared/<uuid:grant_id>/metrics/<str:metric>/readings", SharedReadings.as_view()),
    path("shared/<uuid:grant_id>/metrics/<str:metric>/trend", SharedMetricTrend.as_view()),
    path("shared/<uuid:grant_id>/trends/<str:trend>", SharedDerivedTrend.as_view()),
    path("emergency/<uuid:emergency_id>/metrics/<str:metric>/readings", EmergencyReadings.as_view()),
    path("emergency/<uuid:emergency_id>/metrics/<str:metric>/trend", EmergencyMetricTrend.as_view()),
]
