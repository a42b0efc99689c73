"""What was done to a study, by whom and when: opened, locked, unblinded, and all that is between.

Nothing is ever taken out; the database refuses it.
"""

from dataclasses import dataclass

from sqlite_utils import Database

from storage.database import Store
from storage.errors import StorageError
from storage.ids import storable, utc_now

EVENTS = (
    "opened",
    "kept",
    "masked",
    "excluded",
    "reviewed_again",
    "handed_over",
    "adjudicated",
    "shared",
    "packed",
    "unpacked",
    "locked",
    "reopened",
    "unblinded",
)


@dataclass(frozen=True)
class StudyEvent:
    """``event`` is one of ``EVENTS``, ``detail`` such as a rater; ``happened_at`` is UTC."""

    event: str
    detail: str
    coordinator: str
    happened_at: str


def log_event(db: Database, study_id: str, event: str, coordinator: str, detail: str = "") -> str:
    """Write down what is done in this transaction; returns the time."""
    now = utc_now()
    db.execute(
        "INSERT INTO study_events (study, event, detail, coordinator, happened_at)"
        " VALUES (?, ?, ?, ?, ?)",
        [study_id, event, storable(detail), storable(coordinator), now],
    )
    return now


def study_events(store: Store, study_id: str) -> list[StudyEvent]:
    """Return what was done to a study, the oldest first."""
    sql = (
        "SELECT event, detail, coordinator, happened_at FROM study_events"
        " WHERE study = ? ORDER BY id"
    )
    with store.connect() as db:
        return [StudyEvent(*row) for row in db.execute(sql, [study_id])]


def require_running(db: Database, study_id: str) -> None:
    """Raises StorageError study_is_draft or study_is_locked where raters cannot save now.

    For what a coordinator does; a rater is told in other words.
    """
    row = db.execute("SELECT opened_at, locked_at FROM studies WHERE id = ?", [study_id]).fetchone()
    if row is None or row[0] is None:
        raise StorageError("study_is_draft")
    if row[1] is not None:
        raise StorageError("study_is_locked")
