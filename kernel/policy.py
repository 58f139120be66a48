"""The security policy in force: rules that operators lay over what the code declares, effective within a second.

It only tightens: an operation can be closed, or ask for a role or a recent second factor besides its own policy;
its rate limit can be another one. Who keeps the policy is a setting (`SECURITY_POLICY`), as who keeps sessions is.

The keeper is asked in a thread of its own, by one at a time: a keeper whose database is away is waited for by its
connection pool, never by a request.
"""

import logging
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from kernel.access import Forbidden, RateLimit, recent_mfa
from kernel.databases import release_connections

log = logging.getLogger(__name__)

KEPT_S = 1.0
PATIENCE_S = 0.5
"""So long after a question to the keeper requests wait for the answer; then the last known policy is in force."""


class ClosedByPolicy(Forbidden):
    """This is closed for the time being."""


@dataclass(frozen=True, kw_only=True)
class AccessRule:
    """What an operation asks for besides its own policy."""

    closed: bool = False
    roles: list[str] = field(default_factory=list)
    recent_mfa: bool = False

    def admit(self, principal: Any) -> None:
        """Raise for those who may not enter."""
        if self.closed:
            raise ClosedByPolicy
        if self.roles and not set(self.roles) & set(getattr(principal, "roles", ())):
            raise Forbidden
        if self.recent_mfa:
            recent_mfa.admit(principal)


@dataclass(frozen=True, kw_only=True)
class SecurityRules:
    """A version of the policy: rules and limits by operation (`social.Rooms.POST`)."""

    version: int = 0
    access: dict[str, AccessRule] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)


class _Question:
    """One question to the keeper, on its way."""

    def __init__(self) -> None:
        self.asked_at = time.monotonic()
        self.answered = threading.Event()
        threading.Thread(target=self._ask, name="security-policy", daemon=True).start()

    def _ask(self) -> None:
        found = None
        try:
            found = import_string(settings.SECURITY_POLICY)()
        except Exception:
            log.exception("the security policy cannot be read; the last known one stays in force")
        finally:
            _take(self, found)
            release_connections()
            self.answered.set()


_lock = threading.Lock()
_known: tuple[float, SecurityRules] = (float("-inf"), SecurityRules())
_question: _Question | None = None


def in_force() -> SecurityRules:
    """The policy as it was at most a second ago; the last known one while its keeper does not answer."""
    global _question
    read_at, rules = _known
    if time.monotonic() - read_at < KEPT_S or not settings.SECURITY_POLICY:
        return rules
    with _lock:
        asked = _question = _question or _Question()
    asked.answered.wait(max(0.0, asked.asked_at + PATIENCE_S - time.monotonic()))
    return _known[1]


def _take(question: _Question, found: SecurityRules | None) -> None:
    """Believe an answer, unless the question was asked before something was forgotten."""
    global _known, _question
    with _lock:
        if _question is question:
            _question, _known = None, (time.monotonic(), found or _known[1])


def forget() -> None:
    """Read the policy anew at the next question."""
    global _known, _question
    with _lock:
        _question, _known = None, (float("-inf"), _known[1])


def _begin_anew() -> None:
    """A forked process has none of the threads: it would wait for an answer for ever."""
    global _lock
    _lock = threading.Lock()
    forget()


os.register_at_fork(after_in_child=_begin_anew)


def admit(operation: str, principal: Any) -> None:
    """Raise for those whom the policy in force does not let use this operation."""
    if rule := in_force().access.get(operation):
        rule.admit(principal)


def is_laid_over(operation: str) -> bool:
    """Whether the policy in force says anything of this operation."""
    rules = in_force()
    return operation in rules.access or operation in rules.limits


def limit_of(operation: str, declared: RateLimit | None) -> RateLimit | None:
    """The limit in force."""
    rate = in_force().limits.get(operation)
    return RateLimit(rate, by=declared.by if declared else "user") if rate else declared
