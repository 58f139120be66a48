"""`manage.py archive`: cold files of health readings: how many there are, moved now, swept, verified."""

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db.models import Count, Sum
from django.utils.timezone import now

from contexts.health import rules
from contexts.health.archive import moving, payloads, tending
from contexts.health.models.cold import ColdFile


class Command(BaseCommand):
    """`status`, `move`, `collect`, `sweep`, `verify`."""

    help = "Look at the cold files of readings, move old months to them, remove what nobody needs, verify checksums."

    def add_arguments(self, parser: CommandParser) -> None:
        """One sub-command each."""
        jobs = parser.add_subparsers(dest="job", required=True)
        jobs.add_parser("status", help="how many files there are, and how large")
        move = jobs.add_parser("move", help="move old months now, as the daily task does")
        move.add_argument(
            "--months",
            type=int,
            default=settings.COLD_AFTER_MONTHS,
            help=f"how long ago a month must have ended; at least {rules.COLD_AFTER_AT_LEAST}, 0 for none",
        )
        jobs.add_parser("collect", help="bring request bodies that wait to the store now, as the hourly task does")
        jobs.add_parser("sweep", help="remove superseded files and objects nobody knows")
        jobs.add_parser("verify", help="read every file in full; exit code 1 if one is not as it was stored")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the chosen sub-command."""
        getattr(self, f"_{options['job']}")(options)

    def _status(self, options: dict[str, Any]) -> None:
        rows = ColdFile.objects.values("kind", "state").order_by("kind", "state")
        for found in rows.annotate(files=Count("*"), held=Sum("rows"), size=Sum("bytes")):
            told = f"{found['files']:8} files {found['held']:12} rows {found['size']:14} bytes"
            self.stdout.write(f"{found['kind']:10} {found['state']:10} {told}")

    def _move(self, options: dict[str, Any]) -> None:
        self.stdout.write(f"{moving.move_old(at=now(), months=options['months'])} readings moved")

    def _collect(self, options: dict[str, Any]) -> None:
        self.stdout.write(f"{payloads.collect(at=now())} request bodies stored")

    def _sweep(self, options: dict[str, Any]) -> None:
        superseded, orphans = tending.sweep(at=now())
        self.stdout.write(f"{superseded} superseded files and {orphans} orphans removed")

    def _verify(self, options: dict[str, Any]) -> None:
        count = 0
        for file, why in tending.verify():
            self.stdout.write(f"{file.file_id} {file.kind} {file.month:%Y-%m}: {why}")
            count += 1
        self.stdout.write(f"{count} damaged files")
        if count:
            sys.exit(1)
