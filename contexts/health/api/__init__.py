"""Health over HTTP, by subject: each module of this folder adds its `urlpatterns`."""

from contexts.health.api import (
    alert_rules,
    alerts,
    bridging,
    devices,
    enrolments,
    entries,
    imports,
    integrations,
    judging,
    metrics,
    papers,
    phones,
    readings,
    reports,
    sharing,
    trends,
)
from contexts.health.api.grouped import grouped_endpoints

__all__ = ["SUBJECTS", "grouped_endpoints", "urlpatterns"]

SUBJECTS = (
    *(devices, enrolments, bridging, papers, readings, metrics, entries, judging, alerts, alert_rules),
    *(phones, imports, integrations, trends, sharing, reports),
)

urlpatterns = [route for subject in SUBJECTS for route in subject.urlpatterns]
