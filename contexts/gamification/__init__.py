"""Gamification: points for effort, and the boards that make effort visible."""
