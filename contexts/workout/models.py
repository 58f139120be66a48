"""The aggregates of workout: TrainingSession with its streams, Import, PersonalBest, and the read model Companion."""

from __future__ import annotations

import datetime
from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.db import models

from contexts.workout import rules
from kernel.models import uuid7

RANGES: Final = {
    "heart_rate": (rules.MIN_HEART_RATE, rules.MAX_HEART_RATE),
    "rr_interval": (200, 3000),
    "latitude": (-90, 90),
    "longitude": (-180, 180),
    "altitude": (-12_000, 20_000),
    "distance": (0, 100_000_000),
    "speed": (0, 400),
    "cadence": (0, 1_000),
    "power": (0, 10_000),
    "temperature": (-100, 150),
}
"""What a stored value may be, by stream (WO-3). Units: bpm, ms, degrees, m, m, m/s, 1/min, W, °C."""


def _holds(sql: str) -> models.Func:
    """A condition in SQL, for constraints the ORM has no words for."""
    return models.Func(template=sql, output_field=models.BooleanField())


def _ranges(template: str) -> str:
    """One CASE over every stream of RANGES; an unknown stream is refused."""
    cases = " ".join(
        f"WHEN '{name}' THEN {template.format(low=low, high=high)}" for name, (low, high) in RANGES.items()
    )
    return f"CASE {{column}} {cases} ELSE false END"


class Sport(models.TextChoices):
    """What an athlete does; recordings of any sport map to one of these."""

    RUNNING = "running"
    WALKING = "walking"
    CYCLING = "cycling"
    SWIMMING = "swimming"
    ROWING = "rowing"
    STRENGTH = "strength"
    OTHER = "other"


class Visibility(models.TextChoices):
    """Who may follow a session beside its owner."""

    PRIVATE = "private"
    FRIENDS = "friends"
    EVERYONE = "everyone"


class Import(models.Model):
    """A recording an athlete handed in. This row, not the queue's message, says what is still to be done."""

    class State(models.TextChoices):
        QUEUED = "queued"
        WORKING = "working"
        DONE = "done"
        REFUSED = "refused"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    file_name = models.CharField(max_length=255)
    size = models.PositiveIntegerField(help_text="Bytes.")
    original = models.CharField(max_length=255, help_text="Where the storage keeps the file, byte for byte.")
    state = models.CharField(max_length=8, choices=State, default=State.QUEUED)
    posted_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(null=True)
    refusal_code = models.CharField(max_length=60, blank=True)
    refusal_detail = models.CharField(max_length=500, blank=True)
    warnings = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user_id", "sha256"], name="import_same_file_once"),
            models.CheckConstraint(
                condition=_holds("(state = 'refused') = (refusal_code <> '')"), name="import_refusal_has_a_code"
            ),
        ]
        indexes = [
            models.Index(
                fields=["posted_at"], condition=models.Q(state__in=["queued", "working"]), name="import_unfinished"
            )
        ]

    def __str__(self) -> str:
        return f"import {self.id}"

    def claim(self, *, at: datetime.datetime) -> None:
        """Take it to work on; the attempt's number tells this worker from one thought dead."""
        self.state, self.claimed_at, self.attempts = self.State.WORKING, at, self.attempts + 1

    def finish(self, *, warnings: list[dict[str, str]], at: datetime.datetime) -> None:
        """Its sessions exist."""
        self.state, self.warnings, self.finished_at = self.State.DONE, warnings, at

    def refuse(self, *, code: str, detail: str, at: datetime.datetime) -> None:
        """It cannot become a session, and the athlete is told why."""
        self.state, self.finished_at = self.State.REFUSED, at
        self.refusal_code, self.refusal_detail = code[:60], detail[:500]


class TrainingSession(models.Model):
    """One workout of one athlete (WO-1): recorded live, or read from a file."""

    class State(models.TextChoices):
        ACTIVE = "active"
        PAUSED = "paused"
        COMPLETED = "completed"

    class Source(models.TextChoices):
        LIVE = "live"
        IMPORT = "import"

    UNDERWAY: Final = ("active", "paused")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField()
    sport = models.CharField(max_length=10, choices=Sport)
    state = models.CharField(max_length=9, choices=State, default=State.ACTIVE)
    visibility = models.CharField(max_length=8, choices=Visibility, default=Visibility.PRIVATE)
    source = models.CharField(max_length=6, choices=Source, default=Source.LIVE)
    time_zone = models.CharField(max_length=64, default="UTC")
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True, help_text="When we learned of its end; an import's end is older.")
    pauses = ArrayField(
        models.DateTimeField(), default=list, help_text="Paused, resumed, paused …: an odd count means paused now."
    )
    recording = models.ForeignKey(
        Import, null=True, on_delete=models.PROTECT, db_index=False, related_name="sessions"
    )
    part = models.PositiveSmallIntegerField(null=True, help_text="Which activity of the recording, from 0.")
    frames = models.PositiveIntegerField(default=0, help_text="Frames sent to watchers so far.")

    revision = models.PositiveIntegerField(default=0, help_text="How often late readings changed the summary.")
    duration_s = models.FloatField(null=True)
    moving_s = models.FloatField(null=True)
    distance_m = models.FloatField(null=True)
    energy_kcal = models.FloatField(null=True)
    ascent_m = models.FloatField(null=True)
    hr_avg = models.FloatField(null=True)
    hr_max = models.FloatField(null=True)
    hr_zones_s = ArrayField(models.FloatField(), null=True, help_text="Seconds below zone 1, then in zones 1–5.")
    fastest_1k_s = models.FloatField(null=True)
    fastest_5k_s = models.FloatField(null=True)
    methods = models.JSONField(default=dict, help_text="Each derived number's algorithm and what went into it.")
    anomalies = models.JSONField(default=list, help_text="What looked implausible, and how often.")
    athlete = models.JSONField(default=dict, help_text="The physiology the summary was computed with.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user_id"],
                condition=models.Q(state__in=["active", "paused"]),
                name="session_one_underway_per_athlete",
            ),
            models.UniqueConstraint(fields=["recording", "part"], name="session_once_per_recording_part"),
            models.CheckConstraint(
                condition=_holds(
                    "CASE state WHEN 'completed' THEN num_nulls(ended_at, completed_at, duration_s, moving_s) = 0"
                    " ELSE num_nonnulls(ended_at, completed_at, duration_s, moving_s) = 0 END"
                ),
                name="session_completed_has_summary",
            ),
            models.CheckConstraint(
                condition=_holds("(state = 'paused') = (mod(cardinality(pauses), 2) = 1)"),
                name="session_paused_has_open_pause",
            ),
            models.CheckConstraint(
                condition=_holds("ended_at IS NULL OR ended_at >= started_at"), name="session_ends_after_start"
            ),
            models.CheckConstraint(
                condition=_holds(
                    "coalesce(duration_s, 0) >= 0 AND coalesce(distance_m, 0) >= 0 AND coalesce(energy_kcal, 0) >= 0"
                    " AND coalesce(moving_s, 0) BETWEEN 0 AND coalesce(duration_s, 0) + 0.001"
                ),
                name="session_totals_plausible",
            ),
            models.CheckConstraint(
                condition=_holds(
                    "coalesce(hr_avg, 40) BETWEEN 40 AND 220 AND coalesce(hr_max, 40) BETWEEN 40 AND 220"
                ),
                name="session_heart_rate_plausible",
            ),
            models.CheckConstraint(
                condition=_holds("(source = 'import') = (recording_id IS NOT NULL AND part IS NOT NULL)"),
                name="session_import_has_recording",
            ),
        ]
        indexes = [models.Index(fields=["user_id", "-started_at", "-id"], name="session_history")]

    def __str__(self) -> str:
        return f"{self.sport} {self.id}"

    def pause(self, *, at: datetime.datetime) -> None:
        """Stop the clock of an active session."""
        self.state = self.State.PAUSED
        self.pauses = [*self.pauses, self._not_before(at)]

    def resume(self, *, at: datetime.datetime) -> None:
        """Let the clock of a paused session run again."""
        self.state = self.State.ACTIVE
        self.pauses = [*self.pauses, self._not_before(at)]

    def complete(self, *, at: datetime.datetime) -> None:
        """End it; a pause still open ends with it."""
        self.ended_at = self._not_before(at)
        if self.state == self.State.PAUSED:
            self.pauses = [*self.pauses, self.ended_at]
        self.state, self.completed_at = self.State.COMPLETED, at

    def spans(self, time: datetime.datetime) -> bool:
        """Whether a moment lies within the session, as far as it has gone."""
        return self.started_at <= time and (self.ended_at is None or time <= self.ended_at)

    def next_frame(self) -> int:
        """The number of the next frame to watchers; saved with the change it tells of."""
        self.frames += 1
        return self.frames

    def pauses_s(self) -> list[tuple[float, float]]:
        """The closed pauses, in seconds since the start."""
        marks = [(mark - self.started_at).total_seconds() for mark in self.pauses]
        return list(zip(marks[::2], marks[1::2], strict=False))

    def _not_before(self, at: datetime.datetime) -> datetime.datetime:
        """A clock that was set back must not turn a session inside out."""
        return max([at, self.started_at, *self.pauses[-1:]])


class LiveSample(models.Model):
    """A reading taken into a session that is under way; packed into a Stream when it ends."""

    pk = models.CompositePrimaryKey("session_id", "stream", "time", "sequence")
    session = models.ForeignKey(
        TrainingSession, on_delete=models.CASCADE, db_index=False, related_name="live_samples"
    )
    stream = models.CharField(max_length=12)
    time = models.DateTimeField()
    sequence = models.PositiveIntegerField()
    value = models.FloatField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=_holds(_ranges("value BETWEEN {low} AND {high}").format(column="stream")),
                name="live_sample_in_range",
            )
        ]


class Stream(models.Model):
    """One kind of measurement over a completed session, column by column."""

    pk = models.CompositePrimaryKey("session_id", "kind")
    session = models.ForeignKey(TrainingSession, on_delete=models.CASCADE, db_index=False, related_name="streams")
    kind = models.CharField(max_length=12)
    offsets_us = ArrayField(models.BigIntegerField(), help_text="Microseconds since the session's start, rising.")
    sequences = ArrayField(models.IntegerField(), help_text="Tells readings of one instant apart.")
    measured = ArrayField(models.FloatField())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=_holds(
                    "cardinality(offsets_us) > 0 AND cardinality(offsets_us) = cardinality(measured)"
                    " AND cardinality(sequences) = cardinality(measured) AND array_position(measured, NULL) IS NULL"
                ),
                name="stream_columns_match",
            ),
            models.CheckConstraint(
                condition=_holds(
                    _ranges("{low} <= ALL (measured) AND {high} >= ALL (measured)").format(column="kind")
                ),
                name="stream_in_range",
            ),
        ]


class PersonalBest(models.Model):
    """The best an athlete has done in a sport, and in which session (WO-5)."""

    class Record(models.TextChoices):
        LONGEST_DISTANCE = "longest_distance"
        FASTEST_1K = "fastest_1k"
        FASTEST_5K = "fastest_5k"

    pk = models.CompositePrimaryKey("user_id", "sport", "record")
    user_id = models.UUIDField()
    sport = models.CharField(max_length=10, choices=Sport)
    record = models.CharField(max_length=16, choices=Record)
    value = models.FloatField(help_text="Metres for a distance, seconds for a time.")
    session = models.ForeignKey(TrainingSession, on_delete=models.CASCADE, related_name="bests")
    achieved_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(value__gt=0), name="personal_best_positive"),
        ]


class Companion(models.Model):
    """Our own copy of who is whose friend, fed by social's events; both directions are rows."""

    pk = models.CompositePrimaryKey("user_id", "friend_id")
    user_id = models.UUIDField()
    friend_id = models.UUIDField()
