"""What a person sees of vendors and their accounts there: never a token, never a value."""

from typing import Any

from django.db.models import Count, Min, Q

from contexts.health.integrations import vendors
from contexts.health.models import Connection, Device, Portion


def vendor_items() -> list[dict[str, Any]]:
    """Every vendor one can ask about, and whether this installation has a contract with it."""
    configured = vendors.configured()
    return [
        {
            "vendor": name,
            "label": configured[name].vendor.label if name in configured else adapter.label,
            "available": name in configured,
            "ways": sorted(adapter.ways),
        }
        for name, adapter in sorted(vendors.known().items())
    ]


def item(connection: Connection) -> dict[str, Any]:
    """A connection in a list."""
    adapter = vendors.configured().get(connection.vendor)
    return {
        "connection_id": connection.pk,
        "vendor": connection.vendor,
        "label": adapter.vendor.label if adapter else connection.vendor,
        "state": connection.state,
        "device_id": Device.objects.values_list("device_id", flat=True).get(number=connection.device_number),
        "connected_at": connection.connected_at,
        "synced_at": connection.synced_at,
        "devices": connection.devices,
    }


def detail(connection: Connection) -> dict[str, Any]:
    """A connection, and how far fetching is."""
    adapter = vendors.configured().get(connection.vendor)
    of_the_past = Q(reason=Portion.Reason.BACKFILL)
    counted = Portion.objects.filter(connection_id=connection.pk).aggregate(
        waiting=Count("pk", filter=Q(done_at=None)),
        next_try_at=Min("not_before", filter=Q(done_at=None)),
        portions=Count("pk", filter=of_the_past),
        done=Count("pk", filter=of_the_past & Q(done_at__isnull=False)),
    )
    return item(connection) | {
        "ways": sorted(adapter.ways) if adapter else [],
        "scopes": connection.scopes,
        "next_pull_at": connection.next_pull_at,
        "waiting": counted["waiting"],
        "next_try_at": counted["next_try_at"],
        "backfill": {
            "since": connection.backfill_from,
            "portions": counted["portions"],
            "done": counted["done"],
        },
        "rejected": connection.rejected,
    }
