"""Reads a score CSV into a checked pandas frame, one row per rating.

Owns what a valid score file is and how a complaint about one reads. Knows nothing about the
figures that are computed from it.
"""

import codecs
import csv
import io
import re
import string
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from medchat.errors import BadInput
from medchat.scale import RESERVED_COLUMNS, SUS, Scale
from medchat.text import shorten

IDENTIFIERS = ("question_id", "model", "rater")

FORMULA_STARTS = tuple("=+@＝＋－＠﹦﹢﹣﹫-")
"""A spreadsheet may run a cell that begins with one of these, in any of their widths."""
UNSEEN = (
    r"\x00-\x08\x0b\x0c\x0e-\x20\x22\x7f-\xa0\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    r"\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000"
    r"\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""As a set of a regular expression: blanks, what nobody sees, and quotation marks. A spreadsheet
may look behind them for the start of a formula."""
FORMULA = re.compile(rf"(?<![^;\t\n\r])(?='*[{UNSEEN}]*[{''.join(FORMULA_STARTS)}])")
"""The places of a text in front of which a formula may begin: its start, and behind a semicolon, a
tab or the end of a line. Where semicolons separate the cells of a file, Excel divides a cell there,
also one in quotation marks."""
QUOTED_FORMULA = re.compile(rf"(?<![^;\t\n\r])'(?='*[{UNSEEN}]*[{''.join(FORMULA_STARTS)}])")
"""The apostrophes that stand in such places."""
_MONTH = (
    r"(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sep(t(ember)?)?|oct(ober)?"
    r"|nov(ember)?|dec(ember)?)"
)
_TIME = (
    r"(上午|下午)?\d+:\d{1,2}(:\d{1,2})?([.,]\d+)?( ?[ap]m?)?|\d{1,2}( [ap]| ?[ap]m)"
    r"|(上午|下午)?\d{1,2}时(\d{1,2}分(\d{1,2}秒)?)?"
)
_DATE = (
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}[-/]\d{1,2}|\d{4}[-/]\d{1,2}|\d{1,2}[-/]\d{4}"
    r"|(\d{2,4}年)?\d{1,2}月(\d{1,2}日)?"
    rf"|(\d{{1,4}}[ ./,-]{{0,3}})?{_MONTH}[ ./,-]{{0,3}}\d{{1,4}}([ ./,-]{{1,3}}\d{{1,4}})?"
    rf"|\d{{1,4}}[ ./,-]{{0,3}}{_MONTH}"
)
LOSES_DIGITS = re.compile(
    r"0\d+([.,]\d*)?|\d{16,}|(\d+([.,]\d*)?|[.,]\d+)e[+-]?\d+"
    r"|\d+[.,]\d*0|\d{1,3}([.,]\d{3})+|\.\d+|\d+\.|\(\d+([.,]\d+)?\)"
    rf"|{_TIME}|({_DATE})([ ,T]{{1,2}}({_TIME}))?",
    re.ASCII | re.IGNORECASE,
)
"""Of which a spreadsheet would show less, such as 007, 1e-5, 1.10 or a long id, or a date, such as
MARCH1."""

_BLANKS = string.whitespace + "\u3000\xa0\u200b\u2060\ufeff"
"""Around an identifier: also those that nobody sees."""
BLOCK = 2**20
"""Bytes of a file that are looked at together."""
MOST_SHARED = 50_000
"""Different texts of a column of which equal ones are kept once."""


def shortened(text: str) -> str:
    """A cell as a complaint quotes it: on one line, without control characters, not all of it."""
    return shorten(text)


def quote_formula(text: str) -> str:
    """Put a `'` before all that a spreadsheet would run as a formula, or change as a number.

    Also before what looks as if that were done already, so that `unquote_formula` gives every text
    back.
    """
    return f"'{text}" if _loses_digits(text) else FORMULA.sub("'", text)


def unquote_formula(text: str) -> str:
    """Undo `quote_formula`."""
    if text.startswith("'") and _loses_digits(text[1:]):
        return text[1:]
    return QUOTED_FORMULA.sub("", text)


def starts_formula(text: str) -> bool:
    """Whether a spreadsheet may take a whole text for a formula."""
    return bool(FORMULA.match(text))


def _loses_digits(text: str) -> bool:
    return bool(LOSES_DIGITS.fullmatch(text.lstrip("'").strip()))


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
    _check_text(content, name)
    records = _records(content, name)
    columns = _header(records, name, scale)
    readers = [_reader(name, column, scale) for column in columns]
    lines = array("q")
    for line, cells in records:
        while len(cells) > len(columns) and not cells[-1].strip():
            cells.pop()  # as Excel leaves behind
        if len(cells) != len(columns):
            raise BadInput(_out_of_step(name, line, columns, cells, scale))
        for reader, cell in zip(readers, cells, strict=True):
            reader.read(cell, line)
        lines.append(line)
    if not lines:
        raise BadInput(f"{name} has a header but no ratings: line 2 is missing.")
    frame = pd.DataFrame({each.column: each.cells for each in readers}, copy=False)
    if "study" not in frame:
        frame["study"] = ""
    _refuse_duplicate(name, frame, lines)
    _refuse_several_studies(name, frame, lines)
    return frame


@dataclass
class _Texts:
    """A column of texts; equal ones are one object, unless there are very many."""

    name: str
    column: str
    strip: bool = False
    needed: bool = False
    cells: list[Any] = field(default_factory=list)
    _seen: dict[str, str] = field(default_factory=dict)

    def read(self, cell: str, line: int) -> None:
        known = self._seen.get(cell)
        if known is None:
            known = unquote_formula(cell)
            known = known.strip(_BLANKS) if self.strip else known
            if self.needed and not known:
                raise BadInput(f"{self.name}, line {line}: the column {self.column} is empty.")
            if len(self._seen) < MOST_SHARED:
                self._seen[cell] = known
        self.cells.append(known)


@dataclass
class _Scores:
    """A column of scores; ``values`` are the scale's by how they are written."""

    name: str
    column: str
    values: Mapping[str, int]
    cells: list[Any] = field(default_factory=list)

    def read(self, cell: str, line: int) -> None:
        value = self.values.get(cell)
        if value is None:
            value = self.values.get(cell.strip())
        if value is None:
            *first, last = self.values
            told = f"“{shortened(cell)}” is not a score" if cell.strip() else "the score is missing"
            raise BadInput(
                f"{self.name}, line {line}, column {self.column}: {told}. Write "
                f"{', '.join(first)} or {last}, as a whole number."
            )
        self.cells.append(value)


def _reader(name: str, column: str, scale: Scale) -> _Texts | _Scores:
    if column in scale.dimensions:
        return _Scores(name, column, {str(score): score for score in scale.scores})
    key = column in IDENTIFIERS
    return _Texts(name, column, strip=key or column in ("study", "study_id"), needed=key)


def _header(records: Iterator[tuple[int, list[str]]], name: str, scale: Scale) -> list[str]:
    line, header = next(records, (1, []))
    if not header:
        raise BadInput(f"{name} is empty.")
    columns = [cell.strip() for cell in header]
    while not columns[-1]:
        columns.pop()
    _check_header(name, line, columns, (*IDENTIFIERS, *scale.dimensions))
    return columns


def _refuse_several_studies(name: str, frame: pd.DataFrame, lines: Sequence[int]) -> None:
    """Raters and letters of two studies are not the same people and models."""
    key = "study_id" if "study_id" in frame else "study"
    first = frame.drop_duplicates(key)
    studies = first["study"].tolist()
    if len(studies) > 1:
        named = ", ".join(map(shortened, studies[:5])) + (", …" if len(studies) > 5 else "")
        raise BadInput(
            f"{name}, line {lines[int(first.index[1])]}, column {key}: the file holds the ratings "
            f"of {len(studies)} studies ({named}), whose raters and letters may be different "
            "people and models. Report one at a time: export it with python -m storage export "
            "--study NAME, or leave the rows of one study in the file."
        )


def _out_of_step(
    name: str, line: int, columns: Sequence[str], cells: Sequence[str], scale: Scale
) -> str:
    """What is said of a line with more or fewer cells than the header."""
    counted = f"the line has {len(cells)} cells where the header has {len(columns)}"
    if len(cells) < len(columns):
        return f"{name}, line {line}, column {shortened(columns[len(cells)])}: missing; {counted}."
    known = {str(score) for score in scale.scores}
    moved = [
        column
        for column, cell in zip(columns, cells, strict=False)
        if column in scale.dimensions and cell.strip() not in known
    ]
    return (
        f"{name}, line {line}, column {shortened([*moved, columns[-1]][0])}: {counted}. A cell "
        "that holds a comma must stand in double quotes, and a score is a whole number."
    )


def _check_text(raw: bytes, name: str) -> None:
    read = 0
    try:
        for text in codecs.iterdecode(_blocks(raw), "utf-8"):
            read += len(text.encode())
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{_place(raw, read + error.start, name)}: this is not UTF-8 text. Save the file as "
            "UTF-8 (in Excel: “CSV UTF-8”) and try again."
        ) from error
    if b"\0" in raw:
        raise BadInput(
            f"{_place(raw, raw.index(0), name)}: the file holds a NUL byte, so it is damaged or "
            "not a CSV file. Export it again, as UTF-8."
        )


def _place(raw: bytes, byte: int, name: str) -> str:
    """Where in the file a byte is: line, and column by its name, or number where it has none."""
    where = f"{name}, line {raw[:byte].count(10) + 1}"
    before = raw[:byte].decode("utf-8-sig", errors="replace").replace("\0", "")
    try:
        records = list(csv.reader(io.StringIO(before, newline="")))
    except csv.Error:  # a cell longer than any should be
        return where
    begins = before.endswith(("\n", "\r"))
    header = records[0] if len(records) > 1 or begins else []
    number = len(records[-1]) if records and not begins else 1
    named = shortened(header[number - 1]) if number <= len(header) else str(number)
    return f"{where}, column {named}"


def _blocks(raw: bytes) -> Iterator[bytes]:
    for start in range(0, len(raw), BLOCK):
        yield raw[start : start + BLOCK]


def _records(raw: bytes, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line on which the record begins, cells), leaving out records without any content."""
    start = 0
    while raw.startswith(codecs.BOM_UTF8, start):
        start += len(codecs.BOM_UTF8)
    reader = csv.reader(_lines(raw, start), strict=True)
    header: list[str] = []
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            record = islice(_lines(raw, start), line - 1, reader.line_num)
            column = _damaged_column("".join(record), header)
            told = f"not valid CSV ({error}). Look"
            if "field larger" in str(error):
                most = csv.field_size_limit()
                told = f"a cell is longer than {most} characters. Shorten it, or look"
            raise BadInput(
                f"{name}, line {line}, column {column}: {told} for a double quote without its "
                "partner, or export the file again."
            ) from error
        if any(cell.strip() for cell in cells):
            header = header or cells
            yield line, cells


def _lines(raw: bytes, start: int) -> Iterator[str]:
    """With their ends, as the ``csv`` module counts them."""
    binary = io.BytesIO(raw)
    binary.seek(start)
    return io.TextIOWrapper(binary, encoding="utf-8", newline="")


def _damaged_column(record: str, header: Sequence[str]) -> str:
    """Where a record stops being CSV: a column by its name, or number where it has none."""

    def fails(length: int) -> bool:
        """Whether the damage is among the first characters: an open quote alone is none."""
        try:
            list(csv.reader([record[:length]], strict=True))
        except csv.Error as error:
            return "unexpected end" not in str(error)
        return False

    before = bisect_left(range(len(record) + 1), True, key=fails)
    (cells,) = csv.reader([record[: before - 1]])
    number = len(cells)
    return shortened(header[number - 1]) if number <= len(header) else str(number)


def _check_header(name: str, line: int, columns: list[str], required: Sequence[str]) -> None:
    missing = [column for column in required if column not in columns]
    repeated = [column for column in dict.fromkeys(columns) if columns.count(column) > 1]
    if missing:
        hint = ""
        if len(columns) == 1 and any(separator in columns[0] for separator in ";\t"):
            hint = " Separate the columns by commas, not by semicolons or tabs."
        elif {each.lower() for each in missing} <= {each.lower() for each in columns}:
            hint = " Write the names in small letters."
        elif unknown := [each for each in columns if each not in {*required, *RESERVED_COLUMNS}]:
            scored = {"question_id", "model", "rater"}.isdisjoint(missing)
            found = ", ".join(map(shortened, unknown[:5]))
            hint = f" The file has {found}: rename those that mean the same."
            if scored:
                hint = (
                    f" The file also has {found}: if that was scored, name what was scored with "
                    "--dimensions."
                )
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


def _refuse_duplicate(name: str, frame: pd.DataFrame, lines: Sequence[int]) -> None:
    keys = frame[["study", *IDENTIFIERS]]
    again = keys.duplicated().to_numpy()
    if not again.any():
        return
    place = int(again.argmax())
    row = keys.iloc[place]
    first = int((keys == row).all(axis=1).to_numpy().argmax())
    raise BadInput(
        f"{name}, lines {lines[first]} and {lines[place]}, columns {', '.join(IDENTIFIERS)}: "
        f"rater {shortened(row['rater'])} rated question {shortened(row['question_id'])} of model "
        f"{shortened(row['model'])} twice. Keep one of the two lines."
    )
