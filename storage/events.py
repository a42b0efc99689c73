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


OF_ANSWERS = ("kept", "masked", "excluded", "reviewed_again")
BEFORE_MODEL = " · "
"""In the detail of ``OF_ANSWERS``, between a question and a model."""


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
    """Return what was done to a study, the oldest first.

    From the opening to the unblinding, what was decided of an answer names its question alone: with
    the model, the letters of a report could be told apart.
    """
    sql = """
        SELECT event, detail, coordinator, happened_at,
            opened_at IS NOT NULL AND unblinded_at IS NULL AS blind
        FROM study_events JOIN studies ON studies.id = study
        WHERE study = ? ORDER BY study_events.id
        """
    with store.connect() as db:
        return [_told(*row) for row in db.execute(sql, [study_id])]


def _told(event: str, detail: str, coordinator: str, happened_at: str, blind: int) -> StudyEvent:
    if blind and event in OF_ANSWERS:
        detail = detail.partition(BEFORE_MODEL)[0]
    return StudyEvent(event, detail, coordinator, happened_at)


def require_running(db: Database, study_id: str) -> None:
    """Raises StorageError study_is_draft or study_is_locked where raters cannot save now.

    For what a coordinator does; a rater is told in other words.
    """
    row = db.execute("SELECT opened_at, locked_at FROM studies WHERE id = ?", [study_id]).fetchone()
    if row is None or row[0] is None:
        raise StorageError("study_is_draft")
    if row[1] is not None:
        raise StorageError("study_is_locked")
