"""What was done to a study, by whom and when: opened, locked, unblinded, and all that is between.

Nothing is ever taken out; the database refuses it. The events of a study form a chain, and carry
the seals of what the study held when they happened.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlite_utils import Database

from storage.chain import PROGRAM, append_event, end_code, end_of_ratings
from storage.database import Store
from storage.errors import StorageError
from storage.ids import storable, utc_now
from storage.seals import Part, seal_parts

EVENTS = (
    "created",
    "sealed",
    "invited",
    "renewed",
    "revoked",
    "agreed",
    "opened",
    "added",
    "kept",
    "masked",
    "excluded",
    "reviewed_again",
    "handed_over",
    "adjudicated",
    "published",
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
    """``event`` is one of ``EVENTS``, ``detail`` such as a rater; ``happened_at`` is UTC.

    ``end_code`` is the end of the study's records with a lock, to be kept elsewhere; "" for other
    events, and for locks from before there were seals.
    """

    event: str
    detail: str
    coordinator: str
    happened_at: str
    end_code: str


def log_event(
    db: Database,
    study_id: str,
    event: str,
    coordinator: str,
    detail: str = "",
    *,
    parts: Iterable[Part] = (),
    with_ratings: bool = False,
    at: str | None = None,
) -> str:
    """Write down what is done in this transaction; returns the time.

    ``parts`` are sealed as they are now, so this comes after what they say was written;
    ``with_ratings`` seals how many ratings there are and with which hash they end.
    """
    content = seal_parts(db, parts)
    if not content["seals"]:
        content = {}
    if with_ratings:
        content["ratings"] = end_of_ratings(db, study_id)
    happened_at = at or utc_now()
    append_event(
        db,
        {
            "study": study_id,
            "event": event,
            "detail": storable(detail),
            "coordinator": storable(coordinator) or PROGRAM,
            "happened_at": happened_at,
            "content": json.dumps(content, ensure_ascii=False),
        },
    )
    return happened_at


def study_events(store: Store, study_id: str) -> list[StudyEvent]:
    """Return what was done to a study, the oldest first.

    From the opening to the unblinding, what was decided of an answer names its question alone: with
    the model, the letters of a report could be told apart.
    """
    sql = """
        SELECT event, detail, coordinator, happened_at,
            iif(event = 'locked' AND content <> '{}', hash, ''),
            opened_at IS NOT NULL AND unblinded_at IS NULL AS blind
        FROM study_events JOIN studies ON studies.id = study
        WHERE study = ? ORDER BY study_events.id
        """
    with store.connect() as db:
        return [_without_model(*row) for row in db.execute(sql, [study_id])]


def _without_model(
    event: str, detail: str, coordinator: str, happened_at: str, end: str, blind: int
) -> StudyEvent:
    if blind and event in OF_ANSWERS:
        detail = detail.partition(BEFORE_MODEL)[0]
    return StudyEvent(event, detail, coordinator, happened_at, end_code(end) if end else "")


def require_running(db: Database, study_id: str) -> None:
    """Raises StorageError study_is_draft or study_is_locked where raters cannot save now.

    For what a coordinator does; a rater is told in other words.
    """
    row = db.execute("SELECT opened_at, locked_at FROM studies WHERE id = ?", [study_id]).fetchone()
    if row is None or row[0] is None:
        raise StorageError("study_is_draft")
    if row[1] is not None:
        raise StorageError("study_is_locked")
