"""Computes the report of a rating study from a frame with one row per rating.

A frame has the columns of the score CSV, of which question_id, model, rater and the dimensions are
needed. Columns that the database can add: ``category``, ``answer_length`` (characters),
``adjudicated`` and ``rater_flagged`` (true or false). Knows nothing about files and pages, and
leaves every explanation to ``wording.notes``.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from medchat import __version__
from medchat.evaluation.metrics.bleu_rouge import measure_overlap
from medchat.evaluation.statistics import agreement
from medchat.evaluation.statistics.comparisons import compare
from medchat.evaluation.statistics.intervals import mean_intervals
from medchat.evaluation.statistics.means import table4
from medchat.evaluation.statistics.rating_matrix import RatingMatrix, encode_ratings
from medchat.evaluation.statistics.reliability import (
    MAX_PAIRED_RATERS,
    active_raters,
    compare_raters,
    measure_consistency,
    measure_reliability,
)
from medchat.evaluation.statistics.sensitivity import is_true, measure_sensitivity
from medchat.evaluation.types import (
    MAX_YEARS,
    DataSummary,
    DimensionAgreement,
    DimensionTests,
    ModelFigures,
    Progress,
    PublishedFigures,
    Range,
    RatersPerAnswer,
    Report,
    Resampling,
    ScoreFigures,
)
from medchat.evaluation.wording.notes import explain
from medchat.scale import RESERVED_COLUMNS, SUS, Scale
from medchat.study.conduct import Conduct

HOURLY_DAYS = 2
"""Progress over so few days is counted by the hour."""
_DAY, _HOUR = "2026-11-26", "2026-11-26T08"
_HAS_HOUR = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:")


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
    reference: Sequence[dict[str, Any]] = (),
    repeats: pd.DataFrame | None = None,
    answers: pd.DataFrame | None = None,
    conduct: Conduct | None = None,
) -> Report:
    """The report; ``reference`` are rows of published figures, shown as they are.

    ``repeats`` has a row for every answer that was shown to a rater twice (see
    ``measure_consistency``), ``answers`` the answers with their references (see
    ``measure_overlap``). Raises ValueError for scores that the scale does not have. ``conduct`` is
    how the study was held.
    """
    settings = settings or ReportSettings()
    scale = settings.scale
    ratings = encode_ratings(frame, scale)
    adjudicating = _adjudicating(frame)
    independent = ratings.only(~adjudicating)
    rated_at = _texts(frame, "rated_at")
    moments = _dated(rated_at)
    sensitivity = measure_sensitivity(frame, ratings)
    report = Report(
        version=__version__,
        scale=scale,
        settings=Resampling(settings.seed, settings.bootstrap, settings.resampled),
        data=replace(
            _summarize(frame, ratings, moments),
            n_adjudicating=int(adjudicating.sum()),
            undated=len(rated_at) - len(moments),
        ),
        models=_models(frame, ratings, settings),
        reference=tuple(_published(row, scale) for row in reference),
        agreement={
            dimension: _agreement(independent, index, settings)
            for index, dimension in enumerate(scale.dimensions)
        },
        tests={
            dimension: _tests(ratings, index) for index, dimension in enumerate(scale.dimensions)
        },
        sensitivity=sensitivity.rows,
        omitted=sensitivity.omitted,
        consistency=(
            None if repeats is None or repeats.empty else measure_consistency(repeats, scale)
        ),
        overlap=None if answers is None else measure_overlap(frame, answers, ratings),
        progress=_progress(moments),
        conduct=conduct,
    )
    notes = explain(report)
    return replace(report, notes=tuple(notes.english), notes_zh=tuple(notes.chinese))


# -- the data --


def _adjudicating(frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which ratings were asked for because others disagreed."""
    if "adjudicated" not in frame:
        return np.zeros(len(frame), dtype=bool)
    return is_true(frame["adjudicated"])


def _summarize(frame: pd.DataFrame, ratings: RatingMatrix, moments: Sequence[str]) -> DataSummary:
    size = np.bincount(ratings.unit, minlength=len(ratings.unit_model))
    flags = Counter(
        flag
        for cell in _texts(frame, "flags")
        for flag in dict.fromkeys(part.strip() for part in cell.split(";"))
        if flag
    )
    years = _texts_of_raters(frame, "years")
    readable_years = _years(years)
    used = {*ratings.scale.dimensions, *RESERVED_COLUMNS}
    return DataSummary(
        study="; ".join(dict.fromkeys(_texts(frame, "study"))),
        n_ratings=len(ratings),
        n_raters=len(ratings.raters),
        n_questions=len(ratings.questions),
        n_responses=len(ratings.unit_model),
        raters_per_answer=RatersPerAnswer(
            int(size.min()) if len(size) else 0,
            int(size.max()) if len(size) else 0,
            float(size.mean()) if len(size) else 0.0,
        ),
        specialties=dict(sorted(Counter(_texts_of_raters(frame, "specialty")).items())),
        years=_range(readable_years),
        first_rated_at=min(moments, default=None),
        last_rated_at=max(moments, default=None),
        flags=dict(sorted(flags.items())),
        n_adjudicating=0,
        unused_columns=tuple(str(column) for column in frame if column not in used),
        unreadable_years=sum(map(bool, years)) - len(readable_years),
    )


def _texts(frame: pd.DataFrame, column: str) -> list[str]:
    """The cells of a column that are not empty."""
    if column not in frame:
        return []
    return [text for text in frame[column].fillna("").astype(str).str.strip() if text]


def _texts_of_raters(frame: pd.DataFrame, column: str) -> list[str]:
    """The first text in each rater's rows; "" for a rater without one."""
    if column not in frame:
        return []
    text = frame[column].fillna("").astype(str).str.strip()
    firsts = text.where(text != "").groupby(frame["rater"], sort=False).first()
    return [str(value) for value in firsts.fillna("")]


def _dated(texts: Sequence[str]) -> list[str]:
    """The texts that begin with a date."""
    moments = pd.Series(texts, dtype=object)
    days = moments.str[: len(_DAY)]
    valid = {day for day in days.unique() if _is_day(day)}
    return [str(text) for text in moments[days.isin(valid)]]


def _is_day(text: str) -> bool:
    try:
        return len(text) == len(_DAY) and date.fromisoformat(text).year > 0
    except ValueError:
        return False


def _years(texts: Sequence[str]) -> list[float]:
    years = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce")
    return [float(value) for value in years[years.between(0, MAX_YEARS)]]


def _range(values: Sequence[float]) -> Range:
    return Range(min(values), max(values), float(np.mean(values))) if values else Range()


def _progress(moments: Sequence[str]) -> tuple[Progress, ...]:
    """Ratings per day, or per hour where there are few days."""
    length, zone = len(_DAY), ""
    if len({moment[:length] for moment in moments}) <= HOURLY_DAYS and all(
        map(_HAS_HOUR.match, moments)
    ):
        length = len(_HOUR)
        zone = "Z" if all(moment.endswith(("Z", "+00:00")) for moment in moments) else ""
    counts = Counter(moment[:length].replace(" ", "T") + zone for moment in moments)
    return tuple(Progress(day, count) for day, count in sorted(counts.items()))


def _published(row: dict[str, Any], scale: Scale) -> PublishedFigures:
    means = {dimension: row[dimension] for dimension in scale.dimensions}
    return PublishedFigures(row["model"], row["source"], means)


# -- the figures --


def _models(
    frame: pd.DataFrame, ratings: RatingMatrix, settings: ReportSettings
) -> tuple[ModelFigures, ...]:
    scale = ratings.scale
    intervals = mean_intervals(ratings, settings.bootstrap, settings.seed, settings.raters_too)
    return tuple(
        ModelFigures(
            model=str(model),
            n_ratings=int(row["n_ratings"]),
            n_questions=int(row["n_questions"]),
            figures={
                dimension: _score_figures(row, dimension, scale, intervals.ends[index, column])
                for column, dimension in enumerate(scale.dimensions)
            },
            interval_rounds=int(intervals.rounds[index]),
        )
        for index, (model, row) in enumerate(table4(frame, scale, ratings).iterrows())
    )


def _score_figures(row: "pd.Series[Any]", dimension: str, scale: Scale, ends: Any) -> ScoreFigures:
    n = int(row["n_ratings"])
    counts = {score: int(row[f"{dimension}_count_{score}"]) for score in scale.scores}
    low, high = ends
    return ScoreFigures(
        mean=float(row[f"{dimension}_mean"]),
        sd=_number(row[f"{dimension}_sd"]),
        ci_low=_number(low),
        ci_high=_number(high),
        counts=counts,
        shares={score: count / n for score, count in counts.items()},
        acceptable=1 - counts[scale.scores[0]] / n,
    )


def _agreement(ratings: RatingMatrix, index: int, settings: ReportSettings) -> DimensionAgreement:
    scores, counts = ratings.scale.scores, ratings.counts(index)
    figures = agreement.measure_agreement(counts, scores)
    interval, alpha_rounds = None, None
    if figures.krippendorff_alpha is not None and settings.bootstrap:
        alphas = agreement.bootstrap_alphas(
            counts, ratings.unit_question, scores, rounds=settings.bootstrap, seed=settings.seed
        )
        interval = agreement.percentile_interval(alphas, settings.bootstrap)
        alpha_rounds = alphas.size
    reliability = measure_reliability(ratings, index)
    raters = active_raters(ratings)
    return DimensionAgreement(
        krippendorff_alpha=figures.krippendorff_alpha,
        ci_low=interval[0] if interval else None,
        ci_high=interval[1] if interval else None,
        alpha_nominal=agreement.krippendorff_alpha(counts, scores, "nominal"),
        alpha_interval=agreement.krippendorff_alpha(counts, scores, "interval"),
        gwet_ac1=agreement.gwet_ac(counts, scores, "identity"),
        gwet_ac2=figures.gwet_ac2,
        percent_agreement=figures.percent_agreement,
        icc_2_1=reliability.icc_2_1,
        icc_2_k=reliability.icc_2_k,
        n_units=figures.units,
        n_units_all_raters=reliability.units,
        raters=tuple(raters) if len(raters) <= MAX_PAIRED_RATERS else (),
        pairs=tuple(compare_raters(ratings, index)),
        rater_count=len(raters),
        reasons=figures.reasons,
        alpha_rounds=alpha_rounds,
    )


def _tests(ratings: RatingMatrix, index: int) -> DimensionTests:
    comparison = compare(ratings, index)
    return DimensionTests(
        n_complete_questions=comparison.complete,
        n_left_out=comparison.left_out,
        n_unmatched=comparison.unmatched,
        friedman=comparison.friedman,
        pairs=tuple(comparison.pairs),
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
