"""The welcome series (ID-8): a few letters after an account was opened, in the person's language."""

from datetime import datetime
from uuid import UUID

from django.db.models import OuterRef, Subquery

from contexts.identity import mailing, rules
from contexts.identity.models import Consent, ScheduledMail, User
from kernel.databases import unit_of_work

BATCH = 200


@unit_of_work("identity")
def schedule(*, user_id: UUID, at: datetime) -> None:
    """Plan the letters; planning them again changes nothing."""
    if not User.objects.filter(pk=user_id).exists():
        return
    letters = [
        ScheduledMail(user_id=user_id, letter=letter.name, due_at=at + letter.after) for letter in rules.WELCOME
    ]
    ScheduledMail.objects.bulk_create(letters, ignore_conflicts=True)


def send_due(*, at: datetime) -> int:
    """Send what is due; answers how many letters went out."""
    due = ScheduledMail.objects.filter(sent_at__isnull=True, due_at__lte=at)
    return sum(_send(mail_id=mail_id, at=at) for mail_id in due.values_list("pk", flat=True)[:BATCH])


@unit_of_work("identity", isolation="read committed")
def _send(*, mail_id: UUID, at: datetime) -> bool:
    """One letter: claimed, sent, noted. A crash between sending and committing sends it once more."""
    waiting = ScheduledMail.objects.select_for_update(skip_locked=True, of=("self",)).select_related("user")
    mail = waiting.filter(pk=mail_id, sent_at__isnull=True).first()
    if mail is None:
        return False
    is_wanted = mail.user.is_active and (rules.is_service_letter(mail.letter) or _wants_news(mail.user))
    mail.sent_at = at
    mail.save(update_fields=["sent_at"])
    if is_wanted:
        mailing.send_letter(mail.letter, person=mail.user)
    return is_wanted


def _wants_news(person: User) -> bool:
    newest = Consent.objects.filter(user=OuterRef("pk"), purpose="marketing").order_by("-decided_at")
    answer = User.objects.filter(pk=person.pk).values_list(Subquery(newest.values("given")[:1]), flat=True)
    return bool(answer.first())
