"""Health over HTTP, by subject: each module of this folder adds its `urlpatterns`."""

from contexts.health.api import (
    alert_rules,
    alerts,
    devices,
    enrolments,
    entries,
    judging,
    metrics,
    papers,
    readings,
    reports,
    sharing,
    trends,
)

SUBJECTS = (
    devices,
    enrolments,
    papers,
    readings,
    metrics,
    entries,
    judging,
    alerts,
    alert_rules,
    trends,
    sharing,
    reports,
)

urlpatterns = [route for subject in SUBJECTS for route in subject.urlpatterns]
