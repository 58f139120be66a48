"""Django's admin with the operators' own site."""

from importlib import import_module

from django.contrib.admin.apps import AdminConfig


class OperatorsAdmin(AdminConfig):
    """`django.contrib.admin` with `config.admin.OperatorsSite` as its site."""

    default_site = "config.admin.OperatorsSite"

    def ready(self) -> None:
        """Load the admin screens, and the Celery app that `@shared_task` binds to in this process."""
        super().ready()
        import_module("config.celery")
