"""Celery: long work and the clock. A message is only a wake-up; the truth is a row in PostgreSQL."""

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from celery import Celery
from celery.signals import task_postrun, worker_process_init
from django.conf import settings

from kernel.databases import release_connections
from kernel.memory import settle_in

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("stayer")
app.set_default()  # else a room of tasks imported before this one makes an app of its own for all other threads
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def schedule() -> dict[str, dict[str, Any]]:
    """What every context does by the clock: the `EVERY` of its `tasks.py`, seconds by task."""
    rooms = [f"contexts.{name}.tasks" for name in settings.CONTEXTS if find_spec(f"contexts.{name}.tasks")]
    clocks = [getattr(import_module(room), "EVERY", {}) for room in rooms]
    return {
        task.name: {"task": task.name, "schedule": seconds} for clock in clocks for task, seconds in clock.items()
    }


@worker_process_init.connect
def _settle_in(**_: object) -> None:
    """A worker's process has imported all contexts by now."""
    settle_in()


@task_postrun.connect
def _release_connections(**_: object) -> None:
    """Give the worker's connections to all the contexts' databases back between two tasks."""
    release_connections()
