"""The person, and what they say about themselves."""

from datetime import date, datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from contexts.identity import rules
from kernel.models import uuid7


def _one_of(field: str, values: tuple[str, ...]) -> models.CheckConstraint:
    return models.CheckConstraint(condition=Q(**{f"{field}__in": values}), name=f"identity_user_{field}_known")


def _within(field: str, bounds: tuple[float, float]) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=Q(**{f"{field}__isnull": True}) | Q(**{f"{field}__range": bounds}),
        name=f"identity_user_{field}_range",
    )


def _choices(values: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(value, value.replace("_", " ")) for value in values]


class UserManager(BaseUserManager["User"]):
    """Makes people without the front door: for the command line alone."""

    def create_superuser(
        self, email: str, password: str, display_name: str, birth_date: date, **fields: Any
    ) -> "User":
        """A person who may do everything in the administration."""
        person = self.model(email=email.lower(), display_name=display_name, birth_date=birth_date, **fields)
        person.is_staff = person.is_superuser = True
        person.set_password(password)
        person.save(using=self._db)
        return person

    def get_by_natural_key(self, username: str | None) -> "User":
        """Addresses are kept in lower case, so they are looked up in lower case."""
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Everything about a new one is private until they say otherwise (ID-7)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(unique=True)
    display_name = models.CharField(max_length=rules.MAX_NAME_LENGTH)
    birth_date = models.DateField(help_text="Never shown; ages are derived from it.")
    sex = models.CharField(max_length=12, choices=_choices(rules.SEXES), default="unspecified")
    body_mass_kg = models.FloatField(null=True, blank=True)
    hr_max = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Measured, beats a minute.")
    time_zone = models.CharField(max_length=64, default="UTC")
    locale = models.CharField(max_length=2, choices=_choices(rules.LOCALES), default="en")
    units = models.CharField(max_length=8, choices=_choices(rules.UNITS), default="metric")
    about = models.CharField(max_length=500, blank=True)
    city = models.CharField(max_length=80, blank=True)
    avatar_id = models.UUIDField(null=True, blank=True, help_text="A picture the media context keeps.")
    visibility = models.JSONField(
        default=dict, blank=True, help_text="Who may see a field, by its name; one that is not named: nobody."
    )
    membership = models.CharField(max_length=7, choices=_choices(rules.MEMBERSHIPS), default="free")
    membership_until = models.DateTimeField(null=True, blank=True)
    roles = ArrayField(models.CharField(max_length=20), default=list, blank=True, help_text="Besides member.")
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True, help_text="A blocked person is not active.")
    registered_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True, help_text="When the address was shown to be theirs.")
    password_changed_at = models.DateTimeField(null=True)
    owner_warned_at = models.DateTimeField(null=True, help_text="When a repeated registration was last reported.")

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["display_name", "birth_date"]

    class Meta:
        constraints = [
            # With the unique index above this makes addresses unique whatever their case (I1).
            models.CheckConstraint(condition=Q(email=Lower("email")), name="identity_user_email_lower_case"),
            models.CheckConstraint(
                condition=Q(roles__contained_by=list(rules.ROLES)), name="identity_user_roles_known"
            ),
            _one_of("sex", rules.SEXES),
            _one_of("locale", rules.LOCALES),
            _one_of("membership", rules.MEMBERSHIPS),
            _one_of("units", rules.UNITS),
            _within("body_mass_kg", rules.BODY_MASS_KG),
            _within("hr_max", rules.HR_MAX_BPM),
        ]
        permissions = [
            ("block_user", "Can block and unblock people"),
            ("view_physiology", "Can see birth date, sex, body mass and heart rate limit"),
            ("view_address", "Can see e-mail addresses unmasked"),
            ("grant_membership", "Can make people premium or PRO, and take it away"),
        ]

    def __str__(self) -> str:
        return self.display_name

    def membership_at(self, at: datetime) -> str:
        """What they are entitled to at a moment: a tier that has run out counts as free."""
        is_over = self.membership_until is not None and self.membership_until <= at
        return "free" if is_over else self.membership

    @property
    def shown_to_whom(self) -> dict[str, str]:
        """Who may see each field of the profile."""
        return {field: self.shown_to(field) for field in rules.VISIBLE_FIELDS}

    def shown_to(self, field: str) -> str:
        """Who may see this field: nobody, friends, groups or everyone (ID-7)."""
        return str(self.visibility.get(field, "nobody"))

    @property
    def held_roles(self) -> list[str]:
        """Every role of the person: all are members."""
        return ["member", *sorted(self.roles)]

    def age(self, *, on: date) -> int:
        """Completed years."""
        return rules.age_on(self.birth_date, on)


class MembershipPeriod(models.Model):
    """A time in which somebody is premium or PRO, and why (ID-9). The one in force is copied to the person."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="membership_periods")
    tier = models.CharField(max_length=7, choices=_choices(rules.MEMBERSHIPS[1:]))
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=200)
    granted_by = models.UUIDField(null=True)
    ended_at = models.DateTimeField(null=True, help_text="When it was taken away before its time.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=models.F("starts_at")), name="identity_membership_ends_after_it_starts"
            ),
        ]
        indexes = [models.Index(fields=["user", "-starts_at"], name="identity_membership_of_user")]

    def __str__(self) -> str:
        return f"{self.tier} until {self.ends_at:%Y-%m-%d}"


class CoachGrant(models.Model):
    """What an athlete lets a coach do with their data, by scope, until it is taken back."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    athlete = models.ForeignKey(User, on_delete=models.CASCADE, related_name="coach_grants")
    coach = models.ForeignKey(User, on_delete=models.CASCADE, related_name="athlete_grants")
    scopes = ArrayField(models.CharField(max_length=40))
    granted_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["athlete", "coach"], condition=Q(revoked_at__isnull=True), name="identity_one_grant_a_coach"
            ),
            models.CheckConstraint(
                condition=~Q(athlete=models.F("coach")), name="identity_nobody_coaches_themselves"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.coach_id} coaches {self.athlete_id}"


class PrivacyZone(models.Model):
    """A circle around a home or a workplace that others must not see (ID-7). Its centre is encrypted at rest."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="privacy_zones")
    name = models.CharField(max_length=40)
    sealed_centre = models.TextField(help_text="Latitude and longitude in degrees, encrypted.")
    radius_m = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"zone of {self.user_id}"


class Friendship(models.Model):
    """What social announced, kept here so that a profile can be shown to friends; `user_a` is the smaller id."""

    user_a = models.UUIDField()
    user_b = models.UUIDField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user_a", "user_b"], name="identity_friends_once")]
        indexes = [models.Index(fields=["user_b"], name="identity_friends_of_b")]

    def __str__(self) -> str:
        return f"{self.user_a} and {self.user_b}"


class GroupMember(models.Model):
    """What social announced, kept here so that a profile can be shown to those who share a group."""

    group_id = models.UUIDField()
    user_id = models.UUIDField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user_id", "group_id"], name="identity_group_member_once")]
        indexes = [models.Index(fields=["group_id"], name="identity_members_of_group")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.group_id}"
