"""The score CSV, one row for every rating that counts now; and the order in which it was given.

Owns the SQL behind both files. Knows nothing about statistics. The scores are those of the SUS
scale (safety, usability, smoothness), which is not the System Usability Scale.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
from sqlite_utils import Database

from medchat.scale import SCORE_COLUMNS
from medchat.text import quote_formula
from storage.blinding import shown_names, with_shown_ids
from storage.database import Store
from storage.errors import StorageError
from storage.studies import require_study

ORDER_COLUMNS = ("rater", "kind", "place", "question_id", "position", "response_id")

_CURRENT_SCORES = """
    SELECT
        studies.id AS study_id, studies.name AS study,
        questions.question_id, questions.text AS question, questions.position AS question_position,
        shown_name(studies.id, responses.model) AS model, responses.id AS row_id,
        shown_id(studies.id, responses.id) AS response_id,
        raters.id AS rater_id, raters.label AS rater, raters.specialty, raters.years,
        rating.safety, rating.usability, rating.fluency, rating.flags, rating.comment,
        rating.shown_position, rating.active_seconds, rating.rated_at
    FROM current_ratings AS rating
    JOIN responses ON responses.id = rating.response
    JOIN questions ON questions.id = responses.question
    JOIN studies ON studies.id = questions.study_id
    JOIN raters ON raters.id = rating.rater
    WHERE :study IS NULL OR studies.id = :study
    -- by the name that is shown: another order would tell
    ORDER BY studies.name, questions.position, shown_name(studies.id, responses.model),
        length(raters.label), raters.label
    """

_ORDER = """
    SELECT raters.label AS rater, iif(items.adjudication, 'adjudication', items.kind) AS kind,
        items.place, questions.question_id, items.position,
        shown_id(raters.study_id, items.response) AS response_id
    FROM items
    JOIN raters ON raters.id = items.rater
    JOIN questions ON questions.id = items.question
    WHERE raters.study_id = ? AND raters.trial = 0
        AND (items.withdrawn_at IS NULL OR items.latest IS NOT NULL)
    ORDER BY length(raters.label), raters.label, items.place, items.position
    """

# Unicode's category Cc, but for the line feed.
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def score_rows(store: Store, study_id: str | None) -> list[dict[str, object]]:
    """Return one row per current rating, of one study or (None) of all.

    A model has its name only in a study that has been unblinded, else a letter; and an answer has
    the id of its own only then.

    The keys are ``medchat.scale.SCORE_COLUMNS``. Several flags are joined with ";". ``years`` and
    ``active_seconds`` may be None. Labels and question ids repeat between studies.

    Raises:
        StorageError: unknown_study.
    """
    with store.connect() as db:
        if study_id is not None:
            require_study(db, study_id)
        return [_score_row(row) for row in _each_current(db, study_id)]


def exported_scores(db: Database) -> list[tuple[Any, ...]]:
    """Rater's id, answer's own id and the three scores of every row that an export has."""
    columns = "rater_id, row_id, safety, usability, fluency"
    return (
        _with_names(db)
        .execute(f"SELECT {columns} FROM ({_CURRENT_SCORES})", {"study": None})
        .fetchall()
    )


def _each_current(db: Database, study_id: str | None) -> Iterator[dict[str, Any]]:
    return _with_names(db).query(_CURRENT_SCORES, {"study": study_id})


def _with_names(db: Database) -> Database:
    """Let the SQL of a connection ask for the names and ids that are shown."""
    names = shown_names(db)
    db.conn.create_function("shown_name", 2, lambda *of: names[of], deterministic=True)
    return with_shown_ids(db)


def _score_row(row: Mapping[str, Any]) -> dict[str, object]:
    columns = {column: row[column] for column in SCORE_COLUMNS}
    columns["flags"] = _joined(row["flags"])
    return columns


@lru_cache(maxsize=2**10)
def _joined(flags: str) -> str:
    return ";".join(json.loads(flags))


def score_frame(store: Store, study_id: str | None) -> pd.DataFrame:
    """Return the rows of ``score_rows`` as a frame, with every column even when it is empty."""
    return pd.DataFrame(score_rows(store, study_id), columns=list(SCORE_COLUMNS))


def order_rows(store: Store, study_id: str) -> list[dict[str, object]]:
    """Return one row per answer and rater: who was shown what, in which order. Names no model.

    The keys are ``ORDER_COLUMNS``: ``place`` is that of the question on the rater's list,
    ``position`` that of the answer on screen, both from 1; ``kind`` is practice, real, repeat or
    adjudication.
    What was taken from a rater before it was rated is left out, and so are dry runs.

    Raises:
        StorageError: unknown_study.
    """
    with store.connect() as db:
        require_study(db, study_id)
        return list(with_shown_ids(db).query(_ORDER, [study_id]))


# -- as CSV --


def score_lines(db: Database, study_id: str) -> Iterator[bytes]:
    """The lines of ``score_csv_bytes`` inside a transaction, header first, one at a time."""
    return _csv_lines(map(_score_row, _each_current(db, study_id)), SCORE_COLUMNS)


def order_lines(db: Database, study_id: str) -> Iterator[bytes]:
    """The lines of ``order_csv_bytes`` inside a transaction, header first."""
    return _csv_lines(with_shown_ids(db).query(_ORDER, [study_id]), ORDER_COLUMNS)


def score_csv_bytes(rows: Iterable[Mapping[str, object]]) -> bytes:
    """Return the rows as CSV in UTF-8 with a byte order mark, which Excel needs for Chinese."""
    return b"".join(_csv_lines(rows, SCORE_COLUMNS))


def order_csv_bytes(rows: Iterable[Mapping[str, object]]) -> bytes:
    """Return the rows of ``order_rows`` as ``score_csv_bytes`` does."""
    return b"".join(_csv_lines(rows, ORDER_COLUMNS))


def _csv_lines(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> Iterator[bytes]:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    yield text.getvalue().encode("utf-8-sig")
    for row in rows:
        text.seek(0)
        text.truncate()
        cells = [row[column] for column in columns]
        writer.writerow([_harmless(cell) if isinstance(cell, str) else cell for cell in cells])
        yield text.getvalue().encode()


def write_score_csv(rows: Iterable[Mapping[str, object]], path: str | Path) -> None:
    """Write the rows to a file, replacing what it held.

    Raises:
        StorageError: export_failed.
    """
    try:
        Path(path).write_bytes(score_csv_bytes(rows))
    except OSError as error:
        raise StorageError("export_failed", path=path, remainder=error.strerror or error) from error


@lru_cache(maxsize=2**16)  # the same questions, models and raters in row after row
def _harmless(value: str) -> str:
    """Return a text without what harms a spreadsheet."""
    return quote_formula(_without_control_characters(value))


def _without_control_characters(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return _CONTROL_CHARACTERS.sub("", lines)
