"""Breaking the glass: a reason, an hour, a notice, every look written down, and another one judges."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from cryptography.exceptions import InvalidTag
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError

from contexts.health import events, sealing
from contexts.health.models import Access, AlertComment, EmergencyContact
from contexts.health.models.sharing import EmergencyAccess
from contexts.health.sharing import emergencies, looking
from contexts.identity import tokens
from contexts.identity.models import AuditEntry, Session
from contexts.identity.roles import grant_role
from kernel import personal_data
from kernel.access import MfaRequired
from tests.conftest import Api, enrol_app, enter_admin
from tests.health.conftest import HEALTH, reading, step_up

pytestmark = pytest.mark.django_db(databases="__all__")

SCREEN = f"/{settings.ADMIN_PATH}health/emergencyaccess/"
WHY = "Found unconscious, the hospital asks for the last heart rates."


@pytest.fixture
def ward(strap, register):
    """Ann, whose strap has sent; a medical reviewer at the administration's door, and another one."""
    worn, at = strap(), datetime.now(UTC)
    worn.send([reading(at - timedelta(minutes=n), 60 + n) for n in range(1, 4)])
    staff = []
    for _ in range(2):
        person = register()
        app = enrol_app(person)
        grant_role(user_id=person.user_id, role="medical_reviewer")
        staff.append((person, enter_admin(person, app.code())))
    return SimpleNamespace(owner=worn.owner, worn=worn, at=at, staff=staff)


def break_glass(ward, nth=0, of=None, why=WHY):
    """Fill in the form."""
    return ward.staff[nth][1].post(f"{SCREEN}add/", {"of": str(of or ward.owner.user_id), "why": why}, follow=True)


def api_of(person):
    """The reviewer's own token, with the second factor shown just now."""
    session = Session.objects.filter(user_id=person.user_id).latest("started_at")
    session.mfa_at = datetime.now(UTC)
    return Api(tokens.access_token(session, at=datetime.now(UTC)))


def read(api, ward, emergency_id):
    """The heart rates of the last hour."""
    query = {"from": ward.at - timedelta(hours=1), "to": ward.at}
    return api.get(f"{HEALTH}/emergency/{emergency_id}/metrics/heart_rate/readings", data=query)


def test_staff_open_one_persons_data_for_an_hour_and_the_person_is_told(ward, announced, deliver, mailoutbox):
    assert break_glass(ward).status_code == 200
    opened = EmergencyAccess.objects.get()
    assert opened.expires_at - opened.opened_at == timedelta(minutes=60)
    answer = read(api_of(ward.staff[0][0]), ward, opened.pk)
    assert [item["value"] for item in answer.json()["items"]] == [63, 62, 61]
    (told,) = announced(events.EmergencyAccessOpened)
    assert (told.user_id, told.emergency_id, told.until) == (ward.owner.user_id, opened.pk, opened.expires_at)
    look = Access.objects.get()
    assert (look.purpose, look.emergency_id, look.by) == ("emergency", opened.pk, ward.staff[0][0].user_id)
    deliver()
    entry = AuditEntry.objects.get(action="health.medical_data_read")
    assert (entry.actor_kind, entry.claims["purpose"]) == ("staff", "emergency")
    assert AuditEntry.objects.get(action="health.emergency_access_opened").actor == ward.staff[0][0].user_id
    (letter,) = [mail for mail in mailoutbox if mail.to == [ward.owner.email] and "emergency" in mail.subject]
    assert "heart" not in letter.body
    assert WHY not in letter.body
    (item,) = ward.owner.api.get(f"{HEALTH}/emergency-accesses").json()["items"]
    assert (item["emergency_id"], item["verdict"]) == (str(opened.pk), "")
    assert "reason" not in item


def test_only_who_opened_it_reads_and_only_for_an_hour(ward, register, monkeypatch):
    break_glass(ward)
    opened = EmergencyAccess.objects.get()
    for other in (api_of(ward.staff[1][0]), step_up(register()), step_up(ward.owner)):
        assert read(other, ward, opened.pk).status_code == 404
    assert read(ward.staff[0][0].api, ward, opened.pk).json()["code"] == "mfa_required"
    real = emergencies.database_time
    monkeypatch.setattr(looking, "database_time", lambda context: real(context) + timedelta(minutes=61))
    assert read(api_of(ward.staff[0][0]), ward, opened.pk).json()["code"] == "emergency_over"
    assert not Access.objects.exists()


def test_without_the_permission_there_is_no_glass_to_break(staff_client, ward):
    for role in ("moderator", "support", "operator"):
        answer = staff_client(role).post(f"{SCREEN}add/", {"of": str(ward.owner.user_id), "why": WHY})
        assert answer.status_code == 403
    assert not EmergencyAccess.objects.exists()


@pytest.mark.parametrize("why", ["", "   ", "because"])
def test_a_reason_is_mandatory(ward, why):
    break_glass(ward, why=why)
    assert not EmergencyAccess.objects.exists()


def test_i5_breaking_the_glass_takes_a_recent_second_factor(ward):
    long_ago = datetime.now(UTC) - timedelta(minutes=16)
    for mfa_at in (None, long_ago):
        with pytest.raises(MfaRequired):
            emergencies.open_data(
                subject_id=ward.owner.user_id, reason=WHY, by=ward.staff[0][0].user_id, mfa_at=mfa_at
            )


def test_another_one_judges_once(ward, announced):
    break_glass(ward)
    opened = EmergencyAccess.objects.get()
    judge = {"action": "abuse", "_selected_action": str(opened.pk)}
    ward.staff[0][1].post(SCREEN, judge)
    opened.refresh_from_db()
    assert opened.verdict == ""
    ward.staff[1][1].post(SCREEN, judge)
    ward.staff[1][1].post(SCREEN, judge | {"action": "justified"})
    opened.refresh_from_db()
    assert (opened.verdict, opened.judged_by) == ("abuse", ward.staff[1][0].user_id)
    (told,) = announced(events.EmergencyAccessJudged)
    assert told.verdict == "abuse"
    opened.judged_by = opened.opened_by
    with pytest.raises(IntegrityError, match="judged_by_another"):
        opened.save()


def test_the_reason_is_sealed_shown_to_who_judges_and_erased_with_the_person(ward):
    break_glass(ward)
    opened = EmergencyAccess.objects.get()
    assert WHY.encode() not in bytes(opened.sealed_reason)
    assert WHY in ward.staff[1][1].get(f"{SCREEN}{opened.pk}/change/").content.decode()
    personal_data.erase("health", ward.owner.user_id)
    opened = EmergencyAccess.objects.get()
    assert opened.reason == ""


def test_reviewers_see_pseudonyms_until_they_may_know(ward):
    browser, anns = ward.staff[0][1], str(ward.owner.user_id)
    screen = f"/{settings.ADMIN_PATH}health/device/"
    shown = browser.get(screen).content.decode()
    assert sealing.pseudonym(ward.owner.user_id) in shown
    assert anns not in shown
    break_glass(ward, of=ward.worn.device_id)
    assert EmergencyAccess.objects.get().subject_id == ward.owner.user_id
    assert anns in browser.get(screen).content.decode()
    assert anns not in ward.staff[1][1].get(screen).content.decode()


def test_pseudonyms_tell_people_apart_and_are_not_their_ids(register):
    ids = [register().user_id for _ in range(3)]
    names = {sealing.pseudonym(user_id) for user_id in ids}
    assert len(names) == 3
    assert not any(user_id.hex[:8].upper() in name for user_id in ids for name in names)
    assert get_user_model().objects.count() >= 3


def test_what_people_write_is_sealed_for_its_row(ward, register):
    contact = {"name": "Ида Крюгер", "email": "ida@example.org", "agreed": True}
    assert ward.owner.api.put(f"{HEALTH}/emergency-contact", contact).status_code == 200
    changed = ward.owner.api.put(f"{HEALTH}/emergency-contact", contact | {"name": "Ида Браун"})
    assert (changed.json()["name"], changed.json()["email"]) == ("Ида Браун", "ida@example.org")
    row = EmergencyContact.objects.get()
    assert "Ида".encode() not in bytes(row.sealed_name)
    assert b"ida@" not in bytes(row.sealed_email)
    other = EmergencyContact(user_id=register().user_id, sealed_name=row.sealed_name, sealed_email=row.sealed_email)
    with pytest.raises(InvalidTag):
        _ = other.name


def test_id10_an_export_shows_what_was_sealed(ward, tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
    contact = {"name": "Ida", "email": "ida@example.org", "agreed": True}
    ward.owner.api.put(f"{HEALTH}/emergency-contact", contact)
    comment = AlertComment(alert_id=ward.owner.user_id, user_id=ward.owner.user_id, written_at=ward.at)
    comment.text = "После бани"
    comment.save()
    break_glass(ward)
    rows = personal_data.export("health", ward.owner.user_id, "part")
    assert rows["health_emergencyaccess"] == 1
    told = {path.name: path.read_text() for path in tmp_path.rglob("*.jsonl")}
    assert "После бани" in told["health_alertcomment.jsonl"]
    assert "ida@example.org" in told["health_emergencycontact.jsonl"]
    assert "sealed" not in "".join(told.values())
