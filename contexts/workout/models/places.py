"""Where sessions went: tracks, routes, segments and the efforts on them (WO-6)."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from contexts.workout.models.kinds import Sport, Visibility, holds
from contexts.workout.models.sessions import TrainingSession
from kernel.models import uuid7

CELLS_HELP = "H3 cells, coarse and fine, in the order of the first visit."
LINE_HELP = "Latitude and longitude of each place, four bytes each, in ten-millionths of a degree."


class SessionTrack(models.Model):
    """The way of a completed session, ready to be searched: derived from its streams, and never the truth."""

    session = models.OneToOneField(TrainingSession, primary_key=True, on_delete=models.CASCADE, related_name="track")
    user_id = models.UUIDField()
    sport = models.CharField(max_length=10, choices=Sport)
    samples = models.BinaryField(help_text="Every place with its moment: see `positions.SAMPLE`.")
    line = models.BinaryField(help_text=LINE_HELP)
    cells = ArrayField(models.BigIntegerField(), help_text=CELLS_HELP)
    start_cell = models.BigIntegerField()
    end_cell = models.BigIntegerField()
    south = models.FloatField()
    west = models.FloatField()
    north = models.FloatField()
    east = models.FloatField()
    length_m = models.FloatField()
    matched_at = models.DateTimeField(null=True, help_text="When its efforts were found; empty: not yet.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=holds(
                    "octet_length(samples) >= 32 AND mod(octet_length(samples), 16) = 0"
                    " AND octet_length(line) >= 16 AND mod(octet_length(line), 8) = 0 AND cardinality(cells) > 0"
                ),
                name="track_has_places",
            ),
            models.CheckConstraint(
                condition=holds("south <= north AND west <= east AND length_m >= 0"), name="track_plausible"
            ),
        ]
        indexes = [
            GinIndex(fields=["cells"], name="track_cells"),
            models.Index(fields=["user_id", "start_cell"], name="track_starts"),
            models.Index(fields=["user_id", "end_cell"], name="track_ends"),
            models.Index(fields=["session"], condition=models.Q(matched_at=None), name="track_unmatched"),
        ]

    def __str__(self) -> str:
        return f"track of {self.session_id}"


class Route(models.Model):
    """A way worth going again, which an athlete saved from a session."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField()
    name = models.CharField(max_length=100)
    sport = models.CharField(max_length=10, choices=Sport)
    visibility = models.CharField(max_length=8, choices=Visibility, default=Visibility.PRIVATE)
    line = models.BinaryField(help_text=LINE_HELP)
    cells = ArrayField(models.BigIntegerField(), help_text=CELLS_HELP)
    length_m = models.FloatField()
    ascent_m = models.FloatField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=holds(
                    "octet_length(line) >= 16 AND mod(octet_length(line), 8) = 0 AND cardinality(cells) > 0"
                    " AND length_m >= 0"
                ),
                name="route_has_places",
            )
        ]
        indexes = [
            GinIndex(fields=["cells"], name="route_cells"),
            models.Index(fields=["user_id", "-id"], name="route_own"),
        ]

    def __str__(self) -> str:
        return self.name


class Segment(models.Model):
    """A stretch of road or trail on which athletes compare their times."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField(help_text="Who made it.")
    name = models.CharField(max_length=100)
    sport = models.CharField(max_length=10, choices=Sport)
    visibility = models.CharField(max_length=8, choices=Visibility, default=Visibility.PRIVATE)
    line = models.BinaryField(help_text=LINE_HELP)
    cells = ArrayField(models.BigIntegerField(), help_text=CELLS_HELP)
    sure_cells = ArrayField(models.BigIntegerField(), help_text="Fine cells which nobody who keeps to it can miss.")
    start_cells = ArrayField(models.BigIntegerField(), help_text="Fine cells around its start.")
    end_cells = ArrayField(models.BigIntegerField(), help_text="Fine cells around its end.")
    length_m = models.FloatField()
    ascent_m = models.FloatField(null=True)
    created_at = models.DateTimeField()
    hidden_at = models.DateTimeField(null=True, help_text="When moderators hid it from everybody but its maker.")
    matched_through = models.UUIDField(null=True, help_text="The last session looked at so far.")
    looked_at = models.PositiveIntegerField(default=0, help_text="Sessions looked at so far.")
    to_look_at = models.PositiveIntegerField(default=0, help_text="Sessions that passed near it when it was made.")
    matched_at = models.DateTimeField(null=True, help_text="When all of them had been looked at.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=holds(
                    "octet_length(line) >= 16 AND mod(octet_length(line), 8) = 0 AND cardinality(cells) > 0"
                    " AND cardinality(start_cells) > 0 AND cardinality(end_cells) > 0 AND length_m > 0"
                ),
                name="segment_has_places",
            )
        ]
        indexes = [
            GinIndex(fields=["cells"], name="segment_cells"),
            GinIndex(fields=["start_cells"], name="segment_starts"),
            models.Index(fields=["user_id", "-id"], name="segment_own"),
            models.Index(fields=["created_at"], condition=models.Q(matched_at=None), name="segment_unmatched"),
        ]

    def __str__(self) -> str:
        return self.name


class SegmentEffort(models.Model):
    """One passage of a session along a segment."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    segment = models.ForeignKey(Segment, on_delete=models.CASCADE, db_index=False, related_name="efforts")
    session = models.ForeignKey(TrainingSession, on_delete=models.CASCADE, db_index=False, related_name="efforts")
    user_id = models.UUIDField()
    nth = models.PositiveSmallIntegerField(help_text="Which passage of the session, from 0.")
    started_at = models.DateTimeField()
    elapsed_s = models.FloatField()
    speed_mps = models.FloatField()
    heart_rate = models.FloatField(null=True)
    power_w = models.FloatField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["session", "segment", "nth"], name="effort_once"),
            models.CheckConstraint(condition=holds("elapsed_s > 0 AND speed_mps > 0"), name="effort_plausible"),
        ]
        indexes = [
            models.Index(fields=["segment", "user_id", "elapsed_s", "id"], name="effort_best"),
            models.Index(fields=["user_id", "segment", "elapsed_s", "id"], name="effort_own"),
        ]

    def __str__(self) -> str:
        return f"effort {self.id}"
