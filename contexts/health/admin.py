"""What moderators see of health: that a device is connected. Neither its secret nor anything it measured is shown."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.timezone import now

from contexts.health import devices
from contexts.health.models import Device
from kernel.admin import LookOnlyAdmin


@admin.register(Device)
class DeviceAdmin(LookOnlyAdmin):
    list_display = ("device_id", "user_id", "kind", "connected_at", "revoked_at")
    list_filter = ("kind", ("revoked_at", admin.EmptyFieldListFilter))
    search_fields = ("=device_id", "=user_id")
    ordering = ("-connected_at",)
    fields = ("device_id", "user_id", "kind", "connected_at", "revoked_at")
    readonly_fields = fields
    actions = ("revoke",)

    @admin.action(description="Revoke the selected devices", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        """Stop these devices; their owners connect them anew."""
        for device in queryset:
            devices.revoke_device(device_id=device.device_id, by=None, at=now())

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether this moderator's role may stop devices."""
        return bool(request.user.has_perm("health.change_device"))
