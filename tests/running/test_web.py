"""The web server with the options of `make run`, and the bridge from it to Django."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
import websockets
from websockets.exceptions import ConnectionClosed

from config.bridge import KEPT_IN_MEMORY, LARGER_BODIES, MAX_BODY_BYTES
from config.running.engine import free_port
from config.running.procfile import web_command
from tests.running.conftest import ROOT, until
from tests.running.web_probe import FRAMES

RECORDING = os.urandom(25 * 1024 * 1024)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server of the probe."""
    chosen = free_port()
    command = [sys.executable, *web_command("tests.running.web_probe:application", host="127.0.0.1", port=chosen)]
    with subprocess.Popen(command, cwd=ROOT) as server:
        try:
            until(lambda: _answers(chosen), "the server answers")
            yield chosen
        finally:
            server.terminate()
            server.wait(10)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask(port: int, method: str = "GET", path: str = "/", **options: Any) -> tuple[http.client.HTTPResponse, Any]:
    """One request on a connection of its own; the answer and its JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, **options)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, json.loads(body) if body.startswith(b"{") else body


def test_a_recording_of_25_mb_arrives_whole(port: int) -> None:
    _, told = ask(port, "POST", "/", body=RECORDING)
    assert (told["size"], told["sha256"]) == (len(RECORDING), hashlib.sha256(RECORDING).hexdigest())


def test_a_body_sent_in_chunks_has_a_length_for_django(port: int) -> None:
    pieces = [RECORDING[:100_000], RECORDING[100_000:2_000_000]]
    _, told = ask(port, "POST", "/", body=iter(pieces), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    assert (told["size"], told["announced"]) == (2_000_000, "2000000")


def test_a_body_announced_as_too_large_is_not_read(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", str(MAX_BODY_BYTES + 1))
    connection.endheaders()
    told = json.loads(connection.getresponse().read())
    assert (told["size"], told["announced"]) == (0, str(MAX_BODY_BYTES + 1))
    connection.close()


def test_an_address_may_take_more_than_the_others(port: int) -> None:
    (path, most), *_ = LARGER_BODIES.items()
    assert most > MAX_BODY_BYTES
    _, told = ask(port, "POST", path, body=b"x" * (MAX_BODY_BYTES + 1))
    assert told["size"] == MAX_BODY_BYTES + 1


def test_a_body_that_never_ends_stops_at_the_limit(port: int) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(2 * MAX_BODY_BYTES // 1_000_000):
            yield RECORDING[:1_000_000]

    try:
        _, told = ask(
            port, "POST", "/", body=endless(), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
        )
    except OSError:
        return  # it was answered and hung up while we were still sending
    assert MAX_BODY_BYTES < told["size"] < MAX_BODY_BYTES + 1_000_000


def test_senders_that_dawdle_hold_no_thread(port: int) -> None:
    """Two threads serve; ten requests whose bodies never come do not keep them from others."""
    dawdling = [socket.create_connection(("127.0.0.1", port)) for _ in range(10)]
    for each in dawdling:
        each.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123")
    _, told = ask(port)
    assert told["method"] == "GET"
    for each in dawdling:
        each.close()
    assert ask(port)[1]["method"] == "GET"


def test_a_large_answer_arrives_whole_and_whoever_does_not_read_it_is_left(port: int) -> None:
    deaf = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
    for each in deaf:
        each.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
    time.sleep(0.2)
    for each in deaf:
        each.close()
    _, body = ask(port, path="/large")
    assert len(body) == 640 * 65_536 > KEPT_IN_MEMORY


def test_whoever_hangs_up_before_the_answer_disturbs_nobody(port: int) -> None:
    for _ in range(5):
        gone = socket.create_connection(("127.0.0.1", port))
        gone.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        gone.close()
    assert ask(port)[1]["size"] == 0


def test_every_answer_is_closed_on_a_thread_of_the_pool(port: int) -> None:
    """Django gives database connections back there, and they belong to the thread that took them."""
    _, told = ask(port)
    assert told["closed"]
    assert {name.partition("_")[0] for name in told["closed"]} == {"http"}


def test_an_answer_has_a_length_head_has_it_too_and_no_content_has_none(port: int) -> None:
    answer, _ = ask(port, path="/")
    assert int(answer.headers["Content-Length"]) > 0
    answer, body = ask(port, "HEAD", "/")
    assert int(answer.headers["Content-Length"]) > 0
    assert body == b""
    answer, body = ask(port, path="/empty")
    assert (answer.status, answer.headers.get("Content-Length"), body) == (204, None, b"")


def test_paths_and_queries_arrive_as_they_were_meant(port: int) -> None:
    _, told = ask(port, path="/l%C3%A4ufer/%2F?q=%C3%A4&q=2")
    assert (told["path"], told["query"]) == ("/läufer//", "q=%C3%A4&q=2")


def test_nobody_can_pretend_to_be_a_proxy(port: int) -> None:
    """The address is the socket's; a header with an underscore does not pass for the one with a dash."""
    forged = {"X-Forwarded-For": "8.8.8.8", "X-Forwarded-Proto": "https", "X_Forwarded_For": "9.9.9.9"}
    _, told = ask(port, headers=forged)
    assert (told["address"], told["scheme"]) == ("127.0.0.1", "http")
    assert told["headers"]["HTTP_X_FORWARDED_FOR"] == "8.8.8.8"


def test_the_server_does_not_name_itself(port: int) -> None:
    assert "server" not in ask(port)[0].headers


async def test_a_send_to_a_socket_that_does_not_read_waits(port: int) -> None:
    """`kernel.realtime.Socket.offer` rests on it: without this a slow client's frames pile up unseen."""
    async with websockets.connect(f"ws://127.0.0.1:{port}/", max_queue=1) as client:
        frames = [frame async for frame in client]
    assert 0 < int(frames[-1]) < FRAMES
    assert len(frames) == int(frames[-1]) + 1


async def closed_after(port: int, frame: str) -> int | None:
    """Send a frame and read until the server closes; returns the close code."""
    async with websockets.connect(f"ws://127.0.0.1:{port}/listen") as client:
        assert "Sec-WebSocket-Extensions" not in client.response.headers
        await client.send(frame)
        with contextlib.suppress(ConnectionClosed):
            assert [frame async for frame in client]
    return client.close_code


async def test_sockets_take_no_frame_over_64_kib_and_compress_nothing(port: int) -> None:
    """Compressing would cost as much for each of a room's sockets as all the rest of sending.

    The server hangs up without having read the whole frame, so the kernel may reset the connection before the client
    has read why (1006 in place of 1009); a frame that is not too long is followed by an ordinary end.
    """
    assert await closed_after(port, "x" * 60_000) == 1000
    assert await closed_after(port, "x" * 70_000) in (1009, 1006)
