"""Grants: scoped, expiring, revocable at once, and every look by them shown to whom it is about."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from django.db import IntegrityError
from hypothesis import given
from hypothesis import strategies as st

from contexts.health import events
from contexts.health.models import Access
from contexts.health.models.sharing import Grant
from contexts.health.sharing import looking
from contexts.health.terms import Terms, refusal
from contexts.identity.models import AuditEntry
from tests.conftest import agree
from tests.health.conftest import HEALTH, reading, step_up

pytestmark = pytest.mark.django_db(databases="__all__")

GRANTS = f"{HEALTH}/grants"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def shared(strap, register):
    """`shared(**terms)`: Ann's heart rate, granted to Dr Bo; both have a recent second factor."""
    worn, doctor = strap(), register()
    at = datetime.now(UTC)
    worn.send([reading(at - timedelta(minutes=n), 60 + n) for n in range(1, 4)])
    ann, bo = step_up(worn.owner), step_up(doctor)

    def share(accepted=True, **terms):
        form = {
            "grantee_id": doctor.user_id,
            "role": "doctor",
            "metrics": ["heart_rate"],
            "purposes": ["treatment"],
            "expires_at": at + DAY,
        }
        answer = ann.post(GRANTS, form | terms)
        assert answer.status_code == 201, answer.content
        grant_id = answer.json()["grant_id"]
        if accepted:
            assert bo.post(f"{GRANTS}/{grant_id}/acceptance").status_code == 200
        return grant_id

    def look(grant_id, metric="heart_rate", api=bo, **query):
        wanted = {"from": at - HOUR, "to": at, "purpose": "treatment"} | query
        wanted = {name: value for name, value in wanted.items() if value is not None}
        return api.get(f"{HEALTH}/shared/{grant_id}/metrics/{metric}/readings", data=wanted)

    return SimpleNamespace(share=share, look=look, ann=ann, bo=bo, owner=worn.owner, doctor=doctor, at=at, worn=worn)


def code_of(answer):
    """Status and stable code."""
    body = answer.json()
    return answer.status_code, body["errors"][0]["code"] if "errors" in body else body["code"]


def test_who_is_let_sees_what_was_granted_and_the_owner_sees_who_looked(shared, deliver):
    grant_id = shared.share()
    answer = shared.look(grant_id)
    assert [item["value"] for item in answer.json()["items"]] == [63, 62, 61]
    (seen,) = shared.ann.get(f"{HEALTH}/accesses").json()["items"]
    told = {name: seen[name] for name in ("by", "measured", "purpose", "grant_id", "emergency_id")}
    assert told == {
        "by": str(shared.doctor.user_id),
        "measured": "heart_rate",
        "purpose": "treatment",
        "grant_id": grant_id,
        "emergency_id": None,
    }
    deliver()
    entry = AuditEntry.objects.get(action="health.medical_data_read")
    assert (entry.actor, entry.claims["purpose"]) == (shared.doctor.user_id, "treatment")


def test_a_grant_counts_once_it_is_accepted_by_whom_it_is_for(shared, register):
    grant_id = shared.share(accepted=False)
    assert code_of(shared.look(grant_id)) == (403, "grant_inactive")
    for other in (shared.ann, step_up(register())):
        assert other.post(f"{GRANTS}/{grant_id}/acceptance").status_code == 404
    assert shared.bo.post(f"{GRANTS}/{grant_id}/acceptance").json()["standing"] == "active"
    assert shared.look(grant_id).status_code == 200


def test_outside_of_the_scope_nothing_opens(shared, register):
    grant_id = shared.share(since=shared.at - 2 * HOUR, until=shared.at + HOUR)
    refusals = [
        shared.look(grant_id, "body_mass"),
        shared.look(grant_id, purpose="coaching"),
        shared.look(grant_id, purpose=None),
        shared.look(grant_id, purpose="emergency"),
        shared.look(grant_id, **{"from": shared.at - 3 * HOUR}),
        shared.look(grant_id, to=shared.at + 2 * HOUR),
        shared.look(grant_id, api=step_up(register())),
        shared.look(grant_id, api=shared.ann),
    ]
    assert [code_of(answer) for answer in refusals] == [
        (403, "metric_not_granted"),
        (403, "purpose_not_granted"),
        (400, "purpose_required"),
        (403, "purpose_not_granted"),
        (403, "outside_period"),
        (403, "outside_period"),
        (404, "not_found"),
        (404, "not_found"),
    ]
    assert not Access.objects.exists()


def test_derived_numbers_need_all_that_they_are_made_of(shared):
    """An HRV baseline looks 67 days back: a grant that reaches a day back does not open it."""
    grant_id = shared.share(metrics=["heart_rate", "hrv_rmssd"], since=shared.at - 3 * DAY)
    day = shared.at.date().isoformat()
    query = {"from": day, "to": day, "purpose": "treatment"}
    path = f"{HEALTH}/shared/{grant_id}/trends"
    assert code_of(shared.bo.get(f"{path}/hrv_baseline", data=query)) == (403, "outside_period")
    assert code_of(shared.bo.get(f"{path}/weight", data=query)) == (403, "metric_not_granted")
    assert shared.bo.get(f"{path}/resting_heart_rate", data=query).status_code == 200


@pytest.mark.parametrize("who", ["ann", "bo"])
def test_either_side_ends_a_grant_at_once(shared, who, announced):
    grant_id = shared.share()
    assert getattr(shared, who).delete(f"{GRANTS}/{grant_id}").status_code == 204
    assert code_of(shared.look(grant_id)) == (403, "grant_inactive")
    (event,) = announced(events.GrantRevoked)
    assert event.ended_by == {"ann": "owner", "bo": "grantee"}[who]
    assert shared.bo.post(f"{GRANTS}/{grant_id}/acceptance").status_code == 409


def test_a_grant_expires_by_the_clock_of_the_database(shared, monkeypatch):
    grant_id = shared.share()
    real = looking.database_time
    monkeypatch.setattr(looking, "database_time", lambda context: real(context) + DAY + HOUR)
    assert code_of(shared.look(grant_id)) == (403, "grant_inactive")


def test_p3_a_withdrawn_consent_suspends_grants(shared, deliver):
    grant_id = shared.share()
    agree(shared.owner, given=False)
    assert code_of(shared.look(grant_id)) == (403, "grant_suspended")
    deliver()
    assert Grant.objects.get().suspended_at is not None
    agree(shared.owner)
    deliver()
    assert shared.look(grant_id).status_code == 200


def test_i5_sharing_takes_a_second_factor_on_both_sides(shared):
    grant_id = shared.share()
    form = {"grantee_id": shared.doctor.user_id, "role": "coach", "metrics": ["steps"], "purposes": ["coaching"]}
    given = shared.owner.api.post(GRANTS, form | {"expires_at": shared.at + DAY})
    assert code_of(given) == (403, "mfa_required")
    assert code_of(shared.look(grant_id, api=shared.doctor.api)) == (403, "mfa_required")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"metrics": []}, "nothing_granted"),
        ({"role": "coach"}, "purpose_not_grantable"),
        ({"purposes": ["emergency"]}, "invalid_choice"),
        ({"expires_at": datetime.now(UTC) + 366 * DAY}, "expiry_out_of_range"),
        ({"expires_at": datetime.now(UTC) - DAY}, "expiry_out_of_range"),
    ],
)
def test_what_cannot_be_granted(shared, change, code):
    form = {"grantee_id": shared.doctor.user_id, "role": "doctor", "metrics": ["steps"], "purposes": ["treatment"]}
    answer = shared.ann.post(GRANTS, form | {"expires_at": shared.at + DAY} | change)
    assert code_of(answer) == (400, code)


def test_nobody_shares_with_themselves_or_with_nobody(shared):
    form = {"role": "doctor", "kinds": ["vital"], "purposes": ["treatment"], "expires_at": shared.at + DAY}
    for whom in (shared.owner.user_id, "018f0000-0000-7000-8000-000000000000"):
        assert shared.ann.post(GRANTS, form | {"grantee_id": whom}).status_code == 404


def test_a_kind_means_its_metrics_of_today(shared):
    grant_id = shared.share(metrics=[], kinds=["glucose"])
    (item,) = shared.ann.get(GRANTS).json()["items"]
    assert item["metrics"][:2] == ["blood_glucose", "interstitial_glucose"]
    assert [item["grant_id"] for item in shared.bo.get(f"{GRANTS}?side=received").json()["items"]] == [grant_id]


def test_the_owner_names_a_purpose_too(shared):
    query = {"from": shared.at - HOUR, "to": shared.at}
    path = f"{HEALTH}/metrics/heart_rate/readings"
    assert shared.ann.get(path, data=query).status_code == 200
    assert shared.ann.get(path, data=query | {"purpose": "coaching"}).status_code == 200
    assert code_of(shared.ann.get(path, data=query | {"purpose": "emergency"})) == (400, "unknown_purpose")
    assert [seen.purpose for seen in Access.objects.order_by("at")] == ["own_care", "coaching"]


def test_h8_nobody_looks_at_anothers_without_a_right(shared):
    """The database says so too."""
    shared.look(shared.share())
    row = Access.objects.get()
    row.access_id, row.grant_id = None, None
    with pytest.raises(IntegrityError, match="health_access_by_right"):
        Access.objects.create(
            **{name: getattr(row, name) for name in ("by", "subject_id", "stream", "since", "until", "mfa_at", "at")},
            purpose="treatment",
            correlation_id="",
        )


def test_events_of_grants_say_nothing_medical(shared, announced):
    shared.bo.delete(f"{GRANTS}/{shared.share()}")
    told = [announced(kind) for kind in (events.GrantGiven, events.GrantAccepted, events.GrantRevoked)]
    assert [len(each) for each in told] == [1, 1, 1]
    assert "heart" not in str(told)


moments = st.integers(0, 9).map(lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + hours * HOUR)
maybe = st.none() | moments
METRIC_SETS = st.frozensets(st.sampled_from(["heart_rate", "steps", "body_mass"]))


@given(
    terms=st.builds(
        Terms,
        metrics=METRIC_SETS,
        purposes=st.frozensets(st.sampled_from(["coaching", "treatment"])),
        since=maybe,
        until=maybe,
        expires_at=moments,
        accepted_at=maybe,
        ended_at=maybe,
        suspended_at=maybe,
    ),
    metrics=METRIC_SETS,
    purpose=st.sampled_from(["coaching", "treatment", "emergency", "own_care"]),
    since=moments,
    until=moments,
    at=moments,
)
def test_no_combination_of_scope_expiry_and_revocation_leaks(terms, metrics, purpose, since, until, at):
    """Whatever is let through is within every single bound; and what is within all of them is let through."""
    within = [
        terms.accepted_at is not None,
        terms.ended_at is None,
        terms.suspended_at is None,
        at < terms.expires_at,
        purpose in terms.purposes,
        len(metrics) > 0,
        all(metric in terms.metrics for metric in metrics),
        since >= (terms.since or since),
        until <= (terms.until or until),
    ]
    refused = refusal(terms, metrics=metrics, purpose=purpose, since=since, until=until, at=at)
    assert (refused is None) == all(within)
