"""Who looked at one's data, and what was done with one's account, over HTTP."""

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import audit, rules
from kernel.access import RateLimit, member
from kernel.http import PAGE_PARAMETERS, Endpoint, page, page_of


class AuditItem(serializers.Serializer):
    """Something that was done with the person's account or data. Nobody else is named here."""

    position = serializers.IntegerField()
    at = serializers.DateTimeField()
    action = serializers.CharField(help_text="For example identity.user_authenticated, admin.looked_at.")
    actor_kind = serializers.ChoiceField(("person", "staff", "app", "system"))
    is_self = serializers.BooleanField(help_text="Whether you did it yourself, or an app for you.")
    role = serializers.ChoiceField(
        (*sorted(rules.STAFF_ROLES), "superuser"), allow_null=True, help_text="Of the staff member."
    )
    app = serializers.CharField(allow_null=True, help_text="The app's name.")


class Audit(Endpoint):
    """What the audit says about oneself."""

    access = member
    limit = RateLimit("60/min")

    @extend_schema(operation_id="list_audit", parameters=PAGE_PARAMETERS, responses=page_of(AuditItem))
    def get(self, request: Request) -> Response:
        """What was done by you or with your data, the newest first. It is complete, and cannot be changed."""
        user_id = request.user.user_id
        names: dict[str, str] = {}
        return Response(
            page(
                request,
                audit.entries_about(user_id=user_id),
                order=("-position",),
                to_item=lambda entry: AuditItem(audit.as_seen(entry, by=user_id, app_names=names)).data,
            )
        )


urlpatterns = [
    path("audit", Audit.as_view()),
]
