"""What signing in with a password costs beside Argon2 alone, and what its time tells about an address: nothing.

Everything runs in this process on one thread, so that the verification of the password, which is meant to be slow,
can be told from what we add to it: the count of failures, the session, its tokens, the events.
"""

import itertools
import statistics
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

from benchmarks.figures import Figure, in_turns

TRIES = 200
ROUNDS = 50
PASSWORD = "Long-enough 4 everyone!"
WRONG = "not-the-password!"
TARGET_RATIO = 1.5
TARGET_DIFFERENCE_MS = 5.0

_networks = itertools.count()


def run(*, quick: bool) -> list[Figure]:
    """The cost of a good sign-in, then the times of refusals by kind of address."""
    return [_cost(3 if quick else ROUNDS), _difference(20 if quick else TRIES)]


def _cost(rounds: int) -> Figure:
    from django.contrib.auth.hashers import check_password

    email, hashed = _account(confirmed=True)
    seconds = in_turns(
        rounds,
        {
            "argon2": lambda: _seconds(partial(check_password, PASSWORD, hashed)),
            "ours": lambda: _seconds(partial(_try, email, PASSWORD)),
        },
    )
    return Figure(
        about="a sign-in with a password, tokens and events included",
        ours=1000 * statistics.median(seconds["ours"]),
        unit="ms",
        beside="ms Argon2's verification alone",
        limit=1000 * statistics.median(seconds["argon2"]),
        at_most=TARGET_RATIO,
        of_ratio=True,
    )


def _difference(tries: int) -> Figure:
    known, unconfirmed = (_account(confirmed=confirmed)[0] for confirmed in (True, False))
    emails = {"known": known, "unknown": f"nobody{time.time_ns()}@example.org", "unconfirmed": unconfirmed}
    passwords = {"known": WRONG, "unknown": WRONG, "unconfirmed": PASSWORD}
    contenders = {kind: partial(_refused, email, passwords[kind]) for kind, email in emails.items()}
    medians = {kind: 1000 * statistics.median(each) for kind, each in in_turns(tries, contenders).items()}
    return Figure(
        about=f"refused sign-ins: what the median of {tries} tries tells about an address",
        ours=max(medians.values()) - min(medians.values()),
        unit="ms",
        at_most=TARGET_DIFFERENCE_MS,
        note=", ".join(f"{kind} {median:.2f} ms" for kind, median in medians.items()),
    )


def _account(*, confirmed: bool) -> tuple[str, str]:
    from django.contrib.auth.hashers import make_password
    from django.utils.timezone import now

    from contexts.identity.models import User
    from kernel.models import uuid7

    email, hashed = f"{uuid7()}@example.org", make_password(PASSWORD)
    User.objects.create(
        email=email,
        password=hashed,
        display_name="Runner",
        birth_date=date(1990, 5, 17),
        confirmed_at=now() if confirmed else None,
    )
    return email, hashed


def _try(email: str, password: str) -> Any:
    from django.utils.timezone import now

    from contexts.identity import signing_in
    from contexts.identity.sessions import Origin

    number = next(_networks)  # each try at a door of its own: none of them is shut
    origin = Origin(address=f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
    return signing_in.sign_in(email=email, password=password, otp=None, origin=origin, at=now())


def _refused(email: str, password: str) -> float:
    from contexts.identity.signing_in import InvalidCredentials

    begun = time.perf_counter()
    try:
        _try(email, password)
    except InvalidCredentials:
        return time.perf_counter() - begun
    raise RuntimeError("somebody got in")


def _seconds(act: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun
