"""One's alerts: what they are about, takes the second factor; to react to them does not."""

from typing import Any

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health import rules
from contexts.health.alerts import responding
from contexts.health.api.purposes import PURPOSE, own_purpose
from contexts.health.looking import measurements
from contexts.health.models import CLOSED_BECAUSE, Alert, AlertRule
from contexts.health.rules import Stream
from kernel.access import member, recent_mfa
from kernel.http import PAGE_PARAMETERS, Endpoint, page, page_of, validated
from kernel.idempotency import idempotent

LEAST_SNOOZE, LONGEST_SNOOZE = rules.SNOOZE_MINUTES


class AlertStanding(serializers.Serializer):
    alert_id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=Alert.State.choices)
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    snoozed_until = serializers.DateTimeField(allow_null=True)


class AlertTerms(serializers.Serializer):
    side = serializers.CharField()
    bound = serializers.FloatField(help_text="In the metric's stored unit.")
    hysteresis = serializers.FloatField(help_text="How far inside the bound a value has to be to end the episode.")
    lasts_s = serializers.IntegerField()
    silence_s = serializers.IntegerField()
    cool_down_s = serializers.IntegerField()
    norm = serializers.CharField(allow_blank=True, help_text="key@version; empty for a bound of your own.")


class AlertItem(AlertStanding):
    metric = serializers.SerializerMethodField()
    severity = serializers.ChoiceField(choices=AlertRule.Severity.choices)
    rule = serializers.CharField()
    rule_version = serializers.IntegerField()
    terms = AlertTerms()
    began_at = serializers.DateTimeField()
    last_at = serializers.DateTimeField(help_text="The last reading that was not clear.")
    ended_at = serializers.DateTimeField(allow_null=True)
    triggered_at = serializers.DateTimeField()
    escalated_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.ChoiceField(choices=CLOSED_BECAUSE, help_text="Why it is closed.")

    def get_metric(self, row: Alert) -> str:
        """By its name in the catalogue."""
        return Stream(row.stream).name


class AlertCommentItem(serializers.Serializer):
    comment_id = serializers.UUIDField()
    text = serializers.CharField()
    written_at = serializers.DateTimeField()


class AlertDetail(AlertItem):
    comments = AlertCommentItem(many=True)


class NewComment(serializers.Serializer):
    text = serializers.CharField(max_length=1_000)


class Snooze(serializers.Serializer):
    minutes = serializers.IntegerField(min_value=LEAST_SNOOZE, max_value=LONGEST_SNOOZE)


class Alerts(Endpoint):
    access = recent_mfa

    @extend_schema(operation_id="list_alerts", parameters=[PURPOSE, *PAGE_PARAMETERS], responses=page_of(AlertItem))
    def get(self, request: Request) -> Response:
        """Your alerts, the newest first. Each look is written down."""
        _note(request)
        own = Alert.objects.filter(user_id=request.user.user_id)
        shown = page(request, own, order=("-triggered_at", "-alert_id"), to_item=lambda row: AlertItem(row).data)
        return Response(shown)


class OneAlert(Endpoint):
    access = recent_mfa

    @extend_schema(operation_id="show_alert", parameters=[PURPOSE], responses=AlertDetail)
    def get(self, request: Request, alert_id: Any) -> Response:
        """An alert: by which rule and norm, when, and what you wrote down. Each look is written down."""
        alert = responding.own_alert(alert_id=alert_id, by=request.user.user_id)
        _note(request)
        return Response({**AlertItem(alert).data, **_comments(alert)})


class AlertAcknowledgement(Endpoint):
    access = member

    @extend_schema(operation_id="acknowledge_alert", request=None, responses=AlertStanding)
    def post(self, request: Request, alert_id: Any) -> Response:
        """Say that you know. Your emergency contact is left in peace."""
        return Response(
            AlertStanding(responding.acknowledge(alert_id=alert_id, by=request.user.user_id, at=now())).data
        )


class AlertSnooze(Endpoint):
    access = member

    @extend_schema(operation_id="snooze_alert", request=Snooze, responses=AlertStanding)
    def post(self, request: Request, alert_id: Any) -> Response:
        """Put an alert off. If it is not over by then, it is open again."""
        minutes = validated(Snooze, request)["minutes"]
        put_off = responding.snooze(alert_id=alert_id, minutes=minutes, by=request.user.user_id, at=now())
        return Response(AlertStanding(put_off).data)


class AlertComments(Endpoint):
    access = member

    @extend_schema(operation_id="comment_on_alert", request=NewComment, responses={201: AlertCommentItem})
    @idempotent("health")
    def post(self, request: Request, alert_id: Any) -> Response:
        """Write something down about an alert."""
        text = validated(NewComment, request)["text"]
        made = responding.comment(alert_id=alert_id, text=text, by=request.user.user_id, at=now())
        return Response(AlertCommentItem(made).data, status=201)


def _comments(alert: Alert) -> dict[str, Any]:
    return {"comments": AlertCommentItem(responding.comments_of(alert), many=True).data}


def _note(request: Request) -> None:
    measurements.note_access(
        subject_id=request.user.user_id,
        stream=rules.ALERTS,
        since=rules.EARLIEST_ENTRY,
        until=rules.latest(at=now()),
        by=request.user,
        at=now(),
        purpose=own_purpose(request),
    )


urlpatterns = [
    path("alerts", Alerts.as_view()),
    path("alerts/<uuid:alert_id>", OneAlert.as_view()),
    path("alerts/<uuid:alert_id>/acknowledgement", AlertAcknowledgement.as_view()),
    path("alerts/<uuid:alert_id>/snooze", AlertSnooze.as_view()),
    path("alerts/<uuid:alert_id>/comments", AlertComments.as_view()),
]
