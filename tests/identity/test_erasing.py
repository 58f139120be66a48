"""Erasing an account: nothing of a person is left anywhere, and nobody else loses a word (ID-10)."""

import io
import logging
from contextlib import suppress
from datetime import timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.core.management import call_command
from django.utils.timezone import now

from config import mailbox
from contexts.identity import erasing, events, mailing
from contexts.identity.models import Erasure, OAuthApp, Session, User
from contexts.workout.models import TrainingSession
from kernel import personal_data
from kernel.databases import redis_client
from kernel.observability import invariants
from tests.conftest import PASSWORD, Api, make_person, sign_in
from tests.health.conftest import forget_devices  # noqa: F401  (a fixture)
from tests.identity.conftest import IDENTITY, in_parallel
from tests.identity.living import WORDS, life, own_media  # noqa: F401  (fixtures)

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


def traces(*paths) -> tuple[set[str], str]:
    """The words that `find_traces` finds, and all that it prints."""
    told = io.StringIO()
    options = [f"--path={path}" for path in paths]
    with suppress(SystemExit):
        call_command("find_traces", *WORDS.values(), *options, stdout=told)
    text = told.getvalue()
    return {word for word in WORDS.values() if f"{word}: " in text}, text


def keys_about(user_id) -> set[str]:
    """The keys of Redis that name a person, or hold a value that does; counters of rates end by themselves."""
    redis, told = redis_client(), str(user_id)
    read = {b"string": redis.get, b"hash": redis.hgetall, b"zset": lambda key: redis.zrange(key, 0, -1)}
    values = {key: read.get(redis.type(key), lambda _: b"")(key) for key in redis.scan_iter()}
    return {
        key.decode()
        for key, value in values.items()
        if (told in key.decode() or told in str(value)) and not key.startswith(b"limit:")
    }


def broken_invariants() -> list[str]:
    return [f"{each.context}.{each.id}" for each in invariants() if each.violations()]


def belongings(user_id) -> dict[str, list]:
    """Everything a person has, row by row, wherever it is."""
    return {
        model._meta.db_table: sorted(
            map(str, personal_data.rows_of(model, owned, personal_data.alias_of(context), user_id).values_list())
        )
        for context in settings.CONTEXTS
        for model, owned in personal_data.owned_in(context)
        if owned.exports
    }


@pytest.mark.slow
def test_id10_after_an_erasure_no_word_of_the_person_is_left(life, deliver, caplog, tmp_path):  # noqa: F811
    caplog.set_level(logging.DEBUG)
    log = tmp_path / "captured.log"
    assert life.person.api.post(f"{IDENTITY}/exports").status_code == 202
    assert life.person.api.post("/api/v1/workout/sessions", {"sport": "running"}).status_code == 201
    deliver()
    assert keys_about(life.person.user_id) >= {f"workout:active:{life.person.user_id}"}
    found, told = traces()
    assert found == set(WORDS.values()), told  # the search finds what is there ...
    for place in ("database identity", "database health", "database workout", "database social", "Redis", "file"):
        assert f": {place}" in told  # ... and everywhere
    life.erase()
    deliver()
    log.write_text(caplog.text)
    assert traces(log) == (set(), f"0 traces of {len(WORDS)} words\n")
    assert keys_about(life.person.user_id) == set()
    assert log.stat().st_size > 0
    assert broken_invariants() == []
    for context in settings.CONTEXTS:
        for model, owned in personal_data.owned_in(context):
            if not isinstance(owned.erase, personal_data.Keep):
                rows = personal_data.rows_of(model, owned, personal_data.alias_of(context), life.person.user_id)
                assert not rows.exists(), model


def test_id10_a_word_in_a_log_would_be_found_and_fails_the_command(tmp_path):
    log = tmp_path / "server.log"
    log.write_text('{"message": "mailed to ' + WORDS["address"].upper() + '"}\n')
    told = io.StringIO()
    with pytest.raises(SystemExit, match="1"):
        call_command("find_traces", WORDS["address"], f"--path={log}", stdout=told)
    assert told.getvalue() == f"{WORDS['address']}: file {log}\n1 traces of 1 words\n"


def test_id10_other_people_keep_all_that_is_theirs(life, deliver):  # noqa: F811
    shared = {"social_friendship", "social_room", "workout_companion", "identity_friendship", "booking_friendship"}
    before = belongings(life.friend.user_id)
    assert before["social_message"]
    life.erase()
    deliver()
    after = belongings(life.friend.user_id)
    assert {table for table in before if before[table] != after[table]} <= shared
    assert after["social_friendship"] == []


def test_id10_the_person_is_shut_out_at_once_and_told_by_mail(life, deliver):  # noqa: F811
    erasure_id = life.erase()
    assert life.person.api.get(f"{IDENTITY}/me").status_code == 401
    form = {"email": life.person.email, "password": PASSWORD}
    assert Api().post(f"{IDENTITY}/login", form).status_code == 401
    deliver()
    (farewell,) = [letter for letter in mail.outbox if str(erasure_id) in letter.body]
    assert farewell.to == [life.person.email]
    deliver()
    assert len([letter for letter in mail.outbox if str(erasure_id) in letter.body]) == 1


def test_id10_a_mail_server_that_is_away_holds_nothing_up(register, deliver, monkeypatch):
    person = register()
    answer = person.api.post(f"{IDENTITY}/erasure", {"password": PASSWORD})
    monkeypatch.setattr(mailing, "send_mail", _refuse)
    deliver()
    assert Api().get(f"{IDENTITY}/erasures/{answer.json()['erasure_id']}").json()["completed_at"] is not None


def test_id10_a_mailbox_of_our_own_forgets_the_earlier_letters(register, deliver, settings, tmp_path):
    person, other = register("leaver@example.org"), register("stayer@example.org")
    deliver()
    settings.EMAIL_BACKEND, settings.MAILBOX = "config.mailbox.MailboxBackend", tmp_path / "mail"
    for each in (person, other):
        mailing.send_letter("welcome", person=User.objects.get(pk=each.user_id))
    person.api.post(f"{IDENTITY}/erasure", {"password": PASSWORD})
    deliver()
    (farewell,) = mailbox.messages(to=person.email)
    assert "erased" in farewell["subject"]
    assert len(mailbox.messages(to=other.email)) == 1


def _refuse(**_):
    raise ConnectionRefusedError("no mail server")


def test_id10_whoever_knows_its_id_sees_how_far_an_erasure_is(register, deliver, anonymous):
    person = register()
    erasure_id = person.api.post(f"{IDENTITY}/erasure", {"password": PASSWORD}).json()["erasure_id"]
    begun = anonymous.get(f"{IDENTITY}/erasures/{erasure_id}").json()
    assert (begun["done"], sorted(begun["waiting"]), begun["completed_at"]) == ([], sorted(settings.CONTEXTS), None)
    deliver()
    ended = anonymous.get(f"{IDENTITY}/erasures/{erasure_id}").json()
    assert (sorted(ended["done"]), ended["waiting"]) == (sorted(settings.CONTEXTS), [])
    assert ended["completed_at"] is not None
    assert Erasure.objects.get().user_id == person.user_id
    assert anonymous.get(f"{IDENTITY}/erasures/{person.user_id}").status_code == 404


@pytest.mark.parametrize("password", [None, "Not-the-password 1!"])
def test_id10_erasing_takes_the_password(register, password):
    person = register()
    form = {"password": password} if password else {}
    refused = person.api.post(f"{IDENTITY}/erasure", form)
    assert refused.status_code == 403
    assert refused.json()["code"] == ("password_wrong" if password else "password_needed")
    assert person.api.get(f"{IDENTITY}/me").status_code == 200


def test_id10_wrong_passwords_shut_the_door(register):
    person = register()
    tries = [person.api.post(f"{IDENTITY}/erasure", {"password": "wrong"}) for _ in range(6)]
    assert [each.json()["code"] for each in tries] == ["password_wrong"] * 5 + ["locked_out"]


def test_id10_without_a_password_of_their_own_a_recent_sign_in_is_enough(register):
    person = register()
    someone = User.objects.get(pk=person.user_id)
    someone.set_unusable_password()
    someone.save()
    assert person.api.post(f"{IDENTITY}/erasure", {}).status_code == 202


def test_id10_erasing_takes_a_recent_sign_in(register):
    person = register()
    Session.objects.update(started_at=now() - timedelta(minutes=16))
    refused = person.api.post(f"{IDENTITY}/erasure", {"password": PASSWORD})
    assert (refused.status_code, refused.json()["code"]) == (403, "sign_in_again")


def test_id10_asked_for_by_many_hands_it_is_one_erasure(register, announced):
    person = register()
    made = in_parallel(4, lambda _: erasing.begin_erasure(user_id=person.user_id, at=now()))
    assert len({each.pk for each in made}) == 1
    assert len(announced(events.UserErased)) == 1


def test_id10_the_address_is_free_again(register, deliver):
    person = register("phoenix@example.org")
    person.api.post(f"{IDENTITY}/erasure", {"password": PASSWORD})
    deliver()
    again = make_person("phoenix@example.org")
    assert again.user_id != person.user_id
    assert sign_in("phoenix@example.org")


# --- killed, repeated, too late -----------------------------------------------------------------------------------


@pytest.mark.parametrize("context", settings.CONTEXTS)
def test_id10_erasing_twice_is_erasing_once(life, context):  # noqa: F811
    personal_data.erase(context, life.person.user_id)
    rest = belongings(life.friend.user_id)
    personal_data.erase(context, life.person.user_id)
    assert belongings(life.friend.user_id) == rest


def test_id10_what_came_too_late_is_found_by_the_repetition(life, deliver):  # noqa: F811
    life.erase()
    deliver()
    late = TrainingSession.objects.create(user_id=life.person.user_id, sport="running", started_at=now())
    assert erasing.erase_again(at=now() + timedelta(hours=12)) == 1
    deliver()
    assert not TrainingSession.objects.filter(pk=late.pk).exists()
    assert erasing.erase_again(at=now() + timedelta(days=3)) == 0


def test_id10_an_unfinished_erasure_is_announced_until_it_is_finished(register, deliver):
    person = register()
    erasure_id = person.api.post(f"{IDENTITY}/erasure", {"password": PASSWORD}).json()["erasure_id"]
    deliver()
    Erasure.objects.filter(pk=erasure_id).update(completed_at=None, erased_in=["identity"])  # answers were lost
    assert erasing.erase_again(at=now() + timedelta(days=30)) == 1
    deliver()
    assert Erasure.objects.get(pk=erasure_id).completed_at is not None


def test_id10_an_app_goes_with_its_owner_and_with_it_what_it_may_do_for_others(life, deliver):  # noqa: F811
    connected = Session.objects.create(
        user_id=life.friend.user_id, app=life.app, started_at=now(), last_seen_at=now(), address="192.0.2.0"
    )
    life.erase()
    deliver()
    assert not OAuthApp.objects.exists()
    assert not Session.objects.filter(pk=connected.pk).exists()
    assert redis_client().get(f"session:{connected.pk}") == b"0"
    assert life.friend.api.get(f"{IDENTITY}/me").status_code == 200
