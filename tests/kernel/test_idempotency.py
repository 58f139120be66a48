"""P-6: an Idempotency-Key makes repeats one effect and one answer."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connections
from django.utils import timezone

from kernel.databases import redis_client, release_connections, try_gate
from kernel.idempotency import forget_old_answers
from kernel.models import IdempotencyKey, OutboxEvent
from tests.conftest import Api
from tests.kernel.probe import create_ledger
from tests.kernel.tokens import token_of

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.urls("tests.kernel.views"),
]


@pytest.fixture
def api() -> Api:
    create_ledger("social")
    return Api(token_of(uuid4()))


def effects() -> int:
    with connections["social"].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM probe_ledger")
        return int(cursor.fetchone()[0])


def once(api: Api, key: str, body: object = None):
    return api.post("/once", body or {}, headers={"Idempotency-Key": key})


def test_p6_a_repeat_answers_the_same_bytes_and_does_nothing(api: Api) -> None:
    first, second = once(api, "k1"), once(api, "k1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert first["Location"] == second["Location"]
    assert (first.has_header("Idempotency-Replayed"), second["Idempotency-Replayed"]) == (False, "true")
    assert effects() == 1


def test_the_answer_outlives_redis(api: Api) -> None:
    first = once(api, "k1")
    for key in redis_client().scan_iter("idempotency:*"):
        redis_client().delete(key)
    assert once(api, "k1").content == first.content
    assert effects() == 1


def test_the_same_key_for_another_request_is_a_422(api: Api) -> None:
    once(api, "k1")
    other = once(api, "k1", {"a": 1})
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")


def test_a_key_belongs_to_its_person(api: Api) -> None:
    once(api, "k1")
    assert once(Api(token_of(uuid4())), "k1").status_code == 201
    assert effects() == 2


def test_while_the_first_is_running_a_repeat_is_a_409(api: Api) -> None:
    user_id = uuid4()
    with try_gate("social", "idempotency", user_id, "POST /once", "k1") as taken:
        assert taken

        def repeat():
            try:
                return once(Api(token_of(user_id)), "k1")
            finally:
                release_connections()

        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(repeat).result()
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (409, "in_flight", "1")
    assert effects() == 0


def test_p6_parallel_repeats_have_one_effect(api: Api) -> None:
    def repeat(_: int):
        try:
            return once(api, "k1")
        finally:
            release_connections()

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(repeat, range(40)))
    assert effects() == 1
    assert {a.status_code for a in answers} <= {201, 409}
    assert len({a.content for a in answers if a.status_code == 201}) == 1


def test_a_refused_request_keeps_nothing_and_may_be_repeated(api: Api) -> None:
    assert once(api, "k1", {"refuse": True}).status_code == 409
    assert not IdempotencyKey.objects.using("social").exists()
    assert not OutboxEvent.objects.using("social").exists()
    assert once(api, "k1").status_code == 201


@pytest.mark.parametrize("key", ["x" * 256, "ключ"])
def test_a_bad_key_is_a_400(api: Api, key: str) -> None:
    answer = once(api, key)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "bad_idempotency_key")


def test_answers_are_kept_24_hours(api: Api) -> None:
    once(api, "k1")
    assert forget_old_answers(context="social", at=timezone.now() + timedelta(hours=23)) == 0
    assert forget_old_answers(context="social", at=timezone.now() + timedelta(hours=25)) == 1
    assert sum(forget_old_answers(context=name, at=timezone.now()) for name in settings.CONTEXTS) == 0
