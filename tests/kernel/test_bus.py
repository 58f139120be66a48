"""The event bus: once, in order per key, failing alone, open to new subscribers."""

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from kernel import relay
from kernel.bus import handler_named, on, publish
from kernel.databases import NoUnitOfWork, TwoContexts, release_connections, unit_of_work
from kernel.errors import TryAgain
from kernel.events import DomainEvent
from kernel.models import FailedDelivery, InboxEntry, OutboxEvent
from kernel.observability import correlation
from kernel.relay import Relay
from tests.kernel.probe import NOON, ProbeSent, ledger, send, write

pytestmark = [pytest.mark.django_db(databases="__all__", transaction=True), pytest.mark.usefixtures("probe")]


@pytest.fixture
def at_once(monkeypatch) -> None:
    """Retries are due immediately."""
    monkeypatch.setattr(relay, "pause_before", lambda attempt: timedelta(0))


def drain() -> int:
    return Relay(contexts=["social", "gamification"]).drain()


def parked() -> list[FailedDelivery]:
    return list(FailedDelivery.objects.using("gamification").order_by("id"))


def keep(name: str = "keep_probe", **options):
    """Register a handler in gamification that writes to the ledger."""

    def handler(event: ProbeSent) -> None:
        write("gamification", name, event)

    handler.__name__ = name
    return on(ProbeSent, context="gamification", **options)(handler)


def test_p4_publish_outside_a_unit_of_work_raises() -> None:
    with pytest.raises(NoUnitOfWork):
        publish(ProbeSent(subject="a", number=1, occurred_at=NOON))


def test_p1_only_the_owner_announces_its_facts() -> None:
    @unit_of_work("gamification")
    def pretend() -> None:
        publish(ProbeSent(subject="a", number=1, occurred_at=NOON))

    with pytest.raises(TwoContexts):
        pretend()


def test_a_rolled_back_fact_is_never_announced() -> None:
    @unit_of_work("social")
    def fail() -> None:
        publish(ProbeSent(subject="a", number=1, occurred_at=NOON))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert not OutboxEvent.objects.using("social").exists()


def test_p5_an_effect_happens_once_however_often_the_event_is_delivered() -> None:
    keep()
    send(subject="a", numbers=[1, 2, 3])
    assert drain() == 3
    OutboxEvent.objects.using("social").update(published_at=None)
    assert drain() == 3
    assert ledger("gamification", "keep_probe") == [("a", 1), ("a", 2), ("a", 3)]


def test_negative_control_without_the_inbox_effects_double() -> None:
    """The detector can go red: forget the inbox and the second delivery shows."""
    keep()
    send(subject="a", numbers=[1])
    drain()
    OutboxEvent.objects.using("social").update(published_at=None)
    InboxEntry.objects.using("gamification").all().delete()
    drain()
    assert ledger("gamification", "keep_probe") == [("a", 1), ("a", 1)]


def test_p4_a_new_subscriber_needs_no_change_in_the_publisher_and_may_have_the_past() -> None:
    keep("first")
    send(subject="a", numbers=[1, 2])
    drain()
    keep("latecomer")
    send(subject="a", numbers=[3])
    drain()
    assert [n for _, n in ledger("gamification", "latecomer")] == [3]
    since = timezone.now() - timedelta(hours=1)
    assert relay.replay_events(context="social", handler=handler_named("gamification.latecomer"), since=since) == 3
    assert sorted(n for _, n in ledger("gamification", "latecomer")) == [1, 2, 3]
    assert len(ledger("gamification", "first")) == 3


def test_p5_a_poison_event_parks_alone_while_the_others_flow() -> None:
    @on(ProbeSent, context="gamification")
    def chokes(event: ProbeSent) -> None:
        if event.number == 50:
            raise ValueError("poison")
        write("gamification", "chokes", event)

    keep("sibling")
    for subject in "abcde":
        send(subject=subject, numbers=list(range(48, 53)) if subject == "c" else list(range(5)))
    drain()
    assert ("c", 50) not in ledger("gamification", "chokes")
    assert len(ledger("gamification", "chokes")) == 24
    assert len(ledger("gamification", "sibling")) == 25
    (failed,) = parked()
    assert (failed.handler, failed.payload["number"], failed.state) == ("gamification.chokes", 50, "retrying")


def test_p5_retries_back_off_then_the_delivery_is_a_dead_letter_to_replay(at_once: None) -> None:
    broken = [True]

    @on(ProbeSent, context="gamification")
    def mends(event: ProbeSent) -> None:
        if broken[0]:
            raise ValueError("not yet")
        write("gamification", "mends", event)

    send(subject="a", numbers=[1])
    drain()
    (dead,) = parked()
    assert (dead.state, dead.attempts) == ("dead", relay.ATTEMPTS)
    assert "not yet" in dead.error
    broken[0] = False
    assert drain() == 0
    assert relay.replay(context="gamification", delivery_ids=[dead.pk]) == 1
    drain()
    assert ledger("gamification", "mends") == [("a", 1)]
    assert not parked()


def test_a_discarded_delivery_is_gone(at_once: None) -> None:
    @on(ProbeSent, context="gamification")
    def never(event: ProbeSent) -> None:
        raise ValueError

    send(subject="a", numbers=[1])
    drain()
    assert relay.discard(context="gamification", delivery_ids=[row.pk for row in parked()]) == 1
    assert not parked()


def test_pauses_grow_and_are_jittered() -> None:
    longest = [max(relay.pause_before(attempt) for _ in range(200)).total_seconds() for attempt in (1, 2, 3, 4)]
    assert longest == sorted(longest)
    assert longest[0] <= 1 < longest[1] <= 3 < longest[2] <= 9 < longest[3] <= 27
    assert relay.pause_before(40) <= timedelta(hours=6)


def test_a_transient_failure_heals_without_a_trace(at_once: None) -> None:
    failures = Counter({"left": 2})

    @on(ProbeSent, context="gamification")
    def wobbles(event: ProbeSent) -> None:
        write("gamification", "wobbles", event)
        if failures["left"]:
            failures["left"] -= 1
            raise TryAgain

    send(subject="a", numbers=[1])
    drain()
    assert ledger("gamification", "wobbles") == [("a", 1)]
    assert not parked()


def test_keep_order_makes_later_events_of_a_key_wait_behind_a_failing_one(at_once: None) -> None:
    broken = [True]

    @on(ProbeSent, context="gamification", keep_order=True)
    def ordered(event: ProbeSent) -> None:
        if broken[0] and event.subject == "a" and event.number == 2:
            raise ValueError
        write("gamification", "ordered", event)

    send(subject="a", numbers=[1, 2, 3])
    send(subject="b", numbers=[1, 2, 3])
    while Relay(contexts=["social"]).relay_batch("social"):
        pass
    assert [n for s, n in ledger("gamification", "ordered") if s == "b"] == [1, 2, 3]
    assert [n for s, n in ledger("gamification", "ordered") if s == "a"] == [1]
    broken[0] = False
    send(subject="a", numbers=[4])
    drain()
    assert [n for s, n in ledger("gamification", "ordered") if s == "a"] == [1, 2, 3, 4]


def test_a_batch_handler_gets_the_events_as_a_list_in_order() -> None:
    seen: list[list[int]] = []

    @on(ProbeSent, context="gamification", batch=True)
    def together(events: list[ProbeSent]) -> None:
        seen.append([event.number for event in events])

    send(subject="a", numbers=list(range(30)))
    drain()
    assert seen == [list(range(30))]


def test_a_handler_asks_before_its_transaction_opens() -> None:
    from kernel.databases import current_context

    contexts: list[str | None] = []

    def ask(event: ProbeSent) -> int:
        contexts.append(current_context())
        return event.number * 10

    @on(ProbeSent, context="gamification", asks=ask)
    def informed(event: ProbeSent, answer: int) -> None:
        contexts.append(current_context())
        assert answer == event.number * 10

    send(subject="a", numbers=[1])
    drain()
    assert contexts == [None, "gamification"]


def test_causes_and_correlation_travel_along() -> None:
    @dataclass(frozen=True, kw_only=True)
    class ProbeAnswered(DomainEvent, key="subject", context="gamification"):
        """An answer to a probe."""

        subject: str

    @on(ProbeSent, context="gamification")
    def answers(event: ProbeSent) -> None:
        publish(ProbeAnswered(subject=event.subject, occurred_at=event.occurred_at))

    with correlation("journey-0001"):
        send(subject="a", numbers=[1])
    drain()
    asked = OutboxEvent.objects.using("social").get()
    answered = OutboxEvent.objects.using("gamification").get()
    assert asked.correlation_id == answered.correlation_id == "journey-0001"
    assert answered.causation_id == asked.event_id


def test_an_event_of_an_unknown_version_is_parked_and_not_dropped() -> None:
    keep()
    send(subject="a", numbers=[1])
    OutboxEvent.objects.using("social").update(version=99)
    drain()
    (unknown,) = parked()
    assert "UnknownEvent" in unknown.error


def test_a_field_from_the_future_is_ignored() -> None:
    keep()
    send(subject="a", numbers=[1])
    row = OutboxEvent.objects.using("social").get()
    row.payload["invented_later"] = True
    row.save(using="social")
    drain()
    assert ledger("gamification", "keep_probe") == [("a", 1)]


def test_order_per_key_holds_under_parallel_relays() -> None:
    keep("orderly")
    subjects = [f"subject-{n}" for n in range(40)]
    for start in range(0, 50, 10):
        for subject in subjects:
            send(subject=subject, numbers=list(range(start, start + 10)))
    moved = []

    def work() -> None:
        try:
            relaying = Relay(contexts=["social"])
            idle = 0
            while idle < 3:  # a lane may be in a neighbour's hands: look again before leaving
                count = relaying.relay_batch("social")
                moved.append(count)
                idle = 0 if count else idle + 1
        finally:
            release_connections()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drain()
    by_subject = defaultdict(list)
    for subject, number in ledger("gamification", "orderly"):
        by_subject[subject].append(number)
    assert {s: n for s, n in by_subject.items() if n != list(range(50))} == {}
    assert len(by_subject) == 40


def test_old_relayed_events_and_proofs_are_forgotten() -> None:
    keep()
    send(subject="a", numbers=[1])
    drain()
    later = timezone.now() + relay.KEPT + timedelta(days=2)
    assert relay.forget_old(context="social", at=timezone.now()) == 0
    assert relay.forget_old(context="social", at=later) == 1
    assert relay.forget_old(context="gamification", at=later) == 1
    with connections["social"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM kernel_outbox")
        assert cursor.fetchone()[0] == 0
