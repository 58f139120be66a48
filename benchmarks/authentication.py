"""What signing in costs a request: the same view with and without it, in one process served like ours.

Each pair of addresses answers the same bytes through all of our middleware and `Endpoint`. One is open to everybody;
the other verifies the token, asks Redis whether its session lives, and admits members only. The first pair does
nothing else, so there that question, a round trip to another process, weighs most; the second reads one row.
"""

import statistics
from typing import Any

from django.db import connections
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from benchmarks.figures import Figure, in_turns
from benchmarks.load import load, request
from benchmarks.people import Person, people
from benchmarks.programs import web_server
from kernel.access import anyone, member
from kernel.http import Endpoint

PEOPLE = 200
CONNECTIONS = 4
REQUESTS_A_ROUND = 4_000
ROUNDS = 7
TARGET = 0.8


class Open(Endpoint):
    """Answers everybody."""

    access = anyone

    def get(self, request: Request) -> Response:
        """Say hello."""
        return Response({"hello": "world"})


class OpenRow(Endpoint):
    """Answers everybody with a row of a table."""

    access = anyone

    def get(self, request: Request) -> Response:
        """Read the row that was asked for."""
        with connections["default"].cursor() as cursor:
            cursor.execute("SELECT locale FROM identity_user WHERE id = %s", [request.query_params["id"]])
            return Response({"locale": cursor.fetchone()[0]})


class Members(Open):
    """Answers members."""

    access = member


class MembersRow(OpenRow):
    """Answers members with a row of a table."""

    access = member


urlpatterns = [
    path("open", Open.as_view()),
    path("members", Members.as_view()),
    path("open-row", OpenRow.as_view()),
    path("members-row", MembersRow.as_view()),
]


def application() -> Any:
    """Our application with these two views (a factory for uvicorn)."""
    from django.conf import settings

    from config.asgi import application as ours

    settings.ROOT_URLCONF = __name__
    return ours


def run(*, quick: bool) -> list[Figure]:
    """Measure both pairs in turns."""
    crowd = people(PEOPLE)
    with web_server("benchmarks.authentication:application", "--factory") as port:
        bare = _pair(port, crowd, suffix="", quick=quick)
        row = _pair(port, crowd, suffix="-row", quick=quick)
    return [
        _figure(f"a view for members, {PEOPLE} of them", bare, at_least=TARGET),
        _figure("a view for members that reads one row", row, at_least=TARGET),
    ]


def _pair(port: int, crowd: list[Person], *, suffix: str, quick: bool) -> dict[str, list[float]]:
    times = REQUESTS_A_ROUND // PEOPLE // (10 if quick else 1)
    unsigned, signed_in = [], []
    for person in crowd:
        query, token = f"{suffix}?id={person.user_id}", f"Bearer {person.token}"
        unsigned.append(request("GET", f"/open{query}", X_Padding=token))  # as many bytes to read
        signed_in.append(request("GET", f"/members{query}", Authorization=token))
    return in_turns(
        1 if quick else ROUNDS,
        {
            "open": lambda: load(port, unsigned, times=times, connections=CONNECTIONS).per_second,
            "members": lambda: load(port, signed_in, times=times, connections=CONNECTIONS).per_second,
        },
    )


def _figure(about: str, speeds: dict[str, list[float]], *, at_least: float) -> Figure:
    return Figure(
        about=about,
        ours=statistics.median(speeds["members"]),
        unit="requests/s",
        beside="the same view, open to everybody",
        limit=statistics.median(speeds["open"]),
        at_least=at_least,
        of_ratio=True,
    )
