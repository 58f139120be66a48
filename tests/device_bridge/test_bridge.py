"""The bridge as a process, between a source and a server which come and go."""

import json
import random
import resource
import signal
import time

import pytest

from device_bridge import gatt
from device_bridge.__main__ import main


@pytest.fixture
def recording(tmp_path):
    """A second of a strap: battery, then ten packets; the third is broken, the fifth without contact."""
    packets = [{"heart_rate": 60 + n, "contact": n != 4, "rr_ticks": (1000 + n,)} for n in range(10)]
    said = [(0.0, "2a19", "57")]
    said += [
        (n / 10, "2a37", gatt.encode(gatt.HEART_RATE_MEASUREMENT, packet).hex()) for n, packet in enumerate(packets)
    ]
    said[3] = (0.2, "2a37", "10")
    file = tmp_path / "strap.jsonl"
    file.write_text(
        "".join(json.dumps(dict(zip(("t", "characteristic", "value"), line, strict=True))) + "\n" for line in said)
    )
    return file


def test_a_recording_arrives_whole_and_the_bridge_ends_with_it(bridge, server, recording):
    server.start()
    code, said = bridge(f"replay:{recording}").ended()
    assert code == 0, said
    assert [value for _, _, value in server.stream("heart_rate")] == [60, 61, *range(63, 70)]
    assert [value for _, _, value in server.stream("sensor_contact")] == [1, 0, 1]
    assert [value for _, _, value in server.stream("battery")] == [87]
    assert server.stream("rr_interval")[0][2] == 1000 * 1000 / 1024
    assert "packet_ignored characteristic=2a37" in said
    server.assert_whole()


def test_what_is_recorded_can_be_replayed(start, bridge, server, tmp_path):
    file = tmp_path / "recorded.jsonl"
    recorder = start("-m", "device_bridge", "record", "--transport", "simulate", "--rate", "50", str(file))
    while not file.exists() or file.read_text().count("2a37") < 20:
        time.sleep(0.02)
    assert recorder.stop(signal.SIGINT) == 0
    server.start()
    bridge(f"replay:{file}").ended()
    assert len(server.stream("heart_rate")) == file.read_text().count("2a37")


def test_logs_hold_no_heart_rate(bridge, server, tmp_path):
    file = tmp_path / "strap.jsonl"
    values = {"heart_rate": 173, "contact": True, "rr_ticks": (355,)}
    packet = gatt.encode(gatt.HEART_RATE_MEASUREMENT, values)
    file.write_text(json.dumps({"t": 0, "characteristic": "2a37", "value": packet.hex()}) + "\n")
    server.start()
    _, said = bridge(f"replay:{file}").ended()
    assert "delivered" in said
    for private in (" 173", "=173", "346", "355", packet.hex()):
        assert private not in said


def test_a_signal_ends_it_within_two_seconds_with_everything_delivered(bridge, server):
    server.start()
    running = bridge("simulate", "--rate", "50")
    server.until_count("heart_rate", 20)
    began = time.monotonic()
    assert running.stop(signal.SIGTERM) == 0
    assert time.monotonic() - began < 2
    assert running.ended()[1].endswith("stopped waiting=0")
    server.assert_whole()


def test_a_signal_ends_it_within_two_seconds_while_the_server_is_away(bridge):
    running = bridge("simulate", "--rate", "50")
    running.until("delivery_waits")
    began = time.monotonic()
    assert running.stop() == 0
    assert time.monotonic() - began < 2


def test_a_server_killed_and_restarted_misses_nothing(bridge, server):
    first = server.start("--lose-answers", "0.2")
    running = bridge("simulate", "--rate", "50")
    server.until_count("heart_rate", 20)
    first.kill()
    running.until("delivery_waits")
    server.start()
    running.until("delivery_resumes")
    assert running.stop() == 0
    assert running.ended()[1].endswith("stopped waiting=0")
    server.assert_whole()


def test_kill_9_of_the_bridge_at_random_moments_loses_and_doubles_nothing(bridge, server):
    server.start("--lose-answers", "0.2")
    chance = random.Random(3)
    for _ in range(4):
        running = bridge("simulate", "--rate", "50")
        before = server.count("heart_rate")
        server.until_count("heart_rate", before + 1)
        time.sleep(chance.uniform(0, 0.4))
        running.kill()
    last = bridge("simulate", "--rate", "50")
    last.until("delivered")
    assert last.stop() == 0
    assert last.ended()[1].endswith("stopped waiting=0")
    server.assert_whole()
    assert len(set(server.rows("arrivals"))) == len(server.rows())


def test_a_full_spool_keeps_the_oldest_and_says_so(bridge):
    running = bridge("simulate", "--rate", "100", "--spool-limit", "30")
    running.until("bridge_started .*room=30")
    running.until("spool_full kept=30")
    assert running.stop() == 0


def test_a_full_disk_is_survived_and_what_was_heard_meanwhile_is_kept(bridge, server):
    """No file of the process may grow: its writes fail as on a full disk, until they may again."""
    server.start()
    running = bridge("simulate", "--rate", "100")
    running.until("delivered")
    usual = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (4096, usual[1]))
    running.until("disk_refuses .*lost=0")
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, usual)
    running.until("disk_takes_again .*lost=0")
    running.until("delivered")
    assert running.stop() == 0
    _, said = running.ended()
    assert said.endswith("stopped waiting=0")
    assert said.count("disk_refuses") == 1
    server.assert_whole()


def test_a_device_the_server_does_not_know_ends_the_bridge_with_a_sentence(bridge, server):
    server.start("--answer", "401:device_unknown")
    code, said = bridge("simulate").ended()
    assert code == 4
    assert "register it again" in said


def test_a_second_bridge_on_the_same_spool_is_refused(bridge, server):
    server.start()
    bridge("simulate").until("delivered")
    code, said = bridge("simulate").ended()
    assert code == 1
    assert "another bridge is already using the spool" in said


def test_without_a_radio_one_sentence_names_the_other_transports(bridge, tmp_path, monkeypatch):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/no-bus")
    code, said = bridge("bleak").ended()
    assert code == 3
    sentence = said.splitlines()[-1]
    assert sentence.startswith("No Bluetooth here")
    for way in ("bumble:", "replay:", "simulate"):
        assert way in sentence
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "transport", ["bluetooth", "replay:/no/such/file", "bumble:", "simulate:x", "ant:1", "mqtt:"]
)
def test_an_unknown_transport_names_the_known_ones(tmp_path, capsys, transport):
    assert main(["run", "--transport", transport, "--spool", str(tmp_path)]) == 2
    assert "bleak, bumble:<transport>, replay:FILE or simulate; ant" in capsys.readouterr().err


def test_without_credentials_it_says_what_is_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("STAYER_DEVICE_ID", raising=False)
    assert main(["run", "--transport", "simulate", "--spool", str(tmp_path)]) == 2
    assert "--credentials FILE.json" in capsys.readouterr().err


def test_a_broken_recording_names_its_line(tmp_path, credentials_file, capsys):
    file = tmp_path / "strap.jsonl"
    file.write_text('{"t": 0, "characteristic": "2a19", "value": "57"}\n{"t": 0}\n')
    way = ["--credentials", str(credentials_file), "--spool", str(tmp_path / "spool"), "--url", "http://127.0.0.1:9"]
    assert main(["run", "--transport", f"replay:{file}", *way]) == 1
    assert "line 2" in capsys.readouterr().err
