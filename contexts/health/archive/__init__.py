"""Cold storage (HE-6): readings of old months leave the table for encrypted Parquet files, and are read from there.

`moving` takes a person's month out, `merging` reads both places as one, `tending` sweeps, verifies and erases;
`sheets` is the file's format, `keeping` what is sealed, stored and checked. `payloads` keeps what devices have sent
as they sent it, by way of `spool`.
"""
