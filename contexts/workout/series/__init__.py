"""The streams of sessions: points, columns, one table; how they are stored, and fewer of them for a screen."""
