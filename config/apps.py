"""What Django starts with: the operators' admin site, and Celery with its clock."""

from django.contrib.admin.apps import AdminConfig


class OperatorsAdmin(AdminConfig):
    """`django.contrib.admin` with `config.admin.OperatorsSite` as its site."""

    default_site = "config.admin.OperatorsSite"

    def ready(self) -> None:
        """Load the admin screens, and the Celery app that `@shared_task` binds to in this process."""
        super().ready()
        from config import celery  # the contexts' tasks need their models, which are loaded by now

        celery.app.conf.beat_schedule = celery.schedule()
