"""Critical values reach the person at once, once for each episode, whatever the order of readings (HE-5, H5)."""

import random
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core import mail
from django.db import IntegrityError

from config import demo_health
from contexts.health import handlers, tasks
from contexts.health.alerts import alerting, escalating, responding, watching
from contexts.health.events import (
    HealthMetricRecorded,
    HealthMetricWithdrawn,
    MedicalAlertEscalated,
    MedicalAlertTriggered,
)
from contexts.health.models import Access, Alert, Device, Reading
from kernel import databases
from kernel.observability import invariants
from tests.conftest import agree
from tests.health.conftest import HEALTH, reading, step_up
from tests.identity.conftest import in_parallel

pytestmark = pytest.mark.django_db(databases=["default", "health"])
ALERTS, RULES, CONTACT = f"{HEALTH}/alerts", f"{HEALTH}/alert-rules", f"{HEALTH}/emergency-contact"
ADMIN = f"/{settings.ADMIN_PATH}health/alert/"
COMMITTED = pytest.mark.django_db(databases="__all__", transaction=True)


def spo2(*values: float, since: datetime, step_s: int = 30) -> list[dict[str, Any]]:
    """Saturations one after the other."""
    return [
        reading(since + timedelta(seconds=n * step_s), value, stream="oxygen_saturation")
        for n, value in enumerate(values)
    ]


def begin(minutes: float = 20) -> datetime:
    """An instant a while ago, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=minutes)


def follow(event: HealthMetricRecorded) -> None:
    """What the bus does with an event, at once."""
    watched = handlers._watched(event)
    alerting.evaluate(
        user_id=event.user_id,
        watched=watched,
        first_at=event.first_at,
        last_at=event.last_at,
        at=datetime.now(UTC),
    )


def rows() -> list[tuple[str, datetime, datetime, datetime | None]]:
    """Which episodes there are, without identity."""
    kept = Alert.objects.exclude(reason="superseded").order_by("began_at")
    return [(row.state, row.began_at, row.last_at, row.ended_at) for row in kept]


def broken() -> dict[str, Any]:
    """Health's invariants that do not hold."""
    return {each.id: found for each in invariants() if each.context == "health" if (found := each.violations())}


@COMMITTED
async def test_he5_a_critical_value_is_told_at_once_and_once_without_what_was_measured(
    transactional_db, socket, strap, deliver, announced
):
    worn = await sync_to_async(strap)()
    since = begin()
    async with socket("/ws/v1/health/alerts", worn.owner.token) as ws:
        assert await ws.next() == {"type": "alerts", "alerts": []}
        await sync_to_async(worn.send)(spo2(96, 88, 87, 86, since=since))
        await sync_to_async(deliver)()
        frame = await ws.next("alert")
        frame.pop("correlation_id")
        assert set(frame) == {"type", "alert_id", "state", "severity", "ignores_quiet_hours"}
        assert (frame["state"], frame["severity"], frame["ignores_quiet_hours"]) == ("open", "critical", True)
        await sync_to_async(worn.send)(spo2(85, 84, since=since + timedelta(minutes=2)))
        await sync_to_async(worn.send)(spo2(97, since=since + timedelta(minutes=4)))
        await sync_to_async(deliver)()
        closed = await ws.next("alert")
        assert (closed["alert_id"], closed["state"]) == (frame["alert_id"], "closed")
    events = await sync_to_async(announced)(MedicalAlertTriggered)
    (told,) = events
    assert (str(told.alert_id), told.severity, told.ignores_quiet_hours) == (frame["alert_id"], "critical", True)
    assert not {"value", "metric", "measured"} & set(vars(told))
    assert await sync_to_async(broken)() == {}


def test_he5_readings_late_and_out_of_order_give_the_same_episodes(strap, announced):
    """Six orders of the same eight batches: two episodes each time, whose rows say the same."""
    worn, since, dice = strap(), begin(180), random.Random(5)
    values = [96, 89, 88, 91, 89, 93, 95, 96] + [95] * 40 + [88, 87, 86, 91, 88, 94] + [96] * 30 + [89, 95, 97, 96]
    batches = [spo2(*values[n : n + 11], since=since + timedelta(seconds=30 * n)) for n in range(0, len(values), 11)]
    for batch in batches:
        assert worn.send(batch).json()["accepted"] == len(batch)
    events = announced(HealthMetricRecorded)
    for event in events:
        follow(event)
    in_order = rows()
    assert [row[0] for row in in_order] == ["closed", "closed"]
    everything = list(Alert.objects.values_list("pk", flat=True))
    for event in events[::-1]:
        follow(event)  # what has been applied changes nothing, not even who is who
    assert (rows(), list(Alert.objects.values_list("pk", flat=True))) == (in_order, everything)
    for _ in range(5):
        Alert.objects.all().delete()
        order = dice.sample(events, len(events))
        arrive(order, number=Device.objects.get(device_id=worn.device_id).number)
        assert rows() == in_order, [events.index(one) for one in order]
    assert broken() == {}


def arrive(order: list[HealthMetricRecorded], *, number: int) -> None:
    """Let batches be there one after the other; until then their readings are a stranger's."""
    stranger = number + 1_000_000
    Reading.objects.filter(device_number=number).update(device_number=stranger)
    for event in order:
        span = {"time__gte": event.first_at, "time__lte": event.last_at}
        Reading.objects.filter(device_number=stranger, **span).update(device_number=number)
        follow(event)


def test_he5_a_late_reading_joins_dissolves_and_splits_what_was_told(strap, announced):
    worn, since = strap(), begin(120)

    def come(*values: float, at_s: int) -> None:
        worn.send(spo2(*values, since=since + timedelta(seconds=at_s)))
        follow(announced(HealthMetricRecorded)[-1])

    come(88, 88, 88, 96, at_s=0)
    come(88, 88, 88, 96, at_s=1200)
    assert len(rows()) == 2
    come(88, 88, 88, at_s=700)  # within a cool-down of either: it was one all the time
    assert [(row[1], row[2]) for row in rows()] == [(since, since + timedelta(seconds=1260))]
    assert Alert.objects.filter(reason="superseded").count() == 1
    assert len(announced(MedicalAlertTriggered)) == 2
    come(96, 96, at_s=45)  # between the first's readings: what is left of it is too short
    assert [row[1] for row in rows()] == [since + timedelta(seconds=700)]
    assert broken() == {}
    assert len(announced(MedicalAlertTriggered)) == 2


def test_he5_what_is_old_when_it_comes_raises_nothing(strap, announced):
    worn = strap()
    worn.send(spo2(80, 80, 80, 96, since=begin(60 * 49)))
    follow(announced(HealthMetricRecorded)[-1])
    assert rows() == []
    worn.send(spo2(80, 80, 80, 96, since=begin(60 * 40)))
    follow(announced(HealthMetricRecorded)[-1])
    assert [row[0] for row in rows()] == ["closed"]


@COMMITTED
def test_h5_parallel_deliveries_open_one_alert(strap, announced):
    """Eight threads each with another batch of the same episode."""
    worn, since = strap(), begin()
    for n in range(8):
        worn.send(spo2(88, 87, since=since + timedelta(seconds=60 * n)))
    events = announced(HealthMetricRecorded)
    in_parallel(8, lambda n: follow(events[n]))
    (row,) = Alert.objects.all()
    assert (row.state, row.began_at, row.last_at) == ("open", since, since + timedelta(seconds=450))
    assert len(announced(MedicalAlertTriggered)) == 1
    assert broken() == {}


@COMMITTED
def test_h5_without_the_lock_they_run_into_the_index(strap, announced, monkeypatch):
    """The negative control: the same deliveries without the person's lock, held where all have looked."""
    worn, since = strap(), begin()
    for n in range(4):
        worn.send(spo2(88, 87, 86, since=since + timedelta(seconds=90 * n)))
    barrier, look = threading.Barrier(4, timeout=10), alerting._agree

    def all_have_looked(*args: Any, **options: Any) -> None:
        barrier.wait()
        look(*args, **options)

    monkeypatch.setattr(alerting, "_agree", all_have_looked)
    monkeypatch.setattr(databases, "gate_key", lambda *parts: random.getrandbits(62))
    failed, events = [], announced(HealthMetricRecorded)

    def try_to(n: int) -> None:
        try:
            follow(events[n])
        except IntegrityError as error:
            failed.append(error)

    in_parallel(4, try_to)
    assert len(failed) == 3
    assert "health_alert_one_open" in str(failed[0])
    assert Alert.objects.count() == 1


def triggered(worn: Any, announced: Any, *, minutes: float = 5) -> Alert:
    """An open alert."""
    worn.send(spo2(88, 87, 86, since=begin(minutes)))
    follow(announced(HealthMetricRecorded)[-1])
    return Alert.objects.get(user_id=worn.owner.user_id)


def test_he5_an_alert_is_acknowledged_snoozed_and_commented_by_its_person_alone(strap, register, announced):
    worn, other = strap(), register()
    path = f"{ALERTS}/{triggered(worn, announced).pk}"
    api = worn.owner.api
    for verb, body in (("acknowledgement", None), ("snooze", {"minutes": 30}), ("comments", {"text": "x"})):
        assert other.api.post(f"{path}/{verb}", body).status_code == 404
    put_off = api.post(f"{path}/snooze", {"minutes": 30}).json()
    assert (put_off["state"], put_off["acknowledged_at"]) == ("snoozed", None)
    assert api.post(f"{path}/snooze", {"minutes": 1}).status_code == 400
    at = datetime.now(UTC)
    assert responding.wake(at=at + timedelta(minutes=29)) == 0
    assert responding.wake(at=at + timedelta(minutes=31)) == 1
    assert api.post(f"{path}/acknowledgement").json()["state"] == "acknowledged"
    first = api.post(f"{path}/acknowledgement").json()["acknowledged_at"]
    assert api.post(f"{path}/acknowledgement").json()["acknowledged_at"] == first
    assert api.post(f"{path}/comments", {"text": "At altitude."}).status_code == 201
    worn.send(spo2(97, since=begin(1)))
    follow(announced(HealthMetricRecorded)[-1])
    assert api.post(f"{path}/snooze", {"minutes": 30}).json()["code"] == "alert_closed"
    assert api.post(f"{path}/acknowledgement").json()["state"] == "closed"


def test_i5_what_alerts_are_about_takes_a_second_factor_and_leaves_a_row(strap, announced):
    worn = strap()
    alert = triggered(worn, announced)
    path = f"{ALERTS}/{alert.pk}"
    assert {worn.owner.api.get(each).json()["code"] for each in (ALERTS, path)} == {"mfa_required"}
    worn.owner.api.post(f"{path}/comments", {"text": "At altitude."})
    api = step_up(worn.owner)
    (listed,) = api.get(ALERTS).json()["items"]
    assert (listed["metric"], listed["rule"]) == ("oxygen_saturation", "norm.oxygen_saturation.low")
    assert (listed["terms"]["bound"], listed["terms"]["norm"]) == (90.0, "oxygen_saturation@1")
    assert [one["text"] for one in api.get(path).json()["comments"]] == ["At altitude."]
    assert Access.objects.filter(subject_id=worn.owner.user_id, stream="alerts").count() == 2


def test_he5_whoever_does_not_react_has_their_contact_written_to_once(strap, announced):
    worn = strap()
    api, form = worn.owner.api, {"name": "Ида", "email": "ida@example.org", "locale": "ru", "after_minutes": 10}
    assert api.get(CONTACT).status_code == 404
    assert api.put(CONTACT, form | {"agreed": False}).json()["errors"][0]["code"] == "contact_must_agree"
    assert api.put(CONTACT, form | {"agreed": True}).status_code == 200
    assert api.get(CONTACT).json()["email"] == "ida@example.org"
    alert, at = triggered(worn, announced), datetime.now(UTC)
    assert escalating.escalate_due(at=at + timedelta(minutes=9)) == 0
    assert [escalating.escalate_due(at=at + timedelta(minutes=n)) for n in (11, 12)] == [1, 0]
    (told,) = announced(MedicalAlertEscalated)
    assert (told.alert_id, set(vars(told))) == (alert.pk, {"alert_id", "user_id", "occurred_at"})
    handlers.write_to_emergency_contact(told, handlers._name_of(told))
    (letter,) = mail.outbox
    assert (letter.to, "Ида" in letter.body) == (["ida@example.org"], True)
    said = (letter.subject + letter.body).replace(handlers._name_of(told) or "", "")
    assert not any(word in said.lower() for word in ("87", "88", "кислород", "сатурац", "oxygen"))
    assert api.delete(CONTACT).status_code == 204
    handlers.write_to_emergency_contact(told, handlers._name_of(told))
    assert len(mail.outbox) == 1


def test_he5_an_acknowledged_alert_goes_to_nobody_else(strap, announced):
    worn = strap()
    contact = {"name": "Ida", "email": "ida@example.org", "agreed": True, "after_minutes": 5}
    alert = triggered(worn, announced)
    assert alert.escalate_at is None
    worn.owner.api.put(CONTACT, contact)
    alert.refresh_from_db()
    assert alert.escalate_at is not None
    worn.owner.api.post(f"{ALERTS}/{alert.pk}/acknowledgement")
    tasks.attend_to_alerts()
    assert escalating.escalate_due(at=datetime.now(UTC) + timedelta(days=1)) == 0


def test_he5_silence_ends_an_alert(strap, announced):
    worn = strap()
    alert, at = triggered(worn, announced), datetime.now(UTC)
    tasks.close_silent_alerts()
    alert.refresh_from_db()
    assert alert.state == "open"
    watched = watching.rules_for(user_id=worn.owner.user_id)
    alerting.close_silent(user_id=worn.owner.user_id, watched=watched, at=at + timedelta(hours=2))
    alert.refresh_from_db()
    assert (alert.state, alert.reason, alert.ended_at) == ("closed", "silence", alert.last_at)


def test_he5_an_own_bound_stands_for_the_norms_until_it_is_removed(strap, register, announced):
    worn, other = strap(), register()
    api = worn.owner.api
    alert = triggered(worn, announced)
    form = {"metric": "oxygen_saturation", "side": "low", "bound": 80, "lasts_s": 0}
    made = api.post(RULES, form).json()
    assert api.post(RULES, form).json()["code"] == "side_taken"
    assert api.post(RULES, form | {"side": "high", "bound": 900}).json()["errors"][0]["field"] == "bound"
    alert.refresh_from_db()
    assert (alert.state, alert.reason) == ("closed", "rule_gone")
    known = {item["rule"]: item for item in api.get(RULES).json()["items"] if item["metric"] == "oxygen_saturation"}
    assert set(known) == {f"own.{made['rule_id']}"}
    worn.send(spo2(85, 85, 85, 85, since=begin(3)))
    follow(announced(HealthMetricRecorded)[-1])
    assert not Alert.objects.exclude(state="closed").exists()
    path = f"{RULES}/{made['rule_id']}"
    assert other.api.put(path, {"bound": 86}).status_code == other.api.delete(path).status_code == 404
    assert api.put(path, {"bound": 86, "severity": "warning"}).json()["version"] == 2
    worn.send(spo2(85, since=begin(1)))
    follow(announced(HealthMetricRecorded)[-1])
    raised = Alert.objects.get(state="open")
    assert (raised.rule_version, raised.severity, raised.terms["norm"]) == (2, "warning", "")
    assert not announced(MedicalAlertTriggered)[-1].ignores_quiet_hours
    assert api.delete(path).status_code == 204
    raised.refresh_from_db()
    assert (raised.state, raised.reason) == ("closed", "rule_gone")
    norms = [item["norm"] for item in api.get(RULES).json()["items"]]
    assert "oxygen_saturation@1" in norms


def test_he5_what_a_better_source_has_counted_takes_an_alert_back(strap, announced):
    """Nine minutes after the phone's steps were too many the watch says what they were: its word hides theirs."""
    watch, since = strap(kind="watch"), begin(60)
    phone = strap(watch.owner, kind="phone")
    form = {"metric": "steps", "side": "high", "bound": 500, "hysteresis": 0, "lasts_s": 0, "cool_down_s": 0}
    assert watch.owner.api.post(RULES, form).status_code == 201

    def count(by: Any, value: int, *, minute: int) -> None:
        by.send([reading(since + timedelta(minutes=minute), value, stream="steps")])
        follow(announced(HealthMetricRecorded)[-1])

    count(phone, 600, minute=0)
    count(phone, 100, minute=5)
    assert [row[0] for row in rows()] == ["closed"]
    count(watch, 90, minute=9)
    assert rows() == []
    count(phone, 700, minute=10)  # hidden when it comes
    assert Alert.objects.get().reason == "superseded"
    assert len(announced(MedicalAlertTriggered)) == 1


def test_he5_an_entry_taken_back_takes_its_alert_back(register, announced):
    person = register()
    agree(person)
    form = {"stream": "blood_pressure_systolic", "value": 190, "time": begin(2).isoformat()}
    entry_id = person.api.post(f"{HEALTH}/entries", form).json()["entry_id"]
    follow(announced(HealthMetricRecorded)[-1])
    assert [row[0] for row in rows()] == ["open"]
    person.api.delete(f"{HEALTH}/entries/{entry_id}")
    follow(announced(HealthMetricWithdrawn)[-1])
    assert rows() == []
    assert Alert.objects.get().state == "closed"


@COMMITTED
def test_he5_a_medical_reviewer_sees_rules_and_states_and_not_whose(staff_client, strap, announced):
    worn = strap()
    alert = triggered(worn, announced)
    reviewer = staff_client("medical_reviewer")
    for page in ("", f"{alert.pk}/change/"):
        answer = reviewer.get(f"{ADMIN}{page}")
        shown = answer.content.decode()
        assert answer.status_code == 200
        assert "norm.oxygen_saturation.low" in shown
        assert str(worn.owner.user_id) not in shown
    assert staff_client("moderator").get(ADMIN).status_code == 403


def test_the_demo_leaves_one_open_alert_however_often_it_starts(register, announced):
    person = register()
    agree(person)

    class Wearer:
        def send(self, method: str, path: str, body: Any = None, **more: Any) -> None:
            answer = person.api.request(method.lower(), f"/api/v1/{path}", body, **more)
            assert answer.status_code in (200, 201), answer.content

    for _ in range(2):
        demo_health.leave_an_alert(Wearer(), print)
    (event,) = announced(HealthMetricRecorded)
    follow(event)
    alert = Alert.objects.get(state="open")
    assert person.api.post(f"{ALERTS}/{alert.pk}/acknowledgement").json()["state"] == "acknowledged"
