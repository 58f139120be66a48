"""Asking again who it is: what is dangerous to an account takes a sign-in, or a second factor, of just now."""

from datetime import datetime
from uuid import UUID

from contexts.identity import rules
from contexts.identity.models import Session, User
from kernel.errors import NotFound, Refused


class SignInAgain(Refused):
    """This needs a recent sign-in; sign in again."""

    status = 403


def ensure_recent(session: Session, at: datetime) -> None:
    """Refuse with `SignInAgain` unless the session began, or showed a second factor, within the last 15 minutes."""
    newest = max(filter(None, [session.started_at, session.mfa_at]))
    if at - newest > rules.FRESH_SIGN_IN:
        raise SignInAgain


def own_session(*, by: UUID, session_id: UUID) -> Session:
    """One's open session, its person's row locked: two changes of one person's credentials stand in line.

    For an open READ COMMITTED unit of work.
    """
    person = User.objects.select_for_update(no_key=True).filter(pk=by, is_active=True).first()
    session = Session.objects.filter(pk=session_id, user_id=by, revoked_at__isnull=True).first()
    if person is None or session is None:
        raise NotFound
    session.user = person
    return session
