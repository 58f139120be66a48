"""Bringing one context's database up to date without the others' migrations."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import router
from django.test import override_settings


@contextmanager
def only_what_lives_in(alias: str) -> Iterator[set[str]]:
    """Django goes through all migrations for each database; those of apps that live elsewhere need not."""
    elsewhere = {app.label for app in apps.get_app_configs() if not router.allow_migrate(alias, app.label)}
    with override_settings(MIGRATION_MODULES=dict.fromkeys(elsewhere)):
        yield elsewhere
