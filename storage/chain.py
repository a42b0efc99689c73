"""The hash chains: each row seals itself and, through its predecessor, all before it.

The ratings of a study form one chain and its events another, so that a study keeps both when it
moves to another database. Who changes, removes or inserts a row afterwards would have to write
every later hash anew, and a copy of any one of them (in a backup, or an end that was noted) tells.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlite_utils import Database

START = "0" * 64
"""What stands before the first row of a study."""
SEALED = (
    "study",
    "idempotency_key",
    "item",
    "rater",
    "response",
    "safety",
    "usability",
    "fluency",
    "skipped",
    "flags",
    "comment",
    "spans",
    "shown_position",
    "active_seconds",
    "rated_at",
)
"""The columns of a rating that a hash covers: all but the log's own numbering, which a moved study
loses."""
SEALED_OF_EVENT = ("study", "event", "detail", "coordinator", "happened_at", "content")
"""The columns of an event that a hash covers."""
PROGRAM = "MedChat"
"""Stands in an event for whom nobody named."""

_encode = json.JSONEncoder(ensure_ascii=False).encode


def seal(previous: str, row: Mapping[str, object]) -> str:
    """Return the SHA-256, in hexadecimal, of a rating behind the one that ``previous`` seals."""
    return hash_of([previous, *(row[column] for column in SEALED)])


def seal_event(previous: str, row: Mapping[str, object]) -> str:
    """Return the SHA-256, in hexadecimal, of an event behind the one that ``previous`` seals."""
    return hash_of([previous, *(row[column] for column in SEALED_OF_EVENT)])


def hash_of(values: list[object]) -> str:
    """Return the SHA-256, in hexadecimal, of the hash of the row before and a row's values."""
    return hashlib.sha256(_encode(values).encode()).hexdigest()


def append_event(db: Database, row: dict[str, Any]) -> None:
    """Store an event at the end of its study's chain."""
    previous = end_of_events(db, row["study"])
    row = {**row, "previous": previous, "hash": seal_event(previous, row)}
    names = (*SEALED_OF_EVENT, "previous", "hash")
    marks = ", ".join(f":{name}" for name in names)
    db.execute(f"INSERT INTO study_events ({', '.join(names)}) VALUES ({marks})", row)


def end_of_events(db: Database, study_id: str) -> str:
    """The hash of a study's last event."""
    row = db.execute(
        "SELECT hash FROM study_events WHERE study = ? ORDER BY id DESC LIMIT 1", [study_id]
    ).fetchone()
    return str(row[0]) if row else START


def end_of_ratings(db: Database, study_id: str) -> dict[str, Any]:
    """How many ratings a study's log has, and the hash of the last."""
    (rows,) = db.execute("SELECT count(*) FROM rating_log WHERE study = ?", [study_id]).fetchone()
    last = db.execute(
        "SELECT hash FROM rating_log WHERE study = ? ORDER BY id DESC LIMIT 1", [study_id]
    ).fetchone()
    return {"rows": rows, "end": last[0] if last else START}


# -- the end of a chain, short enough to be written down --

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # without I, L, O and U (D. Crockford's base 32)
_MISREAD = str.maketrans("ILO", "110")
CODE_LENGTH = 20
_HEX_LENGTH = CODE_LENGTH * 5 // 4


def end_code(end: str) -> str:
    """Return the first 100 bits of a hash as four groups of five letters and digits."""
    number = int(end[:_HEX_LENGTH], 16)
    digits = [_DIGITS[number >> 5 * index & 31] for index in reversed(range(CODE_LENGTH))]
    return "-".join("".join(digits[start : start + 5]) for start in range(0, CODE_LENGTH, 5))


def hash_start(code: str) -> str | None:
    """Return how a hash begins, in hexadecimal, by its code however typed; None for no code."""
    plain = "".join(sign for sign in code.upper() if sign.isalnum()).translate(_MISREAD)
    if len(plain) != CODE_LENGTH or set(plain) - set(_DIGITS):
        return None
    number = 0
    for sign in plain:
        number = number << 5 | _DIGITS.index(sign)
    return f"{number:0{_HEX_LENGTH}x}"
