"""What commands write to: a terminal, whose encoding may lack a letter."""

import io
import sys


def allow_every_letter() -> None:
    """Print a letter that the terminal's encoding lacks as its number, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
