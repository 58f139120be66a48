"""Health's front door. Neighbours see plausible readings only; what is in quarantine stays here."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from contexts.health.looking import counting, measurements
from contexts.health.rules import Stream
from kernel.services import service


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One value of a stream as it is to be read, calibrated, in its stored unit; equal times differ by `sequence`."""

    stream: str
    time: datetime
    value: float
    sequence: int
    device: int = 0
    """Tells one device from another; no more than that."""


@dataclass(frozen=True, kw_only=True)
class CountedEnergy:
    """Kilojoules that a fitness machine has counted, from the first to the last thing it said of them."""

    kilojoules: float
    first_at: datetime
    last_at: datetime


@service
def get_readings(
    *, user_id: UUID, streams: list[str], since: datetime, until: datetime, limit: int = 20_000
) -> list[Reading]:
    """A person's readings from `since` to before `until`, oldest first, at most `limit`.

    Streams this version does not know have no readings.
    """
    wanted = [Stream[name] for name in streams if name in Stream.__members__]
    found = measurements.readings_between(user_id=user_id, streams=wanted, since=since, until=until, limit=limit)
    return [
        Reading(
            stream=row.stream.name, time=row.time, value=row.value, sequence=row.sequence, device=row.device_number
        )
        for row in found
    ]


@service
def get_counted_energy(*, user_id: UUID, since: datetime, until: datetime) -> CountedEnergy | None:
    """What the machine that has counted most has counted of a person from `since` to before `until`, if one has."""
    found = counting.energy_counted(user_id=user_id, since=since, until=until)
    if found is None:
        return None
    return CountedEnergy(kilojoules=found.kilojoules, first_at=found.first_at, last_at=found.last_at)


@service
def get_batch(*, batch_id: UUID) -> list[Reading]:
    """The readings a batch brought, oldest first; none if there is no such batch."""
    return _batches([batch_id]).get(batch_id, [])


@service
def get_batches(*, batch_ids: list[UUID]) -> dict[UUID, list[Reading]]:
    """The readings each batch brought, oldest first; unknown batches are absent."""
    return _batches(batch_ids)


def _batches(batch_ids: list[UUID]) -> dict[UUID, list[Reading]]:
    found = measurements.readings_of_batches(batch_ids)
    return {
        batch_id: [
            Reading(stream=stream.name, time=time, value=value, sequence=sequence, device=device)
            for stream, time, value, sequence, device in rows
        ]
        for batch_id, rows in found.items()
    }
