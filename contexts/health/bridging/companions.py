"""Devices that come with a bridge: what it hears is each a device of its own, with its own numbers and secret.

The bridge asks for it, signed by its own secret: its owner has let it in, and need not be asked for every sensor.
What the bridge knows a companion by (a Bluetooth address tells where it has been) is kept as a keyed digest.
"""

from datetime import datetime

from django.utils.crypto import salted_hmac

from contexts.health import rules, sealing
from contexts.health.models import Device
from contexts.health.worn.describing import DeviceRetired
from contexts.health.worn.devices import ConsentRequired, DeviceLost, KnownDevice, forget, save_device
from contexts.health.worn.signatures import DeviceUnknown
from kernel.databases import unit_of_work
from kernel.errors import Refused


class NotABridge(Refused):
    """Only a bridge connects other devices, and none that was itself connected by one."""

    status = 403


@unit_of_work("health")
def connect_companion(*, bridge: KnownDevice, key: str, name: str, kind: str, at: datetime) -> tuple[Device, str]:
    """The device a bridge knows by `key`, and its secret, which is not to be had again.

    Asked again it is the same device with another secret: the answer may have been lost. Raises `DeviceRetired` for
    one that its owner has let go, `TooManyDevices` beyond what a person can wear.
    """
    asking = Device.objects.select_for_update().filter(number=bridge.number, revoked_at=None).first()
    if asking is None:
        raise DeviceUnknown
    if asking.suspended_at is not None:
        raise ConsentRequired(purpose=rules.PURPOSE)
    if asking.lost_at is not None:
        raise DeviceLost
    if asking.kind != rules.DeviceKind.BRIDGE or asking.bridge_number is not None:
        raise NotABridge
    digest = _digest(key, bridge=asking.number)
    known = Device.objects.select_for_update().filter(bridge_number=asking.number, bridge_key=digest).first()
    if known is None:
        return save_device(
            Device(
                user_id=asking.user_id,
                name=name,
                kind=kind,
                connected_at=at,
                bridge_number=asking.number,
                bridge_key=digest,
            )
        )
    if known.revoked_at is not None:
        raise DeviceRetired
    secret = sealing.new_secret()
    known.sealed_secret, known.sealed_next, known.next_until = (
        sealing.seal(secret, device_id=known.device_id),
        None,
        None,
    )
    known.save(update_fields=["sealed_secret", "sealed_next", "next_until"])
    forget(known.device_id)
    return known, sealing.encoded(secret)


def _digest(key: str, *, bridge: int) -> bytes:
    return salted_hmac("health.companion", f"{bridge}:{key}", algorithm="sha256").digest()
