"""`manage.py check_invariants`: run every registered invariant; exit code 1 if one is broken."""

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from kernel.observability import invariants


class Command(BaseCommand):
    """Each context registers queries that must return no row; this runs them all."""

    help = "Check that everything that must always hold does hold."

    def add_arguments(self, parser: CommandParser) -> None:
        """`--json` for programs."""
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print each invariant with its first violations."""
        results = [(one, one.violations()) for one in invariants()]
        if options["json"]:
            rows = [{"context": i.context, "id": i.id, "sentence": i.sentence, "violations": v} for i, v in results]
            self.stdout.write(json.dumps(rows, default=str, indent=1))
        else:
            for one, violations in results:
                self.stdout.write(f"{'BROKEN' if violations else 'holds ':6}  {one.context}.{one.id}  {one.sentence}")
                for violation in violations:
                    self.stdout.write(f"        {violation}")
        if any(violations for _, violations in results):
            sys.exit(1)
