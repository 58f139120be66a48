"""Finds the rooms of every context by their names when Django starts."""

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class KernelConfig(AppConfig):
    """Django's entry to the kernel: its tables exist in every context's database."""

    name = "kernel"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import each context's `events`, `handlers` and `invariants`, where it has them."""
        autodiscover_modules("events", "handlers", "invariants")
