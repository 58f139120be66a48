"""The published language: events.json is what consumers rely on, docs/events.md what people read."""

import json
from pathlib import Path

from kernel.events import breaking_changes
from kernel.management.commands.events import catalogue_page, schemas_document

ROOT = Path(__file__).resolve().parents[2]
RELEASED = ROOT / "tests" / "contracts" / "events.json"
PAGE = ROOT / "docs" / "events.md"


def test_p4_no_event_changes_in_a_way_that_breaks_its_consumers() -> None:
    """What is gone or has changed must be a new version of the event beside the old one."""
    broken = breaking_changes(released=json.loads(RELEASED.read_text()), current=json.loads(schemas_document()))
    assert broken == [], "Announce a new version instead (version=2 beside version=1)."


def test_the_released_schemas_are_current() -> None:
    refresh = "python manage.py events schemas > tests/contracts/events.json"
    assert RELEASED.read_text() == schemas_document(), f"Only additions? Then refresh the snapshot: {refresh}"


def test_the_page_of_events_is_current() -> None:
    refresh = "python manage.py events catalogue > docs/events.md"
    assert PAGE.read_text() == catalogue_page(), f"Refresh the page: {refresh}"
