"""Agreement among raters, from how often each unit was given each score.

A unit is what several raters score: the answer of one model to one question. All figures come from
a matrix of counts, units x categories: how many raters gave unit i category k. Each figure is made
of sums over units, so a bootstrap weights the summands and never goes back to the ratings. Equal
units are merged before anything is added, so the order of rows changes no figure, not even in its
last bit. Knows nothing about files, and nothing about how a figure is shown.

Symbols in the formulas: n_ik ratings of unit i in category k, m_i ratings of unit i, q categories.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from medchat.evaluation.statistics.intervals import MIN_ROUNDS, draw_counts
from medchat.scale import SCORES

Metric = Literal["ordinal", "nominal", "interval"]
Weights = Literal["ordinal", "identity"]
Counts = pd.DataFrame | npt.NDArray[np.integer[Any]]

NO_RATINGS = "no_ratings"
NO_OVERLAP = "no_overlap"
NO_VARIATION = "no_variation"

_DRAWS_PER_BLOCK = 2_000_000

_Integers = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """How far raters agree on one dimension.

    `units` is the number of units with two or more ratings, `ratings` the number of all ratings,
    those of units with a single rating included. `reasons` says why a figure is None:

    - `no_ratings`: there are none, so no figure exists.
    - `no_overlap`: no unit has two ratings, so no figure exists.
    - `no_variation`: all ratings of units with two or more are equal. Alpha alone is None; see
      `krippendorff_alpha`.
    """

    units: int
    ratings: int
    krippendorff_alpha: float | None
    gwet_ac2: float | None
    percent_agreement: float | None
    reasons: tuple[str, ...] = ()


# -- figures --


def krippendorff_alpha(
    counts: Counts, categories: Sequence[float] = SCORES, metric: Metric = "ordinal"
) -> float | None:
    """Krippendorff's alpha; above -1, 0 for agreement by chance, at most 1.

    Krippendorff, "Computing Krippendorff's alpha-reliability" (2011); Hayes & Krippendorff,
    "Answering the call for a standard reliability measure for coding data" (2007). Only units with
    m_i >= 2 count. With the coincidences o_ck = sum_i n_ic n_ik / (m_i - 1) for c < k, the totals
    n_c = sum_i n_ic and n = sum_c n_c,

        alpha = 1 - (n - 1) * sum_{c<k} o_ck d2_ck / sum_{c<k} n_c n_k d2_ck

    where the squared difference d2_ck is 1 (nominal), (c - k)^2 (interval), or, for the ordinal
    metric, (n_c / 2 + the totals of all categories between c and k + n_k / 2)^2. The ordinal metric
    is thus not |c - k|: it takes its distances from the data.

    None if no unit has two ratings, or if all ratings that count are equal: observed and expected
    disagreement are then both 0. Krippendorff holds that data without variation tell nothing about
    reliability, neither 1 nor 0 (`krippendorff` 0.9.0 returns NaN).
    """
    return _alpha(*_merged(counts, categories), categories, metric)


def gwet_ac(
    counts: Counts, categories: Sequence[float] = SCORES, weights: Weights = "ordinal"
) -> float | None:
    """Gwet's AC2 (ordinal weights) or AC1 (identity weights); at most 1, 0 for chance.

    Gwet, "Handbook of inter-rater reliability" (4th edition, 2014). For categories in order,
    w_kl = 1 - |k - l| (|k - l| + 1) / (q (q - 1)) (ordinal), or 1 where k = l and else 0. The mean
    over units with m_i >= 2 gives the observed agreement, the mean over units with m_i >= 1 the
    prevalences:

        p_a = mean_i sum_k n_ik (sum_l w_kl n_il - 1) / (m_i (m_i - 1))
        p_e = sum_kl w_kl / (q (q - 1)) * sum_k p_k (1 - p_k),  p_k = mean_i n_ik / m_i
        AC  = (p_a - p_e) / (1 - p_e)

    Where p_a is 0, AC is -p_e / (1 - p_e). Categories that nobody used count in q. None if no unit
    has two ratings. Equal scores everywhere give 1.
    """
    _check_choice("weights", weights, Weights)
    return _gwet(*_merged(counts, categories), weights)


def percent_agreement(counts: Counts) -> float | None:
    """The share of pairs of raters who gave a unit the same score; from 0 to 1.

    mean_i sum_k n_ik (n_ik - 1) / (m_i (m_i - 1)) over units with m_i >= 2: each unit counts once,
    however many raters it had (Fleiss 1971; the p_a of Gwet's AC1). None if no unit has two
    ratings.
    """
    return _percent(*_merged(counts))


def measure_agreement(counts: Counts, categories: Sequence[float] = SCORES) -> Agreement:
    """Ordinal alpha, AC2 with ordinal weights and percent agreement of one counts matrix."""
    rows, times = _merged(counts, categories)
    size = rows.sum(axis=1)
    overlapping = size >= 2
    used = (rows[overlapping] > 0).any(axis=0)
    reasons: tuple[str, ...] = ()
    if not size.any():
        reasons = (NO_RATINGS,)
    elif not overlapping.any():
        reasons = (NO_OVERLAP,)
    elif np.count_nonzero(used) == 1:
        reasons = (NO_VARIATION,)
    return Agreement(
        units=int(times[overlapping].sum()),
        ratings=int(times @ size),
        krippendorff_alpha=_alpha(rows, times, categories, "ordinal"),
        gwet_ac2=_gwet(rows, times, "ordinal"),
        percent_agreement=_percent(rows, times),
        reasons=reasons,
    )


# -- interval --


def interval_of_alpha(
    counts: Counts,
    groups: Sequence[Hashable] | pd.Index | npt.NDArray[Any],
    categories: Sequence[float] = SCORES,
    metric: Metric = "ordinal",
    rounds: int = 2000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of alpha that draws whole groups, as a rule questions.

    `groups` names the group of each row of `counts`. Each round draws as many groups as there are,
    with replacement, and computes alpha from the sums of the drawn groups; the interval lies
    between the (1 - level) / 2 and (1 + level) / 2 quantiles (Efron & Tibshirani, "An introduction
    to the bootstrap", 1993, chapter 13; linear interpolation). The seed, not the order of the rows,
    decides what is drawn.

    Rounds in which alpha is undefined are left out. None if fewer than half of the rounds remain,
    or if there are fewer than two groups, which leave nothing to draw.
    """
    if rounds < 1 or not 0 < level < 1:
        raise ValueError(f"rounds is {rounds} and level {level}: at least 1, and between 0 and 1.")
    alphas = bootstrap_alphas(counts, groups, categories, metric, rounds=rounds, seed=seed)
    return percentile_interval(alphas, rounds, level)


def percentile_interval(
    alphas: _Floats, rounds: int, level: float = 0.95
) -> tuple[float, float] | None:
    """The interval of what ``bootstrap_alphas`` returns; None where fewer than half of ``rounds``
    are among it, or there are too few rounds."""
    if rounds < MIN_ROUNDS or 2 * alphas.size < rounds:
        return None
    low, high = np.quantile(alphas, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def bootstrap_alphas(
    counts: Counts,
    groups: Sequence[Hashable] | pd.Index | npt.NDArray[Any],
    categories: Sequence[float] = SCORES,
    metric: Metric = "ordinal",
    *,
    rounds: int = 2000,
    seed: int = 0,
) -> _Floats:
    """Alpha of each round of ``interval_of_alpha`` in which it is defined; none of one group."""
    _check_choice("metric", metric, Metric)
    rows = _checked(counts, categories)
    sums = _sums_by_group(rows, groups)
    if len(sums) < 2:
        return np.empty(0)
    return np.concatenate(
        [
            _alphas(times @ sums, categories, metric)
            for times in draw_counts(len(sums), rounds, seed, max(1, _DRAWS_PER_BLOCK // len(sums)))
        ]
    )


def _sums_by_group(
    rows: _Integers, groups: Sequence[Hashable] | pd.Index | npt.NDArray[Any]
) -> _Floats:
    """Alpha's summands added up in each group, groups x columns, groups in sorted order."""
    if len(groups) != len(rows):
        raise ValueError(f"There are {len(groups)} groups for {len(rows)} units: one each.")
    labels = groups if isinstance(groups, pd.Index) else pd.Index(groups)
    group, _ = pd.factorize(labels, sort=True, use_na_sentinel=False)
    order = np.lexsort((*rows.T, group))
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    summands = _alpha_summands(rows[order])
    return np.add.reduceat(summands, starts, axis=0) if len(starts) else summands


# -- summands and what is made of their sums --


def _alpha(
    rows: _Integers, times: _Integers, categories: Sequence[float], metric: Metric
) -> float | None:
    _check_choice("metric", metric, Metric)
    alphas = _alphas((times @ _alpha_summands(rows))[None], categories, metric)
    return float(alphas[0]) if alphas.size else None


def _alpha_summands(rows: _Integers) -> _Floats:
    """What each unit adds to alpha's sums: q totals n_c, then the coincidences o_ck, c < k."""
    size = rows.sum(axis=1, keepdims=True)
    pairs = _products(rows) / np.maximum(size - 1, 1)
    return np.hstack([rows * (size >= 2), pairs])


def _alphas(sums: _Floats, categories: Sequence[float], metric: Metric) -> _Floats:
    """Alpha of each row of sums; a row for which it is undefined is left out."""
    totals, coincidences = np.split(sums, [len(categories)], axis=1)
    squared = _squared_differences(totals, categories, metric)
    observed = (coincidences * squared).sum(axis=1)
    expected = (_products(totals) * squared).sum(axis=1)
    defined = expected > 0
    pairable = totals[defined].sum(axis=1)
    return np.asarray(1 - (pairable - 1) * observed[defined] / expected[defined])


def _squared_differences(
    totals: _Floats, categories: Sequence[float], metric: Metric
) -> _Floats | float:
    """For each row of totals and each pair of categories; the ordinal one is between mid-ranks."""
    if metric == "nominal":
        return 1.0
    if metric == "interval":
        position = np.asarray(categories, dtype=np.float64)[None]
    else:
        position = np.cumsum(totals, axis=1) - totals / 2
    first, second = _pairs(len(categories))
    return np.asarray((position[:, second] - position[:, first]) ** 2)


def _gwet(rows: _Integers, times: _Integers, weights: Weights) -> float | None:
    size = rows.sum(axis=1)
    overlapping = int(times @ (size >= 2))
    if not overlapping:
        return None
    width = rows.shape[1]
    weight = _agreement_weights(width, weights)
    # A pair of raters in two categories stands here once, in the formula of p_a twice. What is
    # averaged is the disagreement 1 - p_a, so that perfect agreement gives 1 to the last bit.
    pairs = 2 * _products(rows) / np.maximum(size * (size - 1), 1)[:, None]
    disagreement = float((times @ pairs) @ (1 - weight[_pairs(width)])) / overlapping
    prevalence = (times @ (rows / size[:, None])) / int(times.sum())
    chance = float(weight.sum() * (prevalence * (1 - prevalence)).sum() / (width * (width - 1)))
    return 1 - disagreement / (1 - chance)


def _agreement_weights(width: int, weights: Weights) -> _Floats:
    rank = np.arange(width)
    steps = np.abs(rank[:, None] - rank)
    if weights == "identity":
        return np.eye(width)
    return np.asarray(1 - steps * (steps + 1) / (width * (width - 1)))


def _percent(rows: _Integers, times: _Integers) -> float | None:
    size = rows.sum(axis=1)
    overlapping = int(times @ (size >= 2))
    if not overlapping:
        return None
    agreeing = (rows * (rows - 1)).sum(axis=1) / np.maximum(size * (size - 1), 1)
    return float(times @ agreeing) / overlapping


def _pairs(width: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The pairs c < k of `width` categories."""
    return np.triu_indices(width, 1)


def _products(of_categories: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """x_c * x_k for each row and each pair of categories c < k."""
    first, second = _pairs(of_categories.shape[1])
    return np.asarray(of_categories[:, first] * of_categories[:, second])


# -- checks --


def _merged(
    counts: Counts, categories: Sequence[float] | None = None
) -> tuple[_Integers, _Integers]:
    """The distinct rows of a counts matrix, sorted, and how many units have each.

    Units that nobody rated are left out.
    """
    rated = _checked(counts, categories)
    rows, times = np.unique(rated[rated.any(axis=1)], axis=0, return_counts=True)
    return rows, times.astype(np.int64)


def _checked(counts: Counts, categories: Sequence[float] | None) -> _Integers:
    matrix = np.asarray(counts)
    if matrix.ndim != 2 or not np.issubdtype(matrix.dtype, np.integer):
        raise ValueError(
            f"counts has {matrix.ndim} axes of type {matrix.dtype}: it must be a matrix of "
            "integers, units x categories."
        )
    if matrix.size and matrix.min() < 0:
        raise ValueError(f"counts holds {matrix.min()}: nothing can be given a negative number.")
    if categories is not None:
        _check_categories(categories)
        if matrix.shape[1] != len(categories):
            raise ValueError(
                f"counts has {matrix.shape[1]} columns for {len(categories)} categories: one each."
            )
    return matrix.astype(np.int64)


def _check_categories(categories: Sequence[float]) -> None:
    values = np.asarray(categories, dtype=np.float64)
    if len(values) < 2 or not np.isfinite(values).all() or not (np.diff(values) > 0).all():
        raise ValueError(
            f"The categories are {tuple(categories)}: two or more numbers in rising order."
        )


def _check_choice(name: str, value: str, choices: object) -> None:
    allowed = get_args(choices)
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}: it must be one of {', '.join(allowed)}.")
