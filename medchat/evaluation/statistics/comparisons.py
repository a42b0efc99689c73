"""Whether models differ: tests on questions, whose scores are first averaged over raters.

Friedman's test over the questions for which every model has a score, then Wilcoxon's signed-rank
test for each two models (zeros as Pratt 1959 has them, normal approximation without continuity
correction), corrected after Holm 1979. Effect sizes: Kendall's W for Friedman, the matched-pairs
rank-biserial correlation (Kerby 2014) for Wilcoxon. Over n questions and k models, with R_j the sum
of the ranks of model j within its questions (and a divisor for ties, as scipy has it):

    chi2 = 12 / (n k (k + 1)) sum R_j^2 - 3 n (k + 1)        W = chi2 / (n (k - 1))
    r = (R+ - R-) / (R+ + R-), the sums of ranks of positive and negative differences

scipy and statsmodels do the computing. On means of scores, p is what scipy gives: 2.6 - 2.4 and
2.4 - 2.2 differ in the last bit there, and so in rank. ``p_tied`` is the same test with such
differences as the ties that they are; where the two disagree, a report says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from math import isnan

import numpy as np
import numpy.typing as npt

from medchat.evaluation.statistics.rating_matrix import Floats, RatingMatrix

EQUAL_DECIMALS = 10
"""Differences of means that agree in so many decimals are equal: such fractions lie farther apart
for up to hundreds of raters."""


@dataclass(frozen=True)
class Friedman:
    """``reason`` says why the figures are None."""

    statistic: float | None = None
    df: int | None = None
    p: float | None = None
    kendalls_w: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class PairTest:
    """``mean_difference`` is a minus b over ``n`` questions; ``effect_size`` is positive where a is
    better. ``p_tied`` is p with equal differences as ties, ``p_holm_tied`` that one corrected.
    ``reason`` says why the figures are None."""

    a: str
    b: str
    n: int
    mean_difference: float | None = None
    statistic: float | None = None
    p: float | None = None
    p_holm: float | None = None
    p_tied: float | None = None
    p_holm_tied: float | None = None
    effect_size: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """One dimension. ``left_out`` questions have no score for some model; on ``unmatched`` of the
    ``complete`` ones, some rater scored one model and not another."""

    complete: int
    left_out: int
    unmatched: int
    friedman: Friedman
    pairs: list[PairTest] = field(default_factory=list)


def compare(ratings: RatingMatrix, dimension: int) -> Comparison:
    """Test the models of one dimension against each other, pairs in the order of their names."""
    means = question_means(ratings, dimension)
    whole = np.isfinite(means).all(axis=1)
    complete = means[whole]
    order = sorted(range(len(ratings.models)), key=lambda index: ratings.models[index])
    pairs = [
        _pair(ratings.models[a], ratings.models[b], complete[:, a], complete[:, b])
        for a, b in combinations(order, 2)
    ]
    return Comparison(
        complete=len(complete),
        left_out=len(means) - len(complete),
        unmatched=int((whole & _unmatched(ratings)).sum()),
        friedman=_friedman(complete),
        pairs=_with_holm(pairs),
    )


def question_means(ratings: RatingMatrix, dimension: int) -> Floats:
    """Mean over raters of each question and model, ``[questions, models]``, NaN without any."""
    size, sums = ratings.sums()
    means = np.full((len(ratings.questions), len(ratings.models)), np.nan)
    rated = size > 0
    cells = ratings.unit_question[rated], ratings.unit_model[rated]
    means[cells] = sums[rated, dimension] / size[rated]
    return means


def _unmatched(ratings: RatingMatrix) -> npt.NDArray[np.bool_]:
    """Per question, whether a rater scored only some of the models there.

    Then the difference of two models' means holds a difference of raters too.
    """
    keys = ratings.question * len(ratings.raters) + ratings.rater
    pairs, models = np.unique(keys, return_counts=True)
    unmatched = np.zeros(len(ratings.questions), dtype=bool)
    unmatched[pairs[models < len(ratings.models)] // len(ratings.raters)] = True
    return unmatched


def _friedman(complete: Floats) -> Friedman:
    from scipy import stats

    questions, models = complete.shape
    if models < 3:
        return Friedman(reason="too_few_models")
    if questions < 2:
        return Friedman(reason="one_question")
    if (complete == complete[:, :1]).all():
        return Friedman(reason="all_equal")
    statistic, p = map(float, stats.friedmanchisquare(*complete.T))
    kendalls_w = statistic / (questions * (models - 1))
    return Friedman(statistic, models - 1, p, kendalls_w)


def _pair(a: str, b: str, first: Floats, second: Floats) -> PairTest:
    n = len(first)
    if not n:
        return PairTest(a, b, n, reason="too_few_questions")
    difference = first - second
    mean = float(difference.mean())
    tied = np.round(difference, EQUAL_DECIMALS)
    if not tied.any():
        return PairTest(a, b, n, mean, effect_size=0.0, reason="all_equal")
    statistic, p = _wilcoxon(difference)
    if isnan(p):
        return PairTest(a, b, n, mean, reason="too_few_questions")
    _, p_tied = _wilcoxon(tied)
    effect = _rank_biserial(tied)
    return PairTest(a, b, n, mean, statistic, p, p_tied=p_tied, effect_size=effect)


def _wilcoxon(difference: Floats) -> tuple[float, float]:
    """Statistic and p; p is NaN where ranks cannot tell."""
    from scipy import stats

    test = stats.wilcoxon(difference, zero_method="pratt", correction=False, method="asymptotic")
    return float(test.statistic), float(test.pvalue)


def _rank_biserial(difference: Floats) -> float:
    """(R+ - R-) / (R+ + R-), the sums of the ranks of positive and negative differences; zeros are
    left out, as Kerby has it."""
    from scipy import stats

    difference = difference[difference != 0]
    ranks = stats.rankdata(np.abs(difference))
    above, below = (float(ranks[side].sum()) for side in (difference > 0, difference < 0))
    return (above - below) / (above + below)


def _with_holm(pairs: Sequence[PairTest]) -> list[PairTest]:
    """Corrected for as many tests as were planned: a pair that is equal everywhere, which has no p
    of its own, counts as p = 1, so that the family does not depend on the data."""
    p_holm = _holm([1.0 if pair.p is None else pair.p for pair in pairs])
    p_holm_tied = _holm([1.0 if pair.p_tied is None else pair.p_tied for pair in pairs])
    return [
        pair if pair.p is None else replace(pair, p_holm=holm, p_holm_tied=tied)
        for pair, holm, tied in zip(pairs, p_holm, p_holm_tied, strict=True)
    ]


def _holm(p: Sequence[float]) -> list[float]:
    from statsmodels.stats.multitest import multipletests

    return [float(corrected) for corrected in multipletests(p, method="holm")[1]] if p else []
