"""A report as HTML: Table 4 as in the paper, the other tables, the pictures, what is behind them.

Everything that people and models wrote is shown letter by letter.
"""

import base64
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from eval_ui.texts import Texts
from eval_ui.web.safe_text import as_html, cell, table
from medchat.evaluation.writers import tables as render
from medchat.evaluation.writers.figures import FIGURES, draw
from medchat.scale import FLAGS
from storage import AnswerBehind, Span

Spread = Literal["interval", "sd", "shares"]
SPREADS: tuple[Spread, ...] = ("interval", "sd", "shares")
Report = dict[str, Any]
NONE = "–"


def table4_html(report: Report, spread: Spread, texts: Texts) -> str:
    """Means to two decimals with what ``spread`` names; the best of a column is bold."""
    dimensions = report["scale"]["dimensions"]
    head = [texts("model"), "n", *(texts(each) for each in dimensions)]
    best = {dimension: render.best(report, dimension) for dimension in dimensions}
    rows = []
    for entry in report["models"]:
        cells = [
            _figure(entry, each, spread, entry["model"] in best[each], texts) for each in dimensions
        ]
        name = f"<td>{cell(entry['model'])}</td>{_right(entry['n_ratings'])}"
        rows.append(f"<tr>{name}{''.join(cells)}</tr>")
    if report["reference"]:
        title = texts("as_published")
        rows.append(f'<tr class="apart"><td colspan="{len(head)}">{title}</td></tr>')
        rows += [_reference_row(row, dimensions) for row in report["reference"]]
    header = "".join(
        f"<th{'' if index == 0 else ' class=figure'}>{cell(name)}</th>"
        for index, name in enumerate(head)
    )
    return (
        f'<div class="table-scroll"><table class="medchat-table table4" '
        f'aria-label="{cell(texts("table4"))}"><thead><tr>{header}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _figure(entry: Report, dimension: str, spread: Spread, bold: bool, texts: Texts) -> str:
    def opens(shown: str, score: int | None = None) -> str:
        """A button that opens the answers behind what it shows."""
        what = texts(dimension) if score is None else f"{texts(dimension)} {score}"
        told = texts("behind_open", model=entry["model"], what=what)
        return (
            f'<button type="button" class="opens" data-model="{cell(entry["model"])}" '
            f'data-dimension="{cell(dimension)}" data-score="{"" if score is None else score}" '
            f'title="{cell(told)}">{shown}</button>'
        )

    mean = render.mean_of(entry, dimension)
    shown = opens(f"<strong>{mean}</strong>" if bold else mean)
    if spread == "shares":
        percents = zip(entry[dimension]["shares"], render.percents(entry, dimension), strict=True)
        more = " / ".join(opens(f"{percent} %", int(score)) for score, percent in percents)
        second = list(entry[dimension]["counts"])[1]
        more += f" · ≥ {second}: {render.acceptable(entry, dimension)} %"
    else:
        more = cell(_spread(entry[dimension], spread))
    return f'<td class="figure">{shown} <span class="spread">{more}</span></td>'


def _spread(figures: Report, spread: Spread) -> str:
    if spread == "interval":
        return render.interval(figures, NONE)
    return f"± {render.decimals(figures['sd'], 2, NONE)}"


def _reference_row(row: Report, dimensions: Sequence[str]) -> str:
    name = f"{cell(row['model'])}"
    if row["source"]:
        name += f' <span class="spread">{cell(row["source"])}</span>'
    cells = "".join(_right(render.decimals(row[each], 2, NONE)) for each in dimensions)
    return f'<tr class="reference"><td>{name}</td>{_right("")}{cells}</tr>'


def _right(value: object) -> str:
    return f'<td class="figure">{cell(value)}</td>'


def tables_html(report: Report, texts: Texts) -> str:
    """Agreement, tests, consistency, sensitivity and the notes, each folded but the first."""
    parts = [
        ("agreement", _agreement(report, texts), True),
        ("tests", _tests(report, texts), False),
        ("consistency", _consistency(report, texts), False),
        ("overlap", _overlap(report, texts), False),
        ("sensitivity", _sensitivity(report, texts), False),
    ]
    found = "".join(_part(key, body, texts, is_open) for key, body, is_open in parts if body)
    told = report["notes_zh" if texts.language == "zh" else "notes"]
    notes = "".join(f"<li>{as_html(note)}</li>" for note in told)
    return found + _part("notes", f"<ul>{notes}</ul>", texts)


def _part(key: str, body: str, texts: Texts, is_open: bool = False) -> str:
    return (
        f'<details class="part" data-part="{key}"{" open" if is_open else ""}>'
        f"<summary>{texts(f'report_{key}')}</summary>{body}</details>"
    )


def _agreement(report: Report, texts: Texts) -> str:
    section = render.agreement(report)
    keys = ["dimension", "agreement_units", "alpha", "interval_95", "ac1", "ac2", "percent"]
    header = [texts(key) for key in [*keys, "icc_units"]] + ["ICC(2,1)", "ICC(2,k)"]
    return table(header, _in_words(section.rows, texts), name=texts("report_agreement"))


def _tests(report: Report, texts: Texts) -> str:
    header = [texts(key) for key in ("dimension", "complete_questions", "left_out")]
    friedman = table(
        [*header, "χ²", "df", "p", "Kendall W"],
        _in_words(render.friedman(report).rows, texts),
        name="Friedman",
    )
    section = render.pairs(report)
    rows = _in_words(section.rows, texts)
    if not rows:
        return f"<h4>Friedman</h4>{friedman}"
    told = {name: key for key, name in render.P_NAMES.items()}
    header = [texts(key) for key in ("dimension", "model_a", "model_b", "n_questions")]
    header += [texts("difference"), *(texts(told[each]) for each in section.header[5:-1])]
    header.append(texts("effect"))
    pairs = table(header, rows, texts=3, name="Wilcoxon")
    return f"<h4>Friedman</h4>{friedman}<h4>Wilcoxon (Pratt, Holm)</h4>{pairs}"


def _consistency(report: Report, texts: Texts) -> str:
    rows = _in_words(render.consistency(report).rows, texts)
    header = [texts(key) for key in ("dimension", "repeats_count", "percent", "kappa")]
    return table(header, rows, name=texts("report_consistency")) if rows else ""


def _overlap(report: Report, texts: Texts) -> str:
    sections = render.overlap(report)
    if not sections:
        return ""
    models, related = sections
    names = models.header[2:]
    header = [texts("model"), texts("answers_column"), *names]
    of_models = table(header, models.rows, name="BLEU / ROUGE")
    header = [texts("dimension"), texts("answers_column"), *names]
    correlations = table(header, _in_words(related.rows, texts), name="Spearman")
    note = texts("overlap_note")
    return f"{of_models}<h4>Spearman ρ</h4>{correlations}<p class='hint'>{note}</p>"


def _sensitivity(report: Report, texts: Texts) -> str:
    rows = render.sensitivity(report, texts.language).rows
    if not rows:
        return ""
    header = [texts(key) for key in ("by", "group", "model")]
    header += ["n", *(texts(each) for each in report["scale"]["dimensions"])]
    return table(header, rows, texts=3, name=texts("report_sensitivity"))


def _in_words(rows: list[list[str]], texts: Texts) -> list[list[str]]:
    return [[texts(dimension.lower()), *rest] for dimension, *rest in rows]


def pictures_html(report: Report, texts: Texts) -> str:
    """Every picture that the data can give; they stay on white, in the dark too."""
    shown = []
    for name in FIGURES:
        content = draw(report, name, "svg", texts.language)
        if content:
            data = base64.b64encode(content).decode()
            label = cell(texts(f"figure_{name}"))
            shown.append(
                f'<figure id="figure-{name}"><figcaption>{label}</figcaption>'
                f'<div class="table-scroll" role="region" tabindex="0" aria-label="{label}">'
                f'<img alt="{label}" src="data:image/svg+xml;base64,{data}"></div></figure>'
            )
    return f'<div class="pictures">{"".join(shown)}</div>'


# -- what is behind a figure --


def behind_html(found: Sequence[AnswerBehind], dimensions: Sequence[str], texts: Texts) -> str:
    """Answers with their marked spans, and what each rater said of them."""
    if not found:
        return f"<p>{texts('behind_none')}</p>"
    count = f"<p>{texts('behind_count', count=len(found))}</p>"
    return count + "".join(_answer(each, dimensions, texts) for each in found)


def _answer(answer: AnswerBehind, dimensions: Sequence[str], texts: Texts) -> str:
    spans = [span for rating in answer.ratings for span in rating.spans]
    rows = [
        [
            texts("behind_adjudicates", rater=rating.rater) if rating.adjudicates else rating.rater,
            *map(str, rating.scores),
            "; ".join(texts(f"flag_{flag}") if flag in FLAGS else flag for flag in rating.flags),
            rating.comment,
        ]
        for rating in answer.ratings
    ]
    header = [texts("rater"), *(texts(each) for each in dimensions)]
    header += [texts("flags_column"), texts("comment_column")]
    listed = table(header, rows, last=2, name=texts("rater"))
    title = f"{answer.question_id} · {answer.model}"
    return (
        f'<div class="behind"><h4>{as_html(title)}</h4>'
        f'<p class="asked">{as_html(answer.question)}</p>'
        f'<div class="text">{marked(answer.text, spans, texts)}</div>{listed}</div>'
    )


def marked(text: str, spans: Sequence[Span], texts: Texts) -> str:
    """The text with what raters marked; where marks overlap, a stretch names all its kinds."""
    edges = sorted({0, len(text), *(edge for s in spans for edge in (s.start, s.end))})
    pieces = []
    for start, end in pairwise(edges):
        kinds = dict.fromkeys(s.kind for s in spans if s.start <= start and end <= s.end)
        piece = as_html(text[start:end])
        if kinds:
            told = cell("、".join(texts(f"span_{kind}") for kind in kinds))
            piece = f'<mark title="{told}" class="{" ".join(kinds)}">{piece}</mark>'
        pieces.append(piece)
    return "".join(pieces)
