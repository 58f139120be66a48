"""What a look at medical data is for, and what a grant lets through. Pure."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from contexts.health.catalogue import METRICS, Kind


class Purpose(StrEnum):
    """What somebody looks for; written down with each look."""

    OWN_CARE = "own_care"
    COACHING = "coaching"
    TREATMENT = "treatment"
    SUPPORT = "support"
    EMERGENCY = "emergency"


OWN_PURPOSES = (Purpose.OWN_CARE, Purpose.COACHING, Purpose.TREATMENT, Purpose.SUPPORT)
"""For which a person, or an app of theirs, looks at what is their own."""


class Role(StrEnum):
    """As what somebody is let see."""

    COACH = "coach"
    DOCTOR = "doctor"


GRANTABLE: dict[Role, frozenset[Purpose]] = {
    Role.COACH: frozenset({Purpose.COACHING}),
    Role.DOCTOR: frozenset({Purpose.TREATMENT, Purpose.COACHING}),
}
"""A coach does not treat. `emergency` is nobody's to grant: it has rules of its own."""

LONGEST_GRANT = timedelta(days=365)
MAX_GRANTS = 50
"""Of one person that are not over."""

EMERGENCY_LASTS = timedelta(minutes=60)
LONGEST_REASON = 1_000


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a grant says. `since` and `until` bound what was measured; None is no bound."""

    metrics: frozenset[str]
    purposes: frozenset[str]
    since: datetime | None
    until: datetime | None
    expires_at: datetime
    accepted_at: datetime | None
    ended_at: datetime | None
    suspended_at: datetime | None


def refusal(
    terms: Terms, *, metrics: Collection[str], purpose: str, since: datetime, until: datetime, at: datetime
) -> str | None:
    """The code of why a look at these metrics from `since` to before `until` is refused; None where it is not.

    `at` is the moment by the database's clock.
    """
    if terms.accepted_at is None or terms.ended_at is not None or at >= terms.expires_at:
        return "grant_inactive"
    if terms.suspended_at is not None:
        return "grant_suspended"
    if purpose not in terms.purposes:
        return "purpose_not_granted"
    if not metrics or not terms.metrics.issuperset(metrics):
        return "metric_not_granted"
    before = terms.since is not None and since < terms.since
    after = terms.until is not None and until > terms.until
    return "outside_period" if before or after else None


def metrics_of(names: Iterable[str], kinds: Iterable[str]) -> list[str]:
    """Metrics by name and by kind, as they are now: what the catalogue learns later is in no grant of today."""
    wanted, of_kinds = set(names), {Kind(kind) for kind in kinds}
    return [m.name for m in METRICS.values() if m.name in wanted or m.kind in of_kinds]
