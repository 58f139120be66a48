"""Sessions and messages are for the admin's pages; what signs in by token passes them by."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin

PAGES = "/admin/"

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


class Messages(_OnPages, MessageMiddleware):
    """What the admin says after a change."""
