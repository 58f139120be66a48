"""The security policy in force: rules that operators lay over what the code declares, effective within a second.

It only tightens: an operation can be closed, or ask for a role or a recent second factor besides its own policy;
its rate limit can be another one. Who keeps the policy is a setting (`SECURITY_POLICY`), as who keeps sessions is.
"""

import logging
import time
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from kernel.access import Forbidden, RateLimit, recent_mfa

log = logging.getLogger(__name__)

KEPT_S = 1.0


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


_known: tuple[float, SecurityRules] = (float("-inf"), SecurityRules())


def in_force() -> SecurityRules:
    """The policy as it was at most a second ago; the last known one while its keeper does not answer."""
    global _known
    read_at, rules = _known
    if time.monotonic() - read_at < KEPT_S or not settings.SECURITY_POLICY:
        return rules
    try:
        rules = import_string(settings.SECURITY_POLICY)()
    except Exception:
        log.exception("the security policy cannot be read; the last known one stays in force")
    _known = time.monotonic(), rules
    return rules


def forget() -> None:
    """Read the policy anew at the next question."""
    global _known
    _known = float("-inf"), _known[1]


def admit(operation: str, principal: Any) -> None:
    """Raise for those whom the policy in force does not let use this operation."""
    if rule := in_force().access.get(operation):
        rule.admit(principal)


def limit_of(operation: str, declared: RateLimit | None) -> RateLimit | None:
    """The limit in force."""
    rate = in_force().limits.get(operation)
    return RateLimit(rate, by=declared.by if declared else "user") if rate else declared
