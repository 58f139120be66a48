"""Exercises, plans, the schedule that follows from them, and what became of it."""
