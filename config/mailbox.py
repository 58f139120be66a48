"""A mailbox on disk, for installations that have no mail server yet: what would be sent can be read on a page.

One file a message, for its owner's eyes, the newest 500 kept. The page at `/demo-mail` exists in demo mode only.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from kernel.models import uuid7

KEPT = 500


class MailboxBackend(BaseEmailBackend):
    """`EMAIL_BACKEND` that leaves each message in `settings.MAILBOX`."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write the messages; answers how many."""
        for message in email_messages:
            leave(message)
        return len(email_messages)

    def forget(self, *, to: str) -> int:
        """Remove what was sent to an address: a person is being erased."""
        return forget(to=to)


def leave(message: EmailMessage) -> None:
    """Put one message into the mailbox, and let go of the oldest."""
    folder = Path(settings.MAILBOX)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    known = {
        "id": str(uuid7()),
        "to": message.recipients(),
        "subject": str(message.subject),
        "body": str(message.body),
    }
    coming = folder / f"{known['id']}.coming"
    with os.fdopen(os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(known, file)
    coming.rename(coming.with_suffix(".json"))
    for old in sorted(folder.glob("*.json"))[:-KEPT]:
        old.unlink(missing_ok=True)


def messages(*, to: str = "") -> list[dict[str, Any]]:
    """What lies in the mailbox, the newest first; for one address, if it is given."""
    found = [json.loads(file.read_text()) for file in sorted(Path(settings.MAILBOX).glob("*.json"), reverse=True)]
    return [message for message in found if not to or to.lower() in [address.lower() for address in message["to"]]]


def forget(*, to: str) -> int:
    """Remove what was sent to an address; answers how many messages that were."""
    gone = messages(to=to)
    for message in gone:
        (Path(settings.MAILBOX) / f"{message['id']}.json").unlink(missing_ok=True)
    return len(gone)
