"""The machinery of `make run`: child processes, their supervisor, and what they need before they start."""
