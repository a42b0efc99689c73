"""A report as HTML: Table 4 as in the paper, the other tables, the pictures, what is behind them.

The markup lies in ``report.html`` of the templates, which shows letter by letter everything that
people and models wrote.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Literal

from markupsafe import Markup

from eval_ui.texts import Texts
from eval_ui.web.html_templates import environment
from medchat.errors import Language
from medchat.evaluation.formatting import (
    NONE,
    acceptable,
    best_models,
    decimals,
    interval,
    mean_of,
    percents,
)
from medchat.evaluation.types import Report, ScoreFigures
from medchat.evaluation.wording import headings
from medchat.evaluation.wording.headings import Style
from medchat.evaluation.writers import tables
from medchat.evaluation.writers.figures import FIGURES, draw
from medchat.evaluation.writers.tables import Section
from medchat.scale import FLAGS
from storage import AnswerBehind, Span

Spread = Literal["interval", "sd", "shares"]
SPREADS: tuple[Spread, ...] = ("interval", "sd", "shares")


@cache
def _macros(language: Language) -> Any:
    return environment().get_template("report.html").make_module({"texts": Texts(language)})


def report_html(report: Report, spread: Spread, notices: Sequence[str], texts: Texts) -> Markup:
    """The whole report under ``notices``."""
    note = texts(f"spread_{spread}_note", rounds=report.settings.bootstrap)
    table = table4_html(report, spread, texts)
    pictures, parts = pictures_html(report, texts), tables_html(report, texts)
    return Markup(_macros(texts.language).whole(notices, table, note, pictures, parts))


# -- Table 4 --


@dataclass(frozen=True)
class _Cell:
    """A mean and what stands beside it: shares of each score that open the answers, and text."""

    dimension: str
    mean: str
    is_best: bool
    shares: list[tuple[int, str]]
    spread: str


def table4_html(report: Report, spread: Spread, texts: Texts) -> Markup:
    """Means to two decimals with what ``spread`` names; the best of a column is bold."""
    dimensions = report.scale.dimensions
    best = {dimension: best_models(report, dimension) for dimension in dimensions}
    rows = [
        {
            "model": model.model,
            "n": model.n_ratings,
            "cells": [
                _cell(dimension, figures, spread, model.model in best[dimension])
                for dimension, figures in model.figures.items()
            ],
        }
        for model in report.models
    ]
    published = [
        {
            "model": row.model,
            "source": row.source,
            "means": [decimals(mean, 2, NONE) for mean in row.means.values()],
        }
        for row in report.reference
    ]
    return Markup(_macros(texts.language).table4(rows, published, dimensions))


def _cell(dimension: str, figures: ScoreFigures, spread: Spread, is_best: bool) -> _Cell:
    shares: list[tuple[int, str]] = []
    if spread == "shares":
        shares = list(zip(figures.counts, percents(figures), strict=True))
        text = f" · ≥ {list(figures.counts)[1]}: {acceptable(figures)} %"
    elif spread == "interval":
        text = interval(figures, NONE)
    else:
        text = f"± {decimals(figures.sd, 2, NONE)}"
    return _Cell(dimension, mean_of(figures), is_best, shares, text)


# -- the other tables, notes and pictures --


def tables_html(report: Report, texts: Texts) -> Markup:
    """Agreement, tests, consistency, overlap, sensitivity and the notes, each folded but the first.

    Tables without rows are left out.
    """
    macros = _macros(texts.language)
    agreement, friedman, pairs = (
        tables.agreement(report),
        tables.friedman(report),
        tables.pairs(report),
    )
    parts = {
        "agreement": (headings.AGREEMENT, [("", "", agreement)]),
        "tests": (
            headings.TESTS,
            [("Friedman", "Friedman", friedman), ("Wilcoxon (Pratt, Holm)", "Wilcoxon", pairs)],
        ),
        "consistency": (headings.CONSISTENCY, [("", "", tables.consistency(report))]),
        "overlap": (headings.OVERLAPS, _named_overlap(tables.overlap(report))),
        "sensitivity": (headings.SENSITIVITY, [("", "", tables.sensitivity(report))]),
    }
    style = _style(texts)
    html: Markup = Markup()
    for key, (title, sections) in parts.items():
        filled = [_table(*section, style) for section in sections if section[2].rows]
        if filled:
            hint = texts("overlap_note") if key == "overlap" else ""
            html += macros.folding(key, title.text(style), filled, key == "agreement", hint)
    sentences = report.notes_zh if texts.language == "zh" else report.notes
    return html + Markup(macros.notes(headings.NOTES.text(style), sentences))


def _named_overlap(sections: list[Section]) -> list[tuple[str, str, Section]]:
    names = (("", "BLEU / ROUGE"), ("Spearman ρ", "Spearman"))
    return [(*name, section) for name, section in zip(names, sections, strict=False)]


def _table(heading: str, name: str, section: Section, style: Style) -> dict[str, Any]:
    return {
        "heading": heading,
        "name": name or section.title.text(style),
        "header": section.head(style),
        "rows": section.cells(style),
        "n_texts": section.n_texts,
    }


def _style(texts: Texts) -> Style:
    return "page_zh" if texts.language == "zh" else "page_en"


def pictures_html(report: Report, texts: Texts) -> Markup:
    """Every picture that the data can give."""
    figures = []
    for name in FIGURES:
        content = draw(report, name, "svg", texts.language)
        if content:
            label = headings.FIGURES[name].text(_style(texts))
            data = base64.b64encode(content).decode()
            figures.append({"name": name, "label": label, "data": data})
    return Markup(_macros(texts.language).pictures(figures))


def downloads_html(links: Sequence[tuple[str, str, str]], texts: Texts) -> Markup:
    """Links to files: kind, address and the key of the link's text."""
    return Markup(_macros(texts.language).downloads(links))


# -- what is behind a figure --


def behind_html(answers: Sequence[AnswerBehind], dimensions: Sequence[str], texts: Texts) -> Markup:
    """Answers with their marked spans, and what each rater said of them."""
    header = [texts("rater"), *(texts(name) for name in dimensions)]
    header += [texts("flags_column"), texts("comment_column")]
    return Markup(
        _macros(texts.language).behind(
            [
                {
                    "title": f"{answer.question_id} · {answer.model}",
                    "question": answer.question,
                    "stretches": _stretches(answer.text, _spans(answer), texts),
                    "header": header,
                    "rows": _ratings(answer, texts),
                }
                for answer in answers
            ]
        )
    )


def _spans(answer: AnswerBehind) -> list[Span]:
    return [span for rating in answer.ratings for span in rating.spans]


def _ratings(answer: AnswerBehind, texts: Texts) -> list[list[str]]:
    return [
        [
            texts("behind_adjudicates", rater=rating.rater) if rating.adjudicates else rating.rater,
            *map(str, rating.scores),
            "; ".join(texts(f"flag_{flag}") if flag in FLAGS else flag for flag in rating.flags),
            rating.comment,
        ]
        for rating in answer.ratings
    ]


def marked(text: str, spans: Sequence[Span], texts: Texts) -> Markup:
    """The text with what raters marked."""
    return Markup(_macros(texts.language).marked(_stretches(text, spans, texts)))


def _stretches(text: str, spans: Sequence[Span], texts: Texts) -> list[dict[str, Any]]:
    """The text cut at the ends of all marks; where marks overlap, a stretch names all its kinds."""
    edges = sorted({0, len(text), *(edge for span in spans for edge in (span.start, span.end))})
    stretches = []
    for start, end in pairwise(edges):
        kinds = dict.fromkeys(s.kind for s in spans if s.start <= start and end <= s.end)
        title = "、".join(texts(f"span_{kind}") for kind in kinds)
        stretches.append({"text": text[start:end], "kinds": list(kinds), "title": title})
    return stretches
