"""A payment provider for everything but real money: a program of its own, to develop, test and play against.

It behaves like the real ones where that matters: a hosted page, idempotency keys, books that add up, signed webhooks
that come late, twice, before the answer, and again until they are heard.
"""
