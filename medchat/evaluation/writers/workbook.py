"""A report as an Excel file: numbers as numbers, texts never as formulas.

Takes what `make_report` returns; the same report gives the same bytes.
"""

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from math import isfinite
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ERROR_CODES
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet
from openpyxl.worksheet.properties import PageSetupProperties

from medchat.evaluation.formatting import best_models
from medchat.evaluation.metrics.bleu_rouge import METRICS, Overlap
from medchat.evaluation.statistics.reliability import Consistency
from medchat.evaluation.types import Report
from medchat.evaluation.writers.reproducible_zip import MOMENT, without_moment, zipped
from medchat.text import columns, starts_formula

MAX_CELL_LENGTH = 32_767
MAX_ROWS = 1_048_574
"""Rows of scores: a sheet has two more, for the header and a sentence."""
MAX_BYTES = 2**31 - 2**27
"""Size of a sheet's XML before it is packed: not every program reads a larger one."""
ROWS_AT_ONCE = 20_000
_FORMAT, _SMALL = "0.000", '[<0.001]"< 0.001";0.000'
_NUMBER_FORMATS = {
    **dict.fromkeys(("p", "p_holm", "p_tied", "p_holm_tied"), _SMALL),
    **dict.fromkeys(("active_seconds", "years"), "General"),
}
"""How a number is shown, by the name of its column; the cell holds all of its digits."""
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 cannot hold."""
_LETTER = re.compile("(?<=_)(?=x[0-9A-Fa-f]+_)")
"""Within what a spreadsheet takes for the number of a letter (ST_Xstring of ISO/IEC 29500: four
digits; LibreOffice takes fewer too)."""
_NUMBER_COLUMNS = ("years", "shown_position", "active_seconds")
"""Columns of a score CSV that hold numbers, which are read as text."""

ONLY_FOR_COORDINATORS = ["rater_flagged"]


def as_xlsx(report: Report, scores: pd.DataFrame) -> bytes:
    """Sheets Table, Agreement, Tests, Scores and Raters, with numbers as numbers; Sensitivity and
    Overlap where there is any.

    ``scores`` has a row per rating. What is for the coordinator alone, ``ONLY_FOR_COORDINATORS``,
    is left out.
    """
    book = Workbook(write_only=True)
    _fill(book, "Table", *_table_rows(report))
    _fill(book, "Agreement", *_agreement_rows(report))
    _fill(book, "Tests", *_test_rows(report))
    score_rows = _score_sheet(book, scores)
    _fill(book, "Raters", *_rater_rows(scores, report.scale.dimensions, report.consistency))
    if report.sensitivity:
        _fill(book, "Sensitivity", *_sensitivity_rows(report))
    if report.overlap:
        _fill(book, "Overlap", *_overlap_rows(report.overlap))
    book.properties.created = book.properties.modified = MOMENT.replace(tzinfo=None)
    book.properties.creator = "MedChat"
    buffer = io.BytesIO()
    book.save(buffer)
    members = without_moment(buffer.getvalue())
    start, end = members[_SCORE_SHEET].split(_END_OF_ROWS)
    parts = chain([start], score_rows, [_END_OF_ROWS + end])
    return zipped({**members, _SCORE_SHEET: parts})


Rows = list[list[Any]]


class _Header(list[Any]):
    """A row that names the columns of a second table on the same sheet."""


class _Best(float):
    """The best of its column."""


def _table_rows(report: Report) -> tuple[list[str], Rows]:
    dimensions, scores = report.scale.dimensions, report.scale.scores
    header = ["model", "n_ratings", "n_questions"]
    for name in dimensions:
        header += [f"{name}_{figure}" for figure in ("mean", "sd", "ci_low", "ci_high")]
        header += [*(f"{name}_share_{score}" for score in scores), f"{name}_acceptable"]
    rows: Rows = []
    best = {name: best_models(report, name) for name in dimensions}
    for model in report.models:
        row: list[Any] = [model.model, model.n_ratings, model.n_questions]
        for name, figures in model.figures.items():
            row.append(_Best(figures.mean) if model.model in best[name] else figures.mean)
            row += [figures.sd, figures.ci_low, figures.ci_high]
            row += [figures.counts[score] / model.n_ratings for score in scores]
            row.append(figures.acceptable)
        rows.append([*row, ""])
    if report.reference:
        rows += [[], _Header(["as published"])]
    for published in report.reference:
        row = [published.model, None, None]
        for name in dimensions:
            row += [published.means[name], *[None] * (4 + len(scores))]
        rows.append([*row, published.source])
    return [*header, "source"], [*rows, [], *([note] for note in report.notes)]


def _agreement_rows(report: Report) -> tuple[list[str], Rows]:
    header = [
        *("dimension", "krippendorff_alpha", "ci_low", "ci_high", "alpha_nominal"),
        *("alpha_interval", "gwet_ac1", "gwet_ac2", "percent_agreement", "n_units", "icc_2_1"),
        *("icc_2_k", "n_units_all_raters"),
    ]
    rows: Rows = [
        [
            *(name, of.krippendorff_alpha, of.ci_low, of.ci_high, of.alpha_nominal),
            *(of.alpha_interval, of.gwet_ac1, of.gwet_ac2, of.percent_agreement, of.n_units),
            *(of.icc_2_1, of.icc_2_k, of.n_units_all_raters),
        ]
        for name, of in report.agreement.items()
    ]
    rows += [[], _Header(["dimension", "a", "b", "n", "weighted_kappa", "percent_agreement"])]
    rows += [
        [name, pair.a, pair.b, pair.n, pair.weighted_kappa, pair.percent_agreement]
        for name, of in report.agreement.items()
        for pair in of.pairs
    ]
    return header, rows


def _test_rows(report: Report) -> tuple[list[str], Rows]:
    header = ["dimension", "n_complete_questions", "n_left_out"]
    header += ["statistic", "df", "p", "kendalls_w"]
    rows: Rows = []
    for name, tests in report.tests.items():
        friedman = tests.friedman
        figures = (friedman.statistic, friedman.df, friedman.p, friedman.kendalls_w)
        rows.append([name, tests.n_complete_questions, tests.n_left_out, *figures])
    pair_header = ["dimension", "a", "b", "n", "mean_difference", "statistic"]
    pair_header += ["p", "p_holm", "p_tied", "p_holm_tied", "effect_size"]
    rows += [[], _Header(pair_header)]
    rows += [
        [
            *(name, pair.a, pair.b, pair.n, pair.mean_difference, pair.statistic),
            *(pair.p, pair.p_holm, pair.p_tied, pair.p_holm_tied, pair.effect_size),
        ]
        for name, tests in report.tests.items()
        for pair in tests.pairs
    ]
    return header, rows


def _sensitivity_rows(report: Report) -> tuple[list[str], Rows]:
    rows: Rows = [
        [row.by, row.group, row.model, row.n_ratings, *row.means.values()]
        for row in report.sensitivity
    ]
    return ["by", "group", "model", "n_ratings", *report.scale.dimensions], rows


def _overlap_rows(overlap: Overlap) -> tuple[list[str], Rows]:
    """BLEU and ROUGE per model, then their rank correlations."""
    rows: Rows = [[row.model, row.n, *row.means.values()] for row in overlap.models]
    rows += [[], _Header(["dimension", "n", *(f"rho_{metric}" for metric in METRICS)])]
    rows += [[name, row.n, *row.rho.values()] for name, row in overlap.correlation.items()]
    return ["model", "n", *METRICS], rows


def _rater_rows(
    scores: pd.DataFrame, dimensions: Sequence[str], consistency: Consistency | None
) -> tuple[list[str], Rows]:
    """One row per rater, then how far raters repeat their own scores; none where the scores do not
    tell who rated."""
    details = [column for column in ("specialty", "years") if column in scores]
    scored = [name for name in dimensions if name in scores]
    rows: Rows = []
    for rater, own in scores.groupby("rater", sort=True) if "rater" in scores else ():
        means = [float(pd.to_numeric(own[name], errors="coerce").mean()) for name in scored]
        rows.append([rater, *(_number(own[name].iloc[0]) for name in details), len(own), *means])
    if consistency:
        keys = ("n", "percent_agreement", "weighted_kappa")
        rows += [[], _Header(["scored twice, by dimension", *keys])]
        rows += [
            [name, of.n, of.percent_agreement, of.weighted_kappa]
            for name, of in consistency.dimensions.items()
        ]
        rows += [[], _Header(["scored twice, by rater", *keys[:2]])]
        rows += [[of.rater, of.n, of.percent_agreement] for of in consistency.raters]
    return ["rater", *details, "n_ratings", *(f"{name}_mean" for name in scored)], rows


def _number(value: Any) -> Any:
    """The number that a text such as `12` or `3.5` is; anything else as it was."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
        return value
    return float(value) if "." in value else int(value)


def _fill(book: Workbook, title: str, header: list[str], rows: Rows) -> None:
    sheet = _sheet(book, title, header, rows[:50])
    names = header
    for row in rows:
        names = row if isinstance(row, _Header) else names
        cells = zip(row, chain(names, repeat("")), strict=False)
        sheet.append([_cell(sheet, value, isinstance(row, _Header), name) for value, name in cells])


def _sheet(book: Workbook, title: str, header: list[str], rows: Rows) -> Any:
    """A sheet with its header, and columns wide enough for ``rows``."""
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    wide = [header, *(row for row in rows if len(row) > 1)]  # a sentence takes no width
    for index in range(max(map(len, wide))):
        width = max(_columns(row[index]) for row in wide if len(row) > index) + 2
        sheet.column_dimensions[get_column_letter(index + 1)].width = min(width, 42)
    sheet.append([_cell(sheet, name, bold=True) for name in header])
    return sheet


def _cell(sheet: WriteOnlyWorksheet, value: Any, bold: bool = False, name: str = "") -> Any:
    """What a sheet takes: a plain value, or a cell where it is more than that.

    A text is never a formula. ``name`` is the column's: it decides how a number is shown.
    """
    value = _plain(value)
    number_format = _NUMBER_FORMATS.get(name, _FORMAT) if isinstance(value, float) else ""
    guarded = isinstance(value, str) and _guarded(value)
    if not (guarded or number_format or bold):
        return value
    cell = WriteOnlyCell(sheet, value=value)
    if guarded:
        # Also when somebody edits the cell.
        cell.data_type, cell.quotePrefix = "s", True
    if number_format:
        cell.number_format = number_format
    if bold or isinstance(value, _Best):
        cell.font = Font(bold=True)
    return cell


def _guarded(text: str) -> bool:
    """Whether a program would make more than a text of it."""
    return starts_formula(text) or text in ERROR_CODES


def _plain(value: Any) -> bool | int | float | str | None:
    """What a cell can hold: a number or a text; None for what is missing, infinite or empty."""
    if hasattr(value, "item"):  # numpy's own numbers
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if isinstance(value, int) else _fitting(_ILLEGAL.sub("", str(value))) or None


def _fitting(text: str) -> str:
    """No longer than a cell, which counts in UTF-16: an emoji takes two."""
    if 2 * len(text) <= MAX_CELL_LENGTH:
        return text
    return text.encode("utf-16-le")[: 2 * MAX_CELL_LENGTH].decode("utf-16-le", "ignore")


def _columns(value: Any) -> int:
    """How wide a cell wants to be: as its first line, and a number as it is shown."""
    return 10 if isinstance(value, float) else columns(str(value).split("\n")[0])


# -- the scores --

_SCORE_SHEET = "xl/worksheets/sheet4.xml"
_END_OF_ROWS = b"</sheetData>"


class _Cells:
    """Writes the cells of one column as XML."""

    def __init__(self, sheet: WriteOnlyWorksheet, name: str) -> None:
        self._read = _number if name in _NUMBER_COLUMNS else _plain
        # Styles are of the book, which must know them when it is saved.
        self._guarded = _cell(sheet, "=").style_id
        self._number = _cell(sheet, 0.5, name=name).style_id

    def of(self, values: "pd.Series[Any]") -> Iterable[str]:
        """The XML of each value. Texts repeat, so each distinct one is written once."""
        indices, distinct = pd.factorize(values)
        written = [*map(self._written, distinct), "<c/>"]  # the last for what is missing, at -1
        return np.array(written, dtype=object)[indices]

    def _written(self, value: Any) -> str:
        value = _plain(self._read(value))
        if value is None:
            return "<c/>"
        if isinstance(value, str):
            style = f' s="{self._guarded}"' if _guarded(value) else ""
            escaped = escape(value, {"\r": "&#13;"})
            runs = [f'<t xml:space="preserve">{run}</t>' for run in _LETTER.split(escaped)]
            text = runs[0] if len(runs) == 1 else "".join(f"<r>{run}</r>" for run in runs)
            return f'<c{style} t="inlineStr"><is>{text}</is></c>'
        if isinstance(value, bool):
            return f'<c t="b"><v>{value:d}</v></c>'
        style = f' s="{self._number}"' if isinstance(value, float) else ""
        return f"<c{style}><v>{value!r}</v></c>"


def _score_sheet(book: Workbook, scores: pd.DataFrame) -> Iterator[bytes]:
    """Adds the sheet of all scores with its header alone; returns its rows as XML.

    60,000 rows of 16 columns take 0.8 s of processor time and 2.0 MiB this way; XlsxWriter 3.2.9,
    row by row, takes 7.7 s and 3.9 MiB.
    """
    visible = scores.drop(columns=ONLY_FOR_COORDINATORS, errors="ignore")
    sheet = _sheet(
        book, "Scores", [*map(str, visible)], visible.head(50).astype(object).to_numpy().tolist()
    )
    return _score_rows([_Cells(sheet, str(name)) for name in visible], visible)


def _score_rows(cells: Sequence[_Cells], scores: pd.DataFrame) -> Iterator[bytes]:
    n_rows = n_bytes = 0
    while n_rows < min(len(scores), MAX_ROWS):
        some = scores.iloc[n_rows : min(n_rows + ROWS_AT_ONCE, MAX_ROWS)]
        columns = [cell.of(some[name]) for cell, name in zip(cells, some, strict=True)]
        rows = map("".join, zip(*columns, strict=True))
        part = f"<row>{'</row><row>'.join(rows)}</row>".encode()
        if n_bytes + len(part) > MAX_BYTES:
            break
        n_rows, n_bytes = n_rows + len(some), n_bytes + len(part)
        yield part
    if remaining := len(scores) - n_rows:
        sentence = f"{remaining} more rows are in the score CSV alone."
        yield f'<row><c t="inlineStr"><is><t>{sentence}</t></is></c></row>'.encode()
