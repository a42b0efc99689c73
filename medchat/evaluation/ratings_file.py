"""Reads a score CSV into a checked pandas frame, one row per rating.

Owns what a valid score file is and how a complaint about one reads. Knows nothing about the
figures that are computed from it.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from medchat.errors import BadInput
from medchat.evaluation.scale import SUS, Scale

IDENTIFIERS = ("question_id", "model", "rater")

# A spreadsheet runs a cell that begins with one of these; a quote in front makes it plain text.
# The same as what ``storage`` quotes: some take the full-width ones too, and look behind blanks.
FORMULA_STARTS = tuple("=+-@＝＋－＠")
LOSES_DIGITS = re.compile(r"0\d+([.,]\d*)?|\d{16,}|\d+([.,]\d+)?[eE]\+?\d+", re.ASCII)
"""Numbers of which a spreadsheet would show less, such as 007, 1e5 or a long id."""

Row = dict[str, str]
LONGEST_QUOTED = 40
"""Characters of a cell that a complaint quotes."""


def shortened(text: str) -> str:
    """A cell as a complaint quotes it: on one line, without control characters, not all of it."""
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return shown if len(shown) <= LONGEST_QUOTED else f"{shown[:LONGEST_QUOTED]}…"


def quote_formula(text: str) -> str:
    """Put a `'` before a text that a spreadsheet would run as a formula, or change as a number."""
    return f"'{text}" if _is_changed(text) else text


def unquote_formula(text: str) -> str:
    """Undo `quote_formula`."""
    return text[1:] if text.startswith("'") and _is_changed(text[1:]) else text


def _is_changed(text: str) -> bool:
    return text.lstrip().startswith(FORMULA_STARTS) or bool(LOSES_DIGITS.fullmatch(text.strip()))


def read_ratings(path: Path, scale: Scale = SUS) -> pd.DataFrame:
    """Read the score CSV at `path`; the file's columns in the file's order, one row per rating.

    The scores are integers of the scale. Everything else is text as written, so that an id
    keeps its leading zeros. A file without a `study` column gets one that is empty.

    Raises BadInput, naming file, line, column and value, if the file is not a valid score file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error
    return parse_ratings(content, path.name, scale)


def parse_ratings(content: bytes, name: str, scale: Scale = SUS) -> pd.DataFrame:
    """`read_ratings` of a file's content; `name` is what complaints call it."""
    columns: list[str] = []
    rows: list[list[object]] = []
    line_of_rating: dict[tuple[str, ...], int] = {}
    values = {str(score): score for score in scale.scores}
    for line, row in _records(_text_of(content, name), name, scale):
        row.setdefault("study", "")
        for column in IDENTIFIERS:
            if not row[column]:
                raise BadInput(f"{name}, line {line}: the column {column} is empty.")
        _refuse_duplicate(name, line, row, line_of_rating)
        scores = {each: _score(name, line, each, row, values) for each in scale.dimensions}
        columns = columns or list(row)
        rows.append(list((row | scores).values()))
    if not rows:
        raise BadInput(f"{name} has a header but no ratings.")
    frame = pd.DataFrame(rows, columns=columns)
    _refuse_several_studies(name, frame)
    return frame


def _refuse_several_studies(name: str, frame: pd.DataFrame) -> None:
    """Raters and letters of two studies are not the same people and models."""
    key = "study_id" if "study_id" in frame else "study"
    studies = frame.drop_duplicates(key)["study"].tolist()
    if len(studies) > 1:
        named = ", ".join(map(shortened, studies[:5])) + (", …" if len(studies) > 5 else "")
        raise BadInput(
            f"{name} holds the ratings of {len(studies)} studies ({named}), whose raters and "
            "letters may be different people and models. Report one at a time: export it with "
            "python -m storage export --study NAME, or leave the rows of one study in the file."
        )


def _text_of(raw: bytes, name: str) -> str:
    try:
        text = raw.decode("utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise BadInput(
            f"{name}, line {line}: this is not UTF-8 text. Save the file as UTF-8 "
            "(in Excel: “CSV UTF-8”) and try again."
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise BadInput(
            f"{name}, line {line}: the file holds a NUL byte, so it is damaged or not a CSV "
            "file. Export it again, as UTF-8."
        )
    return text


def _records(text: str, name: str, scale: Scale) -> Iterator[tuple[int, Row]]:
    """Yield (line on which the record begins, its cells by column) below the header."""
    lines = _lines(text, name)
    header_line, header = next(lines, (1, []))
    if not header:
        raise BadInput(f"{name} is empty.")
    columns = [cell.strip() for cell in header]
    while not columns[-1]:  # as Excel leaves behind
        columns.pop()
    required = (*IDENTIFIERS, *scale.dimensions)
    _check_header(name, header_line, columns, required)
    keys = [*required, *(key for key in ("study", "study_id") if key in columns)]
    for line, cells in lines:
        while len(cells) > len(columns) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(columns):
            raise BadInput(
                f"{name}, line {line}: {len(cells)} cells where the header has {len(columns)}. "
                "A cell that holds a comma must stand in double quotes."
            )
        row = {column: unquote_formula(cell) for column, cell in zip(columns, cells, strict=True)}
        yield line, row | {column: row[column].strip() for column in keys}


def _lines(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line on which the record begins, cells), leaving out records without any content."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise BadInput(
                f"{name}, line {line}: not valid CSV ({error}). Look for a double quote without "
                "its partner, or export the file again."
            ) from error
        if any(cell.strip() for cell in cells):
            yield line, cells


def _check_header(name: str, line: int, columns: list[str], required: Sequence[str]) -> None:
    missing = [column for column in required if column not in columns]
    repeated = [column for column in dict.fromkeys(columns) if columns.count(column) > 1]
    if missing:
        hint = ""
        if len(columns) == 1 and any(separator in columns[0] for separator in ";\t"):
            hint = " Separate the columns by commas, not by semicolons or tabs."
        elif {each.lower() for each in missing} <= {each.lower() for each in columns}:
            hint = " Write the names in small letters."
        raise BadInput(
            f"{name}, line {line}: missing {_named(missing)}. A score file needs "
            f"{', '.join(required)}.{hint}"
        )
    if repeated:
        raise BadInput(
            f"{name}, line {line}: more than one {_named(repeated)}. Each column needs a name of "
            "its own."
        )


def _named(columns: list[str]) -> str:
    names = [shortened(column) or "without a name" for column in columns]
    return f"column{'s' if len(columns) > 1 else ''} {', '.join(names)}"


def _score(name: str, line: int, dimension: str, row: Row, values: Mapping[str, int]) -> int:
    text = row[dimension]
    if text not in values:
        *first, last = values
        raise BadInput(
            f"{name}, line {line}, column {dimension}: “{shortened(text)}” is not a score. "
            f"Write {', '.join(first)} or {last}, as a whole number."
        )
    return values[text]


def _refuse_duplicate(
    name: str, line: int, row: Row, line_of_rating: dict[tuple[str, ...], int]
) -> None:
    rating = (row["study"], row["question_id"], row["model"], row["rater"])
    first_line = line_of_rating.setdefault(rating, line)
    if first_line != line:
        raise BadInput(
            f"{name}, lines {first_line} and {line}: rater {shortened(row['rater'])} rated "
            f"question {shortened(row['question_id'])} of model {shortened(row['model'])} twice. "
            "Keep one of the two lines."
        )
