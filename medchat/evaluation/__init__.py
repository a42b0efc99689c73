"""Scores given by physicians, and the figures that come out of them."""

MAX_SEED = 2**32 - 1
MAX_ROUNDS = 100_000
"""Of a report's bootstrap."""
