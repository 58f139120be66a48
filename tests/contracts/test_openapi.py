"""The API's description: complete without a warning, and changed on purpose only."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

SNAPSHOT = Path(__file__).with_name("openapi.json")
REFRESH = "python manage.py spectacular --format openapi-json --file tests/contracts/openapi.json"


@pytest.fixture
def generated() -> Iterator[Any]:
    """The document, made afresh, with what its making had to say counted."""
    GENERATOR_STATS.reset()
    yield SchemaGenerator().get_schema(request=None, public=True)
    GENERATOR_STATS.reset()


def test_the_description_has_no_warning(generated: Any) -> None:
    assert list(GENERATOR_STATS._warn_cache) == []
    assert list(GENERATOR_STATS._error_cache) == []


def test_the_description_is_valid_openapi(generated: Any) -> None:
    validate_schema(generated)


def test_the_snapshot_is_current(generated: Any) -> None:
    """Reading the difference of the snapshot is how a change of the API is reviewed."""
    current = json.loads(json.dumps(generated, default=str))
    assert json.loads(SNAPSHOT.read_text()) == current, f"Meant? Then refresh the snapshot: {REFRESH}"


def test_every_operation_is_explained(generated: Any) -> None:
    mute = [
        operation["operationId"]
        for item in generated["paths"].values()
        for operation in item.values()
        if len(operation.get("description", "").split("\n\n")) < 2
    ]
    assert mute == []
