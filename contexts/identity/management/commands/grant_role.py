"""`manage.py grant_role EMAIL ROLE`: how the first operator of an installation comes to be."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from contexts.identity import roles, rules
from contexts.identity.models import User


class Command(BaseCommand):
    """Give a registered person a role."""

    help = "Give a registered person a role. A staff role opens the administration to them."

    def add_arguments(self, parser: CommandParser) -> None:
        """Who, and which role."""
        parser.add_argument("email")
        parser.add_argument("role", choices=rules.ROLES)

    def handle(self, *args: Any, **options: Any) -> None:
        """Grant, or say who is not registered."""
        person = User.objects.filter(email__iexact=options["email"]).first()
        if person is None:
            raise CommandError(f"Nobody is registered as {options['email']}.")
        roles.grant_role(user_id=person.pk, role=options["role"])
        self.stdout.write(f"{options['email']} is {options['role']} from their next sign-in on")
