"""Changes made over the API to a session that a phone recorded offline become operations of it (WO-9).

Else the next operation that the phone sends would undo them. The caller holds the athlete's gate.
"""

from datetime import datetime

import msgspec

from contexts.workout.models import Operation, TrainingSession
from contexts.workout.recording import replaying
from kernel.models import uuid7


def note_change(*, session: TrainingSession, what: replaying.FromPhone, at: datetime) -> None:
    """Write one operation more; nothing for a session that was not recorded offline."""
    if session.operations is None:
        return
    Operation.objects.create(
        user_id=session.user_id,
        operation_id=uuid7(),
        session_id=session.pk,
        happened_at=at,
        what=msgspec.to_builtins(what),
        received_at=at,
    )
    session.operations += 1
    session.save(update_fields=["operations"])
