"""The operators' page: what the bus could not deliver, over all contexts, replayed or discarded by those who may."""

import re

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

from kernel.bus import on
from kernel.models import FailedDelivery
from kernel.relay import Relay
from tests.kernel.probe import ProbeSent, ledger, send, write

pytestmark = [pytest.mark.django_db(databases="__all__", transaction=True), pytest.mark.usefixtures("probe")]

PAGE = "/admin/dead-letters/"


@pytest.fixture
def broken() -> dict[str, bool]:
    """A handler that fails while `broken["now"]`, and one event that it could not take."""
    state = {"now": True}

    @on(ProbeSent, context="gamification")
    def mends(event: ProbeSent) -> None:
        if state["now"]:
            raise ValueError("a reason to read")
        write("gamification", "mends", event)

    send(subject="a", numbers=[1])
    Relay(contexts=["social", "gamification"]).relay_batch("social")
    FailedDelivery.objects.using("gamification").update(state="dead")
    return state


def act(client: Client, action: str, context: str = "gamification"):
    page = client.get(PAGE).content.decode()
    (delivery,) = re.findall(r'name="delivery" value="(\d+)"', page)
    return client.post(PAGE, {"action": action, "context": context, "delivery": [delivery]})


def test_p5_an_operator_reads_why_and_replays(staff_client, broken: dict[str, bool]) -> None:
    operator = staff_client("operator")
    page = operator.get(PAGE).content.decode()
    assert "gamification.mends" in page
    assert "a reason to read" in page
    broken["now"] = False
    assert act(operator, "replay").status_code == 302
    Relay(contexts=["gamification"]).drain()
    assert ledger("gamification", "mends") == [("a", 1)]
    assert "Nothing has failed." in operator.get(PAGE).content.decode()


def test_p5_an_operator_discards(staff_client, broken: dict[str, bool]) -> None:
    act(staff_client("operator"), "discard")
    assert not FailedDelivery.objects.using("gamification").exists()


def test_a_moderator_and_a_stranger_do_not_see_the_page(staff_client, register, broken: dict[str, bool]) -> None:
    assert staff_client("moderator").get(PAGE).status_code == 403
    assert Client().get(PAGE).status_code == 302
    member = Client()
    member.force_login(get_user_model().objects.get(pk=register().user_id))
    assert member.get(PAGE).status_code == 302


def test_an_unknown_action_or_context_does_nothing(staff_client, broken: dict[str, bool]) -> None:
    operator = staff_client("operator")
    assert act(operator, "explode").status_code == 403
    act(operator, "discard", context="nowhere")
    assert FailedDelivery.objects.using("gamification").count() == 1


def test_the_commands_show_and_do_the_same(broken: dict[str, bool], capsys: pytest.CaptureFixture[str]) -> None:
    call_command("events", "list")
    shown = capsys.readouterr().out
    assert "gamification.mends" in shown
    delivery = shown.split()[1]
    call_command("events", "lag")
    assert re.search(r"gamification\s.*dead\s+1", capsys.readouterr().out)
    broken["now"] = False
    call_command("events", "replay", "gamification", delivery)
    Relay(contexts=["gamification"]).drain()
    assert ledger("gamification", "mends") == [("a", 1)]
