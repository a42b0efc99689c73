"""Reads a score CSV into a checked pandas frame, one row per rating.

Owns what a valid score file is and what is said of one that is not. Knows nothing about the
figures that are computed from it.
"""

import codecs
import csv
import io
import string
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from medchat.errors import BadInput, Message, message
from medchat.scale import RESERVED_COLUMNS, SUS, Scale
from medchat.text import shorten, unquote_formula

IDENTIFIERS = ("question_id", "model", "rater")

_BLANKS = string.whitespace + "\u3000\xa0\u200b\u2060\ufeff"
"""What is stripped around an identifier: invisible characters too."""
BLOCK = 2**20
"""Bytes of a file that are decoded together."""
MAX_SHARED_TEXTS = 50_000
"""Of so many different texts of a column, equal ones are one object."""


def read_ratings(path: Path, scale: Scale = SUS) -> pd.DataFrame:
    """Read the score CSV at `path`; the file's columns in the file's order, one row per rating.

    The scores are integers of the scale. Everything else is text as written, so that an id
    keeps its leading zeros. A file without a `study` column gets one that is empty.

    Raises BadInput, naming file, line, column and value, if the file is not a valid score file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(
            "question_file_unreadable", file=path, remainder=error.strerror or error
        ) from error
    return parse_ratings(content, path.name, scale)


def parse_ratings(content: bytes, name: str, scale: Scale = SUS) -> pd.DataFrame:
    """`read_ratings` of a file's content; `name` is what errors call it."""
    _check_text(content, name)
    records = _records(content, name)
    columns = _header(records, name, scale)
    readers = [_reader(name, column, scale) for column in columns]
    lines = array("q")
    for line, cells in records:
        while len(cells) > len(columns) and not cells[-1].strip():
            cells.pop()  # as Excel leaves behind
        if len(cells) != len(columns):
            raise _wrong_length(name, line, columns, cells, scale)
        for reader, cell in zip(readers, cells, strict=True):
            reader.read(cell, line)
        lines.append(line)
    if not lines:
        raise BadInput("score_file_without_ratings", file=name)
    frame = pd.DataFrame({reader.column: reader.cells for reader in readers}, copy=False)
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
        text = self._seen.get(cell)
        if text is None:
            text = unquote_formula(cell)
            text = text.strip(_BLANKS) if self.strip else text
            if self.needed and not text:
                where = message("line_of_file", file=self.name, line=line)
                raise BadInput("score_file_cell_empty", where=where, column=self.column)
            if len(self._seen) < MAX_SHARED_TEXTS:
                self._seen[cell] = text
        self.cells.append(text)


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
            raise self._fault(cell, _cell(self.name, line, self.column))
        self.cells.append(value)

    def _fault(self, cell: str, where: Message) -> BadInput:
        *first, last = self.values
        scores = ", ".join(first)
        if not cell.strip():
            return BadInput("score_missing", where=where, scores=scores, last=last)
        value = shorten(cell)
        return BadInput("score_not_allowed", where=where, value=value, scores=scores, last=last)


def _reader(name: str, column: str, scale: Scale) -> _Texts | _Scores:
    if column in scale.dimensions:
        return _Scores(name, column, {str(score): score for score in scale.scores})
    key = column in IDENTIFIERS
    return _Texts(name, column, strip=key or column in ("study", "study_id"), needed=key)


def _header(records: Iterator[tuple[int, list[str]]], name: str, scale: Scale) -> list[str]:
    line, header = next(records, (1, []))
    if not header:
        raise BadInput("question_file_empty", file=name)
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
        raise BadInput(
            "score_file_several_studies",
            where=_cell(name, lines[int(first.index[1])], key),
            count=len(studies),
            studies=", ".join([*map(shorten, studies[:5]), *(["…"] if len(studies) > 5 else [])]),
        )


def _wrong_length(
    name: str, line: int, columns: Sequence[str], cells: Sequence[str], scale: Scale
) -> BadInput:
    """The error of a line with more or fewer cells than the header."""
    counts = {"cells": len(cells), "columns": len(columns)}
    if len(cells) < len(columns):
        where = _cell(name, line, shorten(columns[len(cells)]))
        return BadInput("score_file_line_too_short", where=where, **counts)
    allowed = {str(score) for score in scale.scores}
    moved = [
        column
        for column, cell in zip(columns, cells, strict=False)
        if column in scale.dimensions and cell.strip() not in allowed
    ]
    where = _cell(name, line, shorten([*moved, columns[-1]][0]))
    return BadInput("score_file_line_too_long", where=where, **counts)


def _cell(name: str, line: int, column: str) -> Message:
    """Where a fault is."""
    return message("cell_of_file", file=name, line=line, column=column)


def _check_text(raw: bytes, name: str) -> None:
    read = 0
    try:
        for text in codecs.iterdecode(_blocks(raw), "utf-8"):
            read += len(text.encode())
    except UnicodeDecodeError as error:
        where = _byte_position(raw, read + error.start, name)
        raise BadInput("score_file_not_utf_8", where=where) from error
    if b"\0" in raw:
        raise BadInput("score_file_nul_byte", where=_byte_position(raw, raw.index(0), name))


def _byte_position(raw: bytes, byte: int, name: str) -> Message:
    """Where in the file a byte is: line, and column by its name, or number where it has none."""
    line = raw[:byte].count(10) + 1
    before = raw[:byte].decode("utf-8-sig", errors="replace").replace("\0", "")
    try:
        records = list(csv.reader(io.StringIO(before, newline="")))
    except csv.Error:  # a cell longer than any should be
        return message("line_of_file", file=name, line=line)
    begins = before.endswith(("\n", "\r"))
    header = records[0] if len(records) > 1 or begins else []
    number = len(records[-1]) if records and not begins else 1
    return _cell(name, line, _column_name(header, number))


def _column_name(header: Sequence[str], number: int) -> str:
    return shorten(header[number - 1]) if number <= len(header) else str(number)


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
            where = _cell(name, line, _damaged_column("".join(record), header))
            if "field larger" in str(error):
                limit = csv.field_size_limit()
                raise BadInput("score_file_cell_too_long", where=where, limit=limit) from error
            raise BadInput("score_file_damaged", where=where, remainder=error) from error
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
    return _column_name(header, len(cells))


def _check_header(name: str, line: int, columns: list[str], required: Sequence[str]) -> None:
    missing = [column for column in required if column not in columns]
    repeated = [column for column in dict.fromkeys(columns) if columns.count(column) > 1]
    where = message("line_of_file", file=name, line=line)
    if missing:
        raise BadInput(
            "score_file_columns_missing",
            where=where,
            columns=_column_list(missing),
            required=", ".join(required),
            hint=_hint(columns, missing, required),
        )
    if repeated:
        raise BadInput("score_file_columns_repeated", where=where, columns=_column_list(repeated))


def _hint(columns: list[str], missing: list[str], required: Sequence[str]) -> Message | str:
    """What may be wrong with a header without the ``missing`` columns."""
    if len(columns) == 1 and any(separator in columns[0] for separator in ";\t"):
        return message("score_file_separator_hint")
    if {name.lower() for name in missing} <= {name.lower() for name in columns}:
        return message("score_file_letters_hint")
    unknown = [name for name in columns if name not in {*required, *RESERVED_COLUMNS}]
    if not unknown:
        return ""
    has_identifiers = set(IDENTIFIERS).isdisjoint(missing)
    code = "score_file_dimensions_hint" if has_identifiers else "score_file_names_hint"
    return message(code, columns=", ".join(map(shorten, unknown[:5])))


def _column_list(columns: list[str]) -> Message:
    if columns == [""]:
        return message("column_without_name")
    code = "one_column" if len(columns) == 1 else "several_columns"
    return message(code, columns=", ".join(shorten(column) or "“”" for column in columns))


def _refuse_duplicate(name: str, frame: pd.DataFrame, lines: Sequence[int]) -> None:
    keys = frame[["study", *IDENTIFIERS]]
    again = keys.duplicated().to_numpy()
    if not again.any():
        return
    second = int(again.argmax())
    row = keys.iloc[second]
    first = int((keys == row).all(axis=1).to_numpy().argmax())
    raise BadInput(
        "score_file_rated_twice",
        file=name,
        first=lines[first],
        second=lines[second],
        columns=", ".join(IDENTIFIERS),
        rater=shorten(row["rater"]),
        question=shorten(row["question_id"]),
        model=shorten(row["model"]),
    )
