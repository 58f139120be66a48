"""Answers speak the language they were asked in; their codes stay the same."""

import json

import pytest

from tests.conftest import Api

RU = {"Accept-Language": "ru-RU,ru;q=0.9,en;q=0.5"}
LOGIN = "/api/v1/identity/login"

pytestmark = pytest.mark.django_db(databases="__all__")


def asked(method: str, path: str, json=None, headers=RU):
    return Api().request(method, path, json, headers=headers)


def test_a_refusal_is_told_in_russian() -> None:
    answer = asked("post", LOGIN, {"email": "nobody@example.org", "password": "Not the password 1!"})
    body = answer.json()
    assert (answer.status_code, body["code"]) == (401, "invalid_credentials")
    assert body["title"] == "Вход не выполнен"
    assert body["detail"].startswith("Адрес или пароль неверны")
    assert answer["Content-Language"] == "ru"
    assert "Accept-Language" in answer["Vary"]


def test_what_is_wrong_with_a_field_is_told_in_russian() -> None:
    body = asked("post", LOGIN, {"email": "x"}).json()
    (fault,) = body["errors"]
    assert (fault["field"], fault["code"]) == ("password", "required")
    assert "обязательное" in fault["detail"].lower()


def test_why_a_password_is_refused_is_told_in_russian() -> None:
    told = asked("post", "/api/v1/identity/password/strength", {"password": "stayer"}).json()
    assert any("символ" in reason for reason in told["reasons"])
    assert any("опираться" in reason for reason in told["reasons"])


def test_a_sentence_with_a_number_is_told_in_russian() -> None:
    deep = "[" * 200 + "]" * 200
    answer = Api().post(LOGIN, data=deep, content_type="application/json", headers=RU)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_json")
    assert answer.json()["detail"] == "Тело запроса вложено глубже 32 уровней."


def test_the_live_page_and_its_scripts_speak_russian() -> None:
    page = asked("get", "/")
    assert '<html lang="ru">' in page.content.decode()
    assert "Каждый удар на счету." in page.content.decode()
    script = asked("get", "/texts.js").content.decode()
    assert json.dumps("Ждём связи") in script
    assert "Every beat counts." in asked("get", "/", headers={}).content.decode()


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("get", "/api/v1/nowhere", 404, "Не найдено"),
        ("get", LOGIN, 405, "Метод не поддерживается"),
        ("get", "/api/v1/identity/me", 401, "Вход не выполнен"),
    ],
)
def test_titles_are_told_in_russian(method: str, path: str, status: int, title: str) -> None:
    answer = asked(method, path)
    assert (answer.status_code, answer.json()["title"]) == (status, title)


@pytest.mark.parametrize("header", [{}, {"Accept-Language": "fi"}, {"Accept-Language": "\x7f,;;q=x"}])
def test_every_other_language_hears_english(header: dict[str, str]) -> None:
    assert asked("get", "/api/v1/identity/me", headers=header).json()["title"] == "Not signed in"


def test_one_request_does_not_leave_its_language_to_the_next() -> None:
    asked("get", "/api/v1/identity/me")
    assert asked("get", "/api/v1/identity/me", headers={}).json()["detail"] == "Sign in first."
