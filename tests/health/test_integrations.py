"""Accounts at vendors, over real sockets to servers that speak their protocols (HE-3)."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from contexts.health import events, rules, tasks
from contexts.health.integrations.contract import Told
from contexts.health.integrations.storing import store
from contexts.health.models import Batch, Connection, Device, Portion, Posted, Reading
from contexts.health.rules import Stream
from kernel.databases import redis_client
from tests.conftest import agree
from tests.health.conftest import HEALTH, reading, step_up
from tests.health.integrating import (
    INTEGRATIONS,
    NOON,
    broken,
    connect,
    hook,
    later,
    path_of,
    post,
    read,
    shown,
    work,
)
from tests.health.vendors import utc

pytestmark = pytest.mark.django_db(databases=["default", "health"])


# --- connecting -------------------------------------------------------------------------------------------------


def test_he3_vendors_nobody_has_named_are_listed_and_cannot_be_connected(anna, withings):
    items = {one["vendor"]: one for one in anna.api.get(f"{INTEGRATIONS}/vendors").json()["items"]}
    assert (items["withings"]["available"], items["fitbit"]["available"]) == (True, False)
    refused = anna.api.post(INTEGRATIONS, {"vendor": "fitbit"})
    assert (refused.status_code, refused.json()["code"]) == (503, "vendor_not_configured")
    assert anna.api.post(INTEGRATIONS, {"vendor": "nobody"}).status_code == 404


def test_p3_he3_connecting_takes_consent(register, withings):
    person = register()
    refused = person.api.post(INTEGRATIONS, {"vendor": "withings"})
    assert (refused.status_code, refused.json()["code"]) == (403, "consent_required")


def test_he3_a_state_is_good_once_and_for_whoever_began(anna, register, withings):
    boris = register()
    agree(boris)
    begun = anna.api.post(INTEGRATIONS, {"vendor": "withings"}).json()
    assert begun["state"] not in str(redis_client().keys())
    back = {"state": begun["state"], "code": withings.let_in(begun["authorization_url"], "1")}
    stolen = boris.api.post(f"{INTEGRATIONS}/complete", back)
    assert (stolen.status_code, stolen.json()["code"]) == (400, "connecting_expired")
    assert anna.api.post(f"{INTEGRATIONS}/complete", back).status_code == 400  # used up by the attempt
    connect(anna, withings)
    again = anna.api.post(INTEGRATIONS, {"vendor": "withings"})
    assert (again.status_code, again.json()["code"]) == (409, "already_connected")
    taken = boris.api.post(INTEGRATIONS, {"vendor": "withings"}).json()
    back = {"state": taken["state"], "code": withings.let_in(taken["authorization_url"], "12345")}
    refused = boris.api.post(f"{INTEGRATIONS}/complete", back)
    assert (refused.status_code, refused.json()["code"]) == (409, "account_connected_elsewhere")


def test_he3_connecting_fetches_the_past_in_portions_with_units_and_source(anna, withings, announced):
    at = NOON - timedelta(days=40)
    withings.weigh("12345", at, {1: (72345, -3), 6: (2150, -2), 9: (78, 0), 10: (121, 0), 71: (36612, -3)})
    for day in range(1, 6):
        withings.weigh("12345", at + timedelta(days=day), {1: (72000 + day, -3)})
    withings.weigh("12345", at, {1: (60000, -3)}, category=2)  # a goal
    withings.weigh("12345", at, {1: (15000, -3)}, attrib=1)  # perhaps a child's
    connection_id = connect(anna, withings)
    assert shown(anna, connection_id)["backfill"]["done"] == 0
    work()
    progress = shown(anna, connection_id)
    assert progress["backfill"]["done"] == progress["backfill"]["portions"] == 1
    assert (progress["waiting"], progress["devices"]) == (0, ["Body Comp"])
    assert withings.asked["getmeas"] == 4  # pages of two
    api = step_up(anna)
    weights = read(api, "body_mass")
    assert weights[0] == (at, 72.345)
    assert len(weights) == 6
    assert read(api, "body_mass", unit="[lb_av]")[0][1] == pytest.approx(159.493, abs=0.001)
    assert [value for _, value in read(api, "blood_pressure_systolic")] == [121]
    assert [value for _, value in read(api, "body_temperature")] == [36.612]
    assert {one.vendor for one in announced(events.IntegrationConnected)} == {"withings"}
    told = announced(events.HealthMetricRecorded)
    assert sum(one.count for one in told) == 10
    assert {str(one.device_id) for one in told} == {progress["device_id"]}
    assert withings.subscribed.keys() == {"1", "2", "4"}
    assert anna.api.get(f"{HEALTH}/devices").json()["items"] == []  # nobody wears it
    assert broken() == {}


def test_he3_fitbit_days_are_of_the_persons_zone_and_its_heart_rate_of_utc(anna, fitbit):
    day = (NOON - timedelta(days=2)).date()
    fitbit.beats[day] = {"00:00:00": 61, "23:59:00": 75}
    fitbit.steps[day] = {"08:15:00": 320, "08:30:00": 0}
    fitbit.resting[day] = 54
    row = {"bmi": 23.1, "date": str(day), "fat": 18.5, "logId": 17, "source": "Aria", "time": "07:05:00"}
    fitbit.weights.append(row | {"weight": 71.2})
    connection_id = connect(anna, fitbit)
    work()
    later()
    work()
    assert shown(anna, connection_id)["waiting"] == 0
    zone, api = ZoneInfo("America/New_York"), step_up(anna)
    assert read(api, "heart_rate") == [(utc(day, "00:00:00"), 61), (utc(day, "23:59:00"), 75)]
    local = datetime.fromisoformat(f"{day}T08:15:00").replace(tzinfo=zone)
    assert read(api, "steps") == [(local, 320)]
    assert read(api, "resting_heart_rate") == [(local.replace(hour=0, minute=0), 54)]
    assert read(api, "body_fat") == [(local.replace(hour=7, minute=5), 18.5)]
    assert fitbit.subscribed.keys() == {"activities", "body", "sleep"}


# --- ping, stream, callback -------------------------------------------------------------------------------------


def test_he3_a_ping_is_answered_at_once_and_pulled_afterwards(anna, withings):
    connection_id = connect(anna, withings)
    work()
    asked = withings.asked["getmeas"]
    withings.weigh("12345", NOON, {1: (70, 0)})
    path = path_of(withings.subscribed["1"])
    assert Client().head(path).status_code == 200
    span = NOON - timedelta(minutes=1), NOON + timedelta(minutes=1)
    for _ in range(3):
        assert post(path, withings.ping("12345", *span), form=True) == 204
    assert post(path, withings.ping("999", *span), form=True) == 204  # nobody of ours
    assert withings.asked["getmeas"] == asked
    assert shown(anna, connection_id)["waiting"] == 1
    work()
    assert withings.asked["getmeas"] == asked + 1
    assert read(step_up(anna), "body_mass") == [(NOON, 70)]
    wrong = path[:-3] + "abc"
    assert post(wrong, withings.ping("12345", *span), form=True) == 401
    assert Client().get(wrong).status_code == 404
    assert post(path, b"userid=12345&appli=1", form=True) == 400


def test_he3_fitbit_pings_are_signed_and_its_codes_verified(anna, fitbit):
    connect(anna, fitbit)
    work()
    Portion.objects.all().delete()
    path, day = hook(fitbit), (NOON - timedelta(days=1)).date()
    checks = [Client().get(path, {"verify": code}).status_code for code in ("cafe1234", "wrong")]
    assert checks == [204, 404]
    body, signed = fitbit.ping("12345", "body", day)
    assert [post(path, body, signed), post(path, body + b" ", signed), post(path, body)] == [204, 401, 401]
    assert [portion.collection for portion in Portion.objects.all()] == ["weight"]
    body, signed = fitbit.ping("12345", "userRevokedAccess")
    assert post(path, body, signed) == 204
    assert Connection.objects.get().state == "needs_reconnect"


def test_he3_what_is_being_fetched_may_have_been_fetched_too_early(anna, withings):
    """A ping that comes while an earlier one is worked on is not swallowed by it."""
    connect(anna, withings)
    work()
    span = NOON, NOON + timedelta(minutes=1)
    assert post(hook(withings), withings.ping("12345", *span), form=True) == 204
    Portion.objects.filter(done_at=None).update(is_taken=True)
    assert post(hook(withings), withings.ping("12345", *span), form=True) == 204
    assert Portion.objects.filter(done_at=None).count() == 2


def test_he3_a_stream_is_signed_stored_once_and_kept_sealed_until_then(anna, glucometers):
    connection_id = connect(anna, glucometers, "g-1")
    told = {"metric": "blood_glucose", "value": 99.088, "unit": "mg/dL", "time": NOON, "device": "Meter 5"}
    body, signed = glucometers.posts("g-1", [told, told | {"metric": "mood"}], delivery="d-1")
    path = hook(glucometers)
    assert [post(path, body, signed) for _ in range(2)] == [204, 204]
    posted = Posted.objects.get()
    assert b"99.088" not in bytes(posted.sealed_body)
    work()
    assert Posted.objects.get().sealed_body is None
    assert post(path, body, signed) == 204  # once more, after it was stored
    work()
    ((time, value),) = read(step_up(anna), "blood_glucose")
    assert (time, value) == (NOON, pytest.approx(5.5))
    assert shown(anna, connection_id)["devices"] == ["Meter 5"]
    body, signed = glucometers.posts("g-1", [told], at=(datetime.now(UTC) - timedelta(minutes=6)).timestamp())
    assert [post(path, body, signed), post(path, body), post(path, b"{}", signed)] == [401, 401, 401]
    for nonsense in ({"user": "g\0"}, {"last": 7}, {"delivery": "x" * 65}):
        assert post(path, *glucometers.posts("g-1", [told], **nonsense)) == 400
    body, signed = glucometers.posts("nobody", [told])
    assert post(path, body, signed) == 204
    assert Posted.objects.count() == 1
    tasks.tidy_integrations()
    Posted.objects.update(posted_at=NOON - timedelta(days=2))
    tasks.tidy_integrations()
    assert not Posted.objects.exists()


def test_he3_the_past_comes_by_callback_to_an_address_of_its_own(anna, glucometers):
    connection_id = connect(anna, glucometers, "g-1")
    work()
    assert [span["user"] for span in glucometers.wanted] == ["g-1"] * 3
    progress = shown(anna, connection_id)["backfill"]
    assert (progress["portions"], progress["done"]) == (3, 0)
    path = path_of(glucometers.wanted[0]["callback_url"])
    first = {"metric": "blood_glucose", "value": 5.1, "time": NOON}
    body, signed = glucometers.posts("g-1", [first])
    assert post(path, body, signed) == 204
    work()
    assert shown(anna, connection_id)["backfill"]["done"] == 0
    body, signed = glucometers.posts("g-1", [first | {"value": 6, "time": NOON + timedelta(hours=1)}], last=True)
    assert post(path[:-2] + "xx", body, signed) == 404
    assert post(path, body, signed) == 204
    work()
    assert shown(anna, connection_id)["backfill"]["done"] == 1
    assert post(path, body, signed) == 404  # it is over
    assert [value for _, value in read(step_up(anna), "blood_glucose")] == [5.1, 6]
    later()  # nobody has answered the others in time: they are asked for again
    work()
    assert len(glucometers.wanted) == 5
    assert len({span["callback_url"] for span in glucometers.wanted}) == 5
    assert post(path_of(glucometers.wanted[1]["callback_url"]), body, signed) == 404


# --- pulls, limits, corrections ---------------------------------------------------------------------------------


def test_he3_a_pull_finds_what_was_written_since_the_last_one_corrections_among_it(anna, withings, announced):
    weighed = withings.weigh("12345", NOON, {1: (70, 0), 6: (20, 0)})
    connection_id = connect(anna, withings)
    work()
    tasks.plan_pulls()
    assert shown(anna, connection_id)["waiting"] == 0  # it is not yet time
    weighed["measures"][0]["value"] = 71
    withings.weigh("12345", NOON - timedelta(days=300), {1: (80, 0)})
    Connection.objects.update(next_pull_at=datetime.now(UTC))
    tasks.plan_pulls()
    work()
    api = step_up(anna)
    assert read(api, "body_mass") == [(NOON, 71)]
    assert read(api, "body_fat") == [(NOON, 20)]
    assert Reading.objects.filter(stream=Stream.body_mass).count() == 2
    (withdrawn,) = announced(events.HealthMetricWithdrawn)
    assert (withdrawn.streams, withdrawn.count) == (["body_mass"], 1)
    assert broken() == {}
    planned = Connection.objects.get().next_pull_at - datetime.now(UTC)
    assert timedelta(minutes=13) < planned < timedelta(minutes=17)


def test_he3_of_one_instant_several_records_stay_apart_and_all_corrected_leave_no_batch(anna, withings):
    connection_id = connect(anna, withings)
    said = Told(stream=Stream.body_mass, value=70, unit="kg", time=NOON, record="1")
    other = Told(stream=Stream.body_mass, value=71, unit="kg", time=NOON, record="2")
    nonsense = Told(stream=Stream.body_mass, value=1, unit="mm[Hg]", time=NOON, record="3")
    implausible = Told(stream=Stream.body_mass, value=900, unit="kg", time=NOON, record="4")
    assert store(connection_id, [said, other, nonsense, implausible], at=datetime.now(UTC)) == 3
    assert store(connection_id, [said, other], at=datetime.now(UTC)) == 0
    corrected = [Told(stream=Stream.body_mass, value=60, unit="kg", time=NOON, record=one) for one in "124"]
    assert store(connection_id, corrected, at=datetime.now(UTC)) == 3
    assert (Batch.objects.get().count, shown(anna, connection_id)["rejected"]) == (3, 1)
    assert broken() == {}


def test_he3_a_vendor_that_wants_to_be_left_alone_is_and_nothing_is_lost(anna, fitbit):
    day = (NOON - timedelta(days=1)).date()
    fitbit.beats[day] = {"10:00:00": 66}
    headers = {"Retry-After": "900", "fitbit-rate-limit-reset": "900"}
    connection_id = connect(anna, fitbit)
    fitbit.refuse = [(429, headers, {"errors": [{"errorType": "rate_limited"}]})]
    work()
    assert sum(fitbit.asked.values()) < 10  # the rest did not even try
    waiting = shown(anna, connection_id)
    assert waiting["waiting"] == waiting["backfill"]["portions"]
    until = datetime.fromisoformat(waiting["next_try_at"]) - datetime.now(UTC)
    assert timedelta(minutes=14) < until < timedelta(minutes=16)
    for _ in range(4):
        later()
        work()
    assert shown(anna, connection_id)["waiting"] == 0
    assert read(step_up(anna), "heart_rate") == [(utc(day, "10:00:00"), 66)]


def test_he3_what_a_person_has_not_let_us_see_does_not_keep_the_rest(anna, fitbit):
    """Fitbit's page lets people tick what an app may see."""
    day = (NOON - timedelta(days=2)).date()
    fitbit.beats[day], fitbit.steps[day], fitbit.resting[day] = {"10:00:00": 66}, {"10:00:00": 9}, 54
    fitbit.forbidden = {"heart", "body"}
    connection_id = connect(anna, fitbit)
    for _ in range(2):
        work()
        later()
    assert (shown(anna, connection_id)["waiting"], shown(anna, connection_id)["state"]) == (0, "connected")
    assert {Stream(one) for one in Reading.objects.values_list("stream", flat=True)} == {Stream.steps}
    assert fitbit.subscribed.keys() == {"activities", "sleep"}


def test_he3_a_vendor_that_does_not_take_our_address_is_asked_all_the_same(anna, withings):
    withings.weigh("12345", NOON, {1: (70, 0)})
    withings.takes_addresses = False
    connect(anna, withings)
    work()
    assert (Reading.objects.count(), withings.subscribed) == (1, {})
    assert Connection.objects.get().is_subscribed is False


def test_he3_a_vendor_that_is_away_is_asked_later_and_later(anna, withings):
    connect(anna, withings)
    withings.refuse = [(500, {}, {}), (200, {}, {"status": 601}), (200, {}, "nonsense")]
    waits = []
    for _ in range(3):
        later()
        work()
        waits.append(round((Portion.objects.get().not_before - datetime.now(UTC)).total_seconds() / 60))
    assert waits == [1, 1, 2]
    later()
    work()
    assert Portion.objects.get().done_at is not None


# --- whose word goes first --------------------------------------------------------------------------------------


def test_he3_of_two_sources_of_the_same_time_the_first_is_shown_and_nothing_is_deleted(anna, strap, fitbit):
    """Own devices, then vendors, then entries; by a person's own order where they have said one."""
    mine = strap(anna)
    connect(anna, fitbit)
    source = Device.objects.get(kind=rules.INTEGRATION)
    beats = [
        Told(stream=Stream.heart_rate, value=100, unit="/min", time=NOON + timedelta(minutes=minute))
        for minute in (0, 1, 30)
    ]
    store(Connection.objects.get().pk, beats, at=datetime.now(UTC))
    assert mine.send([reading(NOON + timedelta(seconds=20), 60)]).json()["accepted"] == 1
    anna.api.post(f"{HEALTH}/entries", {"stream": "heart_rate", "value": 90, "time": NOON.isoformat()})
    late = NOON + timedelta(hours=5)
    anna.api.post(f"{HEALTH}/entries", {"stream": "heart_rate", "value": 91, "time": late.isoformat()})
    api = step_up(anna)

    def values() -> list[float]:
        return [value for _, value in read(api, "heart_rate")]

    assert values() == [60, 100, 91]
    span = {"from": NOON.isoformat(), "to": (NOON + timedelta(hours=1)).isoformat(), "bucket": "1h"}
    (point,) = api.get(f"{HEALTH}/metrics/heart_rate", data=span).json()["points"]
    assert (point["count"], point["avg"]) == (2, 80)
    order = {"kind": "vital", "device_ids": [str(source.device_id), str(mine.device_id)]}
    answer = anna.api.put(f"{INTEGRATIONS}/source-orders", order)
    assert [one["kind"] for one in answer.json()["sources"]] == ["heart_rate_strap", "integration", "own_entries"]
    assert answer.json()["orders"] == [order]
    assert values() == [100, 100, 100, 91]
    anna.api.put(f"{INTEGRATIONS}/source-orders", {"kind": "vital", "device_ids": []})
    assert values() == [60, 100, 91]
    assert Reading.objects.count() == 6
    foreign = {"kind": "vital", "device_ids": [str(strap().device_id)]}
    assert anna.api.put(f"{INTEGRATIONS}/source-orders", foreign).status_code == 404


def test_he3_sources_of_one_rank_hide_nothing_of_each_other(anna, strap):
    one, other = strap(anna), strap(anna)
    one.send([reading(NOON, 60)])
    other.send([reading(NOON, 80)])
    assert sorted(value for _, value in read(step_up(anna), "heart_rate")) == [60, 80]


def test_he3_the_page_vendors_send_people_back_to_is_there(db):
    answer = Client().get("/account/integrations?state=s&code=c")
    assert (answer.status_code, answer["Referrer-Policy"]) == (200, "no-referrer")
    assert "health/integrations.js" in answer.content.decode()
