"""Reports: made while one waits, streamed, kept nowhere."""

from typing import Any, ClassVar
from uuid import UUID

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health.api.purposes import GRANTED_PURPOSE, PURPOSE
from contexts.health.api.readings import METRIC_NAMES
from contexts.health.api.sharing import granted_sight
from contexts.health.api.trends import own_sight
from contexts.health.catalogue import BY_NAME
from contexts.health.reports import gathering
from contexts.health.reports.fhir import bundle
from contexts.health.reports.paper import pdf
from contexts.health.sharing import looking
from contexts.health.sharing.looking import Sight
from contexts.health.trends.buckets import instants_of
from kernel.access import RateLimit, recent_mfa
from kernel.http import Endpoint, JsonRenderer, encode_json, validated

FHIR = "application/fhir+json"


class Paper(JsonRenderer):
    """Lets clients ask for documents."""

    media_type, format = "application/pdf", "pdf"


class Fhir(JsonRenderer):
    """Lets clients ask for bundles."""

    media_type, format = FHIR, "fhir"


class ReportForm(serializers.Serializer):
    metrics = serializers.ListField(
        child=serializers.ChoiceField(choices=METRIC_NAMES), min_length=1, max_length=gathering.MAX_METRICS
    )

    def get_fields(self) -> dict[str, Any]:
        """`from` is a word of Python's, so these two are named here."""
        return {**super().get_fields(), **{name: serializers.DateField() for name in ("from", "to")}}


def _report(request: Request, sight: Sight) -> gathering.Report:
    form = validated(ReportForm, request)
    first, last = form["from"], form["to"]
    gathering.ensure_report(first, last, form["metrics"])
    streams = [BY_NAME[name].stream for name in dict.fromkeys(form["metrics"])]
    since, until = instants_of(first, last, sight.zone)
    whom = gathering.about(sight.subject_id)
    looking.look(sight, streams=streams, since=since, until=until)
    return gathering.gather(whom=whom, streams=streams, first=first, last=last, zone=sight.zone, at=now())


def _file(body: bytes, kind: str, name: str) -> Response:
    return Response(body, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


class _Reports(Endpoint):
    access = recent_mfa
    limit: ClassVar[RateLimit] = RateLimit("30/h")
    scope = "health:read"


class PaperReport(_Reports):
    renderer_classes = [Paper, JsonRenderer]

    @extend_schema(
        operation_id="print_report",
        parameters=[PURPOSE],
        request=ReportForm,
        responses={(200, "application/pdf"): OpenApiTypes.BINARY},
    )
    def post(self, request: Request) -> Response:
        """Your measurements on paper: charts, norms with sources, alerts, devices. The look is written down."""
        return _file(pdf(_report(request, own_sight(request))), "application/pdf", "health-report.pdf")


class FhirReport(_Reports):
    renderer_classes = [Fhir, JsonRenderer]

    @extend_schema(
        operation_id="export_fhir",
        parameters=[PURPOSE],
        request=ReportForm,
        responses={(200, FHIR): OpenApiTypes.OBJECT},
    )
    def post(self, request: Request) -> Response:
        """Your measurements as a FHIR R4 bundle, without your name. The look is written down."""
        made = bundle(_report(request, own_sight(request)))
        return _file(encode_json(made), FHIR, "health-report.fhir.json")


class SharedFhirReport(_Reports):
    renderer_classes = [Fhir, JsonRenderer]

    @extend_schema(
        operation_id="export_shared_fhir",
        parameters=[GRANTED_PURPOSE],
        request=ReportForm,
        responses={(200, FHIR): OpenApiTypes.OBJECT},
    )
    def post(self, request: Request, grant_id: UUID) -> Response:
        """What somebody lets you see as a FHIR R4 bundle, without their name. Each look is shown to them."""
        made = bundle(_report(request, granted_sight(request, grant_id)))
        return _file(encode_json(made), FHIR, "health-report.fhir.json")


urlpatterns = [
    path("reports/pdf", PaperReport.as_view()),
    path("reports/fhir", FhirReport.as_view()),
    path("shared/<uuid:grant_id>/reports/fhir", SharedFhirReport.as_view()),
]
