"""Who sees what of whom (ID-7)."""

from datetime import date

import pytest
from django.utils.timezone import now
from hypothesis import given
from hypothesis import strategies as st

from contexts.identity import blocking, rules, services
from contexts.identity.models import PrivacyZone
from tests.identity.conftest import IDENTITY

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

ME = f"{IDENTITY}/me"
ZONES = f"{IDENTITY}/privacy-zones"
ABOUT = {"about": "Runs at dawn", "city": "Riga", "sex": "female", "body_mass_kg": 61.0, "hr_max": 188}
HOME = {"name": "home", "latitude": 56.95, "longitude": 24.1, "radius_m": 300}


def befriend(one, other, deliver) -> None:
    asked = one.api.post("/api/v1/social/friend-requests", {"user_id": str(other.user_id)})
    other.api.post(f"/api/v1/social/friend-requests/{asked.json()['id']}/accept")
    deliver()


def seen(viewer, person):
    return viewer.api.get(f"{IDENTITY}/people/{person.user_id}")


def test_id7_a_new_person_is_seen_by_nobody_but_themselves(register):
    anna, stranger = register(**ABOUT), register()
    nobody = stranger.api.get(f"{IDENTITY}/people/{stranger.user_id.__class__(int=7)}")
    hidden = seen(stranger, anna)
    assert hidden.status_code == nobody.status_code == 404
    assert hidden.json()["code"] == nobody.json()["code"] == "not_found"
    own = seen(anna, anna).json()
    assert own["city"] == "Riga"
    assert own["age"] == rules.age_on(date(1990, 5, 17), now().date())
    assert "birth_date" not in own


def test_id7_each_field_has_its_own_visibility(register, deliver):
    anna, friend, stranger = register(**ABOUT), register(), register()
    shown = {"display_name": "everyone", "city": "friends", "age": "groups", "hr_max": "nobody"}
    assert anna.api.patch(ME, {"visibility": shown}).status_code == 200
    befriend(anna, friend, deliver)
    to_friend, to_stranger = seen(friend, anna).json(), seen(stranger, anna).json()
    visible = {name for name, value in to_friend.items() if value is not None}
    assert visible == {"user_id", "display_name", "city", "age"}
    assert {name for name, value in to_stranger.items() if value is not None} == {"user_id", "display_name"}


def test_id7_who_shares_a_group_sees_what_is_shown_to_groups(register, deliver):
    anna, host, other, stranger = register(**ABOUT), register(), register(), register()
    anna.api.patch(ME, {"visibility": {"age": "groups", "city": "friends"}})
    befriend(host, anna, deliver)
    befriend(host, other, deliver)
    assert seen(other, anna).status_code == 404
    members = {"title": "Sunday run", "member_ids": [str(anna.user_id), str(other.user_id)]}
    assert host.api.post("/api/v1/social/rooms", {"kind": "group"} | members).status_code == 201
    deliver()
    to_other = seen(other, anna).json()
    assert {name for name, value in to_other.items() if value is not None} == {"user_id", "age"}
    assert seen(stranger, anna).status_code == 404


def test_id7_changing_one_visibility_leaves_the_others(register):
    anna = register(visibility={"city": "everyone"})
    changed = anna.api.patch(ME, {"visibility": {"about": "friends"}}).json()["visibility"]
    assert (changed["city"], changed["about"], changed["age"]) == ("everyone", "friends", "nobody")


def test_id7_a_blocked_person_is_not_shown(register):
    anna, stranger = register(visibility={"display_name": "everyone"}), register()
    assert seen(stranger, anna).status_code == 200
    blocking.block_person(user_id=anna.user_id, at=now())
    assert seen(stranger, anna).status_code == 404


@given(level=st.sampled_from(rules.VISIBILITIES), relation=st.sampled_from(rules.RELATIONS))
def test_id7_who_is_closer_never_sees_less(level, relation):
    closer = rules.RELATIONS[max(rules.RELATIONS.index(relation) - 1, 0)]
    assert rules.is_visible(level, relation=closer) >= rules.is_visible(level, relation=relation)


def test_id7_privacy_zones_are_ones_own_and_sealed(register):
    anna, stranger = register(), register()
    made = anna.api.post(ZONES, HOME)
    assert made.status_code == 201
    zone_id = made.json()["zone_id"]
    assert anna.api.get(ZONES).json()["items"] == [HOME | {"zone_id": zone_id}]
    assert stranger.api.get(ZONES).json()["items"] == []
    assert stranger.api.delete(f"{ZONES}/{zone_id}").status_code == 404
    assert "56.95" not in PrivacyZone.objects.get().sealed_centre
    (offered,) = services.get_privacy_zones(user_ids=[anna.user_id])[anna.user_id]
    assert (offered.latitude, offered.longitude, offered.radius_m) == (56.95, 24.1, 300)
    assert anna.api.delete(f"{ZONES}/{zone_id}").status_code == 204
    assert anna.api.get(ZONES).json()["items"] == []


def test_id7_ten_zones_are_the_most(register):
    anna = register()
    answers = [anna.api.post(ZONES, HOME).status_code for _ in range(rules.MAX_ZONES + 1)]
    assert answers == [201] * rules.MAX_ZONES + [409]


@pytest.mark.parametrize("fault", [{"latitude": 91}, {"longitude": -181}, {"radius_m": 49}, {"radius_m": 2001}])
def test_zones_that_are_no_circles_are_refused(register, fault):
    refused = register().api.post(ZONES, HOME | fault)
    assert refused.status_code == 400
    assert {error["field"] for error in refused.json()["errors"]} == set(fault)
