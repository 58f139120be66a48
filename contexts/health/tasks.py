"""What health does by the clock."""

from typing import Any
from uuid import UUID

from celery import shared_task
from django.conf import settings
from django.db import connections
from django.utils.timezone import now

from contexts.health.alerts import alerting, escalating, responding, watching
from contexts.health.archive import moving, payloads, tending
from contexts.health.imports import reading, uploads
from contexts.health.integrations import connecting, fetching, planning, receiving
from contexts.health.looking import rolling_up
from contexts.health.models import Alert, Reading
from contexts.health.worn import calibrating, enrolling
from kernel.databases import alias_of
from kernel.timescale.partitions import make_months

MOVING_LASTS_S = 420.0
"""Of the ten minutes a task has; the rest goes on the next day, or by `manage.py archive move`."""


ROLLING_UP_LASTS_S = 50.0
"""Of the minute until the next one; what is left goes on then."""


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
def fetch_from_vendors() -> None:
    """When something is to be fetched, and every 20 s: what vendors have posted is stored, what is due is fetched."""
    receiving.store_posted()
    fetching.fetch_due()


@shared_task(ignore_result=True)
def plan_pulls() -> None:
    """Every minute: those vendors are asked whose time it is (each about every 15 minutes)."""
    planning.plan_due_pulls(at=now())


@shared_task(ignore_result=True)
def tidy_integrations() -> None:
    """Hourly: tokens are given back where the vendor did not answer, ids of what was posted are forgotten."""
    connecting.give_back_later(at=now())
    receiving.forget_posted(at=now())


@shared_task(acks_late=True, ignore_result=True)
def read_import(import_id: str) -> None:
    """Read an uploaded export for a slice of time; what is left goes to the end of the queue."""
    if reading.read_slice(import_id=UUID(import_id), at=now()):
        read_import.delay(import_id)


@shared_task(ignore_result=True)
def wake_unfinished_imports() -> int:
    """Every 30 s: send another wake-up for imports whose last one, or whose worker, was lost."""
    waiting = reading.unfinished(at=now())
    for import_id in waiting:
        read_import.delay(str(import_id))
    return len(waiting)


@shared_task(ignore_result=True)
def forget_abandoned_uploads() -> None:
    """Hourly: uploads nobody goes on with are given up; what is still stored of finished ones is deleted."""
    while uploads.forget_abandoned(at=now()):
        pass
    for import_id in uploads.undeleted(at=now()):
        uploads.delete_upload(import_id=import_id)


@shared_task(ignore_result=True)
def move_old_readings() -> None:
    """Daily: readings of old months become cold files, and what nobody needs of those is swept away."""
    moving.move_old(at=now(), months=settings.COLD_AFTER_MONTHS, within_s=MOVING_LASTS_S)
    payloads.forget_old(at=now())
    tending.sweep(at=now())


@shared_task(ignore_result=True)
def roll_up_readings() -> None:
    """Every minute: what has gone by is rolled up, and what has changed since anew."""
    rolling_up.roll_up(within_s=ROLLING_UP_LASTS_S)


@shared_task(ignore_result=True)
def collect_payloads() -> None:
    """Hourly: request bodies that were kept go to the cold store."""
    payloads.collect(at=now())


EVERY = {
    fetch_from_vendors: 20.0,
    plan_pulls: 60.0,
    tidy_integrations: 3_600.0,
    make_months_for_readings: 86_400.0,
    tell_due_calibrations: 3_600.0,
    forget_unused_codes: 3_600.0,
    attend_to_alerts: 10.0,
    close_silent_alerts: 60.0,
    wake_unfinished_imports: 30.0,
    forget_abandoned_uploads: 3_600.0,
    move_old_readings: 86_400.0,
    collect_payloads: 3_600.0,
    roll_up_readings: 60.0,
}
