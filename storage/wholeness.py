"""Whether a study is whole: what must hold of one that is packed, and of one that has arrived."""

import json

from sqlite_utils import Database

from storage.archive_rules import Damage
from storage.chain import end_of_ratings
from storage.errors import storage_message
from storage.verification import study_problems

_FLAWS = {
    "answer_elsewhere": """
        SELECT 1 FROM items
        JOIN raters ON raters.id = items.rater
        JOIN responses ON responses.id = items.response
        JOIN questions ON questions.id = items.question
        WHERE raters.study_id = :study AND (
            questions.study_id <> :study OR responses.question <> items.question
            OR (questions.kind = 'practice') <> (items.kind = 'practice'))
        """,
    "rating_elsewhere": """
        SELECT 1 FROM rating_log AS entry
        JOIN items ON items.id = entry.item
        JOIN raters ON raters.id = items.rater
        WHERE entry.study = :study AND (
            items.rater <> entry.rater OR items.response <> entry.response
            OR raters.study_id <> :study)
        """,
    "latest_not_newest": """
        SELECT 1 FROM items
        JOIN raters ON raters.id = items.rater
        LEFT JOIN rating_log AS entry ON entry.item = items.id
        WHERE raters.study_id = :study
        GROUP BY items.id HAVING items.latest IS NOT max(entry.id)
        """,
    "states_out_of_order": """
        SELECT 1 FROM studies WHERE id = :study AND (
            unblinded_at IS NOT NULL AND locked_at IS NULL
            OR locked_at IS NOT NULL AND opened_at IS NULL)
        """,
}


def require_whole(db: Database, study_id: str, packed_name: str | None = None) -> str:
    """Return the hash at the end of a study's ratings. Raises Damage where anything is wrong.

    A study that has just arrived was sealed under its ``packed_name``, and with other rights.
    """
    for code, sql in _FLAWS.items():
        if db.execute(f"{sql} LIMIT 1", {"study": study_id}).fetchone():
            raise Damage(storage_message(code))
    _require_marked_text(db, study_id)
    for problem in study_problems(db, study_id, packed_name):
        raise Damage(problem)
    return str(end_of_ratings(db, study_id)["end"])


def _require_marked_text(db: Database, study_id: str) -> None:
    rows = db.execute(
        """
        SELECT entry.spans, coalesce(responses.shown_text, responses.text) FROM rating_log AS entry
        JOIN responses ON responses.id = entry.response
        WHERE entry.study = ? AND entry.spans <> '[]'
        """,
        [study_id],
    )
    for spans, text in rows:
        if any(span["end"] > len(text) for span in json.loads(spans)):
            raise Damage(storage_message("marked_text_missing"))
