"""The address of an account over HTTP: confirming it, changing it, and the mail that opens a shut door."""

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import changing_email, confirming, lockout, rules
from contexts.identity.api.forms import Address, OpenEndpoint, origin_of
from kernel.access import RateLimit, member
from kernel.http import Endpoint, validated


class LinkToken(serializers.Serializer):
    """What stands behind the `#` of a link in a mail."""

    token = serializers.CharField(max_length=300)


class Confirmation(LinkToken):
    """The link's token, and the password chosen when registering: a link alone opens nobody's account."""

    password = serializers.CharField(trim_whitespace=False, max_length=rules.MAX_PASSWORD_LENGTH)


class Whose(serializers.Serializer):
    """An address that may have an account."""

    email = Address(max_length=254)


class NewAddress(Whose):
    """The new address, and the account's password."""

    password = serializers.CharField(trim_whitespace=False, max_length=rules.MAX_PASSWORD_LENGTH)


class ConfirmEmail(OpenEndpoint):
    """Confirming an address."""

    limit = RateLimit("60/min", by="address")

    @extend_schema(operation_id="confirm_email", request=Confirmation, responses={204: None})
    def post(self, request: Request) -> Response:
        """Open the account. 400 `link_invalid`, 403 `password_does_not_fit`."""
        confirming.confirm(**validated(Confirmation, request), at=now())
        return Response(status=204)


class ConfirmationAgain(OpenEndpoint):
    """The confirmation mail once more."""

    limit = RateLimit("20/min", by="address")

    @extend_schema(operation_id="resend_confirmation", request=Whose, responses={202: None})
    def post(self, request: Request) -> Response:
        """Mail the link again, if there is anything to confirm; the answer does not tell."""
        confirming.ask_again(**validated(Whose, request), at=now())
        return Response(status=202)


class ChangeEmail(Endpoint):
    """Another address."""

    access = member
    limit = RateLimit("10/min", by="user")

    @extend_schema(operation_id="change_email", request=NewAddress, responses={202: None})
    def post(self, request: Request) -> Response:
        """Mail a link to the new address; the account moves when it is opened."""
        wanted = validated(NewAddress, request)
        changing_email.ask_to_change(by=request.user.user_id, **wanted, origin=origin_of(request), at=now())
        return Response(status=202)


class ConfirmChange(OpenEndpoint):
    """Confirming another address."""

    limit = RateLimit("60/min", by="address")

    @extend_schema(operation_id="confirm_email_change", request=LinkToken, responses={204: None})
    def post(self, request: Request) -> Response:
        """Move the account to the address the link went to. All sessions end."""
        changing_email.change(**validated(LinkToken, request), at=now())
        return Response(status=204)


class Unlock(OpenEndpoint):
    """Lifting a lock-out."""

    limit = RateLimit("60/min", by="address")

    @extend_schema(operation_id="unlock", request=LinkToken, responses={204: None})
    def post(self, request: Request) -> Response:
        """Open the door that five wrong passwords shut."""
        lockout.unlock(**validated(LinkToken, request), at=now())
        return Response(status=204)


urlpatterns = [
    path("email/confirm", ConfirmEmail.as_view()),
    path("email/confirm/resend", ConfirmationAgain.as_view()),
    path("email/change", ChangeEmail.as_view()),
    path("email/change/confirm", ConfirmChange.as_view()),
    path("unlock", Unlock.as_view()),
]
