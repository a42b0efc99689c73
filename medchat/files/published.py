"""Published figures of other models, as rows for a report: what was printed, not computed here."""

import math
from pathlib import Path
from typing import Any

from medchat.errors import BadInput
from medchat.files.spreadsheet import Row, read_table
from medchat.scale import SUS, Scale

MAX_ROWS = 50


def checked_reference(rows: Any, scale: Scale) -> list[dict[str, Any]]:
    """Rows such as ``read_reference`` gives, from an untrusted place. Raises ValueError."""
    low, high = scale.scores[0], scale.scores[-1]
    if not isinstance(rows, list) or len(rows) > MAX_ROWS:
        raise ValueError(f"reference must be a list of at most {MAX_ROWS} rows")
    for row in rows:
        if not isinstance(row, dict) or row.keys() != {"model", "source", *scale.dimensions}:
            raise ValueError("reference: a row has other columns")
        if not isinstance(row["model"], str) or not isinstance(row["source"], str):
            raise ValueError("reference: model and source must be texts")
        for dimension in scale.dimensions:
            value = row[dimension]
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (is_number and low <= value <= high):
                raise ValueError(f"reference: {dimension} cannot be {value!r}")
    return rows


def read_reference(path: Path, scale: Scale = SUS) -> list[dict[str, Any]]:
    """Rows of a table with the columns ``model``, ``source`` (optional) and the dimensions.

    A figure may be missing. Each row becomes {"model", "source", dimension: float or None}. Raises
    BadInput, naming file, row and column, for a model without a name, a figure that is no number or
    lies outside the scale, or a missing column.
    """
    table = read_table(path, of_questions=False)
    columns: dict[str, str] = {}
    for column in table.columns:
        if columns.setdefault(column.strip().lower(), column) != column:
            raise BadInput("reference_twice", file=path.name, column=column.strip().lower())
    missing = [name for name in ("model", *scale.dimensions) if name.lower() not in columns]
    if missing:
        raise BadInput(
            "reference_columns",
            file=path.name,
            columns=", ".join(missing),
            dimensions=", ".join(scale.dimensions),
        )
    if len(table.rows) > MAX_ROWS:
        raise BadInput("reference_too_many", file=path.name, count=len(table.rows), limit=MAX_ROWS)
    entries = [_entry(path.name, row, columns, scale) for row in table.rows]
    seen: dict[tuple[str, str], int] = {}
    for row, entry in zip(table.rows, entries, strict=True):
        key = entry["model"], entry["source"]
        if key in seen:
            raise BadInput(
                "reference_again",
                file=path.name,
                row=row.number,
                first=seen[key],
                model=entry["model"],
            )
        seen[key] = row.number
    return entries


def _entry(file: str, row: Row, columns: dict[str, str], scale: Scale) -> dict[str, Any]:
    def cell(name: str) -> str:
        return row.cells[columns[name.lower()]].strip() if name.lower() in columns else ""

    if not cell("model"):
        raise BadInput("reference_model", file=file, row=row.number)
    figures = {
        name: _figure(cell(name), file, row.number, name, scale) for name in scale.dimensions
    }
    if not any(figure is not None for figure in figures.values()):
        raise BadInput("reference_no_figure", file=file, row=row.number, model=cell("model"))
    return {"model": cell("model"), "source": cell("source"), **figures}


def _figure(text: str, file: str, row: int, column: str, scale: Scale) -> float | None:
    if not text:
        return None
    low, high = scale.scores[0], scale.scores[-1]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise BadInput(
            "reference_figure",
            file=file,
            row=row,
            column=column,
            value=text[:40],
            low=low,
            high=high,
        )
    return value
