"""The account pages in a real browser: from registering to leaving, with a passkey, codes, and an app let in."""

import contextlib
import io
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.integrations.requests_client import OAuth2Session
from playwright.sync_api import Browser, BrowserContext, Locator, Page, TimeoutError, expect

from tests.identity.conftest import code_at
from tests.journeys.test_live_page import CHROMIUM, PATIENCE_MS, browser, keep_picture
from tests.journeys.world import PATIENCE_S, Platform

__all__ = ["browser"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: install the package chromium, or set CHROMIUM"),
]

NAME, EMAIL, PASSWORD = "Petra", "petra@journey.example", "A long enough 1 for Petra!"
SIZES = ((390, 844), (1280, 900))
EXPECTED = re.compile(r"status of (401|403)")
"""A refusal that the page answers by asking for a second factor is in the browser's console too."""


@pytest.fixture
def context(browser: Browser, platform: Platform) -> Iterator[BrowserContext]:
    """A browser at the platform's name: passkeys want a name, not a number."""
    made = browser.new_context(base_url=f"http://localhost:{urlsplit(platform.url).port}", locale="en-GB")
    made.set_default_timeout(PATIENCE_MS)
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A visitor with an authenticator of their own; whatever the pages complain about fails the test."""
    visitor, complaints = context.new_page(), list[str]()
    visitor.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    visitor.on("pageerror", lambda error: complaints.append(str(error)))
    devtools = context.new_cdp_session(visitor)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    yield visitor
    assert [complaint for complaint in complaints if not EXPECTED.search(complaint)] == []


@pytest.fixture
def returned() -> Iterator[Callable[[], tuple[str, dict[str, str]]]]:
    """An app's own address on this machine: where it listens, and what it was sent."""
    arrived: list[dict[str, str]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            arrived.append({name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>app</title><link rel=icon href='data:,'>Thank you.")

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield lambda: (f"http://127.0.0.1:{server.server_port}/back", arrived[-1] if arrived else {})
    server.shutdown()


def picture(page: Page, name: str) -> None:
    """The page as it is, on a telephone and on a desk."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        keep_picture(page, f"account-{name}-{width}", full_page=True)


def link_in_mail(platform: Platform, to: str, kind: str) -> str:
    """The newest link of this kind in the demo's mailbox."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        mails = httpx.get(f"{platform.url}/demo-mail.json", params={"to": to}).json()["messages"]
        links = [word for mail in mails for word in mail["body"].split() if f"/account/{kind}#" in word]
        if links:
            return links[0]
        time.sleep(0.1)
    raise AssertionError(f"no {kind} link came for {to}")


def tab(page: Page, name: str) -> None:
    """Open one of the account's tabs."""
    page.get_by_role("tab", name=name).click()
    expect(page.get_by_role("tab", name=name)).to_have_attribute("aria-selected", "true")


def test_a_person_comes_lives_with_us_and_goes(page: Page, platform: Platform, returned: Any) -> None:
    registers(page)
    confirms(page, platform)
    signs_in_with_password(page)
    adds_a_passkey(page)
    signs_in_with_the_passkey(page)
    secret = enrols_an_app(page)
    lets_an_app_in(page, platform, returned)
    looks_around(page)
    takes_everything_along(page)
    leaves(page)
    assert len(secret) >= 16


def registers(page: Page) -> None:
    page.goto("/account/")
    picture(page, "sign-in")
    page.get_by_role("button", name="Create an account").click()
    page.get_by_label("Your name").fill(NAME)
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill("petra")
    expect(page.locator(".meter + .hint")).to_contain_text("too short")
    page.get_by_label("Password").fill(PASSWORD)
    expect(page.locator(".meter")).to_have_attribute("data-score", re.compile("[34]"))
    page.get_by_label("Birth date").fill("1990-05-17")
    picture(page, "register")
    page.get_by_role("button", name="Create an account").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Look into your mailbox")


def confirms(page: Page, platform: Platform) -> None:
    page.goto(link_in_mail(platform, EMAIL, "confirm"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirm your address")
    assert "#" not in page.url
    page.get_by_label("The password you chose").fill(PASSWORD)
    picture(page, "confirm")
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_text("Your address is confirmed")).to_be_visible()


def signs_in_with_password(page: Page) -> None:
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    picture(page, "profile")


def adds_a_passkey(page: Page) -> None:
    tab(page, "Security")
    page.get_by_label("A name for it").fill("This laptop")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#recovery-codes span").first).to_be_visible()
    page.get_by_role("button", name="I have kept them").click()
    expect(page.get_by_text("This laptop", exact=True)).to_be_visible()


def signs_in_with_the_passkey(page: Page) -> None:
    page.locator("#corner").get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)


def enrols_an_app(page: Page) -> str:
    tab(page, "Security")
    page.get_by_role("button", name="Add an authenticator app").click()
    secret = page.locator("#totp-secret").inner_text()
    picture(page, "totp")
    page.get_by_label("The six digits").fill(code_at(secret, int(time.time()) // 30))
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_text("Your authenticator app is on.")).to_be_visible()
    page.get_by_role("button", name="I have kept them").click()
    picture(page, "security")
    return secret


def lets_an_app_in(page: Page, platform: Platform, returned: Any) -> None:
    address, _ = returned()
    tab(page, "Apps")
    page.get_by_label("Name", exact=True).fill("Tracker")
    page.get_by_label("Address to return to").fill(address)
    page.get_by_role("button", name="Register").click()
    client_id = page.locator("p.code", has_text="client_id").inner_text().split()[-1]
    with OAuth2Session(
        client_id,
        scope="workout:read",
        redirect_uri=address,
        code_challenge_method="S256",
        token_endpoint_auth_method="none",
    ) as app:
        verifier = "v" * 64
        url, state = app.create_authorization_url(f"{platform.url}/oauth/authorize", code_verifier=verifier)
        page.goto(urlsplit(url)._replace(netloc=f"localhost:{urlsplit(platform.url).port}").geturl())
        expect(page.get_by_role("heading", level=1)).to_have_text("Connect Tracker?")
        expect(page.get_by_text("See your workouts")).to_be_visible()
        picture(page, "consent")
        page.get_by_role("button", name="Allow").click()
        expect(page.get_by_text("Thank you.")).to_be_visible()
        _, back = returned()
        assert back["state"] == state
        tokens = app.fetch_token(
            f"{platform.url}/api/v1/identity/oauth/token", code=back["code"], code_verifier=verifier
        )
        assert app.get(f"{platform.url}/api/v1/workout/sessions").status_code == 200
        assert app.get(f"{platform.url}/api/v1/social/friends").status_code == 403
        assert tokens["scope"] == "workout:read"
    page.goto("/account/#apps")
    expect(page.locator("section", has_text="Connected apps").get_by_text("Tracker")).to_be_visible()
    picture(page, "apps")


def looks_around(page: Page) -> None:
    tab(page, "Security")
    expect(page.locator("section", has_text="Where you are signed in").get_by_text("Tracker")).to_be_visible()
    tab(page, "Your data")
    expect(page.locator("section", has_text="Who looked").locator(".row").first).to_be_visible()
    picture(page, "data")


def takes_everything_along(page: Page) -> None:
    page.get_by_role("button", name="Collect my data").click()
    ready = page.get_by_role("button", name="Download")
    deadline = time.monotonic() + PATIENCE_S
    while not appears(ready):
        assert time.monotonic() < deadline, "the export was never ready"
        with contextlib.suppress(TimeoutError):  # the button goes when the archive is ready
            page.get_by_role("button", name="Look again").click(timeout=500)
    with page.expect_download() as downloading:
        ready.click()
    with zipfile.ZipFile(io.BytesIO(downloading.value.path().read_bytes())) as archive:
        names = archive.namelist()
        assert "manifest.json" in names
        assert any(EMAIL.encode() in archive.read(name) for name in names)


def appears(button: Locator) -> bool:
    """Whether it comes within a second: whoever looks again faster than people do is refused after a while."""
    try:
        expect(button).to_be_visible(timeout=1_000)
    except AssertionError:
        return False
    return True


def leaves(page: Page) -> None:
    page.locator("section", has_text="Erase the account").get_by_label("Password").fill(PASSWORD)
    page.get_by_label("I know that nothing can be brought back").check()
    page.get_by_role("button", name="Erase my account").click()
    expect(page.locator("#erasure-state")).to_contain_text("Nothing of you is left", timeout=PATIENCE_MS)
    picture(page, "farewell")
    page.goto("/account/")
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("wrong")


def test_the_pages_speak_russian(browser: Browser, platform: Platform) -> None:
    context = browser.new_context(base_url=platform.url, locale="ru-RU")
    page = context.new_page()
    page.goto("/account/")
    expect(page.get_by_role("button", name="Войти", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "ru"
    page.get_by_label("Эл. почта").fill("nobody@journey.example")
    page.get_by_label("Пароль").fill("Not the password 1!")
    page.get_by_role("button", name="Войти", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("пароль")
    picture(page, "sign-in-ru")
    context.close()
