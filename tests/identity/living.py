"""Somebody who has used all of Stayer, and left a word of their own in every place where words are kept."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.timezone import now

from contexts.identity.models import OAuthApp
from contexts.workout import tasks
from tests.conftest import PASSWORD, Api, Person, agree, make_person, sign_in
from tests.health.conftest import HEALTH, Strap, beats
from tests.social.conftest import befriend, open_direct, say
from tests.workout.planning import adopt, made, write_plan, write_workout

LATITUDE = 47.31415926
"""Far from any place another test goes to; stored as it stands here."""

HOME = 46.27182818
"""Encrypted at rest, so that only an export shows it."""

WORDS = {
    "address": "quetzal-7431@canary.example",
    "name": "Quillon Vexworth",
    "about": "collects theremins",
    "city": "Ytterwick",
    "device": "Strap of Zarquon",
    "direct message": "meet at the obsidian gazebo",
    "group message": "bring marzipan zeppelins",
    "room title": "Wombat paragliders",
    "workout name": "Sunrise over Kvothefjord",
    "plan title": "Marmalade glacier base",
    "own exercise": "Ostrich kettle waltz",
    "file name": "xylograph-lap.gpx",
    "place": str(LATITUDE),
    "browser": "NetscapeQuux/9.75",
    "privacy zone": "Grandmother Isolde",
    "app": "Pulsegoblin Sync",
}


def recording() -> bytes:
    """A run of twenty minutes yesterday that ends at the canary's latitude."""
    begin = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    rows = "".join(
        f'<trkpt lat="{LATITUDE + (nth - 60) * 0.00027:.8f}" lon="8.5"><time>'
        f"{(begin + timedelta(seconds=nth * 10)):%Y-%m-%dT%H:%M:%SZ}</time></trkpt>"
        for nth in range(121)
    )
    return (
        '<?xml version="1.0"?><gpx version="1.1" creator="test" xmlns="http://www.topografix.com/GPX/1/1">'
        f"<trk><name>{WORDS['workout name']}</name><type>running</type>"
        f"<trkseg>{rows}</trkseg></trk></gpx>"
    ).encode()


@dataclass
class Life:
    """A person, a friend of theirs, and what they have in common."""

    person: Person
    friend: Person
    strap: Strap
    direct: str
    group: str
    import_id: str
    app: OAuthApp
    recording: bytes = field(repr=False)

    def sign_in_again(self) -> Api:
        """A fresh session of the person."""
        return Api(sign_in(self.person.email)["access"])

    def erase(self) -> UUID:
        """Ask for the erasure through the front door."""
        answer = self.person.api.post("/api/v1/identity/erasure", {"password": PASSWORD})
        assert answer.status_code == 202, answer.content
        return UUID(answer.json()["erasure_id"])


def live(deliver: Callable[[], int]) -> Life:
    """Do everything once, through the front doors, and let every event arrive."""
    person, friend = _people()
    strap = _wear(person)
    deliver()
    befriend(person, friend)
    import_id, data = _train(person)
    _plan(person)
    direct, group = _talk(person, friend)
    app = _own_app(person, friend)
    deliver()
    for period in ("daily", "weekly", "monthly"):
        assert person.api.get(f"/api/v1/gamification/leaderboards/{period}").status_code == 200
    return Life(person, friend, strap, direct, group, import_id, app, data)


def _people() -> tuple[Person, Person]:
    shown = {"visibility": {"display_name": "everyone", "workouts": "friends"}}
    person = make_person(
        WORDS["address"], display_name=WORDS["name"], about=WORDS["about"], city=WORDS["city"], **shown
    )
    form = {"email": person.email, "password": person.password}
    other_browser = Api().post("/api/v1/identity/login", form, headers={"User-Agent": WORDS["browser"]})
    assert other_browser.status_code == 200
    return person, make_person(**shown)


def _wear(person: Person) -> Strap:
    agree(person)
    answer = person.api.post(f"{HEALTH}/devices", {"name": WORDS["device"], "kind": "chest_strap"})
    strap = Strap(person, **answer.json())
    assert strap.send(beats(120)).json()["accepted"] == 120
    return strap


def _train(person: Person) -> tuple[str, bytes]:
    data = recording()
    file = SimpleUploadedFile(WORDS["file name"], data, content_type="application/gpx+xml")
    answer = person.api.post("/api/v1/workout/imports", data={"file": file})
    assert answer.status_code == 202, answer.content
    import_id = str(answer.json()["import_id"])
    tasks.read_import(import_id)
    assert person.api.get(f"/api/v1/workout/imports/{import_id}").json()["state"] == "done"
    return import_id, data


def _plan(person: Person) -> None:
    made(person, "exercises", {"name_en": WORDS["own exercise"], "muscles": ["full_body"]})
    plan = write_plan(person, write_workout(person, title=WORDS["plan title"]), title=WORDS["plan title"])
    adopt(person, plan)
    made(person, "plan-feeds", {"name": WORDS["plan title"]})


def _talk(person: Person, friend: Person) -> tuple[str, str]:
    direct = open_direct(friend, person)
    say(friend, direct, "What did you do?")
    say(person, direct, WORDS["direct message"])
    form = {"kind": "group", "title": WORDS["room title"], "member_ids": [friend.user_id]}
    group = person.api.post("/api/v1/social/rooms", form, headers={"Idempotency-Key": str(uuid4())}).json()["id"]
    say(person, group, WORDS["group message"], client_message_id="quokka-1")
    say(friend, group, "I shall.")
    return direct, group


def _own_app(person: Person, friend: Person) -> OAuthApp:
    zone = {"name": WORDS["privacy zone"], "latitude": HOME, "longitude": 8.5, "radius_m": 500}
    answer = person.api.post("/api/v1/identity/privacy-zones", zone)
    assert answer.status_code == 201, answer.content
    return OAuthApp.objects.create(
        owner_id=person.user_id, name=WORDS["app"], redirect_uris=[], scopes=[], created_at=now()
    )


@pytest.fixture(autouse=True)
def own_media(settings: Any, tmp_path: Path) -> None:
    """Files of other tests are none of ours."""
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def life(deliver: Callable[[], int], monkeypatch: pytest.MonkeyPatch) -> Life:
    """Somebody with traces everywhere, and their friend."""
    monkeypatch.setattr(tasks.read_import, "delay", lambda import_id: None)  # read at once, not by a worker
    return live(deliver)
