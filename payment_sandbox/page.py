"""The hosted page: plain HTML that works on a phone, by day and by night, without a script."""

from html import escape
from typing import Any

from payment_sandbox.books import CARDS

WHOLE = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
THOUSANDTHS = "BHD IQD JOD KWD LYD OMR TND"
"""ISO 4217's currencies whose smallest unit is not a hundredth."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c1f24; --page: #f5f2ec; --card: #fff; --line: #d9d4ca; --go: #b3391f; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eceae5; --page: #0d1014; --card: #171b21; --line: #2c323b; --go: #f0704f; } }
* { box-sizing: border-box; } body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; display: grid; min-height: 100vh; place-items: center; padding: 1rem; }
main { background: var(--card); border: 1px solid var(--line); border-radius: 16px; padding: 1.5rem;
  width: min(28rem, 100%); }
h1 { font-size: 1.1rem; margin: 0; } .amount { font-size: 2.2rem; font-weight: 700; margin: .25rem 0 1rem; }
.note { border-left: 3px solid var(--go); padding-left: .75rem; margin: 0 0 1rem; }
fieldset { border: 0; padding: 0; margin: 0 0 1rem; } legend { font-weight: 600; padding: 0; }
label { display: flex; gap: .6rem; padding: .45rem 0; border-bottom: 1px solid var(--line); }
code { white-space: nowrap; } button { width: 100%; border: 0; border-radius: 999px; padding: .8rem; font: inherit;
  font-weight: 600; background: var(--go); color: #fff; cursor: pointer; }
@media (prefers-color-scheme: dark) { button { color: #14100e; } }
button:focus-visible, input:focus-visible { outline: 3px solid currentColor; outline-offset: 2px; }
"""


def pay_page(payment: dict[str, Any], *, fault: str = "") -> str:
    """The page of an open payment, or what became of it."""
    if payment["status"] != "open":
        return _html(f"<h1>This payment is {escape(payment['status'])}.</h1>{_way_back(payment, 'Back')}")
    cards = "".join(_card(number, what, first=index == 0) for index, (number, what) in enumerate(CARDS.items()))
    said = f'<p role="alert"><strong>{escape(fault)}</strong></p>' if fault else ""
    return _html(
        f'<h1>{escape(payment["description"])}</h1><p class="amount">{_amount(payment)}</p>'
        '<p class="note">A sandbox: no card is charged, and no money moves.</p>'
        f'{said}<form method="post"><fieldset><legend>Pay with a card that</legend>{cards}</fieldset>'
        f"<button>Pay {_amount(payment)}</button></form>{_way_back(payment, 'Back without paying')}"
    )


def _card(number: str, what: str, *, first: bool) -> str:
    checked = " checked" if first else ""
    return (
        f'<label><input type="radio" name="card" value="{number}"{checked}>'
        f"<span>{escape(what)}<br><code>{number}</code></span></label>"
    )


def _way_back(payment: dict[str, Any], words: str) -> str:
    return f'<p><a href="{escape(payment["return_url"])}">{words}</a></p>'


def _amount(payment: dict[str, Any]) -> str:
    currency = payment["currency"]
    digits = 0 if currency in WHOLE else 3 if currency in THOUSANDTHS else 2
    whole, part = divmod(payment["amount_minor"], 10**digits)
    fraction = f".{part:0{digits}}" if digits else ""
    return f"{whole:,}{fraction} {escape(currency)}"


def _html(body: str) -> str:
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    return (
        f'<!doctype html><html lang="en"><head>{head}<title>Stayer · payment sandbox</title>'
        f"<style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    )
