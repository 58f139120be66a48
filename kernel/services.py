"""The front door for neighbours: `contexts/<name>/services.py`, plain functions over plain data.

`@service` keeps two promises. Nobody asks while a transaction is open, because a neighbour may one day be far
away and remote latency must never hold a lock. And every call survives a JSON round trip, so that the module's
body can be replaced by a client generated from the same signatures.
"""

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, get_type_hints

import msgspec
from django.conf import settings

from kernel.databases import current_context

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class AskedInsideTransaction(Exception):
    """A context asked another one while its own unit of work was open."""


def service(function: Callable[P, R]) -> Callable[P, R]:
    """Declare a function other contexts may call: keyword-only, annotated, plain data in and out.

    With `settings.SERVICES_ROUND_TRIP` (the tests) every call and answer passes through JSON, and asking inside
    a transaction raises `AskedInsideTransaction`; in production it is logged as an error and answered.
    """
    hints = get_type_hints(function)
    signature = inspect.signature(function)
    loose = [p.name for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY or p.name not in hints]
    if loose or "return" not in hints:
        raise TypeError(f"{function.__module__}.{function.__name__}: keyword-only and annotated, please: {loose}")

    unwired: Callable[..., R] = function

    @functools.wraps(function)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        _forbid_inside_transaction(function)
        if not settings.SERVICES_ROUND_TRIP:
            return function(*args, **kwargs)
        wired: Any = {name: round_trip(value, hints[name]) for name, value in kwargs.items()}
        answer: R = round_trip(unwired(**wired), hints["return"])
        return answer

    asked.is_service = True  # type: ignore[attr-defined]
    return asked


def round_trip(value: Any, kind: Any) -> Any:
    """The value as it arrives on the other side of a wire; raises `msgspec.ValidationError` if it cannot."""
    return msgspec.json.decode(msgspec.json.encode(value), type=kind)


def _forbid_inside_transaction(function: Callable[..., Any]) -> None:
    context = current_context()
    if context is None:
        return
    message = f"{function.__module__}.{function.__name__} asked inside a unit of work of {context}"
    if settings.SERVICES_ROUND_TRIP:
        raise AskedInsideTransaction(message)
    log.error(message)
