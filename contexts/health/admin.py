"""What staff see of health: devices, their papers, alerts, rules, norms. No secrets, and nothing that was measured.

Who may not stop a device, a medical reviewer, sees no owner and no serial number either, but a pseudonym: the same
for one person always. While an emergency access or a grant of that person's is open to them, they see who it is.
"""

import json
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Case, QuerySet, When
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.timezone import now
from django.utils.translation import gettext as _

from contexts.health import sealing
from contexts.health.judging import reviewing
from contexts.health.models import Alert, AlertRule, Calibration, Certification, Device, EmergencyAccess, NormVersion
from contexts.health.sharing import emergencies
from contexts.health.terms import LONGEST_REASON
from contexts.health.worn import devices
from kernel.admin import LookOnlyAdmin
from kernel.errors import InvalidInput, Refused
from kernel.http import translated

OWNERS = ("user_id",)


class PseudonymousAdmin(LookOnlyAdmin):
    """Rows of people whose names this member of staff may know only for a reason."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Each row says whether its person is known."""
        known = emergencies.known_to(request.user.pk)
        return (
            super().get_queryset(request).annotate(is_known=Case(When(user_id__in=known, then=True), default=False))
        )

    @admin.display(description="person")
    def person(self, row: Any) -> str:
        """Their id, or a pseudonym."""
        return str(row.user_id) if row.is_known else sealing.pseudonym(row.user_id)


@admin.register(Device)
class DeviceAdmin(PseudonymousAdmin):
    list_display = ("device_id", "user_id", "person", "kind", "status", "connected_at", "revoked_at")
    list_filter = ("kind", ("revoked_at", admin.EmptyFieldListFilter), ("lost_at", admin.EmptyFieldListFilter))
    search_fields = ("=device_id", "=user_id")
    ordering = ("-connected_at",)
    fields = (
        *("device_id", "user_id", "person", "kind", "status", "maker", "model", "hardware", "firmware", "software"),
        *("connected_at", "lost_at", "revoked_at", "checked_at", "calibration_due_at"),
    )
    readonly_fields = fields
    actions = ("revoke",)

    def get_list_display(self, request: HttpRequest) -> Any:
        """Owners for those who act on them."""
        return self._shown(request, self.list_display)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Owners for those who act on them."""
        return self._shown(request, self.fields)

    def get_search_fields(self, request: HttpRequest) -> Any:
        """Who sees no owner finds none."""
        return self.search_fields if self.has_revoke_permission(request) else ("=device_id",)

    def _shown(self, request: HttpRequest, names: Any) -> list[str]:
        hidden = () if self.has_revoke_permission(request) else OWNERS
        return [name for name in names if name not in hidden]

    @admin.action(description="Revoke the selected devices", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        """Stop these devices; their owners connect them anew."""
        for device in queryset:
            devices.revoke_device(device_id=device.device_id, by=None, at=now())

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether this moderator's role may stop devices."""
        return bool(request.user.has_perm("health.change_device"))


@admin.register(Certification)
class CertificationAdmin(LookOnlyAdmin):
    list_display = ("standard", "issued_by", "valid_from", "valid_until", "added_at")
    search_fields = ("standard", "=number")
    ordering = ("-added_at",)
    fields = ("standard", "number", "issued_by", "valid_from", "valid_until", "added_at")
    readonly_fields = fields


@admin.register(Calibration)
class CalibrationAdmin(LookOnlyAdmin):
    list_display = ("calibration_id", "stream", "version", "valid_from", "added_at")
    list_filter = ("stream",)
    ordering = ("-added_at",)
    fields = ("calibration_id", "stream", "version", "points", "valid_from", "added_at")
    readonly_fields = fields


@admin.register(Alert)
class AlertAdmin(PseudonymousAdmin):
    """How often which rule speaks, and how long it takes until somebody reacts. Not whose alert it is."""

    list_display = (
        "alert_id",
        "person",
        "rule",
        "rule_version",
        "severity",
        "state",
        "triggered_at",
        "acknowledged_at",
    )
    list_filter = ("severity", "state", "reason")
    search_fields = ("=alert_id", "rule")
    ordering = ("-triggered_at",)
    fields = (*list_display, "reason", "escalated_at", "closed_at")
    readonly_fields = fields
    show_full_result_count = False


@admin.register(AlertRule)
class AlertRuleAdmin(PseudonymousAdmin):
    """Bounds that people have set themselves."""

    list_display = ("rule_id", "person", "stream", "side", "bound", "severity", "version", "written_at")
    list_filter = ("stream", "side", "severity")
    search_fields = ("=rule_id",)
    ordering = ("-written_at",)
    fields = (*list_display, "hysteresis", "lasts_s", "silence_s", "cool_down_s")
    readonly_fields = fields


class EmergencyForm(forms.ModelForm):
    """Whose data, and why."""

    of = forms.UUIDField(label="Person, alert or device", help_text="Its id.")
    why = forms.CharField(
        widget=forms.Textarea, max_length=LONGEST_REASON, help_text="The person is told at once; another one judges."
    )

    class Meta:
        model = EmergencyAccess
        fields: tuple[str, ...] = ()


@admin.register(EmergencyAccess)
class EmergencyAccessAdmin(LookOnlyAdmin):
    """Who has broken the glass, why, and what others say to it. The data themselves are read through the API."""

    list_display = ("emergency_id", "opened_by", "opened_at", "expires_at", "verdict", "judged_by", "judged_at")
    list_filter = ("verdict",)
    ordering = ("-opened_at",)
    fields = (*list_display, "subject_id", "reason")
    readonly_fields = fields
    whose = ("subject_id",)
    actions = ("justified", "abuse")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """For those who may break the glass."""
        return bool(request.user.has_perm("health.break_glass"))

    def has_judge_permission(self, request: HttpRequest) -> bool:
        """For those who may judge others."""
        return bool(request.user.has_perm("health.judge_emergency"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """A form to open one with."""
        return EmergencyForm if obj is None else super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is asked, or what was done."""
        return ("of", "why") if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """All of what was done."""
        return () if obj is None else self.readonly_fields

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Django's own view without the transaction around it; a refusal is told where one tried."""
        try:
            return self._changeform_view(request, object_id, form_url, extra_context)
        except Refused as refused:
            self._tell(request, refused)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: EmergencyAccess, form: Any, change: bool) -> None:
        """Open the data."""
        shown = request.session.get("mfa_at")
        made = emergencies.open_data(
            subject_id=emergencies.person_named(form.cleaned_data["of"]),
            reason=form.cleaned_data["why"],
            by=request.user.pk,
            mfa_at=datetime.fromtimestamp(shown, UTC) if shown else None,
        )
        obj.emergency_id = made.emergency_id

    @admin.action(description="Judge: justified", permissions=["judge"])
    def justified(self, request: HttpRequest, queryset: QuerySet[EmergencyAccess]) -> None:
        """It was an emergency."""
        self._judge(request, queryset, EmergencyAccess.Verdict.JUSTIFIED)

    @admin.action(description="Judge: abuse", permissions=["judge"])
    def abuse(self, request: HttpRequest, queryset: QuerySet[EmergencyAccess]) -> None:
        """It was none."""
        self._judge(request, queryset, EmergencyAccess.Verdict.ABUSE)

    def _judge(self, request: HttpRequest, queryset: QuerySet[EmergencyAccess], verdict: str) -> None:
        for opened in queryset:
            try:
                emergencies.judge(emergency_id=opened.pk, verdict=verdict, by=request.user.pk)
            except Refused as refused:
                self._tell(request, refused)

    def _tell(self, request: HttpRequest, refused: Refused) -> None:
        errors = refused.extra.get("errors")
        self.message_user(request, translated(errors[0]["detail"] if errors else refused.detail), messages.ERROR)


class NormForm(forms.ModelForm):
    """A new version: the norm as text, and why."""

    document = forms.CharField(widget=forms.Textarea(attrs={"rows": 30, "cols": 100, "spellcheck": "false"}))

    class Meta:
        model = NormVersion
        fields = ("document", "note")

    def clean_document(self) -> Any:
        """The norm, if it can be put in force."""
        try:
            document = json.loads(self.cleaned_data["document"])
            reviewing.checked(document)
        except json.JSONDecodeError as error:
            raise forms.ValidationError(_("This is not JSON: %(why)s"), params={"why": error}) from None
        except InvalidInput as refused:
            raise forms.ValidationError(refused.extra["errors"][0]["detail"]) from None
        return document


@admin.register(NormVersion)
class NormVersionAdmin(LookOnlyAdmin):
    """Norms as medical reviewers have published them, over those of the code. `?key=` begins with that one.

    Above the list stand the norms of the code whose sources somebody is to look at.
    """

    list_display = ("key", "version", "note", "made_at", "made_by")
    search_fields = ("key",)
    ordering = ("-made_at",)
    form = NormForm
    whose = ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """For medical reviewers."""
        return bool(request.user.has_perm("health.add_normversion"))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """What needs a review is told to whoever can settle it by a further version."""
        if self.has_add_permission(request):
            for key, why in reviewing.waiting_for_review().items():
                told = format_html('needs_review: <a href="add/?key={}">{}</a>. {}', key, key, why)
                self.message_user(request, told, messages.WARNING)
        return super().changelist_view(request, extra_context)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new version begins as the one in force."""
        known = reviewing.document_of(request.GET.get("key", ""))
        return {"document": json.dumps(known, indent=1, ensure_ascii=False)}

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Django's own view without the transaction around it: publishing opens its unit of work itself."""
        return self._changeform_view(request, object_id, form_url, extra_context)

    def save_model(self, request: HttpRequest, obj: NormVersion, form: Any, change: bool) -> None:
        """Put it in force."""
        made = reviewing.publish_norm(document=obj.document, note=obj.note, by=request.user.pk, at=now())
        obj.key, obj.version, obj.made_at = made.key, made.version, made.made_at

    def response_add(self, request: HttpRequest, obj: NormVersion, post_url_continue: Any = None) -> HttpResponse:
        """Say so, and go back to the list."""
        self.message_user(request, f"{obj} is in force within five seconds.", messages.SUCCESS)
        return self.response_post_save_add(request, obj)
