"""The pure rules of the social context, by properties."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.social import rules


@given(st.uuids(), st.uuids())
def test_a_pair_is_the_same_whoever_is_named_first(one: UUID, other: UUID) -> None:
    assert rules.pair_of(one, other) == rules.pair_of(other, one) == tuple(sorted([one, other]))


@given(
    st.datetimes(allow_imaginary=False, timezones=st.just(UTC)).filter(lambda at: 1 < at.year < 9999),
    st.integers(-14 * 60, 14 * 60),
)
def test_so1_the_day_does_not_depend_on_the_time_zone_of_the_asker(at: datetime, offset_min: int) -> None:
    elsewhere = at.astimezone(timezone(timedelta(minutes=offset_min)))
    assert rules.quota_day(elsewhere) == rules.quota_day(at) == at.date()


@given(st.text())
def test_only_the_words_for_shared_are_shared(word: str) -> None:
    assert rules.is_shared(word) == (word in {"friends", "everyone"})


@given(st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\0")))
def test_so7_a_readable_text_of_1_to_4000_characters_is_taken(text: str) -> None:
    assert (rules.flaw_in_text(text) is None) == bool(text.strip())


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("x" * 4_000, None),
        ("🏃" * 4_000, None),
        ("x" * 4_001, "too_long"),
        ("", "empty"),
        (" \n\t", "empty"),
        (None, "empty"),
        (7, "empty"),
        ("a\0b", "unreadable"),
        ("a\ud800b", "unreadable"),
    ],
)
def test_so7_what_is_wrong_with_a_text(text: object, flaw: str | None) -> None:
    assert rules.flaw_in_text(text) == flaw


@pytest.mark.parametrize("value", ["", "x" * 65, "a b", "a\n", "ä", None, 1])
def test_so7_a_client_message_id_is_plain_and_short(value: object) -> None:
    assert not rules.is_client_message_id(value)
    assert rules.is_client_message_id("0190b7a4-7e4b-7c3e.A_z:9")


@given(st.lists(st.floats(0, 5), max_size=200))
def test_so7_a_socket_says_a_burst_and_then_keeps_the_pace(pauses: list[float]) -> None:
    pace = rules.Pace(burst=rules.MESSAGE_BURST, per_second=rules.MESSAGES_PER_SECOND)
    clock, said = 1000.0, 0
    for pause in pauses:
        clock += pause
        said += pace.allows(at=clock)
    assert said <= rules.MESSAGE_BURST + (clock - 1000.0) * rules.MESSAGES_PER_SECOND + 1e-6
    assert said >= min(len(pauses), rules.MESSAGE_BURST)
