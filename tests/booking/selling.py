"""`python -m tests.booking.selling EVENT LOG USERS…`: strangers who want places, and write down what they are told.

Each line of the log is `try <user>` before, `<user> <answer>` after. Who is not answered asks again: the server may
have been killed, or the database.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import django

THREADS = 8


def main() -> None:
    """Ask for everybody, eight at a time."""
    django.setup()
    from django.db import Error
    from django.utils.timezone import now

    from contexts.booking import reserving, rules
    from contexts.booking.models import TicketType
    from kernel.databases import release_connections
    from kernel.errors import Refused, TryAgain

    sport_event_id, log, users = UUID(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]).read_text().split()
    place = rules.Place(ticket_type_id=TicketType.objects.get(sport_event=sport_event_id).pk, quantity=1)

    def ask(user: str) -> None:
        wish = rules.Wish(user_id=UUID(user), places=(place,))
        written.write(f"try {user}\n")
        while True:
            try:
                reserving.hold_places(sport_event_id=sport_event_id, wish=wish, at=now())
                answer = "held"
            except (TryAgain, Error):
                time.sleep(0.05)
                continue
            except Refused as refused:
                answer = refused.code
            finally:
                release_connections()
            written.write(f"{user} {answer}\n")
            return

    with log.open("a", buffering=1) as written, ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(ask, users))


if __name__ == "__main__":
    main()
