"""`manage.py verify_audit`: whether the audit is as it was written."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from contexts.identity import audit
from contexts.identity.models import AuditEntry


class Command(BaseCommand):
    """Walk the chain of digests from its beginning to its head."""

    help = "Verify the audit's chain of digests; exit code 1 names the first position that is not as written."

    def handle(self, *args: Any, **options: Any) -> None:
        """Say that all is well, or where it is not."""
        position = audit.first_bad_position()
        if position is not None:
            raise CommandError(f"The audit is not as it was written, from position {position} on.")
        self.stdout.write(f"{AuditEntry.objects.count()} entries, all as they were written")
