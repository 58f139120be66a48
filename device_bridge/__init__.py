"""The device bridge: a heart-rate strap on one side, the health API on the other, a durable spool between."""
