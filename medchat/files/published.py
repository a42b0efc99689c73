"""Published figures of other models, as rows for a report: what was printed, not computed here."""

import math
from pathlib import Path
from typing import Any

from medchat.errors import BadInput
from medchat.files.spreadsheet import Row, read_table
from medchat.scale import SUS, Scale

MOST_ROWS = 50


def checked_reference(rows: Any, scale: Scale) -> list[dict[str, Any]]:
    """Rows such as ``read_reference`` gives, from an untrusted place. Raises ValueError."""
    low, high = scale.scores[0], scale.scores[-1]
    if not isinstance(rows, list) or len(rows) > MOST_ROWS:
        raise ValueError(f"reference must be a list of at most {MOST_ROWS} rows")
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
            raise BadInput(
                f"{path.name} has more than one column {column.strip().lower()!r}. Leave one.",
                code="reference_twice",
                file=path.name,
                column=column.strip().lower(),
            )
    missing = [name for name in ("model", *scale.dimensions) if name.lower() not in columns]
    if missing:
        raise BadInput(
            f"{path.name}, header: missing {', '.join(missing)}. Reference rows need model and "
            f"{', '.join(scale.dimensions)}; source is optional.",
            code="reference_columns",
            file=path.name,
            columns=", ".join(missing),
        )
    if len(table.rows) > MOST_ROWS:
        raise BadInput(
            f"{path.name} has {len(table.rows)} rows; at most {MOST_ROWS} are shown.",
            code="reference_too_many",
            file=path.name,
            count=len(table.rows),
            most=MOST_ROWS,
        )
    entries = [_entry(path.name, row, columns, scale) for row in table.rows]
    seen: dict[tuple[str, str], int] = {}
    for row, entry in zip(table.rows, entries, strict=True):
        key = entry["model"], entry["source"]
        if key in seen:
            raise BadInput(
                f"{path.name}, row {row.number}: {entry['model']!r} stands in row {seen[key]} with "
                "the same source already. Take one of them out, or name another source.",
                code="reference_again",
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
        raise BadInput(
            f"{file}, row {row.number}: the column model is empty.",
            code="reference_model",
            file=file,
            row=row.number,
        )
    figures = {
        each: _figure(cell(each), file, row.number, each, scale) for each in scale.dimensions
    }
    if not any(figure is not None for figure in figures.values()):
        raise BadInput(
            f"{file}, row {row.number}: {cell('model')!r} has no figure. Fill in at least one.",
            code="reference_no_figure",
            file=file,
            row=row.number,
            model=cell("model"),
        )
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
            f"{file}, row {row}, column {column}: {text[:40]!r} is no mean score. Write a number "
            f"from {low} to {high}, with a point, or leave the cell empty.",
            code="reference_figure",
            file=file,
            row=row,
            column=column,
            value=text[:40],
            low=low,
            high=high,
        )
    return value
