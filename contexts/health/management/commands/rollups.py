"""`manage.py rollups`: until when readings are rolled up, and what waits; rolled up now."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db.models import Min

from contexts.health.looking import rolling_up
from contexts.health.models import Invalidation, Rollup, Watermark


class Command(BaseCommand):
    """`status`, `run`."""

    help = "Look at the rollups of readings, or compute now what waits."

    def add_arguments(self, parser: CommandParser) -> None:
        """One sub-command each."""
        jobs = parser.add_subparsers(dest="job", required=True)
        jobs.add_parser("status", help="until when readings are rolled up, and how much is to be computed anew")
        jobs.add_parser("run", help="compute what waits, as the task of each minute does, until nothing does")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the chosen sub-command."""
        if options["job"] == "run":
            self.stdout.write(f"{rolling_up.roll_up()} spans computed")
            return
        watermark = Watermark.objects.first()
        until = f"rolled up until {watermark.until:%Y-%m-%d %H:%M} UTC" if watermark else "nothing is rolled up yet"
        waiting, rollups = Invalidation.objects.count(), Rollup.objects.count()
        oldest = Invalidation.objects.aggregate(oldest=Min("since"))["oldest"]
        since = f", the oldest from {oldest:%Y-%m-%d %H:%M}" if oldest else ""
        self.stdout.write(f"{until}; {rollups} rollups; {waiting} spans wait{since}")
