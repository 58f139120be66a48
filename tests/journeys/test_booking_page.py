"""The booking page in a real browser: a bike is held and paid for against the clock, a full event waited for."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.test_live_page import CHROMIUM, PATIENCE_MS, browser, take_pictures, until
from tests.journeys.world import Platform

__all__ = ["browser"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: install the package chromium, or set CHROMIUM"),
]

BIKE = "Bike 7"
EXPECTED = re.compile(r"status of 404")
"""Who is on no waitlist is told so, and the browser's console with them."""


@pytest.fixture
def page(browser: Browser, platform: Platform) -> Iterator[Page]:
    """A fresh visitor at the platform's name, to which the payment page leads back."""
    address = f"http://localhost:{urlsplit(platform.url).port}"
    context = browser.new_context(base_url=address, locale="en-GB", timezone_id="Europe/Berlin")
    context.set_default_timeout(PATIENCE_MS)
    visitor, complaints = context.new_page(), list[str]()
    visitor.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    visitor.on("pageerror", lambda error: complaints.append(str(error)))
    yield visitor
    context.close()
    assert [complaint for complaint in complaints if not EXPECTED.search(complaint)] == []


def test_a_bike_is_booked_and_paid_for_and_a_full_workshop_waited_for(page: Page) -> None:
    signs_in_with_a_click(page)
    finds_the_spin_class(page)
    holds_a_bike(page)
    pays(page)
    has_a_ticket(page)
    waits_for_the_workshop(page)


def signs_in_with_a_click(page: Page) -> None:
    page.goto("/booking/")
    expect(page.get_by_role("link", name="Spin class")).to_be_visible()
    page.get_by_role("button", name="Sign in").click()
    anna = page.get_by_role("listitem").filter(has_text="wears the heart-rate strap").get_by_role("button")
    expect(anna).to_be_visible()
    take_pictures(page, "booking-door")
    anna.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Coming events")


def finds_the_spin_class(page: Page) -> None:
    """The calendar is searched while one types."""
    expect(page.locator(".event")).to_have_count(3)
    take_pictures(page, "booking-calendar")
    page.get_by_label("Search").fill("spin")
    expect(page.locator(".event")).to_have_count(1)
    page.get_by_role("link", name="Spin class").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Spin class")


def holds_a_bike(page: Page) -> None:
    """A place with a name is chosen; what is left of a quarter of an hour is counted down."""
    expect(page.locator("#free-places")).to_have_text("12 of 12 places free")
    page.get_by_label(BIKE, exact=True).check()
    expect(page.locator("output")).to_contain_text("€12.00")
    take_pictures(page, "booking-event")
    page.get_by_role("button", name="Hold for 15 minutes").click()
    expect(page.locator("#booking-status")).to_contain_text("Held for you")
    clock = page.get_by_role("timer")
    expect(clock).to_have_text(re.compile(r"^1[45]:\d\d$"))
    shown = clock.inner_text()
    until(page, "(before) => document.querySelector('.countdown').textContent !== before", shown)
    expect(page.get_by_text(f"1 · {BIKE}")).to_be_visible()
    take_pictures(page, "booking-held")


def pays(page: Page) -> None:
    """On the provider's own page, which leads back."""
    page.get_by_role("button", name="Check out and pay").click()
    page.get_by_role("button", name="Pay 12.00 EUR").click()
    page.wait_for_url("**/booking/#booking=*")


def has_a_ticket(page: Page) -> None:
    expect(page.locator("#booking-status")).to_contain_text("Confirmed")
    ticket = page.get_by_role("article", name="Ticket: Spin class")
    expect(ticket).to_contain_text(f"Place {BIKE}")
    expect(ticket.get_by_alt_text("The code to show at the door")).to_be_visible()
    until(page, "document.querySelector('.qr').naturalWidth > 0")
    with page.expect_download() as downloading:
        ticket.get_by_role("button", name="Print (PDF)").click()
    assert downloading.value.path().read_bytes().startswith(b"%PDF-")
    take_pictures(page, "booking-ticket")
    page.get_by_role("link", name="My tickets").click()
    expect(page.get_by_role("article", name="Ticket: Spin class")).to_be_visible()


def waits_for_the_workshop(page: Page) -> None:
    """All places are taken and somebody waits already: Anna is the second."""
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Events").click()
    page.get_by_role("link", name="Running technique workshop").click()
    expect(page.locator("#free-places")).to_have_text("0 of 2 places free · 1 waiting")
    page.get_by_role("button", name="Join the waitlist").click()
    expect(page.locator("#position")).to_have_text("Your position: 2")
    expect(page.get_by_text("Others come before you.")).to_be_visible()
    expect(page.locator("#free-places")).to_have_text("0 of 2 places free · 2 waiting")
    take_pictures(page, "booking-waiting")
    page.get_by_role("button", name="Leave the waitlist").click()
    expect(page.get_by_role("button", name="Join the waitlist")).to_be_visible()
