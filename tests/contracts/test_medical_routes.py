"""I5 over all routes: whatever of health shows something is medical, unless it is told here why it is not.

Routes are found, not listed: one that comes tomorrow is medical until somebody says otherwise.
"""

from datetime import timedelta
from typing import Any

import pytest
from django.utils.timezone import now

from contexts.health.models import Access
from contexts.identity import tokens
from contexts.identity.models import Session
from kernel.access import MFA_IS_RECENT
from tests.conftest import Api
from tests.contracts.test_authorisation_matrix import OPERATIONS, Operation, tried
from tests.contracts.world import World, right_call

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.timeout(300),
]

NOT_MEDICAL = {
    "list_metrics": "what can be measured at all",
    "list_norms": "what is normal for everybody",
    "list_trends": "formulas",
    "list_devices": "which devices one has",
    "show_device": "which device it is, and when it was last heard",
    "list_certifications": "papers of a device",
    "list_calibrations": "curves of a device",
    "list_alert_rules": "bounds, and not whether they were crossed",
    "show_emergency_contact": "whom to write to",
    "list_grants": "who may look at what",
    "list_emergency_accesses": "who has broken the glass",
    "list_data_imports": "which exports were uploaded",
    "show_data_import": "how far an export is read",
    "list_data_import_files": "which files of an export were read",
    "check_webhook": "a vendor asks whether the address is ours",
    "list_vendors": "who makes what can be connected",
    "list_connections": "which accounts are connected",
    "show_integration": "how far an account's past is fetched",
    "show_source_orders": "whose word goes first",
}
SHOWN_BY_POST = {"judge_metric", "print_report", "export_fhir", "export_shared_fhir"}
CANARY = 137.0625
"""A weight of Anna's which nothing else of the world is."""


def medical() -> list[Operation]:
    """Every operation of health that shows something and is not told to be harmless."""
    ours = [operation for operation in OPERATIONS if operation.path.startswith("/api/v1/health/")]
    shows = [o for o in ours if o.method == "GET" or o.id in SHOWN_BY_POST]
    return [operation for operation in shows if operation.id not in NOT_MEDICAL]


@pytest.fixture
def world(transactional_db: None) -> World:
    """Anna, who weighs `CANARY`."""
    made = World.anew()
    at = (now() - timedelta(minutes=5)).isoformat()
    made.made("health/entries", {"stream": "body_mass", "value": CANARY, "unit": "kg", "time": at})
    return made


def as_anna(world: World, mfa_at: Any) -> str:
    """Her token, with a second factor shown then."""
    session = Session.objects.filter(user_id=world.anna.user_id, app__isnull=True).earliest("started_at")
    session.mfa_at = mfa_at
    return f"Bearer {tokens.access_token(session, at=now())}"


def answered(operation: Operation, world: World, authorization: str) -> Any:
    """The right call with these credentials."""
    right = right_call(world, operation.id)
    path = operation.address(
        lambda name: (
            "body_mass" if name == "metric" and operation.method == "GET" else world.id_for(name, operation.id)
        )
    )
    headers = {"Authorization": authorization}
    if operation.method == "GET":
        return Api().get(path, headers=headers, data=right.get("query", {}) | {"unit": "kg"})
    query = "&".join(f"{name}={value}" for name, value in right.get("query", {}).items())
    return Api().post(f"{path}?{query}", right.get("body", {}), headers=headers)


def test_i5_no_medical_route_opens_without_a_recent_second_factor(world: World) -> None:
    stale = now() - MFA_IS_RECENT - timedelta(seconds=1)
    wrong = {
        (operation.id, str(mfa_at)): answer.status_code
        for mfa_at in (None, stale)
        for operation in medical()
        if (answer := tried(operation, world, as_anna(world, mfa_at))).status_code != 403
        or answer.json()["code"] != "mfa_required"
    }
    assert len(medical()) >= 18
    assert wrong == {}
    assert not Access.objects.exists()


def test_with_a_recent_second_factor_all_of_them_open_and_looks_are_written_down(world: World) -> None:
    """The negative control: it is the second factor that was missing, and nothing else."""
    authorization = as_anna(world, now())
    silent = {"list_accesses"}  # it shows looks, and nothing that was measured
    for operation in medical():
        before = Access.objects.count()
        answer = answered(operation, world, authorization)
        assert answer.status_code == 200, (operation.id, answer.content)
        assert (Access.objects.count() > before) != (operation.id in silent), operation.id


def test_what_is_not_medical_shows_nothing_that_was_measured(world: World) -> None:
    """And there is no name in the table that no route has. The control: reading the weight does show it."""
    authorization = as_anna(world, None)
    harmless = [operation for operation in OPERATIONS if operation.id in NOT_MEDICAL]
    assert {operation.id for operation in harmless} == set(NOT_MEDICAL)
    for operation in harmless:
        answer = answered(operation, world, authorization)
        assert answer.status_code == 200, (operation.id, answer.content)
        assert str(CANARY) not in answer.content.decode(), operation.id
    (reading,) = [operation for operation in medical() if operation.id == "list_entries"]
    assert str(CANARY) in answered(reading, world, as_anna(world, now())).content.decode()
