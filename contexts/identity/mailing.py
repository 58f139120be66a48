"""Mails to people, and the links in them that are good once.

What a link may do is a row; what travels in the mail is the row's id, signed for its purpose, behind the `#` of a
page's address, where no server log sees it. Rows are made in the unit of work of what asked for them; the mail
itself follows by event, in the person's language.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core import signing
from django.core.mail import get_connection, send_mail
from django.template.loader import render_to_string

from contexts.identity import events, rules
from contexts.identity.models import MailedLink, User
from kernel.bus import publish
from kernel.errors import Refused

PAGES = {"confirm_email": "confirm", "reset_password": "reset", "change_email": "email", "unlock": "unlock"}


class LinkInvalid(Refused):
    """This link is not good any more: it was used, is too old, or was replaced by a newer one."""

    status = 400


def request_link(
    *, person: User, purpose: str, at: datetime, address: str | None = None, door: str = ""
) -> MailedLink:
    """A link for this purpose, on its way by mail; older ones of the purpose die. Inside an open unit of work."""
    MailedLink.objects.filter(user=person, purpose=purpose, used_at__isnull=True).update(used_at=at)
    link = MailedLink.objects.create(
        user=person,
        purpose=purpose,
        address=address or person.email,
        door=door,
        created_at=at,
        expires_at=at + rules.LINK_LIFETIMES[purpose],
    )
    publish(events.MailRequested(user_id=person.pk, link_id=link.pk, occurred_at=at))
    return link


def was_mailed_since(*, person: User, purpose: str, since: datetime) -> bool:
    """Whether such a link was made lately: nobody's mailbox is to be flooded."""
    return MailedLink.objects.filter(user=person, purpose=purpose, created_at__gt=since).exists()


def token_of(link: MailedLink) -> str:
    """What stands behind the `#` of the link."""
    return signing.dumps(str(link.pk), salt=_salt(link.purpose))


def _salt(purpose: str) -> str:
    return f"identity.mail.{purpose}"


def find(*, token: str, purpose: str, at: datetime) -> MailedLink:
    """The living link of a token, not used up; raises `LinkInvalid`."""
    try:
        link_id = signing.loads(token, salt=_salt(purpose))
    except signing.BadSignature:
        raise LinkInvalid from None
    living = MailedLink.objects.select_related("user").filter(
        pk=link_id, purpose=purpose, used_at__isnull=True, expires_at__gt=at, user__is_active=True
    )
    link = living.first()
    if link is None:
        raise LinkInvalid
    return link


def spend(*, token: str, purpose: str, at: datetime) -> MailedLink:
    """Use a link up, exactly once; raises `LinkInvalid`. Inside an open READ COMMITTED unit of work."""
    link = find(token=token, purpose=purpose, at=at)
    if not MailedLink.objects.filter(pk=link.pk, used_at__isnull=True).update(used_at=at):
        raise LinkInvalid
    return link


def send_link(*, link_id: UUID, at: datetime) -> None:
    """Mail a link, unless it has been used or replaced meanwhile."""
    link = MailedLink.objects.select_related("user").filter(pk=link_id, used_at__isnull=True).first()
    if link is None or link.expires_at <= at:
        return
    if link.purpose not in PAGES:
        send_letter("credentials_changed", person=link.user, to=link.address, what="email")
        return
    url = f"{settings.PUBLIC_URL}/account/{PAGES[link.purpose]}#{token_of(link)}"
    send_letter(link.purpose, person=link.user, to=link.address, url=url, lasts=_in_words(link.expires_at - at))


def _in_words(span: timedelta) -> dict[str, int]:
    minutes = round(span.total_seconds() / 60)
    return {"hours": round(minutes / 60)} if minutes > 90 else {"minutes": minutes}


def send_letter(name: str, *, person: User, to: str | None = None, **values: Any) -> None:
    """Mail the template `mails/<name>.<locale>.txt`, whose first line is the subject."""
    known = {"name": person.display_name, "public_url": settings.PUBLIC_URL, **values}
    text = render_to_string(f"identity/mails/{name}.{person.locale}.txt", known)
    subject, _, body = text.strip().partition("\n")
    send_mail(subject=subject, message=body.lstrip(), from_email=None, recipient_list=[to or person.email])


def forget_letters(*, person: User) -> None:
    """Remove what was mailed to a person, where the mail backend keeps what it sends."""
    forget = getattr(get_connection(), "forget", None)
    if forget is not None:
        for address in {person.email, *EmailAddress.objects.filter(user=person).values_list("email", flat=True)}:
            forget(to=address)


def tell_of_emergency(*, user_id: UUID) -> None:
    """Tell a person that staff have opened their medical data; of nothing that is in them."""
    person = User.objects.filter(pk=user_id, is_active=True).first()
    if person is not None:
        send_letter("emergency_access", person=person)


def tell_of_change(*, user_id: UUID, what: str) -> None:
    """Tell a person that a way into their account was changed."""
    person = User.objects.filter(pk=user_id, is_active=True).first()
    if person is not None:
        send_letter("credentials_changed", person=person, what=what)
