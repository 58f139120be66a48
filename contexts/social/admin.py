"""What moderators see of friendships, the feed and rooms. Nothing is edited here; buttons call actions."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.timezone import now

from contexts.social import moderation
from contexts.social.models import FeedEntry, FriendRequestQuota, Friendship, Membership, Message, Room
from kernel.admin import LookOnly, LookOnlyAdmin


@admin.register(Friendship)
class FriendshipAdmin(LookOnlyAdmin):
    whose = ("user_low", "user_high")
    list_display = ("id", "user_low", "user_high", "state", "asked_by", "asked_at", "settled_at")
    list_filter = ("state",)
    search_fields = ("=user_low", "=user_high")
    ordering = ("-asked_at",)


@admin.register(FriendRequestQuota)
class FriendRequestQuotaAdmin(LookOnlyAdmin):
    whose = ("sender_id",)
    list_display = ("sender_id", "day", "sent")
    list_filter = ("day",)
    search_fields = ("=sender_id",)
    ordering = ("-day", "-sent")


@admin.register(FeedEntry)
class FeedEntryAdmin(LookOnlyAdmin):
    whose = ("author_id",)
    list_display = ("id", "author_id", "sport", "ended_at", "duration_s", "visibility")
    list_filter = ("sport", "visibility")
    search_fields = ("=author_id", "=session_id")
    ordering = ("-ended_at",)


class SeatInline(LookOnly, admin.TabularInline):
    """Who is in a room."""

    model = Membership
    fields = ("user_id", "joined_at", "last_read_seq")
    extra = 0


@admin.register(Room)
class RoomAdmin(LookOnlyAdmin):
    list_display = ("id", "kind", "title", "member_count", "last_seq", "active_at")
    list_filter = ("kind",)
    search_fields = ("=id", "title", "=created_by")
    ordering = ("-active_at",)
    inlines = (SeatInline,)


@admin.register(Message)
class MessageAdmin(LookOnlyAdmin):
    whose, sensitive = ("author_id",), True
    list_display = ("id", "room_id", "seq", "author_id", "text", "sent_at", "hidden_at")
    list_filter = (("hidden_at", admin.EmptyFieldListFilter),)
    search_fields = ("=room__id", "=author_id", "text")
    ordering = ("-sent_at",)
    show_full_result_count = False
    actions = ("hide",)

    @admin.action(description="Hide the selected messages from everybody", permissions=["hide"])
    def hide(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        """Withhold the words of what was ticked."""
        hidden = [
            moderation.hide_message(message_id=message_id, by=request.user.pk, at=now())
            for message_id in queryset.values_list("pk", flat=True)
        ]
        messages.success(request, f"{len(hidden)} hidden.")

    def has_hide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("social.delete_message")
