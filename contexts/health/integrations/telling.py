"""A connection does not work any more: its person is told, once, by an event and to their open sockets."""

from datetime import datetime
from functools import partial
from uuid import UUID

from contexts.health import events
from contexts.health.alerts.broadcasting import group_of
from contexts.health.models import Connection
from kernel.bus import publish
from kernel.databases import run_after_commit, unit_of_work
from kernel.realtime import push

State = Connection.State


@unit_of_work("health")
def needs_reconnect(*, connection_id: UUID, at: datetime) -> None:
    """The vendor lets us in no more: what is to be fetched waits until the person has connected it anew."""
    connection = Connection.objects.select_for_update().filter(pk=connection_id, state=State.CONNECTED).first()
    if connection is None:
        return
    connection.state, connection.told_at, connection.sealed_tokens = State.NEEDS_RECONNECT, at, None
    connection.access_until = connection.next_pull_at = None
    connection.is_subscribed = False
    connection.save()
    publish(
        events.IntegrationNeedsReconnect(
            connection_id=connection.pk, user_id=connection.user_id, vendor=connection.vendor, occurred_at=at
        )
    )
    broadcast(connection)


def broadcast(connection: Connection) -> None:
    """Say to the person's sockets how a connection stands, once it is real."""
    frame = {"type": "integration", "connection_id": connection.pk, "state": str(connection.state)}
    run_after_commit(partial(push, group_of(connection.user_id), frame))
