"""Readings as a Parquet file: a row group holds one stream by rising time, so a part of a month is read as a part.

Columns: `stream` (the catalogue's number), `time` (UTC, microseconds), `sequence`, `value` (as measured, in the
stored unit), `quarantined`, `doubt` (its number, 0 for none), `device` (its number) and `batch` (the mark of its
request).

This loads pyarrow, tens of megabytes: import it where a file is really read or written.
"""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contexts.health.columns import microseconds_of
from contexts.health.rows import ROW, Rows
from kernel.timescale.columns import EPOCH, MICROSECOND

SCHEMA: Final = pa.schema(
    [
        pa.field("stream", pa.int16(), nullable=False),
        pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("sequence", pa.int32(), nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        pa.field("quarantined", pa.bool_(), nullable=False),
        pa.field("doubt", pa.int16(), nullable=False),
        pa.field("device", pa.int32(), nullable=False),
        pa.field("batch", pa.int32(), nullable=False),
    ],
    metadata={"form": "stayer.readings@1"},
)
NAMES: Final = {"device": "device_number", "batch": "mark"}
"""Columns that have another name in the file."""

ROWS_A_GROUP: Final = 262_144
SINCE_1970: Final = (EPOCH - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND


class Sheet:
    """A file that is being written, stream by stream."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._writer = pq.ParquetWriter(
            self._buffer,
            SCHEMA,
            compression="zstd",
            compression_level=9,
            use_dictionary=["value", "sequence", "quarantined", "doubt", "device", "batch", "stream"],
            column_encoding={"time": "DELTA_BINARY_PACKED"},
            write_statistics=["stream", "time"],
        )
        self.rows = 0

    def add(self, rows: Rows) -> None:
        """Readings of one stream, in order."""
        columns = [_column(field, rows) for field in SCHEMA]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), row_group_size=ROWS_A_GROUP)
        self.rows += len(rows)

    def finished(self) -> bytes:
        """The whole file."""
        self._writer.close()
        return self._buffer.getvalue()


def _column(field: Any, rows: Rows) -> Any:
    values = np.ascontiguousarray(rows[NAMES.get(field.name, field.name)])
    if field.name == "time":
        return pa.array(values + SINCE_1970, pa.int64()).cast(field.type)
    return pa.array(values, field.type)


def read(
    sheet: bytes, *, streams: list[int] | None = None, since: datetime | None = None, until: datetime | None = None
) -> Iterator[Rows]:
    """The readings of these streams from `since` to before `until`, row group by row group; by stream and time."""
    file = pq.ParquetFile(pa.BufferReader(sheet))
    low = -(2**62) if since is None else microseconds_of(since)
    high = 2**62 if until is None else microseconds_of(until)
    for number in range(file.num_row_groups):
        bounds = file.metadata.row_group(number)
        stream, time = bounds.column(0).statistics, bounds.column(1).statistics
        first, last = (microseconds_of(instant) for instant in (time.min, time.max))
        if (streams is not None and stream.min not in streams) or first >= high or last < low:
            continue
        rows = _rows(file.read_row_group(number))
        yield rows if first >= low and last < high else rows[(rows["time"] >= low) & (rows["time"] < high)]


def count(sheet: bytes) -> int:
    """How many readings come out when every page of the file is read."""
    return sum(len(rows) for rows in read(sheet))


def _rows(table: Any) -> Rows:
    rows = np.empty(table.num_rows, ROW)
    for field in SCHEMA:
        column = table.column(field.name)
        if field.name == "time":
            rows["time"] = pc.cast(column, pa.int64()).to_numpy() - SINCE_1970
        else:
            rows[NAMES.get(field.name, field.name)] = column.to_numpy()
    return rows
