"""Workout over HTTP, by subject: each module of this folder adds its `urlpatterns`."""

from contexts.workout.api import (
    analyses,
    batches,
    exercises,
    files,
    imports,
    plans,
    progress,
    recording,
    routes,
    schedule,
    segments,
    sessions,
    together,
    tracks,
)

SUBJECTS = (
    *(sessions, recording, analyses, progress, together, tracks, routes, segments),
    *(imports, batches, files, exercises, plans, schedule),
)

urlpatterns = [route for subject in SUBJECTS for route in subject.urlpatterns]
