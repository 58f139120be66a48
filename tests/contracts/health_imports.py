"""Imports of health data and what phones send: what the API's description of them is tried with."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from contexts.health.models import DataImport
from tests.health import apple_day

IMPORTS = "/api/v1/health/imports"
TO_CHANGE = ("cancel_data_import", "upload_data_import")
"""Operations that an import which is read already is of no use to."""


class HealthImports:
    """Anna's; each is made when it is first asked for."""

    def __init__(self, world: Any) -> None:
        self.world = world

    def id_for(self, name: str, operation_id: str) -> str | None:
        """What an operation should name; None where it is none of ours."""
        if name != "data_import_id":
            return None
        return self.fresh() if operation_id in TO_CHANGE else self.data_import_id

    def fresh(self) -> str:
        """An import of nine bytes that has just begun, in the place of the one before."""
        DataImport.objects.filter(user_id=self.world.anna.user_id, file_name="fresh.xml").delete()
        return str(self.world.made("health/imports", {"file_name": "fresh.xml", "size": 9})["import_id"])

    @cached_property
    def data_import_id(self) -> str:
        """An import of Anna's with a file in it."""
        made = DataImport.objects.create(
            user_id=self.world.anna.user_id,
            file_name="export.xml",
            size=1,
            state=DataImport.State.DONE,
            begun_at=datetime.now(UTC),
            touched_at=datetime.now(UTC),
            finished_at=datetime.now(UTC),
        )
        made.files.create(position=0, path="export.xml", size=1, shape="apple_export", outcome="read")
        return str(made.import_id)

    def calls(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """Requests that must succeed."""
        at = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
        beat = {"uuid": "B1", "type": f"{apple_day.QUANTITY}HeartRate", "startDate": at, "endDate": at}
        steps = {"recordType": "Steps", "startTime": at, "endTime": at, "count": 1, "metadata": {"id": "S1"}}
        return {
            "begin_data_import": lambda: {"body": {"file_name": "export.zip", "size": 1_000}},
            "upload_data_import": lambda: {
                "body": b"<nothing>",
                "media_type": "application/octet-stream",
                "headers": {"Upload-Offset": "0"},
            },
            "send_healthkit_samples": lambda: {
                "body": {"samples": [beat | {"value": 61, "unit": "count/min"}], "deletedObjects": [{"uuid": "B2"}]}
            },
            "send_health_connect_records": lambda: {"body": {"records": [steps], "deletedRecordIds": ["S2"]}},
        }
