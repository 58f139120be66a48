"""Programs of the chaos tests, to be killed: `python -m tests.reliability.processes relay|publish …`.

They work on the test databases of the suite that starts them (`PROBE_DATABASE_URL`).
"""

import os
import random
import signal
import sys
import threading
from pathlib import Path

os.environ["DATABASE_URL"] = os.environ["PROBE_DATABASE_URL"]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from kernel import relay as relaying
from kernel.bus import on
from kernel.relay import Relay
from tests.kernel.probe import ProbeSent, send, write


@on(ProbeSent, context="gamification")
def count_probe(event: ProbeSent) -> None:
    """An effect that fails now and then, as effects do."""
    write("gamification", "count_probe", event)
    if random.random() < 0.0005:
        raise RuntimeError("a passing fault")


@on(ProbeSent, context="social")
def count_probe_at_home(event: ProbeSent) -> None:
    """A second handler, in another database."""
    write("social", "count_probe_at_home", event)


def relay() -> None:
    """Relay until killed."""
    relaying.FIRST_PAUSE_S = 0.05
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Relay(contexts=["social", "gamification"]).run(stop)


def publish(log: str, subject_prefix: str, subjects: int, numbers: int) -> None:
    """Announce numbers per subject, in order, in transactions of varied size; write a line for each commit."""
    acknowledged = Path(log).open("a", buffering=1)
    size = random.Random(subject_prefix)
    start = {f"{subject_prefix}-{n}": 0 for n in range(subjects)}
    while start:
        subject = size.choice(list(start))
        first = start[subject]
        last = min(numbers, first + size.randint(1, 20))
        acknowledged.write(f"try {subject} {first} {last}\n")
        send(subject=subject, numbers=list(range(first, last)))
        acknowledged.write(f"ok {subject} {first} {last}\n")
        start[subject] = last
        if last == numbers:
            del start[subject]


if __name__ == "__main__":
    if sys.argv[1] == "relay":
        relay()
    else:
        publish(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
