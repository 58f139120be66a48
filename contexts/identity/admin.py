"""Identity for moderators and operators: look, block, and end sessions. Nothing is edited by hand."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.timezone import now

from contexts.identity import blocking, roles, sessions
from contexts.identity.models import Session, User
from kernel.admin import LookOnlyAdmin

PHYSIOLOGY = ("birth_date", "sex", "body_mass_kg", "hr_max")


@admin.register(User)
class UserAdmin(LookOnlyAdmin):
    """People. What is medical about them is for those who hold `view_physiology` alone."""

    list_display = ("display_name", "email", "membership", "roles", "is_active", "registered_at")
    list_filter = ("is_active", "membership", "is_staff")
    search_fields = ("display_name", "email")
    ordering = ("-registered_at",)
    actions = ("block", "unblock", "sign_out_everywhere", "make_moderator", "unmake_moderator")
    fields = (
        "id",
        "display_name",
        "email",
        *PHYSIOLOGY,
        "time_zone",
        "locale",
        "profile_visibility",
        "workout_visibility",
        "membership",
        "roles",
        "is_active",
        "registered_at",
        "last_login",
    )

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Sequence[Any]:
        """Physiology is left out for those who may not see it."""
        if request.user.has_perm("identity.view_physiology"):
            return self.fields
        return [field for field in self.fields if field not in PHYSIOLOGY]

    def has_block_permission(self, request: HttpRequest) -> bool:
        """For actions declared with `permissions=["block"]`."""
        return bool(request.user.has_perm("identity.block_user"))

    def has_appoint_permission(self, request: HttpRequest) -> bool:
        """For actions declared with `permissions=["appoint"]`: superusers alone."""
        return bool(request.user.is_superuser)

    @admin.action(description="Block", permissions=["block"])
    def block(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """Members only: staff are blocked by superusers."""
        chosen = people if request.user.is_superuser else people.filter(is_staff=False)
        for user_id in chosen.values_list("pk", flat=True):
            blocking.block_person(user_id=user_id, at=now())
        self.message_user(request, f"Blocked: {len(chosen)}.", messages.SUCCESS)

    @admin.action(description="Unblock", permissions=["block"])
    def unblock(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """Let them sign in again."""
        chosen = people if request.user.is_superuser else people.filter(is_staff=False)
        for user_id in chosen.values_list("pk", flat=True):
            blocking.unblock_person(user_id=user_id)

    @admin.action(description="Sign out everywhere", permissions=["block"])
    def sign_out_everywhere(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """End all their sessions."""
        for user_id in people.values_list("pk", flat=True):
            sessions.revoke_all_sessions(user_id=user_id, at=now())

    @admin.action(description="Make moderator", permissions=["appoint"])
    def make_moderator(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """They may moderate, and see nothing medical."""
        for user_id in people.values_list("pk", flat=True):
            roles.grant_role(user_id=user_id, role="moderator")

    @admin.action(description="Moderator no longer", permissions=["appoint"])
    def unmake_moderator(self, request: HttpRequest, people: QuerySet[User]) -> None:
        """Take the role away."""
        for user_id in people.values_list("pk", flat=True):
            roles.withdraw_role(user_id=user_id, role="moderator")


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
            sessions.revoke_session(session_id=session_id, at=now())
