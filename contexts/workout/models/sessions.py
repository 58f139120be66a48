"""The training session with its streams."""

from __future__ import annotations

import datetime
from typing import Final
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models

from contexts.workout.models.imports import Import
from contexts.workout.models.kinds import Sport, Visibility, holds, ranges
from contexts.workout.recordings.recording import MAX_TITLE
from kernel.models import uuid7


class TrainingSession(models.Model):
    """One workout of one athlete (WO-1): recorded live, or read from a file."""

    class State(models.TextChoices):
        ACTIVE = "active"
        PAUSED = "paused"
        COMPLETED = "completed"

    class Source(models.TextChoices):
        LIVE = "live"
        IMPORT = "import"

    class Origin(models.TextChoices):
        WATCH = "watch"
        PHONE = "phone"
        CLOUD = "cloud"

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
    auto_pause_marks = ArrayField(
        models.DateTimeField(), default=list, help_text="Automatic pauses switched on, off, on …; odd means on."
    )
    auto_pauses = ArrayField(
        models.DateTimeField(),
        default=list,
        help_text="As `pauses`; found in what was measured, or recorded as such.",
    )
    laps = ArrayField(models.DateTimeField(), default=list, help_text="Where one lap ended and the next began.")
    distance_by = models.PositiveIntegerField(
        null=True, help_text="Whose counter its metres are of: the number of a device in health, 0 the phone's own."
    )
    operations = models.PositiveIntegerField(
        null=True, help_text="Of how many operations it is made; null unless its phone recorded it offline."
    )
    recording = models.ForeignKey(
        Import, null=True, on_delete=models.PROTECT, db_index=False, related_name="sessions"
    )
    part = models.PositiveSmallIntegerField(null=True, help_text="Which activity of the recording, from 0.")
    origin = models.CharField(max_length=5, choices=Origin, default=Origin.PHONE, help_text="What recorded it.")
    device = models.CharField(max_length=201, blank=True, help_text="Maker and product, as the recording says.")
    duplicate_of = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.CASCADE,
        db_index=False,
        related_name="duplicates",
        help_text="The session that stands for this one too, since both recorded the same activity.",
    )
    own = models.JSONField(
        null=True, help_text="Its own summary, while the one shown was put together with its duplicates'."
    )
    taken_from = models.JSONField(default=dict, help_text="Fields and streams that come from a duplicate, and which.")

    title = models.CharField(max_length=MAX_TITLE, blank=True)
    notes = models.TextField(blank=True)
    effort = models.PositiveSmallIntegerField(null=True, help_text="Borg's CR10 scale: 1 to 10.")
    mood = models.PositiveSmallIntegerField(null=True, help_text="1 (bad) to 5 (great).")
    commute = models.BooleanField(default=False)
    gear = ArrayField(models.CharField(max_length=MAX_TITLE), default=list)
    media = ArrayField(models.CharField(max_length=MAX_TITLE), default=list)
    said = models.JSONField(default=dict, help_text="The device's own sums and laps.")

    changes = models.PositiveIntegerField(default=0, help_text="How often its sport or its audience changed.")
    frames = models.PositiveIntegerField(default=0, help_text="Frames sent to watchers so far.")

    revision = models.PositiveIntegerField(default=0, help_text="How often late readings changed the summary.")
    duration_s = models.FloatField(null=True)
    moving_s = models.FloatField(null=True)
    distance_m = models.FloatField(null=True)
    energy_kcal = models.FloatField(null=True)
    ascent_m = models.FloatField(null=True)
    steps = models.PositiveIntegerField(null=True, help_text="As the phone counted them outside of pauses.")
    hr_avg = models.FloatField(null=True)
    hr_max = models.FloatField(null=True)
    hr_zones_s = ArrayField(models.FloatField(), null=True, help_text="Seconds below zone 1, then in zones 1–5.")
    fastest_1k_s = models.FloatField(null=True)
    fastest_5k_s = models.FloatField(null=True)
    methods = models.JSONField(default=dict, help_text="Each derived number's algorithm and what went into it.")
    anomalies = models.JSONField(default=list, help_text="What looked implausible, and how often.")
    athlete = models.JSONField(default=dict, help_text="The physiology the summary was computed with.")

    analysis_due = models.CharField(
        max_length=9, blank=True, default="", help_text="Why it is to be analysed: new, data, settings or algorithm."
    )

    track_due = models.BooleanField(
        default=False, help_text="Its track is still to be derived: it was completed before there were tracks."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user_id"],
                condition=models.Q(state__in=["active", "paused"]),
                name="session_one_underway_per_athlete",
            ),
            models.UniqueConstraint(fields=["recording", "part"], name="session_once_per_recording_part"),
            models.CheckConstraint(
                condition=holds(
                    "CASE state WHEN 'completed' THEN num_nulls(ended_at, completed_at, duration_s, moving_s) = 0"
                    " ELSE num_nonnulls(ended_at, completed_at, duration_s, moving_s) = 0 END"
                ),
                name="session_completed_has_summary",
            ),
            models.CheckConstraint(
                condition=holds("(state = 'paused') = (mod(cardinality(pauses), 2) = 1)"),
                name="session_paused_has_open_pause",
            ),
            models.CheckConstraint(
                condition=holds(
                    "mod(cardinality(auto_pauses), 2) = 0 AND (state = 'completed' OR auto_pauses = '{}')"
                ),
                name="session_auto_pauses_are_whole",
            ),
            models.CheckConstraint(
                condition=holds("ended_at IS NULL OR ended_at >= started_at"), name="session_ends_after_start"
            ),
            models.CheckConstraint(
                condition=holds(
                    "coalesce(duration_s, 0) >= 0 AND coalesce(distance_m, 0) >= 0 AND coalesce(energy_kcal, 0) >= 0"
                    " AND coalesce(moving_s, 0) BETWEEN 0 AND coalesce(duration_s, 0) + 0.001"
                ),
                name="session_totals_plausible",
            ),
            models.CheckConstraint(
                condition=holds(
                    "coalesce(hr_avg, 40) BETWEEN 40 AND 220 AND coalesce(hr_max, 40) BETWEEN 40 AND 220"
                ),
                name="session_heart_rate_plausible",
            ),
            models.CheckConstraint(
                condition=holds("(source = 'import') = (recording_id IS NOT NULL AND part IS NOT NULL)"),
                name="session_import_has_recording",
            ),
            models.CheckConstraint(
                condition=holds(
                    "duplicate_of_id IS NULL OR (state = 'completed' AND own IS NULL AND duplicate_of_id <> id)"
                ),
                name="session_duplicate_stands_for_none",
            ),
            models.CheckConstraint(
                condition=holds("coalesce(effort, 1) BETWEEN 1 AND 10 AND coalesce(mood, 1) BETWEEN 1 AND 5"),
                name="session_feelings_on_their_scales",
            ),
        ]
        indexes = [
            models.Index(fields=["user_id", "-started_at", "-id"], name="session_history"),
            models.Index(
                fields=["duplicate_of"],
                condition=models.Q(duplicate_of__isnull=False),
                name="session_duplicates",
            ),
            models.Index(fields=["-started_at"], name="session_analysis_due", condition=~models.Q(analysis_due="")),
            models.Index(fields=["id"], name="session_track_due", condition=models.Q(track_due=True)),
        ]

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

    @property
    def auto_pause(self) -> bool:
        """Whether standing still is a pause now, or was at the end."""
        return len(self.auto_pause_marks) % 2 == 1

    def switch_auto_pause(self, *, on: bool, at: datetime.datetime) -> None:
        """From now on standing still is a pause, or is none."""
        if on is not self.auto_pause:
            self.auto_pause_marks = [*self.auto_pause_marks, max([at, self.started_at, *self.auto_pause_marks[-1:]])]

    @property
    def sets_from(self) -> UUID:
        """Whose sets are shown: this session's own, or a duplicate's."""
        return UUID(self.taken_from.get("sets", str(self.pk)))

    def spans(self, time: datetime.datetime) -> bool:
        """Whether a moment lies within the session, as far as it has gone."""
        return self.started_at <= time and (self.ended_at is None or time <= self.ended_at)

    def next_frame(self) -> int:
        """The number of the next frame to watchers; saved with the change it tells of."""
        self.frames += 1
        return self.frames

    def pauses_s(self) -> list[tuple[float, float]]:
        """The athlete's own closed pauses, in seconds since the start."""
        return self._spans_s(self.pauses)

    def auto_pauses_s(self) -> list[tuple[float, float]]:
        """The automatic pauses, in seconds since the start."""
        return self._spans_s(self.auto_pauses)

    def all_pauses_s(self) -> list[tuple[float, float]]:
        """Whenever the clock stood, in order."""
        return sorted(self.pauses_s() + self.auto_pauses_s())

    def auto_pausing_s(self) -> list[tuple[float, float]]:
        """While standing still was a pause, in seconds since the start; an open span ends with the session."""
        assert self.ended_at is not None
        return self._spans_s([*self.auto_pause_marks, self.ended_at])

    def _spans_s(self, marks: list[datetime.datetime]) -> list[tuple[float, float]]:
        seconds = [(mark - self.started_at).total_seconds() for mark in marks]
        return list(zip(seconds[::2], seconds[1::2], strict=False))

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
                condition=holds(ranges("value BETWEEN {low} AND {high}").format(column="stream")),
                name="live_sample_in_range",
            )
        ]


class Stream(models.Model):
    """One kind of measurement over a completed session, column by column.

    Steps of time are all alike or nearly so, and compress to almost nothing; offsets would not.
    """

    pk = models.CompositePrimaryKey("session_id", "kind")
    session = models.ForeignKey(TrainingSession, on_delete=models.CASCADE, db_index=False, related_name="streams")
    kind = models.CharField(max_length=12)
    steps_us = ArrayField(
        models.BigIntegerField(), help_text="Microseconds since the point before; of the first, since the start."
    )
    sequences = ArrayField(models.IntegerField(), help_text="Tells readings of one instant apart.")
    measured = ArrayField(models.FloatField())

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=holds(
                    "cardinality(steps_us) > 0 AND cardinality(steps_us) = cardinality(measured)"
                    " AND cardinality(sequences) = cardinality(measured) AND array_position(measured, NULL) IS NULL"
                ),
                name="stream_columns_match",
            ),
            models.CheckConstraint(
                condition=holds(ranges("{low} <= ALL (measured) AND {high} >= ALL (measured)").format(column="kind")),
                name="stream_in_range",
            ),
        ]
