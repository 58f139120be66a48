"""Identity's numbers and pure decisions."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from urllib.parse import SplitResult, urlsplit

MIN_AGE = 13
"""Years. The lowest age at which a European country may let children consent themselves (GDPR, art. 8)."""

OLDEST_BIRTH_YEAR = 1900

MAX_PASSWORD_LENGTH = 1024
MAX_NAME_LENGTH = 80

ROLES = ("coach", "organiser", "moderator", "medical_reviewer", "support", "operator")
"""Roles that are granted; everybody is a member."""

STAFF_ROLES = frozenset({"moderator", "medical_reviewer", "support", "operator"})
"""Roles that open the administration."""

MUST_SAY_WHY = frozenset({"support"})
"""Roles whose holders give a reason before they look at one person's page."""

LOOKED_AT = "admin.looked_at"
"""The action of a look at one person's page."""

ENDED_BY_OTHERS = frozenset(
    {"app_removed", "code_replayed", "blocked", "role_withdrawn", "refresh_token_reused", "signed_out_by_staff"}
)
"""Why a session ends that its person did not end."""

MEMBERSHIPS = ("free", "premium", "pro")
SEXES = ("female", "male", "unspecified")
LOCALES = ("en", "ru")
UNITS = ("metric", "imperial")
VISIBILITIES = ("nobody", "friends", "groups", "everyone")
""" "groups": friends, and those with whom one shares a group."""

RELATIONS = ("self", "friend", "group", "stranger")
"""From near to far, each the farthest that the visibility of the same place lets see."""

VISIBLE_FIELDS = ("display_name", "avatar", "about", "city", "age", "sex", "body_mass_kg", "hr_max", "workouts")
"""What a person decides about one by one; a new person shows none of it (ID-7)."""

MAX_ZONES = 10
ZONE_RADIUS_M = (50, 2_000)

BODY_MASS_KG = (20.0, 400.0)
HR_MAX_BPM = (100, 240)

ACCESS_LIFETIME = timedelta(minutes=10)
REFRESH_LIFETIME = timedelta(days=14)
LONGEST_SESSION = timedelta(days=90)
"""After this even a session in daily use is over, an app's connection too."""
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

CHALLENGE_LIFETIME = timedelta(minutes=5)
"""How long an authenticator may take to answer."""
MAX_PASSKEYS = 20

CODE, KEY = "otp", "hwk"
"""What a second factor was, in the words of RFC 8176."""

WARN_OWNER_EVERY = timedelta(days=1)
UNLOCK_MAIL_EVERY = timedelta(hours=1)

CONTEXT_WORDS = ("stayer", "fitness", "workout", "running", "training", "password", "пароль", "тренировка")
"""Words a password must not lean on; the person's own name and address count as well."""
MIN_BESIDE_CONTEXT_WORDS = 8
"""Characters a password has left when such words are taken out of it."""


@dataclass(frozen=True)
class Letter:
    """A letter of the welcome series: its template, and when it goes out."""

    name: str
    after: timedelta
    is_service: bool = False


WELCOME = (
    Letter("welcome", timedelta(0), is_service=True),
    Letter("first_workout", timedelta(days=2)),
    Letter("find_friends", timedelta(days=7)),
)
"""What is no service letter goes to those alone who have agreed to news (`marketing`)."""


def is_service_letter(name: str) -> bool:
    """Whether a letter goes out without asking."""
    return any(letter.name == name and letter.is_service for letter in WELCOME)


LINK_LIFETIMES = {
    "confirm_email": timedelta(days=3),
    "reset_password": timedelta(minutes=30),
    "change_email": timedelta(hours=24),
    "unlock": timedelta(hours=24),
    "email_changed": timedelta(days=3),
}
"""How long a link in a mail is good, by its purpose; `email_changed` is a notice to the former address."""

CONSENTS = {"terms": "2026-11", "health_processing": "2026-11", "marketing": "2026-11"}
"""The purposes one is asked about, and the version of each text that is in force."""

AN_INSTANT = timedelta(microseconds=1)
"""By so much at least the later of two decisions is later."""

EXPORTS_COUNTED = timedelta(days=1)
MAX_EXPORTS = 3
"""Exports a person may ask for in that time."""

EXPORT_KEPT = timedelta(days=1)
"""How long an archive may be fetched."""

ERASED_AGAIN_FOR = timedelta(days=2)
"""How long an erasure is repeated: longer than an event is tried again, or a file being read."""

SCOPES = {
    "profile:read": "See your profile",
    "workout:read": "See your workouts",
    "workout:write": "Record workouts for you",
    "health:read": "See your health data",
    "health:write": "Add health data for you",
    "social:read": "See your friends, feed and chats",
    "social:write": "Write messages and answer requests as you",
    "gamification:read": "See your points and places",
    "gamification:write": "Act for you in competitions",
    "booking:read": "See your bookings and tickets",
    "booking:write": "Book events for you",
}
"""What an app or a coach may be allowed, by context."""


LONGEST_MEMBERSHIP = timedelta(days=3660)
LONGEST_REASON = 200

COACH_SCOPES = ("workout:read", "health:read")
"""What an athlete may let a coach do."""

MEDICAL_SCOPES = frozenset({"health:read", "health:write"})

AUTHORIZATION_CODE_LIFETIME = timedelta(seconds=60)
CODES_KEPT = timedelta(days=1)
"""How long a spent code is remembered, so that a second use still ends what it opened."""
MAX_APPS = 20
MAX_REDIRECT_URIS = 10
MAX_REDIRECT_URI_LENGTH = 500

EXTERNAL_PURPOSES = ("sign_in", "link")
EXTERNAL_STATE_LIFETIME = timedelta(minutes=10)
"""How long somebody may take to sign in at another provider, and then to answer what is still missing."""


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


def is_visible(shown_to: str, *, relation: str) -> bool:
    """Whether a field shown to these is seen by one of `RELATIONS`.

    Each visibility takes in those before it: "groups" shows to friends as well.
    """
    return RELATIONS.index(relation) <= VISIBILITIES.index(shown_to)


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


def must_say_why(roles: Iterable[str], *, action: str) -> bool:
    """Whether staff with only such roles must give a reason for a look at one person's page."""
    return action == LOOKED_AT and set(roles) <= MUST_SAY_WHY


def membership_in_force(
    periods: Iterable[tuple[str, datetime, datetime]], *, at: datetime
) -> tuple[str, datetime | None]:
    """Of the (tier, start, end) periods that overlap `at` the highest tier, and when the last of that tier ends."""
    running = [(MEMBERSHIPS.index(tier), end) for tier, start, end in periods if start <= at < end]
    if not running:
        return MEMBERSHIPS[0], None
    highest, until = max(running)
    return MEMBERSHIPS[highest], until


def methods_of(signed_in_with: str, *, second_factor: str) -> list[str]:
    """How somebody proved who they are, in the words of RFC 8176: pwd, otp, hwk (a key), user (seen by it), fed."""
    first = {"password": ["pwd"], "passkey": [KEY, "user"], "app": []}.get(signed_in_with, ["fed"])
    return [*first, second_factor] if second_factor and second_factor not in first else first


def was_copied(*, known: int, shown: int) -> bool:
    """Whether a passkey's count of signatures did not move on: then there are two of it. Some always say 0."""
    return (known > 0 or shown > 0) and shown <= known


_SYSTEMS = ("iPhone", "iPad", "Android", "Windows", "Macintosh", "Linux")
_PROGRAMS = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))


def device_name(user_agent: str) -> str:
    """A user agent as a person would call it: "Chrome on Android"; its first word where nothing is recognised."""
    program = next((name for mark, name in _PROGRAMS if mark in user_agent), "")
    system = next((name for name in _SYSTEMS if name in user_agent), "")
    words = [word for word in (program, system.replace("Macintosh", "Mac")) if word]
    return " on ".join(words) or user_agent.partition(" ")[0].partition("/")[0]


def masked(address: str) -> str:
    """An e-mail address as support sees it: `anna@example.org` → `a•••@example.org`."""
    name, _, domain = address.partition("@")
    return f"{name[:1]}•••@{domain}"


_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def redirect_uri_fault(uri: str) -> str | None:
    """Why an app may not have people sent to this address; nothing where it may (RFC 6749 §3.1.2, RFC 8252 §7)."""
    parts = _split(uri)
    if parts is None or not uri.isascii() or any(c <= " " or c in "\\\x7f" for c in uri):
        return "not_an_address"
    if "#" in uri:
        return "has_a_fragment"
    if parts.scheme == "https":
        return None if parts.hostname and "@" not in parts.netloc else "not_an_address"
    if parts.scheme == "http":
        return None if parts.hostname in _LOOPBACK and "@" not in parts.netloc else "not_encrypted"
    return None if "." in parts.scheme else "scheme_not_allowed"


def redirect_uri_fits(registered: str, *, asked: str) -> bool:
    """Whether the address asked for is the registered one: letter by letter, but for the port of one's own host."""
    if registered == asked:
        return True
    ours, theirs = _split(registered), _split(asked)
    if ours is None or theirs is None or ours.scheme != "http" or ours.hostname not in _LOOPBACK:
        return False
    return redirect_uri_fault(asked) is None and _without_port(ours) == _without_port(theirs)


def _split(uri: str) -> SplitResult | None:
    try:
        parts = urlsplit(uri)
        return parts if parts.port is None or parts.port > 0 else None
    except ValueError:
        return None


def _without_port(parts: SplitResult) -> tuple[str, str | None, str, str]:
    return parts.scheme, parts.hostname, parts.path, parts.query
