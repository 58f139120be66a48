"""The way of readings in, from the bytes of a request to rows: the hot path."""
