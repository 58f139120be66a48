"""People and their sessions, for moderators, support and operators: look, block, end sessions, appoint, grant."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.timezone import now

from contexts.identity import blocking, membership, roles, rules, sessions
from contexts.identity.models import Session, User
from kernel.admin import LookOnlyAdmin
from kernel.errors import InvalidInput

PHYSIOLOGY = ("birth_date", "sex", "body_mass_kg", "hr_max")


class WithChoices(ActionForm):
    """What some actions need besides the people: a role, or a tier with days and a reason."""

    role = forms.ChoiceField(choices=[(name, name or "role") for name in ("", *rules.ROLES)], required=False)
    tier = forms.ChoiceField(
        choices=[("", "tier"), *((tier, tier) for tier in rules.MEMBERSHIPS[1:])], required=False
    )
    days = forms.IntegerField(min_value=1, required=False, widget=forms.NumberInput(attrs={"placeholder": "days"}))
    reason = forms.CharField(
        max_length=rules.LONGEST_REASON, required=False, widget=forms.TextInput(attrs={"placeholder": "reason"})
    )


@admin.register(User)
class UserAdmin(LookOnlyAdmin):
    """People. What is medical about them takes `view_physiology`; support sees masked addresses."""

    list_display = ("display_name", "masked_address", "membership", "roles", "is_active", "registered_at")
    list_filter = ("is_active", "membership", "is_staff")
    search_fields = ("display_name", "email")
    ordering = ("-registered_at",)
    action_form = WithChoices
    actions = (
        "block",
        "unblock",
        "sign_out_everywhere",
        "grant_role",
        "withdraw_role",
        "grant_membership",
        "take_membership_away",
    )
    whose = ("pk",)
    sensitive = True
    fields = (
        "id",
        "display_name",
        "masked_address",
        *PHYSIOLOGY,
        "time_zone",
        "locale",
        "visibility",
        "membership",
        "membership_until",
        "roles",
        "is_active",
        "registered_at",
        "confirmed_at",
        "last_login",
    )

    def get_search_fields(self, request: HttpRequest) -> Sequence[str]:
        """Addresses are searched by those who may see them: a search would tell who has one."""
        return self.search_fields if request.user.has_perm("identity.view_address") else ("display_name",)

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Sequence[Any]:
        """Physiology is left out for those who may not see it, addresses are masked."""
        shown = [self._address_field(request) if field == "masked_address" else field for field in self.fields]
        if request.user.has_perm("identity.view_physiology"):
            return shown
        return [field for field in shown if field not in PHYSIOLOGY]

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        """The same in the list."""
        return [self._address_field(request) if field == "masked_address" else field for field in self.list_display]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Sequence[Any]:
        """Everything is, and a masked address is no field of the person."""
        return ("masked_address",)

    @staticmethod
    def _address_field(request: HttpRequest) -> str:
        return "email" if request.user.has_perm("identity.view_address") else "masked_address"

    @admin.display(description="Email address")
    def masked_address(self, person: User) -> str:
        """The first letter and the provider."""
        return rules.masked(person.email)

    def has_block_permission(self, request: HttpRequest) -> bool:
        """For actions declared with `permissions=["block"]`."""
        return bool(request.user.has_perm("identity.block_user"))

    def has_appoint_permission(self, request: HttpRequest) -> bool:
        """For actions declared with `permissions=["appoint"]`: superusers alone."""
        return bool(request.user.is_superuser)

    def has_membership_permission(self, request: HttpRequest) -> bool:
        """For actions declared with `permissions=["membership"]`."""
        return bool(request.user.has_perm("identity.grant_membership"))

    @admin.action(description="Block", permissions=["block"])
    def block(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """Members only: staff are blocked by superusers."""
        chosen = people if request.user.is_superuser else people.filter(is_staff=False)
        for user_id in chosen.values_list("pk", flat=True):
            blocking.block_person(user_id=user_id, by=request.user.pk, at=now())
        self.message_user(request, f"Blocked: {len(chosen)}.", messages.SUCCESS)

    @admin.action(description="Unblock", permissions=["block"])
    def unblock(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """Let them sign in again."""
        chosen = people if request.user.is_superuser else people.filter(is_staff=False)
        for user_id in chosen.values_list("pk", flat=True):
            blocking.unblock_person(user_id=user_id, by=request.user.pk, at=now())

    @admin.action(description="Sign out everywhere", permissions=["block"])
    def sign_out_everywhere(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """End all their sessions."""
        for user_id in people.values_list("pk", flat=True):
            sessions.revoke_all_sessions(user_id=user_id, reason="signed_out_by_staff", at=now())

    @admin.action(description="Give the role", permissions=["appoint"])
    def grant_role(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """The chosen role; a staff role opens the administration to them."""
        self._each(request, people, roles.grant_role, role=request.POST.get("role", ""))

    @admin.action(description="Take the role away", permissions=["appoint"])
    def withdraw_role(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """The chosen role; a former member of staff is signed out at once."""
        self._each(request, people, roles.withdraw_role, role=request.POST.get("role", ""))

    @admin.action(description="Make premium or PRO", permissions=["membership"])
    def grant_membership(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """The chosen tier for so many days, with a reason."""
        days = request.POST.get("days", "")
        until = now() + timedelta(days=min(int(days), 10_000) if days.isdecimal() else 0)
        wanted = {"tier": request.POST.get("tier", ""), "until": until, "reason": request.POST.get("reason", "")}
        self._each(request, people, membership.grant, **wanted)

    @admin.action(description="Take membership away", permissions=["membership"])
    def take_membership_away(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """Free from now on, with a reason."""
        self._each(request, people, membership.take_away, reason=request.POST.get("reason", ""))

    def _each(self, request: HttpRequest, people: QuerySet[User], act: Any, **wanted: Any) -> None:
        try:
            for user_id in people.values_list("pk", flat=True):
                act(user_id=user_id, by=request.user.pk, at=now(), **wanted)
        except InvalidInput as refused:
            self.message_user(request, refused.extra["errors"][0]["detail"], messages.ERROR)


@admin.register(Session)
class SessionAdmin(LookOnlyAdmin):
    """Sessions of people."""

    list_display = ("user", "started_at", "last_seen_at", "address", "user_agent", "mfa_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("user__email",)
    ordering = ("-started_at",)
    exclude = ("pending_totp",)
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """For the action below."""
        return bool(request.user.has_perm("identity.change_session"))

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[Session]) -> None:
        """End these sessions now."""
        for session_id in chosen.values_list("pk", flat=True):
            sessions.revoke_session(session_id=session_id, reason="signed_out_by_staff", at=now())
