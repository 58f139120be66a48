"""Sessions, their tokens, the counts that shut doors, and what is mailed to open them."""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from contexts.identity import rules
from contexts.identity.models.people import User
from kernel.models import uuid7


class Session(models.Model):
    """One sign-in on one device. Its id is the `sid` of every token given out for it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    started_at = models.DateTimeField()
    last_seen_at = models.DateTimeField(help_text="Moves with each refresh, so to about ten minutes.")
    address = models.CharField(max_length=45, help_text="The network it came from, not the host.")
    user_agent = models.CharField(max_length=200, blank=True)
    signed_in_with = models.CharField(max_length=40, default="password", help_text="password, passkey, external …")
    app = models.ForeignKey("identity.OAuthApp", on_delete=models.CASCADE, null=True, related_name="sessions")
    scopes = ArrayField(models.CharField(max_length=40), default=list, help_text="What the app may do; empty: ours.")
    mfa_at = models.DateTimeField(null=True, help_text="When a second factor was last shown.")
    mfa_with = models.CharField(max_length=8, default=rules.CODE, help_text="What it was: otp, hwk.")
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
    account = models.CharField(max_length=64, blank=True, db_index=True, help_text="Digest of the account's address.")
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


class MailedLink(models.Model):
    """A link in a mail, good once and for a while. The mail carries the id, signed: this table opens nothing."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="mailed_links")
    purpose = models.CharField(max_length=20, choices=[(name, name) for name in rules.LINK_LIFETIMES])
    address = models.EmailField(help_text="Where it goes; for a change of address, the new one.")
    door = models.CharField(max_length=64, blank=True, help_text="The lock-out that an unlock link lifts.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["user", "purpose"], name="identity_links_of_user")]

    def __str__(self) -> str:
        return f"{self.purpose} for {self.user_id}"


class ScheduledMail(models.Model):
    """A letter of the welcome series, and when it is due (ID-8)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="scheduled_mails")
    letter = models.CharField(max_length=40)
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "letter"], name="identity_each_letter_once")]
        indexes = [
            models.Index(fields=["due_at"], name="identity_letters_due", condition=Q(sent_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.letter} to {self.user_id}"
