"""What moderators may do, through the administration's own pages."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.test import Client

from contexts.identity.models import User
from contexts.social.models import Message
from tests.conftest import Person
from tests.social.conftest import history, open_direct, say

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "social"])

PAGES = ["friendship", "friendrequestquota", "feedentry", "room", "message"]


@pytest.fixture
def moderator(staff_client: Callable[[str], Client]) -> Client:
    """A browser in which a moderator has signed in."""
    return staff_client("moderator")


@pytest.mark.parametrize("page", PAGES)
def test_so3_a_moderator_looks_and_edits_nothing(moderator: Client, page: str) -> None:
    assert moderator.get(f"/admin/social/{page}/").status_code == 200
    assert moderator.get(f"/admin/social/{page}/add/").status_code == 403


def test_so3_a_moderator_hides_a_message(moderator: Client, friends: Callable[..., tuple[Person, ...]]) -> None:
    ada, bo = friends()
    room_id = open_direct(ada, bo)
    message_id = say(ada, room_id, "rude").json()["id"]
    form = {"action": "hide", "_selected_action": [message_id]}
    answer = moderator.post("/admin/social/message/", form, follow=True)
    assert b"1 hidden." in answer.content
    (item,) = history(bo, room_id)["items"]
    assert (item["text"], item["hidden"]) == ("", True)
    assert Message.objects.get(pk=message_id).hidden_by == UUID(str(moderator.session["_auth_user_id"]))


def test_so3_members_have_no_administration(friends: Callable[..., tuple[Person, ...]]) -> None:
    ada, _ = friends()
    browser = Client()
    browser.force_login(User.objects.get(pk=ada.user_id))
    assert browser.get("/admin/social/message/").status_code == 302
