"""What happened, what was agreed to, and who decides: audit, consents, exports, erasures, the security policy."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from contexts.identity.models.people import User
from kernel.models import uuid7


class AuditEntry(models.Model):
    """Who did what, on whose data, from where and why (ID-6). Rows are only ever added, each sealing the one before.

    People stand here by their ids alone: an erased person's id leads nowhere.
    """

    position = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    actor = models.UUIDField(null=True, help_text="Nobody: the system itself.")
    actor_kind = models.CharField(max_length=10)
    action = models.CharField(max_length=60)
    subject = models.UUIDField(null=True, help_text="Whose data.")
    network = models.CharField(max_length=45, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    claims = models.JSONField(default=dict, help_text="How the actor had signed in: amr, mfa_at, app.")
    correlation_id = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, help_text="SHA-256 over the digest before and this row.")

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["subject", "-position"], name="identity_audit_subject"),
            models.Index(fields=["actor", "-position"], name="identity_audit_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.position} {self.action}"


class AuditHead(models.Model):
    """Where the audit ends: the newest entry's position and digest, in one row that writers lock in turn.

    An entry cut off from the end would leave a chain that is whole; this row knows that it was longer.
    """

    id = models.BooleanField(primary_key=True, default=True)
    position = models.BigIntegerField(default=0)
    digest = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=True), name="identity_audit_has_one_head")]

    def __str__(self) -> str:
        return f"the audit ends at {self.position}"


class SecurityPolicy(models.Model):
    """Access rules and rate limits that tighten what the code declares (ID-4). Each change is a new version."""

    version = models.AutoField(primary_key=True)
    rules = models.JSONField(default=dict)
    note = models.CharField(max_length=200)
    made_by = models.UUIDField(null=True)
    made_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "security policies"

    def __str__(self) -> str:
        return f"version {self.version}"


class Consent(models.Model):
    """A person's yes or no to a purpose and its text's version, at a time. The newest of a purpose counts (ID-10)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="consents")
    purpose = models.CharField(max_length=40)
    version = models.CharField(max_length=20)
    given = models.BooleanField()
    decided_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["user", "purpose", "-decided_at"], name="identity_consent_newest")]

    def __str__(self) -> str:
        return f"{self.purpose} {self.version}: {self.given}"


class DataExport(models.Model):
    """Everything about a person, being collected from all contexts into one archive (ID-10)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="exports")
    requested_at = models.DateTimeField()
    parts = models.JSONField(default=dict, help_text="Rows by context, of those that have answered.")
    ready_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"export of {self.user_id}"


class Erasure(models.Model):
    """An account being erased from every context; what remains afterwards is that it happened (ID-10)."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField(unique=True)
    requested_at = models.DateTimeField()
    erased_in = ArrayField(models.CharField(max_length=40), default=list)
    completed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"erasure {self.id}"
