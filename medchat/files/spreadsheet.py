"""Tables from CSV, JSON and Excel files.

``read_table`` finds encoding, separator and header and gives rows of plain text, each numbered as
a person finds it in the file. Cells are text here: nothing is calculated, and a text that begins
with ``=`` stays a text. Does not know what a question is, but for the names that tell a header from
a first row, and for HuaTuo's pair of instruction and input, which are one text.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from openpyxl.utils import get_column_letter

from medchat.errors import BadInput
from medchat.files.workbook_parts import LAST_COLUMN, text_of
from medchat.files.workbook_reader import NoWorkbook, read_first_sheet
from medchat.text import clean_line, shorten

MOST_ROWS = 20_000
MOST_COLUMNS = 100
MOST_BYTES = 20_000_000
MOST_CHARACTERS_OF_NAME = 80
"""Of a column name, a question_id or a category."""

QUESTION_NAMES = ("question", "instruction", "query", "prompt", "问题", "题目", "提问")
QUESTION_ID_NAMES = ("question_id", "id", "编号", "题号", "序号")
CATEGORY_NAMES = ("category", "type", "department", "科室", "类别", "分类", "类型")
REFERENCE_NAMES = ("reference", "参考答案", "标准答案", "output", "answer", "target", "答案")
_KNOWN = {*QUESTION_NAMES, *QUESTION_ID_NAMES, *CATEGORY_NAMES, *REFERENCE_NAMES}

_EXCEL = (".xlsx", ".xlsm")
_JSON = (".json", ".jsonl", ".ndjson")
_DELIMITED = (".csv", ".tsv", ".txt")
_OLD_OFFICE = (".xls", ".xlt", ".et", ".doc", ".wps")
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig", "UTF-8"),
    (b"\xff\xfe", "utf-16", "UTF-16"),
    (b"\xfe\xff", "utf-16", "UTF-16"),
)
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
    content = _content(file)
    if content.startswith(_OLE):
        is_encrypted = _holds_package(content)
        code = "workbook_encrypted" if is_encrypted else "question_file_old_office"
        raise BadInput(code, file=file.name)
    if content.startswith(_ZIP) or suffix in _EXCEL:
        return _workbook_table(file.name, content, of_questions)
    text, encoding = _text(file.name, content)
    if not text.strip():
        raise BadInput("question_file_empty", file=file.name)
    if suffix in _JSON or (suffix == ".txt" and text.lstrip().startswith(("{", "["))):
        return _json_table(file.name, text, encoding)
    delimiter = "\t" if suffix == ".tsv" else _delimiter(text)
    lines = _delimited_lines(file.name, text, delimiter)
    return _grid_table(file.name, lines, encoding, of_questions)


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(
            "question_file_unreadable", file=file.name, remainder=error.strerror
        ) from error
    if len(content) > MOST_BYTES:
        raise BadInput("question_file_too_big", file=file.name, limit=MOST_BYTES // 10**6)
    if not content:
        raise BadInput("question_file_empty", file=file.name)
    return content


def _holds_package(content: bytes) -> bool:
    """Whether this container is an encrypted .xlsx and no older format."""
    return "EncryptedPackage".encode("utf-16-le") in content


def _text(name: str, content: bytes) -> tuple[str, str]:
    """The text and the name of its encoding: what the mark says, else UTF-8, else GB18030."""
    for mark, encoding, called in _MARKS:
        if content.startswith(mark):
            return _decoded(name, content, encoding), called
    try:
        return _decoded(name, content, "utf-8"), "UTF-8"
    except BadInput as error:
        # One broken byte must not turn a file of UTF-8 into nonsense that GB18030 can read.
        if error.code != "encoding_unknown" or _is_damaged_utf_8(content):
            raise
    return _decoded(name, content, "gb18030"), "GB18030"


def _decoded(name: str, content: bytes, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadInput("encoding_unknown", file=name) from error
    if "\0" in text:
        raise BadInput("nul_bytes", file=name)
    return text


def _is_damaged_utf_8(content: bytes) -> bool:
    """True where most signs outside of ASCII are whole UTF-8; in GB18030 hardly any are."""
    text = content.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return sum(sign >= "\u0800" for sign in text) - broken > broken


# -- CSV --


def _delimiter(text: str) -> str:
    """The separator by which the header has a well-known name, else the most cells."""

    def fitness(delimiter: str) -> tuple[bool, int]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            header = next((cells for cells in reader if any(map(str.strip, cells))), [])
        except csv.Error:
            return False, 0
        return _holds(header, _KNOWN), len(header)

    return max((",", "\t", ";"), key=fitness)


def _delimited_lines(name: str, text: str, delimiter: str) -> list[_Line]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[_Line] = []
    first = 1
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                texts = {column: cell for column, cell in enumerate(cells) if cell}
                lines.append(_Line(first, texts, len(cells)))
                if len(lines) > MOST_ROWS + 1:
                    break
            first = reader.line_num + 1
    except csv.Error as error:
        raise _csv_error(name, first, error) from error
    return lines


def _csv_error(name: str, line: int, error: csv.Error) -> BadInput:
    if "limit" in str(error):
        limit = csv.field_size_limit()
        return BadInput("csv_cell_too_long", file=name, line=line, limit=limit)
    return BadInput("csv_quotes", file=name, line=line)


# -- Excel --


def _workbook_table(name: str, content: bytes, of_questions: bool) -> Table:
    try:
        rows = read_first_sheet(name, content, MOST_ROWS + 2)
    except NoWorkbook as error:
        raise BadInput("question_file_format", file=name) from error
    # A sheet has no width of its own: what stands right of the header is a column without a name.
    lines = [_Line(row.number, row.cells, LAST_COLUMN, tuple(sorted(row.formulas))) for row in rows]
    return _grid_table(name, lines, "", of_questions)


# -- JSON --


def _json_table(name: str, text: str, encoding: str) -> Table:
    is_array = text.lstrip().startswith("[")
    records = _json_array(name, text) if is_array else _json_lines(name, text)
    filled = (record for record in records if any(map(str.strip, record[1].values())))
    kept = list(islice(filled, MOST_ROWS + 1))
    columns = tuple(dict.fromkeys(chain.from_iterable(cells for _, cells in kept)))
    if not columns:
        raise BadInput("question_file_empty", file=name)
    _check_names(name, columns)
    rows = (Row(number, dict.fromkeys(columns, "") | cells) for number, cells in kept)
    return _table(name, columns, rows, encoding)


def _json_array(name: str, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        items = json.loads(text, object_pairs_hook=partial(_unique, name))
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise BadInput("json_array_broken", file=name, line=line) from error
    for number, item in enumerate(items, start=1):
        if not isinstance(item, dict):
            raise BadInput("json_item_no_object", file=name, number=number)
        yield number, _record(item)


def _json_lines(name: str, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _record(_json_object(name, number, line))


def _json_object(name: str, number: int, line: str) -> dict[str, Any]:
    cause = None
    try:
        item = json.loads(line, object_pairs_hook=partial(_unique, name))
        if isinstance(item, dict):
            return item
    except (ValueError, RecursionError) as error:
        cause = error
    raise BadInput("json_line_no_object", file=name, line=number) from cause


def _unique(name: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. One that has a key twice would lose a text without a word."""
    tidy = [(clean_line(key) or "_", value) for key, value in pairs]
    _check_once(name, [key for key, _ in tidy])
    return dict(tidy)


def _record(item: dict[str, Any]) -> dict[str, str]:
    return _folded({key: text_of(value) for key, value in item.items()})


# -- rows and columns --


def _grid_table(name: str, lines: list[_Line], encoding: str, of_questions: bool) -> Table:
    if not lines:
        raise BadInput("question_file_empty", file=name)
    header, *below = lines
    if of_questions:
        _check_header(name, header, below)
    names = _column_names(header, below)
    _check_names(name, list(names.values()))
    rows = (_row(line, names) for line in below if _fits(name, line, header.width))
    return _table(name, tuple(_folded(dict.fromkeys(names.values(), ""))), rows, encoding)


def _check_header(name: str, header: _Line, below: list[_Line]) -> None:
    """Raises BadInput where the first row seems to be a title or the first question."""
    if not _holds(header.cells.values(), QUESTION_NAMES):
        for line in below[:_ROWS_ABOVE_HEADER]:
            if _holds(line.cells.values(), QUESTION_NAMES):
                raise BadInput("header_not_first", file=name, line=line.number)
    if _holds(header.cells.values(), _KNOWN):
        return
    for cell in map(clean_line, header.cells.values()):
        if _NO_NAME.search(cell):
            raise BadInput("no_header", file=name, cell=shorten(cell))


def _column_names(header: _Line, below: list[_Line]) -> dict[int, str]:
    """The name of each column; one without a name but with texts is called by its letter."""
    filled = {column for line in below for column in _filled(line) if column < header.width}
    named = {column: tidy for column, cell in header.cells.items() if (tidy := clean_line(cell))}
    return {
        column: named.get(column) or _letters(column) for column in sorted(filled | named.keys())
    }


def _letters(column: int) -> str:
    """What a spreadsheet calls a column; its number beyond the last that has letters."""
    return get_column_letter(column + 1) if column < LAST_COLUMN else str(column + 1)


def _filled(line: _Line) -> Iterator[int]:
    yield from line.formulas
    yield from (column for column, cell in line.cells.items() if cell.strip())


def _check_names(name: str, columns: Sequence[str]) -> None:
    if len(columns) > MOST_COLUMNS:
        raise BadInput("too_many_columns", file=name, columns=len(columns), limit=MOST_COLUMNS)
    longest = max(columns, key=len, default="")
    if len(longest) > MOST_CHARACTERS_OF_NAME:
        raise BadInput(
            "column_name_too_long",
            file=name,
            column=shorten(longest),
            length=len(longest),
            limit=MOST_CHARACTERS_OF_NAME,
        )
    _check_once(name, columns)


def _check_once(name: str, columns: Sequence[str]) -> None:
    seen: set[str] = set()
    for column in columns:
        if column in seen:
            raise BadInput("column_name_twice", file=name, column=shorten(column))
        seen.add(column)


def _fits(name: str, line: _Line, width: int) -> bool:
    """True; raises BadInput for a text right of the last column."""
    if line.width > width and any(column >= width for column in _filled(line)):
        raise BadInput("row_too_wide", file=name, line=line.number, cells=line.width, columns=width)
    return True


def _row(line: _Line, names: dict[int, str]) -> Row:
    cells = {name: line.cells.get(column, "") for column, name in names.items()}
    formulas = dict.fromkeys(_name_after_folding(names[column], cells) for column in line.formulas)
    return Row(line.number, _folded(cells), tuple(formulas))


def _folded(cells: dict[str, str]) -> dict[str, str]:
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


def _name_after_folding(column: str, cells: dict[str, str]) -> str:
    if not _is_to_be_folded(cells):
        return column
    if column == "output" and "reference" not in cells:
        return "reference"
    return "question" if column in ("instruction", "input") else column


def _table(name: str, columns: tuple[str, ...], rows: Iterable[Row], encoding: str) -> Table:
    kept = tuple(rows)
    if len(kept) > MOST_ROWS:
        raise BadInput("too_many_rows", file=name, limit=MOST_ROWS)
    if not kept:
        raise BadInput("no_rows", file=name)
    return Table(columns, kept, encoding)


def name_key(column: str) -> str:
    """Lower case, words joined by one underscore each: "Question ID" is question_id."""
    return "_".join(re.findall(r"[^\W_]+", column.casefold()))


def _holds(cells: Iterable[str], names: Iterable[str]) -> bool:
    return any(name_key(cell) in names for cell in cells if len(cell) <= MOST_CHARACTERS_OF_NAME)
