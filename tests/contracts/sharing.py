"""Grants, emergencies, trends and reports: what the API's description of them is tried with."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from contexts.health.sharing import emergencies
from contexts.identity.rules import CONSENTS

GRANT = {"role": "doctor", "metrics": ["heart_rate", "body_mass"], "purposes": ["treatment"]}


class Sharing:
    """Anna's; each is made when it is first asked for."""

    def __init__(self, world: Any) -> None:
        self.world = world

    def id_for(self, name: str, operation_id: str) -> str | None:
        """What an operation should name; None where it is none of ours."""
        if name == "trend":
            return "weight"
        if name == "grant_id":
            return self.offered_id if operation_id == "accept_grant" else self._to_see(operation_id)
        return self.emergency_id if name == "emergency_id" else None

    def _to_see(self, operation_id: str) -> str:
        return self.grant_id if operation_id == "end_grant" else self.received_id

    @cached_property
    def grant_id(self) -> str:
        """What Anna lets Boris see."""
        return str(self.world.made("health/grants", self._offer(self.world.boris))["grant_id"])

    @cached_property
    def offered_id(self) -> str:
        """What Boris offers Anna."""
        boris, made = self.world.boris, self.world.made
        agreed = {"purpose": "health_processing", "version": CONSENTS["health_processing"], "given": True}
        made("identity/consents", agreed, by=boris)
        self.world._enrol(boris)
        return str(made("health/grants", self._offer(self.world.anna), by=boris)["grant_id"])

    @cached_property
    def received_id(self) -> str:
        """What Boris lets Anna see."""
        self.world.made(f"health/grants/{self.offered_id}/acceptance")
        return self.offered_id

    @cached_property
    def emergency_id(self) -> str:
        """What Anna has opened of Boris's."""
        opened = emergencies.open_data(
            subject_id=self.world.boris.user_id,
            reason="Found unconscious after a race.",
            by=self.world.anna.user_id,
            mfa_at=datetime.now(UTC),
        )
        return str(opened.pk)

    def _offer(self, whom: Any) -> dict[str, Any]:
        expires = (datetime.now(UTC) + timedelta(days=30)).isoformat()
        return GRANT | {"grantee_id": str(whom.user_id), "expires_at": expires}

    def calls(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """Requests that must succeed."""
        now = datetime.now(UTC)
        span = {"from": (now - timedelta(hours=1)).isoformat(), "to": now.isoformat()}
        days = {"from": (now - timedelta(days=2)).date().isoformat(), "to": now.date().isoformat()}
        treatment = {"purpose": "treatment"}
        report = days | {"metrics": ["heart_rate", "body_mass"]}
        return {
            "give_grant": lambda: {"body": self._offer(self.world.chloe)},
            "show_metric_trend": lambda: {"query": days | {"bucket": "week"}},
            "show_trend": lambda: {"query": days},
            "read_shared_metric": lambda: {"query": span | treatment},
            "show_shared_metric_trend": lambda: {"query": days | treatment},
            "show_shared_trend": lambda: {"query": days | treatment},
            "read_emergency_metric": lambda: {"query": span},
            "show_emergency_metric_trend": lambda: {"query": days},
            "print_report": lambda: {"body": report},
            "export_fhir": lambda: {"body": report},
            "export_shared_fhir": lambda: {"query": treatment, "body": report},
        }
