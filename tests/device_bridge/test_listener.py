"""Devices that post to the bridge over the local network, several devices in one bridge, and its status."""

import json
import re
import stat
from datetime import datetime

import httpx
import pytest
from rich.console import Console

from device_bridge.__main__ import main
from device_bridge.credentials import credentials_of, keep_credentials
from device_bridge.sources import payload
from device_bridge.sources.payload import NotUnderstood
from device_bridge.watching import shown

TOKEN = "a-token-of-the-house"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
MOMENT = "2026-09-21T14:13:20.000000Z"


@pytest.fixture
def listening(bridge, monkeypatch):
    """A bridge that listens, and how to post to it."""
    monkeypatch.setenv("STAYER_BRIDGE_TOKEN", TOKEN)

    def listening():
        running = bridge("http:127.0.0.1:0")
        port = running.until(r"listening port=(\d+)")[1]

        def post(path: str, body: object, headers: dict = BEARER) -> int:
            return httpx.post(f"http://127.0.0.1:{port}{path}", content=json.dumps(body), headers=headers).status_code

        return running, post

    return listening


def test_he3_what_is_posted_is_on_disk_when_it_is_answered(listening, server, tmp_path, capsys):
    running, post = listening()
    weighed = {"value": 71.4, "time": MOMENT}
    assert [post("/scale/weight", weighed), post("/scale/weight", weighed), post("/scale/battery", 80)] == [204] * 3
    running.kill()
    assert main(["status", "--spool", str(tmp_path / "spool"), "--json"]) == 0
    (device,) = json.loads(capsys.readouterr().out)["devices"]
    assert (device["waiting"], device["oldest_at"]) == (3, "2026-09-21T14:13:20Z")

    server.start()
    running, post = listening()
    server.until_count("battery", 1)
    assert len(server.stream("body_mass")) == 1
    assert post("/scale/weight", weighed, {}) == 401
    assert post("/scale/weight", weighed, {"Authorization": "Bearer no"}) == 401
    assert post("/scale", 1) == 404
    assert post("/scale/weight", "heavy") == 400
    assert post("/scale/weight", "x" * 200_000) == 413
    assert running.stop() == 0
    assert "scale" not in running.ended()[1]


def test_without_a_token_or_an_address_nobody_listens(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("STAYER_BRIDGE_TOKEN", raising=False)
    for transport in ("http:127.0.0.1:8085", "http:8085"):
        assert main(["run", "--transport", transport, "--spool", str(tmp_path)]) == 2
    assert "STAYER_BRIDGE_TOKEN" in capsys.readouterr().err


@pytest.mark.parametrize(
    "said", [b"", b"[]", b'"72"', b"NaN", b"null", b'{"value": null}', b'{"value": 1, "time": "2026-09-21T14:13:20"}']
)
def test_a_payload_that_is_none_is_not_understood(said):
    with pytest.raises(NotUnderstood):
        payload.heard("belt", "heart_rate", said)


def test_a_value_with_a_time_is_the_same_however_often_it_is_told():
    told = {"value": 62, "time": MOMENT}
    first, again = (payload.heard("belt", "heart_rate", json.dumps(told).encode()) for _ in range(2))
    assert first == again
    assert first.seen[0].record is not None
    assert payload.heard("belt", "contact", b"true", at_us=5).seen[0].value == 1
    with pytest.raises(NotUnderstood):
        payload.heard("a/b", "heart_rate", b"1")


def test_he3_each_device_of_a_bridge_has_its_own_numbers_and_credentials(
    listening, server, credentials_file, tmp_path, capsys
):
    other = "01931f00-0000-7000-8000-000000000002"
    keep_credentials(credentials_file, device="scale", device_id=other, secret="b3RoZXI")
    assert stat.S_IMODE(credentials_file.stat().st_mode) == 0o600
    assert credentials_of("scale", file=credentials_file).secret == b"other"
    server.start()  # it knows the bridge itself only
    running, post = listening()
    assert "bridge_started devices=2" in running.lines[1]
    for n in range(3):
        assert post("/scale/weight", 71 + n) == 204
        assert post("/belt/weight", 60 + n) == 204
    running.until("device_refused .*does not know this device")
    server.until_count("body_mass", 3)
    assert [sequence for _, sequence, _ in server.stream("body_mass")] == [0, 1, 2]
    running.stop()
    assert main(["status", "--spool", str(tmp_path / "spool")]) == 0
    said = capsys.readouterr().out
    assert re.search(rf"scale \({other}\)\n  waiting: 3", said)
    assert "not running" in said
    assert "register it again" in said


def test_a_device_for_which_nobody_is_enrolled_is_told_that_nothing_was_kept(listening, credentials_file):
    held = json.loads(credentials_file.read_text())
    credentials_file.write_text(json.dumps({"devices": {"scale": held}}))
    running, post = listening()
    assert (post("/scale/weight", 71), post("/belt/weight", 60)) == (204, 503)
    running.until("device_not_enrolled")
    assert running.stop() == 0


def test_status_tells_rates_backlog_clock_and_errors(bridge, server, tmp_path, capsys):
    server.start("--ahead", "90")
    running = bridge("simulate", "--rate", "50")
    running.until("delivered")
    assert main(["status", "--spool", str(tmp_path / "spool"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["running"] is True
    running.stop()
    main(["status", "--spool", str(tmp_path / "spool"), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert abs(told["clock"]["offset_ms"] - 90_000) < 2_000
    (device,) = told["devices"]
    assert device["heard"] == device["accepted"] + device["waiting"] > 0
    assert datetime.fromisoformat(device["delivered_at"])
    console = Console(record=True, width=160)
    console.print(shown(told))
    said = console.export_text()
    for part in ("not running", "clock offset +", str(device["accepted"])):
        assert part in said


def test_without_a_spool_there_is_no_status(tmp_path, capsys):
    assert main(["status", "--spool", str(tmp_path / "none")]) == 2
    assert "there is no spool" in capsys.readouterr().err
