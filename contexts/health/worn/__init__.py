"""Devices and what belongs to them: their life, papers, curves, and the signature under what they send."""
