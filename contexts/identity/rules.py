"""Identity's numbers and pure decisions."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

MIN_AGE = 13
"""Years. The lowest age at which a European country may let children consent themselves (GDPR, art. 8)."""

OLDEST_BIRTH_YEAR = 1900

MAX_PASSWORD_LENGTH = 1024
MAX_NAME_LENGTH = 80

ROLES = ("coach", "organiser", "moderator", "medical_reviewer", "support", "operator")
"""Roles that are granted; everybody is a member."""

STAFF_ROLES = frozenset({"moderator", "support", "operator"})
"""Roles that open the administration."""

MEMBERSHIPS = ("free", "premium", "pro")
SEXES = ("female", "male", "unspecified")
LOCALES = ("en", "ru")
PROFILE_VISIBILITIES = ("private", "everyone")
WORKOUT_VISIBILITIES = ("private", "friends", "everyone")

BODY_MASS_KG = (20.0, 400.0)
HR_MAX_BPM = (100, 240)

ACCESS_LIFETIME = timedelta(minutes=10)
REFRESH_LIFETIME = timedelta(days=14)
SESSION_CACHE_TTL = timedelta(hours=24)
FRESH_SIGN_IN = timedelta(minutes=15)
"""How recent a sign-in must be to change the ways of proving who one is."""

MAX_FAILURES = 5
FIRST_LOCKOUT = timedelta(minutes=15)
LONGEST_LOCKOUT = timedelta(hours=24)
FAILURE_MEMORY = timedelta(hours=24)
"""Failures older than this, and the lock-outs they led to, are forgotten."""

TOTP_PERIOD_S = 30
TOTP_DRIFT_STEPS = 1
"""A code is good one step early and one step late: clocks of phones differ."""

WARN_OWNER_EVERY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Failures:
    """How often one door was tried in vain, and until when it stays shut."""

    failures: int = 0
    lockouts: int = 0
    last_failed_at: datetime | None = None
    locked_until: datetime | None = None

    def is_shut(self, *, at: datetime) -> bool:
        """Whether a try at `at` is refused without being looked at."""
        return self.locked_until is not None and at < self.locked_until


def after_failure(known: Failures, *, at: datetime) -> Failures:
    """One failure more: the fifth shuts the door, each lock-out twice as long as the one before.

    Only for a door that is not shut at `at`.
    """
    if known.last_failed_at is not None and at - known.last_failed_at >= FAILURE_MEMORY:
        known = Failures()
    if known.locked_until is not None:
        known = replace(known, failures=0, locked_until=None)
    failures = known.failures + 1
    if failures < MAX_FAILURES:
        return replace(known, failures=failures, last_failed_at=at)
    return Failures(
        failures=failures,
        lockouts=known.lockouts + 1,
        last_failed_at=at,
        locked_until=at + lockout_for(known.lockouts),
    )


def lockout_for(earlier_lockouts: int) -> timedelta:
    """15 minutes, 30, 60 … up to a day."""
    doublings = min(earlier_lockouts, 10)
    return min(LONGEST_LOCKOUT, FIRST_LOCKOUT * 2**doublings)


def age_on(birth_date: date, day: date) -> int:
    """Completed years of life on `day`."""
    before_birthday = (day.month, day.day) < (birth_date.month, birth_date.day)
    return day.year - birth_date.year - before_birthday


def age_band(age: int) -> str:
    """The only thing about an age that tokens carry: under_16, 16_17 or adult."""
    if age < 16:
        return "under_16"
    return "16_17" if age < 18 else "adult"


def totp_steps(*, at: datetime) -> list[int]:
    """The time steps whose codes are good at `at`, the likeliest first (RFC 6238)."""
    now = int(at.timestamp()) // TOTP_PERIOD_S
    drifts = sorted(range(-TOTP_DRIFT_STEPS, TOTP_DRIFT_STEPS + 1), key=abs)
    return [now + drift for drift in drifts]
