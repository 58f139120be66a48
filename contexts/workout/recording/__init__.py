"""Sessions under way: live, by a phone's batches, offline, together; and how each is completed and corrected."""
