"""Writes a report as Markdown, CSV and plain text, and says how each figure is shown.

Takes what `make_report` returns and gives back text that ends in a newline. Knows nothing about
files. Means and shares are rounded half up from the integer counts: 2.125 is always 2.13.
"""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from medchat.evaluation.statistics.sensitivity import NAMES
from medchat.text import columns, on_one_line, quote_formula

Report = Mapping[str, Any]

_OVERLAP = ("BLEU", "ROUGE-1", "ROUGE-2", "ROUGE-L")
_MARKDOWN_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#$&!])")


PAIRS_P = {"p": "p_tied", "p_holm": "p_holm_tied"}
"""What a Wilcoxon test gives, and what it gives where equal differences have equal ranks."""
P_NAMES = {
    "p": "p",
    "p_holm": "p (Holm)",
    "p_tied": "p, equal ranks",
    "p_holm_tied": "p (Holm), equal ranks",
}


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


def as_text(report: Report) -> str:
    """For a terminal: columns are aligned, and a Chinese character counts as two columns."""
    blocks = [_text_block(section) for section in sections(report)]
    return "\n\n".join([*blocks, *map(on_one_line, report["notes"])]) + "\n"


def as_markdown(report: Report) -> str:
    """The best mean of each column is bold."""
    blocks = [_markdown_block(section) for section in sections(report)]
    blocks[:1] = [_markdown_block(means(report), best_means(report))]
    return "\n\n".join([*blocks, *map(markdown_cell, report["notes"])]) + "\n"


def as_csv(report: Report) -> str:
    """A row per model, for each dimension mean, standard deviation, interval and shares; then the
    published ones, their sizes empty. What the scale is stands in every row, so that nothing but
    the header is above the first."""
    dimensions, scores = report["scale"]["dimensions"], report["scale"]["scores"]
    header = ["model", "n_ratings", "n_questions"]
    for dimension in dimensions:
        header += [f"{dimension}_{figure}" for figure in ("mean", "sd", "ci_low", "ci_high")]
        header += [f"{dimension}_share_{score}_percent" for score in scores]
        header.append(f"{dimension}_acceptable_percent")
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*header, "source", "scale"])
    scale = report["notes"][0]
    for entry in report["models"]:
        cells = [cell for each in dimensions for cell in _csv_cells(entry, each)]
        name = quote_formula(on_one_line(entry["model"]))
        writer.writerow([name, entry["n_ratings"], entry["n_questions"], *cells, "", scale])
    for entry in report["reference"]:
        cells = []
        for dimension in dimensions:
            cells += [decimals(entry[dimension], 2), *[""] * (4 + len(scores))]
        source = f"as published: {entry['source']}".removesuffix(": ")
        texts = (quote_formula(on_one_line(text)) for text in (entry["model"], source))
        name, told = texts
        writer.writerow([name, "", "", *cells, told, scale])
    return buffer.getvalue()


def _csv_cells(entry: Report, dimension: str) -> list[str]:
    figures = entry[dimension]
    spread = [decimals(figures[key], 2) for key in ("sd", "ci_low", "ci_high")]
    shares = [*percents(entry, dimension), acceptable(entry, dimension)]
    return [mean_of(entry, dimension), *spread, *shares]


# -- figures as they are shown --


def mean_of(entry: Report, dimension: str) -> str:
    """A model's mean to two decimals, rounded from the counts."""
    counts = {int(score): times for score, times in entry[dimension]["counts"].items()}
    total = sum(score * times for score, times in counts.items())
    return half_up(Fraction(total, sum(counts.values())), 2)


def percents(entry: Report, dimension: str) -> list[str]:
    """The share of each score in per cent, to one decimal."""
    counts = entry[dimension]["counts"].values()
    return [half_up(Fraction(100 * times, sum(counts)), 1) for times in counts]


def acceptable(entry: Report, dimension: str) -> str:
    """The share of all scores but the lowest in per cent, to one decimal."""
    lowest, *rest = entry[dimension]["counts"].values()
    return half_up(Fraction(100 * sum(rest), lowest + sum(rest)), 1)


def decimals(value: float | None, places: int, none: str = "") -> str:
    """A figure with ``places`` decimals; half rounds away from zero."""
    if value is None:
        return none
    text = half_up(abs(Fraction(value)), places)
    return f"-{text}" if value < 0 and float(text) else text


def p_value(p: float | None, none: str = "–") -> str:
    if p is None:
        return none
    return "< 0.001" if p < 0.001 else decimals(p, 3)


def interval(figures: Report, none: str = "", places: int = 2) -> str:
    """The two ends in brackets, with as many decimals as the figure that they belong to."""
    if figures["ci_low"] is None:
        return none
    low, high = (decimals(figures[end], places) for end in ("ci_low", "ci_high"))
    return f"[{low}, {high}]"


def best(report: Report, dimension: str) -> set[str]:
    """The models with the highest mean as it is shown; none where there is only one."""
    shown = {entry["model"]: mean_of(entry, dimension) for entry in report["models"]}
    highest = max(map(float, shown.values()), default=0.0)
    return {m for m, mean in shown.items() if float(mean) == highest and len(shown) > 1}


# -- the tables --

MEANS_BEFORE = ("Model", "Ratings", "Questions")


def sections(report: Report) -> list[Section]:
    """Every table of a report, Table 4 first."""
    found = [means(report), references(report), shares(report), agreement(report)]
    found += [rater_pairs(report), consistency(report), friedman(report), pairs(report)]
    found += [*overlap(report), sensitivity(report)]
    return [section for section in found if section.rows]


def means(report: Report) -> Section:
    dimensions = report["scale"]["dimensions"]
    header = [*MEANS_BEFORE, *(title(each) for each in dimensions)]
    rows = [
        [
            entry["model"],
            str(entry["n_ratings"]),
            str(entry["n_questions"]),
            *(f"{mean_of(entry, each)} {interval(entry[each])}".rstrip() for each in dimensions),
        ]
        for entry in report["models"]
    ]
    interval_too = " [95 % interval]" if report["settings"]["bootstrap"] else ""
    return Section(f"Mean scores{interval_too}", header, rows, n_texts=1)


def references(report: Report) -> Section:
    dimensions = report["scale"]["dimensions"]
    header = ["Model", "Source", *(title(each) for each in dimensions)]
    rows = [
        [row["model"], row["source"], *(decimals(row[each], 2, "–") for each in dimensions)]
        for row in report["reference"]
    ]
    return Section("As published", header, rows, n_texts=2)


def shares(report: Report) -> Section:
    scores = report["scale"]["scores"]
    header = ["Model", "Dimension", *(f"{score} (%)" for score in scores), f"≥ {scores[1]} (%)"]
    rows = [
        [
            entry["model"],
            title(dimension),
            *percents(entry, dimension),
            acceptable(entry, dimension),
        ]
        for entry in report["models"]
        for dimension in report["scale"]["dimensions"]
    ]
    return Section("Shares of each score", header, rows, n_texts=2)


def agreement(report: Report) -> Section:
    header = ["Dimension", "Answers", "alpha", "95 % interval", "AC1", "AC2", "Agreement (%)"]
    header += ["Answers of all raters", "ICC(2,1)", "ICC(2,k)"]
    rows = []
    for dimension, found in report["agreement"].items():
        rows.append(
            [
                title(dimension),
                str(found["n_units"]),
                decimals(found["krippendorff_alpha"], 3, "–"),
                interval(found, "–", 3),
                decimals(found["gwet_ac1"], 3, "–"),
                decimals(found["gwet_ac2"], 3, "–"),
                _percent(found["percent_agreement"]),
                str(found["n_units_all_raters"]),
                decimals(found["icc_2_1"], 3, "–"),
                decimals(found["icc_2_k"], 3, "–"),
            ]
        )
    return Section("Agreement", header, rows, n_texts=1)


def rater_pairs(report: Report) -> Section:
    """Every two raters who scored an answer in common."""
    rows = [
        [
            title(dimension),
            pair["a"],
            pair["b"],
            str(pair["n"]),
            decimals(pair["weighted_kappa"], 3, "–"),
            _percent(pair["percent_agreement"]),
        ]
        for dimension, found in report["agreement"].items()
        for pair in found["pairs"]
    ]
    header = [
        "Dimension",
        "Rater A",
        "Rater B",
        "Answers",
        "Quadratic weighted kappa",
        "Agreement (%)",
    ]
    return Section("Agreement of each two raters", header, rows, n_texts=3)


def consistency(report: Report) -> Section:
    """Each rater with himself, over all of them."""
    found = report["consistency"] or {}
    rows = [
        [
            title(dimension),
            str(found[dimension]["n"]),
            _percent(found[dimension]["percent_agreement"]),
            decimals(found[dimension]["weighted_kappa"], 3, "–"),
        ]
        for dimension in (report["scale"]["dimensions"] if found else ())
    ]
    header = ["Dimension", "Repeated ratings", "Agreement (%)", "Quadratic weighted kappa"]
    return Section("Consistency of raters", header, rows, n_texts=1)


def overlap(report: Report) -> list[Section]:
    """BLEU and ROUGE per model, and their rank correlation with the human scores."""
    found = report["overlap"]
    if not found:
        return []
    keys, names = ("bleu", "rouge_1", "rouge_2", "rouge_l"), _OVERLAP
    models = [
        [each["model"], str(each["n"]), *(decimals(each[key], 2) for key in keys)]
        for each in found["models"]
    ]
    related = [
        [title(name), str(each["n"]), *(decimals(each[key], 3, "–") for key in keys)]
        for name, each in found["correlation"].items()
    ]
    return [
        Section("Overlap with references", ["Model", "Answers", *names], models, n_texts=1),
        Section("Spearman's rho with the mean score", ["Dimension", "Answers", *names], related, 1),
    ]


def sensitivity(report: Report, language: str = "en") -> Section:
    """Means of parts of the ratings."""
    dimensions = report["scale"]["dimensions"]
    rows = [
        [
            _part(entry["by"], language),
            "–" if entry["group"] in ("", "none") else entry["group"],
            entry["model"],
            str(entry["n_ratings"]),
            *(decimals(entry[each], 2) for each in dimensions),
        ]
        for entry in report["sensitivity"]
    ]
    header = ["By", "Group", "Model", "Ratings", *(title(each) for each in dimensions)]
    return Section("Sensitivity", header, rows, n_texts=3)


def _part(by: str, language: str) -> str:
    english, chinese = NAMES[by.removeprefix("without_")]
    if by.startswith("without_"):
        english, chinese = f"Without {english}", f"去掉{chinese}"
    return chinese if language == "zh" else title(english)


def _percent(share: float | None) -> str:
    """Without the noise behind the ninth decimal: 51 of 80 are 63.75 %."""
    return "–" if share is None else decimals(round(100 * share, 9), 1)


def friedman(report: Report) -> Section:
    header = ["Dimension", "Questions", "Left out", "chi2", "df", "p", "Kendall's W"]
    rows = []
    for dimension, found in report["tests"].items():
        test = found["friedman"]
        rows.append(
            [
                title(dimension),
                str(found["n_complete_questions"]),
                str(found["n_left_out"]),
                decimals(test["statistic"], 2, "–"),
                "–" if test["df"] is None else str(test["df"]),
                p_value(test["p"]),
                decimals(test["kendalls_w"], 3, "–"),
            ]
        )
    return Section("Friedman's test", header, rows, n_texts=1)


def pairs(report: Report) -> Section:
    """With p of equal ranks where that is another one, to three decimals, for some pair."""
    told = [(name, pair) for name, found in report["tests"].items() for pair in found["pairs"]]
    keys = ["p", "p_holm"]
    if any(p_value(pair[key]) != p_value(pair[PAIRS_P[key]]) for _, pair in told for key in keys):
        keys = [*keys, *PAIRS_P.values()]
    header = ["Dimension", "A", "B", "Questions", "A - B", *(P_NAMES[key] for key in keys)]
    rows = [
        [
            title(dimension),
            pair["a"],
            pair["b"],
            str(pair["n"]),
            decimals(pair["mean_difference"], 2, "–"),
            *(p_value(pair[key]) for key in keys),
            decimals(pair["effect_size"], 2, "–"),
        ]
        for dimension, pair in told
    ]
    return Section("Pairs of models (Wilcoxon)", [*header, "Rank-biserial"], rows, n_texts=3)


def title(dimension: str) -> str:
    """A dimension's name at the head of a column."""
    return dimension[:1].upper() + dimension[1:].replace("_", " ")


# -- the two kinds of text --


def best_means(report: Report) -> set[tuple[int, int]]:
    """Rows and columns of ``means`` that hold the best of their column."""
    dimensions = report["scale"]["dimensions"]
    return {
        (row, len(MEANS_BEFORE) + column)
        for column, dimension in enumerate(dimensions)
        for row, entry in enumerate(report["models"])
        if entry["model"] in best(report, dimension)
    }


def _markdown_block(
    section: Section, bold: "set[tuple[int, int]] | frozenset[Any]" = frozenset()
) -> str:
    n_figures = len(section.header) - section.n_texts
    rule = ["---"] * section.n_texts + ["---:"] * n_figures
    rows = [
        [
            _bold(cell) if (row, column) in bold else markdown_cell(cell)
            for column, cell in enumerate(cells)
        ]
        for row, cells in enumerate(section.rows)
    ]
    lines = [f"| {' | '.join(row)} |" for row in (section.header, rule, *rows)]
    return "\n".join([f"**{section.title}**", "", *lines])


def _bold(cell: str) -> str:
    """The mean of a cell, without its interval."""
    mean, *rest = cell.split(" ", 1)
    return " ".join([f"**{mean}**", *map(markdown_cell, rest)])


def _text_block(section: Section) -> str:
    rows = [section.header, *([on_one_line(cell) for cell in row] for row in section.rows)]
    widths = [max(map(columns, column)) for column in zip(*rows, strict=True)]
    pads = [_pad_right] * section.n_texts + [_pad_left] * (len(widths) - section.n_texts)
    return "\n".join([section.title, *(_text_line(row, widths, pads) for row in rows)])


def _text_line(
    row: Sequence[str], widths: Sequence[int], pads: Sequence[Callable[[str, int], str]]
) -> str:
    cells = [pad(cell, width) for cell, width, pad in zip(row, widths, pads, strict=True)]
    return "  ".join(cells).rstrip()


def markdown_cell(text: str) -> str:
    """A text that means nothing to Markdown, on one line."""
    return _MARKDOWN_SPECIAL.sub(r"\\\1", on_one_line(text))


def _pad_right(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def _pad_left(text: str, width: int) -> str:
    return " " * (width - columns(text)) + text
