"""The live page in a real browser: the strap's wearer signs in with a click, trains, climbs the board and says so."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from contexts.health.catalogue import BY_NAME
from tests.journeys.world import PATIENCE_S, Platform

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
SCREENSHOTS = Path(os.environ["STAYER_SCREENSHOTS"]) if "STAYER_SCREENSHOTS" in os.environ else None
"""Where the pictures go, for those who want to look at them."""
SIZES = ((375, 812), (1280, 800))
PATIENCE_MS = PATIENCE_S * 1000
expect.set_options(timeout=PATIENCE_MS)
LONG_ENOUGH_FOR_A_POINT_S = 31

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: install the package chromium, or set CHROMIUM"),
]

INK = """() => {
    const canvas = document.getElementById("trace");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.filter((value, index) => index % 4 === 3 && value > 200).length;
}"""
"""How many pixels of the heart's line are painted."""

ELAPSED = """(least) => {
    const parts = document.getElementById("timer").textContent.split(":").map(Number);
    return parts.reduce((seconds, part) => seconds * 60 + part, 0) >= least;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=["--no-sandbox"])


@pytest.fixture
def page(browser: Browser, platform: Platform) -> Iterator[Page]:
    """A fresh visitor; whatever the page complains about fails the test."""
    context = browser.new_context(base_url=platform.url, locale="en-GB", reduced_motion="no-preference")
    context.set_default_timeout(PATIENCE_MS)
    visitor, complaints = context.new_page(), list[str]()
    visitor.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    visitor.on("pageerror", lambda error: complaints.append(str(error)))
    visitor.on("requestfailed", lambda request: complaints.append(f"{request.failure} {request.url}"))
    yield visitor
    context.close()
    assert complaints == []


def until(page: Page, script: str, *arguments: Any) -> None:
    """Look until the script says true. Playwright's own waiting needs `eval`, which the page's policy forbids."""
    deadline = time.monotonic() + PATIENCE_S
    while not page.evaluate(script, *arguments):
        assert time.monotonic() < deadline, f"it never came true: {script}"
        page.wait_for_timeout(50)


def take_pictures(page: Page, name: str) -> None:
    """The page as it is now, on a phone and on a wide screen, by day and by night."""
    for width, height in SIZES:
        for scheme in ("light", "dark"):
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme=scheme)
            keep_picture(page, f"{name}-{width}x{height}-{scheme}", animations="disabled")
            assert_nothing_sticks_out(page)
    page.emulate_media(color_scheme="light")


def keep_picture(page: Page, name: str, **options: Any) -> None:
    """Paint the page into a file, if pictures are wanted: it costs more than all that is looked at in it."""
    if SCREENSHOTS is not None:
        page.screenshot(path=SCREENSHOTS / f"{name}.png", **options)


def assert_nothing_sticks_out(page: Page) -> None:
    """The page never scrolls sideways."""
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_wearer_sees_the_heart_beat_climbs_the_board_and_says_so(page: Page, platform: Platform) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto("/")
    anna = page.get_by_role("listitem").filter(has_text="wears the heart-rate strap").get_by_role("button")
    expect(anna).to_be_visible()
    take_pictures(page, "door")
    anna.click()
    see_the_heart_beat(page)
    run_long_enough(platform)
    take_pictures(page, "live")
    climb_the_board(page)
    say_so(page)
    take_pictures(page, "finished")
    turn_the_views_of_a_phone(page)


def see_the_heart_beat(page: Page) -> None:
    """The number is a heart rate and changes; the line is drawn and moves on."""
    until(page, "/^\\d+$/.test(document.getElementById('bpm').textContent)")
    shown = page.locator("#bpm").inner_text()
    assert 40 <= int(shown) <= 220
    until(page, "(before) => document.getElementById('bpm').textContent !== before", shown)
    until(page, f"({INK})() > 300")
    drawn = page.evaluate("document.getElementById('trace').toDataURL()")
    until(page, "(before) => document.getElementById('trace').toDataURL() !== before", drawn)
    expect(page.locator("#link-text")).to_have_text("Live")
    until(page, ELAPSED, LONG_ENOUGH_FOR_A_POINT_S)


def run_long_enough(platform: Platform) -> None:
    """A point is half a minute in motion; of motion the foot pod tells, which is put on last."""
    told = "SELECT extract(epoch FROM max(time) - min(time)) FROM health_reading WHERE stream = %s"
    deadline = time.monotonic() + PATIENCE_S
    while (platform.rows("health", told, int(BY_NAME["speed"].stream))[0][0] or 0) < LONG_ENOUGH_FOR_A_POINT_S:
        assert time.monotonic() < deadline, "the foot pod tells nothing"
        time.sleep(0.2)


def climb_the_board(page: Page) -> None:
    """Finishing the workout brings a summary, and points without a reload."""
    mine = page.locator("#board-rows .mine .total")
    expect(mine).to_be_visible()
    before = mine.inner_text()
    page.get_by_role("button", name="Finish").click()
    expect(page.locator("#state")).to_have_text("Finished")
    expect(page.locator("#stats")).to_contain_text("bpm")
    expect(mine).not_to_have_text(before)
    assert int(mine.inner_text().replace(",", "")) > int(before.replace(",", ""))
    expect(page.locator("#feed-items li").first).to_contain_text("You")


def say_so(page: Page) -> None:
    """A message is said, and numbered by the server."""
    page.locator("#chat-rooms").get_by_text("Morning runners").click()
    expect(page.locator("#chat-log")).to_contain_text("Then I had better not lose.")
    page.get_by_label("Message", exact=True).fill("Finished! Who is next?")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#chat-log .bubble.own:not(.waiting)").last).to_have_text("Finished! Who is next?")


def turn_the_views_of_a_phone(page: Page) -> None:
    """One panel at a time, all of them within the thumb's reach."""
    page.set_viewport_size({"width": 375, "height": 812})
    for button, panel in (("Board", "board"), ("Friends", "feed"), ("Chat", "chat"), ("Live", "pulse")):
        page.get_by_role("navigation", name="Views").get_by_role("button", name=button).click()
        expect(page.locator(f"#view-{panel}")).to_be_visible()
        assert page.locator(".cockpit > section:visible").count() == 1
        keep_picture(page, f"phone-{panel}", animations="disabled")
