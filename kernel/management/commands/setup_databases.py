"""`manage.py setup_databases`: create the contexts' databases where missing, and bring all of them up to date."""

from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor
from psycopg import sql

from kernel.databases import alias_of, isolation_of


class Command(BaseCommand):
    """Safe to run at every start: with nothing to do it only looks."""

    help = "Create every context's database and migrate it."

    def handle(self, *args: Any, **options: Any) -> None:
        """Create, then migrate, context by context."""
        self._create_missing()
        for context in settings.CONTEXTS:
            executor = MigrationExecutor(connections[alias_of(context)])
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                self.stdout.write(f"migrating {context}")
                _bring_up_to_date(alias_of(context))

    def _create_missing(self) -> None:
        cluster = settings.CLUSTER
        with psycopg.connect(
            host=cluster.host,
            port=cluster.port,
            user=cluster.user,
            password=cluster.password,
            dbname="postgres",
            autocommit=True,
        ) as maintenance:
            present = {row[0] for row in maintenance.execute("SELECT datname FROM pg_database")}
            for context in settings.CONTEXTS:
                name = settings.DATABASES[alias_of(context)]["NAME"]
                if name in present:
                    continue
                self.stdout.write(f"creating database {name}")
                maintenance.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
                # Statements outside a unit of work get the context's level too.
                maintenance.execute(
                    sql.SQL("ALTER DATABASE {} SET default_transaction_isolation = {}").format(
                        sql.Identifier(name), sql.Literal(isolation_of(context))
                    )
                )


def _bring_up_to_date(alias: str) -> None:
    """Run the migrations of the apps that live here, note those of the others, and let Django do what is left.

    Django alone would go through every app's migrations in each database, only to find that nothing is to be done.
    """
    executor = MigrationExecutor(connections[alias])
    executor.loader.check_consistent_history(connections[alias])
    executor.migrate([leaf for leaf in executor.loader.graph.leaf_nodes() if router.allow_migrate(alias, leaf[0])])
    executor.loader.build_graph()
    for app, name in executor.loader.disk_migrations.keys() - executor.loader.applied_migrations.keys():
        if not router.allow_migrate(alias, app):
            executor.recorder.record_applied(app, name)
    call_command("migrate", database=alias, verbosity=0, interactive=False)
