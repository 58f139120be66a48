"""What a person does about an alert: they acknowledge it, put it off, write something down."""

from datetime import datetime, timedelta
from uuid import UUID

from contexts.health import rules
from contexts.health.alerts import alerting, broadcasting
from contexts.health.alerts.alerting import State
from contexts.health.models import Alert, AlertComment
from kernel.databases import unit_of_work
from kernel.errors import NotFound, Refused


class AlertClosed(Refused):
    """This alert is over."""


class TooManyComments(Refused):
    """This alert has as many comments as fit."""


def own_alert(*, alert_id: UUID, by: UUID, locked: bool = False) -> Alert:
    """An alert of this person's; raises `NotFound` for any other."""
    rows = Alert.objects.select_for_update() if locked else Alert.objects
    alert = rows.filter(alert_id=alert_id, user_id=by).first()
    if alert is None:
        raise NotFound
    return alert


def comments_of(alert: Alert) -> list[AlertComment]:
    """In the order in which they were written."""
    return list(AlertComment.objects.filter(alert_id=alert.pk).order_by("written_at", "comment_id"))


@unit_of_work("health")
def acknowledge(*, alert_id: UUID, by: UUID, at: datetime) -> Alert:
    """Say that one knows: nobody else is told. Of one that is over it is only written down."""
    alert = own_alert(alert_id=alert_id, by=by, locked=True)
    if alert.acknowledged_at is not None and alert.state != State.SNOOZED:
        return alert
    alert.acknowledged_at = alert.acknowledged_at or at
    if alert.state != State.CLOSED:
        alert.state = State.ACKNOWLEDGED
    alert.escalate_at = alert.snoozed_until = None
    alert.save()
    broadcasting.tell(alert)
    return alert


@unit_of_work("health")
def snooze(*, alert_id: UUID, minutes: int, by: UUID, at: datetime) -> Alert:
    """Put an alert off; if it is not over then, it is open again."""
    alert = own_alert(alert_id=alert_id, by=by, locked=True)
    if alert.state == State.CLOSED:
        raise AlertClosed
    alert.state, alert.snoozed_until, alert.escalate_at = State.SNOOZED, at + timedelta(minutes=minutes), None
    alert.save()
    broadcasting.tell(alert)
    return alert


@unit_of_work("health")
def comment(*, alert_id: UUID, text: str, by: UUID, at: datetime) -> AlertComment:
    """Write something down about an alert."""
    alert = own_alert(alert_id=alert_id, by=by, locked=True)
    if len(comments_of(alert)) >= rules.MAX_COMMENTS:
        raise TooManyComments
    made = AlertComment(alert_id=alert_id, user_id=by, written_at=at)
    made.text = text
    made.save(force_insert=True)
    return made


@unit_of_work("health", isolation="read committed")
def wake(*, at: datetime, limit: int = 200) -> int:
    """Open again what was put off until now. Returns how many."""
    due = Alert.objects.filter(state=State.SNOOZED, snoozed_until__lte=at)
    found = list(due.select_for_update(skip_locked=True)[:limit])
    for alert in found:
        alert.state, alert.snoozed_until, alert.acknowledged_at = State.OPEN, None, None
        alert.escalate_at = None if alert.escalated_at else alerting.escalates_at(alert, at=at)
        alert.save()
        broadcasting.tell(alert)
    return len(found)
