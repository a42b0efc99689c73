"""The score CSV: one row for every rating that counts now.

Owns the columns, their order and what makes a cell safe for a spreadsheet. Knows nothing about
statistics. The scores are those of the SUS scale (safety, usability, smoothness), which is not
the System Usability Scale.
"""

import csv
import io
import json
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from sqlite_utils import Database

from storage.blinding import shown_names
from storage.database import Store
from storage.errors import StorageError
from storage.studies import require_study

SCORE_COLUMNS = (
    "study",
    "question_id",
    "question",
    "model",
    "response_id",
    "rater",
    "specialty",
    "years",
    "safety",
    "usability",
    "fluency",
    "flags",
    "comment",
    "shown_position",
    "active_seconds",
    "rated_at",
)

_CURRENT_SCORES = """
    SELECT
        studies.id AS study_id, studies.name AS study,
        questions.question_id, questions.text AS question, questions.position AS question_position,
        responses.model, responses.id AS response_id,
        raters.id AS rater_id, raters.label AS rater, raters.specialty, raters.years,
        rating.safety, rating.usability, rating.fluency, rating.flags, rating.comment,
        rating.shown_position, rating.active_seconds, rating.rated_at
    FROM current_ratings AS rating
    JOIN responses ON responses.id = rating.response
    JOIN questions ON questions.id = responses.question
    JOIN studies ON studies.id = questions.study_id
    JOIN raters ON raters.id = rating.rater
    WHERE :study IS NULL OR studies.id = :study
    ORDER BY length(raters.label), raters.label
    """

# What Excel, LibreOffice or WPS takes for the start of a formula, in both widths.
_FORMULA_STARTS = tuple("=+-@＝＋－＠")


def score_rows(store: Store, study_id: str | None) -> list[dict[str, object]]:
    """Return one row per current rating, of one study or (None) of all.

    A model has its name only in a study that has been unblinded, else a letter.

    The keys are ``SCORE_COLUMNS``. Several flags are joined with ";". ``years`` and
    ``active_seconds`` may be None. Labels and question ids repeat between studies.

    Raises:
        StorageError: unknown_study.
    """
    with store.connect() as db:
        if study_id is not None:
            require_study(db, study_id)
        rows = current_rows(db, study_id)
    return [
        {column: row[column] for column in SCORE_COLUMNS}
        | {"flags": ";".join(json.loads(row["flags"]))}
        for row in rows
    ]


def current_rows(db: Database, study_id: str | None) -> list[dict[str, Any]]:
    """The rows of ``score_rows`` with the ids, and flags as they are stored."""
    names = shown_names(db)
    rows = [
        {**row, "model": names[row["study_id"], row["model"]]}
        for row in db.query(_CURRENT_SCORES, {"study": study_id})
    ]
    # By the name that is shown: another order would tell.
    rows.sort(key=lambda row: (row["study"], row["question_position"], row["model"]))
    return rows


def score_frame(store: Store, study_id: str | None) -> pd.DataFrame:
    """Return the rows of ``score_rows`` as a frame, with every column even when it is empty."""
    return pd.DataFrame(score_rows(store, study_id), columns=list(SCORE_COLUMNS))


def score_csv_bytes(rows: Iterable[Mapping[str, object]]) -> bytes:
    """Return the rows as CSV in UTF-8 with a byte order mark, which Excel needs for Chinese."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=SCORE_COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({column: _cell(row[column]) for column in SCORE_COLUMNS} for row in rows)
    return text.getvalue().encode("utf-8-sig")


def write_score_csv(rows: Iterable[Mapping[str, object]], path: str | Path) -> None:
    """Write the rows to a file, replacing what it held.

    Raises:
        StorageError: export_failed.
    """
    try:
        Path(path).write_bytes(score_csv_bytes(rows))
    except OSError as error:
        raise StorageError("export_failed", path=path, reason=error.strerror) from error


def _cell(value: object) -> object:
    """Return a number as it is, and a text without what harms a spreadsheet."""
    if not isinstance(value, str):
        return value
    text = _without_control_characters(value)
    # An apostrophe in front makes a spreadsheet show the cell instead of running it. Looked at
    # before and after cleaning, because a control character can hide the start.
    if value.startswith(("\t", "\r")) or text.lstrip().startswith(_FORMULA_STARTS):
        return "'" + text
    return text


def _without_control_characters(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    return "".join(each for each in lines if each == "\n" or unicodedata.category(each) != "Cc")
