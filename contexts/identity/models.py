"""Identity's aggregates: the person, their sessions, and the counts that shut doors."""

from datetime import date, datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
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
    profile_visibility = models.CharField(
        max_length=8, choices=_choices(rules.PROFILE_VISIBILITIES), default="private"
    )
    workout_visibility = models.CharField(
        max_length=8, choices=_choices(rules.WORKOUT_VISIBILITIES), default="private"
    )
    membership = models.CharField(max_length=7, choices=_choices(rules.MEMBERSHIPS), default="free")
    roles = ArrayField(models.CharField(max_length=20), default=list, blank=True, help_text="Besides member.")
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True, help_text="A blocked person is not active.")
    registered_at = models.DateTimeField(null=True)
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
            _one_of("profile_visibility", rules.PROFILE_VISIBILITIES),
            _one_of("workout_visibility", rules.WORKOUT_VISIBILITIES),
            _within("body_mass_kg", rules.BODY_MASS_KG),
            _within("hr_max", rules.HR_MAX_BPM),
        ]
        permissions = [
            ("block_user", "Can block and unblock people"),
            ("view_physiology", "Can see birth date, sex, body mass and heart rate limit"),
        ]

    def __str__(self) -> str:
        return self.display_name

    @property
    def held_roles(self) -> list[str]:
        """Every role of the person: all are members."""
        return ["member", *sorted(self.roles)]

    def age(self, *, on: date) -> int:
        """Completed years."""
        return rules.age_on(self.birth_date, on)


class Session(models.Model):
    """One sign-in on one device. Its id is the `sid` of every token given out for it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    started_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(help_text="Moves with each refresh, so to about ten minutes.")
    address = models.CharField(max_length=45, help_text="The network it came from, not the host.")
    user_agent = models.CharField(max_length=200, blank=True)
    mfa_at = models.DateTimeField(null=True, help_text="When a second factor was last shown.")
    pending_totp = models.TextField(blank=True, help_text="A seed being enrolled, encrypted.")
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["user", "-started_at"], name="identity_session_of_user"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} since {self.started_at:%Y-%m-%d %H:%M}"

    @property
    def is_open(self) -> bool:
        """Whether tokens of this session are honoured."""
        return self.revoked_at is None and self.user.is_active


class RefreshToken(models.Model):
    """A refresh token given out, by the SHA-256 of its id. Each is used once and has one successor (I3)."""

    jti_sha256 = models.CharField(max_length=64, primary_key=True)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="refresh_tokens")
    parent = models.OneToOneField("self", on_delete=models.SET_NULL, null=True, related_name="successor")
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="identity_refresh_expired")]

    def __str__(self) -> str:
        return f"{self.session_id} issued {self.issued_at:%Y-%m-%d %H:%M}"


class Lockout(models.Model):
    """Failed tries at one door: an account from one address, or a person's second factor.

    The key is a keyed digest, so the table names nobody and counts for unknown addresses just the same.
    """

    key = models.CharField(max_length=64, primary_key=True)
    failures = models.PositiveSmallIntegerField(default=0)
    lockouts = models.PositiveSmallIntegerField(default=0)
    last_failed_at = models.DateTimeField(null=True)
    locked_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(failures__lt=rules.MAX_FAILURES)
                | Q(failures=rules.MAX_FAILURES, locked_until__gt=F("last_failed_at")),
                name="identity_lockout_after_five",
            ),
        ]
        indexes = [models.Index(fields=["last_failed_at"], name="identity_lockout_old")]

    def __str__(self) -> str:
        return f"{self.failures} failures"

    @property
    def known(self) -> rules.Failures:
        """The count as the rules see it."""
        return rules.Failures(
            failures=self.failures,
            lockouts=self.lockouts,
            last_failed_at=self.last_failed_at,
            locked_until=self.locked_until,
        )

    def count(self, *, at: datetime) -> None:
        """One failure more."""
        after = rules.after_failure(self.known, at=at)
        self.failures, self.lockouts = after.failures, after.lockouts
        self.last_failed_at, self.locked_until = after.last_failed_at, after.locked_until
        self.save()

    def forget(self) -> None:
        """The right answer was given: start from nothing."""
        self.failures, self.lockouts, self.last_failed_at, self.locked_until = 0, 0, None, None
        self.save()
