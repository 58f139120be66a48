"""The athlete's own sessions, read page by page; and what moderators see of them."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib import admin

from contexts.workout.models import Import, LiveSample, Stream, TrainingSession
from kernel.databases import unit_of_work
from tests.workout.conftest import SESSIONS, start

pytestmark = pytest.mark.django_db(databases="__all__")

BEGIN = datetime(2026, 1, 1, 12, tzinfo=UTC)


@unit_of_work("workout")
def give_history(person, count, equal_starts=False):
    kept = Import.objects.create(
        user_id=person.user_id, sha256="0" * 64, file_name="x", size=1, original="x", state="done", posted_at=BEGIN
    )
    for nth in range(count):
        begin = BEGIN if equal_starts else BEGIN + timedelta(days=nth)
        TrainingSession.objects.create(
            user_id=person.user_id,
            sport="running",
            state="completed",
            source="import",
            recording=kept,
            part=nth,
            started_at=begin,
            ended_at=begin + timedelta(hours=1),
            completed_at=begin,
            duration_s=3600,
            moving_s=3500,
        )


def pages_of(person, **query):
    cursor, pages = None, []
    while True:
        page = person.api.get(SESSIONS, data=query | ({"cursor": cursor} if cursor else {})).json()
        pages.append(page["items"])
        cursor = page["next"]
        if cursor is None:
            return pages


@pytest.mark.parametrize("equal_starts", [False, True])
def test_wo4_the_history_comes_in_pages_of_20_the_newest_first(register, equal_starts):
    person, other = register(), register()
    give_history(person, 45, equal_starts=equal_starts)
    give_history(other, 3)
    pages = pages_of(person)
    assert [len(page) for page in pages] == [20, 20, 5]
    shown = [(item["started_at"], item["id"]) for page in pages for item in page]
    assert len(set(shown)) == 45
    assert shown == sorted(shown, reverse=True)


def test_wo4_a_session_started_meanwhile_shifts_no_page(register):
    person = register()
    give_history(person, 25)
    first = person.api.get(SESSIONS).json()
    start(person)
    rest = person.api.get(SESSIONS, data={"cursor": first["next"]}).json()
    assert len({item["id"] for item in first["items"] + rest["items"]}) == 25


def test_a_history_without_sessions_is_an_empty_page(register):
    assert register().api.get(SESSIONS).json() == {"items": [], "next": None}


@pytest.mark.parametrize(
    "values", ["x", [], [1, 2], ["2026-01-01", "no uuid"], ["2026-01-01T00:00:00", "0" * 32], ["\x00", "\x00"]]
)
def test_a_cursor_that_is_not_ours_is_refused(register, values):
    cursor = base64.urlsafe_b64encode(json.dumps(values).encode()).decode()
    answer = register().api.get(SESSIONS, data={"cursor": cursor})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1e1"])
def test_a_page_has_1_to_100_items(register, limit):
    assert register().api.get(SESSIONS, data={"limit": limit}).status_code == 400


def test_the_list_takes_one_query(register, django_assert_num_queries):
    person = register()
    give_history(person, 25)
    person.api.get(SESSIONS)
    with django_assert_num_queries(1, using="workout"):
        person.api.get(SESSIONS)


def test_moderators_see_no_stream_and_no_heart_rate():
    assert not {Stream, LiveSample} & set(admin.site._registry)
    shown = {name for model in (TrainingSession, Import) for name in _shown(admin.site._registry[model])}
    assert not shown & {
        "hr_avg",
        "hr_max",
        "hr_zones_s",
        "athlete",
        "methods",
        "energy_kcal",
        "anomalies",
        "original",
    }


def test_the_admin_pages_of_sessions_open(register, staff_client):
    person = register()
    session = start(person)
    give_history(person, 2)
    client = staff_client("superuser")
    imported = Import.objects.get()
    for path in ("", f"{session['id']}/change/"):
        assert client.get(f"/admin/workout/trainingsession/{path}").status_code == 200
    for path in ("", f"{imported.id}/change/"):
        assert client.get(f"/admin/workout/import/{path}").status_code == 200


def _shown(page):
    return {*page.fields, *page.list_display, *page.list_filter}
