"""Published figures of other models, as rows for a report: what was printed, not computed here."""

import math
from pathlib import Path
from typing import Any

from medchat.errors import BadInput
from medchat.evaluation.scale import SUS, Scale
from medchat.tables import Row, Table, read_table

MOST_ROWS = 50


def read_reference(path: Path, scale: Scale = SUS) -> list[dict[str, Any]]:
    """Rows of a table with the columns ``model``, ``source`` (optional) and the dimensions.

    A figure may be missing. Each row becomes {"model", "source", dimension: float or None}. Raises
    BadInput, naming file, row and column, for a model without a name, a figure that is no number or
    lies outside the scale, or a missing column.
    """
    table = read_table(path)
    columns = {column.strip().lower(): column for column in table.columns}
    missing = [name for name in ("model", *scale.dimensions) if name not in columns]
    if missing:
        raise BadInput(
            f"{path.name} lacks the columns {', '.join(missing)}. Reference rows need model and "
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
    return [_entry(table, row, columns, scale) for row in table.rows]


def _entry(table: Table, row: Row, columns: dict[str, str], scale: Scale) -> dict[str, Any]:
    def cell(name: str) -> str:
        return row.cells[columns[name]].strip() if name in columns else ""

    if not cell("model"):
        raise BadInput(
            f"Row {row.number}: the column model is empty.",
            code="reference_model",
            row=row.number,
        )
    figures = {each: _figure(cell(each), row.number, each, scale) for each in scale.dimensions}
    return {"model": cell("model"), "source": cell("source"), **figures}


def _figure(text: str, row: int, column: str, scale: Scale) -> float | None:
    if not text:
        return None
    low, high = scale.scores[0], scale.scores[-1]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise BadInput(
            f"Row {row}, column {column}: {text[:40]!r} is no mean score. Write a number from "
            f"{low} to {high}, with a point, or leave the cell empty.",
            code="reference_figure",
            row=row,
            column=column,
            value=text[:40],
            low=low,
            high=high,
        )
    return value
