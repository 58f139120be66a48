"""Sessions and messages are for the admin's pages; what signs in by token passes them by."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin
from django.utils.timezone import now

from config import staff_sessions

PAGES = f"/{settings.ADMIN_PATH}"

_Base = MiddlewareMixin if TYPE_CHECKING else object


class _OnPages(_Base):
    def __call__(self, request: HttpRequest) -> Any:
        if request.path_info.startswith(PAGES):
            return super().__call__(request)
        return self.get_response(request)


class Sessions(_OnPages, SessionMiddleware):
    """The signed-in operator's cookie."""


class Authentication(_OnPages, AuthenticationMiddleware):
    """`request.user` from the session."""


class StaffSessions(_OnPages, MiddlewareMixin):
    """Whoever is not signed in as staff any more, or never was with a second factor, is nobody here."""

    def process_request(self, request: HttpRequest) -> None:
        """Marks the request of a member of staff; see `config.staff_sessions`."""
        at = now()
        is_staff = request.user.is_authenticated and staff_sessions.holds(request, at=at)
        if is_staff:
            staff_sessions.note_use(request, at=at)
        elif not request.session.is_empty():
            staff_sessions.leave(request, at=at)
        request.is_staff_session = is_staff  # type: ignore[attr-defined]


class Messages(_OnPages, MessageMiddleware):
    """What the admin says after a change."""
