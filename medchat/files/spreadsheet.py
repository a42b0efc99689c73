"""Tables from CSV, JSON and Excel files.

``read_table`` finds encoding, separator and header and gives rows of plain text, each numbered as
a person finds it in the file. Cells are text here: nothing is calculated, and a text that begins
with ``=`` stays a text. Does not know what a question is, but for the names that tell a header from
a first row.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from medchat.errors import BadInput
from medchat.files.column_names import (
    ALL_NAMES,
    QUESTION_NAMES,
    check_names,
    column_letters,
    fold,
    folded_name,
    holds_name,
)
from medchat.files.delimited import delimited_rows, find_delimiter
from medchat.files.json_rows import json_records
from medchat.files.text_decoding import decode, read_bytes
from medchat.files.workbook_parts import LAST_COLUMN
from medchat.files.workbook_reader import NoWorkbook, read_first_sheet
from medchat.text import clean_line, shorten

MAX_ROWS = 20_000

_EXCEL = (".xlsx", ".xlsm")
_JSON = (".json", ".jsonl", ".ndjson")
_DELIMITED = (".csv", ".tsv", ".txt")
_OLD_OFFICE = (".xls", ".xlt", ".et", ".doc", ".wps")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ROWS_ABOVE_HEADER = 5
_NO_NAME = re.compile(r"[?？。！!]$|怎么|怎样|什么|如何|[吗呢]$|^[-+]?\d+([.,]\d+)*$")
"""What looks like a question or a number, and so like the first row of a file without header."""


@dataclass(frozen=True)
class Row:
    """One row of text by column name.

    ``number`` is the line in a CSV or JSON lines file (the first one of a record over several), the
    row of the sheet in Excel, or the place of the item in a JSON array, always from 1. ``formulas``
    names the columns whose cell holds a formula without a usable result.
    """

    number: int
    cells: dict[str, str]
    formulas: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """What a file holds. ``encoding`` is "UTF-8", "UTF-16", "GB18030", or "" for Excel."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    encoding: str


class _Line(NamedTuple):
    """A row before the header is known: its texts by column, from 0, without the empty ones.

    ``width`` is the number of its cells; ``formulas`` are columns.
    """

    number: int
    cells: dict[int, str]
    width: int
    formulas: tuple[int, ...] = ()


# -- reading a file --


def read_table(file: Path, *, of_questions: bool = True) -> Table:
    """The columns and rows of a file. Raises BadInput, always with a code.

    ``of_questions`` looks for a first row that holds no column names but a title or a question.
    """
    suffix = file.suffix.lower()
    if suffix in _OLD_OFFICE:
        raise BadInput("question_file_old_office", file=file.name)
    if suffix not in (*_EXCEL, *_JSON, *_DELIMITED):
        raise BadInput("question_file_format", file=file.name)
    content = read_bytes(file)
    if content.startswith(_OLE):
        is_encrypted = _holds_package(content)
        code = "workbook_encrypted" if is_encrypted else "question_file_old_office"
        raise BadInput(code, file=file.name)
    if content.startswith(_ZIP) or suffix in _EXCEL:
        return _workbook_table(file.name, content, of_questions)
    text, encoding = decode(file.name, content)
    if not text.strip():
        raise BadInput("question_file_empty", file=file.name)
    if suffix in _JSON or (suffix == ".txt" and text.lstrip().startswith(("{", "["))):
        return _json_table(file.name, text, encoding)
    delimiter = "\t" if suffix == ".tsv" else find_delimiter(text)
    rows = islice(delimited_rows(file.name, text, delimiter), MAX_ROWS + 2)
    lines = [
        _Line(number, {column: cell for column, cell in enumerate(cells) if cell}, len(cells))
        for number, cells in rows
    ]
    return _grid_table(file.name, lines, encoding, of_questions)


# -- Excel --


def _holds_package(content: bytes) -> bool:
    """Whether this container is an encrypted .xlsx and no older format."""
    return "EncryptedPackage".encode("utf-16-le") in content


def _workbook_table(name: str, content: bytes, of_questions: bool) -> Table:
    try:
        rows = read_first_sheet(name, content, MAX_ROWS + 2)
    except NoWorkbook as error:
        raise BadInput("question_file_format", file=name) from error
    # A sheet has no width of its own: what stands right of the header is a column without a name.
    lines = [_Line(row.number, row.cells, LAST_COLUMN, tuple(sorted(row.formulas))) for row in rows]
    return _grid_table(name, lines, "", of_questions)


# -- JSON --


def _json_table(name: str, text: str, encoding: str) -> Table:
    records = json_records(name, text)
    filled = (record for record in records if any(map(str.strip, record[1].values())))
    first = list(islice(filled, MAX_ROWS + 1))
    columns = tuple(dict.fromkeys(chain.from_iterable(cells for _, cells in first)))
    if not columns:
        raise BadInput("question_file_empty", file=name)
    check_names(name, columns)
    rows = (Row(number, dict.fromkeys(columns, "") | cells) for number, cells in first)
    return _table(name, columns, rows, encoding)


# -- rows and columns --


def _grid_table(name: str, lines: list[_Line], encoding: str, of_questions: bool) -> Table:
    if not lines:
        raise BadInput("question_file_empty", file=name)
    header, *below = lines
    if of_questions:
        _check_header(name, header, below)
    names = _column_names(header, below)
    check_names(name, list(names.values()))
    rows = (_row(line, names) for line in below if _fits(name, line, header.width))
    return _table(name, tuple(fold(dict.fromkeys(names.values(), ""))), rows, encoding)


def _check_header(name: str, header: _Line, below: list[_Line]) -> None:
    """Raises BadInput where the first row seems to be a title or the first question."""
    if not holds_name(header.cells.values(), QUESTION_NAMES):
        for line in below[:_ROWS_ABOVE_HEADER]:
            if holds_name(line.cells.values(), QUESTION_NAMES):
                raise BadInput("header_not_first", file=name, line=line.number)
    if holds_name(header.cells.values(), ALL_NAMES):
        return
    for cell in map(clean_line, header.cells.values()):
        if _NO_NAME.search(cell):
            raise BadInput("no_header", file=name, cell=shorten(cell))


def _column_names(header: _Line, below: list[_Line]) -> dict[int, str]:
    """The name of each column; one without a name but with texts is called by its letter."""
    filled = {column for line in below for column in _filled(line) if column < header.width}
    named = {column: tidy for column, cell in header.cells.items() if (tidy := clean_line(cell))}
    return {
        column: named.get(column) or column_letters(column)
        for column in sorted(filled | named.keys())
    }


def _filled(line: _Line) -> Iterator[int]:
    yield from line.formulas
    yield from (column for column, cell in line.cells.items() if cell.strip())


def _fits(name: str, line: _Line, width: int) -> bool:
    """True; raises BadInput for a text right of the last column."""
    if line.width > width and any(column >= width for column in _filled(line)):
        raise BadInput("row_too_wide", file=name, line=line.number, cells=line.width, columns=width)
    return True


def _row(line: _Line, names: dict[int, str]) -> Row:
    cells = {name: line.cells.get(column, "") for column, name in names.items()}
    formulas = dict.fromkeys(folded_name(names[column], cells) for column in line.formulas)
    return Row(line.number, fold(cells), tuple(formulas))


def _table(name: str, columns: tuple[str, ...], rows: Iterable[Row], encoding: str) -> Table:
    checked = tuple(rows)
    if len(checked) > MAX_ROWS:
        raise BadInput("too_many_rows", file=name, limit=MAX_ROWS)
    if not checked:
        raise BadInput("no_rows", file=name)
    return Table(columns, checked, encoding)
