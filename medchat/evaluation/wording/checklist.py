"""The reporting checklist: what guidelines ask of a rating study, answered as far as the report
tells. The items lie in ``checklist.toml``, the words of the answers in ``phrases.toml``.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from medchat.errors import Language
from medchat.evaluation.formatting import decimals, markdown_cell, mean_of, percent
from medchat.evaluation.types import Report
from medchat.evaluation.wording.methods import (
    agreement_sentence,
    blinding,
    methods_paragraph,
    order,
    raters_per_answer,
    specialties,
)
from medchat.evaluation.wording.phrases import Phrases
from medchat.study.conduct import Conduct


@dataclass(frozen=True)
class ChecklistItem:
    """An answer of None is for the authors to fill in."""

    guideline: str
    item: str
    question_zh: str
    question_en: str
    answer_zh: str | None
    answer_en: str | None
    filled: bool


def fill_checklist(report: Report) -> list[ChecklistItem]:
    chinese, english = _answers(report, Phrases("zh")), _answers(report, Phrases("en"))
    items = []
    for item in _items():
        questions = {key: value for key, value in item.items() if key != "answer"}
        zh, en = (answers.get(item.get("answer", "")) or None for answers in (chinese, english))
        items.append(ChecklistItem(**questions, answer_zh=zh, answer_en=en, filled=en is not None))
    return items


@cache
def _items() -> list[dict[str, str]]:
    text = Path(__file__).with_name("checklist.toml").read_text(encoding="utf-8")
    items: list[dict[str, str]] = tomllib.loads(text)["items"]
    return items


def checklist_markdown(items: Sequence[ChecklistItem], language: Language) -> str:
    """The checklist as a Markdown table; gaps are marked."""
    say = Phrases(language)
    rows = [[say("guideline"), say("item"), say("content")], ["---"] * 3]
    for item in items:
        question = item.question_zh if language == "zh" else item.question_en
        answer = item.answer_zh if language == "zh" else item.answer_en
        rows.append([item.guideline, question, markdown_cell(answer) if answer else say("gap")])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _answers(report: Report, say: Phrases) -> dict[str, str]:
    """What fills an item in, by the item's ``answer``; empty where the report does not tell."""
    data, scale = report.data, report.scale
    names = say.join("enumeration_comma", [say.dimension(name) for name in scale.dimensions])
    agreement = [agreement_sentence(*figures, say) for figures in report.agreement.items()]
    return {
        **_conduct(report.conduct or Conduct(), say),
        "runs": say("runs") if report.conduct else "",
        "models": "; ".join(model.model for model in report.models),
        "questions": str(data.n_questions),
        "answers": str(data.n_responses),
        "scale": say("scale", dimensions=names, low=scale.scores[0], high=scale.scores[-1]),
        "raters": _raters(report, say),
        "analysis": methods_paragraph(report, say.language),
        "results": _results(report, say),
        "flags": _flags(report, say),
        "per_answer": raters_per_answer(data, say),
        "agreement": say.join("space", agreement),
        "retest": _retest(report, say),
        "missing": _missing(report, say),
        "size": say(
            "size",
            models=len(report.models),
            questions=data.n_questions,
            answers=data.n_responses,
            ratings=data.n_ratings,
        ),
        "period": _span(data.first_rated_at, data.last_rated_at, say),
        "years": _years(report, say),
        "order": _order(report, say),
        "software": _software(report, say),
    }


def _conduct(conduct: Conduct, say: Phrases) -> dict[str, str]:
    guides = [conduct.guide_zh, conduct.guide_en]
    own, other = guides if say.language == "zh" else reversed(guides)
    practice = conduct.practice_items
    return {
        "access": _span(conduct.answers_from, conduct.answers_to, say),
        "generation": "; ".join(f"{k}: {v}" for k, v in (conduct.generation or {}).items()),
        "instructions": own or other,
        "blinding": "" if conduct.blind is None else blinding(conduct, say),
        "independent": say("independent") if conduct.independent else "",
        "training": say("training", items=practice) if practice else "",
    }


def _software(report: Report, say: Phrases) -> str:
    """With the end that the study showed when it was locked, for who keeps the report."""
    code = report.conduct.end_code if report.conduct else None
    return f"MedChat {report.version}" + (say("end_code", code=code) if code else "")


def _span(first: str | None, last: str | None, say: Phrases) -> str:
    if not first or not last:
        return ""
    utc = all(moment.endswith(("Z", "+00:00")) for moment in (first, last))
    return say("span", first=first, last=last) + (" (UTC)" if utc else "")


def _years(report: Report, say: Phrases) -> str:
    years = report.data.years
    if years.min is None or years.max is None:
        return ""
    low, high = (decimals(end, 0 if end == int(end) else 1) for end in (years.min, years.max))
    return say("years", low=low, high=high, mean=decimals(years.mean, 1))


def _raters(report: Report, say: Phrases) -> str:
    invited = report.conduct.raters_invited if report.conduct else None
    raters = say("raters", raters=report.data.n_raters, specialties=specialties(report.data, say))
    return raters + ("" if invited is None else say("invited", count=invited))


def _flags(report: Report, say: Phrases) -> str:
    """Where the study is known, no flags are an answer too."""
    flags = report.data.flags
    if not flags and report.conduct:
        return say("no_flags")
    return ", ".join(f"{name}: {count}" for name, count in flags.items())


def _results(report: Report, say: Phrases) -> str:
    models = []
    for model in report.models:
        means = [
            f"{say.dimension(name)} {mean_of(figures)}" for name, figures in model.figures.items()
        ]
        means_text = say.join("comma", means)
        models.append(say("result", model=model.model, means=means_text, n=model.n_ratings))
    return say.join("semicolon", models)


def _retest(report: Report, say: Phrases) -> str:
    dimensions = report.consistency.dimensions if report.consistency else {}
    parts = [
        say(
            "retest",
            dimension=say.dimension(name),
            percent=percent(repeats.percent_agreement),
            n=repeats.n,
        )
        for name, repeats in dimensions.items()
        if repeats.percent_agreement is not None
    ]
    return say.join("semicolon", parts)


def _missing(report: Report, say: Phrases) -> str:
    data, parts = report.data, []
    skipped = report.conduct.skipped if report.conduct else None
    if skipped is not None:
        parts.append(say("skipped", times=skipped))
    elif report.models:  # a study may have asked for fewer
        whole = data.n_raters * data.n_responses
        parts.append(say("incomplete", ratings=data.n_ratings, all=whole))
    for name, tests in report.tests.items():
        dimension = say.dimension(name)
        parts.append(say("untested_questions", dimension=dimension, questions=tests.n_left_out))
    return say.join("semicolon", parts)


def _order(report: Report, say: Phrases) -> str:
    """The balanced order, if any, and how often each model stood in each position."""
    sentences = [order(report.conduct, say)] if report.conduct else []
    counts = [
        f"{row.model} @ {row.group}: {row.n_ratings}"
        for row in report.sensitivity
        if row.by == "shown_position"
    ]
    if counts:
        sentences.append(say("positions", counts=", ".join(counts)))
    return say.join("space", [sentence for sentence in sentences if sentence])
