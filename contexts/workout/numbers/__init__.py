"""What is computed of sessions: analyses, records, progress, and the thresholds they go by."""
