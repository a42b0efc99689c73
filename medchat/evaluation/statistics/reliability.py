"""How raters agree in pairs, how reliable their mean is, and how each agrees with themselves.

Weighted kappa: Cohen, "Weighted kappa" (1968), with squared differences of the ranks as weights.
ICC: Shrout & Fleiss, "Intraclass correlations" (1979), two-way random effects, absolute agreement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from medchat.evaluation.statistics.rating_matrix import Floats, Integers, RatingMatrix
from medchat.scale import Scale

MAX_PAIRED_RATERS = 60
"""Above this no pairs are listed: they would be more than two thousand."""
KAPPA_NOISE = 1e-14
"""statsmodels divides several times, so that a kappa of 0 may come out as -2e-16."""


@dataclass(frozen=True)
class RaterPair:
    """Two raters on the ``n`` answers that both scored."""

    a: str
    b: str
    n: int
    weighted_kappa: float | None
    percent_agreement: float | None


@dataclass(frozen=True)
class Reliability:
    """ICC over the ``units`` that all ``raters`` scored; None says that it is not defined."""

    units: int
    raters: int
    icc_2_1: float | None
    icc_2_k: float | None

    @property
    def enough(self) -> bool:
        """Whether there are units and raters enough for an ICC."""
        return self.units >= 2 and self.raters >= 2


def active_raters(ratings: RatingMatrix) -> list[str]:
    """The raters of whom there is a rating."""
    return [ratings.raters[index] for index in np.unique(ratings.rater)]


def compare_raters(ratings: RatingMatrix, dimension: int) -> list[RaterPair]:
    """Every two raters with an answer in common; none of more than ``MAX_PAIRED_RATERS``."""
    from scipy import sparse

    if len(ratings.raters) > MAX_PAIRED_RATERS:
        return []
    width, count = len(ratings.scale.scores), len(ratings.raters)
    shape = len(ratings.unit_model), count
    chosen = [ratings.levels[:, dimension] == level for level in range(width)]
    scored = [
        sparse.csr_array(
            (np.ones(int(rows.sum())), (ratings.unit[rows], ratings.rater[rows])), shape=shape
        )
        for rows in chosen
    ]
    tables = np.array([[(a.T @ b).toarray() for b in scored] for a in scored])
    pairs = []
    for a, b in combinations(range(count), 2):
        table = tables[:, :, a, b]
        if n := int(table.sum()):
            share = float(np.trace(table)) / n
            kappa = weighted_kappa(table)
            pairs.append(RaterPair(ratings.raters[a], ratings.raters[b], n, kappa, share))
    return pairs


def weighted_kappa(table: Floats | Integers) -> float | None:
    """Kappa of a square table of counts, quadratic weights; None where all scores are equal, as
    chance then leaves no difference."""
    from statsmodels.stats.inter_rater import cohens_kappa

    if np.count_nonzero(table.sum(axis=0) + table.sum(axis=1)) < 2:
        return None
    kappa = float(cohens_kappa(table, wt="quadratic", return_results=False))
    return kappa if abs(kappa) > KAPPA_NOISE else 0.0


def measure_reliability(ratings: RatingMatrix, dimension: int) -> Reliability:
    """ICC(2,1) and ICC(2,k) over the units that every rater scored who scored anything.

    With n units, k raters and the mean squares of rows R, columns C and the rest E:

        ICC(2,1) = (R - E) / (R + (k - 1) E + k (C - E) / n)
        ICC(2,k) = (R - E) / (R + (C - E) / n)

    Shrout & Fleiss, "Intraclass correlations" (1979). A denominator estimates a variance: where it
    is not above 0, the figure is None.
    """
    present, rater = np.unique(ratings.rater, return_inverse=True)
    k = len(present)
    size = np.bincount(ratings.unit, minlength=len(ratings.unit_model))
    whole = np.flatnonzero(size == k)
    n = len(whole)
    if n < 2 or k < 2:
        return Reliability(n, k, None, None)
    position = np.full(len(size), -1)
    position[whole] = np.arange(n)
    rows = position[ratings.unit] >= 0
    table = np.empty((n, k))
    table[position[ratings.unit[rows]], rater[rows]] = ratings.scores[rows, dimension]
    return Reliability(n, k, *_icc(table))


def _icc(table: Floats) -> tuple[float | None, float | None]:
    n, k = table.shape
    centred = table - table.mean()
    of_rows, of_columns = centred.mean(axis=1), centred.mean(axis=0)
    rows = k * float(of_rows @ of_rows) / (n - 1)
    columns = n * float(of_columns @ of_columns) / (k - 1)
    rest = centred - of_rows[:, None] - of_columns
    error = float((rest**2).sum()) / ((n - 1) * (k - 1))
    single = rows + (k - 1) * error + k * (columns - error) / n
    mean = rows + (columns - error) / n
    tiny = 1e-12
    return (
        (rows - error) / single if single > tiny else None,
        (rows - error) / mean if mean > tiny else None,
    )


# -- consistency: each rater's two scores of the same answer --


@dataclass(frozen=True)
class RepeatAgreement:
    """The two scores of ``n`` repeated answers in one dimension."""

    n: int
    percent_agreement: float | None
    weighted_kappa: float | None


@dataclass(frozen=True)
class RaterConsistency:
    """``percent_agreement`` is over all dimensions."""

    rater: str
    n: int
    percent_agreement: float


@dataclass(frozen=True)
class Consistency:
    """How far raters gave an answer the same score twice, by dimension and by rater."""

    dimensions: Mapping[str, RepeatAgreement]
    raters: tuple[RaterConsistency, ...]


def measure_consistency(repeats: pd.DataFrame, scale: Scale) -> Consistency:
    """``repeats`` has a row per answer that was shown to a rater twice: ``rater``, and for each
    dimension ``D`` and ``D_again``."""
    return Consistency(
        dimensions={
            dimension: _repeat_agreement(_table(repeats, dimension, scale))
            for dimension in scale.dimensions
        },
        raters=tuple(
            RaterConsistency(str(rater), len(rows), _equal_share(rows, scale))
            for rater, rows in repeats.groupby("rater", sort=True)
        ),
    )


def _repeat_agreement(table: Integers) -> RepeatAgreement:
    n = int(table.sum())
    share = float(np.trace(table)) / n if n else None
    return RepeatAgreement(n, share, weighted_kappa(table))


def _table(repeats: pd.DataFrame, dimension: str, scale: Scale) -> Integers:
    index = pd.Index(scale.scores)
    first = index.get_indexer(pd.Index(repeats[dimension]))
    second = index.get_indexer(pd.Index(repeats[f"{dimension}_again"]))
    width = len(scale.scores)
    return np.bincount(first * width + second, minlength=width**2).reshape(width, width)


def _equal_share(rows: pd.DataFrame, scale: Scale) -> float:
    equal = [(rows[name] == rows[f"{name}_again"]).mean() for name in scale.dimensions]
    return float(np.mean(equal))
