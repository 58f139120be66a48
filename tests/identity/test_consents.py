"""What a person agrees to, and what follows from a no (ID-10)."""

from itertools import pairwise

import pytest

from contexts.identity import events, rules, services
from tests.conftest import agree
from tests.identity.conftest import IDENTITY, in_parallel

pytestmark = pytest.mark.django_db(databases=["default", "health"])
CONSENTS = f"{IDENTITY}/consents"
HEALTH_PROCESSING = {"purpose": "health_processing", "version": rules.CONSENTS["health_processing"]}


def standing_of(person, purpose):
    (found,) = [each for each in person.api.get(CONSENTS).json()["purposes"] if each["purpose"] == purpose]
    return found


def test_id10_registering_is_a_yes_to_the_terms_in_force_and_to_nothing_else(register, announced):
    person = register()
    told = person.api.get(CONSENTS).json()
    assert {each["purpose"]: each["given"] for each in told["purposes"]} == {
        "terms": True,
        "health_processing": False,
        "marketing": False,
    }
    (decision,) = told["history"]["items"]
    assert (decision["purpose"], decision["version"]) == ("terms", rules.CONSENTS["terms"])
    (event,) = announced(events.ConsentChanged)
    assert (event.user_id, event.purpose, event.given) == (person.user_id, "terms", True)


def test_id10_every_decision_is_kept_and_the_newest_counts(register):
    person = register()
    for given in (True, False, True):
        agree(person, "marketing", given=given)
    assert standing_of(person, "marketing")["given"] is True
    history = person.api.get(CONSENTS).json()["history"]["items"]
    assert [each["given"] for each in history if each["purpose"] == "marketing"] == [True, False, True]


def test_id10_saying_the_same_again_changes_nothing(register, announced):
    person = register()
    for _ in range(3):
        agree(person, "marketing")
    assert [event.purpose for event in announced(events.ConsentChanged)] == ["terms", "marketing"]


def test_id10_a_yes_is_to_the_text_in_force(register):
    answer = register().api.post(CONSENTS, {"purpose": "marketing", "version": "1999-01", "given": True})
    assert (answer.status_code, answer.json()["code"]) == (409, "text_not_in_force")
    assert answer.json()["version_in_force"] == rules.CONSENTS["marketing"]


def test_id10_a_new_text_asks_for_a_new_yes(register, monkeypatch):
    person = register()
    agree(person, "marketing")
    monkeypatch.setitem(rules.CONSENTS, "marketing", "2027-01")
    assert standing_of(person, "marketing")["version"] != standing_of(person, "marketing")["version_in_force"]
    agree(person, "marketing")
    assert standing_of(person, "marketing")["version"] == "2027-01"


def test_id10_an_account_stands_on_the_terms(register):
    refused = {"purpose": "terms", "version": rules.CONSENTS["terms"], "given": False}
    answer = register().api.post(CONSENTS, refused)
    assert (answer.status_code, answer.json()["code"]) == (409, "terms_needed")


def test_id10_the_answers_are_asked_for_by_others(register):
    one, other = register(), register()
    agree(one)
    given = services.get_consents(user_ids=[one.user_id, other.user_id])
    assert given == {one.user_id: ["health_processing", "terms"], other.user_id: ["terms"]}
    assert services.has_consent(user_id=one.user_id, purpose="health_processing")
    assert not services.has_consent(user_id=other.user_id, purpose="health_processing")


@pytest.mark.django_db(databases=["default", "health"], transaction=True)
def test_id10_parallel_decisions_are_told_in_the_order_in_which_they_count(register, announced):
    person = register()
    in_parallel(6, lambda number: agree(person, "marketing", given=number % 2 == 0))
    told = [event.given for event in announced(events.ConsentChanged) if event.purpose == "marketing"]
    kept = [each for each in person.api.get(CONSENTS).json()["history"]["items"] if each["purpose"] == "marketing"]
    assert len(told) == len(kept)
    assert told[-1] == standing_of(person, "marketing")["given"]
    assert all(earlier != later for earlier, later in pairwise(told))
