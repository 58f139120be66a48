"""Schemathesis over the whole OpenAPI, in process: no 5xx, no undocumented status, answers as described."""

import json
import math
import os
from collections import Counter
from functools import cache
from typing import Any
from unittest import SkipTest

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.generation.feedback import FeedbackSources
from schemathesis.generation.hypothesis.builder import (
    InvalidHeadersExampleMark,
    MissingPathParameters,
)
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.python._constants.orchestrator import make_constants_value_source

from tests.conftest import sign_in
from tests.contracts.test_openapi import SNAPSHOT
from tests.contracts.world import World, meet, right_call, signing
from tests.kernel.tokens import service_authorization

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.timeout(300),
]

CASES = int(os.environ.get("SCHEMATHESIS_CASES", "8"))
"""Random cases an operation, beside those that schemathesis derives from each field's limits."""

DERIVED = int(os.environ.get("SCHEMATHESIS_DERIVED", "30"))
"""At most so many of the cases derived from limits, evenly chosen: some bodies would make thousands."""

load_all_checks()
WANTED = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]
CHECKED = CHECKS.get_by_names(WANTED)
API = schemathesis.openapi.from_dict(json.loads(SNAPSHOT.read_text()))
API.app = signing
OPERATIONS = {result.ok().definition.raw["operationId"]: result.ok() for result in API.get_all_operations()}


@pytest.fixture
def world(transactional_db: None) -> World:
    """A fresh world for each operation."""
    return World.anew()


def credentials(operation: Any, world: World, by: Any = None) -> dict[str, str]:
    """What an operation asks for: a device's signature, or Anna's token."""
    (demanded, *_) = [name for scheme in operation.definition.raw.get("security", [{}]) for name in scheme] or [""]
    bearer = {"Authorization": f"Bearer {(by or world.anna).api.token}"}
    service = {"Authorization": service_authorization(audience="identity")}
    return {"": {}, "deviceSignature": {"Authorization": "Device"}, "service": service, "bearer": bearer}[demanded]


@cache
def feedback() -> FeedbackSources:
    """The values the platform's own source compares with: to find them once takes seconds, and much memory."""
    return FeedbackSources(constants_value_source=make_constants_value_source(API))


def tried(operation_id: str) -> Any:
    """A test of one operation, whose cases are made when it runs: all at once they fill gigabytes of each worker."""

    def no_request_breaks_it(world: World) -> None:
        @settings(
            max_examples=CASES, derandomize=True, database=None, deadline=None, suppress_health_check=HealthCheck
        )
        def one_case(case: Any) -> None:
            case.path_parameters = meet(world, case.path_parameters or {}, operation_id)
            if operation_id == "logout":
                world.anna.api.token = sign_in(world.elif_.email)["access"]
            response = case.call(headers=credentials(case.operation, world))
            case.validate_response(response, checks=CHECKED)

        all_cases = build_operation_test(
            config=API.config,
            operation=OPERATIONS[operation_id],
            test_func=one_case,
            given_kwargs={},
            feedback=feedback(),
        )
        derived = getattr(all_cases, "hypothesis_explicit_examples", [])
        if len(derived) > DERIVED:
            all_cases.hypothesis_explicit_examples = derived[:: math.ceil(len(derived) / DERIVED)]
        try:
            all_cases()
        except SkipTest as nothing:
            pytest.fail(f"no case could be made: {nothing}")
        for untried in (InvalidHeadersExampleMark, MissingPathParameters):
            assert untried.get(all_cases) is None

    return no_request_breaks_it


# By name and not by one parametrized function: its items would share a node id, and xdist would run only one of them.
for _operation_id in OPERATIONS:
    globals()[f"test_p3_no_request_breaks_{_operation_id}"] = tried(_operation_id)


NOT_DESCRIBED = {
    "remove_totp": "OpenAPI knows no body of a DELETE; tests/identity/test_second_factor.py sends it",
    "receive_callback": "signed over its bytes; tests/health/test_integrations.py sends it",
    "note_payment": "signed over its bytes; the payment sandbox sends it in tests/booking/test_booking.py",
}


DESCRIBED = sorted(OPERATIONS.keys() - NOT_DESCRIBED.keys())
READING = [operation_id for operation_id in DESCRIBED if OPERATIONS[operation_id].method == "get"]


def assert_succeeds_as_described(operation_id: str, world: World) -> None:
    """The right call is answered as the document says."""
    operation, right = OPERATIONS[operation_id], right_call(world, operation_id)
    (names,) = [{p["name"] for p in operation.definition.raw.get("parameters", []) if p["in"] == "path"}]
    path = {name: "daily" if name == "period" else world.id_for(name, operation_id) for name in names}
    body = {name: right[name] for name in ("body", "media_type") if name in right}
    case = operation.Case(path_parameters=path, query=right.get("query", {}), **body)
    headers = credentials(case.operation, world, right.get("by")) | right.get("headers", {})
    response = case.call(headers=headers)
    assert response.status_code < 300, (operation_id, response.text)
    case.validate_response(response, checks=CHECKED)


def test_every_reading_operation_succeeds_as_described(world: World) -> None:
    for operation_id in READING:  # one world for all: reading changes nothing
        assert_succeeds_as_described(operation_id, world)


@pytest.mark.parametrize("operation_id", [one for one in DESCRIBED if one not in READING])
def test_every_operation_succeeds_as_described(operation_id: str, world: World) -> None:
    assert_succeeds_as_described(operation_id, world)


def test_schemathesis_knows_every_operation() -> None:
    tags = Counter(operation.definition.raw["tags"][0] for operation in OPERATIONS.values())
    assert set(tags) == {"identity", "health", "workout", "social", "gamification", "booking"}
