"""`python -m config.demo URL FOLDER`: demo people with a history, made through the front door like any client's.

Nothing here knows Django or a database: it speaks HTTP, so what it makes is what the API makes; only the staff get
their roles by the operator's command. It may be run at every start: each step finds what an earlier run has left and
changes nothing more. The people it may sign in as are left in FOLDER/demo.json, the bridge's credentials in
FOLDER/worn.json, the seeds of the staff's authenticator apps in FOLDER/demo-codes.json: for their owner's eyes
only.

`python -m config.demo code Mira`: the six digits that Mira's authenticator app would show now.
"""

import base64
import hashlib
import hmac
import json
import math
import os
import random
import secrets
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from config import demo_booking, demo_health, demo_training
from config.running.private import write_private

HISTORY_DAYS = 18
SAMPLE_S = 10
LAPS_AROUND = (0.05, 0.05)  # in the Gulf of Guinea: nobody lives there
METRES_A_DEGREE = 111_195.0
IMPORT_PATIENCE_S = 60.0
MAIL_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Person:
    """Somebody in the demo: how they are, how they train."""

    name: str
    about: str
    birth_date: str
    sex: str = "unspecified"
    body_mass_kg: float = 70.0
    pace_mps: float = 2.8
    trains: tuple[int, ...] = ()
    role: str = ""

    @property
    def email(self) -> str:
        """Their address."""
        return f"{self.name.lower()}@demo.example"


WEARER = Person("Anna", "wears the heart-rate strap", "1991-04-12", "female", 61.0, 3.1, (0, 1, 3, 5, 8, 11, 15))
ATHLETES = [
    WEARER,
    Person("Boris", "Anna's friend, runs fast", "1988-09-30", "male", 78.0, 3.6, (0, 2, 4, 6, 9, 13)),
    Person("Chloe", "Anna's friend, runs far", "1995-01-23", "female", 58.0, 2.7, (1, 2, 5, 7, 12, 16)),
    Person("Dmitri", "trains every day", "1979-11-02", "male", 84.0, 2.9, (0, 0, 1, 4, 10)),
    Person("Elif", "has just begun", "2003-06-17", "female", 66.0, 2.3, (2, 14)),
]
STAFF = [
    Person("Mira", "moderator: sees people and words, nothing medical", "1985-02-08", role="moderator"),
    Person("Otto", "operator: dead letters, everything", "1980-07-19", role="operator"),
]
ORGANISER = Person("Olga", "organises events", "1983-05-21", role="organiser")
ALL = [*ATHLETES, *STAFF, ORGANISER]
FRIENDS_OF_WEARER = ATHLETES[1:4]
CHAT = [
    ("Boris", "Six laps tomorrow at seven?"),
    ("Chloe", "I am in, slowly."),
    ("Anna", "Yes! I will wear the strap, you can watch my pulse."),
    ("Boris", "Then I had better not lose."),
]


class Codes:
    """The staff's authenticator apps (RFC 6238): their seeds, and what each showed last, for a code is good once."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "demo-codes.json"
        self._apps: dict[str, dict[str, Any]] = json.loads(self._file.read_text()) if self._file.is_file() else {}

    def keep(self, name: str, seed: str) -> None:
        """Enrol somebody's app."""
        self._note(name, {"seed": seed, "last_step": 0})

    def next(self, name: str) -> str:
        """A code that is good now and was not shown before; one may be ahead of time by half a minute."""
        app = self._apps[name]
        step = max(int(time.time()) // 30, app["last_step"] + 1)
        time.sleep(max(0.0, (step - 1) * 30 - time.time()))
        self._note(name, app | {"last_step": step})
        mac = hmac.digest(base64.b32decode(app["seed"]), struct.pack(">Q", step), hashlib.sha1)
        offset = mac[-1] & 15
        return f"{(int.from_bytes(mac[offset : offset + 4], 'big') & 0x7FFFFFFF) % 10**6:06d}"

    def _note(self, name: str, app: dict[str, Any]) -> None:
        self._apps[name] = app
        write_private(self._file, json.dumps(self._apps))


class Client:
    """A signed-in person's HTTP client."""

    def __init__(self, http: httpx.Client, person: Person, password: str, codes: Codes) -> None:
        self.person = person
        self._http = http
        self._codes = codes
        self._password = password
        self.sign_in()
        self.user_id: str = self.get("identity/me")["user_id"]

    def sign_in(self) -> None:
        """Get a token, which knows the roles of this moment."""
        self._headers = {"Authorization": f"Bearer {self._signed_in(self._password)}"}

    def _signed_in(self, password: str) -> str:
        form = {"email": self.person.email, "password": password}
        answer = self._http.post("identity/login", json=form)
        if answer.status_code == 401 and answer.json()["code"] == "otp_required":
            answer = self._http.post("identity/login", json=form | {"otp": self._codes.next(self.person.name)})
        elif answer.status_code == 401:
            born = {"display_name": self.person.name, "birth_date": self.person.birth_date}
            self._http.post("identity/register", json=form | born).raise_for_status()
            self._confirm(form)
            answer = self._http.post("identity/login", json=form)
        answer.raise_for_status()
        token: str = answer.json()["access"]
        return token

    def _confirm(self, form: dict[str, str]) -> None:
        """Open the account by the link in the mail, which the demo's mailbox has in a moment."""
        deadline = time.monotonic() + MAIL_PATIENCE_S
        while time.monotonic() < deadline:
            mails = self._http.get(self._http.base_url.join("/demo-mail.json"), params={"to": form["email"]}).json()[
                "messages"
            ]
            links = [word for mail in mails for word in mail["body"].split() if "/account/confirm#" in word]
            if links:
                token = links[0].partition("#")[2]
                confirmed = {"token": token, "password": form["password"]}
                self._http.post("identity/email/confirm", json=confirmed).raise_for_status()
                return
            time.sleep(0.1)
        raise SystemExit("demo: the confirmation mail has not come")

    def get(self, path: str, **query: Any) -> Any:
        """What a GET answers."""
        answer = self._http.get(path, params=query, headers=self._headers)
        answer.raise_for_status()
        return answer.json()

    def send(self, method: str, path: str, body: Any = None, *, fine: tuple[int, ...] = (), **more: Any) -> Any:
        """What a POST or PATCH answers; statuses in `fine` are as good as success."""
        headers = self._headers | more.pop("headers", {})
        answer = self._http.request(method, path, json=body, headers=headers, **more)
        if answer.status_code not in fine:
            answer.raise_for_status()
        return answer.json() if answer.content else None

    def pay(self, page_url: str, card: str) -> None:
        """Pay on the provider's page as a browser would; where it leads back to is not followed."""
        self._http.post(page_url, data={"card": card}, follow_redirects=False)


def main(url: str, folder: Path) -> None:
    """Make what is missing; say what is being made."""
    password = _password(folder)
    with httpx.Client(base_url=f"{url}/api/v1/", timeout=30) as http:
        codes = Codes(folder)
        clients = {person.name: Client(http, person, password, codes) for person in ALL}
        say("people are registered")
        for person in ATHLETES:
            _introduce(clients[person.name])
        wearer = clients[WEARER.name]
        _connect_bridge(wearer, url, folder)
        demo_health.leave_an_alert(wearer, say)
        _befriend(wearer, [clients[person.name] for person in FRIENDS_OF_WEARER])
        _train(wearer, [clients[person.name] for person in ATHLETES])
        _talk(clients)
        _start_workout(wearer)
        for person in STAFF:
            _enrol(clients[person.name], codes)
        _appoint([clients[person.name] for person in (*STAFF, ORGANISER)])
        demo_booking.fill_the_calendar(clients, say)
        demo_training.train_for_two_years(wearer, say)
    _leave_logins(folder, password)


def say(what: str) -> None:
    """A line of progress."""
    sys.stdout.write(f"demo: {what}\n")
    sys.stdout.flush()


def _password(folder: Path) -> str:
    """The one password of all demo people: made once, kept beside the data."""
    file = folder / "demo.json"
    if file.is_file():
        known: str = json.loads(file.read_text())[0]["password"]
        return known
    made = f"Demo-{secrets.token_hex(4)}!"
    write_private(file, json.dumps([{"email": WEARER.email, "password": made}]))
    return made


def _leave_logins(folder: Path, password: str) -> None:
    people = [
        {"email": p.email, "display_name": p.name, "password": password, "about": p.about, "role": p.role}
        for p in ALL
    ]
    write_private(folder / "demo.json", json.dumps(people, indent=1))


def _introduce(client: Client) -> None:
    person = client.person
    shown = {"visibility": {"display_name": "everyone", "workouts": "friends"}}
    body = {"sex": person.sex, "body_mass_kg": person.body_mass_kg}
    client.send("PATCH", "identity/me", shown | body)


def _connect_bridge(client: Client, url: str, folder: Path) -> None:
    file = folder / "worn.json"
    connected = {device["device_id"] for device in client.get("health/devices")["items"]}
    if file.is_file() and json.loads(file.read_text())["device_id"] in connected:
        return
    current = {p["purpose"]: p["version_in_force"] for p in client.get("identity/consents")["purposes"]}
    agreed = {"purpose": "health_processing", "version": current["health_processing"], "given": True}
    client.send("POST", "identity/consents", agreed)
    device = client.send("POST", "health/devices", {"name": "Bridge", "kind": "bridge"})
    write_private(file, json.dumps({"url": url, "device_id": device["device_id"], "secret": device["secret"]}))
    say("what the wearer has on is connected")


def _befriend(client: Client, others: list[Client]) -> None:
    friends = {friend["user_id"] for friend in client.get("social/friends")["items"]}
    for other in others:
        if other.user_id in friends:
            continue
        client.send("POST", "social/friend-requests", {"user_id": other.user_id}, fine=(409,))
        for waiting in other.get("social/friend-requests")["items"]:
            other.send("POST", f"social/friend-requests/{waiting['id']}/accept", fine=(404, 409))


def _train(wearer: Client, clients: list[Client]) -> None:
    """Upload each person's past recordings, unless an earlier run has."""
    if wearer.get("workout/sessions", limit=1)["items"]:
        return
    imports = []
    for client in clients:
        for nth, days_ago in enumerate(client.person.trains):
            name = f"{client.person.name.lower()}-{nth}.gpx"
            file = {"file": (name, recording(client.person, days_ago=days_ago, nth=nth), "application/gpx+xml")}
            imports.append((client, client.send("POST", "workout/imports", files=file)["import_id"]))
    say(f"{len(imports)} recordings are uploaded")
    deadline = time.monotonic() + IMPORT_PATIENCE_S
    for client, import_id in imports:
        while client.get(f"workout/imports/{import_id}")["state"] in ("queued", "working"):
            if time.monotonic() > deadline:
                say("the worker is still reading recordings; they will appear by themselves")
                return
            time.sleep(0.2)
    say("the history is there")


def recording(person: Person, *, days_ago: int, nth: int) -> bytes:
    """A GPX file of laps around a buoy, with a pulse, as a watch would have written it."""
    dice = random.Random(f"{person.name}{nth}")
    minutes = dice.randint(22, 55)
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=days_ago, minutes=minutes + 20 + 90 * nth % 200)
    radius = 400 / (2 * math.pi) / METRES_A_DEGREE
    points = []
    for second in range(0, minutes * 60, SAMPLE_S):
        angle = 2 * math.pi * second * person.pace_mps / 400
        pulse = 128 + 26 * (1 - math.exp(-second / 300)) + 6 * math.sin(second / 95) + dice.uniform(-2, 2)
        points.append(
            f'<trkpt lat="{LAPS_AROUND[0] + radius * math.sin(angle):.6f}"'
            f' lon="{LAPS_AROUND[1] + radius * math.cos(angle):.6f}"><ele>2</ele>'
            f"<time>{start + timedelta(seconds=second):%Y-%m-%dT%H:%M:%SZ}</time>"
            f"<extensions><tpx:TrackPointExtension>"
            f"<tpx:hr>{pulse:.0f}</tpx:hr></tpx:TrackPointExtension></extensions></trkpt>"
        )
    return _GPX.format(points="\n".join(points)).encode()


_GPX = """<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" creator="Stayer demo" xmlns="http://www.topografix.com/GPX/1/1"
 xmlns:tpx="http://www.garmin.com/xmlschemas/TrackPointExtension/v1">
<trk><type>running</type><trkseg>
{points}
</trkseg></trk></gpx>
"""


def _talk(clients: dict[str, Client]) -> None:
    """A group room with a few words in it."""
    anna = clients[WEARER.name]
    if anna.get("social/rooms")["items"]:
        return
    members = [clients[person.name].user_id for person in FRIENDS_OF_WEARER]
    group = {"kind": "group", "title": "Morning runners", "member_ids": members}
    room = anna.send("POST", "social/rooms", group)["id"]
    for nth, (name, text) in enumerate(CHAT):
        message = {"client_message_id": f"demo-{nth}", "text": text}
        clients[name].send("POST", f"social/rooms/{room}/messages", message)
    anna.send("POST", "social/rooms", {"kind": "direct", "member_ids": [clients["Boris"].user_id]})
    say("a room is open")


def _start_workout(client: Client) -> None:
    """The strap's wearer is out running when the page is first looked at."""
    client.send("POST", "workout/sessions", {"sport": "running", "visibility": "friends"}, fine=(409,))
    say("Anna is running")


def _enrol(client: Client, codes: Codes) -> None:
    """A second factor, without which nobody enters the administration."""
    if client.get("identity/mfa")["totp"]:
        return
    codes.keep(client.person.name, client.send("POST", "identity/mfa/totp")["secret"])
    client.send("POST", "identity/mfa/totp/confirm", {"code": codes.next(client.person.name)})


def _appoint(clients: list[Client]) -> None:
    """Their roles, the way an operator would give them: no API does that."""
    waiting = [client for client in clients if client.person.role not in client.get("identity/me")["roles"]]
    if not waiting:
        return
    grants = [word for client in waiting for word in (client.person.email, client.person.role)]
    subprocess.run([sys.executable, "manage.py", "grant_role", *grants], check=True, stdout=subprocess.DEVNULL)
    for client in waiting:
        if client.person is ORGANISER:
            client.sign_in()


def show_code(name: str) -> None:
    """Print a code of one member of staff."""
    folder = Path(os.environ.get("STAYER_VAR") or Path(__file__).resolve().parent.parent / "var")
    sys.stdout.write(f"{Codes(folder).next(name.title())}\n")


if __name__ == "__main__":
    if sys.argv[1] == "code":
        show_code(sys.argv[2])
    else:
        main(sys.argv[1], Path(sys.argv[2]))
