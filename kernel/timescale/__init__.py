"""Database engine: PostgreSQL, with time series on TimescaleDB where it is there and on native partitions where not."""
