"""The security policy: rules and limits that operators lay over what the code declares (ID-4).

A version is never changed: to go back is to enact the old document as a new version. What the rules mean, and that
they only tighten, stands in `kernel.policy`, which every process asks once a second.
"""

import difflib
import json
from collections.abc import Iterator
from datetime import datetime
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.urls import URLResolver, get_resolver

from contexts.identity import events, rules
from contexts.identity.models import SecurityPolicy
from kernel import policy
from kernel.access import RateLimit
from kernel.bus import publish
from kernel.databases import run_after_commit, unit_of_work
from kernel.errors import InvalidInput
from kernel.http import Endpoint

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
PARTS = {"access", "limits"}
ACCESS = {"closed", "roles", "recent_mfa"}


@unit_of_work("identity", isolation="read committed")
def enact(*, document: Any, note: str, by: UUID | None, at: datetime) -> SecurityPolicy:
    """Put a document in force as a new version, within a second everywhere; `InvalidInput` says what is wrong."""
    ensure_valid(document)
    made = SecurityPolicy.objects.create(rules=document, note=note, made_by=by, made_at=at)
    publish(events.SecurityPolicyChanged(policy_version=made.version, by=by, occurred_at=at))
    run_after_commit(policy.forget)
    return made


def in_force() -> SecurityPolicy | None:
    """The newest version; none was ever enacted in a new installation."""
    return SecurityPolicy.objects.order_by("-version").first()


def rules_in_force() -> policy.SecurityRules:
    """The newest version as the kernel reads it. Names of operations that have gone since then are harmless."""
    newest = in_force()
    if newest is None:
        return policy.SecurityRules()
    return msgspec.convert(newest.rules | {"version": newest.version}, policy.SecurityRules)


def ensure_valid(document: Any) -> None:
    """Raise `InvalidInput` for a document that names unknown operations, roles or rates, or says anything else."""
    if not isinstance(document, dict) or not document.keys() <= PARTS:
        raise _invalid("A policy has the parts “access” and “limits”, and no other.")
    try:
        wanted = msgspec.convert(document, policy.SecurityRules, strict=True)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    for name, rule in document.get("access", {}).items():
        if unknown := rule.keys() - ACCESS:
            raise _invalid(f"{name}: no rule is called {', '.join(sorted(unknown))}.")
    _ensure_names_exist(wanted)
    for name, rate in wanted.limits.items():
        _ensure_rate(name, rate)


def _ensure_names_exist(wanted: policy.SecurityRules) -> None:
    served = operations()
    if unknown := sorted((wanted.access.keys() - served) | (wanted.limits.keys() - served)):
        raise _invalid(f"There is no operation {unknown[0]}.")
    known_roles = {"member", *rules.ROLES}
    for name, rule in wanted.access.items():
        if strangers := sorted(set(rule.roles) - known_roles):
            raise _invalid(f"{name}: there is no role {strangers[0]}.")
    if sockets := sorted(name for name in wanted.limits if name.count(".") == 1):
        raise _invalid(f"{sockets[0]}: a socket has no rate limit to replace.")


def _ensure_rate(name: str, rate: str) -> None:
    try:
        is_good = RateLimit(rate).count > 0
    except (ValueError, KeyError):
        is_good = False
    if not is_good:
        raise _invalid(f"{name}: a rate looks like 30/min, and per s, min, h or day.")


def _invalid(detail: str) -> InvalidInput:
    return InvalidInput(detail, field="document", code="bad_policy")


def operations() -> set[str]:
    """The names of everything that is served: `identity.Login.POST`, and sockets as `workout.LiveSession`."""
    endpoints = {
        view.operation(method)
        for view in _views(get_resolver().url_patterns)
        for method in METHODS
        if hasattr(view, method.lower())
    }
    return endpoints | set(_sockets())


def _views(patterns: list[Any]) -> Iterator[type[Endpoint]]:
    for entry in patterns:
        if isinstance(entry, URLResolver):
            yield from _views(entry.url_patterns)
        elif (view := getattr(entry.callback, "cls", None)) is not None and issubclass(view, Endpoint):
            yield view


def _sockets() -> Iterator[str]:
    for context in settings.CONTEXTS:
        if find_spec(f"contexts.{context}.consumers"):
            for route in import_module(f"contexts.{context}.consumers").websocket_urlpatterns:
                yield f"{context}.{route.callback.consumer_class.__name__}"


def as_text(document: Any) -> str:
    """A document to be read and edited."""
    return json.dumps(document, indent=2, sort_keys=True)


def changes(made: SecurityPolicy) -> str:
    """What a version changed, as the lines that went and came."""
    before = SecurityPolicy.objects.filter(version__lt=made.version).order_by("-version").first()
    old, new = as_text(before.rules if before else {}), as_text(made.rules)
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm=""))[2:]
    return "\n".join(line for line in lines if not line.startswith("@@"))
