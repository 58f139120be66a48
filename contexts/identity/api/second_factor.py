"""The second factor over HTTP."""

from dataclasses import asdict

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import passkeys, second_factor
from contexts.identity.api.forms import Grant, asking
from kernel.access import RateLimit, member
from kernel.http import Endpoint, validated


class Code(serializers.Serializer):
    """A code of the authenticator app; a recovery code does as well where one is enrolled."""

    code = serializers.CharField(max_length=32)


class TotpEnrolment(serializers.Serializer):
    """The seed in base32, as an otpauth URI, and that as a QR code (`data:image/svg+xml;base64,…`)."""

    secret = serializers.CharField()
    uri = serializers.CharField()
    qr = serializers.CharField()


class RecoveryCodes(serializers.Serializer):
    """Recovery codes, shown this once, each good once."""

    recovery_codes = serializers.ListField(child=serializers.CharField())


class TotpEnrolled(Grant):
    """Recovery codes, shown this once (none where some are left), and a token that knows of the second factor."""

    recovery_codes = serializers.ListField(child=serializers.CharField())


class PasskeyItem(serializers.Serializer):
    """A passkey."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    added_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)


class SecondFactors(serializers.Serializer):
    """With what a person can show a second factor."""

    totp = serializers.BooleanField()
    passkeys = PasskeyItem(many=True)
    recovery_codes_left = serializers.IntegerField()


class Mfa(Endpoint):
    """What is enrolled."""

    access = member

    @extend_schema(operation_id="get_second_factors", responses=SecondFactors)
    def get(self, request: Request) -> Response:
        """See one's authenticator app, passkeys, and how many recovery codes are left."""
        user_id = request.user.user_id
        codes, keys = second_factor.codes_of(user_id=user_id), passkeys.passkeys_of(user_id=user_id)
        return Response(SecondFactors(asdict(codes) | {"passkeys": keys}).data)


class Totp(Endpoint):
    """Enrolling an authenticator app, and removing it."""

    access = member
    limit = RateLimit("10/min", by="user")

    @extend_schema(operation_id="enrol_totp", request=None, responses=TotpEnrolment)
    def post(self, request: Request) -> Response:
        """Get a seed for an authenticator app. It counts once confirmed, in the same session."""
        made = second_factor.begin_enrolment(**asking(request), at=now())
        return Response(TotpEnrolment(made).data)

    @extend_schema(operation_id="remove_totp", request=Code, responses={204: None})
    def delete(self, request: Request) -> Response:
        """Remove the authenticator app; the body carries a `code`. Takes a recent sign-in (403 `sign_in_again`)."""
        second_factor.remove_totp(**asking(request), **validated(Code, request), at=now())
        return Response(status=204)


class TotpConfirmation(Endpoint):
    """Confirming an authenticator app."""

    access = member
    limit = RateLimit("30/min", by="user")

    @extend_schema(operation_id="confirm_totp", request=Code, responses=TotpEnrolled)
    def post(self, request: Request) -> Response:
        """Prove that the app has the seed; from now on signing in takes a code."""
        made = second_factor.confirm_enrolment(**asking(request), **validated(Code, request), at=now())
        return Response(TotpEnrolled(made).data)


class RecoveryCodeSet(Endpoint):
    """Recovery codes."""

    access = member
    limit = RateLimit("10/min", by="user")

    @extend_schema(operation_id="renew_recovery_codes", request=None, responses=RecoveryCodes)
    def post(self, request: Request) -> Response:
        """Get a new set; the old ones are worth nothing. Takes a second factor of the last 15 minutes."""
        made = second_factor.renew_recovery_codes(**asking(request), at=now())
        return Response({"recovery_codes": made})


class StepUp(Endpoint):
    """Showing the second factor again."""

    access = member
    limit = RateLimit("30/min", by="user")

    @extend_schema(operation_id="step_up", request=Code, responses=Grant)
    def post(self, request: Request) -> Response:
        """Get an access token that opens medical data for 15 minutes."""
        made = second_factor.step_up(**asking(request), **validated(Code, request), at=now())
        return Response(Grant(made).data)


urlpatterns = [
    path("mfa", Mfa.as_view()),
    path("mfa/totp", Totp.as_view()),
    path("mfa/totp/confirm", TotpConfirmation.as_view()),
    path("mfa/recovery-codes", RecoveryCodeSet.as_view()),
    path("mfa/step-up", StepUp.as_view()),
]
