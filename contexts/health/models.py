"""Devices, the batches they sent, the readings in them, and who looked at those."""

from datetime import timedelta

from django.db import models
from timescale.db.models.fields import TimescaleDateTimeField

from contexts.health import rules
from contexts.health.archive.models import ColdFile as ColdFile
from contexts.health.archive.models import DataKey as DataKey
from contexts.health.bridging.doubts import Doubt
from contexts.health.imports.models import DataImport as DataImport
from contexts.health.imports.models import ImportedFile as ImportedFile
from contexts.health.imports.models import PhoneSample as PhoneSample
from contexts.health.sealing import sealed_in
from contexts.health.sharing.models import EmergencyAccess as EmergencyAccess
from contexts.health.sharing.models import Grant as Grant
from contexts.health.sharing.terms import Purpose
from kernel.access import CONNECTION_LASTS, MFA_IS_RECENT
from kernel.models import uuid7

MFA_WAS_RECENT = MFA_IS_RECENT + timedelta(minutes=1)
"""The policy looks first and the row is written a moment later."""


class Status(models.TextChoices):
    """What may become of a device."""

    ACTIVE = "active"
    LOST = "lost"
    RETIRED = "retired"


class Device(models.Model):
    """A device that belongs to one person for good; handed on, it is connected anew and is another row.

    A person's own entries come from a device too, of the kind `rules.OWN_SOURCE`, whose secret nobody has; what is
    imported, from one for each `rules.Origin`.

    Readings name it by its `number`, four bytes instead of sixteen.
    """

    number = models.AutoField(primary_key=True)
    device_id = models.UUIDField(unique=True, default=uuid7, editable=False)
    user_id = models.UUIDField(db_index=True)
    name = models.CharField(max_length=80)
    kind = models.CharField(max_length=32)
    sealed_secret = models.BinaryField()
    connected_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    suspended_at = models.DateTimeField(null=True, help_text="When consent to process health data was withdrawn.")
    sealed_next = models.BinaryField(null=True, help_text="The secret which takes over when it is used first.")
    next_until = models.DateTimeField(null=True, help_text="Until when that may happen.")
    lost_at = models.DateTimeField(null=True)
    maker = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=64, blank=True)
    serial = models.CharField(max_length=64, blank=True)
    hardware = models.CharField(max_length=64, blank=True)
    firmware = models.CharField(max_length=64, blank=True)
    software = models.CharField(max_length=64, blank=True)
    received_at = models.DateTimeField(null=True, help_text="When it was handed on to this owner by another one.")
    handover_digest = models.BinaryField(
        null=True, help_text="Of the code with which somebody else may take it over."
    )
    handover_until = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True, help_text="When its calibration was last looked at.")
    calibration_due_at = models.DateTimeField(null=True)
    due_told_at = models.DateTimeField(null=True, help_text="When its owner was told that a calibration is due.")
    sync_from = models.DateTimeField(null=True, help_text="The earliest measurement it was asked for.")
    bridge_number = models.IntegerField(null=True, help_text="The number of the bridge it was connected by.")
    bridge_key = models.BinaryField(null=True, help_text="Digest of what that bridge knows it by.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(sealed_next=None, next_until=None)
                | models.Q(sealed_next__isnull=False, next_until__isnull=False),
                name="health_device_next_secret_has_an_end",
            ),
            models.UniqueConstraint(
                fields=["user_id"], condition=models.Q(kind=rules.OWN_SOURCE), name="health_device_one_own_source"
            ),
            models.UniqueConstraint(
                fields=["user_id", "kind"],
                condition=models.Q(kind__in=rules.ORIGINS),
                name="health_device_one_of_an_origin",
            ),
            models.UniqueConstraint(
                fields=["handover_digest"],
                condition=models.Q(handover_digest__isnull=False),
                name="health_device_one_of_a_code",
            ),
            models.UniqueConstraint(fields=["bridge_number", "bridge_key"], name="health_device_one_of_a_bridge_key"),
            models.CheckConstraint(
                condition=models.Q(bridge_number=None, bridge_key=None)
                | models.Q(bridge_number__isnull=False, bridge_key__isnull=False),
                name="health_device_of_a_bridge_has_a_key",
            ),
        ]
        indexes = [
            models.Index(
                fields=["calibration_due_at"],
                condition=models.Q(calibration_due_at__isnull=False, revoked_at=None),
                name="health_device_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.device_id}"

    @property
    def status(self) -> Status:
        """In use, lost, or retired for good."""
        if self.revoked_at is not None:
            return Status.RETIRED
        return Status.ACTIVE if self.lost_at is None else Status.LOST


class Enrolment(models.Model):
    """A code that connects one device without its owner being there; gone once it is used.

    The code itself is not stored. A person has one at a time: a new one takes the place of the one before.
    """

    code_digest = models.CharField(primary_key=True, max_length=64, editable=False)
    user_id = models.UUIDField(unique=True)
    name = models.CharField(max_length=80, blank=True)
    kind = models.CharField(max_length=32, blank=True)
    expires_at = models.DateTimeField()


class Batch(models.Model):
    """A request's new readings. It finds them again by device, time span and `mark`.

    The mark is 31 random bits of the batch's id: four bytes in each reading and no index of its own. It tells apart
    batches of one device whose spans overlap.
    """

    batch_id = models.UUIDField(primary_key=True)
    device_number = models.IntegerField()
    mark = models.IntegerField()
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    count = models.IntegerField()
    cold = models.IntegerField(db_default=0, help_text="How many of them have gone to cold files since.")
    recorded_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["device_number", "recorded_at"], name="health_batch_of_device")]
        constraints = [
            models.CheckConstraint(condition=models.Q(count__gt=0), name="health_batch_is_not_empty"),
            models.CheckConstraint(
                condition=models.Q(first_at__lte=models.F("last_at")), name="health_batch_ends_after_it_began"
            ),
        ]


def _is_implausible() -> models.Case:
    outside = [
        models.When(stream=stream.value, then=models.Q(value__lt=low) | models.Q(value__gt=high))
        for stream, (low, high) in rules.PLAUSIBLE.items()
    ]
    doubted = models.When(doubt__isnull=False, then=models.Value(True))
    return models.Case(doubted, *outside, default=True, output_field=models.BooleanField())


class Reading(models.Model):
    """One measured value, narrow because there are many: widest columns first, no padding between them.

    `quarantined` is computed by the database, so no way of writing can put an implausible or a doubted value among
    the good ones.
    The primary key is what makes sending a reading twice harmless.
    """

    pk = models.CompositePrimaryKey("device_number", "stream", "time", "sequence")
    time = TimescaleDateTimeField(interval="7 days")
    value = models.FloatField()
    device_number = models.IntegerField()
    sequence = models.IntegerField()
    mark = models.IntegerField()
    stream = models.SmallIntegerField(choices=[(stream.value, stream.name) for stream in rules.Stream])
    doubt = models.SmallIntegerField(
        null=True,
        choices=[(doubt.value, doubt.name) for doubt in Doubt],
        help_text="What the device itself says against the value.",
    )
    quarantined = models.GeneratedField(
        expression=_is_implausible(), output_field=models.BooleanField(), db_persist=True
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(stream__range=(min(rules.Stream).value, max(rules.Stream).value)),
                name="health_reading_stream_is_known",
            ),
            models.CheckConstraint(condition=models.Q(sequence__gte=0), name="health_reading_sequence_counts_up"),
        ]


class Certification(models.Model):
    """What a device was certified for, by which standard, until when; as its owner has it in writing."""

    certification_id = models.UUIDField(primary_key=True, default=uuid7)
    device_number = models.IntegerField(db_index=True)
    standard = models.CharField(max_length=64)
    number = models.CharField(max_length=64)
    issued_by = models.CharField(max_length=80, blank=True)
    valid_from = models.DateField()
    valid_until = models.DateField(null=True)
    added_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(valid_until=None) | models.Q(valid_until__gte=models.F("valid_from")),
                name="health_certification_ends_after_it_began",
            )
        ]


class Calibration(models.Model):
    """A curve that corrects what a device measures from `valid_from` on. Rows are only ever added.

    `points` are pairs of measured and true value, in the stored unit, by rising measured value.
    """

    calibration_id = models.UUIDField(primary_key=True, default=uuid7)
    device_number = models.IntegerField()
    stream = models.SmallIntegerField(choices=[(stream.value, stream.name) for stream in rules.Stream])
    version = models.IntegerField()
    points = models.JSONField()
    valid_from = models.DateTimeField()
    added_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["device_number", "stream", "version"], name="health_calibration_version"),
            models.CheckConstraint(condition=models.Q(version__gt=0), name="health_calibration_counts_from_one"),
        ]


class Entry(models.Model):
    """A value a person has entered by hand, as it is now. Its reading is in the batch `batch_id`, while there is one.

    `value` is in the stored unit, `told` as it was entered, in `unit`.
    """

    entry_id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.UUIDField()
    stream = models.SmallIntegerField(choices=[(stream.value, stream.name) for stream in rules.Stream])
    time = models.DateTimeField()
    sequence = models.IntegerField()
    value = models.FloatField()
    told = models.FloatField()
    unit = models.CharField(max_length=16)
    version = models.IntegerField()
    batch_id = models.UUIDField(null=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["user_id", "time", "entry_id"], name="health_entry_of_person")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(deleted_at=None, batch_id__isnull=False)
                | models.Q(deleted_at__isnull=False, batch_id=None),
                name="health_entry_has_its_reading",
            )
        ]


class EntryVersion(models.Model):
    """What an entry said after each change. Rows are only ever added."""

    pk = models.CompositePrimaryKey("entry_id", "version")
    entry_id = models.UUIDField()
    version = models.IntegerField()
    user_id = models.UUIDField(db_index=True)
    time = models.DateTimeField()
    told = models.FloatField()
    unit = models.CharField(max_length=16)
    is_deletion = models.BooleanField()
    written_at = models.DateTimeField()


class NormVersion(models.Model):
    """A norm as a medical reviewer has published it. Rows are only ever added; the newest is in force."""

    id = models.UUIDField(primary_key=True, default=uuid7)
    key = models.CharField(max_length=64)
    version = models.IntegerField()
    document = models.JSONField()
    note = models.CharField(max_length=200)
    made_by = models.UUIDField()
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "version"], name="health_norm_version"),
            models.CheckConstraint(condition=models.Q(version__gt=0), name="health_norm_counts_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.key}@{self.version}"


class AlertRule(models.Model):
    """A bound a person has set for themselves; it takes the place of their norm's on the same side."""

    class Side(models.TextChoices):
        LOW = "low"
        HIGH = "high"

    class Severity(models.TextChoices):
        WARNING = "warning"
        CRITICAL = "critical"

    rule_id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.UUIDField()
    stream = models.SmallIntegerField(choices=[(stream.value, stream.name) for stream in rules.Stream])
    side = models.CharField(max_length=4, choices=Side.choices)
    bound = models.FloatField()
    hysteresis = models.FloatField()
    lasts_s = models.IntegerField()
    silence_s = models.IntegerField()
    cool_down_s = models.IntegerField()
    severity = models.CharField(max_length=8, choices=Severity.choices)
    version = models.IntegerField(default=1)
    written_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user_id", "stream", "side"], name="health_alert_rule_one_a_side"),
            models.CheckConstraint(
                condition=models.Q(hysteresis__gte=0, lasts_s__gte=0, silence_s__gt=0, cool_down_s__gte=0),
                name="health_alert_rule_times_are_positive",
            ),
        ]


class Alert(models.Model):
    """An episode in which what is measured was beyond a rule's bound: one row, one announcement.

    It says by which rule and when, and nothing that was measured. `terms` are the rule's numbers at that time.
    """

    class State(models.TextChoices):
        OPEN = "open"
        ACKNOWLEDGED = "acknowledged"
        SNOOZED = "snoozed"
        CLOSED = "closed"

    class Reason(models.TextChoices):
        """Why it is closed."""

        CLEARED = "cleared"
        SILENCE = "silence"
        SUPERSEDED = "superseded", "later readings showed that it was part of another one, or none"
        RULE_GONE = "rule_gone"

    alert_id = models.UUIDField(primary_key=True, default=uuid7)
    user_id = models.UUIDField()
    rule = models.CharField(max_length=80)
    rule_version = models.IntegerField()
    stream = models.SmallIntegerField(choices=[(stream.value, stream.name) for stream in rules.Stream])
    severity = models.CharField(max_length=8, choices=AlertRule.Severity.choices)
    terms = models.JSONField()
    began_at = models.DateTimeField()
    last_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=12, choices=State.choices)
    reason = models.CharField(max_length=12, choices=Reason.choices, blank=True)
    triggered_at = models.DateTimeField()
    acknowledged_at = models.DateTimeField(null=True)
    snoozed_until = models.DateTimeField(null=True)
    escalate_at = models.DateTimeField(null=True)
    escalated_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user_id", "rule"], condition=~models.Q(state="closed"), name="health_alert_one_open"
            ),
            models.CheckConstraint(
                condition=models.Q(began_at__lte=models.F("last_at")), name="health_alert_ends_after_it_began"
            ),
            models.CheckConstraint(
                condition=models.Q(state="closed", closed_at__isnull=False) & ~models.Q(reason="")
                | ~models.Q(state="closed") & models.Q(closed_at=None, reason=""),
                name="health_alert_closed_says_why",
            ),
        ]
        indexes = [
            models.Index(fields=["user_id", "rule", "last_at"], name="health_alert_of_rule"),
            models.Index(fields=["user_id", "triggered_at", "alert_id"], name="health_alert_of_person"),
            models.Index(
                fields=["escalate_at"], condition=models.Q(escalate_at__isnull=False), name="health_alert_escalates"
            ),
            models.Index(fields=["last_at"], condition=~models.Q(state="closed"), name="health_alert_unclosed"),
        ]

    def __str__(self) -> str:
        return f"{self.rule}@{self.rule_version}"


CLOSED_BECAUSE = [*Alert.Reason.values, ""]
"""What an alert says of why it is closed; nothing while it is not."""


class AlertComment(models.Model):
    """What a person has written down about an alert."""

    comment_id = models.UUIDField(primary_key=True, default=uuid7)
    alert_id = models.UUIDField(db_index=True)
    user_id = models.UUIDField(db_index=True)
    sealed_text = models.BinaryField()
    text = sealed_in("sealed_text")
    written_at = models.DateTimeField()


class EmergencyContact(models.Model):
    """Whom to write to when an alert of this person waits too long. They have agreed, says this person."""

    user_id = models.UUIDField(primary_key=True)
    sealed_name = models.BinaryField()
    name = sealed_in("sealed_name")
    sealed_email = models.BinaryField()
    email = sealed_in("sealed_email")
    locale = models.CharField(max_length=2, choices=[("en", "en"), ("ru", "ru")])
    after_minutes = models.IntegerField()
    agreed_at = models.DateTimeField()


class Access(models.Model):
    """One look at medical data: who, at whose, which, for what, when, and how fresh the second factor was.

    `grant_id` and `emergency_id` say by what right another person looked.

    Rows are only ever added.
    """

    access_id = models.UUIDField(primary_key=True, default=uuid7)
    by = models.UUIDField()
    subject_id = models.UUIDField()
    stream = models.CharField(max_length=32)
    purpose = models.CharField(
        max_length=16, choices=[(purpose.value, purpose.value) for purpose in Purpose], default=Purpose.OWN_CARE
    )
    grant_id = models.UUIDField(null=True)
    emergency_id = models.UUIDField(null=True)
    since = models.DateTimeField()
    until = models.DateTimeField()
    mfa_at = models.DateTimeField()
    app_id = models.UUIDField(
        null=True, help_text="The app that looked for them; it was let in under a second factor."
    )
    at = models.DateTimeField()
    correlation_id = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = "accesses"
        indexes = [models.Index(fields=["subject_id", "at"], name="health_access_subject")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(mfa_at__gte=models.F("at") - MFA_WAS_RECENT)
                | models.Q(app_id__isnull=False, mfa_at__gte=models.F("at") - CONNECTION_LASTS),
                name="health_access_had_recent_mfa",
            ),
            models.CheckConstraint(
                condition=models.Q(by=models.F("subject_id"), grant_id=None, emergency_id=None)
                | ~models.Q(by=models.F("subject_id")) & models.Q(grant_id__isnull=False, emergency_id=None)
                | ~models.Q(by=models.F("subject_id"))
                & models.Q(grant_id=None, emergency_id__isnull=False, purpose=Purpose.EMERGENCY),
                name="health_access_by_right",
            ),
        ]


# At the end: a package beside this module holds them, and Django looks for models here.
from contexts.health.integrations.models import Connection as Connection  # noqa: E402
from contexts.health.integrations.models import Portion as Portion  # noqa: E402
from contexts.health.integrations.models import Posted as Posted  # noqa: E402
from contexts.health.integrations.models import SourceOrder as SourceOrder  # noqa: E402
