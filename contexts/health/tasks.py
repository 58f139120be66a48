"""What health does by the clock."""

from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import connections
from django.utils.timezone import now

from contexts.health import alerting, calibrating, enrolling, escalating, responding, watching
from contexts.health.archive import moving, payloads, tending
from contexts.health.models import Alert, Reading
from kernel.databases import alias_of
from kernel.timescale.partitions import make_months

MOVING_LASTS_S = 420.0
"""Of the ten minutes a task has; the rest goes on the next day, or by `manage.py archive move`."""


@shared_task(ignore_result=True)
def make_months_for_readings() -> None:
    """Daily: readings of the coming months get their partitions. TimescaleDB does this by itself."""
    connection: Any = connections[alias_of("health")]
    table = Reading._meta.db_table
    if not connection.is_hypertable(table):
        make_months(connection, table=table, column="time", around=now())


@shared_task(ignore_result=True)
def tell_due_calibrations() -> None:
    """Hourly: owners learn that a device wants to be calibrated."""
    while calibrating.tell_due(at=now()):
        pass


@shared_task(ignore_result=True)
def forget_unused_codes() -> None:
    """Hourly: codes which connect nothing any more are forgotten."""
    enrolling.forget_codes(at=now())


@shared_task(ignore_result=True)
def attend_to_alerts() -> None:
    """Every ten seconds: what was put off is open again, what nobody reacts to is escalated."""
    responding.wake(at=now())
    escalating.escalate_due(at=now())


@shared_task(ignore_result=True)
def close_silent_alerts() -> None:
    """Every minute: alerts of which nothing was measured for too long are over."""
    people = Alert.objects.exclude(state=Alert.State.CLOSED).values_list("user_id", flat=True).distinct()
    for user_id in people.order_by("user_id"):
        alerting.close_silent(user_id=user_id, watched=watching.rules_for(user_id=user_id), at=now())


@shared_task(ignore_result=True)
def move_old_readings() -> None:
    """Daily: readings of old months become cold files, and what nobody needs of those is swept away."""
    moving.move_old(at=now(), months=settings.COLD_AFTER_MONTHS, within_s=MOVING_LASTS_S)
    payloads.forget_old(at=now())
    tending.sweep(at=now())


@shared_task(ignore_result=True)
def collect_payloads() -> None:
    """Hourly: request bodies that were kept go to the cold store."""
    payloads.collect(at=now())


EVERY = {
    make_months_for_readings: 86_400.0,
    tell_due_calibrations: 3_600.0,
    forget_unused_codes: 3_600.0,
    attend_to_alerts: 10.0,
    close_silent_alerts: 60.0,
    move_old_readings: 86_400.0,
    collect_payloads: 3_600.0,
}
