"""Who is in the administration: a cookie session that lives no longer than the identity session it stands for.

Whatever ends that one (blocking, a role withdrawn, a new password, "sign out everywhere") ends this one with the
next click; so do half an hour without any, and twelve hours after the second factor was shown.
"""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest
from django.utils.timezone import now

from contexts.identity import sessions
from contexts.identity.models import Session

IDLE = timedelta(minutes=30)
NOTED_EVERY = timedelta(minutes=1)
_ROW, _MFA_AT, _SEEN_AT = "identity_session", "mfa_at", "seen_at"


def enter(request: HttpRequest, session: Session) -> None:
    """The browser's session stands for this identity session from now on."""
    assert session.mfa_at is not None  # staff enter with a second factor only
    shown, at = session.mfa_at.timestamp(), now().timestamp()
    request.session.update({_ROW: str(session.pk), _MFA_AT: shown, _SEEN_AT: at})


def holds(request: HttpRequest, *, at: datetime) -> bool:
    """Whether the browser's session is still that of a member of staff who is signed in."""
    row, shown, seen = (request.session.get(key) for key in (_ROW, _MFA_AT, _SEEN_AT))
    if row is None or shown is None or seen is None:
        return False
    is_young = at.timestamp() - shown < settings.SESSION_COOKIE_AGE
    is_in_use = at.timestamp() - seen < IDLE.total_seconds()
    return is_young and is_in_use and bool(sessions.active_sessions(session_ids=[UUID(row)]))


def note_use(request: HttpRequest, *, at: datetime) -> None:
    """Remember the click, to the minute: not every page has to write."""
    if at.timestamp() - request.session[_SEEN_AT] > NOTED_EVERY.total_seconds():
        request.session[_SEEN_AT] = at.timestamp()


def leave(request: HttpRequest, *, at: datetime) -> None:
    """End the browser's session, and the identity session behind it."""
    if row := request.session.get(_ROW):
        sessions.revoke_session(session_id=UUID(row), reason="signed_out", at=at)
    auth.logout(request)
