"""The published language: names, envelopes, schemas that only grow."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.health.events import HealthMetricRecorded
from contexts.workout.events import PersonalRecordAchieved, WorkoutCompleted
from kernel.events import LANES, DomainEvent, Envelope, UnknownEvent, breaking_changes, lane_of, schema_of, uuid7

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Sampled(DomainEvent, key="subject", context="social"):
    """An event of this test."""

    subject: str
    sizes: list[int] = field(default_factory=list)
    sender: UUID | None = None
    weight: float = 1.0


def schemas(event: type[DomainEvent]) -> dict[str, object]:
    return {"x@1": schema_of(event)}


def test_p4_wire_names_are_derived_from_where_an_event_stands() -> None:
    assert WorkoutCompleted.type == "workout.completed"
    assert PersonalRecordAchieved.type == "workout.personal_record_achieved"
    assert HealthMetricRecorded.type == "health.metric_recorded"
    assert WorkoutCompleted.stream == "workout-domain-events"


def test_an_event_outside_the_contexts_must_say_whose_it_is() -> None:
    with pytest.raises(TypeError):

        @dataclass(frozen=True, kw_only=True)
        class Homeless(DomainEvent, key="x"):
            x: int


@given(subject=st.text(), sizes=st.lists(st.integers(-(2**53), 2**53)), weight=st.floats(allow_nan=False))
def test_what_is_announced_is_what_arrives(subject: str, sizes: list[int], weight: float) -> None:
    if weight in (float("inf"), float("-inf")):
        weight = 0.0
    event = Sampled(subject=subject, sizes=sizes, weight=weight, sender=uuid4(), occurred_at=NOW)
    assert envelope_of(event).open() == event


def envelope_of(event: DomainEvent, **changes: object) -> Envelope:
    fields = {
        "event_id": uuid7(),
        "type": event.type,
        "version": event.version,
        "key": event.key,
        "occurred_at": event.occurred_at,
        "correlation_id": "test",
        "causation_id": None,
        "payload": event.payload(),
    }
    return Envelope(**(fields | changes))


def test_an_unknown_version_says_so() -> None:
    with pytest.raises(UnknownEvent):
        envelope_of(Sampled(subject="a", occurred_at=NOW), version=9).open()


@given(st.text())
def test_a_key_always_has_the_same_lane(key: str) -> None:
    assert lane_of(key) == lane_of(key)
    assert 0 <= lane_of(key) < LANES


def test_uuid7_sorts_by_time_and_is_a_version_7() -> None:
    made = [uuid7() for _ in range(1000)]
    assert {m.version for m in made} == {7}
    assert len(set(made)) == 1000
    assert [m.int >> 80 for m in made] == sorted(m.int >> 80 for m in made)


def with_field(name: str, form: dict[str, object], *, required: bool) -> dict[str, object]:
    changed = schema_of(Sampled)
    changed["schema"]["properties"][name] = form
    if required:
        changed["schema"]["required"].append(name)
    return {"x@1": changed}


def test_an_optional_field_may_be_added() -> None:
    now = with_field("extra", {"type": "string"}, required=False)
    assert breaking_changes(released=schemas(Sampled), current=now) == []


@pytest.mark.parametrize(
    ("current", "complaint"),
    [
        (with_field("extra", {"type": "string"}, required=True), "field extra is required"),
        (with_field("weight", {"type": "string"}, required=False), "field weight changed"),
        ({}, "is gone"),
    ],
)
def test_p4_a_non_additive_change_is_found(current: dict[str, object], complaint: str) -> None:
    (found,) = breaking_changes(released=schemas(Sampled), current=current)
    assert complaint in found


def test_a_field_that_goes_is_found() -> None:
    released = with_field("extra", {"type": "string"}, required=False)
    assert breaking_changes(released=released, current=schemas(Sampled)) == ["x@1: field extra is gone"]
