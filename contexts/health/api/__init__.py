"""Health over HTTP, by subject: each module of this folder adds its `urlpatterns`."""

from contexts.health.api import (
    alert_rules,
    alerts,
    bridging,
    devices,
    enrolments,
    entries,
    judging,
    metrics,
    papers,
    readings,
)

SUBJECTS = (devices, enrolments, bridging, papers, readings, metrics, entries, judging, alerts, alert_rules)

urlpatterns = [route for subject in SUBJECTS for route in subject.urlpatterns]
