"""What several subjects share: tokens as they are shown, doors that are open to all, who asks from where."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from contexts.identity import rules
from contexts.identity.sessions import Origin
from kernel.access import address_of, anyone
from kernel.http import Endpoint


def display_name(*, max_length: int = rules.MAX_NAME_LENGTH) -> serializers.CharField:
    """A name: printable, so that no chat or log can be drawn over with control characters."""
    return serializers.RegexField(r"^[^\x00-\x1f\x7f-\x9f]+$", max_length=max_length)


class Address(serializers.EmailField):
    """An e-mail address, in lower case before its length is judged: some letters grow."""

    def to_internal_value(self, data: Any) -> str:
        """The address as it is kept."""
        return str(super().to_internal_value(data)).lower()


class TokenPair(serializers.Serializer):
    """`expires_in`: seconds of life of the access token."""

    access = serializers.CharField()
    refresh = serializers.CharField()
    expires_in = serializers.IntegerField()


class Grant(serializers.Serializer):
    """An access token with a fresh second factor; the refresh token stays as it was."""

    access = serializers.CharField()
    expires_in = serializers.IntegerField()


class OpenEndpoint(Endpoint):
    """For people without a token: one that came along, perhaps expired, is not even looked at."""

    access = anyone
    authentication_classes = []


def origin_of(request: Request) -> Origin:
    """Where the request came from."""
    return Origin(address=address_of(request), user_agent=request.META.get("HTTP_USER_AGENT", ""))


def asking(request: Request) -> dict[str, Any]:
    """Who asks, in which session: for actions on one's own account."""
    return {"by": request.user.user_id, "session_id": request.user.session_id}
