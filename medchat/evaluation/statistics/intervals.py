"""Bootstrap intervals of means: whole questions are drawn anew, and raters too where asked.

Percentile intervals (Efron & Tibshirani, "An introduction to the bootstrap", 1993, chapter 13).
Ratings of one question hang together, so single ratings are never drawn. Drawing questions and
raters independently is the pigeonhole bootstrap (Owen, "The pigeonhole bootstrap", Annals of
Applied Statistics 1, 2007), which errs on the wide side.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from medchat.evaluation.statistics.rating_matrix import Floats, Integers, RatingMatrix

LEVEL = 0.95
MIN_ROUNDS = 40
"""With fewer, one round is more than the 2.5 % that lie beyond an end of the interval."""
DRAWS_PER_BLOCK = 4_000_000


class MeanIntervals(NamedTuple):
    """``ends`` is ``[models, dimensions, 2]``, NaN where there is no interval. ``rounds`` is the
    number of rounds that each model's intervals rest on; 0 where nothing could be drawn."""

    ends: Floats
    rounds: Integers


def mean_intervals(
    ratings: RatingMatrix, rounds: int = 2000, seed: int = 0, raters_too: bool = False
) -> MeanIntervals:
    """The interval of every mean.

    There is none for a model with fewer than two questions (or, with ``raters_too``, raters), as
    nothing can be drawn; none where all of a model's scores are equal, as every round gives that
    score, however few they are; and none of fewer than ``MIN_ROUNDS``. Rounds in which a model is
    not drawn at all are left out, and where that is more than half of them, there is no interval.
    All models share their rounds. The seed, not the order of rows, decides what is drawn.
    """
    models, dimensions = len(ratings.models), len(ratings.scale.dimensions)
    ends = np.full((models, dimensions, 2), np.nan)
    used_rounds = np.zeros(models, dtype=np.int64)
    if not len(ratings) or rounds < MIN_ROUNDS:
        return MeanIntervals(ends, used_rounds)
    resample = _resample_both if raters_too else _resample_questions
    means = np.concatenate(list(resample(ratings, rounds, seed)))
    tail = (1 - LEVEL) / 2
    for model in range(models):
        if not _enough(ratings, model, raters_too):
            continue
        model_means = means[:, model][np.isfinite(means[:, model, 0])]
        used_rounds[model] = len(model_means)
        if 2 * len(model_means) >= rounds:
            ends[model] = np.quantile(model_means, [tail, 1 - tail], axis=0).T
        ends[model, ~_varied(ratings, model)] = np.nan
    return MeanIntervals(ends, used_rounds)


def _enough(ratings: RatingMatrix, model: int, raters_too: bool) -> bool:
    rows = ratings.model == model
    sizes = [len(np.unique(ratings.question[rows]))]
    if raters_too:
        sizes.append(len(np.unique(ratings.rater[rows])))
    return min(sizes) >= 2


def _varied(ratings: RatingMatrix, model: int) -> npt.NDArray[np.bool_]:
    """Per dimension, whether a model's scores differ at all."""
    levels = ratings.levels[ratings.model == model]
    return np.asarray((levels != levels[0]).any(axis=0))


def draw_counts(n: int, rounds: int, seed: int, per_block: int) -> Iterator[Floats]:
    """How often each of ``n`` things is drawn in each round, ``[rounds of a block, n]``."""
    generator = np.random.default_rng(seed)
    for start in range(0, rounds, per_block):
        size = min(per_block, rounds - start)
        cells = generator.integers(n, size=(size, n))
        cells += np.arange(size)[:, None] * n
        times = np.bincount(cells.ravel(), minlength=size * n).reshape(size, n)
        yield times.astype(np.float64)


def _resample_questions(ratings: RatingMatrix, rounds: int, seed: int) -> Iterator[Floats]:
    """Means ``[rounds of a block, models, dimensions]``."""
    questions, models = len(ratings.questions), len(ratings.models)
    size, sums = ratings.sums()
    dimensions = sums.shape[1]
    parts = np.zeros((questions, models, 1 + dimensions))
    parts[ratings.unit_question, ratings.unit_model, 0] = size
    parts[ratings.unit_question, ratings.unit_model, 1:] = sums
    flat = parts.reshape(questions, -1)
    for times in draw_counts(questions, rounds, seed, max(1, DRAWS_PER_BLOCK // questions)):
        totals = (times @ flat).reshape(len(times), models, 1 + dimensions)
        yield _ratio(totals[..., 1:], totals[..., :1])


def _resample_both(ratings: RatingMatrix, rounds: int, seed: int) -> Iterator[Floats]:
    questions, raters = len(ratings.questions), len(ratings.raters)
    block = max(1, DRAWS_PER_BLOCK // max(questions, raters))
    scores = ratings.scores
    tables = [
        [
            _table(ratings, ratings.model == model, weights)
            for weights in (np.ones(len(ratings), np.int64), *scores.T)
        ]
        for model in range(len(ratings.models))
    ]
    rounds_of_both = zip(
        draw_counts(questions, rounds, seed, block),
        draw_counts(raters, rounds, seed + 1, block),
        strict=True,
    )
    for of_questions, of_raters in rounds_of_both:
        totals = [
            [((of_questions @ table) * of_raters).sum(axis=1) for table in of_model]
            for of_model in tables
        ]
        sums = np.moveaxis(np.asarray(totals), 2, 0)
        yield _ratio(sums[..., 1:], sums[..., :1])


def _table(ratings: RatingMatrix, rows: npt.NDArray[np.bool_], weights: Integers) -> Any:
    """Sums of ``weights`` over the ratings of one model, questions x raters, sparse."""
    from scipy import sparse

    cells = ratings.question[rows], ratings.rater[rows]
    shape = len(ratings.questions), len(ratings.raters)
    return sparse.csr_array((weights[rows].astype(np.float64), cells), shape=shape)


def _ratio(sums: Floats, sizes: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(sizes > 0, sums / sizes, np.nan))
