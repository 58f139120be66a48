"""Readings from the clouds of vendors: scales, watches and rings whose makers have an API (HE-3).

`contract.py` is what an adapter has to know; `vendors/` holds the adapters; the rest is the same for all of them.
"""
