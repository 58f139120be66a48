"""When nobody reacts: a critical alert that waits too long goes to the person's emergency contact, by mail.

The letter says that an alert waits and whose, and nothing of what was measured.
"""

from datetime import datetime
from uuid import UUID

from django.core.mail import send_mail
from django.db.models import QuerySet
from django.template.loader import render_to_string

from contexts.health.alerts.alerting import State, escalates_at
from contexts.health.events import MedicalAlertEscalated
from contexts.health.models import Alert, EmergencyContact
from kernel.bus import publish
from kernel.databases import unit_of_work
from kernel.errors import InvalidInput, NotFound


def contact_of(user_id: UUID) -> EmergencyContact:
    """Whom a person has named; raises `NotFound` where there is nobody."""
    contact = EmergencyContact.objects.filter(user_id=user_id).first()
    if contact is None:
        raise NotFound
    return contact


@unit_of_work("health")
def name_contact(
    *, name: str, email: str, locale: str, after_minutes: int, agreed: bool, by: UUID, at: datetime
) -> EmergencyContact:
    """Name whom to write to. Open alerts wait for them from now on. They must have agreed to it."""
    if not agreed:
        raise InvalidInput("Your contact must have agreed.", field="agreed", code="contact_must_agree")
    form = {"name": name, "email": email, "locale": locale, "after_minutes": after_minutes, "agreed_at": at}
    contact, _ = EmergencyContact.objects.update_or_create(user_id=by, defaults=form)
    for alert in _waiting(by).select_for_update():
        alert.escalate_at = escalates_at(alert, at=at)
        alert.save(update_fields=["escalate_at"])
    return contact


@unit_of_work("health")
def forget_contact(*, by: UUID) -> None:
    """Write to nobody any more."""
    EmergencyContact.objects.filter(user_id=by).delete()
    _waiting(by).update(escalate_at=None)


def _waiting(user_id: UUID) -> QuerySet[Alert]:
    return Alert.objects.filter(user_id=user_id, state=State.OPEN, escalated_at=None)


@unit_of_work("health", isolation="read committed")
def escalate_due(*, at: datetime, limit: int = 200) -> int:
    """Announce what has waited too long, each alert once. Returns how many."""
    due = Alert.objects.filter(state=State.OPEN, escalate_at__lte=at)
    found = list(due.select_for_update(skip_locked=True)[:limit])
    for alert in found:
        alert.escalated_at, alert.escalate_at = at, None
        alert.save(update_fields=["escalated_at", "escalate_at"])
        publish(MedicalAlertEscalated(alert_id=alert.pk, user_id=alert.user_id, occurred_at=at))
    return len(found)


def write_to_contact(*, user_id: UUID, name: str) -> None:
    """Mail the emergency contact of a person of this name, if there still is one."""
    contact = EmergencyContact.objects.filter(user_id=user_id).first()
    if contact is None:
        return
    text = render_to_string(f"health/mails/alert_waits.{contact.locale}.txt", {"to": contact.name, "name": name})
    subject, _, body = text.strip().partition("\n")
    send_mail(subject=subject, message=body.lstrip(), from_email=None, recipient_list=[contact.email])
