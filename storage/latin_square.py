"""Balanced orders: who sees what in which order, so that no place favours a model.

Rows of a Williams square (E. J. Williams, 1949): over as many rows as it has, each thing stands in
each place equally often and behind each other thing equally often. A seed decides which thing is
which, so that an order tells nothing to who does not know the seed.
"""

import hashlib
import random
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

Thing = TypeVar("Thing")


def balanced_order(things: Sequence[Thing], row: int, seed: str) -> list[Thing]:
    """Return ``things`` in the order of one row of their square; rows are counted round."""
    return [things[index] for index in _shuffled_row(len(things), row, seed)]


@lru_cache(maxsize=1024)  # a study with thousands of questions asks for the same few, many times
def _shuffled_row(size: int, row: int, seed: str) -> tuple[int, ...]:
    shuffled = list(range(size))
    random.Random(hashlib.sha256(seed.encode()).digest()).shuffle(shuffled)
    return tuple(shuffled[index] for index in williams_row(size, row))


def williams_row(size: int, row: int) -> list[int]:
    """Return a row of the square of ``size``: it has that many, twice that where size is odd."""
    if not size:
        return []
    first = [index // 2 if index % 2 == 0 else size - 1 - index // 2 for index in range(size)]
    # 0, n-1, 1, n-2, …: the differences between neighbours are all different.
    order = [(index + row) % size for index in first]
    mirrored = size % 2 == 1 and row // size % 2 == 1
    return order[::-1] if mirrored else order


def spread_row(number: int, size: int) -> int:
    """Return a row for the ``number``-th of some raters who go through ``size`` things.

    Neighbouring rows of a long list differ by two places only: what is late in one is late in the
    next. These lie far apart (halves first, then quarters and so on; van der Corput, 1935), so that
    few rows already bring each thing to places all over the list. In ``size`` raters, or twice that
    where it is odd, each row comes once.
    """
    rows = _spread(2 * size if size % 2 else size)
    return rows[number % len(rows)] if rows else 0


@lru_cache(maxsize=256)
def _spread(count: int) -> tuple[int, ...]:
    digits = max(count - 1, 0).bit_length()
    reversed_digits = (int(f"{number:0{digits}b}"[::-1], 2) for number in range(2**digits))
    return tuple(row for row in reversed_digits if row < count)


def row_beginning_with(size: int, first: int, *, mirrored: bool) -> int:
    """Return the row of the square of ``size`` that has ``first`` in its first place.

    An odd square has two: ``mirrored`` asks for the one of its second half.
    """
    if size % 2 == 0 or not mirrored:
        return first
    return size + (first - williams_row(size, 0)[-1]) % size
