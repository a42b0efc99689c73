"""A report as a Word file that a paper can use as it is; the same report gives the same bytes.

Tables are those of ``tables``, so that every file shows the same numbers. Knows nothing about the
file system.
"""

import io
import re
from collections.abc import Sequence
from typing import Any

import docx
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Inches, Length, Pt

from medchat.errors import Language
from medchat.evaluation.types import Report
from medchat.evaluation.wording import headings
from medchat.evaluation.wording.methods import methods_paragraph
from medchat.evaluation.writers import tables
from medchat.evaluation.writers.figures import FIGURES, draw
from medchat.evaluation.writers.reproducible_zip import MOMENT, without_moment, zipped
from medchat.evaluation.writers.tables import Cells, Section
from medchat.text import columns, on_one_line

MAX_TABLE_ROWS = 300
"""A page holds some forty."""
TEXT_WIDTH = 6.9
"""Inches of a letter page between its margins; an A4 page has as much with narrower ones."""
LINE_COLUMNS = 95
"""Columns of letters in a table's largest size that fit into the width of the text."""
MAX_POINTS, MIN_POINTS = 8.5, 6.5
"""Size of a table's letters."""
BOLD = 1.25
"""How much wider bold letters are."""
CAPITAL = 0.25
"""Columns that a capital takes more than a small letter."""
CELL_EDGES = 3.5
"""Columns of letters that the blank edges of a cell take."""
MIN_NAME_WIDTH = 8
"""Columns of letters that a name gets at least."""
MAX_CELL_WIDTH = 28
"""Columns of letters that a cell takes before it breaks between words."""
_CHINESE = "\u3000-\u9fff\uff00-\uffef"
_WORD = re.compile(f"[{_CHINESE}]{{1,4}}|[^ \n{_CHINESE}]+")
"""A line may break between any two Chinese characters; four and fewer read better together."""
_PIECE = re.compile(f"[{_CHINESE}]{{1,4}}|[^- \n{_CHINESE}]+-?|-")
"""Of a name, which may also break behind a hyphen."""
_TOGETHER = re.compile(r"(<|\[-?[\d.]+,) ")
"""Before a blank at which no line of Word may break."""


def as_docx(report: Report, language: Language) -> bytes:
    """Title, Table 4, shares, methods paragraph, the other tables, pictures and notes.

    Of a table of very many rows the first are there, and a sentence that says where all are.
    """
    title = headings.REPORT.text(language)
    document = docx.Document()
    _set_fonts(document)
    page = document.sections[0]
    margin = Length((page.page_width or 0) // 2 - Inches(TEXT_WIDTH / 2))
    page.left_margin = page.right_margin = margin
    document.add_heading(on_one_line(report.data.study) or title, level=1)
    _add_table(document, tables.means(report), language, bold=tables.best_means(report))
    if report.reference:
        _add_table(document, tables.references(report), language, level=3)
    _add_table(document, tables.shares(report), language)
    document.add_heading(headings.METHODS.text(language), level=2)
    document.add_paragraph(on_one_line(methods_paragraph(report, language)))
    for section in (
        tables.agreement(report),
        tables.rater_pairs(report),
        tables.consistency(report),
        tables.friedman(report),
        tables.pairs(report),
        *tables.overlap(report),
        tables.sensitivity(report),
    ):
        if section.rows:
            _add_table(document, section, language)
    _add_pictures(document, report, language)
    document.add_heading(headings.NOTES.text(language), level=2)
    for note in report.notes_zh if language == "zh" else report.notes:
        document.add_paragraph(on_one_line(note), style="List Bullet")
    properties = document.core_properties
    properties.author, properties.title = "MedChat", title
    properties.created = properties.modified = MOMENT
    buffer = io.BytesIO()
    document.save(buffer)
    return zipped(without_moment(buffer.getvalue()))


def _add_pictures(document: Any, report: Report, language: Language) -> None:
    """Each under its heading, as wide as the text; its alternative text is that heading."""
    for name in FIGURES:
        content = draw(report, name, "png", language)
        if content is None:
            continue
        heading = document.add_heading(headings.FIGURES[name].text(language), level=2)
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


def _add_table(
    document: Any,
    section: Section,
    language: Language,
    level: int = 2,
    bold: Cells = frozenset(),
) -> None:
    """The table under its heading."""
    document.add_heading(section.title.text(language), level=level)
    cells = section.cells(language)[:MAX_TABLE_ROWS]
    rows = [section.head(language)]
    rows += [
        [_TOGETHER.sub("\\1\N{NO-BREAK SPACE}", on_one_line(text)) for text in row] for row in cells
    ]
    table = document.add_table(rows=len(rows), cols=len(section.header), style="Light List")
    table.autofit = False
    widths, size = _widths(rows, section.n_texts)
    for column, width in zip(table.columns, widths, strict=True):
        column.width = width
    for number, (line, texts) in enumerate(zip(list(table.rows), rows, strict=True), start=-1):
        properties = line._tr.get_or_add_trPr()
        properties.append(OxmlElement("w:cantSplit"))
        if number < 0:
            properties.append(OxmlElement("w:tblHeader"))  # again on the next page
        for column, (cell, text) in enumerate(zip(line.cells, texts, strict=True)):
            cell.width = widths[column]
            run = cell.paragraphs[0].add_run(text)
            run.bold = True if number < 0 else (number, column) in bold
            run.font.size = Pt(size)
            if column >= section.n_texts:
                cell.paragraphs[0].alignment = WD_ALIGN_PARAGRAPH.RIGHT
    if len(cells) < len(section.rows):
        cut = headings.CUT.text(language)
        document.add_paragraph(cut.format(rows=len(cells), all=len(section.rows)))


def _widths(rows: Sequence[Sequence[str]], n_texts: int) -> tuple[list[Length], float]:
    """Of columns that share the text's width, and points of letters in which the longest words fit.

    The first row is the header, which is bold and so a little wider. Where nothing else helps,
    headers and the ``n_texts`` columns of names take what the figures leave, which never break.
    """
    hard, least, widest = [], [], []
    for index, (header, *cells) in enumerate(zip(*rows, strict=True)):
        parts = _PIECE if index < n_texts else _WORD
        heads = BOLD * _longest(header, _PIECE)
        cell = max((_longest(text, parts) for text in cells), default=0)
        hard.append((min(cell, MIN_NAME_WIDTH) if index < n_texts else cell) + CELL_EDGES)
        least.append(max(heads, cell) + CELL_EDGES)
        whole = max([BOLD * columns(header), *map(columns, cells)])
        widest.append(max(least[-1], min(whole, MAX_CELL_WIDTH) + CELL_EDGES))
    size = min(max(MAX_POINTS * LINE_COLUMNS / sum(least), MIN_POINTS), MAX_POINTS)
    room = LINE_COLUMNS * MAX_POINTS / size
    for low, high in ((least, widest), (hard, least)):
        if sum(high) > room:  # then longer cells break between words, or names anywhere
            rest = max(room - sum(low), 0) / (sum(high) - sum(low) or 1)
            widest = [a + rest * (b - a) for a, b in zip(low, high, strict=True)]
    return [Inches(TEXT_WIDTH * width / sum(widest)) for width in widest], size


def _longest(text: str, parts: re.Pattern[str]) -> float:
    """In columns; capitals are wider than small letters."""
    return max(
        (columns(piece) + CAPITAL * sum(map(str.isupper, piece)) for piece in parts.findall(text)),
        default=0,
    )
