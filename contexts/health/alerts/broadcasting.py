"""Alerts, live: frames for the person they are about. They say that there is one, never of what."""

from functools import partial
from typing import Any
from uuid import UUID

from contexts.health.models import Alert
from kernel.databases import run_after_commit
from kernel.realtime import push


def group_of(user_id: UUID) -> str:
    """The name under which a person's sockets listen to their alerts."""
    return f"health.alerts.{user_id}"


def tell(alert: Alert) -> None:
    """Say to a person's sockets how an alert stands, once it is real."""
    run_after_commit(partial(push, group_of(alert.user_id), {"type": "alert", **frame_of(alert)}))


def frame_of(alert: Alert) -> dict[str, Any]:
    """An alert without anything that was measured."""
    return {
        "alert_id": alert.alert_id,
        "state": str(alert.state),
        "severity": str(alert.severity),
        "ignores_quiet_hours": alert.severity == "critical",
    }
