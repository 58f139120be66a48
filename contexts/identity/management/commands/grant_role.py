"""`manage.py grant_role EMAIL ROLE…`: how the first operator of an installation comes to be."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from contexts.identity import roles, rules
from contexts.identity.models import User


class Command(BaseCommand):
    """Give registered people roles."""

    help = "Give registered people roles. A staff role opens the administration to them."

    def add_arguments(self, parser: CommandParser) -> None:
        """Who, and which role; then whoever else."""
        parser.add_argument("grants", nargs="+", metavar="EMAIL ROLE")

    def handle(self, *args: Any, **options: Any) -> None:
        """Grant, or say who is not registered."""
        words = options["grants"]
        if len(words) % 2:
            raise CommandError("Each address is followed by a role.")
        for email, role in zip(words[::2], words[1::2], strict=True):
            self._grant(email, role)

    def _grant(self, email: str, role: str) -> None:
        if role not in rules.ROLES:
            raise CommandError(f"{role} is no role; there are {', '.join(rules.ROLES)}.")
        person = User.objects.filter(email__iexact=email).first()
        if person is None:
            raise CommandError(f"Nobody is registered as {email}.")
        roles.grant_role(user_id=person.pk, role=role)
        self.stdout.write(f"{email} is {role} from their next sign-in on")
