"""Vendors as their published APIs describe them, over real sockets: Withings, Fitbit, and one that speaks open push.

Each knows accounts, hands out codes and tokens, turns refresh tokens, counts requests and can be told to misbehave.
"""

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

CLIENT, SECRET = "stayer-client", "known-to-both"
Answer = tuple[int, dict[str, str], Any]


class Vendor(ABC):
    """What all of them have in common."""

    name: str
    lasts_s = 10_800
    in_query = "scope"

    def __init__(self) -> None:
        self.url = ""
        self.codes: dict[str, dict[str, str]] = {}
        self.access: dict[str, str] = {}
        self.refresh: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
        self.bodies: list[tuple[str, dict[str, Any]]] = []
        self.subscribed: dict[str, str] = {}
        self.given_back: list[str] = []
        self.refuse: list[Answer] = []
        """Answers to the next requests for data."""
        self.before_refresh: Callable[[], None] = lambda: None
        self.lock = threading.Lock()

    @property
    def settings(self) -> dict[str, str]:
        """As the operator names it."""
        authorize = {"authorize_url": f"{self.url}/authorize", "api_url": self.url}
        return {"name": self.name, "client_id": CLIENT, "client_secret": SECRET, **authorize}

    def let_in(self, authorization_url: str, vendor_user: str) -> str:
        """The person says yes on the vendor's page: the code that their browser comes back with."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(authorization_url).query).items()}
        assert authorization_url.startswith(f"{self.url}/authorize?")
        assert (query["client_id"], query["response_type"]) == (CLIENT, "code")
        code = secrets.token_urlsafe(8)
        self.codes[code] = query | {"user": vendor_user}
        return code

    def forget_access(self) -> None:
        """Every access token has expired."""
        self.access.clear()

    def throw_out(self, vendor_user: str) -> None:
        """The person has taken our permission away."""
        self.access = {token: who for token, who in self.access.items() if who != vendor_user}
        self.refresh = {token: who for token, who in self.refresh.items() if who != vendor_user}

    def grant(self, form: dict[str, str]) -> dict[str, Any] | None:
        """Tokens for a code or a refresh token, each good once."""
        if form["grant_type"] == "authorization_code":
            asked = self.codes.pop(form["code"], None)
            if asked is None or asked["redirect_uri"] != form["redirect_uri"] or not self.proves(asked, form):
                return None
            who: str | None = asked["user"]
        else:
            self.before_refresh()
            with self.lock:
                who = self.refresh.pop(form["refresh_token"], None)
        if who is None:
            return None
        access, refresh = secrets.token_urlsafe(12), secrets.token_urlsafe(12)
        self.access[access], self.refresh[refresh] = who, who
        return {"access_token": access, "refresh_token": refresh, "expires_in": self.lasts_s, "user": who}

    def proves(self, asked: dict[str, str], form: dict[str, str]) -> bool:
        """PKCE (RFC 7636)."""
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        return asked["code_challenge"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

    def shows_secret(self, headers: Any) -> bool:
        """HTTP Basic."""
        return headers.get("Authorization") == "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()

    def who(self, headers: Any) -> str | None:
        """Whose access token this is."""
        return self.access.get(headers.get("Authorization", "").removeprefix("Bearer "))

    @abstractmethod
    def respond(self, method: str, path: str, query: dict[str, str], form: dict[str, Any], headers: Any) -> Answer:
        """The answer to a request."""


@contextmanager
def serving(vendor: Any) -> Iterator[Any]:
    """It, on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            there = urlsplit(self.path)
            is_json = self.headers.get("Content-Type") == "application/json"
            form = json.loads(body) if is_json else {k: v[0] for k, v in parse_qs(body).items()}
            query = {name: values[0] for name, values in parse_qs(there.query).items()}
            vendor.asked[form.get("action") or f"{self.command} {there.path}"] += 1
            vendor.bodies.append((there.path, form))
            status, headers, told = vendor.respond(self.command, unquote(there.path), query, form, self.headers)
            content = json.dumps(told).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = answer

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    vendor.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield vendor
    finally:
        server.shutdown()
        server.server_close()


class Withings(Vendor):
    """Every answer is 200 and has a status of its own."""

    name = "withings"
    page_size = 2
    takes_addresses = True

    def __init__(self) -> None:
        super().__init__()
        self.groups: dict[str, list[dict[str, Any]]] = {}
        self.nonces: set[str] = set()

    def weigh(self, who: str, at: datetime, measures: dict[int, tuple[int, int]], **more: Any) -> dict[str, Any]:
        """A group of measures: by type, value and power of ten."""
        seconds = int(at.timestamp())
        group = {
            "grpid": 4_000_000 + sum(map(len, self.groups.values())),
            "attrib": 0,
            "date": seconds,
            "created": seconds,
            "modified": int(time.time()),
            "category": 1,
            "deviceid": "abc",
            "model": "Body Comp",
            "measures": [{"type": t, "value": v, "unit": u} for t, (v, u) in measures.items()],
        } | more
        self.groups.setdefault(who, []).append(group)
        return group

    def respond(self, method: str, path: str, query: dict[str, str], form: dict[str, Any], headers: Any) -> Answer:
        if path == "/v2/oauth2" and form["action"] == "requesttoken":
            return self._token(form)
        if path == "/v2/signature":
            return self._said(0, {"nonce": self._nonce()} if self._signs(form, "timestamp") else None)
        if path == "/v2/oauth2" and form["action"] == "revoke":
            return self._revoke(form)
        who = self.who(headers)
        if who is None:
            return self._said(401, None)
        if path == "/notify":
            wanted = form["callbackurl"]
            if not self.takes_addresses:
                return self._said(293, None)
            self.subscribed |= {form["appli"]: wanted} if form["action"] == "subscribe" else {}
            if form["action"] == "revoke":
                self.subscribed.pop(form["appli"], None)
            return self._said(0, {})
        if self.refuse:
            return self.refuse.pop(0)
        return self._measures(who, form)

    def proves(self, asked: dict[str, str], form: dict[str, str]) -> bool:
        return True  # no PKCE here

    def _said(self, status: int, body: Any) -> Answer:
        return (
            200,
            {},
            {"status": status, "body": body} if body is not None else {"status": status or 503, "error": "no"},
        )

    def _token(self, form: dict[str, str]) -> Answer:
        if (form["client_id"], form["client_secret"]) != (CLIENT, SECRET):
            return self._said(503, None)
        made = self.grant(form)
        if made is None:
            return self._said(503, None)
        return self._said(0, made | {"userid": int(made["user"]), "scope": "user.metrics", "token_type": "Bearer"})

    def _nonce(self) -> str:
        nonce = secrets.token_hex(8)
        self.nonces.add(nonce)
        return nonce

    def _signs(self, form: dict[str, str], third: str) -> bool:
        message = ",".join([form["action"], form["client_id"], form[third]]).encode()
        return hmac.new(SECRET.encode(), message, "sha256").hexdigest() == form["signature"]

    def _revoke(self, form: dict[str, str]) -> Answer:
        if not self._signs(form, "nonce") or form["nonce"] not in self.nonces:
            return self._said(503, None)
        self.nonces.remove(form["nonce"])
        self.given_back.append(form["userid"])
        self.throw_out(form["userid"])
        return self._said(0, {})

    def _measures(self, who: str, form: dict[str, str]) -> Answer:
        types = {int(one) for one in form["meastypes"].split(",")}
        found = []
        for group in self.groups.get(who, []):
            if "lastupdate" in form:
                fits = group["modified"] >= int(form["lastupdate"])
            else:
                fits = int(form["startdate"]) <= group["date"] <= int(form["enddate"])
            if fits and group["category"] == int(form["category"]):
                kept = [measure for measure in group["measures"] if measure["type"] in types]
                found.append(group | {"measures": kept})
        start = int(form.get("offset", 0))
        page = found[start : start + self.page_size]
        more = {"more": 1, "offset": start + self.page_size} if len(found) > start + self.page_size else {}
        return self._said(
            0, {"updatetime": int(time.time()), "timezone": "Europe/Paris", "measuregrps": page, **more}
        )

    @staticmethod
    def ping(who: str, since: datetime, until: datetime, **more: Any) -> str:
        """What it posts when something has changed."""
        span = {"startdate": int(since.timestamp()), "enddate": int(until.timestamp())}
        return urlencode({"userid": who, "appli": 1, **span, **more})


class Fitbit(Vendor):
    """Days are of the person's time zone; 150 requests an hour."""

    name = "fitbit"
    lasts_s = 28_800

    def __init__(self) -> None:
        super().__init__()
        self.zone = "America/New_York"
        self.forbidden: set[str] = set()
        self.beats: dict[date, dict[str, int]] = {}
        """In UTC."""
        self.steps: dict[date, dict[str, int]] = {}
        self.resting: dict[date, int] = {}
        self.weights: list[dict[str, Any]] = []

    @property
    def settings(self) -> dict[str, str]:
        return super().settings | {"verify_code": "cafe1234"}

    def respond(self, method: str, path: str, query: dict[str, str], form: dict[str, Any], headers: Any) -> Answer:
        if path in ("/oauth2/token", "/oauth2/revoke"):
            return self._oauth(path, form, headers)
        who = self.who(headers)
        if who is None:
            return 401, {}, {"errors": [{"errorType": "expired_token"}], "success": False}
        if self.forbidden & set(path.split("/")):
            return 403, {}, {"errors": [{"errorType": "insufficient_scope"}], "success": False}
        if "apiSubscriptions" in path:
            collection, name = path.split("/")[4], path.split("/")[-1]
            known = collection in self.subscribed
            if method == "DELETE":
                self.subscribed.pop(collection, None)
                return 204, {}, None
            self.subscribed[collection] = name
            return (409 if known else 201), {}, {"subscriptionId": name}
        if self.refuse:
            return self.refuse.pop(0)
        headers = {"fitbit-rate-limit-limit": "150", "fitbit-rate-limit-remaining": "149"}
        return 200, headers, self._data(path.removeprefix("/1/user/-/").removesuffix(".json"), query)

    def _oauth(self, path: str, form: dict[str, str], headers: Any) -> Answer:
        if not self.shows_secret(headers):
            return 401, {}, {"errors": [{"errorType": "invalid_client"}], "success": False}
        if path == "/oauth2/revoke":
            who = self.refresh.get(form["token"], "")
            self.given_back.append(who)
            self.throw_out(who)
            return 200, {}, {}
        made = self.grant(form)
        if made is None:
            return 400, {}, {"errors": [{"errorType": "invalid_grant"}], "success": False}
        return 200, {}, made | {"user_id": made["user"], "scope": "weight heartrate", "token_type": "Bearer"}

    def _data(self, path: str, query: dict[str, str]) -> Any:
        match path.split("/"):
            case ["profile"]:
                return {"user": {"timezone": self.zone}}
            case ["activities", "heart", "date", day, "1d", "1min"]:
                assert query == {"timezone": "UTC"}
                return self._intraday("heart", self.beats.get(date.fromisoformat(day), {}))
            case ["activities", "steps", "date", day, "1d", "15min"]:
                return self._intraday("steps", self.steps.get(date.fromisoformat(day), {}))
            case ["activities", "heart", "date", first, last]:
                days = [d for d in self.resting if first <= str(d) <= last]
                told = [{"dateTime": str(d), "value": {"restingHeartRate": self.resting[d]}} for d in days]
                return {"activities-heart": [*told, {"dateTime": last, "value": {}}]}
            case ["body", "log", "weight", "date", first, last]:
                return {"weight": [row for row in self.weights if first <= row["date"] <= last]}
            case ["spo2", "date", _, _, "all"]:
                return []
            case ["hrv", "date", _, _]:
                return {"hrv": []}
        raise AssertionError(path)

    def _intraday(self, what: str, values: dict[str, int]) -> dict[str, Any]:
        rows = [{"time": clock, "value": value} for clock, value in values.items()]
        return {f"activities-{what}-intraday": {"dataset": rows, "datasetInterval": 1, "datasetType": "minute"}}

    @staticmethod
    def ping(who: str, collection: str, day: date | None = None) -> tuple[bytes, dict[str, str]]:
        """What it posts, and the header that signs it."""
        note = {"collectionType": collection, "ownerId": who, "ownerType": "user", "subscriptionId": "1"}
        body = json.dumps([note | ({"date": str(day)} if day else {})]).encode()
        mac = hmac.new(f"{SECRET}&".encode(), body, "sha1").digest()
        return body, {"X-Fitbit-Signature": base64.b64encode(mac).decode()}


class Open(Vendor):
    """Somebody who has read our README."""

    name = "glucometers"
    hook_secret = "hook-secret"

    @property
    def settings(self) -> dict[str, str]:
        return super().settings | {"adapter": "open_push", "label": "Glucometers", "webhook_secret": self.hook_secret}

    def respond(self, method: str, path: str, query: dict[str, str], form: dict[str, Any], headers: Any) -> Answer:
        if path == "/oauth/token":
            made = self.grant(form) if self.shows_secret(headers) else None
            return (200, {}, made) if made else (400, {}, {"error": "invalid_grant"})
        if path == "/oauth/revoke":
            self.given_back.append(self.refresh.get(form["token"], ""))
            return 200, {}, {}
        if self.who(headers) is None:
            return 401, {}, {"error": "invalid_token"}
        assert path == "/v1/history"
        return 202, {}, {}

    @property
    def wanted(self) -> list[dict[str, Any]]:
        """The spans it was asked for."""
        return [form for path, form in self.bodies if path == "/v1/history"]

    @classmethod
    def posts(
        cls, who: str, readings: list[dict[str, Any]], *, delivery: str = "", at: float | None = None, **more: Any
    ) -> tuple[bytes, dict[str, str]]:
        """A body of its own, and the header that signs it."""
        told = {"user": who, "delivery": delivery or secrets.token_hex(8), "readings": readings} | more
        body, stamp = json.dumps(told, default=str).encode(), str(int(at or time.time()))
        mac = hmac.new(cls.hook_secret.encode(), f"{stamp}.".encode() + body, "sha256").hexdigest()
        return body, {"Stayer-Signature": f"t={stamp},v1={mac}"}


def utc(day: date, clock: str) -> datetime:
    """An instant."""
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC)
