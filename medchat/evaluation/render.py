"""Writes a report as Markdown, CSV and plain text, and says how each figure is shown.

Takes what `make_report` returns and gives back text that ends in a newline. Knows nothing about
files. Means and shares are rounded half up from the integer counts: 2.125 is always 2.13.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from medchat.evaluation.ratings_file import quote_formula
from medchat.evaluation.sensitivity import NAMES
from medchat.tables import on_one_line

Report = Mapping[str, Any]

_OVERLAP = ("BLEU", "ROUGE-1", "ROUGE-2", "ROUGE-L")
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


def as_text(report: Report) -> str:
    """For a terminal: columns are aligned, and a Chinese character counts as two columns."""
    blocks = [_text_block(section) for section in sections(report)]
    return "\n\n".join([*blocks, *map(on_one_line, report["notes"])]) + "\n"


def as_markdown(report: Report) -> str:
    blocks = [_markdown_block(section) for section in sections(report)]
    return "\n\n".join([*blocks, *map(markdown_cell, report["notes"])]) + "\n"


def as_csv(report: Report) -> str:
    """The line about the scale, then one table: a row per model, for each dimension mean, standard
    deviation, interval and shares. Reference rows follow, their sizes empty."""
    dimensions, scores = report["scale"]["dimensions"], report["scale"]["scores"]
    header = ["model", "n_ratings", "n_questions"]
    for dimension in dimensions:
        header += [f"{dimension}_{figure}" for figure in ("mean", "sd", "ci_low", "ci_high")]
        header += [f"{dimension}_share_{score}_percent" for score in scores]
        header.append(f"{dimension}_acceptable_percent")
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([report["notes"][0]])
    writer.writerow([*header, "source"])
    for entry in report["models"]:
        cells = [cell for each in dimensions for cell in _csv_cells(entry, each)]
        name = quote_formula(on_one_line(entry["model"]))
        writer.writerow([name, entry["n_ratings"], entry["n_questions"], *cells, ""])
    for entry in report["reference"]:
        cells = []
        for dimension in dimensions:
            cells += [decimals(entry[dimension], 2), *[""] * (4 + len(scores))]
        texts = (quote_formula(on_one_line(entry[key])) for key in ("model", "source"))
        name, source = texts
        writer.writerow([name, "", "", *cells, source])
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


def interval(figures: Report, none: str = "") -> str:
    """The two ends to two decimals, in brackets."""
    if figures["ci_low"] is None:
        return none
    return f"[{decimals(figures['ci_low'], 2)}, {decimals(figures['ci_high'], 2)}]"


def best(report: Report, dimension: str) -> set[str]:
    """The models with the highest mean as it is shown; none where there is only one."""
    shown = {entry["model"]: mean_of(entry, dimension) for entry in report["models"]}
    highest = max(map(float, shown.values()), default=0.0)
    return {m for m, mean in shown.items() if float(mean) == highest and len(shown) > 1}


# -- the tables --


def sections(report: Report) -> list[Section]:
    """Every table of a report, Table 4 first."""
    found = [means(report), references(report), shares(report), agreement(report)]
    found += [rater_pairs(report), consistency(report), friedman(report), pairs(report)]
    found += [*overlap(report), sensitivity(report)]
    return [section for section in found if section.rows]


def means(report: Report) -> Section:
    dimensions = report["scale"]["dimensions"]
    header = ["Model", "Ratings", "Questions", *(title(each) for each in dimensions)]
    rows = []
    for entry in report["models"]:
        cells = [f"{mean_of(entry, each)} {interval(entry[each])}".rstrip() for each in dimensions]
        rows.append([entry["model"], str(entry["n_ratings"]), str(entry["n_questions"]), *cells])
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
    header = ["Dimension", "Answers", "alpha", "95 % interval", "AC1", "AC2", "Equal (%)"]
    rows = []
    for dimension, found in report["agreement"].items():
        rows.append(
            [
                title(dimension),
                str(found["n_units"]),
                decimals(found["krippendorff_alpha"], 3, "–"),
                interval(found, "–"),
                decimals(found["gwet_ac1"], 3, "–"),
                decimals(found["gwet_ac2"], 3, "–"),
                _percent(found["percent_agreement"]),
                decimals(found["icc_2_1"], 3, "–"),
                decimals(found["icc_2_k"], 3, "–"),
            ]
        )
    return Section("Agreement", [*header, "ICC(2,1)", "ICC(2,k)"], rows, n_texts=1)


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
    header = ["Dimension", "Rater A", "Rater B", "Answers", "Weighted kappa", "Equal (%)"]
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
    header = ["Dimension", "Answers scored twice", "Equal (%)", "Weighted kappa"]
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
        english, chinese = f"Without {english}", f"不含{chinese}"
    return chinese if language == "zh" else title(english)


def _percent(share: float | None) -> str:
    return "–" if share is None else decimals(100 * share, 1)


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
    header = ["Dimension", "A", "B", "Questions", "A - B", "p", "p (Holm)", "Effect"]
    rows = [
        [
            title(dimension),
            pair["a"],
            pair["b"],
            str(pair["n"]),
            decimals(pair["mean_difference"], 2, "–"),
            p_value(pair["p"]),
            p_value(pair["p_holm"]),
            decimals(pair["effect_size"], 2, "–"),
        ]
        for dimension, found in report["tests"].items()
        for pair in found["pairs"]
    ]
    return Section("Pairs of models (Wilcoxon)", header, rows, n_texts=3)


def title(dimension: str) -> str:
    """A dimension's name at the head of a column."""
    return dimension[:1].upper() + dimension[1:]


# -- the two kinds of text --


def _markdown_block(section: Section) -> str:
    n_figures = len(section.header) - section.n_texts
    rule = ["---"] * section.n_texts + ["---:"] * n_figures
    rows = [[markdown_cell(cell) for cell in row] for row in section.rows]
    lines = [f"| {' | '.join(row)} |" for row in (section.header, rule, *rows)]
    return "\n".join([f"**{section.title}**", "", *lines])


def _text_block(section: Section) -> str:
    rows = [section.header, *([on_one_line(cell) for cell in row] for row in section.rows)]
    widths = [max(map(_display_width, column)) for column in zip(*rows, strict=True)]
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
