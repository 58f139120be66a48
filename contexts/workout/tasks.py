"""What the worker does for workout. A message is only a wake-up: the import's row says what is to be done."""

from uuid import UUID

from celery import shared_task
from django.utils.timezone import now

from contexts.workout import importing


@shared_task(acks_late=True, ignore_result=True)
def read_import(import_id: str) -> None:
    """Turn one import into sessions."""
    importing.read_import(import_id=UUID(import_id), at=now())


@shared_task(ignore_result=True)
def wake_unfinished_imports() -> int:
    """Every 30 s: send another wake-up for imports whose first one, or whose worker, was lost."""
    waiting = importing.unfinished(at=now())
    for import_id in waiting:
        read_import.delay(str(import_id))
    return len(waiting)


EVERY = {wake_unfinished_imports: 30.0}
