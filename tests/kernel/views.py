"""A small API of tests: every manner of the kernel's HTTP layer has a view here."""

from django.db import connections
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from kernel.access import RateLimit, anyone, has_role, member, recent_mfa
from kernel.errors import InvalidInput, NotFound, Refused
from kernel.http import Endpoint, decode_cursor, encode_cursor, validated
from kernel.idempotency import idempotent
from tests.kernel.probe import NOON, ProbeSent


class Form(serializers.Serializer):
    """What the echo takes."""

    name = serializers.CharField(max_length=40)
    count = serializers.IntegerField(min_value=0, required=False)


class OutOfTea(Refused):
    """There is no tea left."""

    status = 409


class Echo(Endpoint):
    """Answers what it was sent."""

    access = anyone

    def post(self, request: Request) -> Response:
        return Response({"data": request.data, "at": NOON})


class Validated(Endpoint):
    """Answers the validated form."""

    access = anyone

    def post(self, request: Request) -> Response:
        return Response(validated(Form, request))


class Members(Endpoint):
    """Who am I."""

    access = {"GET": member, "DELETE": has_role("moderator")}

    def get(self, request: Request) -> Response:
        return Response({"user_id": request.user.user_id, "membership": request.user.membership})

    def delete(self, request: Request) -> Response:
        return Response(status=204)


class Medical(Endpoint):
    """Behind a recent second factor."""

    access = recent_mfa

    def get(self, request: Request) -> Response:
        return Response({"pulse": "hidden"})


class Refuses(Endpoint):
    """Says no in several ways."""

    access = anyone

    def get(self, request: Request, how: str) -> Response:
        raise {
            "tea": OutOfTea("All gone.", next_at=NOON),
            "nothing": NotFound(),
            "field": InvalidInput("Too big.", field="size", code="too_big"),
            "bug": RuntimeError("a secret in a traceback"),
        }[how]


class Limited(Endpoint):
    """Ten at once."""

    access = anyone
    limit = RateLimit("10/h", by="address")

    def get(self, request: Request) -> Response:
        return Response({})


class Once(Endpoint):
    """Writes one row a call, in one transaction with the idempotency key."""

    access = member

    @idempotent("social")
    def post(self, request: Request) -> Response:
        from kernel.bus import publish
        from kernel.databases import unit_of_work

        @unit_of_work("social")
        def effect() -> int:
            if request.data.get("refuse"):
                raise OutOfTea
            publish(ProbeSent(subject="once", number=1, occurred_at=NOON))
            with connections["social"].cursor() as cursor:
                cursor.execute("INSERT INTO probe_ledger (handler) VALUES ('once') RETURNING entry")
                return int(cursor.fetchone()[0])

        entry = effect()
        return Response({"entry": entry}, status=201, headers={"Location": f"/entries/{entry}"})


class Cursors(Endpoint):
    """Reads a cursor."""

    access = anyone

    def get(self, request: Request) -> Response:
        cursor = request.query_params.get("cursor") or encode_cursor([NOON, 7])
        return Response({"values": decode_cursor(cursor, length=2), "cursor": cursor})


class Undeclared(Endpoint):
    """Forgot to say who may call it."""

    def get(self, request: Request) -> Response:
        return Response({})


urlpatterns = [
    path("echo", Echo.as_view()),
    path("validated", Validated.as_view()),
    path("members", Members.as_view()),
    path("medical", Medical.as_view()),
    path("refuses/<str:how>", Refuses.as_view()),
    path("limited", Limited.as_view()),
    path("once", Once.as_view()),
    path("cursors", Cursors.as_view()),
    path("undeclared", Undeclared.as_view()),
]

handler404 = "kernel.http.not_found_page"
handler500 = "kernel.http.server_error_page"
