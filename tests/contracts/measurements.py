"""Devices, their papers and entries by hand: what the API's description of health is tried with."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from contexts.identity.rules import CONSENTS

CERTIFICATION = {"standard": "ISO 81060-2", "number": "C-77", "valid_from": "2026-01-01"}


class Measurements:
    """Anna's; each is made when it is first asked for."""

    def __init__(self, world: Any) -> None:
        self.world = world

    def id_for(self, name: str, operation_id: str) -> str | None:
        """What an operation on health should name; None where it is none of ours."""
        if name == "metric":
            return "heart_rate"
        if name in ("entry_id", "certification_id"):
            return str(getattr(self, name))
        return None

    @cached_property
    def entry_id(self) -> str:
        """A weight of Anna's."""
        return str(self.world.made("health/entries", {"stream": "body_mass", **self._weight(62)})["entry_id"])

    @cached_property
    def certification_id(self) -> str:
        """A certification of her strap."""
        path = f"health/devices/{self.world.strap.device_id}/certifications"
        return str(self.world.made(path, CERTIFICATION)["certification_id"])

    def _weight(self, value: float) -> dict[str, Any]:
        return {"value": value, "time": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(), "unit": "kg"}

    def _code(self) -> str:
        """With which Boris hands his watch on."""
        boris, made = self.world.boris, self.world.made
        agreed = {"purpose": "health_processing", "version": CONSENTS["health_processing"], "given": True}
        made("identity/consents", agreed, by=boris)
        watch = made("health/devices", {"name": "Watch", "kind": "watch"}, by=boris)["device_id"]
        return str(made(f"health/devices/{watch}/handover", by=boris)["code"])

    def calls(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """Requests that must succeed."""
        now = datetime.now(UTC)
        curve = {"stream": "heart_rate", "points": [{"measured": 60, "true": 61}], "valid_from": now.isoformat()}
        span = {"from": (now - timedelta(hours=1)).isoformat(), "to": now.isoformat()}
        return {
            "change_device": lambda: {"body": {"name": "New strap", "lost": False}},
            "take_over_device": lambda: {"body": {"code": self._code(), "name": "Watch"}},
            "connect_bridge_device": lambda: {
                "body": {"key": "C0:57:00:0A:00:01", "name": "Strap", "kind": "chest_strap"}
            },
            "tell_device_information": lambda: {"body": {"maker": "Polar", "model": "H10"}},
            "add_certification": lambda: {"body": CERTIFICATION},
            "calibrate_device": lambda: {"body": curve},
            "read_metric": lambda: {"query": span | {"unit": "Hz"}},
            "enter_metric": lambda: {"body": {"stream": "body_mass", **self._weight(61)}},
            "change_entry": lambda: {"body": self._weight(63)},
        }
