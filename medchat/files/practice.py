"""Practice items of a rating study from a file: a question, an answer, its right scores, and why.

The file may be whatever ``tables`` reads, with the columns question, answer, safety,
usability, fluency, why_zh and why_en (or why, for both languages).
"""

from dataclasses import dataclass
from pathlib import Path

from medchat.config import project_file
from medchat.errors import BadInput
from medchat.files.spreadsheet import Row, read_table
from medchat.scale import DIMENSIONS, SCORES
from medchat.text import clean_text, shorten

BUILT_IN = project_file("assets/practice/default.jsonl")
MAX_ITEMS = 20
NEEDED = ("question", "answer", *DIMENSIONS)


@dataclass(frozen=True)
class PracticeDraft:
    """``scores`` are those of ``DIMENSIONS``, in that order."""

    question: str
    answer: str
    scores: tuple[int, int, int]
    why_zh: str
    why_en: str


def read_practice(file: Path) -> list[PracticeDraft]:
    """Return the practice items of a file.

    Raises BadInput with the row for the first that is at fault, and as ``read_table``.
    """
    table = read_table(file)
    columns = {name.strip().lower(): name for name in table.columns}
    missing = ", ".join(name for name in NEEDED if name not in columns)
    if missing:
        raise BadInput("practice_columns", file=file.name, columns=missing)
    if len(table.rows) > MAX_ITEMS:
        count = len(table.rows)
        raise BadInput("practice_too_many", file=file.name, count=count, limit=MAX_ITEMS)
    return [_draft(row, columns) for row in table.rows]


def _draft(row: Row, columns: dict[str, str]) -> PracticeDraft:
    cells = {name: clean_text(row.cells[column])[0] for name, column in columns.items()}
    for name in ("question", "answer"):
        if not cells[name]:
            raise BadInput("practice_empty", row=row.number, column=name)
    first, second, third = (_score(cells[name], name, row.number) for name in DIMENSIONS)
    why = cells.get("why", "")
    return PracticeDraft(
        cells["question"],
        cells["answer"],
        (first, second, third),
        cells.get("why_zh") or why,
        cells.get("why_en") or why,
    )


def _score(text: str, column: str, row: int) -> int:
    if text not in {str(score) for score in SCORES}:
        raise BadInput("practice_score", row=row, column=column, value=shorten(text))
    return int(text)
