"""Delivery against a server over HTTP: signed, repeated until confirmed, and never silently lost."""

import asyncio
import base64
import hashlib
import hmac
import logging
from contextlib import closing
from types import SimpleNamespace

import httpx
import pytest

from device_bridge.answers import Confirmed, Forbidden, NotNow, PartlyRefused, TooLarge, read_answer
from device_bridge.backoff import Backoff
from device_bridge.credentials import NoCredentials, find_credentials
from device_bridge.readings import Observation
from device_bridge.spool import Spool
from device_bridge.uplink import Unwelcome, Uplink

AT = 1_790_000_000_000_000


def beats(count: int, first: int = 0) -> list[Observation]:
    return [Observation("heart_rate", AT + n * 1000, 60 + n % 100) for n in range(first, first + count)]


@pytest.fixture
def way(tmp_path, server, credentials):
    """A spool, and an uplink over it which repeats quickly."""
    with closing(Spool(tmp_path / "spool", credentials.device_id)) as spool:

        def uplink() -> Uplink:
            backoff = Backoff(first_s=0.01, most_s=0.1)
            return Uplink(url=server.url, credentials=credentials, spool=spool, backoff=backoff)

        yield SimpleNamespace(spool=spool, uplink=uplink)


def deliver_everything(uplink: Uplink) -> None:
    async def run() -> None:
        uplink.finish()
        await asyncio.wait_for(uplink.run(), 15)

    asyncio.run(run())


def test_readings_arrive_as_they_were_kept(way, server):
    server.start()
    way.spool.append(beats(3))
    deliver_everything(way.uplink())
    assert server.rows() == [
        ("heart_rate", "2026-09-21T14:13:20.000000Z", 0, 60),
        ("heart_rate", "2026-09-21T14:13:20.001000Z", 1, 61),
        ("heart_rate", "2026-09-21T14:13:20.002000Z", 2, 62),
    ]
    assert way.spool.waiting == 0


def test_a_backlog_leaves_in_batches_of_5000(way, server):
    server.start()
    way.spool.append(beats(12_000))
    uplink = way.uplink()
    deliver_everything(uplink)
    assert len(server.rows()) == 12_000
    assert uplink.totals == {"accepted": 12_000, "duplicates": 0}


def test_answers_lost_after_storing_lose_nothing_and_double_nothing(way, server):
    server.start("--lose-answers", "0.5", "--most", "40")
    way.spool.append(beats(900))
    deliver_everything(way.uplink())
    arrived = server.rows("arrivals")
    assert len(server.rows()) == 900
    assert len(arrived) > 900
    assert len(set(arrived)) == 900
    server.assert_whole()


def test_too_large_a_batch_is_split(way, server):
    server.start("--most", "7")
    way.spool.append(beats(50))
    deliver_everything(way.uplink())
    assert len(server.rows("arrivals")) == 50


@pytest.mark.parametrize("whole", [[], ["--reject-whole"]])
def test_readings_refused_one_by_one_are_dropped_and_counted(way, server, caplog, whole):
    server.start("--reject-stream", "battery", *whole)
    way.spool.append([*beats(2), Observation("battery", AT, 87), *beats(1, first=2)])
    uplink = way.uplink()
    with caplog.at_level(logging.WARNING, "device_bridge"):
        deliver_everything(uplink)
    assert [row[0] for row in server.rows()] == ["heart_rate"] * 3
    assert uplink.totals["rejected"] == 1
    assert "readings_rejected stream=battery code=out_of_range count=1" in caplog.text
    assert "87" not in caplog.text


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ("401:device_unknown", "does not know this device"),
        ("401:signature_invalid", "does not accept this device's secret"),
        ("401:signature_expired", "clock"),
        ("403:forbidden", "forbids this device"),
    ],
)
def test_a_server_that_refuses_the_device_ends_delivery_with_a_sentence(way, server, answer, sentence):
    server.start("--answer", answer)
    way.spool.append(beats(1))
    with pytest.raises(Unwelcome, match=sentence):
        deliver_everything(way.uplink())
    assert way.spool.waiting == 1


def test_a_server_that_is_away_is_tried_again_until_it_is_back(way, server):
    way.spool.append(beats(10))

    async def run() -> None:
        uplink = way.uplink()
        uplink.finish()
        delivering = asyncio.create_task(uplink.run())
        while uplink._backoff.failures < 3:
            await asyncio.sleep(0.01)
        await asyncio.to_thread(server.start)
        await asyncio.wait_for(delivering, 15)

    asyncio.run(run())
    assert len(server.rows("arrivals")) == 10


@pytest.mark.parametrize("status", [302, 400, 404, 408, 409, 422, 429, 500, 503])
def test_an_answer_without_a_verdict_on_each_reading_keeps_them_all(status):
    assert isinstance(read_answer(httpx.Response(status, json={"code": "x"}), size=3), NotNow)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>sign in to the hotel</html>",
        b"[]",
        b'{"accepted": 3}',
        b'{"accepted": 1, "duplicates": 1, "rejected": []}',
        b'{"accepted": 2, "duplicates": 0, "rejected": [{"index": 9, "code": "x"}]}',
        b'{"accepted": "3", "duplicates": 0, "rejected": []}',
    ],
)
def test_a_200_that_does_not_account_for_every_reading_confirms_nothing(body):
    assert isinstance(read_answer(httpx.Response(200, content=body), size=3), NotNow)


def test_answers_are_understood():
    told = {"accepted": 1, "duplicates": 1, "rejected": [{"index": 2, "code": "future"}]}
    assert read_answer(httpx.Response(200, json=told), size=3) == Confirmed(1, 1, ((2, "future"),))
    assert read_answer(httpx.Response(413), size=3) == TooLarge()
    assert read_answer(httpx.Response(401, json={"code": "nonce_reused"}), size=3) == Forbidden(401, "nonce_reused")
    rejected = {"rejected": [{"index": 0, "code": "unknown_stream"}]}
    assert read_answer(httpx.Response(422, json=rejected), size=1) == PartlyRefused(((0, "unknown_stream"),))
    later = httpx.Response(503, headers={"Retry-After": "7"})
    assert read_answer(later, size=1) == NotNow("HTTP 503", 7.0)


def test_a_busy_server_is_left_alone_for_as_long_as_it_asks():
    for wish, after_s in [("7", 7), ("86400", 3600), ("Mon, 21 Sep 2026 14:13:50 GMT", 30), ("soon", None)]:
        headers = {"Retry-After": wish, "Date": "Mon, 21 Sep 2026 14:13:20 GMT"}
        assert read_answer(httpx.Response(429, headers=headers), size=1) == NotNow("HTTP 429", after_s)


def test_after_429_everything_is_sent_again_once_the_pause_is_over(way, server, monkeypatch):
    server.start("--busy", "2")
    way.spool.append(beats(5))
    pauses, sleep = [], asyncio.sleep

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await sleep(0)

    uplink = way.uplink()
    monkeypatch.setattr("device_bridge.uplink.asyncio.sleep", pause)
    deliver_everything(uplink)
    assert [30 <= waited <= 31 for waited in pauses] == [True, True]
    assert len(server.rows("arrivals")) == 5
    assert uplink.last_error == ""
    assert uplink.delivered_at


def test_a_clock_that_is_wrong_is_corrected_by_the_servers_and_the_request_signed_anew(way, server):
    server.start("--ahead", "4000")
    way.spool.append(beats(1))
    uplink = way.uplink()
    deliver_everything(uplink)
    assert len(server.rows()) == 1
    assert abs(uplink._clock.offset_us - 4_000_000_000) < 2_000_000


def test_back_off_doubles_with_full_jitter_up_to_its_bound():
    waits = [[backoff.next_s() for _ in range(40)] for backoff in [Backoff(first_s=1, most_s=8)] * 1]
    bounds = [1, 2, 4, *[8] * 37]
    assert all(0 <= wait <= bound for wait, bound in zip(waits[0], bounds, strict=True))
    assert len(set(waits[0])) == 40


def test_the_signature_is_hmac_sha256_over_method_path_body_time_and_nonce(credentials):
    header = credentials.authorization(
        method="POST", path="/api/v1/health/readings", body=b"{}", at=1_790_000_000.9, nonce="n" * 16
    )
    scheme, _, rest = header.partition(" ")
    device_id, stamp, nonce, mac = rest.split(":")
    text = f"POST\n/api/v1/health/readings\n{hashlib.sha256(b'{}').hexdigest()}\n1790000000\n{'n' * 16}"
    expected = hmac.new(b"stayer-test-secret-stayer-test-s", text.encode(), hashlib.sha256).digest()
    assert (scheme, device_id, stamp, nonce) == ("Device", credentials.device_id, "1790000000", "n" * 16)
    assert mac == base64.urlsafe_b64encode(expected).decode().rstrip("=")


def test_every_signature_has_a_nonce_of_its_own(credentials):
    made = {credentials.authorization(method="POST", path="/", body=b"", at=0) for _ in range(50)}
    assert len(made) == 50


def test_credentials_come_from_a_file_or_the_environment(credentials_file, tmp_path):
    held = {"STAYER_DEVICE_ID": "abc-1", "STAYER_DEVICE_SECRET": "c2VjcmV0"}
    assert find_credentials(file=None, environment=held).secret == b"secret"
    assert find_credentials(file=credentials_file, environment=held).device_id != "abc-1"
    assert "secret" not in repr(find_credentials(file=None, environment=held))
    for wrong in ("", "[]", '{"device_id": "../x", "secret": "c2VjcmV0"}', '{"device_id": "x", "secret": "%"}'):
        (tmp_path / "wrong.json").write_text(wrong)
        with pytest.raises(NoCredentials):
            find_credentials(file=tmp_path / "wrong.json", environment={})
    with pytest.raises(NoCredentials, match="STAYER_DEVICE_ID"):
        find_credentials(file=None, environment={})
