"""The tables of a report, and a report as Markdown, CSV and plain text.

A table's columns and the dimensions in its cells are headings, so that each writer shows them in
its own words. Texts end in a newline. Knows nothing about files.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medchat.evaluation.formatting import (
    NONE,
    acceptable,
    best_models,
    decimals,
    interval,
    markdown_cell,
    mean_of,
    p_value,
    percent,
    percents,
    title,
)
from medchat.evaluation.statistics.sensitivity import NAMES
from medchat.evaluation.types import Report, ScoreFigures
from medchat.evaluation.wording import headings
from medchat.evaluation.wording.headings import Heading, Style, dimension, same
from medchat.text import columns, on_one_line, quote_formula

Row = list[str | Heading]
Cells = frozenset[tuple[int, int]]
"""Row and column of some cells of a table."""


@dataclass(frozen=True)
class Section:
    """One table ready to be written: the first `n_texts` columns hold text, the rest figures."""

    title: Heading
    header: list[Heading]
    rows: list[Row]
    n_texts: int

    def head(self, style: Style) -> list[str]:
        return [heading.text(style) for heading in self.header]

    def cells(self, style: Style) -> list[list[str]]:
        return [
            [cell if isinstance(cell, str) else cell.text(style) for cell in row]
            for row in self.rows
        ]


def as_text(report: Report) -> str:
    """For a terminal: columns are aligned, and a Chinese character counts as two columns."""
    blocks = [_text_block(section) for section in sections(report)]
    return "\n\n".join([*blocks, *map(on_one_line, report.notes)]) + "\n"


def as_markdown(report: Report) -> str:
    """The best mean of each column is bold."""
    blocks = [_markdown_block(section) for section in sections(report)]
    blocks[:1] = [_markdown_block(means(report), best_means(report))]
    return "\n\n".join([*blocks, *map(markdown_cell, report.notes)]) + "\n"


def as_csv(report: Report) -> str:
    """A row per model, for each dimension mean, standard deviation, interval and shares; then the
    published ones, their sizes empty. What the scale is stands in every row, so that nothing but
    the header is above the first."""
    dimensions, scores = report.scale.dimensions, report.scale.scores
    header = ["model", "n_ratings", "n_questions"]
    for name in dimensions:
        header += [f"{name}_{figure}" for figure in ("mean", "sd", "ci_low", "ci_high")]
        header += [f"{name}_share_{score}_percent" for score in scores]
        header.append(f"{name}_acceptable_percent")
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*header, "source", "scale"])
    scale = report.scale.note
    for model in report.models:
        cells = [cell for name in dimensions for cell in _csv_cells(model.figures[name])]
        name = quote_formula(on_one_line(model.model))
        writer.writerow([name, model.n_ratings, model.n_questions, *cells, "", scale])
    for row in report.reference:
        cells = []
        for name in dimensions:
            cells += [decimals(row.means[name], 2), *[""] * (4 + len(scores))]
        source = quote_formula(on_one_line(f"as published: {row.source}".removesuffix(": ")))
        writer.writerow([quote_formula(on_one_line(row.model)), "", "", *cells, source, scale])
    return buffer.getvalue()


def _csv_cells(figures: ScoreFigures) -> list[str]:
    spread = [decimals(value, 2) for value in (figures.sd, figures.ci_low, figures.ci_high)]
    return [mean_of(figures), *spread, *percents(figures), acceptable(figures)]


# -- the tables --

MEANS_BEFORE = (headings.MODEL, headings.RATINGS, headings.QUESTIONS)


def sections(report: Report) -> list[Section]:
    """Every table of a report that has rows, Table 4 first."""
    tables = [means(report), references(report), shares(report), agreement(report)]
    tables += [rater_pairs(report), consistency(report), friedman(report), pairs(report)]
    tables += [*overlap(report), sensitivity(report)]
    return [table for table in tables if table.rows]


def means(report: Report) -> Section:
    names = report.scale.dimensions
    rows: list[Row] = [
        [
            model.model,
            str(model.n_ratings),
            str(model.n_questions),
            *(
                f"{mean_of(figures)} {interval(figures)}".rstrip()
                for figures in (model.figures[name] for name in names)
            ),
        ]
        for model in report.models
    ]
    heading = headings.MEANS_WITH_INTERVAL if report.settings.bootstrap else headings.MEANS
    return Section(heading, [*MEANS_BEFORE, *map(dimension, names)], rows, n_texts=1)


def references(report: Report) -> Section:
    names = report.scale.dimensions
    rows: list[Row] = [
        [row.model, row.source, *(decimals(row.means[name], 2, NONE) for name in names)]
        for row in report.reference
    ]
    header = [headings.MODEL, headings.SOURCE, *map(dimension, names)]
    return Section(headings.PUBLISHED, header, rows, n_texts=2)


def shares(report: Report) -> Section:
    scores = report.scale.scores
    columns = [*(f"{score} (%)" for score in scores), f"≥ {scores[1]} (%)"]
    rows: list[Row] = [
        [model.model, dimension(name), *percents(figures), acceptable(figures)]
        for model in report.models
        for name, figures in model.figures.items()
    ]
    header = [headings.MODEL, headings.DIMENSION, *map(same, columns)]
    return Section(headings.SHARES, header, rows, n_texts=2)


def agreement(report: Report) -> Section:
    header = [headings.DIMENSION, headings.UNITS, headings.ALPHA, headings.ALPHA_INTERVAL]
    header += [headings.AC1, headings.AC2, headings.PERCENT, headings.UNITS_ALL_RATERS]
    header += [headings.ICC_SINGLE, headings.ICC_MEAN]
    rows: list[Row] = [
        [
            dimension(name),
            str(figures.n_units),
            decimals(figures.krippendorff_alpha, 3, NONE),
            interval(figures, NONE, 3),
            decimals(figures.gwet_ac1, 3, NONE),
            decimals(figures.gwet_ac2, 3, NONE),
            percent(figures.percent_agreement),
            str(figures.n_units_all_raters),
            decimals(figures.icc_2_1, 3, NONE),
            decimals(figures.icc_2_k, 3, NONE),
        ]
        for name, figures in report.agreement.items()
    ]
    return Section(headings.AGREEMENT, header, rows, n_texts=1)


def rater_pairs(report: Report) -> Section:
    """Every two raters who scored an answer in common."""
    rows: list[Row] = [
        [
            dimension(name),
            pair.a,
            pair.b,
            str(pair.n),
            decimals(pair.weighted_kappa, 3, NONE),
            percent(pair.percent_agreement),
        ]
        for name, figures in report.agreement.items()
        for pair in figures.pairs
    ]
    header = [headings.DIMENSION, headings.RATER_A, headings.RATER_B, headings.ANSWERS]
    header += [headings.KAPPA, headings.PERCENT]
    return Section(headings.RATER_PAIRS, header, rows, n_texts=3)


def consistency(report: Report) -> Section:
    """How far raters repeat their own scores, over all of them."""
    dimensions = report.consistency.dimensions if report.consistency else {}
    rows: list[Row] = [
        [
            dimension(name),
            str(repeats.n),
            percent(repeats.percent_agreement),
            decimals(repeats.weighted_kappa, 3, NONE),
        ]
        for name, repeats in dimensions.items()
    ]
    header = [headings.DIMENSION, headings.REPEATED_RATINGS, headings.PERCENT, headings.KAPPA]
    return Section(headings.CONSISTENCY, header, rows, n_texts=1)


def overlap(report: Report) -> list[Section]:
    """BLEU and ROUGE per model, and their rank correlation with the human scores."""
    if report.overlap is None:
        return []
    metrics = [same(name) for name in headings.OVERLAP.values()]
    models: list[Row] = [
        [row.model, str(row.n), *(decimals(row.means[key], 2) for key in headings.OVERLAP)]
        for row in report.overlap.models
    ]
    correlations: list[Row] = [
        [
            dimension(name),
            str(row.n),
            *(decimals(row.rho[key], 3, NONE) for key in headings.OVERLAP),
        ]
        for name, row in report.overlap.correlation.items()
    ]
    of_models = [headings.MODEL, headings.ANSWERS, *metrics]
    of_dimensions = [headings.DIMENSION, headings.ANSWERS, *metrics]
    return [
        Section(headings.OVERLAPS, of_models, models, n_texts=1),
        Section(headings.CORRELATIONS, of_dimensions, correlations, n_texts=1),
    ]


def sensitivity(report: Report) -> Section:
    """Means of parts of the ratings."""
    names = report.scale.dimensions
    rows: list[Row] = [
        [
            _part(row.by),
            NONE if row.group in ("", "none") else row.group,
            row.model,
            str(row.n_ratings),
            *(decimals(row.means[name], 2) for name in names),
        ]
        for row in report.sensitivity
    ]
    header = [headings.BY, headings.GROUP, headings.MODEL, headings.RATINGS]
    return Section(headings.SENSITIVITY, [*header, *map(dimension, names)], rows, n_texts=3)


def _part(by: str) -> Heading:
    english, chinese = NAMES[by.removeprefix("without_")]
    if by.startswith("without_"):
        english, chinese = f"Without {english}", f"去掉{chinese}"
    return Heading(title(english), chinese, title(english))


def friedman(report: Report) -> Section:
    header = [headings.DIMENSION, headings.COMPLETE, headings.LEFT_OUT, headings.CHI2]
    header += [headings.DF, headings.P, headings.KENDALLS_W]
    rows: list[Row] = [
        [
            dimension(name),
            str(tests.n_complete_questions),
            str(tests.n_left_out),
            decimals(tests.friedman.statistic, 2, NONE),
            NONE if tests.friedman.df is None else str(tests.friedman.df),
            p_value(tests.friedman.p),
            decimals(tests.friedman.kendalls_w, 3, NONE),
        ]
        for name, tests in report.tests.items()
    ]
    return Section(headings.TESTS, header, rows, n_texts=1)


def pairs(report: Report) -> Section:
    """With p of equal ranks where that is another one, to three decimals, for some pair."""
    tested = [(name, pair) for name, tests in report.tests.items() for pair in tests.pairs]
    ranks_matter = any(
        p_value(pair.p) != p_value(pair.p_tied) or p_value(pair.p_holm) != p_value(pair.p_holm_tied)
        for _, pair in tested
    )
    rows: list[Row] = [
        [
            dimension(name),
            pair.a,
            pair.b,
            str(pair.n),
            decimals(pair.mean_difference, 2, NONE),
            *map(p_value, (pair.p, pair.p_holm)),
            *(map(p_value, (pair.p_tied, pair.p_holm_tied)) if ranks_matter else ()),
            decimals(pair.effect_size, 2, NONE),
        ]
        for name, pair in tested
    ]
    header = [headings.DIMENSION, headings.A, headings.B, headings.QUESTIONS, headings.DIFFERENCE]
    header += [headings.P, headings.P_HOLM]
    header += [headings.P_TIED, headings.P_HOLM_TIED] if ranks_matter else []
    return Section(headings.PAIRS, [*header, headings.EFFECT], rows, n_texts=3)


def best_means(report: Report) -> Cells:
    """Rows and columns of ``means`` that hold the best of their column."""
    return frozenset(
        (row, len(MEANS_BEFORE) + column)
        for column, name in enumerate(report.scale.dimensions)
        for row, model in enumerate(report.models)
        if model.model in best_models(report, name)
    )


# -- the two kinds of text --


def _markdown_block(section: Section, bold: Cells = frozenset()) -> str:
    n_figures = len(section.header) - section.n_texts
    rule = ["---"] * section.n_texts + ["---:"] * n_figures
    rows = [
        [
            _bold(cell) if (row, column) in bold else markdown_cell(cell)
            for column, cell in enumerate(cells)
        ]
        for row, cells in enumerate(section.cells("plain"))
    ]
    lines = [f"| {' | '.join(row)} |" for row in (section.head("plain"), rule, *rows)]
    return "\n".join([f"**{section.title.plain}**", "", *lines])


def _bold(cell: str) -> str:
    """The mean of a cell, without its interval."""
    mean, *rest = cell.split(" ", 1)
    return " ".join([f"**{mean}**", *map(markdown_cell, rest)])


def _text_block(section: Section) -> str:
    body = [[on_one_line(cell) for cell in row] for row in section.cells("plain")]
    rows = [section.head("plain"), *body]
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    pads = [_pad_right] * section.n_texts + [_pad_left] * (len(widths) - section.n_texts)
    return "\n".join([section.title.plain, *(_text_line(row, widths, pads) for row in rows)])


def _text_line(
    row: Sequence[str], widths: Sequence[int], pads: Sequence[Callable[[str, int], str]]
) -> str:
    cells = [pad(cell, width) for cell, width, pad in zip(row, widths, pads, strict=True)]
    return "  ".join(cells).rstrip()


def _pad_right(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def _pad_left(text: str, width: int) -> str:
    return " " * (width - columns(text)) + text
