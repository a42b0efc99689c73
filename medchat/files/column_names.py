"""Column names of tables: those that tell what a column holds, and what no table may have.

Knows what HuaTuo calls its columns: instruction and input are one question. Knows no rows.
"""

import re
from collections.abc import Iterable, Sequence

from openpyxl.utils import get_column_letter

from medchat.errors import BadInput
from medchat.files.workbook_parts import LAST_COLUMN
from medchat.text import shorten

MAX_COLUMNS = 100
MAX_NAME_LENGTH = 80
"""Characters of a column name, a question_id or a category."""

QUESTION_NAMES = ("question", "instruction", "query", "prompt", "问题", "题目", "提问")
QUESTION_ID_NAMES = ("question_id", "id", "编号", "题号", "序号")
CATEGORY_NAMES = ("category", "type", "department", "科室", "类别", "分类", "类型")
REFERENCE_NAMES = ("reference", "参考答案", "标准答案", "output", "answer", "target", "答案")
ALL_NAMES = {*QUESTION_NAMES, *QUESTION_ID_NAMES, *CATEGORY_NAMES, *REFERENCE_NAMES}


def name_key(column: str) -> str:
    """Lower case, words joined by one underscore each: "Question ID" is question_id."""
    return "_".join(re.findall(r"[^\W_]+", column.casefold()))


def holds_name(cells: Iterable[str], names: Iterable[str]) -> bool:
    return any(name_key(cell) in names for cell in cells if len(cell) <= MAX_NAME_LENGTH)


def column_letters(column: int) -> str:
    """What a spreadsheet calls a column; its number beyond the last that has letters."""
    return get_column_letter(column + 1) if column < LAST_COLUMN else str(column + 1)


# -- what no table may have --


def check_names(name: str, columns: Sequence[str]) -> None:
    if len(columns) > MAX_COLUMNS:
        raise BadInput("too_many_columns", file=name, columns=len(columns), limit=MAX_COLUMNS)
    longest = max(columns, key=len, default="")
    if len(longest) > MAX_NAME_LENGTH:
        raise BadInput(
            "column_name_too_long",
            file=name,
            column=shorten(longest),
            length=len(longest),
            limit=MAX_NAME_LENGTH,
        )
    check_unique(name, columns)


def check_unique(name: str, columns: Sequence[str]) -> None:
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            raise BadInput("column_name_twice", file=name, column=shorten(column))
        seen.add(column)


# -- instruction and input --


def fold(cells: dict[str, str]) -> dict[str, str]:
    """The cells of a row; HuaTuo's instruction, input and output become question and reference."""
    if not _is_to_be_folded(cells):
        return cells
    rest = dict(cells)
    parts = [rest.pop("instruction"), rest.pop("input", "")]
    folded = {"question": "\n".join(part for part in parts if part.strip())}
    if "output" in rest and "reference" not in rest:
        folded["reference"] = rest.pop("output")
    return folded | rest


def _is_to_be_folded(cells: dict[str, str]) -> bool:
    return "instruction" in cells and "question" not in cells


def folded_name(column: str, cells: dict[str, str]) -> str:
    if not _is_to_be_folded(cells):
        return column
    if column == "output" and "reference" not in cells:
        return "reference"
    return "question" if column in ("instruction", "input") else column
