"""One's own profile, and what neighbours may know of it."""

from uuid import UUID

import pytest
from django.utils.timezone import now

from contexts.identity import events, services
from contexts.identity.services import Member, Physiology
from kernel.models import uuid7
from tests.identity.conftest import IDENTITY

pytestmark = pytest.mark.django_db(databases=["default"], transaction=True)

ME = f"{IDENTITY}/me"


def test_id7_the_birth_date_is_never_shown_and_the_age_is(register):
    shown = register(birth_date="1990-01-01").api.get(ME)
    assert shown.json()["age"] == now().year - 1990
    assert "1990" not in shown.content.decode()


def test_id8_a_change_is_announced_by_the_names_of_its_fields(register, announced):
    person = register()
    change = {"sex": "female", "hr_max": 188, "time_zone": "Europe/Moscow", "locale": "ru"}
    changed = person.api.patch(ME, json=change)
    assert changed.status_code == 200
    assert change.items() <= changed.json().items()
    assert sorted(announced(events.ProfileUpdated)[-1].changed) == sorted(change)


def test_id8_what_stays_the_same_is_not_announced(register, announced):
    person = register()
    before = len(announced(events.ProfileUpdated))
    assert person.api.patch(ME, json={"locale": "en", "sex": "unspecified"}).status_code == 200
    assert person.api.patch(ME, json={}).status_code == 200
    assert len(announced(events.ProfileUpdated)) == before


def test_values_can_be_taken_back(register):
    person = register()
    person.api.patch(ME, json={"hr_max": 188, "body_mass_kg": 71.5})
    assert person.api.patch(ME, json={"hr_max": None, "body_mass_kg": None}).json()["hr_max"] is None


@pytest.mark.parametrize(
    "fault",
    [
        {"hr_max": 99},
        {"hr_max": 241},
        {"body_mass_kg": 19.9},
        {"body_mass_kg": 400.1},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"locale": "xx"},
        {"sex": "x"},
        {"visibility.display_name": "family"},
        {"visibility.workouts": "all"},
        {"display_name": ""},
    ],
)
def test_values_out_of_range_are_refused_by_field(register, fault):
    ((name, value),) = fault.items()
    outer, _, inner = name.partition(".")
    refused = register().api.patch(ME, json={outer: {inner: value} if inner else value})
    assert refused.status_code == 400
    assert {error["field"] for error in refused.json()["errors"]} == set(fault)


@pytest.mark.parametrize(
    "theirs",
    [{"membership": "pro"}, {"roles": ["operator"]}, {"is_staff": True}, {"email": "x@example.org"}, {"age": 9}],
)
def test_id4_nobody_gives_themselves_what_is_not_theirs_to_give(register, theirs):
    person = register()
    before = person.api.get(ME).json()
    person.api.patch(ME, json=theirs)
    assert person.api.get(ME).json() == before


def test_nobody_is_shown_without_signing_in(anonymous):
    assert anonymous.get(ME).status_code == 401
    assert anonymous.patch(ME, json={"locale": "ru"}).status_code == 401


def test_neighbours_learn_what_they_may_know(register):
    anna, bo = register(display_name="Anna"), register(display_name="Bo", birth_date="1980-01-01")
    bo.api.patch(ME, json={"visibility": {"display_name": "everyone", "workouts": "friends"}, "hr_max": 180})
    ids = [UUID(str(person.user_id)) for person in (anna, bo)]
    stranger = uuid7()
    members = services.get_members(user_ids=[*ids, stranger])
    assert members == {
        ids[0]: Member(
            user_id=ids[0], display_name="Anna", is_public=False, time_zone="UTC", workout_visibility="private"
        ),
        ids[1]: Member(
            user_id=ids[1], display_name="Bo", is_public=True, time_zone="UTC", workout_visibility="friends"
        ),
    }
    age = now().year - 1980
    assert services.get_physiology(user_id=ids[1]) == Physiology(
        user_id=ids[1], age=age, sex="unspecified", body_mass_kg=None, hr_max=180
    )
    assert services.get_member(user_id=stranger) is None
    assert services.get_physiology(user_id=stranger) is None
