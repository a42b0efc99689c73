"""The whole report of a rating study as plain JSON values, from a frame with one row per rating.

A frame has the columns of the score CSV, of which question_id, model, rater and the dimensions are
needed. Columns that the database can add: ``category``, ``answer_length`` (characters),
``adjudicated`` and ``rater_flagged`` (true or false). What the data cannot give is None, and
``notes`` says why, ``notes_zh`` in Chinese. Knows nothing about files and pages.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from medchat import __version__
from medchat.evaluation.metrics.bleu_rouge import measure_overlap
from medchat.evaluation.statistics import agreement as agreeing
from medchat.evaluation.statistics import reliability as rating
from medchat.evaluation.statistics.comparisons import PairTest, compare
from medchat.evaluation.statistics.intervals import MIN_ROUNDS, MeanIntervals, mean_intervals
from medchat.evaluation.statistics.means import table4
from medchat.evaluation.statistics.rating_matrix import RatingMatrix, encode_ratings
from medchat.evaluation.statistics.sensitivity import is_true, measure_sensitivity
from medchat.evaluation.wording.notes import Notes, explain_missing
from medchat.evaluation.writers.tables import p_value
from medchat.scale import RESERVED_COLUMNS, SUS, Scale
from medchat.study.conduct import Conduct
from medchat.text import on_one_line

Entry = dict[str, Any]
MOST_YEARS = 100
"""Of practice; more is a slip of the pen."""
MOST_NAMED = 5
"""Pairs of models that a note names."""
NONE_GIVEN = "; with fewer than half, none is given", "；不足一半时不给出区间"
FEW_QUESTIONS = 10
"""Below that, the tests' approximations are poor; a note says so."""


@dataclass(frozen=True)
class ReportSettings:
    """How a report is made: equal settings and equal data give equal figures to the last bit."""

    scale: Scale = SUS
    seed: int = 0
    bootstrap: int = 2000
    raters_too: bool = False

    @property
    def resampled(self) -> str:
        return "questions and raters" if self.raters_too else "questions"


def make_report(
    frame: pd.DataFrame,
    settings: ReportSettings | None = None,
    reference: Sequence[Entry] = (),
    repeats: pd.DataFrame | None = None,
    answers: pd.DataFrame | None = None,
    conduct: Conduct | None = None,
) -> Entry:
    """The report; ``reference`` are rows of published figures, shown as they are.

    ``repeats`` has a row for every answer that was shown to a rater twice (see
    ``reliability.measure_consistency``), ``answers`` the answers with their references (see
    ``bleu_rouge.measure_overlap``). Raises ValueError for scores that the scale does not have.
    ``conduct`` is how the study was held.
    """
    settings = settings or ReportSettings()
    scale = settings.scale
    ratings = encode_ratings(frame, scale)
    settling = _settling(frame)
    apart = ratings.only(~settling)
    notes = Notes()
    _explain_settings(settings, notes)
    told = _texts(frame, "rated_at")
    moments = _moments(told)
    intervals = mean_intervals(ratings, settings.bootstrap, settings.seed, settings.raters_too)
    sensitivity = measure_sensitivity(frame, ratings)
    report: Entry = {
        "version": __version__,
        "scale": {"dimensions": list(scale.dimensions), "scores": list(scale.scores)},
        "settings": {
            "seed": settings.seed,
            "bootstrap": settings.bootstrap,
            "resampled": settings.resampled,
        },
        "data": _data(frame, ratings, moments) | {"n_adjudicating": int(settling.sum())},
        "models": _models(frame, ratings, intervals, settings.bootstrap, notes),
        "reference": list(reference),
        "agreement": {
            dimension: _agreement(apart, index, settings, notes)
            for index, dimension in enumerate(scale.dimensions)
        },
        "tests": {
            dimension: _tests(ratings, index, notes)
            for index, dimension in enumerate(scale.dimensions)
        },
        "sensitivity": [_flat(row) for row in sensitivity.rows],
        "consistency": None,
        "overlap": None if answers is None else _overlap(frame, answers, ratings),
        "progress": _progress(moments),
        "conduct": None if conduct is None else conduct.as_dict(),
    }
    if repeats is not None and len(repeats):
        consistency = asdict(rating.measure_consistency(repeats, scale))
        report["consistency"] = consistency.pop("dimensions") | consistency
    _explain_data(frame, settling, scale, notes)
    _explain_times(len(told) - len(moments), frame, notes)
    absent = [name for name, why in sensitivity.omitted.items() if why == "no_column"]
    explain_missing(report, absent, notes)
    report["notes"], report["notes_zh"] = notes.english, notes.chinese
    return report


def _explain_settings(settings: ReportSettings, notes: Notes) -> None:
    notes.add(settings.scale.note, settings.scale.note_zh)
    if not settings.bootstrap:
        notes.add("No intervals were asked for.", "未要求计算区间。")
    elif settings.bootstrap < MIN_ROUNDS:
        notes.add(
            f"A 95 % interval needs {MIN_ROUNDS} bootstrap rounds or more: there is none.",
            f"95% 区间至少需要 {MIN_ROUNDS} 轮自助抽样，故没有区间。",
        )


def _explain_data(
    frame: pd.DataFrame, settling: npt.NDArray[np.bool_], scale: Scale, notes: Notes
) -> None:
    """What of the data is not used everywhere, and why."""
    if settling.any():
        notes.add(
            f"Ratings that settled a dispute: {settling.sum()}. They exist because raters "
            "disagreed, so agreement leaves them out. The means count them; sensitivity shows the "
            "means without.",
            f"{settling.sum()} 条评分用于裁定分歧：它们因评分不一致才产生，故不计入一致性；平均分"
            "计入这些评分，敏感性分析给出不计入时的平均分。",
        )
    if unused := [
        str(column) for column in frame if column not in {*scale.dimensions, *RESERVED_COLUMNS}
    ]:
        named = ", ".join(map(on_one_line, unused))
        notes.add(
            f"Columns that no figure uses: {named}.",
            f"未用到的列：{named}。",
        )


def _explain_times(undated: int, frame: pd.DataFrame, notes: Notes) -> None:
    """Dates and years that cannot be read."""
    if undated:
        notes.add(
            f"Ratings whose rated_at is no date such as 2026-11-26: {undated}. Progress and period "
            "leave them out.",
            f"{undated} 条评分的 rated_at 不是 2026-11-26 这样的日期，进度和时间范围不计入。",
        )
    if unread := sum(map(bool, _of_raters(frame, "years"))) - len(_years(frame)):
        notes.add(
            f"Raters whose years of practice are no number from 0 to {MOST_YEARS}: {unread}.",
            f"从业年限不是 0 到 {MOST_YEARS} 的数字的评分者：{unread} 名。",
        )


# -- what there is --


def _settling(frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which ratings were asked for because others disagreed."""
    if "adjudicated" not in frame:
        return np.zeros(len(frame), dtype=bool)
    return is_true(frame["adjudicated"])


def _data(frame: pd.DataFrame, ratings: RatingMatrix, moments: Sequence[str]) -> Entry:
    size = np.bincount(ratings.unit, minlength=len(ratings.unit_model))
    flags = Counter(
        flag
        for cell in _texts(frame, "flags")
        for flag in dict.fromkeys(part.strip() for part in cell.split(";"))
        if flag
    )
    return {
        "study": "; ".join(dict.fromkeys(_texts(frame, "study"))),
        "n_ratings": len(ratings),
        "n_raters": len(ratings.raters),
        "n_questions": len(ratings.questions),
        "n_responses": len(ratings.unit_model),
        "raters_per_answer": {
            "min": int(size.min()) if len(size) else 0,
            "max": int(size.max()) if len(size) else 0,
            "mean": float(size.mean()) if len(size) else 0.0,
        },
        "specialties": dict(sorted(Counter(_of_raters(frame, "specialty")).items())),
        "years": _summary(_years(frame)),
        "first_rated_at": min(moments, default=None),
        "last_rated_at": max(moments, default=None),
        "flags": dict(sorted(flags.items())),
    }


def _texts(frame: pd.DataFrame, column: str) -> list[str]:
    """What stands in a column, where anything does."""
    if column not in frame:
        return []
    return [text for text in frame[column].fillna("").astype(str).str.strip() if text]


def _of_raters(frame: pd.DataFrame, column: str) -> list[str]:
    """What each rater's rows say first; empty for one whose rows say nothing."""
    if column not in frame:
        return []
    text = frame[column].fillna("").astype(str).str.strip()
    told = text.where(text != "").groupby(frame["rater"], sort=False).first()
    return [str(value) for value in told.fillna("")]


def _moments(texts: Sequence[str]) -> list[str]:
    """When ratings were given, as far as that is a date."""
    told = pd.Series(texts, dtype=object)
    days = told.str[: len("2026-11-26")]
    known = {day for day in days.unique() if _is_day(day)}
    return [str(text) for text in told[days.isin(known)]]


def _is_day(text: str) -> bool:
    try:
        return len(text) == len("2026-11-26") and date.fromisoformat(text).year > 0
    except ValueError:
        return False


def _years(frame: pd.DataFrame) -> list[float]:
    """Of practice, a number per rater, as far as the data tell."""
    years = pd.to_numeric(pd.Series(_of_raters(frame, "years"), dtype=object), errors="coerce")
    return [float(each) for each in years[years.between(0, MOST_YEARS)]]


def _summary(known: Sequence[float]) -> Entry:
    if not known:
        return {"min": None, "max": None, "mean": None}
    return {"min": min(known), "max": max(known), "mean": float(np.mean(known))}


FEW_DAYS = 2
"""Up to which progress is told by the hour."""
_HOUR = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:")


def _progress(moments: Sequence[str]) -> list[Entry]:
    """Ratings per day, or per hour where there are few days: ``2026-11-26T08``, with a Z in UTC."""
    length, zone = len("2026-11-26"), ""
    if len({moment[:length] for moment in moments}) <= FEW_DAYS and all(map(_HOUR.match, moments)):
        length = len("2026-11-26T08")
        zone = "Z" if all(moment.endswith(("Z", "+00:00")) for moment in moments) else ""
    counted = Counter(moment[:length].replace(" ", "T") + zone for moment in moments)
    return [{"date": date, "ratings": count} for date, count in sorted(counted.items())]


# -- the parts --


def _flat(row: Any) -> Entry:
    """A row with its means, or correlations, beside its other values."""
    entry = asdict(row)
    return {key: value for key, value in entry.items() if key not in ("means", "rho")} | (
        entry.get("means") or entry.get("rho") or {}
    )


def _overlap(frame: pd.DataFrame, answers: pd.DataFrame, ratings: RatingMatrix) -> Entry | None:
    overlap = measure_overlap(frame, answers, ratings)
    if overlap is None:
        return None
    return {
        "models": [_flat(row) for row in overlap.models],
        "correlation": {name: _flat(row) for name, row in overlap.correlation.items()},
    }


def _models(
    frame: pd.DataFrame, ratings: RatingMatrix, intervals: MeanIntervals, rounds: int, notes: Notes
) -> list[Entry]:
    scale = ratings.scale
    table = table4(frame, scale, ratings)
    if table["n_ratings"].eq(1).any():
        single = ", ".join(map(str, table.index[table["n_ratings"] == 1]))
        notes.add(
            f"A single rating has no standard deviation: {single}.",
            f"只有一条评分，没有标准差：{single}。",
        )
    entries = []
    for place, (model, figures) in enumerate(table.iterrows()):
        n = int(figures["n_ratings"])
        entry: Entry = {
            "model": str(model),
            "n_ratings": n,
            "n_questions": int(figures["n_questions"]),
        }
        for index, dimension in enumerate(scale.dimensions):
            counts = {score: int(figures[f"{dimension}_count_{score}"]) for score in scale.scores}
            low, high = intervals.ends[place, index]
            if intervals.rounds[place] and list(counts.values()).count(0) == len(counts) - 1:
                notes.add(
                    "a model whose scores are all equal has no interval: drawing questions anew "
                    "gives the same mean every time.",
                    "得分全部相同的模型没有区间：每轮重新抽题都得到同样的平均分。",
                    dimension,
                )
            entry[dimension] = {
                "mean": float(figures[f"{dimension}_mean"]),
                "sd": _number(figures[f"{dimension}_sd"]),
                "ci_low": _number(low),
                "ci_high": _number(high),
                "counts": {str(score): count for score, count in counts.items()},
                "shares": {str(score): count / n for score, count in counts.items()},
                "acceptable": 1 - counts[scale.scores[0]] / n,
            }
        entries.append(entry)
    if rounds >= MIN_ROUNDS:
        _explain_intervals(entries, intervals.rounds.tolist(), rounds, notes)
    return entries


def _explain_intervals(
    entries: Sequence[Entry], rested: Sequence[int], rounds: int, notes: Notes
) -> None:
    """Why there are none, or what they rest on where that is little."""
    if 0 in rested:
        notes.add(
            "An interval needs scores for at least two questions (and, where raters are drawn "
            "too, two raters): there is none otherwise.",
            "区间至少需要两道题的评分（连评分者一起抽样时还需要两名评分者），否则没有区间。",
        )
    models = [entry["model"] for entry in entries]
    small = [
        f"{entry['model']} ({entry['n_questions']})"
        for entry, n in zip(entries, rested, strict=True)
        if n and entry["n_questions"] < FEW_QUESTIONS
    ]
    if small:
        notes.add(
            f"With fewer than {FEW_QUESTIONS} questions a percentile interval is rough and mostly "
            f"too narrow: {', '.join(small)}.",
            f"题目少于 {FEW_QUESTIONS} 道时，百分位区间较粗略，且往往偏窄：{'、'.join(small)}。",
        )
    fewer = [(m, n) for m, n in zip(models, rested, strict=True) if 0 < n < rounds]
    if fewer:
        told = "; ".join(f"{model} {n}" for model, n in fewer)
        none, none_zh = NONE_GIVEN if any(2 * n < rounds for _, n in fewer) else ("", "")
        notes.add(
            f"The intervals of these means rest on fewer than {rounds} rounds, as in the others "
            f"none of the model's ratings was drawn{none}: {told}.",
            f"下列模型平均分的区间所依据的抽样不足 {rounds} 轮，其余各轮没有抽到该模型的评分"
            f"{none_zh}：{told.replace('; ', '；')}。",
        )


_WHY = {
    agreeing.NO_RATINGS: (
        "There are no ratings, so there is no agreement.",
        "没有评分，无法计算一致性。",
    ),
    agreeing.NO_OVERLAP: (
        "No answer has two ratings, so agreement cannot be computed.",
        "没有回答由两人以上评分，无法计算一致性。",
    ),
    agreeing.NO_VARIATION: (
        "all scores that count are equal: Krippendorff's alpha is not defined without variation.",
        "计入的评分全部相同，没有差异时 Krippendorff α 没有定义。",
    ),
}


def _agreement(ratings: RatingMatrix, index: int, settings: ReportSettings, notes: Notes) -> Entry:
    dimension, scores = ratings.scale.dimensions[index], ratings.scale.scores
    counts = ratings.counts(index)
    found = agreeing.measure_agreement(counts, scores)
    for reason in found.reasons:
        notes.add(*_WHY[reason], "" if reason != agreeing.NO_VARIATION else dimension)
    interval = None
    if found.krippendorff_alpha is not None and settings.bootstrap:
        rounds = settings.bootstrap
        alphas = agreeing.bootstrap_alphas(
            counts, ratings.unit_question, scores, rounds=rounds, seed=settings.seed
        )
        interval = agreeing.percentile_interval(alphas, rounds)
        if alphas.size < rounds:
            none, none_zh = NONE_GIVEN if interval is None else ("", "")
            notes.add(
                f"in {rounds - alphas.size} of {rounds} rounds alpha was not defined, as the drawn "
                f"questions held no scores that differ, or there is one question{none}.",
                f"{rounds} 轮中有 {rounds - alphas.size} 轮 α 没有定义：抽到的题目评分没有差异，"
                f"或只有一道题{none_zh}。",
                dimension,
            )
    reliable = rating.measure_reliability(ratings, index)
    if not reliable.enough:
        notes.add(
            "ICC needs two raters, and two answers that every rater scored; there is none "
            "otherwise.",
            "ICC 需要至少两名评分者，以及至少两个由全部评分者评过的回答，否则为空。",
        )
    elif reliable.icc_2_1 is None or reliable.icc_2_k is None:
        notes.add(
            "ICC needs a variance above 0 to divide by, which these scores do not give: there is "
            "none.",
            "ICC 的分母是方差估计值，这些评分给出的估计值不大于 0，故为空。",
            dimension,
        )
    raters = rating.active_raters(ratings)
    pairs = rating.compare_raters(ratings, index)
    if len(raters) > rating.MAX_PAIRED_RATERS:
        notes.add(
            "Pairs of raters are not listed: there are more than "
            f"{rating.MAX_PAIRED_RATERS} raters.",
            f"评分者多于 {rating.MAX_PAIRED_RATERS} 名，未列出两两之间的一致性。",
        )
    alpha = agreeing.krippendorff_alpha
    return {
        "krippendorff_alpha": found.krippendorff_alpha,
        "ci_low": interval[0] if interval else None,
        "ci_high": interval[1] if interval else None,
        "alpha_nominal": alpha(counts, scores, "nominal"),
        "alpha_interval": alpha(counts, scores, "interval"),
        "gwet_ac1": agreeing.gwet_ac(counts, scores, "identity"),
        "gwet_ac2": found.gwet_ac2,
        "percent_agreement": found.percent_agreement,
        "icc_2_1": reliable.icc_2_1,
        "icc_2_k": reliable.icc_2_k,
        "n_units": found.units,
        "n_units_all_raters": reliable.units,
        "raters": raters if len(raters) <= rating.MAX_PAIRED_RATERS else [],
        "pairs": [asdict(pair) for pair in pairs],
    }


_UNTESTED = {
    "too_few_models": (
        "Friedman's test needs three models or more.",
        "Friedman 检验至少需要三个模型。",
    ),
    "one_question": (
        "Friedman's test needs two questions with a score for every model.",
        "Friedman 检验至少需要两道每个模型都有评分的题目。",
    ),
    "too_few_questions": (
        "too few questions have a score for every model to test pairs of models.",
        "每个模型都有评分的题目太少，未作两两比较。",
    ),
    "all_equal": (
        "models that are equal on every question cannot be ranked: they are not tested, and count "
        "as p = 1 in Holm's correction.",
        "在每道题上得分都相同的模型无法排序，未作检验，在 Holm 校正中按 p = 1 计。",
    ),
}


def _tests(ratings: RatingMatrix, index: int, notes: Notes) -> Entry:
    found = compare(ratings, index)
    dimension = ratings.scale.dimensions[index]
    for reason in (found.friedman.reason, *(pair.reason for pair in found.pairs)):
        if reason:
            about = "" if reason == "too_few_models" else dimension
            notes.add(*_UNTESTED[reason], about)
    tested = found.friedman.p is not None or any(pair.p is not None for pair in found.pairs)
    if tested and found.complete < FEW_QUESTIONS:
        questions = "1 question is" if found.complete == 1 else f"{found.complete} questions are"
        notes.add(
            f"Only {questions} tested: with fewer than {FEW_QUESTIONS}, "
            "p values from a normal or chi-squared approximation are rough and often too small.",
            f"参加检验的题目只有 {found.complete} 道：少于 {FEW_QUESTIONS} 道时，由正态或 χ² 近似"
            "得到的 p 值不准确，往往偏小。",
        )
    if moved := [pair for pair in found.pairs if _ties_matter(pair)]:
        told = "; ".join(map(_both_p, moved[:MOST_NAMED]))
        rest = len(moved) - MOST_NAMED
        notes.add(
            "differences of means that are equal but for the last bit get different ranks in "
            f"scipy's Wilcoxon test. As it gives p (after Holm), and with equal ranks: {told}"
            + (
                f"; {rest} more pair{'' if rest == 1 else 's'} (p_tied, p_holm_tied)."
                if rest > 0
                else "."
            ),
            "仅末位浮点误差不同的均值差，在 scipy 的 Wilcoxon 检验中秩次不同。scipy 给出的 p"
            f"（Holm 校正后）与按同秩计算的：{told}"
            + (f"；另有 {rest} 对（见 p_tied、p_holm_tied）。" if rest > 0 else "。"),
            dimension,
        )
    if tested and found.unmatched:
        notes.add(
            f"Tested questions on which some raters scored only some of the models: "
            f"{found.unmatched} of {found.complete}. There, differences between models may be "
            "differences between raters.",
            f"参加检验的 {found.complete} 道题中，有 {found.unmatched} 道题的部分评分者没有评完全部"
            "模型：这些题上模型间的差异可能来自评分者之间的差异。",
        )
    if found.left_out:
        notes.add(
            f"Questions that are not tested, as some model has no score there: {found.left_out} of "
            f"{found.complete + found.left_out}.",
            f"{found.complete + found.left_out} 道题中有 {found.left_out} 道因缺少某个模型的评分"
            "未参加检验。",
        )
    return {
        "n_complete_questions": found.complete,
        "n_left_out": found.left_out,
        "n_unmatched": found.unmatched,
        "friedman": _without_reason(asdict(found.friedman)),
        "pairs": [_without_reason(asdict(pair)) for pair in found.pairs],
    }


def _ties_matter(pair: PairTest) -> bool:
    """Whether the two p, or the two after Holm, differ in the second decimal, or stand on two
    sides of 0.05."""
    both = ((pair.p, pair.p_tied), (pair.p_holm, pair.p_holm_tied))
    return any(
        abs(p - tied) > 0.01 or (p < 0.05) != (tied < 0.05)
        for p, tied in both
        if p is not None and tied is not None
    )


def _both_p(pair: PairTest) -> str:
    given = f"{p_value(pair.p)} ({p_value(pair.p_holm)})"
    return f"{pair.a} - {pair.b}: {given}, {p_value(pair.p_tied)} ({p_value(pair.p_holm_tied)})"


def _without_reason(entry: Entry) -> Entry:
    return {key: value for key, value in entry.items() if key != "reason"}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
