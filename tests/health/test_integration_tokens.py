"""What vendors have given us for a person: sealed, refreshed once, given back; and consent and erasure (HE-3)."""

from datetime import UTC, datetime, timedelta

import pytest

from contexts.health import events, tasks
from contexts.health.integrations import credentials, vendors
from contexts.health.models import Connection, Device, Portion, Posted, Reading
from kernel import personal_data
from tests.conftest import agree
from tests.health.conftest import COMMITTED, step_up
from tests.health.integrating import (
    INTEGRATIONS,
    NOON,
    broken,
    connect,
    hook,
    later,
    post,
    read,
    shown,
    work,
)
from tests.identity.conftest import in_parallel

pytestmark = pytest.mark.django_db(databases=["default", "health"])

EVERYWHERE = pytest.mark.django_db(databases="__all__", transaction=True)


# --- tokens -----------------------------------------------------------------------------------------------------


def test_i7_he3_tokens_are_sealed_for_their_connection_and_refreshed_in_time(anna, fitbit):
    connection_id = connect(anna, fitbit)
    row = Connection.objects.get()
    (refresh,) = fitbit.refresh
    assert refresh.encode() not in bytes(row.sealed_tokens)
    assert credentials.tokens_of(row).refresh == refresh
    fitbit.forget_access()  # the vendor thinks otherwise than the clock
    work()
    assert refresh not in fitbit.refresh
    at = datetime.now(UTC)
    Connection.objects.update(access_until=at + timedelta(seconds=30), next_pull_at=at)
    tasks.plan_pulls()
    work()
    assert fitbit.asked["POST /oauth2/token"] == 3
    assert Connection.objects.get().tokens_version == row.tokens_version + 2
    assert shown(anna, connection_id)["state"] == "connected"


@COMMITTED
def test_he3_of_many_hands_one_refreshes(register, withings):
    person = register()
    agree(person)
    connect(person, withings)
    stale = Connection.objects.get()
    adapter = vendors.adapter_of("withings")
    got = in_parallel(4, lambda _: credentials.refreshed(adapter, stale, at=datetime.now(UTC)))
    assert len(set(got)) == 1
    assert withings.asked["requesttoken"] == 2
    assert Connection.objects.get().state == "connected"


@COMMITTED
def test_he3_whoever_lost_a_race_takes_what_the_winner_got(register, withings):
    """The lock had lapsed: somebody else has turned the refresh token before we asked."""
    person = register()
    agree(person)
    connect(person, withings)
    stale, adapter = Connection.objects.get(), vendors.adapter_of("withings")

    def another_was_faster() -> None:
        withings.before_refresh = lambda: None
        grant = adapter.refresh(refresh_token=credentials.tokens_of(stale).refresh, vendor_user="12345")
        credentials._keep(stale, grant, at=datetime.now(UTC))

    withings.before_refresh = another_was_faster
    access = credentials.refreshed(adapter, stale, at=datetime.now(UTC))
    assert credentials.tokens_of(Connection.objects.get()).access == access
    assert Connection.objects.get().state == "connected"


def test_he3_who_is_thrown_out_is_told_once_and_goes_on_when_connected_anew(anna, withings, announced):
    withings.weigh("12345", NOON, {1: (70, 0)})
    connection_id = connect(anna, withings)
    withings.throw_out("12345")
    work()
    work()
    assert shown(anna, connection_id)["state"] == "needs_reconnect"
    (told,) = announced(events.IntegrationNeedsReconnect)
    assert str(told.connection_id) == connection_id
    assert Connection.objects.get().sealed_tokens is None
    assert read(step_up(anna), "body_mass") == []
    assert broken() == {}
    assert connect(anna, withings) == connection_id
    later()
    work()
    assert Reading.objects.count() == 1
    assert shown(anna, connection_id)["state"] == "connected"


def test_he3_disconnected_it_brings_nothing_and_its_tokens_are_given_back(anna, withings, announced):
    withings.weigh("12345", NOON, {1: (70, 0)})
    connection_id = connect(anna, withings)
    work()
    portions = [withings.ping("12345", NOON, NOON + timedelta(hours=1))]
    assert post(hook(withings), portions[0], form=True) == 204
    assert anna.api.delete(f"{INTEGRATIONS}/{connection_id}").status_code == 204
    assert withings.given_back == ["12345"]
    assert withings.subscribed == {}
    assert Connection.objects.get().sealed_tokens is None
    assert anna.api.get(f"{INTEGRATIONS}/{connection_id}").status_code == 404
    assert anna.api.get(INTEGRATIONS).json()["items"] == []
    assert not Portion.objects.exists()
    assert len(announced(events.IntegrationDisconnected)) == 1
    assert len(read(step_up(anna), "body_mass")) == 1  # what it has brought stays
    assert broken() == {}
    withings.weigh("12345", NOON - timedelta(days=80), {1: (72, 0)})  # as if the back-fill had not come so far
    assert connect(anna, withings) == connection_id  # the same account: the same source
    work()
    assert Reading.objects.count() == 2


def test_he3_where_the_vendor_does_not_answer_giving_back_is_tried_for_a_day(anna, withings, settings):
    connection_id = connect(anna, withings)
    named = settings.INTEGRATIONS
    settings.INTEGRATIONS = [named[0] | {"api_url": "http://127.0.0.1:9"}]
    assert anna.api.delete(f"{INTEGRATIONS}/{connection_id}").status_code == 204
    assert Connection.objects.get().sealed_tokens is not None
    settings.INTEGRATIONS = named
    tasks.tidy_integrations()
    assert (withings.given_back, Connection.objects.get().sealed_tokens) == (["12345"], None)


def test_he3_anothers_connection_is_not_there(anna, register, withings):
    connection_id = connect(anna, withings)
    boris = register()
    for answer in (boris.api.get, boris.api.delete):
        assert answer(f"{INTEGRATIONS}/{connection_id}").status_code == 404
    assert Connection.objects.get().state == "connected"


# --- consent and erasure ----------------------------------------------------------------------------------------


@EVERYWHERE
def test_p3_he3_without_consent_nothing_comes_and_given_again_what_was_missed_does(anna, glucometers, deliver):
    connect(anna, glucometers, "g-1")
    work()
    Portion.objects.all().delete()
    agree(anna, given=False)
    deliver()
    told = {"metric": "blood_glucose", "value": 5, "time": NOON}
    body, signed = glucometers.posts("g-1", [told])
    assert post(hook(glucometers), body, signed) == 204
    work()
    assert not Reading.objects.exists()
    assert Posted.objects.get().sealed_body is None
    agree(anna)
    deliver()
    asked = len(glucometers.wanted)
    work()
    assert len(glucometers.wanted) == asked + 1
    assert datetime.fromisoformat(glucometers.wanted[-1]["from"]) < datetime.now(UTC) - timedelta(minutes=9)


@EVERYWHERE
def test_p3_he3_without_consent_nothing_is_asked(anna, withings, deliver):
    connect(anna, withings)
    agree(anna, given=False)
    deliver()
    work()
    assert withings.asked["getmeas"] == 0
    agree(anna)
    deliver()
    work()
    assert withings.asked["getmeas"] == 1


@COMMITTED
def test_id10_he3_an_erasure_gives_tokens_back_and_leaves_no_row(register, withings):
    person = register()
    agree(person)
    withings.weigh("12345", NOON, {1: (70, 0)})
    connect(person, withings)
    work()
    person.api.put(f"{INTEGRATIONS}/source-orders", {"kind": "body", "device_ids": []})
    personal_data.erase("health", person.user_id)
    assert withings.given_back == ["12345"]
    assert [model.objects.count() for model in (Connection, Portion, Posted, Device, Reading)] == [0] * 5
