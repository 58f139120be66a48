"""Devices behind a real MQTT broker: persistent session, confirmed once on disk."""

import contextlib
import json
import secrets
import socket

import pytest

BROKER = ("127.0.0.1", 1883)
MOMENT = "2026-09-21T14:13:20.000000Z"


@pytest.fixture
def broker():
    """A client at the broker, and the bridge's session there, which ends with the test."""
    mqtt = pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed")
    with contextlib.suppress(OSError), socket.create_connection(BROKER, timeout=1):
        session = f"stayer-test-{secrets.token_hex(4)}"
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.connect(*BROKER)
        client.loop_start()

        def publish(topic: str, payload: object, **options: object) -> None:
            client.publish(topic, json.dumps(payload) if payload else b"", qos=1, **options).wait_for_publish(10)

        publish.session = session
        yield publish
        client.disconnect()
        client.loop_stop()
        ending = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, session, clean_session=True)
        ending.connect(*BROKER)
        ending.disconnect()
        return
    pytest.skip("no MQTT broker at 127.0.0.1:1883")


def test_he3_what_is_published_arrives_even_what_was_said_while_the_bridge_was_away(bridge, server, broker):
    server.start()
    name = f"belt-{secrets.token_hex(3)}"
    transport = f"mqtt:127.0.0.1:1883/{broker.session}"
    broker(f"stayer/{name}/retained", 1, retain=True)
    running = bridge(transport)
    running.until("broker_connected")
    broker(f"stayer/{name}/heart_rate", 61)
    broker(f"stayer/{name}/heart_rate", {"value": 62, "time": MOMENT})
    broker(f"stayer/{name}/heart_rate", "not a number")
    running.until("message_ignored")
    server.until_count("heart_rate", 2)
    running.kill()

    broker(f"stayer/{name}/heart_rate", [{"value": 63, "time": MOMENT}, {"value": 62, "time": MOMENT}])
    again = bridge(transport)
    again.until("broker_connected resumed=True")
    server.until_count("heart_rate", 3)
    assert again.stop() == 0
    assert sorted(row[3] for row in server.rows()) == [61, 62, 63]
    assert {row[0] for row in server.rows()} == {"heart_rate"}
    broker(f"stayer/{name}/retained", None, retain=True)


def test_a_broker_that_is_away_is_said_and_waited_for(bridge, free_port):
    pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed")
    running = bridge(f"mqtt:127.0.0.1:{free_port()}")
    running.until("broker_away")
    assert running.stop() == 0
