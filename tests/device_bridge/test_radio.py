"""Straps in one process, the bridge in another, the server in a third; between the first two a virtual radio."""

import asyncio

import pytest
from bleak.exc import BleakError

from device_bridge.sources.bumble_radio import BumbleRadio


@pytest.fixture
def straps(start, free_port):
    """Start three straps on this test's air; the same port every time, so that a bridge finds it again."""
    port = free_port()

    def straps():
        where = f"tcp-server:127.0.0.1:{port}"
        return start("-m", "device_bridge", "strap", "--listen", where, "--rate", "20", "--count", "3")

    straps.transport = f"bumble:tcp-client:127.0.0.1:{port}"
    return straps


def test_radio_strap_server_and_bridge_each_come_and_go_and_nothing_is_lost(straps, bridge, server):
    serving, running = server.start(), bridge(straps.transport, "--device", "c0:57:00:01:00:01")
    running.until("radio_trouble")  # the bridge is first; it waits for a radio that may come later
    worn = straps()
    running.until("strap_connected strap=…00:01")
    server.until_count("rr_interval", 2)

    worn.kill()
    running.until("strap_lost")
    worn = straps()
    running.until("strap_connected strap=…00:01")

    serving.kill()
    running.until("delivery_waits")
    server.start()
    running.until("delivery_resumes")

    running.kill()
    worn.until("radio_unplugged")
    running = bridge(straps.transport, "--name", "Stayer Strap 3")
    running.until("strap_connected strap=…00:02")
    server.until_count("heart_rate", server.count("heart_rate") + 10)
    assert running.stop() == 0
    assert any(line.endswith("stopped waiting=0") for line in running.ended()[1].splitlines())
    server.assert_whole()
    assert [value for _, _, value in server.stream("battery")] == [100, 100, 100]
    assert {value for _, _, value in server.stream("sensor_contact")} == {1}
    assert all(40 < value < 220 for _, _, value in server.stream("heart_rate"))
    assert all(300 < value < 1500 for _, _, value in server.stream("rr_interval"))


def test_a_question_cut_off_by_a_lost_strap_is_trouble_and_not_our_own_end():
    async def ask() -> None:
        question = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(question.cancel)
        await BumbleRadio("tcp-client:127.0.0.1:1").guard(question)

    with pytest.raises(BleakError, match="went away"):
        asyncio.run(ask())


def test_a_radio_that_does_not_answer_is_trouble():
    async def ask() -> None:
        await BumbleRadio("tcp-client:127.0.0.1:1").guard(asyncio.Event().wait(), limit_s=0.01)

    with pytest.raises(BleakError):
        asyncio.run(ask())
