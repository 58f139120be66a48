"""A context's page says what its code does: its events, its services, whom it asks, which test proves a rule."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from django.conf import settings

from kernel.bus import handlers
from kernel.events import catalogue
from tests.architecture.test_services import services_of

ROOT = Path(__file__).resolve().parents[2]
EVENT = r"(?:[a-z_]+\.)?([A-Z][A-Za-z]+)"
FUNCTION = r"(?:[a-z_]+\.)?([a-z_]+(?:\(s\))?)"

pytestmark = pytest.mark.parametrize("context", settings.CONTEXTS)


def section(context: str, title: str) -> str:
    """The text below a heading of a context's README."""
    page = (ROOT / "contexts" / context / "README.md").read_text()
    (text,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return str(text)


def words(text: str, form: str) -> set[str]:
    """What stands in backticks and has this form."""
    return set(re.findall(rf"`{form}`", text))


def test_announces(context: str) -> None:
    announced = {event.__name__ for event in catalogue() if event.__module__ == f"contexts.{context}.events"}
    assert words(section(context, "Announces"), EVENT) == announced


def test_reacts_to(context: str) -> None:
    names = {event.type: event.__name__ for event in catalogue()}
    kinds = {kind for handler in handlers() if handler.context == context for kind in handler.reacts_to}
    assert words(section(context, "Reacts to"), EVENT) == {names[kind] for kind in kinds}


def test_offers(context: str) -> None:
    offered = words(section(context, "Offers"), FUNCTION)
    plural = {name.replace("(s)", "s") for name in offered}
    assert {name.replace("(s)", "") for name in offered} | plural == set(services_of(context))


def test_asks(context: str) -> None:
    """Every neighbour's function named is one, and every neighbour asked is named."""
    text = section(context, "Asks")
    asked = set(re.findall(r"`([a-z]+)\.[a-z_]+`", text))
    assert asked == neighbours_asked(context)
    offered = {function for neighbour in asked for function in services_of(neighbour)}
    assert words(text, FUNCTION) <= offered


def neighbours_asked(context: str) -> set[str]:
    """The contexts whose services are imported here."""
    found = set()
    for path in (ROOT / "contexts" / context).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and any(alias.name == "services" for alias in node.names):
                found |= {(node.module or "").removeprefix("contexts.")}
    return found - {context}


def test_every_rule_names_a_test_that_exists(context: str) -> None:
    table = section(context, "Aggregates and rules")
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert rows
    unproven = [row for row in rows if not named_tests(row)]
    assert unproven == []
    missing = [name for row in rows for name in named_tests(row) if not exists(name, context)]
    assert missing == []


def named_tests(row: str) -> list[str]:
    """The tests in the last column; `*` and `…` stand for any ending, a file for all it holds."""
    return re.findall(r"`(test_[a-z0-9_]+(?:\.py|\*|…)?)`", row.rstrip("| ").rpartition(" | ")[2])


def exists(name: str, context: str) -> bool:
    folder = ROOT / "tests" / context
    if name.endswith(".py"):
        return (folder / name).exists()
    if name[-1] in "*…":
        return any(known.startswith(name[:-1]) for known in known_tests(context))
    return name in known_tests(context)


@cache
def known_tests(context: str) -> set[str]:
    """The names of all tests of a context."""
    return {
        node.name
        for path in (ROOT / "tests" / context).rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }
