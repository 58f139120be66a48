"""The health API's end of `POST /api/v1/health/readings`, as small as it can be, run as a process of its own.

It checks the signature as the real one does, stores in SQLite before it answers, and can be told to misbehave.
Every reading that arrives is kept in `arrivals`, so a test sees what was sent twice; `readings` holds each once.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import random
import sqlite3
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SCHEMA = """
CREATE TABLE IF NOT EXISTS readings (stream, time, sequence, value, PRIMARY KEY (stream, time, sequence));
CREATE TABLE IF NOT EXISTS arrivals (stream, time, sequence, value);
CREATE TABLE IF NOT EXISTS nonces (nonce PRIMARY KEY);
"""


class Health(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    options: argparse.Namespace
    chance = random.Random(7)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with sqlite3.connect(self.options.database, timeout=10) as db:
            db.execute("PRAGMA synchronous=OFF")  # it is killed, the machine is not
            refusal = self.refusal(body, db)
            status, told = refusal or self.store(json.loads(body)["readings"], db)
        db.close()
        if status == 200 and self.chance.random() < self.options.lose_answers:
            self.close_connection = True
            return
        self.answer(status, told)

    def refusal(self, body: bytes, db: sqlite3.Connection) -> tuple[int, dict] | None:
        if self.options.busy > 0:
            self.options.busy -= 1
            return 429, {"code": "rate_limited"}
        if self.options.answer:
            status, _, code = self.options.answer.partition(":")
            return int(status), {"code": code}
        if self.options.most and len(json.loads(body)["readings"]) > self.options.most:
            return 413, {"code": "too_large"}
        code = self.signature_fault(body, db)
        return (401, {"code": code}) if code else None

    def signature_fault(self, body: bytes, db: sqlite3.Connection) -> str | None:
        scheme, _, credentials = self.headers["Authorization"].partition(" ")
        device_id, stamp, nonce, given = credentials.split(":")
        signed = "\n".join(["POST", self.path, hashlib.sha256(body).hexdigest(), stamp, nonce])
        secret = base64.urlsafe_b64decode(self.options.secret + "=" * (-len(self.options.secret) % 4))
        mac = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
        if scheme != "Device" or device_id != self.options.device:
            return "device_unknown"
        if given != base64.urlsafe_b64encode(mac).rstrip(b"=").decode() or not 16 <= len(nonce) <= 64:
            return "signature_invalid"
        if abs(self.now() - int(stamp)) > 300:
            return "signature_expired"
        fresh = db.execute("INSERT OR IGNORE INTO nonces VALUES (?)", (nonce,)).rowcount
        return None if fresh else "nonce_reused"

    def now(self) -> float:
        return time.time() + self.options.ahead

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(int(self.now() if timestamp is None else timestamp))

    def store(self, readings: list[dict], db: sqlite3.Connection) -> tuple[int, dict]:
        if not 1 <= len(readings) <= 5000:
            return 400, {"code": "invalid"}
        accepted, rejected = 0, []
        for index, reading in enumerate(readings):
            if reading["stream"] == self.options.reject_stream:
                rejected.append({"index": index, "code": "out_of_range"})
                continue
            row = tuple(reading[key] for key in ("stream", "time", "sequence", "value"))
            db.execute("INSERT INTO arrivals VALUES (?, ?, ?, ?)", row)
            accepted += db.execute("INSERT OR IGNORE INTO readings VALUES (?, ?, ?, ?)", row).rowcount
        if rejected and self.options.reject_whole:
            db.rollback()
            return 422, {"rejected": rejected}
        duplicates = len(readings) - accepted - len(rejected)
        return 200, {"accepted": accepted, "duplicates": duplicates, "rejected": rejected}

    def answer(self, status: int, told: dict) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status == 429:
            self.send_header("Retry-After", "30")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--database", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--secret", required=True)
    parser.add_argument("--lose-answers", type=float, default=0.0, help="share of answers lost after storing")
    parser.add_argument("--most", type=int, help="readings a request, more are 413")
    parser.add_argument("--reject-stream", help="reject readings of this stream")
    parser.add_argument("--reject-whole", action="store_true", help="… with a 422 for the whole request")
    parser.add_argument("--answer", help="STATUS:CODE to everything")
    parser.add_argument("--busy", type=int, default=0, help="answer 429 to so many requests first")
    parser.add_argument("--ahead", type=int, default=0, help="seconds the clock is ahead")
    Health.options = parser.parse_args()
    with sqlite3.connect(Health.options.database) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(SCHEMA)
    server = ThreadingHTTPServer(("127.0.0.1", Health.options.port), Health)
    print(f"ready port={server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
