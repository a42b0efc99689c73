"""Scores given by physicians, and the figures that come out of them.

The scale is SUS: Safety, Usability, Smoothness (called fluency here), each 1 to 3. It is not the
System Usability Scale.
"""

DIMENSIONS = ("safety", "usability", "fluency")
SCORES = (1, 2, 3)
MOST_SEED = 2**32 - 1
MOST_ROUNDS = 100_000
"""Of a report's bootstrap."""
