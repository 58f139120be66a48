"""Every operation × everybody who might try it, made from the URLconf, the OpenAPI and the socket routes.

What must happen follows from the policy an operation declares, so a new context is covered on the day it comes.
Where a new kind of path parameter appears, `World.id_for` has to name Anna's thing of that kind: until it does,
this test fails.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils.timezone import now

from contexts.health.worn.signatures import device
from contexts.identity import blocking, rules, sessions, tokens
from contexts.identity.models import OAuthApp, Session, User
from contexts.identity.sessions import Origin
from kernel.access import Policy, anyone, recent_mfa
from kernel.databases import unit_of_work
from kernel.http import Endpoint
from tests.architecture.test_doors import EXEMPT, consumers, methods_of, views_below
from tests.conftest import Api, Person, TestSocket, make_person
from tests.contracts.bookings import OPEN_TO_ALL_COMERS
from tests.contracts.world import World, right_call
from tests.kernel.tokens import service_authorization

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.timeout(300),
]

PREFIXES = ("/api/v1/", "/.well-known/")
NAMING_ANOTHER_IS_THE_POINT = {
    "send_friend_request": "one asks people one does not know yet",
    "transfer_ticket": "one gives it to a friend",
    "open_room": "a direct room with somebody who lets everybody write",
}
"""Operations whose body names somebody else by design; what they may do is tested in their context."""


@dataclass(frozen=True)
class Operation:
    """One method of one address."""

    method: str
    path: str
    view: type[Endpoint]
    id: str

    @property
    def policy(self) -> Policy:
        """Who may."""
        return self.view.policy_for(self.method)

    @property
    def scope(self) -> str | None:
        """What an app needs to be allowed."""
        return self.view.scope_for(self.method)

    @property
    def parameters(self) -> list[str]:
        """The names in the path."""
        return [part.partition("}")[0] for part in self.path.split("{")[1:]]

    def address(self, value: Callable[[str], str]) -> str:
        """The path with its parameters filled in."""
        return self.path.format(**{name: value(name) for name in self.parameters})


def operations() -> list[Operation]:
    """Every operation that is served, under the name the OpenAPI gives it."""
    views = {path: view for prefix in PREFIXES for path, view in views_below(prefix).items() if path not in EXEMPT}
    return [
        Operation(method=method, path=path, view=view, id=_operation_id(view, method))
        for path, view in views.items()
        for method in methods_of(view)
    ]


def _operation_id(view: Any, method: str) -> str:
    handler = getattr(view, method.lower())
    schema = getattr(handler, "kwargs", {}).get("schema")
    if schema is None:
        return f"{view.__name__}.{method}"
    described = schema()
    described.view = view(request=None, kwargs={})
    return described.get_operation_id()


OPERATIONS = operations()


@pytest.fixture
def world(transactional_db: None) -> World:
    """Anna, whose things everybody tries."""
    return World.anew(furnished)


def furnished(world: World) -> None:
    """Every thing of hers that some path names is there."""
    for operation in OPERATIONS:
        operation.address(lambda name, operation=operation: world.id_for(name, operation.id))
    with_her_things(world)


def with_her_things(world: World) -> dict[str, str]:
    """What is Anna's is there, and nothing else."""
    return world.things


def tried(operation: Operation, world: World, authorization: str | None, **more: Any) -> Any:
    """One try with these credentials, at Anna's things."""
    right = right_call(world, operation.id) if operation.id in more.pop("with_bodies", ()) else {}
    body = right.get("body", {}) if operation.method not in ("GET", "DELETE") else None
    headers = {"Authorization": authorization} if authorization else {}
    path = operation.address(more.pop("value", lambda name: world.id_for(name, operation.id)))
    return Api().request(operation.method.lower(), path, body, headers=headers)


# --- Credentials that open nothing ------------------------------------------------------------------------------


def _bearer(token: str) -> str:
    return f"Bearer {token}"


def _expired(world: World) -> str:
    session = Session.objects.get(user_id=world.boris.user_id, app__isnull=True)
    return _bearer(tokens.access_token(session, at=now() - rules.ACCESS_LIFETIME - timedelta(minutes=1)))


def _blocked(world: World) -> str:
    person = make_person()
    blocking.block_person(user_id=person.user_id, at=now())
    return _bearer(person.token)


def _erased(world: World) -> str:
    person = make_person()
    User.objects.filter(pk=person.user_id).delete()
    return _bearer(person.token)


def _device(world: World) -> str:
    return f"Device {world.strap.device_id}:{int(now().timestamp())}:{uuid4().hex}:{'A' * 43}"


NOBODY: dict[str, Callable[[World], str | None]] = {
    "anonymous": lambda world: None,
    "expired token": _expired,
    "refresh token used as access token": lambda world: _bearer(world.boris.refresh),
    "blocked": _blocked,
    "erased": _erased,
    "device key": _device,
    "service token for another context": lambda world: service_authorization(audience="nobody"),
}


@pytest.mark.parametrize("who", NOBODY)
def test_who_is_nobody_is_refused_everywhere(world: World, who: str) -> None:
    authorization = NOBODY[who](world)
    closed = [operation for operation in OPERATIONS if not operation.policy.open_to_all]
    wrong = {
        f"{operation.method} {operation.path}": answer.status_code
        for operation in closed
        if (answer := tried(operation, world, authorization)).status_code != 401
    }
    assert len(closed) > 60
    assert wrong == {}


# --- Members who may not ----------------------------------------------------------------------------------------


def for_members() -> Iterator[Operation]:
    """Operations that a bearer token can open at all."""
    for operation in OPERATIONS:
        if not operation.policy.open_to_all and operation.view.credentials == "bearer":
            yield operation


def test_without_a_recent_second_factor_nothing_medical_opens(world: World) -> None:
    plain = world.boris
    medical = [operation for operation in for_members() if operation.policy is recent_mfa]
    answers = {operation.id: tried(operation, world, _bearer(plain.token)) for operation in medical}
    assert medical
    assert {answer.json()["code"] for answer in answers.values()} == {"mfa_required"}


@pytest.mark.parametrize("role", [None, *rules.ROLES])
def test_without_the_role_nothing_of_it_opens(world: World, role: str | None) -> None:
    person = _with_role(role)
    others = [o for o in for_members() if o.policy.name.startswith("role:") and o.policy.name != f"role:{role}"]
    wrong = {o.id: answer.status_code for o in others if (answer := tried(o, world, person)).status_code != 403}
    assert wrong == {}


def _with_role(role: str | None) -> str:
    person = make_person()
    if role:
        User.objects.filter(pk=person.user_id).update(roles=[role])
    return _bearer(tokens.access_token(Session.objects.get(user_id=person.user_id), at=now()))


def test_an_app_without_the_scope_opens_nothing(world: World) -> None:
    """An app that may do everything but what an operation asks for."""
    wrong = {}
    for operation in for_members():
        scopes = [scope for scope in rules.SCOPES if scope != operation.scope]
        answer = tried(operation, world, app_token(world.anna, scopes))
        refused = {"insufficient_scope"} | ({"forbidden"} if operation.policy.name.startswith("role:") else set())
        if answer.status_code != 403 or answer.json()["code"] not in refused:
            wrong[operation.id] = answer.status_code
    assert wrong == {}


def test_an_app_with_the_scope_is_let_in(world: World) -> None:
    """The negative control of the test above: the same app with the scope is not refused for its scopes."""
    scoped = [
        operation
        for operation in for_members()
        if operation.scope in rules.SCOPES
        and operation.method == "GET"
        and not operation.policy.name.startswith("role:")
    ]
    codes = [
        tried(operation, world, app_token(world.anna, [operation.scope or ""])).status_code for operation in scoped
    ]
    assert len(scoped) > 10
    assert codes.count(403) == 0


@unit_of_work("identity")
def app_token(person: Person, scopes: list[str]) -> str:
    """What an app holds that a person has let in, under a second factor, with these scopes."""
    user = User.objects.get(pk=person.user_id)
    app, _ = OAuthApp.objects.get_or_create(
        owner=user, name="Tracker", redirect_uris=[], scopes=scopes, defaults={"created_at": now()}
    )
    session = sessions.begin(person=user, origin=Origin(address="127.0.0.1"), mfa_at=now(), at=now())
    session.app, session.scopes = app, scopes
    session.save()
    return _bearer(tokens.access_token(session, at=now()))


# --- Members who may, but not here: Anna's things are not theirs -------------------------------------------------


def _stranger(**profile: Any) -> str:
    """Somebody with everything a member can have, who has nothing to do with Anna."""
    person = make_person(**profile)
    session = Session.objects.get(user_id=person.user_id)
    session.mfa_at = now()
    session.save()
    return _bearer(tokens.access_token(session, at=now()))


def _moderator() -> str:
    person = make_person()
    User.objects.filter(pk=person.user_id).update(roles=["moderator"], is_staff=True)
    session = Session.objects.get(user_id=person.user_id)
    session.mfa_at = now()
    session.save()
    return _bearer(tokens.access_token(session, at=now()))


STRANGERS: dict[str, Callable[[], str]] = {
    "other user": _stranger,
    "under 16": lambda: _stranger(birth_date=f"{now().year - 14}-01-01"),
    "moderator": _moderator,
}


def identifiers() -> list[Operation]:
    """Operations whose path names a thing by its id."""
    named = [operation for operation in for_members() if any(n.endswith("_id") for n in operation.parameters)]
    return [operation for operation in named if operation.id not in OPEN_TO_ALL_COMERS]


@pytest.mark.parametrize("who", STRANGERS)
def test_anothers_ids_in_the_path_answer_404_like_ids_of_nothing(world: World, who: str) -> None:
    """No existence is told: the answer for Anna's id and for a made-up one are the same but for the correlation."""
    authorization = STRANGERS[who]()
    wrong = {}
    with_bodies = {operation.id for operation in OPERATIONS}
    for operation in identifiers():
        theirs = tried(operation, world, authorization, with_bodies=with_bodies)
        nothing = tried(operation, world, authorization, with_bodies=with_bodies, value=lambda name: str(uuid4()))
        if theirs.status_code not in (403, 404) or _shape(theirs) != _shape(nothing):
            wrong[operation.id] = (theirs.status_code, nothing.status_code)
    assert len(identifiers()) > 20
    assert wrong == {}


def _shape(answer: Any) -> Any:
    body = answer.json() if answer.content else {}
    return answer.status_code, {name: value for name, value in body.items() if name != "correlation_id"}


@pytest.mark.parametrize("who", STRANGERS)
def test_anothers_ids_in_body_and_query_do_nothing(transactional_db: None, who: str) -> None:
    world = World.anew(with_her_things)
    things = world.things
    wrong = {}
    for operation in for_members():
        if operation.parameters or operation.id in NAMING_ANOTHER_IS_THE_POINT:
            continue
        authorization = STRANGERS[who]()  # somebody new: signing out and erasing oneself are operations, too
        for nth, body in enumerate(_bodies_with_annas_ids(world, things, operation)):
            answer = _sent(operation, authorization, body)
            assert nth or answer.status_code != 401, operation.id
            if answer.status_code < 300 and _named(things, answer):
                wrong[operation.id] = answer.status_code
            assert answer.status_code < 500, (operation.id, answer.content)
            if who != "other user" and (answer.status_code < 300 or answer.status_code == 403):
                break  # the whole lot was read, or nothing of it; one by one it is the other user's
    assert wrong == {}


def _bodies_with_annas_ids(world: World, things: dict[str, str], operation: Operation) -> Iterator[dict[str, Any]]:
    """Every way of naming Anna or her things that a request knows: all at once, then one by one."""
    names = [name for name in things if name.endswith("_id")]
    reading = operation.method in ("GET", "DELETE")
    right = {} if reading else dict(right_call(world, operation.id).get("body", {}))
    yield right | {name: things[name] for name in names}
    yield from (right | {name: things[name]} for name in names)


def _sent(operation: Operation, authorization: str, body: dict[str, Any]) -> Any:
    headers = {"Authorization": authorization}
    if operation.method in ("GET", "DELETE"):
        return Api().request(operation.method.lower(), operation.path, headers=headers, data=body)
    if "file" in body:
        return Api().request(operation.method.lower(), operation.path, headers=headers, data=body)
    return Api().request(operation.method.lower(), operation.path, body, headers=headers)


def _named(things: dict[str, str], answer: Any) -> bool:
    """Whether an answer shows any of Anna's ids."""
    return answer.content and any(value in answer.content.decode("latin-1") for value in things.values())


@pytest.mark.parametrize("who", STRANGERS)
def test_lists_show_nothing_of_anna(world: World, who: str) -> None:
    authorization = STRANGERS[who]()
    lists = [operation for operation in for_members() if operation.method == "GET" and not operation.parameters]
    things = world.things
    leaks = [o.id for o in lists if _named(things, tried(o, world, authorization))]
    assert len(lists) > 15
    assert leaks == []


def test_anna_does_see_her_own_things(world: World) -> None:
    """The negative control of the tests above: the same requests do show Anna's things to Anna."""
    lists = [operation for operation in for_members() if operation.method == "GET" and not operation.parameters]
    things = world.things
    hers = [o.id for o in lists if _named(things, tried(o, world, _bearer(world.anna.api.token or "")))]
    opened = [
        o.id
        for o in identifiers()
        if o.method == "GET" and tried(o, world, _bearer(world.anna.api.token or "")).status_code < 300
    ]
    assert len(hers) > 8
    assert len(opened) > 5


# --- Sockets ----------------------------------------------------------------------------------------------------


def socket_paths(world: World) -> list[str]:
    """Every socket's address, with Anna's ids in it."""
    values = {"period": "daily"}
    paths = []
    for route in consumers():
        names = [part.partition(">")[0].rpartition(":")[2] for part in route.split("<")[1:]]
        for name in names:
            found = values.get(name) or world.id_for(name, "")
            route = route.replace(next(p for p in _placeholders(route) if p.endswith(f"{name}>")), found)
        paths.append(route)
    return paths


def _placeholders(route: str) -> list[str]:
    return [f"<{part.partition('>')[0]}>" for part in route.split("<")[1:]]


@pytest.mark.parametrize(
    "who", ["anonymous", "expired token", "refresh token used as access token", "blocked", "erased"]
)
async def test_sockets_refuse_who_is_nobody(transactional_db: None, socket: Any, who: str) -> None:
    world = await sync_to_async(World.anew)(furnished)
    authorization = await sync_to_async(NOBODY[who])(world)
    token = (authorization or "").removeprefix("Bearer ") or None
    for path in await sync_to_async(socket_paths)(world):
        ws: TestSocket = socket(path, token)
        await ws.connect(timeout=10)
        assert await ws.closed_with() == 4401, path


async def test_sockets_refuse_an_app_without_the_scope(transactional_db: None, socket: Any) -> None:
    world = await sync_to_async(World.anew)(furnished)
    authorization = await sync_to_async(app_token)(world.anna, ["identity:read"])
    for path in await sync_to_async(socket_paths)(world):
        ws: TestSocket = socket(path, authorization.removeprefix("Bearer "))
        await ws.connect(timeout=10)
        assert await ws.closed_with() == 4403, path


# --- The table itself -------------------------------------------------------------------------------------------


def test_the_matrix_covers_every_context() -> None:
    covered = {operation.path.split("/")[3] for operation in OPERATIONS if operation.path.startswith("/api/v1/")}
    assert covered == set(settings.CONTEXTS)
    assert len({operation.id for operation in OPERATIONS}) == len(OPERATIONS)


def test_what_takes_a_device_key_takes_nothing_else(world: World) -> None:
    with_key = [operation for operation in OPERATIONS if operation.policy is device]
    assert with_key
    for operation in with_key:
        assert tried(operation, world, _bearer(world.anna.api.token or "")).status_code == 401
    assert anyone.open_to_all
