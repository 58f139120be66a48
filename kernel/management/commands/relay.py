"""`manage.py relay`: the process that hands committed events to their handlers."""

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from kernel.memory import settle_in
from kernel.relay import Relay


class Command(BaseCommand):
    """Runs until it is told to stop; any number of them may run."""

    help = "Relay domain events from the outboxes to the handlers."

    def add_arguments(self, parser: CommandParser) -> None:
        """`--contexts` limits the work; an extracted context relays only its own."""
        parser.add_argument("--contexts", nargs="*", default=settings.CONTEXTS, choices=settings.CONTEXTS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Relay until SIGTERM or SIGINT; the batch in hand is finished first."""
        stop = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: stop.set())
        settle_in()
        Relay(contexts=options["contexts"]).run(stop)
