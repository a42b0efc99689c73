"""How raters agree in pairs, how reliable their mean is, and each with himself.

Weighted kappa: Cohen, "Weighted kappa" (1968), with squared differences of the ranks as weights.
ICC: Shrout & Fleiss, "Intraclass correlations" (1979), two-way random effects, absolute agreement.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import sparse

from medchat.evaluation.statistics.rating_matrix import Floats, Integers, Ratings
from medchat.scale import Scale

MOST_RATERS = 60
"""Up to which every pair is listed: more are more than two thousand pairs."""


@dataclass(frozen=True)
class Pair:
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


def who_rated(ratings: Ratings) -> list[str]:
    """The raters of whom there is a rating."""
    return [ratings.raters[index] for index in np.unique(ratings.rater)]


def pairs(ratings: Ratings, dimension: int) -> list[Pair]:
    """Every two raters who scored an answer in common; none for more than ``MOST_RATERS``."""
    if len(ratings.raters) > MOST_RATERS:
        return []
    width, count = len(ratings.scale.scores), len(ratings.raters)
    shape = len(ratings.unit_model), count
    chosen = [ratings.levels[:, dimension] == level for level in range(width)]
    given = [
        sparse.csr_array(
            (np.ones(int(rows.sum())), (ratings.unit[rows], ratings.rater[rows])), shape=shape
        )
        for rows in chosen
    ]
    tables = np.array([[(a.T @ b).toarray() for b in given] for a in given])
    found = []
    for a, b in combinations(range(count), 2):
        table = tables[:, :, a, b]
        if n := int(table.sum()):
            share = float(np.trace(table)) / n
            kappa = weighted_kappa(table)
            found.append(Pair(ratings.raters[a], ratings.raters[b], n, kappa, share))
    return found


def weighted_kappa(table: Floats | Integers) -> float | None:
    """Kappa of a square table of counts, weights (i - j)^2; None where chance leaves no difference.

    kappa = 1 - sum w_ij n_ij / sum w_ij n_i. n_.j / n
    """
    counts = np.asarray(table, dtype=np.float64)
    rank = np.arange(len(counts))
    weights = (rank[:, None] - rank) ** 2
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0))
    chance = float((weights * expected).sum())
    if not chance:
        return None
    return 1 - float((weights * counts).sum()) * float(counts.sum()) / chance


def reliability(ratings: Ratings, dimension: int) -> Reliability:
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
    place = np.full(len(size), -1)
    place[whole] = np.arange(n)
    rows = place[ratings.unit] >= 0
    table = np.empty((n, k))
    table[place[ratings.unit[rows]], rater[rows]] = ratings.scores[rows, dimension]
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


# -- each with himself --


def consistency(repeats: pd.DataFrame, scale: Scale) -> dict[str, object]:
    """How far raters gave an answer the same score twice.

    ``repeats`` has one row per answer that was shown to a rater twice: ``rater``, and for each
    dimension ``D`` and ``D_again``. The result holds for each dimension n, percent_agreement and
    weighted_kappa, and for each rater n and percent_agreement over all dimensions.
    """
    found: dict[str, object] = {}
    for dimension in scale.dimensions:
        table = _table(repeats, dimension, scale)
        n = int(table.sum())
        found[dimension] = {
            "n": n,
            "percent_agreement": float(np.trace(table)) / n if n else None,
            "weighted_kappa": weighted_kappa(table) if n else None,
        }
    found["raters"] = [
        {"rater": rater, "n": len(own), "percent_agreement": _equal_share(own, scale)}
        for rater, own in repeats.groupby("rater", sort=True)
    ]
    return found


def _table(repeats: pd.DataFrame, dimension: str, scale: Scale) -> Integers:
    index = pd.Index(scale.scores)
    first = index.get_indexer(pd.Index(repeats[dimension]))
    second = index.get_indexer(pd.Index(repeats[f"{dimension}_again"]))
    width = len(scale.scores)
    return np.bincount(first * width + second, minlength=width**2).reshape(width, width)


def _equal_share(own: pd.DataFrame, scale: Scale) -> float:
    equal = [(own[name] == own[f"{name}_again"]).mean() for name in scale.dimensions]
    return float(np.mean(equal))
