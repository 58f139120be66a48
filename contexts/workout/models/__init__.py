"""Workout's aggregates, by subject; companions are a read model."""

from contexts.workout.models.analyses import Analysis, Thresholds
from contexts.workout.models.batches import BatchMember, ImportBatch
from contexts.workout.models.companions import Companion
from contexts.workout.models.goals import Goal, ReachedGoal
from contexts.workout.models.groups import GroupPlace, GroupWorkout
from contexts.workout.models.imports import Import
from contexts.workout.models.kinds import RANGES, Sport, Visibility
from contexts.workout.models.operations import Operation
from contexts.workout.models.places import Route, Segment, SegmentEffort, SessionTrack
from contexts.workout.models.plans import EQUIPMENT, MUSCLES, Exercise, PlannedWorkout, PlanShare, TrainingPlan
from contexts.workout.models.records import AnnouncedRecord, BestEffort, PersonalBest
from contexts.workout.models.schedule import AdoptedPlan, PlanFeed, ScheduledWorkout
from contexts.workout.models.sessions import LiveSample, Stream, TrainingSession
from contexts.workout.models.strength import StrengthSet

__all__ = [
    "EQUIPMENT",
    "MUSCLES",
    "RANGES",
    "AdoptedPlan",
    "Analysis",
    "AnnouncedRecord",
    "BatchMember",
    "BestEffort",
    "Companion",
    "Exercise",
    "Goal",
    "GroupPlace",
    "GroupWorkout",
    "Import",
    "ImportBatch",
    "LiveSample",
    "Operation",
    "PersonalBest",
    "PlanFeed",
    "PlanShare",
    "PlannedWorkout",
    "ReachedGoal",
    "Route",
    "ScheduledWorkout",
    "Segment",
    "SegmentEffort",
    "SessionTrack",
    "Sport",
    "Stream",
    "StrengthSet",
    "Thresholds",
    "TrainingPlan",
    "TrainingSession",
    "Visibility",
]
