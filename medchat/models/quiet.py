"""Silence for the model libraries where what matters of their remarks is checked here."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging as transformers_logging

# peft asks transformers by a name that transformers is about to drop. Said here for good: the
# filters below are the process's, and another library's thread may restore its own in between.
warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)

_turn = threading.RLock()
"""Warnings and verbosity are the process's: one thread at a time may change them."""


@contextmanager
def silence_libraries() -> Iterator[None]:
    """Run a block without the libraries' progress bars, warnings and remarks."""
    with _turn:
        yield from _silence()


def _silence() -> Iterator[None]:
    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(before)
