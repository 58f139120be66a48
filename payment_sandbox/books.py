"""The books: payments, refunds, answers given, and webhooks still to be heard, in one SQLite file."""

import hashlib
import json
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
    CREATE TABLE IF NOT EXISTS payment (
        id TEXT PRIMARY KEY, reference TEXT NOT NULL, amount_minor INTEGER NOT NULL CHECK (amount_minor > 0),
        currency TEXT NOT NULL, description TEXT NOT NULL, return_url TEXT NOT NULL, expires_at INTEGER NOT NULL,
        status TEXT NOT NULL DEFAULT 'open', card TEXT NOT NULL DEFAULT '',
        captured_minor INTEGER NOT NULL DEFAULT 0 CHECK (captured_minor IN (0, amount_minor)),
        refunded_minor INTEGER NOT NULL DEFAULT 0 CHECK (refunded_minor BETWEEN 0 AND captured_minor),
        refund_failures INTEGER NOT NULL DEFAULT 0);
    CREATE TABLE IF NOT EXISTS answer (key TEXT PRIMARY KEY, request BLOB NOT NULL, status INTEGER, body TEXT);
    CREATE TABLE IF NOT EXISTS webhook (
        id INTEGER PRIMARY KEY, body TEXT NOT NULL, due_at REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
        heard_at REAL);
"""
SUCCESS, DECLINE, SLOW = "4242424242424242", "4000000000000002", "4000000000000010"
DUPLICATE, EARLY = "4000000000000028", "4000000000000036"
REFUND_FAILS_TWICE, REFUND_REFUSED, CAPTURE_REFUSED = "4000000000005126", "4000000000005134", "4000000000000119"
CARDS = {
    SUCCESS: "pays",
    DECLINE: "is declined",
    SLOW: "pays, and the word of it comes late",
    DUPLICATE: "pays, and the word of it comes three times",
    EARLY: "pays, and the word of it comes before the page answers",
    CAPTURE_REFUSED: "is authorised, and then the money cannot be taken",
    REFUND_FAILS_TWICE: "pays; a refund fails twice before it works",
    REFUND_REFUSED: "pays; a refund is refused for good",
}
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 60.0


class Refusal(Exception):
    """A request that is not granted, with the status and code of its answer."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status, self.code = status, code
        self.body = json.dumps({"code": code})


class Books:
    """All there is to know; one writer at a time."""

    def __init__(self, file: Path | str, *, slow_s: float) -> None:
        self._connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(SCHEMA)
        self._lock = threading.RLock()
        self._slow_s = slow_s
        self.something_due = threading.Event()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def once(self, key: str, request: bytes, effect: Callable[[], dict[str, Any]]) -> tuple[int, str]:
        """The answer to a request under an Idempotency-Key: the first one's, be it a refusal, each time."""
        digest = hashlib.sha256(request).digest()
        with self._writing() as books:
            known = books.execute("SELECT request, status, body FROM answer WHERE key = ?", [key]).fetchone()
            if known is not None:
                if bytes(known["request"]) != digest:
                    raise Refusal(409, "idempotency_conflict")
                return known["status"], known["body"]
            books.execute("SAVEPOINT effect")
            try:
                status, body = 200, json.dumps(effect())
            except Refusal as refusal:
                books.execute("ROLLBACK TO effect")
                status, body = refusal.status, refusal.body
            books.execute("INSERT INTO answer VALUES (?, ?, ?, ?)", [key, digest, status, body])
        self.something_due.set()
        return status, body

    def payment(self, payment_id: str) -> dict[str, Any]:
        """A payment, open ones as expired when their time is over; refused with 404 when there is none."""
        with self._lock:
            row = self._connection.execute("SELECT * FROM payment WHERE id = ?", [payment_id]).fetchone()
        if row is None:
            raise Refusal(404, "not_found")
        found = dict(row)
        if found["status"] == "open" and found["expires_at"] <= time.time():
            found["status"] = "expired"
        return found

    def all_payments(self) -> list[dict[str, Any]]:
        """Every payment: the books as an auditor sees them."""
        with self._lock:
            return [dict(row) for row in self._connection.execute("SELECT * FROM payment ORDER BY id")]

    def open_payment(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """A new payment; inside `once`."""
        payment_id = f"pay_{secrets.token_urlsafe(16)}"
        columns = ("reference", "amount_minor", "currency", "description", "return_url", "expires_at")
        self._connection.execute(
            f"INSERT INTO payment (id, {', '.join(columns)}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            [payment_id, *(wanted[column] for column in columns)],
        )
        return self.payment(payment_id)

    def pay(self, payment_id: str, card: str) -> str:
        """The payer's side; answers the payment's status. Paying twice is paying once."""
        with self._writing():
            payment = self.payment(payment_id)
            if payment["status"] != "open":
                return str(payment["status"])
            if card == DECLINE:
                self._tell(payment, "payment.declined")
            else:
                self._set(payment_id, status="authorised", card=card)
                delay = self._slow_s if card == SLOW else 0.0
                self._tell(payment, "payment.authorised", delay=delay, times=3 if card == DUPLICATE else 1)
        self.something_due.set()
        return "declined" if card == DECLINE else "authorised"

    def capture(self, payment_id: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """Take the money of an authorised payment, all of it; inside `once`."""
        payment = self.payment(payment_id)
        amount = wanted.get("amount_minor", payment["amount_minor"])
        if type(amount) is not int or amount < payment["amount_minor"]:
            raise Refusal(400, "invalid")
        if amount > payment["amount_minor"]:
            raise Refusal(409, "more_than_was_authorised")
        if payment["status"] != "authorised":
            raise Refusal(409, f"payment_{payment['status']}")
        if payment["card"] == CAPTURE_REFUSED:
            raise Refusal(402, "card_declined")
        self._set(payment_id, status="captured", captured_minor=payment["amount_minor"])
        self._tell(payment, "payment.captured")
        return self.payment(payment_id)

    def void(self, payment_id: str) -> dict[str, Any]:
        """Let an authorised payment go; inside `once`."""
        payment = self.payment(payment_id)
        if payment["status"] != "authorised":
            raise Refusal(409, f"payment_{payment['status']}")
        self._set(payment_id, status="voided")
        self._tell(payment, "payment.voided")
        return self.payment(payment_id)

    def fail_refund(self, payment_id: str) -> bool:
        """Whether this try of a refund fails, as the card wants it; counted."""
        with self._writing():
            payment = self.payment(payment_id)
            if payment["card"] != REFUND_FAILS_TWICE or payment["refund_failures"] >= 2:
                return False
            self._set(payment_id, refund_failures=payment["refund_failures"] + 1)
            return True

    def refund(self, payment_id: str, wanted: dict[str, Any]) -> dict[str, Any]:
        """Give a part of the money back; inside `once`."""
        payment = self.payment(payment_id)
        if payment["status"] != "captured" or payment["card"] == REFUND_REFUSED:
            raise Refusal(409, "refund_refused")
        refunded = payment["refunded_minor"] + wanted["amount_minor"]
        if refunded > payment["captured_minor"]:
            raise Refusal(409, "more_than_was_captured")
        self._set(payment_id, refunded_minor=refunded)
        self._tell(payment, "refund.succeeded", refund=wanted["reference"])
        return self.payment(payment_id)

    def _set(self, payment_id: str, **columns: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        self._connection.execute(f"UPDATE payment SET {names} WHERE id = ?", [*columns.values(), payment_id])  # noqa: S608

    def _tell(
        self, payment: dict[str, Any], kind: str, *, refund: str | None = None, delay: float = 0.0, times: int = 1
    ) -> None:
        told = {
            "id": f"evt_{secrets.token_urlsafe(16)}",
            "type": kind,
            "payment": payment["id"],
            "reference": payment["reference"],
            "refund": refund,
        }
        self._connection.executemany(
            "INSERT INTO webhook (body, due_at) VALUES (?, ?)", [[json.dumps(told), time.time() + delay]] * times
        )

    def due_webhooks(self) -> list[tuple[int, bytes]]:
        """What has to be said now."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT id, body FROM webhook WHERE heard_at IS NULL AND due_at <= ? ORDER BY id LIMIT 100",
                [time.time()],
            ).fetchall()
        return [(row["id"], row["body"].encode()) for row in rows]

    def next_due_in(self) -> float:
        """Seconds until there is something to say."""
        with self._lock:
            (due_at,) = self._connection.execute("SELECT min(due_at) FROM webhook WHERE heard_at IS NULL").fetchone()
        return LONGEST_PAUSE_S if due_at is None else max(0.01, due_at - time.time())

    def note_heard(self, webhook_id: int) -> None:
        """The receiver has said yes."""
        with self._writing() as books:
            books.execute("UPDATE webhook SET heard_at = ? WHERE id = ?", [time.time(), webhook_id])

    def note_unheard(self, webhook_id: int) -> None:
        """The receiver has not: it is told again, after a pause that grows."""
        with self._writing() as books:
            (tries,) = books.execute("SELECT tries FROM webhook WHERE id = ?", [webhook_id]).fetchone()
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(tries, 30))
            books.execute(
                "UPDATE webhook SET tries = tries + 1, due_at = ? WHERE id = ?", [time.time() + pause, webhook_id]
            )
