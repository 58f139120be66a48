"""The database engine: time series on this server, whichever it is, and everything else untouched."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections, models
from timescale.db.models.expressions import TimeBucket
from timescale.db.models.fields import TimescaleDateTimeField

from contexts.health import tasks
from contexts.health.models import Reading
from kernel.timescale import partitions
from tests.health.conftest import COMMITTED

pytestmark = COMMITTED

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Tide(models.Model):
    """A time series of the tests' own, with a generated column like the real one."""

    pk = models.CompositePrimaryKey("place", "time")
    place = models.IntegerField()
    time = TimescaleDateTimeField(interval="7 days")
    height = models.FloatField()
    is_high = models.GeneratedField(
        expression=models.Q(height__gt=1), output_field=models.BooleanField(), db_persist=True
    )

    class Meta:
        app_label = "health"
        db_table = "probe_tide"


@pytest.fixture
def connection() -> Any:
    """Health's."""
    return connections["health"]


@pytest.fixture
def tide(connection: Any) -> Iterator[type[Tide]]:
    """The table, made and unmade as a migration would."""
    with connection.schema_editor() as editor:
        editor.create_model(Tide)
    yield Tide
    with connection.schema_editor() as editor:
        editor.delete_model(Tide)


def ask(connection: Any, query: str, *values: Any) -> Any:
    """The first column of every row."""
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [row[0] for row in cursor.fetchall()]


def months_of(connection: Any, table: str) -> set[str]:
    """The names of a table's partitions."""
    return set(
        ask(connection, "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass", table)
    )


@pytest.fixture
def plain(connection: Any) -> None:
    """For what is done only where TimescaleDB is missing."""
    if connection.has_timescaledb:
        pytest.skip("TimescaleDB is installed here: it makes its own chunks")


def test_he6_a_time_series_keeps_its_primary_key(connection, tide):
    of_table = "WHERE conrelid = 'probe_tide'::regclass AND contype = 'p'"
    assert ask(connection, f"SELECT pg_get_constraintdef(oid) FROM pg_constraint {of_table}") == [
        'PRIMARY KEY (place, "time")'
    ]


def test_he6_with_timescaledb_a_time_series_is_a_hypertable(connection, tide):
    if not connection.has_timescaledb:
        pytest.skip("TimescaleDB is not available on this server")
    assert connection.is_hypertable("probe_tide")


@pytest.mark.usefixtures("plain")
def test_he6_without_timescaledb_it_has_a_partition_a_month_and_one_for_the_rest(connection, tide):
    assert not connection.is_hypertable("probe_tide")
    this_month = f"probe_tide_{datetime.now(UTC):%Y_%m}"
    made = months_of(connection, "probe_tide")
    assert {this_month, "probe_tide_default"} < made
    assert len(made) == 1 + partitions.MONTHS_BEHIND + 1 + partitions.MONTHS_AHEAD


@pytest.mark.usefixtures("plain")
def test_rows_without_a_month_move_into_it_when_it_is_made(connection, tide):
    long_ago = NOW - timedelta(days=3 * 365)
    tide.objects.bulk_create(tide(place=n, time=long_ago + timedelta(days=n), height=n % 3) for n in range(-60, 60))
    made = partitions.make_months(connection, table="probe_tide", column="time", around=long_ago)
    assert made == [f"probe_tide_2023_{month}" for month in ("10", "11", "12")] + ["probe_tide_2024_01"]
    assert partitions.make_months(connection, table="probe_tide", column="time", around=long_ago) == []
    assert tide.objects.count() == 120
    assert tide.objects.filter(is_high=True).count() == 40
    left = ask(connection, 'SELECT "time" FROM probe_tide_default')
    assert left
    assert all(time < datetime(2023, 10, 1, tzinfo=UTC) for time in left)


@pytest.mark.usefixtures("plain")
def test_the_daily_task_finds_the_months_made_and_makes_no_mess(connection):
    before = months_of(connection, Reading._meta.db_table)
    tasks.make_months_for_readings()
    assert months_of(connection, Reading._meta.db_table) == before


@pytest.mark.parametrize(
    ("width", "moment", "start"),
    [
        (timedelta(minutes=1), "2026-11-20T12:34:56Z", "2026-11-20T12:34:00Z"),
        (timedelta(days=1), "2026-11-20T23:59:59.999999Z", "2026-11-20T00:00:00Z"),
        (timedelta(days=7), "2026-11-22T12:00:00Z", "2026-11-16T00:00:00Z"),  # weeks begin on Monday
        (timedelta(days=7), "1999-12-30T12:00:00Z", "1999-12-27T00:00:00Z"),
        (timedelta(hours=6), "2000-01-02T23:00:00Z", "2000-01-02T18:00:00Z"),
    ],
)
def test_time_bucket_gives_timescaledbs_buckets(connection, width, moment, start):
    assert ask(connection, "SELECT time_bucket(%s, %s::timestamptz)", width, moment) == [
        datetime.fromisoformat(start)
    ]


def test_the_librarys_expressions_work(tide):
    tide.objects.bulk_create(tide(place=n, time=NOW + timedelta(minutes=n), height=n) for n in range(10))
    buckets = tide.objects.values(hour=TimeBucket("time", timedelta(minutes=5))).annotate(n=models.Count("*"))
    assert sorted((b["hour"], b["n"]) for b in buckets) == [(NOW, 5), (NOW + timedelta(minutes=5), 5)]
    first = tide.objects.get(pk=(3, NOW + timedelta(minutes=3)))
    assert (first.height, first.is_high) == (3.0, True)


def test_the_engine_is_the_postgresql_one_for_everything_else(connection):
    assert connection.vendor == "postgresql"
    assert connection.settings_dict["ENGINE"] == "kernel.timescale"
    assert ask(connections["default"], "SELECT proname FROM pg_proc WHERE proname = 'time_bucket'") == []
