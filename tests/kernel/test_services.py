"""The front door: plain data that survives a wire, and never asked inside a transaction."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from kernel.databases import unit_of_work
from kernel.services import AskedInsideTransaction, service

pytestmark = pytest.mark.django_db(databases="__all__")


@dataclass(frozen=True)
class Answer:
    """Plain data."""

    user_id: UUID
    words: list[str]


@service
def ask(*, user_id: UUID) -> dict[UUID, Answer]:
    """A neighbour's function."""
    return {user_id: Answer(user_id=user_id, words=["plain"])}


def test_every_call_and_answer_passes_through_json() -> None:
    user_id = uuid4()
    assert ask(user_id=user_id) == {user_id: Answer(user_id=user_id, words=["plain"])}


def test_what_cannot_be_wired_is_refused() -> None:
    @service
    def leaks(*, user_id: UUID) -> Answer:
        return object()  # type: ignore[return-value]

    with pytest.raises(TypeError):
        leaks(user_id=uuid4())
    with pytest.raises(Exception, match=r"user_id|Expected|Invalid"):
        ask(user_id="not a uuid")  # type: ignore[arg-type]


def test_p1_nobody_asks_a_neighbour_inside_a_transaction() -> None:
    @unit_of_work("social")
    def impatient() -> None:
        ask(user_id=uuid4())

    with pytest.raises(AskedInsideTransaction):
        impatient()


def test_in_production_it_is_logged_and_answered(settings, caplog) -> None:
    settings.SERVICES_ROUND_TRIP = False

    @unit_of_work("social")
    def impatient() -> dict[UUID, Answer]:
        return ask(user_id=uuid4())

    assert impatient()
    assert "asked inside a unit of work" in caplog.text


def test_services_are_keyword_only_and_annotated() -> None:
    with pytest.raises(TypeError):

        @service
        def positional(user_id: UUID) -> int:
            return 1

    with pytest.raises(TypeError):

        @service
        def untyped(*, user_id):
            return 1
