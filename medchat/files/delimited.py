"""Rows of cells from CSV, TSV and text with semicolons."""

import csv
import io
from collections.abc import Iterator

from medchat.errors import BadInput
from medchat.files.column_names import ALL_NAMES, holds_name


def find_delimiter(text: str) -> str:
    """The separator by which the header has a well-known name, else the most cells."""

    def fitness(delimiter: str) -> tuple[bool, int]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            header = next((cells for cells in reader if any(map(str.strip, cells))), [])
        except csv.Error:
            return False, 0
        return holds_name(header, ALL_NAMES), len(header)

    return max((",", "\t", ";"), key=fitness)


def delimited_rows(name: str, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The line on which a record begins, and its cells; records without any content are left out.

    Raises BadInput for quotation marks without a partner, when it comes to them.
    """
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    first = 1
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                yield first, cells
            first = reader.line_num + 1
    except csv.Error as error:
        raise _csv_error(name, first, error) from error


def _csv_error(name: str, line: int, error: csv.Error) -> BadInput:
    if "limit" in str(error):
        limit = csv.field_size_limit()
        return BadInput("csv_cell_too_long", file=name, line=line, limit=limit)
    return BadInput("csv_quotes", file=name, line=line)
