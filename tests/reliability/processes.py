"""Programs of the chaos tests, to be killed: relays and publishers on the test databases of the suite.

Started once as `python -m tests.reliability.processes`; then each line on its standard input forks a program and
answers its process id, so that a new life costs milliseconds and not the start of Django.
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
    """A second handler, in another database, that never fails."""
    write("social", "count_probe_at_home", event)


def relay() -> None:
    """Relay until killed."""
    relaying.FIRST_PAUSE_S = 0.05
    Relay(contexts=["social", "gamification"]).run(threading.Event())


def publish(log: str, name: str, subjects: str, numbers: str) -> None:
    """Announce numbers per subject, in order, in transactions of varied size; write a line for each commit."""
    dice, until = random.Random(name), int(numbers)
    reached = {f"{name}-{n}": 0 for n in range(int(subjects))}
    with Path(log).open("a", buffering=1) as acknowledged:
        while reached:
            subject = dice.choice(list(reached))
            first = reached[subject]
            last = min(until, first + dice.randint(1, 20))
            acknowledged.write(f"try {subject} {first} {last}\n")
            send(subject=subject, numbers=list(range(first, last)))
            acknowledged.write(f"ok {subject} {first} {last}\n")
            reached[subject] = last
            if last == until:
                del reached[subject]
        acknowledged.write(f"done {name} 0 0\n")


def main() -> None:
    """Fork a program for each line; the children have no parent to wait for them, so none stays a zombie."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    programs = {"relay": relay, "publish": publish}
    for line in sys.stdin:
        program, *arguments = line.split()
        child = os.fork()
        if child == 0:
            programs[program](*arguments)
            os._exit(0)
        print(child, flush=True)


if __name__ == "__main__":
    main()
