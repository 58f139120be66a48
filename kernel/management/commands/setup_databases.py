"""`manage.py setup_databases`: create the contexts' databases where missing, and bring all of them up to date."""

from typing import Any

import psycopg
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections
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
                call_command("migrate", database=alias_of(context), verbosity=0, interactive=False)

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
