"""Whether a value is normal, and whether a course of values is odd."""
