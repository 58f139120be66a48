"""Accounts at vendors: what the API's description of them is tried with."""

import atexit
import functools
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from django.conf import settings

from contexts.health.integrations import connecting
from tests.health.vendors import Open, Vendor, Withings, serving

_running = ExitStack()
atexit.register(_running.close)


@functools.cache
def vendors() -> dict[str, Vendor]:
    """Vendors that do as they have published, as long as this process lives."""
    made = {vendor.name: _running.enter_context(serving(vendor)) for vendor in (Withings(), Open())}
    settings.INTEGRATIONS = [vendor.settings for vendor in made.values()]
    return made


class Integrations:
    """Anna's; each is made when it is first asked for."""

    def __init__(self, world: Any) -> None:
        self.world = world

    def id_for(self, name: str, operation_id: str) -> str | None:
        """What an operation should name; None where it is none of ours."""
        if name == "connection_id":
            return self.connection_id
        if name == "vendor":
            vendors()
            return "withings"
        if name == "token" and operation_id in ("check_webhook", "receive_webhook", "receive_callback"):
            return connecting.webhook_token("withings")
        return None

    @cached_property
    def connection_id(self) -> str:
        """Anna's account at Withings."""
        made = self.world.made("health/integrations/complete", self._returned_from("withings"))
        return str(made["connection_id"])

    def _returned_from(self, name: str) -> dict[str, str]:
        vendor = vendors()[name]
        begun = self.world.made("health/integrations", {"vendor": name})
        code = vendor.let_in(begun["authorization_url"], str(secrets.randbelow(10**9)))
        return {"state": begun["state"], "code": code}

    def calls(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """Requests that must succeed."""

        def begin() -> dict[str, Any]:
            vendors()
            return {"body": {"vendor": "glucometers"}}

        until = datetime.now(UTC)
        span = {
            name: int(at.timestamp()) for name, at in (("startdate", until - timedelta(hours=1)), ("enddate", until))
        }
        ping = {"userid": "1", "appli": 1, **span}
        return {
            "connect_vendor": begin,
            "complete_connection": lambda: {"body": self._returned_from("glucometers")},
            "set_source_order": lambda: {"body": {"kind": "vital", "device_ids": [self.world.strap.device_id]}},
            "receive_webhook": lambda: {"body": ping, "media_type": "application/x-www-form-urlencoded"},
        }
