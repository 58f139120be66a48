"""`manage.py confirm_email EMAIL`: for an installation without a mail server."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.timezone import now

from contexts.identity import confirming
from kernel.errors import NotFound


class Command(BaseCommand):
    """Confirm an address that an operator knows to be right."""

    help = "Confirm a registered address without its mail."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose."""
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        """Confirm, or say who is not registered."""
        try:
            confirming.confirm_by_operator(email=options["email"].lower(), at=now())
        except NotFound:
            raise CommandError(f"Nobody is registered as {options['email']}.") from None
        self.stdout.write(f"{options['email']} is confirmed")
