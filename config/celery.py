"""Celery: long work and the clock. A message is only a wake-up; the truth is a row in PostgreSQL."""

import os

from celery import Celery
from celery.signals import task_postrun

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("stayer")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@task_postrun.connect
def _release_connections(**_: object) -> None:
    """Give the worker's connections to all the contexts' databases back between two tasks."""
    from kernel.databases import release_connections

    release_connections()
