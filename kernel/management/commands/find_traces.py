"""`manage.py find_traces WORD [WORD…]`: where in all our data a word still stands; exit code 1 if anywhere."""

import sys
from itertools import chain
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from kernel.traces import Seeker, traces_in_databases, traces_in_files, traces_in_objects, traces_in_redis


class Command(BaseCommand):
    """The proof of an erasure: whoever doubts it looks for what the person had written."""

    help = "Look for words in every table, key of Redis, file and cold object and, with --path, other files."

    def add_arguments(self, parser: CommandParser) -> None:
        """Words are found in any case."""
        parser.add_argument("words", nargs="+", metavar="WORD")
        parser.add_argument("--path", action="append", type=Path, default=[], help="a file or folder to look into")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print one line a word and place."""
        if missing := [str(path) for path in options["path"] if not path.exists()]:
            raise CommandError(f"There is no {', '.join(missing)}.")
        seeker = Seeker(options["words"])
        places = [path for path in (Path(settings.MEDIA_ROOT), *options["path"]) if path.exists()]
        count = 0
        everywhere = (
            traces_in_databases(seeker),
            traces_in_redis(seeker),
            traces_in_files(seeker, places),
            traces_in_objects(seeker),
        )
        for trace in chain.from_iterable(everywhere):
            self.stdout.write(f"{trace.word}: {trace.place}")
            count += 1
        self.stdout.write(f"{count} traces of {len(options['words'])} words")
        if count:
            sys.exit(1)
