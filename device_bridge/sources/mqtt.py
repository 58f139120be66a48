"""Devices that speak through an MQTT broker: topic `stayer/<device>/<stream>`, payload as in payload.py.

The session is persistent and messages are confirmed (QoS 1) once they are on disk: what is published while the
bridge is away waits at the broker, and a bridge killed in between is told again.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from device_bridge import journal
from device_bridge.sources import Deliver, NoRadio, UnknownTransport
from device_bridge.sources.payload import NotUnderstood, heard

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

TOPICS = "stayer/+/+"
KEEPALIVE_S = 30
MOST_UNCONFIRMED = 100
"""Messages the broker may send before the first of them is on disk."""


class Broker:
    """A source: all devices that publish at a broker. Loses it, and comes back."""

    def __init__(self, address: str, *, environment: Mapping[str, str] = os.environ) -> None:
        """HOST[:PORT][/CLIENT_ID], with `s:` in front for TLS; STAYER_MQTT_USER and STAYER_MQTT_PASSWORD sign in."""
        place, _, name = address.removeprefix("s:").partition("/")
        self._tls = address.startswith("s:")
        self._host, _, port = place.partition(":")
        usual = "8883" if self._tls else "1883"
        if not self._host or not (port or usual).isdecimal():
            raise UnknownTransport(f"--transport mqtt:{address!r} is not mqtt:HOST[:PORT][/CLIENT_ID]")
        self._port = int(port or usual)
        self._client_id = name or f"stayer-bridge-{socket.gethostname()}"
        self._user, self._password = environment.get("STAYER_MQTT_USER"), environment.get("STAYER_MQTT_PASSWORD")

    async def run(self, deliver: Deliver) -> None:
        """Listen until cancelled. Raises NoRadio where paho-mqtt is not installed."""
        loop = asyncio.get_running_loop()
        confirming: set[asyncio.Task[None]] = set()

        def arrived(message: MQTTMessage) -> None:
            task = loop.create_task(_take(client, message, deliver))
            confirming.add(task)
            task.add_done_callback(confirming.discard)

        def heard_by_its_thread(_client: Client, _data: Any, message: MQTTMessage) -> None:
            loop.call_soon_threadsafe(arrived, message)

        client = self._client()
        client.on_message = heard_by_its_thread
        client.connect_async(self._host, self._port, keepalive=KEEPALIVE_S)
        client.loop_start()
        try:
            await asyncio.Event().wait()
        finally:
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)
            for task in confirming:
                task.cancel()

    def _client(self) -> Client:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError as error:
            raise NoRadio("MQTT needs the package paho-mqtt: pip install paho-mqtt") from error
        client = Client(CallbackAPIVersion.VERSION2, self._client_id, clean_session=False, manual_ack=True)
        client.max_inflight_messages_set(MOST_UNCONFIRMED)
        client.reconnect_delay_set(min_delay=1, max_delay=30)
        if self._user:
            client.username_pw_set(self._user, self._password)
        if self._tls:
            client.tls_set()
        client.on_connect = _connected
        client.on_connect_fail = lambda *_: journal.warn("broker_away", next="try again")
        client.on_disconnect = lambda *_: journal.detail("broker_lost", next="try again")
        return client


def _connected(client: Client, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
    if reason.is_failure:
        journal.warn("broker_refuses", why=reason)
        return
    resumed = flags.session_present
    client.on_subscribe = lambda *_: journal.note("broker_connected", resumed=resumed)
    client.subscribe(TOPICS, qos=1)


async def _take(client: Client, message: MQTTMessage, deliver: Deliver) -> None:
    """Hand a message over and confirm it once it is on disk; one that says nothing is confirmed at once."""
    if (kept := _handed_over(message, deliver)) is not None and not await kept:
        return
    with contextlib.suppress(ValueError):
        client.ack(message.mid, message.qos)


def _handed_over(message: MQTTMessage, deliver: Deliver) -> asyncio.Future[bool] | None:
    _, device, stream = message.topic.split("/")
    try:
        said = heard(device, stream, bytes(message.payload))
    except NotUnderstood as error:
        journal.warn("message_ignored", why=error)
        return None
    if message.retain and any(seen.record is None for seen in said.seen):
        return None  # the last value of whenever: it did not arrive now
    kept = asyncio.get_running_loop().create_future()
    deliver(dataclasses.replace(said, kept=kept))
    return kept
