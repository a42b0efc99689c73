"""Writes the Table-4 figures as Markdown, CSV and plain text.

Takes what `sus.table4` returns and gives back text that ends in a newline. Knows nothing about
files. Figures are rounded half up from the integer counts: 2.125 is always 2.13.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import NamedTuple

import pandas as pd

from medchat.evaluation import DIMENSIONS, SCORES
from medchat.evaluation.ratings_file import quote_formula
from medchat.evaluation.sus import SCALE, counts

_MARKDOWN_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#$&!])")


class Section(NamedTuple):
    """One table ready to be written: the first `n_texts` columns hold text, the rest figures."""

    title: str
    header: list[str]
    rows: list[list[str]]
    n_texts: int


def half_up(value: Fraction, places: int) -> str:
    """`value` (not negative) with `places` decimals; half rounds up, as in a printed table."""
    scaled = value * 10**places
    digits = str((2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator))
    digits = digits.rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def as_text(table: pd.DataFrame) -> str:
    """For a terminal: columns are aligned, and a Chinese character counts as two columns."""
    blocks = [_text_block(section) for section in (means(table), shares(table))]
    return "\n\n".join([*blocks, SCALE]) + "\n"


def as_markdown(table: pd.DataFrame) -> str:
    blocks = [_markdown_block(section) for section in (means(table), shares(table))]
    return "\n\n".join([*blocks, SCALE]) + "\n"


def as_csv(table: pd.DataFrame) -> str:
    """The line about the scale, then one table: a row per model, means and shares side by side."""
    header = ["model", "n_ratings", "n_questions"]
    header += [f"{dimension}_mean" for dimension in DIMENSIONS]
    header += [f"{d}_share_{score}_percent" for d in DIMENSIONS for score in SCORES]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([SCALE])
    writer.writerow(header)
    for model, figures in table.iterrows():
        percents = [cell for dimension in DIMENSIONS for cell in _percents(figures, dimension)]
        writer.writerow([quote_formula(str(model)), *_mean_cells(figures), *percents])
    return buffer.getvalue()


# -- the two tables --


def means(table: pd.DataFrame) -> Section:
    header = ["Model", "Ratings", "Questions", *(d.capitalize() for d in DIMENSIONS)]
    rows = [[str(model), *_mean_cells(figures)] for model, figures in table.iterrows()]
    return Section("Mean scores", header, rows, n_texts=1)


def shares(table: pd.DataFrame) -> Section:
    header = ["Model", "Dimension", *(f"{score} (%)" for score in SCORES)]
    rows = [
        [str(model), dimension.capitalize(), *_percents(figures, dimension)]
        for model, figures in table.iterrows()
        for dimension in DIMENSIONS
    ]
    return Section("Shares of each score", header, rows, n_texts=2)


def _mean_cells(figures: "pd.Series[float]") -> list[str]:
    """Ratings, questions, and the mean of each dimension."""
    sizes = [str(int(figures[column])) for column in ("n_ratings", "n_questions")]
    means = []
    for dimension in DIMENSIONS:
        count = counts(figures, dimension)
        total = sum(score * times for score, times in count.items())
        means.append(half_up(Fraction(total, sum(count.values())), 2))
    return sizes + means


def _percents(figures: "pd.Series[float]", dimension: str) -> list[str]:
    count = counts(figures, dimension)
    return [half_up(Fraction(100 * times, sum(count.values())), 1) for times in count.values()]


# -- the two kinds of text --


def _markdown_block(section: Section) -> str:
    n_figures = len(section.header) - section.n_texts
    rule = ["---"] * section.n_texts + ["---:"] * n_figures
    rows = [[_markdown_cell(cell) for cell in row] for row in section.rows]
    lines = [f"| {' | '.join(row)} |" for row in (section.header, rule, *rows)]
    return "\n".join([f"**{section.title}**", "", *lines])


def _text_block(section: Section) -> str:
    rows = [section.header, *([_on_one_line(cell) for cell in row] for row in section.rows)]
    widths = [max(map(_display_width, column)) for column in zip(*rows, strict=True)]
    pads = [_pad_right] * section.n_texts + [_pad_left] * (len(widths) - section.n_texts)
    return "\n".join([section.title, *(_text_line(row, widths, pads) for row in rows)])


def _text_line(
    row: Sequence[str], widths: Sequence[int], pads: Sequence[Callable[[str, int], str]]
) -> str:
    cells = [pad(cell, width) for cell, width, pad in zip(row, widths, pads, strict=True)]
    return "  ".join(cells).rstrip()


def _markdown_cell(text: str) -> str:
    return _MARKDOWN_SPECIAL.sub(r"\\\1", _on_one_line(text))


def _on_one_line(text: str) -> str:
    """Without line ends and control characters, which would break a table or steer a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _display_width(text: str) -> int:
    return sum(_letter_width(letter) for letter in text)


def _letter_width(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1


def _pad_right(text: str, width: int) -> str:
    return text + " " * (width - _display_width(text))


def _pad_left(text: str, width: int) -> str:
    return " " * (width - _display_width(text)) + text
