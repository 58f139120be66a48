"""Every door has a keeper: no address and no socket without a declared access policy, none missing in the OpenAPI."""

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.generators import SchemaGenerator

from kernel.access import Policy
from kernel.http import Endpoint

PREFIX = "/api/v1/"
METHODS = ("get", "post", "put", "patch", "delete")
EXEMPT = {
    "/api/v1/schema/": "the OpenAPI document: what it says is no secret, and it cannot describe itself",
    "/api/v1/docs/": "the page that draws that document, for people in a browser",
}


def views_below(prefix: str) -> dict[str, Any]:
    """Path → view class, as Django would find them; `{name}` stands for a converter."""
    return {path: view for path, view in _walk(get_resolver().url_patterns, "/") if path.startswith(prefix)}


def _walk(patterns: list[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for entry in patterns:
        route = prefix + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", str(entry.pattern))
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, route)
        elif isinstance(entry, URLPattern):
            yield route, getattr(entry.callback, "cls", entry.callback)


def methods_of(view: Any) -> list[str]:
    return [method.upper() for method in METHODS if hasattr(view, method)]


def undeclared(views: Mapping[str, Any]) -> list[str]:
    """Operations that do not say who may call them."""
    return [
        f"{method} {path}"
        for path, view in views.items()
        for method in methods_of(view) or ["?"]
        if not _is_declared(view, method)
    ]


def _is_declared(view: Any, method: str) -> bool:
    if not (isinstance(view, type) and issubclass(view, Endpoint)):
        return False
    try:
        return isinstance(view.policy_for(method), Policy)
    except LookupError:
        return False


def consumers() -> dict[str, Any]:
    """Socket path → consumer class."""
    found = {}
    for context in settings.CONTEXTS:
        if find_spec(f"contexts.{context}.consumers"):
            for pattern in import_module(f"contexts.{context}.consumers").websocket_urlpatterns:
                found[f"/ws/v1/{context}/{pattern.pattern}"] = pattern.callback.consumer_class
    return found


def test_every_operation_says_who_may_call_it() -> None:
    views = {path: view for path, view in views_below(PREFIX).items() if path not in EXEMPT}
    assert len(views) >= 30
    assert undeclared(views) == []


def test_an_operation_without_a_policy_is_noticed() -> None:
    class Forgotten(Endpoint):
        def get(self) -> None: ...

    class HalfForgotten(Endpoint):
        access = {"GET": Policy("x", "x", lambda principal: None)}

        def get(self) -> None: ...
        def post(self) -> None: ...

    assert undeclared({"/a": Forgotten, "/b": HalfForgotten}) == ["GET /a", "POST /b"]


def test_what_is_exempt_is_there() -> None:
    assert set(EXEMPT) <= set(views_below(PREFIX))


def test_every_socket_says_who_may_open_it() -> None:
    found = consumers()
    assert found
    assert [
        path for path, consumer in found.items() if not isinstance(getattr(consumer, "access", None), Policy)
    ] == []


def test_the_addresses_and_the_openapi_are_the_same_set() -> None:
    schema: Any = SchemaGenerator().get_schema(request=None, public=True)
    described = {f"{method.upper()} {path}" for path, item in schema["paths"].items() for method in item}
    served = {
        f"{method} {path}"
        for path, view in views_below(PREFIX).items()
        if path not in EXEMPT
        for method in methods_of(view)
    }
    assert described == served


def test_operation_names_are_unique() -> None:
    schema: Any = SchemaGenerator().get_schema(request=None, public=True)
    names = [operation["operationId"] for item in schema["paths"].values() for operation in item.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("context", settings.CONTEXTS)
def test_no_model_has_a_relation_into_another_context(context: str) -> None:
    """Another context's row is a UUID here: its table lives in another database."""
    from django.apps import apps

    at_home = {context, "auth", "contenttypes"} if context == "identity" else {context}
    strangers = [
        f"{model.__name__}.{field.name} -> {field.related_model._meta.label}"
        for model in apps.get_app_config(context).get_models()
        for field in model._meta.get_fields()
        if field.is_relation and not field.auto_created and field.related_model
        if field.related_model._meta.app_label not in at_home
    ]
    assert strangers == []
