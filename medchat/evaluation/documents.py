"""A report as LaTeX, Excel and Word: files that a paper can use as they are.

Takes what `make_report` returns; the same report gives the same bytes. Figures are those of
`render`, so that every file shows the same numbers. Knows nothing about the file system.
"""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, repeat
from math import isfinite
from typing import Any, Literal

import docx
import pandas as pd
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Inches, Length, Pt
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ERROR_CODES
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet._write_only import WriteOnlyWorksheet
from openpyxl.worksheet.properties import PageSetupProperties

from medchat.evaluation import render
from medchat.evaluation.methods import counted, methods_paragraph
from medchat.evaluation.overlap import FIGURES as OVERLAP
from medchat.evaluation.ratings_file import FORMULA_STARTS
from medchat.evaluation.render import (
    Section,
    best,
    decimals,
    interval,
    mean_of,
    title,
)
from medchat.evaluation.scale import Scale, name_zh
from medchat.tables import on_one_line
from medchat.text_width import columns

Report = Mapping[str, Any]
Language = Literal["zh", "en"]
MOMENT = datetime(1980, 1, 1, tzinfo=UTC)
LONGEST_CELL = 32_767
MOST_ROWS = 50_000
"""Of one sheet: more take minutes to write and to open. The score CSV has them all."""
LEVEL = 1
"""Of compression, the fastest: a large study's score CSV is most of what is packed."""
MOST_WORD_ROWS = 300
"""Of one table: a page holds some forty."""
TEXT_WIDTH = 6.9
"""Inches of a letter page between its margins; an A4 page has as much with narrower ones."""
LINE_COLUMNS = 95
"""Columns of letters in a table's size that fit into the width of the text."""
MOST_WIDE = 8
"""Columns of a table in letters of the usual size."""
BOLD = 1.25
"""How much wider bold letters are."""
CELL_EDGES = 3.5
"""Columns of letters that the blank edges of a cell take."""
WIDEST_COLUMN = 28
"""Columns of letters that a cell takes before it breaks between words."""
_FORMAT, _SMALL = "0.000", '[<0.001]"< 0.001";0.000'
_NUMBER_FORMATS = {
    **dict.fromkeys(("p", "p_holm", "p_tied", "p_holm_tied"), _SMALL),
    **dict.fromkeys(("active_seconds", "years"), "General"),
}
"""How a number is shown, by the name of its column; the cell holds all of its digits."""
_WORD = re.compile("[\u3000-\u9fff\uff00-\uffef]|[^ \n\u3000-\u9fff\uff00-\uffef]+")
_TOGETHER = re.compile(r"(<|\[-?[\d.]+,) ")
"""Before a blank at which no line of Word may break."""
_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)")
"""openpyxl writes the moment of saving, whatever it was told."""
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 cannot hold."""
_NUMBER_COLUMNS = ("years", "shown_position", "active_seconds")
"""Columns of a score CSV that hold numbers, which are read as text."""

# -- LaTeX --

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{letter: f"\\{letter}" for letter in "{}$&#_%"},
}
_LIGATURE = re.compile(r"([-`'?!,])(?=[-`',])")


def as_latex(report: Report) -> str:
    """Table 4 for a paper with the package booktabs; the best mean of each column is bold."""
    dimensions = report["scale"]["dimensions"]
    bold = {each: best(report, each) for each in dimensions}
    head = " & ".join(["Model", "$n$", *(_latex(title(each)) for each in dimensions)])
    lines = [
        r"% Needs \usepackage{booktabs}; Chinese names also xeCJK or ctex, and XeLaTeX.",
        r"% pdfLaTeX shows | and quotes as written with \usepackage[T1]{fontenc}.",
        r"\begin{table}",
        r"  \centering\small\setlength{\tabcolsep}{4pt}",
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
    data, told = report["data"], report["scale"]
    scale = Scale(tuple(told["dimensions"]), tuple(told["scores"]))
    sizes = ", ".join(counted(data[f"n_{thing}s"], thing) for thing in ("rater", "question"))
    intervals = " [95 % interval]" if report["settings"]["bootstrap"] else ""
    return f"Mean scores{intervals} ({sizes}). {scale.note}"


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
    """Shown as it is written: no command, no ligature. Behind a row's end, a text that begins with
    `[` or `*` would be read as an option of that end."""
    escaped = "".join(_LATEX.get(letter, letter) for letter in on_one_line(text).strip())
    shown = _LIGATURE.sub(r"\1{}", escaped)
    return "{}" + shown if shown.startswith(("[", "*")) else shown


# -- Excel --


ONLY_FOR_COORDINATORS = ["rater_flagged"]


def as_xlsx(report: Report, scores: pd.DataFrame) -> bytes:
    """Sheets Table, Agreement, Tests, Scores and Raters, with numbers as numbers; Sensitivity and
    Overlap where there is any.

    ``scores`` has a row per rating. What is for the coordinator alone, ``ONLY_FOR_COORDINATORS``,
    is left out.
    """
    book = Workbook(write_only=True)
    dimensions = list(report["scale"]["dimensions"])
    _fill(book, "Table", *_table_rows(report))
    _fill(book, "Agreement", *_agreement_rows(report))
    _fill(book, "Tests", *_test_rows(report))
    shown = scores.drop(columns=ONLY_FOR_COORDINATORS, errors="ignore")
    _fill(book, "Scores", *_score_rows(shown))
    _fill(book, "Raters", *_rater_rows(scores, dimensions, report["consistency"]))
    if report["sensitivity"]:
        keys = ["by", "group", "model", "n_ratings", *dimensions]
        rows = [[entry[key] for key in keys] for entry in report["sensitivity"]]
        _fill(book, "Sensitivity", keys, rows)
    if report["overlap"]:
        _fill(book, "Overlap", *_overlap_rows(report["overlap"]))
    book.properties.created = book.properties.modified = MOMENT.replace(tzinfo=None)
    book.properties.creator = "MedChat"
    buffer = io.BytesIO()
    book.save(buffer)
    return _repacked(buffer.getvalue())


Rows = list[list[Any]]


class _Header(list[Any]):
    """A row that names the columns of a second table on the same sheet."""


class _Best(float):
    """The best of its column."""


def _table_rows(report: Report) -> tuple[list[str], Rows]:
    dimensions, scores = report["scale"]["dimensions"], report["scale"]["scores"]
    header = ["model", "n_ratings", "n_questions"]
    for each in dimensions:
        header += [f"{each}_{figure}" for figure in ("mean", "sd", "ci_low", "ci_high")]
        header += [*(f"{each}_share_{score}" for score in scores), f"{each}_acceptable"]
    rows: Rows = []
    bold = {each: best(report, each) for each in dimensions}
    for entry in report["models"]:
        row = [entry["model"], entry["n_ratings"], entry["n_questions"]]
        for each in dimensions:
            mean = entry[each]["mean"]
            row.append(_Best(mean) if entry["model"] in bold[each] else mean)
            row += [entry[each][figure] for figure in ("sd", "ci_low", "ci_high")]
            counts = entry[each]["counts"]
            row += [counts[str(score)] / entry["n_ratings"] for score in scores]
            row.append(entry[each]["acceptable"])
        rows.append([*row, ""])
    if report["reference"]:
        rows += [[], _Header(["as published"])]
    for reference in report["reference"]:
        row = [reference["model"], None, None]
        for each in dimensions:
            row += [reference[each], *[None] * (4 + len(scores))]
        rows.append([*row, reference["source"]])
    return [*header, "source"], [*rows, [], *([note] for note in report["notes"])]


def _agreement_rows(report: Report) -> tuple[list[str], Rows]:
    figures = [
        *("krippendorff_alpha", "ci_low", "ci_high", "alpha_nominal", "alpha_interval", "gwet_ac1"),
        *("gwet_ac2", "percent_agreement", "n_units", "icc_2_1", "icc_2_k"),
        "n_units_all_raters",
    ]
    rows: Rows = [
        [dimension, *(found[key] for key in figures)]
        for dimension, found in report["agreement"].items()
    ]
    keys = ("a", "b", "n", "weighted_kappa", "percent_agreement")
    rows += [[], _Header(["dimension", *keys])]
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
    keys = (
        *("a", "b", "n", "mean_difference", "statistic", "p", "p_holm", "p_tied", "p_holm_tied"),
        "effect_size",
    )
    rows += [[], _Header(["dimension", *keys])]
    rows += [
        [dimension, *(pair[key] for key in keys)]
        for dimension, found in report["tests"].items()
        for pair in found["pairs"]
    ]
    return ["dimension", "n_complete_questions", "n_left_out", *figures], rows


def _score_rows(scores: pd.DataFrame) -> tuple[list[str], Rows]:
    columns = {
        name: [_number(value) for value in scores[name]]
        if name in _NUMBER_COLUMNS
        else scores[name]
        for name in scores.columns
    }
    return list(columns), [list(row) for row in zip(*columns.values(), strict=True)]


def _number(value: Any) -> Any:
    """The number that a text such as `12` or `3.5` is; anything else as it was."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value):
        return value
    return float(value) if "." in value else int(value)


def _overlap_rows(overlap: Report) -> tuple[list[str], Rows]:
    """BLEU and ROUGE per model, then their rank correlations."""
    rows: Rows = [
        [each["model"], each["n"], *(each[key] for key in OVERLAP)] for each in overlap["models"]
    ]
    rows += [[], _Header(["dimension", "n", *(f"rho_{key}" for key in OVERLAP)])]
    rows += [
        [dimension, each["n"], *(each[key] for key in OVERLAP)]
        for dimension, each in overlap["correlation"].items()
    ]
    return ["model", "n", *OVERLAP], rows


def _rater_rows(
    scores: pd.DataFrame, dimensions: list[str], consistency: Report | None
) -> tuple[list[str], Rows]:
    """One row per rater, then each with himself; none where the scores do not tell who rated."""
    told = [column for column in ("specialty", "years") if column in scores]
    scored = [each for each in dimensions if each in scores]
    rows: Rows = []
    for rater, own in scores.groupby("rater", sort=True) if "rater" in scores else ():
        means = [float(pd.to_numeric(own[each], errors="coerce").mean()) for each in scored]
        known = [_number(own[column].iloc[0]) for column in told]
        rows.append([rater, *known, len(own), *means])
    if consistency:
        keys = ("n", "percent_agreement", "weighted_kappa")
        rows += [[], _Header(["scored twice, by dimension", *keys])]
        rows += [[each, *(consistency[each][key] for key in keys)] for each in dimensions]
        rows += [[], _Header(["scored twice, by rater", *keys[:2]])]
        rows += [
            [each["rater"], each["n"], each["percent_agreement"]] for each in consistency["raters"]
        ]
    return ["rater", *told, "n_ratings", *(f"{each}_mean" for each in scored)], rows


def _fill(book: Workbook, title: str, header: list[str], rows: Rows) -> None:
    sheet = book.create_sheet(title)
    sheet.freeze_panes = "A2"
    sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    seen = [header, *(row for row in rows[:50] if len(row) > 1)]  # a sentence takes no width
    for index in range(max(map(len, seen))):
        width = max(_columns(row[index]) for row in seen if len(row) > index) + 2
        sheet.column_dimensions[get_column_letter(index + 1)].width = min(width, 42)
    sheet.append([_cell(sheet, name, bold=True) for name in header])
    named = header
    for row in rows[:MOST_ROWS]:
        named = row if isinstance(row, _Header) else named
        shown = zip(row, chain(named, repeat("")), strict=False)
        sheet.append([_cell(sheet, value, isinstance(row, _Header), name) for value, name in shown])
    if left := len(rows[MOST_ROWS:]):
        sheet.append([f"{left} more rows are in the score CSV alone."])


def _cell(sheet: WriteOnlyWorksheet, value: Any, bold: bool = False, name: str = "") -> Any:
    """What a sheet takes: a plain value, or a cell where it is more than that.

    A text is never a formula. ``name`` is the column's: it decides how a number is shown.
    """
    value = _plain(value)
    shown = _NUMBER_FORMATS.get(name, _FORMAT) if isinstance(value, float) else ""
    guarded = isinstance(value, str) and (
        value.lstrip().startswith(FORMULA_STARTS) or value in ERROR_CODES
    )
    if not (guarded or shown or bold):
        return value
    cell = WriteOnlyCell(sheet, value=value)
    if guarded:
        # Also when somebody edits the cell.
        cell.data_type, cell.quotePrefix = "s", True
    if shown:
        cell.number_format = shown
    if bold or isinstance(value, _Best):
        cell.font = Font(bold=True)
    return cell


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
    if 2 * len(text) <= LONGEST_CELL:
        return text
    return text.encode("utf-16-le")[: 2 * LONGEST_CELL].decode("utf-16-le", "ignore")


def _columns(value: Any) -> int:
    """How wide a cell wants to be: as its first line, and a number as it is shown."""
    return 10 if isinstance(value, float) else columns(str(value).split("\n")[0])


# -- Word --

_WORDS = {
    "title": ("评分研究报告", "Report of a rating study"),
    "table": ("表 4：平均分", "Table 4: mean scores"),
    "methods": ("方法", "Methods"),
    "agreement": ("评分者一致性", "Agreement between raters"),
    "tests": ("模型之间的检验", "Tests between models"),
    "pairs": ("两两比较（Wilcoxon）", "Pairs of models (Wilcoxon)"),
    "shares": ("各分数占比（%）", "Shares of each score (%)"),
    "rater_pairs": ("评分者两两之间的一致性", "Agreement of each two raters"),
    "consistency": ("评分者自身的一致性（重复题）", "Consistency of raters (repeats)"),
    "overlap": ("与参考答案的重合度", "Overlap with references"),
    "related": (
        "与平均评分的秩相关（Spearman ρ）",
        "Rank correlation with the mean score (Spearman)",
    ),
    "sensitivity": ("敏感性分析", "Sensitivity"),
    "notes": ("说明", "Notes"),
    "Source": ("来源", "Source"),
    "Rater A": ("评分者 A", "Rater A"),
    "Rater B": ("评分者 B", "Rater B"),
    "Quadratic weighted kappa": ("二次加权 κ", "Quadratic weighted κ"),
    "alpha": ("α（有序）", "α (ordinal)"),
    "chi2": ("χ²", "χ²"),
    "Kendall's W": ("Kendall W", "Kendall’s W"),
    "p, equal ranks": ("p（同秩）", "p, equal ranks"),
    "p (Holm), equal ranks": ("p（Holm，同秩）", "p (Holm), equal ranks"),
    "Answers scored twice": ("评了两次的回答", "Answers scored twice"),
    "By": ("按", "By"),
    "Group": ("组", "Group"),
    "published": ("文献报告值", "As published"),
    "cut": (
        "共 {all} 行，此处列出前 {rows} 行；全部见 report.json 和 Excel 文件。",
        "The first {rows} of {all} rows; report.json and the Excel file have all.",
    ),
    "Model": ("模型", "Model"),
    "Ratings": ("评分数", "Ratings"),
    "Questions": ("题数", "Questions"),
    "Dimension": ("维度", "Dimension"),
    "Answers": ("回答数", "Answers"),
    "95 % interval": ("95% 区间", "95 % interval"),
    "Agreement (%)": ("一致率（%）", "Agreement (%)"),
    "Answers of all raters": ("全部评分者都评过的回答", "Answers of all raters"),
    "Left out": ("未计入", "Left out"),
    "Rank-biserial": ("秩二列相关", "Rank-biserial"),
}


def as_docx(report: Report, language: Language) -> bytes:
    """Title, Table 4, shares, methods paragraph, agreement, tests, the other tables and notes.

    Of a table of very many rows the first are there, and a sentence that says where all are.
    """

    def word(key: str) -> str:
        if key in _WORDS:
            return _WORDS[key][0 if language == "zh" else 1]
        return name_zh(key) if language == "zh" else key

    document = docx.Document()
    _set_fonts(document)
    page = document.sections[0]
    margin = Length((page.page_width or 0) // 2 - Inches(TEXT_WIDTH / 2))
    page.left_margin = page.right_margin = margin
    document.add_heading(on_one_line(report["data"]["study"]) or word("title"), level=1)
    document.add_heading(word("table"), level=2)
    _word_table(document, render.means(report), word, render.best_means(report))
    if report["reference"]:
        document.add_heading(word("published"), level=3)
        _word_table(document, render.references(report), word)
    document.add_heading(word("shares"), level=2)
    _word_table(document, render.shares(report), word)
    document.add_heading(word("methods"), level=2)
    document.add_paragraph(on_one_line(methods_paragraph(report, language)))
    overlap = zip(("overlap", "related"), render.overlap(report), strict=False)
    for key, section in (
        ("agreement", render.agreement(report)),
        ("rater_pairs", render.rater_pairs(report)),
        ("consistency", render.consistency(report)),
        ("tests", render.friedman(report)),
        ("pairs", render.pairs(report)),
        *overlap,
        ("sensitivity", render.sensitivity(report, language)),
    ):
        if section.rows:
            document.add_heading(word(key), level=2)
            _word_table(document, section, word)
    document.add_heading(word("notes"), level=2)
    for note in _notes(report, language):
        document.add_paragraph(on_one_line(note), style="List Bullet")
    properties = document.core_properties
    properties.author, properties.title = "MedChat", word("title")
    properties.created = properties.modified = MOMENT
    buffer = io.BytesIO()
    document.save(buffer)
    return _repacked(buffer.getvalue())


def _set_fonts(document: Any) -> None:
    """Headings name fonts of the theme, which has none for Chinese: they need their own."""
    styles = document.styles
    styles["Normal"].font.name, styles["Normal"].font.size = "Calibri", Pt(10.5)
    for name in ("Normal", "Heading 1", "Heading 2", "Heading 3"):
        fonts = styles[name].element.get_or_add_rPr().get_or_add_rFonts()
        fonts.attrib.pop(qn("w:eastAsiaTheme"), None)
        fonts.set(qn("w:eastAsia"), "SimSun")
    for language in styles.element.iter(qn("w:lang")):
        language.set(qn("w:eastAsia"), "zh-CN")


def _notes(report: Report, language: Language) -> Sequence[str]:
    """The Chinese notes where there are some; a report may have English ones alone."""
    notes: Sequence[str] = report["notes"]
    return report.get("notes_zh", notes) if language == "zh" else notes


def _word_table(
    document: Any,
    section: Section,
    word: Any,
    bold: "set[tuple[int, int]] | frozenset[Any]" = frozenset(),
) -> None:
    rows = section.rows[:MOST_WORD_ROWS]
    shown = [[word(name) for name in section.header]]
    for row in rows:
        named = zip(section.header, row, strict=True)
        texts = [on_one_line(word(v) if name == "Dimension" else v) for name, v in named]
        shown.append([_TOGETHER.sub("\\1\N{NO-BREAK SPACE}", text) for text in texts])
    table = document.add_table(rows=len(shown), cols=len(section.header), style="Light List")
    table.autofit = False
    widths = _widths(shown)
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width
    for number, (line, cells) in enumerate(zip(list(table.rows), shown, strict=True), start=-1):
        properties = line._tr.get_or_add_trPr()
        properties.append(OxmlElement("w:cantSplit"))
        if number < 0:
            properties.append(OxmlElement("w:tblHeader"))  # again on the next page
        for column, (cell, text) in enumerate(zip(line.cells, cells, strict=True)):
            cell.width = widths[column]
            run = cell.paragraphs[0].add_run(text)
            run.bold = True if number < 0 else (number, column) in bold
            run.font.size = Pt(8.5 if len(widths) <= MOST_WIDE else 7.5)
            if column >= section.n_texts:
                cell.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.RIGHT
    if len(rows) < len(section.rows):
        document.add_paragraph(word("cut").format(rows=len(rows), all=len(section.rows)))


def _widths(rows: Sequence[Sequence[str]]) -> list[Length]:
    """Of columns that share the text's width: none narrower than its longest word, if that fits.

    The first row is the header, which is bold and so a little wider.
    """
    words, wanted = [], []
    for header, *cells in zip(*rows, strict=True):
        word = max([BOLD * _longest_word(header), *map(_longest_word, cells)])
        whole = max([BOLD * columns(header), *map(columns, cells)])
        words.append(word + CELL_EDGES)
        wanted.append(max(word, min(whole, WIDEST_COLUMN)) + CELL_EDGES)
    if sum(wanted) > LINE_COLUMNS:  # then longer cells break between words
        rest = max(LINE_COLUMNS - sum(words), 0) / (sum(wanted) - sum(words) or 1)
        pairs = zip(words, wanted, strict=True)
        wanted = [word + rest * (whole - word) for word, whole in pairs]
    return [Inches(TEXT_WIDTH * each / sum(wanted)) for each in wanted]


def _longest_word(text: str) -> int:
    """In columns; a line may break between any two Chinese characters."""
    return max((columns(word) for word in _WORD.findall(text)), default=0)


# -- pieces --


def zipped(members: Mapping[str, bytes]) -> bytes:
    """A zip with one moment for every member: what was written when tells nothing."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, MOMENT.timetuple()[:6])
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content, compresslevel=LEVEL)
    return buffer.getvalue()


def _repacked(content: bytes) -> bytes:
    """A document without the moment in which it was saved."""
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        members = {name: old.read(name) for name in old.namelist()}
    moment = rb"\g<1>1980-01-01T00:00:00Z\g<2>"
    return zipped({name: _MODIFIED.sub(moment, part) for name, part in members.items()})
