"""A report as LaTeX and Word: files that a paper can use as they are.

Takes what `make_report` returns; the same report gives the same bytes. Figures are those of
`render`, so that every file shows the same numbers. Knows nothing about the file system.
"""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import docx
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Inches, Length, Pt

from medchat.evaluation.wording.methods import counted, methods_paragraph
from medchat.evaluation.writers import tables as render
from medchat.evaluation.writers.figures import FIGURES, draw
from medchat.evaluation.writers.reproducible_zip import MOMENT, without_moment, zipped
from medchat.evaluation.writers.tables import (
    Section,
    best,
    decimals,
    interval,
    mean_of,
    title,
)
from medchat.scale import Scale, name_zh
from medchat.text import columns, on_one_line

Report = Mapping[str, Any]
Language = Literal["zh", "en"]
MOST_WORD_ROWS = 300
"""Of one table: a page holds some forty."""
TEXT_WIDTH = 6.9
"""Inches of a letter page between its margins; an A4 page has as much with narrower ones."""
LINE_COLUMNS = 95
"""Columns of letters in a table's largest size that fit into the width of the text."""
LARGEST, SMALLEST = 8.5, 6.5
"""Points of a table's letters."""
BOLD = 1.25
"""How much wider bold letters are."""
CAPITAL = 0.25
"""Columns that a capital takes more than a small letter."""
CELL_EDGES = 3.5
"""Columns of letters that the blank edges of a cell take."""
NARROWEST_NAME = 8
"""Columns of letters that a name gets at least."""
WIDEST_COLUMN = 28
"""Columns of letters that a cell takes before it breaks between words."""
_CHINESE = "\u3000-\u9fff\uff00-\uffef"
_WORD = re.compile(f"[{_CHINESE}]{{1,4}}|[^ \n{_CHINESE}]+")
"""A line may break between any two Chinese characters; four and fewer read better together."""
_PIECE = re.compile(f"[{_CHINESE}]{{1,4}}|[^- \n{_CHINESE}]+-?|-")
"""Of a name, which may also break behind a hyphen."""
_TOGETHER = re.compile(r"(<|\[-?[\d.]+,) ")
"""Before a blank at which no line of Word may break."""

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
    lines += [r"    \bottomrule", r"  \end{tabular}"]
    sourced = [row for row in report["reference"] if row["source"]]
    if told := "; ".join(_latex(f"{row['model']}: {row['source']}") for row in sourced):
        lines.append(
            rf"  \par\smallskip\parbox{{\linewidth}}{{\footnotesize As published: {told}.}}"
        )
    return "\n".join([*lines, r"\end{table}"]) + "\n"


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
    return " & ".join(
        [_latex(row["model"]), "", *(decimals(row[each], 2, "--") for each in dimensions)]
    )


def _latex(text: str) -> str:
    """Shown as it is written: no command, no ligature. Behind a row's end, a text that begins with
    `[` or `*` would be read as an option of that end."""
    escaped = "".join(_LATEX.get(letter, letter) for letter in on_one_line(text).strip())
    shown = _LIGATURE.sub(r"\1{}", escaped)
    return "{}" + shown if shown.startswith(("[", "*")) else shown


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
    "Repeated ratings": ("重复评分数", "Repeated ratings"),
    "By": ("按", "By"),
    "Group": ("组", "Group"),
    "figure_shares": ("各分数占比（图）", "Picture: shares of each score"),
    "figure_means": ("平均分与 95% 区间（图）", "Picture: means with 95 % intervals"),
    "figure_raters": ("评分者两两之间的加权 κ（图）", "Picture: weighted κ between raters"),
    "figure_progress": ("评分进度（图）", "Picture: progress"),
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
    """Title, Table 4, shares, methods paragraph, the other tables, pictures and notes.

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
    _add_pictures(document, report, language, word)
    document.add_heading(word("notes"), level=2)
    for note in _notes(report, language):
        document.add_paragraph(on_one_line(note), style="List Bullet")
    properties = document.core_properties
    properties.author, properties.title = "MedChat", word("title")
    properties.created = properties.modified = MOMENT
    buffer = io.BytesIO()
    document.save(buffer)
    return zipped(without_moment(buffer.getvalue()))


def _add_pictures(document: Any, report: Report, language: Language, word: Any) -> None:
    """Each under its heading, as wide as the text; its alternative text is that heading."""
    for name in FIGURES:
        content = draw(report, name, "png", language)
        if content is None:
            continue
        heading = document.add_heading(word(f"figure_{name}"), level=2)
        heading.paragraph_format.keep_with_next = True
        picture = document.add_picture(io.BytesIO(content), width=Inches(TEXT_WIDTH))
        picture._inline.docPr.set("descr", heading.text)


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
    widths, size = _widths(shown, section.n_texts)
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
            run.font.size = Pt(size)
            if column >= section.n_texts:
                cell.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.RIGHT
    if len(rows) < len(section.rows):
        document.add_paragraph(word("cut").format(rows=len(rows), all=len(section.rows)))


def _widths(rows: Sequence[Sequence[str]], n_texts: int) -> tuple[list[Length], float]:
    """Of columns that share the text's width, and points of letters in which the longest words fit.

    The first row is the header, which is bold and so a little wider. Where nothing else helps,
    headers and the ``n_texts`` columns of names take what the figures leave, which never break.
    """
    hard, least, wanted = [], [], []
    for place, (header, *cells) in enumerate(zip(*rows, strict=True)):
        parts = _PIECE if place < n_texts else _WORD
        heads = BOLD * _longest(header, _PIECE)
        cell = max((_longest(each, parts) for each in cells), default=0)
        hard.append((min(cell, NARROWEST_NAME) if place < n_texts else cell) + CELL_EDGES)
        least.append(max(heads, cell) + CELL_EDGES)
        whole = max([BOLD * columns(header), *map(columns, cells)])
        wanted.append(max(least[-1], min(whole, WIDEST_COLUMN) + CELL_EDGES))
    size = min(max(LARGEST * LINE_COLUMNS / sum(least), SMALLEST), LARGEST)
    room = LINE_COLUMNS * LARGEST / size
    for low, high in ((least, wanted), (hard, least)):
        if sum(high) > room:  # then longer cells break between words, or names anywhere
            rest = max(room - sum(low), 0) / (sum(high) - sum(low) or 1)
            wanted = [a + rest * (b - a) for a, b in zip(low, high, strict=True)]
    return [Inches(TEXT_WIDTH * each / sum(wanted)) for each in wanted], size


def _longest(text: str, parts: re.Pattern[str]) -> float:
    """In columns; capitals are wider than small letters."""
    found = parts.findall(text)
    return max((columns(each) + CAPITAL * sum(map(str.isupper, each)) for each in found), default=0)
