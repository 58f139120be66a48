"""The manner of every admin screen: rows are read here; what changes them are buttons that call actions."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class LookOnly:
    """For a `ModelAdmin` or an inline: nobody adds, edits or deletes rows behind the product's back."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """No."""
        return False


class LookOnlyAdmin(LookOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """A screen to look at."""
