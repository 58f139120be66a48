"""The front doors: plain functions over plain data, which a client over a wire could replace tomorrow."""

import inspect
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, get_origin, get_type_hints
from uuid import UUID

import msgspec
import pytest
from django.conf import settings

OFFERING = [context for context in settings.CONTEXTS if find_spec(f"contexts.{context}.services")]


def public_functions(module: Any) -> dict[str, Callable[..., Any]]:
    """What a module defines itself and shows to others."""
    return {
        name: thing
        for name, thing in vars(module).items()
        if inspect.isfunction(thing) and not name.startswith("_") and thing.__module__ == module.__name__
    }


def services_of(context: str) -> dict[str, Callable[..., Any]]:
    """A context's services by name; none if it offers nothing."""
    return public_functions(import_module(f"contexts.{context}.services")) if context in OFFERING else {}


@pytest.mark.parametrize("context", OFFERING)
def test_every_public_function_is_a_service(context: str) -> None:
    services = services_of(context)
    assert services
    assert [name for name, function in services.items() if not getattr(function, "is_service", False)] == []


@pytest.mark.parametrize("context", OFFERING)
def test_services_take_keywords_only(context: str) -> None:
    loose = [
        f"{name}({parameter.name})"
        for name, function in services_of(context).items()
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is not parameter.KEYWORD_ONLY
    ]
    assert loose == []


@pytest.mark.parametrize("context", OFFERING)
def test_services_speak_in_plain_data(context: str) -> None:
    """Each annotation has a JSON Schema: what cannot be put on a wire has none."""
    for function in services_of(context).values():
        hints = get_type_hints(function)
        msgspec.json.schema_components(list(hints.values()))
        assert all(hint is not Any for hint in hints.values()), function


def test_an_annotation_that_cannot_travel_is_noticed() -> None:
    class Row:
        """Stands for an ORM object."""

    with pytest.raises(TypeError):
        msgspec.json.schema_components([dict[UUID, Row]])


@pytest.mark.parametrize("context", OFFERING)
def test_who_asks_about_one_can_ask_about_many(context: str) -> None:
    """Beside each function of one id stands one of a list: a neighbour never has to ask in a loop."""
    services = services_of(context)
    batches = {
        parameter
        for function in services.values()
        for parameter, hint in get_type_hints(function).items()
        if get_origin(hint) is list and parameter != "return"
    }
    alone = []
    for name, function in services.items():
        about = [p for p, hint in get_type_hints(function).items() if p != "return"]
        if len(about) == 1 and get_type_hints(function)[about[0]] is UUID and f"{about[0]}s" not in batches:
            alone.append(name)
    assert alone == []
