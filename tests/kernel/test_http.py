"""HTTP manners: hardened JSON, problem documents, cursors, correlation, rate limits."""

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from kernel.access import RateLimit, RateLimited
from kernel.http import BadJson, decode_cursor, decode_json, encode_cursor, encode_json
from tests.conftest import Api

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.urls("tests.kernel.views")]


@pytest.fixture
def api() -> Api:
    client = Api()
    client._client.raise_request_exception = False
    return client


def post(body: bytes, content_type: str = "application/json"):
    return Client(raise_request_exception=False).post("/echo", body, content_type=content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 5000 + b"]" * 5000,
        b"[" * 40 + b"]" * 40,
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b'"\\u0000"',
        b'{"a\\u0000b": 1}',
        b'"\\ud800"',
        b"\xff\xfe",
        b"NaN",
        b"1e999",
        b"{",
        b'{"a": 1} trailing',
    ],
)
def test_hostile_json_is_a_400_and_never_a_500(body: bytes) -> None:
    answer = post(body)
    assert answer.status_code == 400, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "bad_json"


def test_a_body_too_large_is_a_413() -> None:
    answer = post(b'"' + b"x" * 2_500_001 + b'"')
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_other_media_types_are_a_415() -> None:
    assert post(b"a=1", "application/x-www-form-urlencoded").status_code == 415


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=20))
def test_what_json_can_say_survives_or_is_refused(value: object) -> None:
    body = encode_json(value)
    try:
        assert decode_json(body) == value
    except BadJson:
        assert "\\u0000" in body.decode()


@given(st.binary(max_size=60))
def test_any_bytes_parse_or_are_refused(body: bytes) -> None:
    with contextlib.suppress(BadJson):
        decode_json(body)


def test_validation_names_each_field_at_fault(api: Api) -> None:
    answer = api.post("/validated", {"count": -1})
    assert answer.status_code == 400
    problem = answer.json()
    assert problem["code"] == "invalid"
    assert {(e["field"], e["code"]) for e in problem["errors"]} == {("name", "required"), ("count", "min_value")}


def test_a_refusal_is_a_problem_document_with_its_code(api: Api) -> None:
    answer = api.get("/refuses/tea")
    assert answer.status_code == 409
    assert answer.json() == {
        "type": "urn:stayer:problem:out_of_tea",
        "title": "Conflict",
        "status": 409,
        "detail": "All gone.",
        "code": "out_of_tea",
        "correlation_id": answer["X-Correlation-ID"],
        "next_at": "2026-03-01T12:00:00Z",
    }


@pytest.mark.parametrize(("how", "status", "code"), [("nothing", 404, "not_found"), ("field", 400, "invalid")])
def test_other_refusals(api: Api, how: str, status: int, code: str) -> None:
    answer = api.get(f"/refuses/{how}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_bug_is_a_500_that_tells_nothing_but_its_correlation_id(api: Api) -> None:
    answer = api.get("/refuses/bug")
    assert answer.status_code == 500
    assert answer.json()["code"] == "internal"
    assert answer.json()["correlation_id"] == answer["X-Correlation-ID"]
    assert b"secret" not in answer.content


def test_an_unknown_address_is_a_problem_document_too(api: Api) -> None:
    answer = api.get("/nowhere")
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_method_not_allowed(api: Api) -> None:
    answer = api.delete("/echo")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer["Allow"] == "POST, OPTIONS"


def test_a_correlation_id_is_kept_or_made(api: Api) -> None:
    kept = api.post("/echo", 1, headers={"X-Correlation-ID": "phone-7-run-42"})
    assert kept["X-Correlation-ID"] == "phone-7-run-42"
    made = api.post("/echo", 1, headers={"X-Correlation-ID": "bad id\n"})
    assert made["X-Correlation-ID"] not in ("", "bad id\n")


def test_cursors_come_back_as_they_left(api: Api) -> None:
    first = api.get("/cursors").json()
    assert first["values"] == ["2026-03-01T12:00:00Z", 7]
    assert api.get("/cursors", data={"cursor": first["cursor"]}).json() == first


@given(st.text(max_size=30))
def test_a_cursor_of_somebody_else_is_a_400(cursor: str) -> None:
    from kernel.errors import InvalidInput

    with pytest.raises(InvalidInput):
        decode_cursor(cursor, length=3)


@given(st.lists(st.text() | st.integers(-(2**53), 2**53), min_size=2, max_size=2))
def test_cursor_round_trip(values: list[object]) -> None:
    assert decode_cursor(encode_cursor(values), length=2) == values


def test_p10_the_rate_limit_is_exact_under_parallel_requests() -> None:
    limit = RateLimit("10/h")

    def passes(_: int) -> bool:
        try:
            limit.take("exact")
        except RateLimited:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(passes, range(100))) == 10


def test_a_limited_request_says_when_to_come_back(api: Api) -> None:
    answers = [api.get("/limited") for _ in range(11)]
    assert [a.status_code for a in answers] == [200] * 10 + [429]
    assert answers[-1].json()["code"] == "rate_limited"
    assert 300 <= int(answers[-1]["Retry-After"]) <= 360


def test_a_forged_forwarded_for_does_not_evade_the_limit(api: Api) -> None:
    answers = [api.get("/limited", headers={"X-Forwarded-For": f"10.0.0.{n}"}) for n in range(11)]
    assert answers[-1].status_code == 429


def test_trusted_proxies_are_counted_from_the_right(api: Api, settings) -> None:
    settings.TRUSTED_PROXIES = 1
    answers = [api.get("/limited", headers={"X-Forwarded-For": f"6.6.6.6, 10.0.0.{n}"}) for n in range(11)]
    assert {a.status_code for a in answers} == {200}


def test_answers_are_json_with_instants_in_utc(api: Api) -> None:
    assert json.loads(api.post("/echo", {"a": [1, None, "ж"]}).content) == {
        "data": {"a": [1, None, "ж"]},
        "at": "2026-03-01T12:00:00Z",
    }
