"""Booking: sport events, their places, and who has them. Read this context first: it has every room there can be."""

ISOLATION = "serializable"
