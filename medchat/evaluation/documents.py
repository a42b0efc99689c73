"""A report as LaTeX, Excel and Word: files that a paper can use as they are.

Takes what `make_report` returns; the same report gives the same bytes. Figures are those of
`render`, so that every file shows the same numbers. Knows nothing about the file system.
"""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import docx
import pandas as pd
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Pt
from openpyxl import Workbook
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from medchat.evaluation import render
from medchat.evaluation.methods import methods_paragraph
from medchat.evaluation.render import Section, best, decimals, interval, mean_of

Report = Mapping[str, Any]
Language = Literal["zh", "en"]
MOMENT = datetime(1980, 1, 1, tzinfo=UTC)
LONGEST_CELL = 32_767
MOST_ROWS = 1_048_576
_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)")
"""openpyxl writes the moment of saving, whatever it was told."""

# -- LaTeX --

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{letter: f"\\{letter}" for letter in "{}$&#_%"},
}


def as_latex(report: Report) -> str:
    """Table 4 for a paper with the package booktabs; the best mean of each column is bold."""
    dimensions = report["scale"]["dimensions"]
    bold = {each: best(report, each) for each in dimensions}
    head = " & ".join(["Model", "$n$", *(_latex(_title(each)) for each in dimensions)])
    lines = [
        r"% Needs \usepackage{booktabs}; Chinese names also xeCJK or ctex, and XeLaTeX.",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_latex(_caption(report))}}}",
        rf"  \begin{{tabular}}{{lr{'c' * len(dimensions)}}}",
        r"    \toprule",
        rf"    {head} \\",
        r"    \midrule",
        *(rf"    {_latex_row(entry, dimensions, bold)} \\" for entry in report["models"]),
    ]
    if report["reference"]:
        width = 2 + len(dimensions)
        lines += [r"    \midrule", rf"    \multicolumn{{{width}}}{{l}}{{\emph{{As published}}}} \\"]
        lines += [rf"    {_latex_reference(row, dimensions)} \\" for row in report["reference"]]
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _caption(report: Report) -> str:
    data = report["data"]
    counted = f"{data['n_raters']} raters, {data['n_questions']} questions"
    intervals = " [95 % interval]" if report["settings"]["bootstrap"] else ""
    return f"Mean scores{intervals} ({counted}). {report['notes'][0]}"


def _latex_row(entry: Report, dimensions: Sequence[str], bold: Mapping[str, set[str]]) -> str:
    cells = [_latex(entry["model"]), str(entry["n_ratings"])]
    for dimension in dimensions:
        mean = mean_of(entry, dimension)
        shown = rf"\textbf{{{mean}}}" if entry["model"] in bold[dimension] else mean
        cells.append(f"{shown} {interval(entry[dimension])}".rstrip())
    return " & ".join(cells)


def _latex_reference(row: Report, dimensions: Sequence[str]) -> str:
    name = _latex(f"{row['model']} ({row['source']})" if row["source"] else row["model"])
    return " & ".join([name, "", *(decimals(row[each], 2, "--") for each in dimensions)])


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in _line(text))


# -- Excel --


def as_xlsx(report: Report, scores: pd.DataFrame) -> bytes:
    """Sheets Table, Agreement, Tests, Scores and Raters, with numbers as numbers.

    ``scores`` has a row per rating; columns that the score CSV does not have are left out.
    """
    book = Workbook(write_only=True)
    dimensions = list(report["scale"]["dimensions"])
    _fill(book, "Table", *_table_rows(report))
    _fill(book, "Agreement", *_agreement_rows(report))
    _fill(book, "Tests", *_test_rows(report))
    _fill(book, "Scores", list(scores.columns), scores.to_numpy(dtype=object).tolist())
    _fill(book, "Raters", *_rater_rows(scores, dimensions))
    book.properties.created = book.properties.modified = MOMENT.replace(tzinfo=None)
    book.properties.creator = "MedChat"
    buffer = io.BytesIO()
    book.save(buffer)
    return _repacked(buffer.getvalue())


Rows = list[list[Any]]


def _table_rows(report: Report) -> tuple[list[str], Rows]:
    dimensions, scores = report["scale"]["dimensions"], report["scale"]["scores"]
    header = ["model", "n_ratings", "n_questions"]
    for each in dimensions:
        header += [f"{each}_{figure}" for figure in ("mean", "sd", "ci_low", "ci_high")]
        header += [f"{each}_share_{score}" for score in scores]
    rows: Rows = []
    for entry in report["models"]:
        row = [entry["model"], entry["n_ratings"], entry["n_questions"]]
        for each in dimensions:
            row += [entry[each][figure] for figure in ("mean", "sd", "ci_low", "ci_high")]
            row += [entry[each]["shares"][str(score)] for score in scores]
        rows.append([*row, ""])
    for reference in report["reference"]:
        row = [reference["model"], None, None]
        for each in dimensions:
            row += [reference[each], *[None] * (3 + len(scores))]
        rows.append([*row, reference["source"] or "as published"])
    return [*header, "source"], [*rows, [], *([note] for note in report["notes"])]


def _agreement_rows(report: Report) -> tuple[list[str], Rows]:
    figures = [
        *("krippendorff_alpha", "ci_low", "ci_high", "alpha_nominal", "alpha_interval", "gwet_ac1"),
        *("gwet_ac2", "percent_agreement", "icc_2_1", "icc_2_k", "n_units"),
    ]
    rows: Rows = [
        [dimension, *(found[key] for key in figures)]
        for dimension, found in report["agreement"].items()
    ]
    keys = ("a", "b", "n", "weighted_kappa", "percent_agreement")
    rows += [[], ["dimension", *keys]]
    rows += [
        [dimension, *(pair[key] for key in keys)]
        for dimension, found in report["agreement"].items()
        for pair in found["pairs"]
    ]
    return ["dimension", *figures], rows


def _test_rows(report: Report) -> tuple[list[str], Rows]:
    figures = ("statistic", "df", "p", "kendalls_w")
    rows: Rows = [
        [
            dimension,
            found["n_complete_questions"],
            found["n_left_out"],
            *(found["friedman"][key] for key in figures),
        ]
        for dimension, found in report["tests"].items()
    ]
    keys = ("a", "b", "n", "mean_difference", "statistic", "p", "p_holm", "effect_size")
    rows += [[], ["dimension", *keys]]
    rows += [
        [dimension, *(pair[key] for key in keys)]
        for dimension, found in report["tests"].items()
        for pair in found["pairs"]
    ]
    return ["dimension", "n_complete_questions", "n_left_out", *figures], rows


def _rater_rows(scores: pd.DataFrame, dimensions: list[str]) -> tuple[list[str], Rows]:
    told = [column for column in ("specialty", "years") if column in scores]
    rows: Rows = []
    for rater, own in scores.groupby("rater", sort=True):
        means = [float(own[each].mean()) for each in dimensions]
        rows.append([rater, *(own[column].iloc[0] for column in told), len(own), *means])
    return ["rater", *told, "n_ratings", *(f"{each}_mean" for each in dimensions)], rows


def _fill(book: Workbook, title: str, header: list[str], rows: Rows) -> None:
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    for index in range(len(header)):
        column = [header[index], *(row[index] for row in rows[:50] if len(row) == len(header))]
        width = max(_columns(value) for value in column) + 2
        sheet.column_dimensions[get_column_letter(index + 1)].width = min(width, 42)
    sheet.append([_cell(sheet, name, bold=True) for name in header])
    for number, row in enumerate(rows, start=2):
        if number == MOST_ROWS:
            left = f"{len(rows) - number + 2} more rows do not fit; the score CSV has all of them."
            sheet.append([_cell(sheet, left)])
            break
        sheet.append([_cell(sheet, value) for value in row])


def _cell(sheet: WriteOnlyWorksheet, value: Any, bold: bool = False) -> Cell:
    """A typed cell; a text is never a formula."""
    if hasattr(value, "item"):  # numpy's own numbers
        value = value.item()
    if isinstance(value, float) and value != value:
        value = None
    is_text = isinstance(value, str)
    if is_text:
        value = ILLEGAL_CHARACTERS_RE.sub("", value)[:LONGEST_CELL]
    cell = WriteOnlyCell(sheet, value=value)
    if is_text:
        cell.data_type = "s"
        cell.alignment = Alignment(vertical="top")
    if bold:
        cell.font = Font(bold=True)
    return cell


def _columns(value: Any) -> int:
    if isinstance(value, float):
        return 10
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in str(value).split("\n")[0])


# -- Word --

_WORDS = {
    "title": ("评分研究报告", "Report of a rating study"),
    "table": ("表 4：平均分", "Table 4: mean scores"),
    "methods": ("方法", "Methods"),
    "agreement": ("评分者一致性", "Agreement between raters"),
    "tests": ("模型之间的检验", "Tests between models"),
    "pairs": ("两两比较（Wilcoxon）", "Pairs of models (Wilcoxon)"),
    "shares": ("各分数占比（%）", "Shares of each score (%)"),
    "notes": ("说明", "Notes"),
    "published": ("文献报告值", "As published"),
    "Safety": ("安全性", "Safety"),
    "Usability": ("实用性", "Usability"),
    "Fluency": ("流畅性", "Fluency"),
    "Model": ("模型", "Model"),
    "Ratings": ("评分数", "Ratings"),
    "Questions": ("题数", "Questions"),
    "Dimension": ("维度", "Dimension"),
    "Answers": ("回答数", "Answers"),
    "95 % interval": ("95% 区间", "95 % interval"),
    "Equal (%)": ("一致率（%）", "Equal (%)"),
    "Left out": ("未计入", "Left out"),
    "Effect": ("效应量", "Effect"),
}


def as_docx(report: Report, language: Language) -> bytes:
    """Title, Table 4, shares, methods paragraph, agreement, tests and notes."""

    def word(key: str) -> str:
        return _WORDS[key][0 if language == "zh" else 1] if key in _WORDS else key

    document = docx.Document()
    style: Any = document.styles["Normal"]
    style.font.name, style.font.size = "Calibri", Pt(10.5)
    style.element.rPr.rFonts.set(qn("w:eastAsia"), "宋体" if language == "zh" else "SimSun")
    document.add_heading(_line(report["data"]["study"]) or word("title"), level=1)
    bold = {
        (row, 3 + column)
        for column, dimension in enumerate(report["scale"]["dimensions"])
        for row, entry in enumerate(report["models"])
        if entry["model"] in best(report, dimension)
    }
    document.add_heading(word("table"), level=2)
    _word_table(document, render.means(report), word, bold)
    if report["reference"]:
        document.add_heading(word("published"), level=3)
        _word_table(document, render.references(report), word)
    document.add_heading(word("shares"), level=2)
    _word_table(document, render.shares(report), word)
    document.add_heading(word("methods"), level=2)
    document.add_paragraph(_line(methods_paragraph(report, language)))
    for key, section in (
        ("agreement", render.agreement(report)),
        ("tests", render.friedman(report)),
        ("pairs", render.pairs(report)),
    ):
        if section.rows:
            document.add_heading(word(key), level=2)
            _word_table(document, section, word)
    document.add_heading(word("notes"), level=2)
    for note in report["notes_zh" if language == "zh" else "notes"]:
        document.add_paragraph(_line(note), style="List Bullet")
    properties = document.core_properties
    properties.author, properties.title = "MedChat", word("title")
    properties.created = properties.modified = MOMENT
    buffer = io.BytesIO()
    document.save(buffer)
    return _repacked(buffer.getvalue())


def _word_table(
    document: Any,
    section: Section,
    word: Any,
    bold: "set[tuple[int, int]] | frozenset[Any]" = frozenset(),
) -> None:
    table = document.add_table(rows=1, cols=len(section.header), style="Light List")
    for cell, name in zip(table.rows[0].cells, section.header, strict=True):
        cell.text = word(name)
    for number, row in enumerate(section.rows):
        for column, (cell, value) in enumerate(zip(table.add_row().cells, row, strict=True)):
            shown = word(value) if column < section.n_texts and value in _WORDS else _line(value)
            run = cell.paragraphs[0].add_run(shown)
            run.bold = (number, column) in bold
            run.font.size = Pt(9)
            if column >= section.n_texts:
                cell.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.RIGHT


# -- pieces --


def _title(dimension: str) -> str:
    return dimension[:1].upper() + dimension[1:]


def _line(text: str) -> str:
    """On one line, without control characters, which neither format may hold."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _repacked(content: bytes) -> bytes:
    """The same zip with one moment for every member: what was written when tells nothing."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            info = zipfile.ZipInfo(name, MOMENT.timetuple()[:6])
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, _MODIFIED.sub(rb"\g<1>1980-01-01T00:00:00Z\g<2>", old.read(name)))
    return buffer.getvalue()
