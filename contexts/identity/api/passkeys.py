"""Passkeys over HTTP. Options and credentials are the JSON of WebAuthn Level 3, as browsers read and write it."""

import json
from typing import Any
from uuid import UUID

from django.urls import path
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import passkeys
from contexts.identity.api.forms import Grant, OpenEndpoint, TokenPair, asking, origin_of
from kernel.access import RateLimit, member
from kernel.http import Endpoint, validated

LONGEST_CREDENTIAL = 20_000


def _not_too_long(credential: dict[str, Any]) -> None:
    if len(json.dumps(credential)) > LONGEST_CREDENTIAL:
        raise serializers.ValidationError(_("The credential is too long."), code="too_long")


class PasskeyAnswer(serializers.Serializer):
    """What the authenticator said (`PublicKeyCredential.toJSON()`), and to which challenge."""

    challenge_id = serializers.CharField(max_length=64)
    credential = serializers.DictField(validators=[_not_too_long])


class NewPasskey(PasskeyAnswer):
    """A passkey that a browser has made, and what to call it."""

    name = serializers.RegexField(r"^[^\x00-\x1f\x7f-\x9f]+$", max_length=40)


class PasskeyChallenge(serializers.Serializer):
    """Options for `navigator.credentials`; the answer names `challenge_id` and has five minutes."""

    challenge_id = serializers.CharField()
    options = serializers.DictField()


class PasskeyAdded(serializers.Serializer):
    """The passkey. With the first second factor come recovery codes, shown this once."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    recovery_codes = serializers.ListField(child=serializers.CharField())


class Registration(Endpoint):
    """Beginning to make a passkey."""

    access = member
    limit = RateLimit("10/min", by="user")

    @extend_schema(operation_id="begin_passkey", request=None, responses=PasskeyChallenge)
    def post(self, request: Request) -> Response:
        """Get options for `navigator.credentials.create`. Takes a recent sign-in (403 `sign_in_again`)."""
        made = passkeys.begin_registration(**asking(request), at=now())
        return Response(PasskeyChallenge(made).data)


class Passkeys(Endpoint):
    """One's passkeys."""

    access = member
    limit = RateLimit("10/min", by="user")

    @extend_schema(operation_id="add_passkey", request=NewPasskey, responses={201: PasskeyAdded})
    def post(self, request: Request) -> Response:
        """Keep the passkey; from now on signing in with a password takes a second factor."""
        made = passkeys.register(**asking(request), **validated(NewPasskey, request), at=now())
        return Response(PasskeyAdded(made).data, status=201)


class OnePasskey(Endpoint):
    """One of one's passkeys."""

    access = member

    @extend_schema(operation_id="remove_passkey", responses={204: None})
    def delete(self, request: Request, passkey_id: UUID) -> Response:
        """Forget this passkey. Takes a recent sign-in (403 `sign_in_again`)."""
        passkeys.remove(**asking(request), passkey_id=passkey_id, at=now())
        return Response(status=204)


class SignInOptions(OpenEndpoint):
    """Beginning to sign in with a passkey."""

    limit = RateLimit("60/min", by="address")

    @extend_schema(operation_id="begin_passkey_sign_in", request=None, responses=PasskeyChallenge)
    def post(self, request: Request) -> Response:
        """Get options for `navigator.credentials.get`; nobody has to say who they are."""
        return Response(PasskeyChallenge(passkeys.ask_to_sign_in()).data)


class SignIn(OpenEndpoint):
    """Signing in with a passkey."""

    limit = RateLimit("60/min", by="address")

    @extend_schema(operation_id="sign_in_with_passkey", request=PasskeyAnswer, responses=TokenPair)
    def post(self, request: Request) -> Response:
        """Begin a session; it counts as a second factor too. 401 `passkey_refused`, 400 `challenge_invalid`."""
        wanted = validated(PasskeyAnswer, request)
        return Response(TokenPair(passkeys.sign_in(**wanted, origin=origin_of(request), at=now())).data)


class StepUpOptions(Endpoint):
    """Beginning to show a passkey again."""

    access = member
    limit = RateLimit("30/min", by="user")

    @extend_schema(operation_id="begin_passkey_step_up", request=None, responses=PasskeyChallenge)
    def post(self, request: Request) -> Response:
        """Get options for `navigator.credentials.get`, for one's own passkeys."""
        made = passkeys.ask_for_second_factor(user_id=request.user.user_id, purpose="step_up")
        return Response(PasskeyChallenge(made).data)


class StepUp(Endpoint):
    """Showing a passkey again."""

    access = member
    limit = RateLimit("30/min", by="user")

    @extend_schema(operation_id="step_up_with_passkey", request=PasskeyAnswer, responses=Grant)
    def post(self, request: Request) -> Response:
        """Get an access token that opens medical data for 15 minutes."""
        made = passkeys.step_up(**asking(request), **validated(PasskeyAnswer, request), at=now())
        return Response(Grant(made).data)


urlpatterns = [
    path("passkeys/options", Registration.as_view()),
    path("passkeys", Passkeys.as_view()),
    path("passkeys/<uuid:passkey_id>", OnePasskey.as_view()),
    path("passkeys/sign-in/options", SignInOptions.as_view()),
    path("passkeys/sign-in", SignIn.as_view()),
    path("mfa/step-up/passkey/options", StepUpOptions.as_view()),
    path("mfa/step-up/passkey", StepUp.as_view()),
]
