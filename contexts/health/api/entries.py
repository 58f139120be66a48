"""What people enter by hand. Writing shows no values, so that only looking asks for a second factor."""

from datetime import datetime
from typing import Any

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.health import catalogue, rules
from contexts.health.api.purposes import PURPOSE, own_purpose
from contexts.health.api.readings import METRIC_NAMES
from contexts.health.looking import entering, measurements
from contexts.health.rules import Stream
from kernel.access import member, recent_mfa
from kernel.http import PAGE_PARAMETERS, Endpoint, page, page_of
from kernel.idempotency import idempotent


class EntryForm(serializers.Serializer):
    value = serializers.FloatField(min_value=catalogue.SAID[0], max_value=catalogue.SAID[1])
    unit = serializers.CharField(
        max_length=16, required=False, default=None, allow_null=True, help_text="UCUM; the stored one if unsaid."
    )
    time = serializers.DateTimeField()

    def said(self) -> entering.Said:
        """What was said, once it is known to be valid."""
        return entering.Said(**{name: self.validated_data[name] for name in entering.Said._fields})


class NewEntry(EntryForm):
    stream = serializers.ChoiceField(choices=METRIC_NAMES)


class WrittenEntry(serializers.Serializer):
    entry_id = serializers.UUIDField()
    version = serializers.IntegerField(help_text="Counts the changes of this entry, from 1.")


class EntryItem(WrittenEntry):
    stream = serializers.SerializerMethodField()
    time = serializers.DateTimeField()
    value = serializers.FloatField(source="told", help_text="As it was entered.")
    unit = serializers.CharField()

    def get_stream(self, row: Any) -> str:
        """Its name."""
        return Stream(row.stream).name


class EntryVersionItem(serializers.Serializer):
    version = serializers.IntegerField()
    time = serializers.DateTimeField()
    value = serializers.FloatField(source="told")
    unit = serializers.CharField()
    is_deletion = serializers.BooleanField()
    written_at = serializers.DateTimeField()


class EntryHistory(serializers.Serializer):
    items = EntryVersionItem(many=True)


def _ensure_consent(request: Request) -> None:
    entering.ensure_consent(request.user.user_id)


def _note(request: Request, *, since: datetime, until: datetime) -> None:
    measurements.note_access(
        subject_id=request.user.user_id,
        stream=None,
        since=since,
        until=until,
        by=request.user,
        at=now(),
        purpose=own_purpose(request),
    )


class Entries(Endpoint):
    access = {"GET": recent_mfa, "POST": member}

    @extend_schema(operation_id="list_entries", parameters=[PURPOSE, *PAGE_PARAMETERS], responses=page_of(EntryItem))
    def get(self, request: Request) -> Response:
        """What you have entered by hand, the newest first. Each look is written down."""
        _note(request, since=rules.EARLIEST_ENTRY, until=rules.latest(at=now()))
        own = entering.entries_of(request.user.user_id)
        return Response(page(request, own, order=("-time", "-entry_id"), to_item=lambda row: EntryItem(row).data))

    @extend_schema(operation_id="enter_metric", request=NewEntry, responses={201: WrittenEntry})
    @idempotent("health", prepare=_ensure_consent)
    def post(self, request: Request, _: None) -> Response:
        """Enter a value by hand, in any unit that its metric accepts."""
        form = NewEntry(data=request.data)
        form.is_valid(raise_exception=True)
        made = entering.enter(
            stream=Stream[form.validated_data["stream"]], said=form.said(), by=request.user.user_id, at=now()
        )
        return Response(WrittenEntry(made).data, status=201)


class OneEntry(Endpoint):
    access = {"GET": recent_mfa, "PUT": member, "DELETE": member}

    @extend_schema(operation_id="show_entry", parameters=[PURPOSE], responses=EntryHistory)
    def get(self, request: Request, entry_id: Any) -> Response:
        """Everything an entry has said, the first version first. Each look is written down."""
        found = entering.history_of(entry_id=entry_id, by=request.user.user_id)
        times = [version.time for version in found]
        _note(request, since=min(times), until=max(times))
        return Response(EntryHistory({"items": found}).data)

    @extend_schema(operation_id="change_entry", request=EntryForm, responses=WrittenEntry)
    def put(self, request: Request, entry_id: Any) -> Response:
        """Say something else instead. What it said before stays in its history."""
        form = EntryForm(data=request.data)
        form.is_valid(raise_exception=True)
        _ensure_consent(request)
        changed = entering.change_entry(entry_id=entry_id, said=form.said(), by=request.user.user_id, at=now())
        return Response(WrittenEntry(changed).data)

    @extend_schema(operation_id="delete_entry", request=None, responses={204: None})
    def delete(self, request: Request, entry_id: Any) -> Response:
        """Take an entry back. That it was there stays in its history."""
        entering.delete_entry(entry_id=entry_id, by=request.user.user_id, at=now())
        return Response(status=204)


urlpatterns = [
    path("entries", Entries.as_view()),
    path("entries/<uuid:entry_id>", OneEntry.as_view()),
]
