"""The security policy's versions, and the audit: for operators."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.utils.timezone import now
from django.utils.translation import gettext as _

from contexts.identity import security_policy
from contexts.identity.models import AuditEntry, MembershipPeriod, SecurityPolicy
from kernel.admin import LookOnlyAdmin
from kernel.errors import InvalidInput


class PolicyForm(forms.ModelForm):
    """A new version: the document as text, and why."""

    rules = forms.CharField(widget=forms.Textarea(attrs={"rows": 24, "cols": 100, "spellcheck": "false"}))

    class Meta:
        model = SecurityPolicy
        fields = ("rules", "note")

    def clean_rules(self) -> Any:
        """The document, if it can be put in force."""
        try:
            document = json.loads(self.cleaned_data["rules"])
            security_policy.ensure_valid(document)
        except json.JSONDecodeError as error:
            raise forms.ValidationError(_("This is not JSON: %(why)s"), params={"why": error}) from None
        except InvalidInput as refused:
            raise forms.ValidationError(refused.extra["errors"][0]["detail"]) from None
        return document


@admin.register(SecurityPolicy)
class SecurityPolicyAdmin(LookOnlyAdmin):
    """Versions of the policy. A change is a new version; to go back is to enact the old document again."""

    list_display = ("version", "note", "made_at", "made_by", "difference")
    ordering = ("-version",)
    form = PolicyForm
    whose = ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """For those who may enact a policy."""
        return bool(request.user.has_perm("identity.add_securitypolicy"))

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new version begins as the one in force."""
        newest = security_policy.in_force()
        return {"rules": security_policy.as_text(newest.rules if newest else {"access": {}, "limits": {}})}

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Django's own view without the transaction around it: enacting opens its unit of work itself."""
        return self._changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: SecurityPolicy, form: Any, change: bool) -> None:
        """Put it in force."""
        made = security_policy.enact(document=obj.rules, note=obj.note, by=request.user.pk, at=now())
        obj.pk, obj.version, obj.made_at = made.pk, made.version, made.made_at

    def response_add(self, request: HttpRequest, obj: SecurityPolicy, post_url_continue: Any = None) -> HttpResponse:
        """Say so, and go back to the list."""
        self.message_user(request, f"Version {obj.version} is in force within a second.", messages.SUCCESS)
        return self.response_post_save_add(request, obj)

    @admin.display(description="What it changed")
    def difference(self, obj: SecurityPolicy) -> str:
        """The lines that went and came."""
        return security_policy.changes(obj)


@admin.register(AuditEntry)
class AuditEntryAdmin(LookOnlyAdmin):
    """The audit, to be read."""

    list_display = ("position", "at", "action", "actor_kind", "actor", "subject", "network", "reason")
    list_filter = ("actor_kind", "action")
    search_fields = ("=actor", "=subject")
    ordering = ("-position",)
    whose = ("subject",)
    show_full_result_count = False


@admin.register(MembershipPeriod)
class MembershipPeriodAdmin(LookOnlyAdmin):
    """Who was made premium or PRO, and why."""

    list_display = ("user", "tier", "starts_at", "ends_at", "ended_at", "reason")
    ordering = ("-starts_at",)
