"""Passwords over HTTP: how strong one is, a new one for a known or a forgotten one."""

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import changing_password, passwords, rules
from contexts.identity.api.addresses import LinkToken, Whose
from contexts.identity.api.forms import OpenEndpoint, TokenPair, asking, origin_of
from kernel.access import RateLimit, member
from kernel.http import Endpoint, validated


def _password() -> serializers.CharField:
    return serializers.CharField(trim_whitespace=False, max_length=rules.MAX_PASSWORD_LENGTH)


class Candidate(serializers.Serializer):
    """A password to judge, beside what it must not resemble."""

    password = _password()
    email = serializers.CharField(max_length=254, required=False, allow_blank=True)
    display_name = serializers.CharField(max_length=rules.MAX_NAME_LENGTH, required=False, allow_blank=True)


class PasswordStrength(serializers.Serializer):
    """`score` from 0 (guessed at once) to 4 (very strong); `reasons` are why we would refuse it."""

    score = serializers.IntegerField(min_value=0, max_value=4)
    acceptable = serializers.BooleanField()
    reasons = serializers.ListField(child=serializers.CharField())
    hint = serializers.CharField()


class Reset(LinkToken):
    """The link's token and the new password."""

    password = _password()


class Change(serializers.Serializer):
    """The password as it is, and as it shall be."""

    password = _password()
    new_password = _password()


class Strength(OpenEndpoint):
    """How strong a password is."""

    limit = RateLimit("120/min", by="address")

    @extend_schema(operation_id="judge_password", request=Candidate, responses=PasswordStrength)
    def post(self, request: Request) -> Response:
        """Judge a password; nothing of it is kept."""
        return Response(PasswordStrength(passwords.strength(**validated(Candidate, request))).data)


class Forgotten(OpenEndpoint):
    """A forgotten password."""

    limit = RateLimit("20/min", by="address")

    @extend_schema(operation_id="forget_password", request=Whose, responses={202: None})
    def post(self, request: Request) -> Response:
        """Mail a link to choose a new one; the answer does not tell whether the address has an account."""
        changing_password.ask_to_reset(**validated(Whose, request), at=now())
        return Response(status=202)


class ResetPassword(OpenEndpoint):
    """A new password by mail."""

    limit = RateLimit("60/min", by="address")

    @extend_schema(operation_id="reset_password", request=Reset, responses={204: None})
    def post(self, request: Request) -> Response:
        """Set it. All sessions end; a second factor stays. 400 `link_invalid`."""
        changing_password.reset(**validated(Reset, request), at=now())
        return Response(status=204)


class ChangePassword(Endpoint):
    """Another password."""

    access = member
    limit = RateLimit("10/min", by="user")

    @extend_schema(operation_id="change_password", request=Change, responses=TokenPair)
    def post(self, request: Request) -> Response:
        """Replace it. All sessions end; the answer signs this device in anew. 403 `password_is_wrong`."""
        wanted = validated(Change, request)
        made = changing_password.change(**asking(request), **wanted, origin=origin_of(request), at=now())
        return Response(TokenPair(made).data)


urlpatterns = [
    path("password/strength", Strength.as_view()),
    path("password/forgotten", Forgotten.as_view()),
    path("password/reset", ResetPassword.as_view()),
    path("password/change", ChangePassword.as_view()),
]
