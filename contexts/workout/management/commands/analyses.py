"""`manage.py analyses`: how far the analyses of sessions are, and all of them anew."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser

from contexts.workout.numbers import recomputing


class Command(BaseCommand):
    """`progress`, `anew`."""

    help = "Look how many sessions wait to be analysed, and why; have all of them analysed anew."

    def add_arguments(self, parser: CommandParser) -> None:
        """One sub-command each."""
        jobs = parser.add_subparsers(dest="job", required=True)
        jobs.add_parser("progress", help="how many sessions wait, and how many hold numbers of old algorithms")
        jobs.add_parser(
            "anew", help="all sessions, for a formula that is new; old versions are recomputed by themselves"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the chosen sub-command."""
        getattr(self, f"_{options['job']}")()

    def _progress(self) -> None:
        found = recomputing.progress()
        for reason, count in found["waiting"].items():
            self.stdout.write(f"waiting {reason:10} {count:8}")
        self.stdout.write(f"of old algorithms {found['behind']:8}")
        self.stdout.write(f"analysed          {found['analysed']:8}")

    def _anew(self) -> None:
        after: UUID | None = None
        marked = 0
        while True:
            count, after = recomputing.mark_next(after=after)
            marked += count
            if after is None:
                break
        self.stdout.write(f"{marked} sessions will be analysed anew")
