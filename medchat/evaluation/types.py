"""The report of a rating study: what ``make_report`` computes and every writer reads.

What the data cannot give is None, and ``notes`` says why. Knows nothing about how a figure is
computed or shown; ``report_json`` gives the report as JSON values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from medchat.evaluation.metrics.bleu_rouge import Overlap
from medchat.evaluation.statistics.comparisons import Friedman, PairTest
from medchat.evaluation.statistics.reliability import Consistency, RaterPair
from medchat.evaluation.statistics.sensitivity import GroupMeans, Reason
from medchat.scale import Scale
from medchat.study.conduct import Conduct

MAX_YEARS = 100
"""Years of practice above this are taken for a typing mistake."""


@dataclass(frozen=True)
class Resampling:
    """``bootstrap`` rounds over ``resampled``: ``questions``, or ``questions and raters``."""

    seed: int
    bootstrap: int
    resampled: str


@dataclass(frozen=True)
class Range:
    """All None where there is nothing to summarize."""

    min: float | None = None
    max: float | None = None
    mean: float | None = None


@dataclass(frozen=True)
class RatersPerAnswer:
    """Zeros where there are no answers."""

    min: int
    max: int
    mean: float


@dataclass(frozen=True)
class DataSummary:
    """``specialties`` counts raters ("" where there is none), ``flags`` ratings; ``years`` are of
    practice, one figure per rater.

    Not in the JSON, but in the notes: ``unused_columns`` of the data, ratings whose time is no
    date (``undated``), and raters whose years of practice are no number (``unreadable_years``).
    """

    study: str
    n_ratings: int
    n_raters: int
    n_questions: int
    n_responses: int
    raters_per_answer: RatersPerAnswer
    specialties: Mapping[str, int]
    years: Range
    first_rated_at: str | None
    last_rated_at: str | None
    flags: Mapping[str, int]
    n_adjudicating: int
    unused_columns: tuple[str, ...] = ()
    undated: int = 0
    unreadable_years: int = 0


@dataclass(frozen=True)
class ScoreFigures:
    """One model in one dimension. ``counts`` and ``shares`` (0 to 1) are by score; ``acceptable``
    is the share of all scores but the lowest."""

    mean: float
    sd: float | None
    ci_low: float | None
    ci_high: float | None
    counts: Mapping[int, int]
    shares: Mapping[int, float]
    acceptable: float


@dataclass(frozen=True)
class ModelFigures:
    """``figures`` by dimension. Their intervals rest on ``interval_rounds`` rounds (not in the
    JSON): 0 where nothing could be drawn."""

    model: str
    n_ratings: int
    n_questions: int
    figures: Mapping[str, ScoreFigures]
    interval_rounds: int = 0


@dataclass(frozen=True)
class PublishedFigures:
    """A row of published means by dimension, shown as it was printed."""

    model: str
    source: str
    means: Mapping[str, float | None]


@dataclass(frozen=True)
class DimensionAgreement:
    """Over ``n_units`` answers with two ratings or more; ICC over ``n_units_all_raters`` answers
    that every rater scored. ``raters`` and ``pairs`` are empty where there are too many raters.

    Not in the JSON, but in the notes: ``rater_count``, the ``reasons`` of figures that are None
    (see ``Agreement``), and in how many bootstrap rounds alpha was defined (``alpha_rounds``; None
    where none were drawn).
    """

    krippendorff_alpha: float | None
    ci_low: float | None
    ci_high: float | None
    alpha_nominal: float | None
    alpha_interval: float | None
    gwet_ac1: float | None
    gwet_ac2: float | None
    percent_agreement: float | None
    icc_2_1: float | None
    icc_2_k: float | None
    n_units: int
    n_units_all_raters: int
    raters: tuple[str, ...]
    pairs: tuple[RaterPair, ...]
    rater_count: int = 0
    reasons: tuple[str, ...] = ()
    alpha_rounds: int | None = None


@dataclass(frozen=True)
class DimensionTests:
    """Tests over ``n_complete_questions``; see ``Comparison``."""

    n_complete_questions: int
    n_left_out: int
    n_unmatched: int
    friedman: Friedman
    pairs: tuple[PairTest, ...]


@dataclass(frozen=True)
class Progress:
    """Ratings on a day (``2026-11-26``) or in an hour (``2026-11-26T08``, with a Z in UTC)."""

    date: str
    ratings: int


@dataclass(frozen=True)
class Report:
    """``agreement`` and ``tests`` are by dimension. ``omitted`` (not in the JSON, but in the notes)
    says of each part of the ratings without a row in ``sensitivity`` why it has none."""

    version: str
    scale: Scale
    settings: Resampling
    data: DataSummary
    models: tuple[ModelFigures, ...]
    reference: tuple[PublishedFigures, ...]
    agreement: Mapping[str, DimensionAgreement]
    tests: Mapping[str, DimensionTests]
    sensitivity: tuple[GroupMeans, ...]
    omitted: Mapping[str, Reason]
    consistency: Consistency | None
    overlap: Overlap | None
    progress: tuple[Progress, ...]
    conduct: Conduct | None
    notes: tuple[str, ...] = ()
    notes_zh: tuple[str, ...] = ()


_FOR_NOTES_ONLY = {
    *("unused_columns", "undated", "unreadable_years", "interval_rounds", "omitted"),
    *("rater_count", "reason", "reasons", "alpha_rounds"),
}
_BESIDE_THE_REST = {"figures", "means", "rho", "dimensions"}
"""Figures by dimension or metric, which stand in the JSON among their owner's other values."""


def report_json(report: Report) -> dict[str, Any]:
    """The report as JSON values."""
    return dict(_values(report))


def _values(part: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if field.name in _BESIDE_THE_REST and isinstance(value, Mapping):
            entry |= _plain(value)
        elif field.name not in _FOR_NOTES_ONLY:
            entry[field.name] = _plain(value)
    return entry


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return _values(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return value
