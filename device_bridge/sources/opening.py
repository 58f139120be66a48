"""From the --transport text to a source."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from device_bridge.sources import Source, UnknownTransport
from device_bridge.sources.replay import Replay
from device_bridge.sources.simulate import Simulation

TRANSPORTS = "bleak, bumble:<transport>, replay:FILE or simulate"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which strap to listen to (any, without address and name), and how a simulated one behaves."""

    address: str | None = None
    name: str | None = None
    rate_hz: float = 1.0
    seed: int = 1


def open_source(transport: str, wanted: Wanted) -> Source:
    """The source that a --transport names. Raises UnknownTransport."""
    kind, _, rest = transport.partition(":")
    if kind == "simulate" and not rest:
        return Simulation(rate_hz=wanted.rate_hz, seed=wanted.seed)
    if kind == "replay" and Path(rest).is_file():
        return Replay(Path(rest))
    if kind == "bleak" and not rest:
        return _on_platform_radio(wanted)
    if kind == "bumble" and rest:
        return _on_bumble(rest, wanted)
    raise UnknownTransport(f"--transport {transport!r} is not one of {TRANSPORTS}")


# Both Bluetooth stacks take a second to import; a replay or a simulation must not pay for them.


def _on_platform_radio(wanted: Wanted) -> Source:
    from device_bridge.sources.radio import PlatformRadio, StrapListener

    return StrapListener(PlatformRadio(), address=wanted.address, name=wanted.name)


def _on_bumble(transport: str, wanted: Wanted) -> Source:
    from device_bridge.sources.bumble_radio import BumbleRadio
    from device_bridge.sources.radio import StrapListener

    return StrapListener(BumbleRadio(transport), address=wanted.address, name=wanted.name)
