"""Norms, alerts and their rules: what the API's description of them is tried with."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings

from contexts.health.models import Alert
from kernel.relay import Relay

RULE = {"metric": "oxygen_saturation", "side": "high", "bound": 99}
CONTACT = {"name": "Ida", "email": "ida@example.org", "agreed": True}


class Alerts:
    """Anna's; each is made when it is first asked for."""

    def __init__(self, world: Any) -> None:
        self.world = world

    def id_for(self, name: str, operation_id: str) -> str | None:
        """What an operation should name; None where it is none of ours."""
        if name == "metric" and operation_id == "judge_metric":
            return "body_temperature"
        if name == "rule_id":
            return self.rule_id
        if name == "alert_id":
            return self.alert_id
        return None

    @cached_property
    def rule_id(self) -> str:
        """A bound of Anna's."""
        return str(self.world.made("health/alert-rules", RULE)["rule_id"])

    @cached_property
    def alert_id(self) -> str:
        """An open alert of Anna's."""
        at = (datetime.now(UTC) - timedelta(minutes=2)).isoformat()
        self.world.made("health/entries", {"stream": "body_temperature", "value": 41, "time": at})
        Relay(contexts=settings.CONTEXTS).drain()
        return str(Alert.objects.get(user_id=self.world.anna.user_id, state="open").pk)

    def calls(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """Requests that must succeed."""
        now = datetime.now(UTC)
        span = {"from": (now - timedelta(hours=1)).isoformat(), "to": now.isoformat()}

        def with_contact() -> dict[str, Any]:
            assert self.world.anna.api.put("/api/v1/health/emergency-contact", CONTACT).status_code == 200
            return {}

        return {
            "judge_metric": lambda: {"body": {"value": 37.2, "unit": "Cel"}},
            "list_anomalies": lambda: {"query": span},
            "add_alert_rule": lambda: {"body": RULE | {"metric": "pulse_rate", "bound": 120}},
            "change_alert_rule": lambda: {"body": {"bound": 98, "severity": "critical"}},
            "snooze_alert": lambda: {"body": {"minutes": 10}},
            "comment_on_alert": lambda: {"body": {"text": "После бани"}},
            "name_emergency_contact": lambda: {"body": CONTACT},
            "show_emergency_contact": with_contact,
        }
