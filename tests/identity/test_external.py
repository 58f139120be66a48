"""Signing in with an account elsewhere: against a real provider, and against one that lies (ID-1)."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import oidc_provider_mock
import pytest
import requests

from contexts.identity import events, external_providers
from contexts.identity.models import ExternalAccount, Session, User
from kernel.databases import redis_client
from tests.conftest import Api, Person
from tests.identity.conftest import IDENTITY, in_parallel
from tests.identity.wicked_provider import KEY, OTHER_KEY, Wicked, serving

pytestmark = pytest.mark.django_db(transaction=True)

EXTERNAL = f"{IDENTITY}/external"


@pytest.fixture
def issuer(settings, monkeypatch) -> Iterator[str]:
    """A provider as its makers' library builds one, on a free port."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    external_providers._published.clear()
    people = [
        oidc_provider_mock.User(
            sub="nina", claims={"email": "Nina@example.org", "email_verified": True, "name": "Nina"}
        ),
        oidc_provider_mock.User(sub="anna", claims={"email": "anna@example.org", "email_verified": True}),
        oidc_provider_mock.User(sub="vague", claims={"email": "vague@example.org"}),
    ]
    with oidc_provider_mock.run_server_in_thread(user_claims=people, require_nonce=True) as server:
        issuer = f"http://localhost:{server.server_port}"
        client = {"client_id": "stayer", "client_secret": "known-to-both"}
        settings.OIDC_PROVIDERS = [{"name": "mock", "label": "Mock", "issuer": issuer} | client]
        yield issuer


@pytest.fixture
def wicked(settings) -> Iterator[Wicked]:
    """A provider that says what it is told."""
    external_providers._published.clear()
    with serving() as provider:
        client = {"client_id": "stayer", "client_secret": "known-to-both"}
        settings.OIDC_PROVIDERS = [{"name": "mock", "label": "Wicked", "issuer": provider.issuer} | client]
        yield provider


def begin(api: Api | None = None, purpose: str = "sign_in") -> dict[str, str]:
    answer = (api or Api()).post(f"{EXTERNAL}/mock/begin", {"purpose": purpose})
    assert answer.status_code == 200, answer.content
    begun: dict[str, str] = answer.json()
    return begun


def at_provider(begun: dict[str, str], sub: str) -> dict[str, str]:
    """Sign in there; what the browser comes back with, and what it kept."""
    there = requests.post(begun["authorization_url"], data={"sub": sub}, allow_redirects=False, timeout=10)
    assert there.status_code == 302, there.text
    back = {name: values[0] for name, values in parse_qs(urlsplit(there.headers["Location"]).query).items()}
    return {"state": back["state"], "code": back["code"], "binding": begun["binding"]}


def complete(returned: dict[str, str]) -> Any:
    return Api().post(f"{EXTERNAL}/complete", returned)


def come_as(sub: str) -> Any:
    """There and back."""
    return complete(at_provider(begin(), sub))


def link(person: Person, sub: str) -> Any:
    return complete(at_provider(begin(person.api, "link"), sub))


def open_account(ticket: str, **more: str) -> Any:
    form = {"ticket": ticket, "birth_date": "1990-05-17", "display_name": "Nina"} | more
    return Api().post(f"{EXTERNAL}/register", form)


def test_id1_the_providers_are_listed_without_their_secrets(issuer) -> None:
    answer = Api().get(f"{EXTERNAL}/providers")
    assert answer.json() == {"items": [{"name": "mock", "label": "Mock"}]}
    assert Api().post(f"{EXTERNAL}/other/begin", {}).status_code == 404


def test_id1_the_way_to_a_provider_is_bound_to_what_comes_back(issuer) -> None:
    begun = begin()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begun["authorization_url"]).query).items()}
    assert begun["authorization_url"].startswith(f"{issuer}/oauth2/authorize?")
    assert asked["state"] == begun["state"]
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["nonce"]) >= 32
    assert begun["binding"] not in begun["authorization_url"]
    (kept,) = [redis_client().get(key) for key in redis_client().scan_iter("external:*")]
    for secret in (begun["binding"], asked["nonce"], "sign_in"):
        assert secret.encode() not in kept


def test_id1_a_new_person_gets_an_account_and_comes_back_to_it(issuer, announced) -> None:
    unknown = come_as("nina").json()
    assert (unknown["outcome"], unknown["needs"]) == ("unknown", ["birth_date", "display_name"])
    assert unknown["display_name"] == "Nina"
    assert not User.objects.exists()
    made = open_account(unknown["ticket"])
    assert made.status_code == 201, made.content
    me = Api(made.json()["access"]).get(f"{IDENTITY}/me").json()
    assert me["email"] == "nina@example.org"
    person = User.objects.get()
    assert person.confirmed_at is not None
    assert not person.has_usable_password()
    assert [event.user_id for event in announced(events.EmailConfirmed)] == [person.pk]
    again = come_as("nina").json()
    assert again["outcome"] == "signed_in"
    assert Api(again["access"]).get(f"{IDENTITY}/me").json()["user_id"] == str(person.pk)
    assert jwt.decode(again["access"], options={"verify_signature": False})["amr"] == ["fed"]
    assert Api().post(f"{IDENTITY}/refresh", {"refresh": again["refresh"]}).status_code == 200


def test_id1_a_ticket_opens_one_account(issuer) -> None:
    ticket = come_as("nina").json()["ticket"]
    answers = in_parallel(6, lambda number: open_account(ticket))
    assert sorted(answer.status_code for answer in answers) == [201] + [400] * 5
    assert User.objects.count() == ExternalAccount.objects.count() == 1


def test_id1_two_tickets_of_one_person_open_one_account(issuer) -> None:
    tickets = [come_as("nina").json()["ticket"] for _ in range(4)]
    answers = in_parallel(4, lambda number: open_account(tickets[number]))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 3
    assert User.objects.count() == ExternalAccount.objects.count() == 1


def test_id3_children_get_no_account_and_the_ticket_stays(issuer) -> None:
    ticket = come_as("nina").json()["ticket"]
    young = open_account(ticket, birth_date=f"{time.gmtime().tm_year - 5}-01-01")
    assert young.status_code == 400
    assert young.json()["errors"][0]["code"] == "too_young"
    assert open_account(ticket).status_code == 201


def test_id1_an_address_with_an_account_is_not_taken_over(issuer, register) -> None:
    anna = register(email="anna@example.org")
    before = Session.objects.count()
    answer = come_as("anna")
    assert answer.status_code == 409
    assert answer.json()["code"] == "account_exists"
    assert not ExternalAccount.objects.exists()
    assert Session.objects.count() == before
    assert anna.api.get(f"{IDENTITY}/external/accounts").json()["items"] == []


def test_id1_an_account_nobody_confirmed_is_no_obstacle_and_its_password_is_worthless(issuer) -> None:
    form = {"email": "nina@example.org", "password": "Planted by 1 somebody!", "display_name": "Eve"}
    assert Api().post(f"{IDENTITY}/register", form | {"birth_date": "1980-01-01"}).status_code == 201
    assert open_account(come_as("nina").json()["ticket"]).status_code == 201
    person = User.objects.get()
    assert (person.display_name, person.has_usable_password()) == ("Nina", False)
    login = {"email": form["email"], "password": form["password"]}
    assert Api().post(f"{IDENTITY}/login", login).status_code == 401


def test_id1_an_address_the_provider_has_not_verified_opens_nothing(issuer) -> None:
    answer = come_as("vague")
    assert (answer.status_code, answer.json()["code"]) == (403, "address_not_verified")


def test_id1_a_linked_account_signs_in_whatever_its_address(issuer, register, announced) -> None:
    anna = register()
    linked = link(anna, "nina")
    assert linked.json() == {"outcome": "linked", "provider": "mock"}
    (account,) = anna.api.get(f"{EXTERNAL}/accounts").json()["items"]
    assert account["provider"] == "mock"
    signed_in = come_as("nina").json()
    assert Api(signed_in["access"]).get(f"{IDENTITY}/me").json()["user_id"] == str(anna.user_id)
    assert "external_account" in [changed.what for changed in announced(events.CredentialsChanged)]


def test_id1_an_account_elsewhere_is_one_persons(issuer, register) -> None:
    anna, ben = register(), register()
    assert link(anna, "nina").status_code == 200
    assert link(ben, "nina").json()["code"] == "linked_elsewhere"
    assert link(anna, "anna").json()["code"] == "linked_elsewhere"
    assert ExternalAccount.objects.get().user_id == anna.user_id


def test_id1_linking_takes_a_recent_sign_in_and_an_open_session(issuer, register) -> None:
    anna = register()
    assert Api().post(f"{EXTERNAL}/mock/begin", {"purpose": "link"}).status_code == 401
    begun = begin(anna.api, "link")
    returned = at_provider(begun, "nina")
    anna.api.post(f"{IDENTITY}/logout")
    assert complete(returned).status_code == 404
    ben = register()
    Session.objects.filter(user_id=ben.user_id).update(started_at="2020-01-01T00:00Z")
    refused = ben.api.post(f"{EXTERNAL}/mock/begin", {"purpose": "link"})
    assert refused.json()["code"] == "sign_in_again"
    assert not ExternalAccount.objects.exists()


def test_id1_unlinking_takes_no_last_way_in(issuer, register) -> None:
    anna = register()
    link(anna, "anna")
    (account,) = anna.api.get(f"{EXTERNAL}/accounts").json()["items"]
    assert register().api.delete(f"{EXTERNAL}/accounts/{account['id']}").status_code == 404
    assert anna.api.delete(f"{EXTERNAL}/accounts/{account['id']}").status_code == 204
    nina = Api(open_account(come_as("nina").json()["ticket"]).json()["access"])
    (own,) = nina.get(f"{EXTERNAL}/accounts").json()["items"]
    assert nina.delete(f"{EXTERNAL}/accounts/{own['id']}").json()["code"] == "last_way_in"
    assert come_as("nina").json()["outcome"] == "signed_in"


def test_id2_a_second_factor_is_needed_here_too(issuer, enrolled) -> None:
    carla, app, _ = enrolled()
    link(carla, "nina")
    before = Session.objects.count()
    asked = come_as("nina")
    assert (asked.status_code, asked.json()["code"]) == (401, "otp_required")
    assert "totp" in asked.json()["mfa_methods"]
    second = f"{EXTERNAL}/second-factor"
    wrong = Api().post(second, {"ticket": asked.json()["ticket"], "otp": app.wrong()})
    assert (wrong.status_code, wrong.json()["code"]) == (401, "otp_invalid")
    code = app.code()
    used = Api().post(second, {"ticket": asked.json()["ticket"], "otp": code})
    assert used.json()["code"] == "sign_in_expired"
    assert Session.objects.count() == before
    right = Api().post(second, {"ticket": wrong.json()["ticket"], "otp": code})
    assert right.status_code == 200
    claims = jwt.decode(right.json()["access"], options={"verify_signature": False})
    assert claims["amr"] == ["fed", "otp"]
    assert claims["mfa_at"]


def test_id2_five_wrong_codes_shut_the_door_here_too(issuer, enrolled) -> None:
    carla, app, _ = enrolled()
    link(carla, "nina")
    ticket = come_as("nina").json()["ticket"]
    for _ in range(5):
        wrong = Api().post(f"{EXTERNAL}/second-factor", {"ticket": ticket, "otp": app.wrong()})
        ticket = wrong.json()["ticket"]
    shut = Api().post(f"{EXTERNAL}/second-factor", {"ticket": ticket, "otp": app.code()})
    assert (shut.status_code, shut.json()["code"]) == (429, "locked_out")


def test_id5_a_blocked_person_is_not_let_in(issuer, register) -> None:
    anna = register()
    link(anna, "nina")
    User.objects.update(is_active=False)
    assert come_as("nina").json()["code"] == "may_not_sign_in"


def test_id1_a_state_is_good_once_in_one_browser(issuer) -> None:
    begun = begin()
    returned = at_provider(begun, "nina")
    for changed in ({"state": "x" * 43}, {"binding": begin()["binding"]}):
        assert complete(returned | changed).json()["code"] == "sign_in_expired"
    assert complete(returned).json()["code"] == "sign_in_expired"  # the wrong browser has spent it
    returned = at_provider(begin(), "nina")
    answers = in_parallel(6, lambda number: complete(returned))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 5


def test_id1_a_code_of_nobody_is_refused(issuer) -> None:
    begun = begin()
    returned = {"state": begun["state"], "code": "made up", "binding": begun["binding"]}
    assert complete(returned).json()["code"] == "not_vouched_for"
    returned = at_provider(begin(), "nina") | {"iss": "https://another.example"}
    assert complete(returned).json()["code"] == "not_vouched_for"


# --- A provider that lies ---------------------------------------------------------------------------------------


def said(wicked: Wicked, tell: Callable[[Wicked, str], None]) -> Any:
    """Come back from a provider that says what `tell` makes it say, given our nonce."""
    begun = begin()
    nonce = parse_qs(urlsplit(begun["authorization_url"]).query)["nonce"][0]
    tell(wicked, nonce)
    return complete({"state": begun["state"], "code": "c", "binding": begun["binding"]})


def test_id1_an_honest_token_is_believed(wicked) -> None:
    """The negative control of the lies below."""
    answer = said(wicked, lambda provider, nonce: provider.sign(provider.claims(nonce)))
    assert answer.status_code == 200, answer.content
    assert answer.json()["outcome"] == "unknown"


def _unsigned(provider: Wicked, nonce: str) -> None:
    provider.id_token = jwt.encode(provider.claims(nonce), None, algorithm="none")


def _by_our_secret(provider: Wicked, nonce: str) -> None:
    provider.sign(provider.claims(nonce), key="known-to-both" * 3, algorithm="HS256")


def _changed_after_signing(provider: Wicked, nonce: str) -> None:
    provider.sign(provider.claims(nonce))
    head, _, signature = (provider.id_token or "").split(".")
    body = jwt.utils.base64url_encode(json.dumps(provider.claims(nonce, sub="somebody else")).encode()).decode()
    provider.id_token = f"{head}.{body}.{signature}"


LIES: dict[str, Callable[[Wicked, str], None]] = {
    "another key": lambda p, nonce: p.sign(p.claims(nonce), key=OTHER_KEY),
    "no signature": _unsigned,
    "signed with our secret": _by_our_secret,
    "signed otherwise": lambda p, nonce: p.sign(p.claims(nonce), key=KEY, algorithm="RS512"),
    "changed after signing": _changed_after_signing,
    "another issuer": lambda p, nonce: p.sign(p.claims(nonce, iss="https://accounts.example")),
    "no issuer": lambda p, nonce: p.sign(p.claims(nonce, iss=None)),
    "for somebody else": lambda p, nonce: p.sign(p.claims(nonce, aud="another app")),
    "for several, by another": lambda p, nonce: p.sign(p.claims(nonce, aud=["stayer", "other"], azp="other")),
    "over": lambda p, nonce: p.sign(p.claims(nonce, exp=int(time.time()) - 120)),
    "without an end": lambda p, nonce: p.sign(p.claims(nonce, exp=None)),
    "from the future": lambda p, nonce: p.sign(p.claims(nonce, iat=int(time.time()) + 3600)),
    "another nonce": lambda p, nonce: p.sign(p.claims("another")),
    "no nonce": lambda p, nonce: p.sign({name: value for name, value in p.claims(nonce).items() if name != "nonce"}),
    "about nobody": lambda p, nonce: p.sign(p.claims(nonce, sub=None)),
    "about an empty name": lambda p, nonce: p.sign(p.claims(nonce, sub="")),
    "with another access token": lambda p, nonce: p.sign(p.claims(nonce, at_hash="x")),
    "no token": lambda p, nonce: None,
    "nonsense": lambda p, nonce: setattr(p, "id_token", "a.b.c"),
}


@pytest.mark.parametrize("lie", LIES)
def test_id1_a_token_that_lies_is_refused(wicked, lie) -> None:
    answer = said(wicked, LIES[lie])
    assert (answer.status_code, answer.json()["code"]) == (400, "not_vouched_for")
    assert not redis_client().exists(*(redis_client().keys("external:register:*") or ["none"]))


@pytest.mark.parametrize("verified", [None, False, "true", 1])
def test_id1_only_true_means_verified(wicked, verified) -> None:
    answer = said(wicked, lambda p, nonce: p.sign(p.claims(nonce, email_verified=verified)))
    assert answer.json()["code"] == "address_not_verified"


CONFIGURATION = "/.well-known/openid-configuration"


@pytest.mark.parametrize(
    "answer",
    [
        (302, {"Location": "http://127.0.0.1:9/"}, b""),
        (200, {}, b"[]"),
        (200, {}, b"<html>"),
        (500, {}, b"{}"),
        (200, {}, b" " * 1_000_001 + b"{}"),
    ],
)
def test_id1_a_provider_that_answers_nonsense_is_away(wicked, answer) -> None:
    wicked.answers[CONFIGURATION] = answer
    refused = Api().post(f"{EXTERNAL}/mock/begin", {})
    assert (refused.status_code, refused.json()["code"]) == (503, "provider_away")


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://accounts.example"},
        {"authorization_endpoint": "http://10.0.0.1/"},
        {"authorization_endpoint": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
    ],
)
def test_id1_a_provider_leads_nowhere_else(wicked, change) -> None:
    wicked.discovery |= change
    assert Api().post(f"{EXTERNAL}/mock/begin", {}).json()["code"] == "provider_away"


def test_id1_we_do_not_carry_a_code_to_another_machine(wicked) -> None:
    wicked.discovery["token_endpoint"] = "http://127.0.0.1:9/token"
    answer = said(wicked, lambda p, nonce: p.sign(p.claims(nonce)))
    assert answer.json()["code"] == "provider_away"


def test_id1_a_provider_may_change_its_keys(wicked) -> None:
    wicked.answers["/jwks"] = (200, {}, b'{"keys": []}')
    refused = said(wicked, lambda p, nonce: p.sign(p.claims(nonce)))
    assert refused.json()["code"] == "not_vouched_for"
    del wicked.answers["/jwks"]
    known = external_providers._published
    known[f"{wicked.issuer}/jwks"] = (time.monotonic() - 61, known[f"{wicked.issuer}/jwks"][1])
    assert said(wicked, lambda p, nonce: p.sign(p.claims(nonce))).status_code == 200


def test_id1_a_provider_that_is_not_there_is_away(settings) -> None:
    external_providers._published.clear()
    nobody = {"name": "mock", "label": "Nobody", "issuer": "http://127.0.0.1:9", "client_id": "stayer"}
    settings.OIDC_PROVIDERS = [nobody]
    assert Api().post(f"{EXTERNAL}/mock/begin", {}).json()["code"] == "provider_away"
