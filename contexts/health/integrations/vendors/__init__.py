"""The adapters, one module each, and which vendors this installation knows."""

from functools import cache
from urllib.parse import urlsplit

from django.conf import settings

from contexts.health.integrations.contract import Adapter, Vendor
from contexts.health.integrations.vendors.fitbit import Fitbit
from contexts.health.integrations.vendors.open_push import OpenPush
from contexts.health.integrations.vendors.withings import Withings
from kernel.errors import NotFound, Refused

ADAPTERS: dict[str, type[Adapter]] = {"withings": Withings, "fitbit": Fitbit, "open_push": OpenPush}


class VendorNotConfigured(Refused):
    """This installation has no contract with this vendor."""

    status = 503


def configured() -> dict[str, Adapter]:
    """The vendors the operator has named, by name."""
    return {known["name"]: _adapter(**known) for known in settings.INTEGRATIONS}


def known() -> dict[str, type[Adapter]]:
    """Every vendor one can ask about: those that are configured, and those an adapter is written for."""
    built_in = {name: adapter for name, adapter in ADAPTERS.items() if adapter.authorize_url}
    return built_in | {name: type(adapter) for name, adapter in configured().items()}


def adapter_of(name: str) -> Adapter:
    """The adapter of a vendor; raises `NotFound`, and `VendorNotConfigured` where nobody has named it."""
    found = configured().get(name)
    if found is None:
        raise VendorNotConfigured if name in ADAPTERS and ADAPTERS[name].authorize_url else NotFound
    return found


@cache
def _adapter(**known: str) -> Adapter:
    kind = ADAPTERS[known.pop("adapter", known["name"])]
    api_url = known.pop("api_url", kind.api_url).rstrip("/")
    authorize_url = known.pop("authorize_url", kind.authorize_url) or f"{api_url}/oauth/authorize"
    if not urlsplit(api_url).hostname:
        raise ValueError(f"the vendor {known['name']} needs an api_url")
    vendor = Vendor(api_url=api_url, authorize_url=authorize_url, **{"label": kind.label} | known)
    return kind(vendor)
