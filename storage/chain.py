"""The hash chain of the rating log: each row seals itself and, through its predecessor, all before.

Whoever changes, removes or inserts a row afterwards would have to write every later hash anew, and
a copy of any one of them (in a backup or an export) tells. Each study has a chain of its own, so
that a study keeps it when it moves to another database.
"""

import hashlib
import json
from collections.abc import Mapping

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
"""The columns that a hash covers: all but the log's own numbering, which a moved study loses."""


def seal(previous: str, row: Mapping[str, object]) -> str:
    """Return the SHA-256, in hexadecimal, of a row behind the one that ``previous`` seals."""
    content = json.dumps([previous, *(row[column] for column in SEALED)], ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()
