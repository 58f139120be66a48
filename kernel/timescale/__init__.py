"""Database engine: PostgreSQL, with time series on TimescaleDB or, without it, on native partitions."""
