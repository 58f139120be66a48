"""Getting an account, signing in, carrying a session on, ending it."""

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import registering, rules, sessions, signing_in
from contexts.identity.api.forms import Address, OpenEndpoint, TokenPair, display_name, origin_of
from contexts.identity.api.passkeys import PasskeyAnswer
from kernel.access import RateLimit, member
from kernel.http import Endpoint, validated


class Registering(serializers.Serializer):
    """What it takes to get an account."""

    email = Address(max_length=254)
    password = serializers.CharField(trim_whitespace=False, max_length=rules.MAX_PASSWORD_LENGTH)
    display_name = display_name()
    birth_date = serializers.DateField()


class Registered(serializers.Serializer):
    """The same for new addresses and for those that have an account already."""

    user_id = serializers.UUIDField()


class SigningIn(serializers.Serializer):
    """A second factor is asked for where one is enrolled: `otp` (or a recovery code), or what a `passkey` answered.

    The 401 `otp_required` names the `mfa_methods` that would do; with a passkey among them, `passkey` holds its
    challenge: `challenge_id` and `options`.
    """

    email = serializers.CharField(max_length=254)
    password = serializers.CharField(trim_whitespace=False, max_length=rules.MAX_PASSWORD_LENGTH)
    otp = serializers.CharField(max_length=32, required=False, allow_blank=True, allow_null=True)
    passkey = PasskeyAnswer(required=False, allow_null=True)


class Refreshing(serializers.Serializer):
    """A refresh token, good once."""

    refresh = serializers.CharField(max_length=4096)


class Register(OpenEndpoint):
    """Get an account."""

    limit = RateLimit("60/min", by="address")

    @extend_schema(operation_id="register", request=Registering, responses={201: Registered})
    def post(self, request: Request) -> Response:
        """Open an account, private in everything. The answer does not tell whether the address had one."""
        made = registering.register(**validated(Registering, request), at=now())
        return Response({"user_id": made.user_id}, status=201)


class Login(OpenEndpoint):
    """Begin a session."""

    limit = RateLimit("120/min", by="address")

    @extend_schema(operation_id="login", request=SigningIn, responses=TokenPair)
    def post(self, request: Request) -> Response:
        """Sign in. 401 `invalid_credentials`, `otp_required`, `otp_invalid`; 429 `locked_out` after five."""
        wanted = {"otp": None} | validated(SigningIn, request)
        return Response(TokenPair(signing_in.sign_in(**wanted, origin=origin_of(request), at=now())).data)


class Refresh(OpenEndpoint):
    """Carry a session on."""

    limit = RateLimit("120/min", by="address")

    @extend_schema(operation_id="refresh", request=Refreshing, responses=TokenPair)
    def post(self, request: Request) -> Response:
        """Exchange a refresh token, once. A second use of the same token ends the whole session."""
        wanted = validated(Refreshing, request)
        return Response(TokenPair(sessions.refresh(token=wanted["refresh"], at=now())).data)


class Logout(Endpoint):
    """End the session."""

    access = member

    @extend_schema(operation_id="logout", request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        """End the session of this token: every token of it is refused from now on."""
        sessions.revoke_session(session_id=request.user.session_id, reason="signed_out", at=now())
        return Response(status=204)


urlpatterns = [
    path("register", Register.as_view()),
    path("login", Login.as_view()),
    path("refresh", Refresh.as_view()),
    path("logout", Logout.as_view()),
]
