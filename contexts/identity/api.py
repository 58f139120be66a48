"""Identity over HTTP."""

import functools
import zoneinfo
from typing import Any

from django.urls import path
from django.utils.timezone import now
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import profile, registering, rules, second_factor, sessions, signing_in
from contexts.identity.models import User
from contexts.identity.sessions import Origin
from kernel.access import RateLimit, address_of, anyone, member
from kernel.http import Endpoint, validated


def _name() -> serializers.CharField:
    """A display name: printable, so that no chat or log can be drawn over with control characters."""
    return serializers.RegexField(r"^[^\x00-\x1f\x7f-\x9f]+$", max_length=rules.MAX_NAME_LENGTH)


@functools.cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _known_time_zone(name: str) -> None:
    if name not in _time_zones():
        raise serializers.ValidationError("This is not a time zone of the IANA database.", code="unknown_time_zone")


class Address(serializers.EmailField):
    """An e-mail address, in lower case before its length is judged: some letters grow."""

    def to_internal_value(self, data: Any) -> str:
        """The address as it is kept."""
        return str(super().to_internal_value(data)).lower()


class Registering(serializers.Serializer):
    """What it takes to get an account."""

    email = Address(max_length=254)
    password = serializers.CharField(trim_whitespace=False, max_length=rules.MAX_PASSWORD_LENGTH)
    display_name = _name()
    birth_date = serializers.DateField()


class Registered(serializers.Serializer):
    """The same for new addresses and for those that have an account already."""

    user_id = serializers.UUIDField()


class SigningIn(serializers.Serializer):
    """`otp`, or a recovery code, is asked for (401 `otp_required`) where a second factor is enrolled."""

    email = serializers.CharField(max_length=254)
    password = serializers.CharField(trim_whitespace=False, max_length=rules.MAX_PASSWORD_LENGTH)
    otp = serializers.CharField(max_length=32, required=False, allow_blank=True, allow_null=True)


class Refreshing(serializers.Serializer):
    """A refresh token, good once."""

    refresh = serializers.CharField(max_length=4096)


class TokenPair(serializers.Serializer):
    """`expires_in`: seconds of life of the access token."""

    access = serializers.CharField()
    refresh = serializers.CharField()
    expires_in = serializers.IntegerField()


class Grant(serializers.Serializer):
    """An access token with a fresh second factor; the refresh token stays as it was."""

    access = serializers.CharField()
    expires_in = serializers.IntegerField()


class Code(serializers.Serializer):
    """A code of the authenticator app; a recovery code does as well where one is enrolled."""

    code = serializers.CharField(max_length=32)


class TotpEnrolment(serializers.Serializer):
    """The seed in base32, and as an otpauth URI to draw as a QR code."""

    secret = serializers.CharField()
    uri = serializers.CharField()


class TotpEnrolled(Grant):
    """Recovery codes, shown this once, and an access token that knows of the second factor."""

    recovery_codes = serializers.ListField(child=serializers.CharField())


class ProfileChange(serializers.Serializer):
    """Any of these fields; those left out stay as they are."""

    display_name = _name()
    sex = serializers.ChoiceField(rules.SEXES)
    body_mass_kg = serializers.FloatField(
        min_value=rules.BODY_MASS_KG[0], max_value=rules.BODY_MASS_KG[1], allow_null=True
    )
    hr_max = serializers.IntegerField(min_value=rules.HR_MAX_BPM[0], max_value=rules.HR_MAX_BPM[1], allow_null=True)
    time_zone = serializers.CharField(max_length=64, validators=[_known_time_zone])
    locale = serializers.ChoiceField(rules.LOCALES)
    profile_visibility = serializers.ChoiceField(rules.PROFILE_VISIBILITIES)
    workout_visibility = serializers.ChoiceField(rules.WORKOUT_VISIBILITIES)


class Profile(ProfileChange):
    """A person as they see themselves."""

    user_id = serializers.UUIDField(source="pk")
    email = serializers.EmailField()
    age = serializers.SerializerMethodField()
    membership = serializers.ChoiceField(rules.MEMBERSHIPS)
    roles = serializers.ListField(child=serializers.ChoiceField(("member", *rules.ROLES)), source="held_roles")
    second_factor = serializers.SerializerMethodField()

    def get_age(self, person: User) -> int:
        """Completed years; the birth date itself is never shown."""
        return person.age(on=now().date())

    def get_second_factor(self, person: User) -> bool:
        """Whether signing in takes a code."""
        return second_factor.is_enrolled(user_id=person.pk)


class OpenEndpoint(Endpoint):
    """For people without a token: one that came along, perhaps expired, is not even looked at."""

    access = anyone
    authentication_classes = []


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
        return Response(TokenPair(signing_in.sign_in(**wanted, origin=_origin(request), at=now())).data)


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
        sessions.revoke_session(session_id=request.user.session_id, at=now())
        return Response(status=204)


class Me(Endpoint):
    """One's own profile."""

    access = member

    @extend_schema(operation_id="get_me", responses=Profile)
    def get(self, request: Request) -> Response:
        """Oneself."""
        return Response(Profile(profile.get_profile(user_id=request.user.user_id)).data)

    @extend_schema(operation_id="change_me", request=ProfileChange(partial=True), responses=Profile)
    def patch(self, request: Request) -> Response:
        """Change some fields. What a token carries (time zone) follows with the next refresh."""
        wanted = validated(ProfileChange, request, partial=True)
        person = profile.change_profile(by=request.user.user_id, changes=wanted, at=now())
        return Response(Profile(person).data)


class Totp(Endpoint):
    """Enrolling an authenticator app."""

    access = member
    limit = RateLimit("10/min", by="user")

    @extend_schema(operation_id="enrol_totp", request=None, responses=TotpEnrolment)
    def post(self, request: Request) -> Response:
        """Get a seed for an authenticator app. It counts once confirmed, in the same session."""
        made = second_factor.begin_enrolment(**_asking(request), at=now())
        return Response(TotpEnrolment(made).data)


class TotpConfirmation(Endpoint):
    """Confirming an authenticator app."""

    access = member
    limit = RateLimit("30/min", by="user")

    @extend_schema(operation_id="confirm_totp", request=Code, responses=TotpEnrolled)
    def post(self, request: Request) -> Response:
        """Prove that the app has the seed; from now on signing in takes a code."""
        made = second_factor.confirm_enrolment(**_asking(request), **validated(Code, request), at=now())
        return Response(TotpEnrolled(made).data)


class StepUp(Endpoint):
    """Showing the second factor again."""

    access = member
    limit = RateLimit("30/min", by="user")

    @extend_schema(operation_id="step_up", request=Code, responses=Grant)
    def post(self, request: Request) -> Response:
        """Get an access token that opens medical data for 15 minutes."""
        made = second_factor.step_up(**_asking(request), **validated(Code, request), at=now())
        return Response(Grant(made).data)


def _origin(request: Request) -> Origin:
    return Origin(address=address_of(request), user_agent=request.META.get("HTTP_USER_AGENT", ""))


def _asking(request: Request) -> dict[str, Any]:
    return {"by": request.user.user_id, "session_id": request.user.session_id}


urlpatterns = [
    path("register", Register.as_view()),
    path("login", Login.as_view()),
    path("refresh", Refresh.as_view()),
    path("logout", Logout.as_view()),
    path("me", Me.as_view()),
    path("mfa/totp", Totp.as_view()),
    path("mfa/totp/confirm", TotpConfirmation.as_view()),
    path("mfa/step-up", StepUp.as_view()),
]
