"""From the --transport text to a source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from device_bridge.sources import Source, UnknownTransport
from device_bridge.sources.ant import AntStick
from device_bridge.sources.listener import LocalListener
from device_bridge.sources.mqtt import Broker
from device_bridge.sources.replay import Replay
from device_bridge.sources.simulate import Simulation

TRANSPORTS = (
    "bleak, bumble:<transport>, replay:FILE or simulate; "
    "ant, mqtt:HOST[:PORT][/CLIENT_ID], mqtt:s:HOST for TLS, or http:HOST:PORT"
)
OTHER_THAN_BLUETOOTH = ("ant", "mqtt", "http")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which devices to listen to (any, without address and name), how many at once, where the keys of those that
    are paired are kept, and how a simulated one behaves."""

    address: str | None = None
    name: str | None = None
    most: int = 1
    pairings: Path | None = None
    rate_hz: float = 1.0
    seed: int = 1


def open_source(transport: str, wanted: Wanted) -> Source:
    """The source that a --transport names. Raises UnknownTransport."""
    kind, _, rest = transport.partition(":")
    if kind == "simulate" and not rest:
        return Simulation(rate_hz=wanted.rate_hz, seed=wanted.seed)
    if kind == "replay" and Path(rest).is_file():
        return Replay(Path(rest))
    if kind == "ant" and not rest:
        return AntStick()
    if kind == "mqtt" and rest:
        return Broker(rest)
    if kind == "http" and rest:
        return LocalListener(rest)
    if kind == "bleak" and not rest:
        return _on_platform_radio(wanted)
    if kind == "bumble" and rest:
        return _on_bumble(rest, wanted)
    raise UnknownTransport(f"--transport {transport!r} is not one of {TRANSPORTS}")


# Both Bluetooth stacks take a second to import; a replay or a simulation must not pay for them.


def _on_platform_radio(wanted: Wanted) -> Source:
    from device_bridge.sources.radio import DeviceListener, PlatformRadio

    return DeviceListener(PlatformRadio(), address=wanted.address, name=wanted.name, most=wanted.most)


def _on_bumble(transport: str, wanted: Wanted) -> Source:
    from device_bridge.sources.bumble_radio import BumbleRadio
    from device_bridge.sources.radio import DeviceListener

    radio = BumbleRadio(transport, pairings=wanted.pairings)
    return DeviceListener(radio, address=wanted.address, name=wanted.name, most=wanted.most)
