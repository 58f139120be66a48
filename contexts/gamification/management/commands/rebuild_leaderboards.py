"""`manage.py rebuild_leaderboards`: what Redis holds, made again from the ledger."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import now

from contexts.gamification import leaderboards


class Command(BaseCommand):
    """Rebuild the boards which Redis should hold, or compare them with the ledger."""

    help = "Rebuild the leaderboards in Redis from the points ledger; --check compares and changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="compare; exit code 1 if a board differs")

    def handle(self, *args: Any, **options: Any) -> None:
        boards = leaderboards.kept_boards(at=now())
        if not options["check"]:
            for board in boards:
                self.stdout.write(f"{board.period} {board.key}: {leaderboards.rebuild(board)} athletes")
            return
        wrong = 0
        for board in boards:
            found = leaderboards.differences(board)
            said = "not in Redis, built when read" if found is None else f"{found} differences"
            self.stdout.write(f"{board.period} {board.key}: {said}")
            wrong += bool(found)
        if wrong:
            raise CommandError(f"{wrong} of {len(boards)} boards differ from the ledger")
