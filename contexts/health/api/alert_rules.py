"""What one is alerted to, and who is written to when one does not react."""

from typing import Any

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health import catalogue, rules
from contexts.health.alerts import escalating, watching
from contexts.health.api.readings import METRIC_NAMES
from contexts.health.judging.norms import LONGEST_S
from contexts.health.models import AlertRule
from contexts.health.rules import Stream
from kernel.access import member
from kernel.http import Endpoint, validated
from kernel.idempotency import idempotent

LEAST, MOST = catalogue.POSSIBLE
SOONEST, LATEST = rules.ESCALATION_MINUTES


class AlertRuleForm(serializers.Serializer):
    bound = serializers.FloatField(min_value=LEAST, max_value=MOST, help_text="In the metric's stored unit.")
    hysteresis = serializers.FloatField(
        min_value=0, max_value=MOST, default=0.0, help_text="How far inside the bound a value ends the episode."
    )
    lasts_s = serializers.IntegerField(min_value=0, max_value=LONGEST_S, default=0)
    silence_s = serializers.IntegerField(
        min_value=60, max_value=LONGEST_S, default=3_600, help_text="After so long without a reading it is over."
    )
    cool_down_s = serializers.IntegerField(
        min_value=0, max_value=LONGEST_S, default=900, help_text="What begins sooner is the same episode."
    )
    severity = serializers.ChoiceField(choices=AlertRule.Severity.choices, default="warning")


class NewAlertRule(AlertRuleForm):
    metric = serializers.ChoiceField(choices=METRIC_NAMES)
    side = serializers.ChoiceField(
        choices=AlertRule.Side.choices, help_text="Below a low bound, or from a high one on."
    )


class OwnAlertRule(serializers.Serializer):
    rule_id = serializers.UUIDField()
    version = serializers.IntegerField()


class AlertRuleItem(serializers.Serializer):
    rule = serializers.CharField(source="key", help_text="As alerts name it; `own.` and the id for one of your own.")
    version = serializers.IntegerField()
    metric = serializers.CharField(source="stream.name")
    side = serializers.CharField()
    bound = serializers.FloatField()
    hysteresis = serializers.FloatField()
    lasts_s = serializers.IntegerField()
    silence_s = serializers.IntegerField()
    cool_down_s = serializers.IntegerField()
    severity = serializers.CharField()
    norm = serializers.CharField(allow_blank=True, help_text="key@version; empty for a bound of your own.")


class AlertRules(serializers.Serializer):
    items = AlertRuleItem(many=True)


class Contact(serializers.Serializer):
    name = serializers.CharField(max_length=80)
    email = serializers.EmailField()
    locale = serializers.ChoiceField(choices=["en", "ru"], default="en")
    after_minutes = serializers.IntegerField(
        min_value=SOONEST, max_value=LATEST, default=int(rules.ESCALATES_AFTER.total_seconds() // 60)
    )


class NewContact(Contact):
    agreed = serializers.BooleanField(help_text="That they have agreed to be written to.")


class KnownContact(Contact):
    agreed_at = serializers.DateTimeField()


class WatchedBounds(Endpoint):
    access = member

    @extend_schema(operation_id="list_alert_rules", responses=AlertRules)
    def get(self, request: Request) -> Response:
        """What you are alerted to: your own bounds, and elsewhere the critical ones of your norms."""
        watched = watching.rules_for(user_id=request.user.user_id)
        return Response(AlertRules({"items": sorted(watched, key=lambda rule: (rule.stream, rule.side))}).data)

    @extend_schema(operation_id="add_alert_rule", request=NewAlertRule, responses={201: OwnAlertRule})
    @idempotent("health")
    def post(self, request: Request) -> Response:
        """Set a bound of your own. It takes the place of your norm's on that side."""
        form = validated(NewAlertRule, request)
        made = watching.add_rule(
            stream=Stream[form["metric"]], side=form["side"], numbers=form, by=request.user.user_id, at=now()
        )
        return Response(OwnAlertRule(made).data, status=201)


class OneAlertRule(Endpoint):
    access = member

    @extend_schema(operation_id="change_alert_rule", request=AlertRuleForm, responses=OwnAlertRule)
    def put(self, request: Request, rule_id: Any) -> Response:
        """Another bound from now on."""
        form = validated(AlertRuleForm, request)
        changed = watching.change_rule(rule_id=rule_id, numbers=form, by=request.user.user_id, at=now())
        return Response(OwnAlertRule(changed).data)

    @extend_schema(operation_id="remove_alert_rule", request=None, responses={204: None})
    def delete(self, request: Request, rule_id: Any) -> Response:
        """Your norm's bound counts again."""
        watching.remove_rule(rule_id=rule_id, by=request.user.user_id, at=now())
        return Response(status=204)


class OwnContact(Endpoint):
    access = member
    may_be_absent = True

    @extend_schema(operation_id="show_emergency_contact", responses=KnownContact)
    def get(self, request: Request) -> Response:
        """Whom we write to when you do not react to a critical alert."""
        return Response(KnownContact(escalating.contact_of(request.user.user_id)).data)

    @extend_schema(operation_id="name_emergency_contact", request=NewContact, responses=KnownContact)
    def put(self, request: Request) -> Response:
        """Name somebody who has agreed. They learn that an alert waits, never of what."""
        form = validated(NewContact, request)
        return Response(KnownContact(escalating.name_contact(**form, by=request.user.user_id, at=now())).data)

    @extend_schema(operation_id="forget_emergency_contact", request=None, responses={204: None})
    def delete(self, request: Request) -> Response:
        """Write to nobody any more."""
        escalating.forget_contact(by=request.user.user_id)
        return Response(status=204)


urlpatterns = [
    path("alert-rules", WatchedBounds.as_view()),
    path("alert-rules/<uuid:rule_id>", OneAlertRule.as_view()),
    path("emergency-contact", OwnContact.as_view()),
]
