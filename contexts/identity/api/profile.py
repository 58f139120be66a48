"""One's own profile over HTTP."""

import functools
import zoneinfo

from django.urls import path
from django.utils.timezone import now
from django.utils.translation import gettext as _
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from contexts.identity import profile, rules, second_factor
from contexts.identity.api.forms import display_name
from contexts.identity.models import User
from kernel.access import member
from kernel.http import Endpoint, validated


@functools.cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _known_time_zone(name: str) -> None:
    if name not in _time_zones():
        raise serializers.ValidationError("This is not a time zone of the IANA database.", code="unknown_time_zone")


def _readable(text: str) -> None:
    if not text.replace("\n", "").isprintable():
        raise serializers.ValidationError(_("Use characters that can be read."), code="unreadable")


class FieldVisibility(serializers.Serializer):
    """Who may see each field of the profile; a field that is not named keeps what it had."""

    def get_fields(self) -> dict[str, serializers.Field]:
        """One choice for each field of `rules.VISIBLE_FIELDS`."""
        return {name: serializers.ChoiceField(rules.VISIBILITIES, required=False) for name in rules.VISIBLE_FIELDS}


class ProfileChange(serializers.Serializer):
    """Any of these fields; those left out stay as they are."""

    display_name = display_name()
    sex = serializers.ChoiceField(rules.SEXES)
    body_mass_kg = serializers.FloatField(
        min_value=rules.BODY_MASS_KG[0], max_value=rules.BODY_MASS_KG[1], allow_null=True
    )
    hr_max = serializers.IntegerField(min_value=rules.HR_MAX_BPM[0], max_value=rules.HR_MAX_BPM[1], allow_null=True)
    time_zone = serializers.CharField(max_length=64, validators=[_known_time_zone])
    locale = serializers.ChoiceField(rules.LOCALES)
    units = serializers.ChoiceField(rules.UNITS)
    about = serializers.CharField(max_length=500, allow_blank=True, validators=[_readable])
    city = serializers.CharField(max_length=80, allow_blank=True, validators=[_readable])
    visibility = FieldVisibility()


class Profile(ProfileChange):
    """A person as they see themselves."""

    visibility = FieldVisibility(source="shown_to_whom")
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


class Me(Endpoint):
    """One's own profile."""

    access = member
    scope = {"GET": "profile:read"}

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


urlpatterns = [
    path("me", Me.as_view()),
]
