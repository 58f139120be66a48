"""Workout: training sessions, live and imported, their streams, summaries and personal records."""
