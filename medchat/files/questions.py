"""The questions of a rating study from a table: which column holds what, and checked drafts.

``suggest_columns`` guesses what the columns hold; ``read_drafts`` makes questions of the rows and
lists every problem instead of stopping at the first. Knows nothing of files, models, studies or
databases.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from medchat.errors import BadInput, Message, message
from medchat.files.answers import MAX_QUESTION_LENGTH
from medchat.files.column_names import (
    CATEGORY_NAMES,
    MAX_NAME_LENGTH,
    QUESTION_ID_NAMES,
    QUESTION_NAMES,
    REFERENCE_NAMES,
    name_key,
)
from medchat.files.spreadsheet import Row, Table
from medchat.text import clean_line, clean_text, shorten

MAX_ANSWER_LENGTH = 20_000

_Role = Literal["question_id", "category", "reference", "question"]
_ROLES: tuple[tuple[_Role, tuple[str, ...], tuple[str, ...]], ...] = (
    ("question_id", QUESTION_ID_NAMES, ("question_id", "问题编号", "题目编号", "题号")),
    ("category", CATEGORY_NAMES, ("category", "department", "question_type", *CATEGORY_NAMES[3:])),
    ("reference", REFERENCE_NAMES, ("reference", "参考答案", "标准答案")),
    ("question", QUESTION_NAMES, QUESTION_NAMES),
)
"""What a column can hold: its whole names, then names that may stand within a longer one.

The latter are fewer: "answer" within a longer name is most often a model's answer, and "id" that of
a patient. The question comes last, since 问题编号 and 问题类别 hold its name as well.
"""


@dataclass(frozen=True)
class Columns:
    """Which column holds what. A column in ``answers`` holds the answers of the model it names."""

    question: str
    question_id: str | None = None
    category: str | None = None
    reference: str | None = None
    answers: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every column in use."""
        single = (self.question, self.question_id, self.category, self.reference)
        return (*(name for name in single if name is not None), *self.answers)


@dataclass(frozen=True)
class Problem:
    """Why a row cannot become a question. ``message`` is a sentence that leaves out the row."""

    row: int
    message: Message


@dataclass(frozen=True)
class QuestionDraft:
    """A question as the file gives it; ``answers`` are pairs of a model's name and its answer."""

    text: str
    question_id: str | None
    category: str
    reference: str
    answers: tuple[tuple[str, str], ...]


_FirstRows = dict[tuple[Literal["id", "text"], str], int]
"""Where an id or a question stood first."""


# -- what the columns hold --


def suggest_columns(table: Table) -> Columns | None:
    """The columns by well-known names in Chinese and English; None without one for the question.

    Whole names win over names within a longer one. A single column holds the questions.
    """
    if len(table.columns) == 1:
        return Columns(table.columns[0])
    keys = {column: name_key(column) for column in table.columns}
    chosen: dict[_Role, str] = {}
    for role, names, _ in _ROLES:
        _claim(chosen, role, (column for name in names for column in keys if keys[column] == name))
    for role, _, names in _ROLES:
        _claim(
            chosen,
            role,
            (column for name in names for column in keys if _is_within(name, keys[column])),
        )
    if "question" not in chosen:
        return None
    return Columns(
        chosen["question"],
        chosen.get("question_id"),
        chosen.get("category"),
        chosen.get("reference"),
    )


def _claim(chosen: dict[_Role, str], role: _Role, fitting: Iterable[str]) -> None:
    free = (column for column in fitting if column not in chosen.values())
    if role not in chosen and (column := next(free, None)) is not None:
        chosen[role] = column


def _is_within(name: str, key: str) -> bool:
    """Whether a longer name holds this one; in English from the start of a word."""
    return f"_{name}" in f"_{key}" if name.isascii() else name in key


# -- drafts --


def read_drafts(table: Table, columns: Columns) -> tuple[list[QuestionDraft], list[Problem]]:
    """A draft of each row without a problem, and every problem of the others, in row order.

    Raises BadInput only for a column that the table lacks or that is to hold two things.
    """
    _check_columns(table, columns)
    drafts: list[QuestionDraft] = []
    problems: list[Problem] = []
    first_rows: _FirstRows = {}
    for row in table.rows:
        draft = _draft(row, columns)
        messages = [*_faults(row, draft, columns), *_repetitions(row.number, draft, first_rows)]
        problems += [Problem(row.number, message) for message in messages]
        if not messages:
            drafts.append(draft)
    return drafts, problems


def _check_columns(table: Table, columns: Columns) -> None:
    seen: set[str] = set()
    for column in columns.names:
        if column not in table.columns:
            raise BadInput("column_missing", column=column)
        if column in seen:
            raise BadInput("column_chosen_twice", column=column)
        seen.add(column)


def _draft(row: Row, columns: Columns) -> QuestionDraft:
    def text(column: str | None) -> str:
        return clean_text(row.cells[column])[0] if column is not None else ""

    return QuestionDraft(
        text(columns.question),
        clean_line(text(columns.question_id)) or None,
        clean_line(text(columns.category)),
        text(columns.reference),
        tuple((model, text(model)) for model in columns.answers),
    )


def _faults(row: Row, draft: QuestionDraft, columns: Columns) -> Iterator[Message]:
    """What is wrong with a row, whatever the others hold."""
    for column in columns.names:
        if column in row.formulas:
            yield message("formula_without_result", column=column)
    yield from _faults_of_question(draft.text, columns.question in row.formulas)
    for title, text, limit in (
        (columns.question_id, draft.question_id or "", MAX_NAME_LENGTH),
        (columns.category, draft.category, MAX_NAME_LENGTH),
        (columns.reference, draft.reference, MAX_ANSWER_LENGTH),
        *((model, text, MAX_ANSWER_LENGTH) for model, text in draft.answers),
    ):
        if title is not None and len(text) > limit:
            yield message("cell_too_long", column=title, length=len(text), limit=limit)
    for model, text in draft.answers:
        if not text and model not in row.formulas:
            yield message("answer_missing", model=model)


def _faults_of_question(text: str, without_result: bool) -> Iterator[Message]:
    if not text and not without_result:
        yield message("question_missing")
    if len(text) > MAX_QUESTION_LENGTH:
        yield message("question_too_long", length=len(text), limit=MAX_QUESTION_LENGTH)


def _repetitions(row: int, draft: QuestionDraft, first_rows: _FirstRows) -> Iterator[Message]:
    """An id or a question that an earlier row has already; ``first_rows`` is kept up to date."""
    if draft.question_id and (first := first_rows.setdefault(("id", draft.question_id), row)) < row:
        yield message("question_id_twice", question_id=shorten(draft.question_id), first=first)
    if draft.text and (first := first_rows.setdefault(("text", draft.text), row)) < row:
        yield message("question_twice", first=first)
