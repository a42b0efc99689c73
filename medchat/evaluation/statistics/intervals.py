"""Bootstrap intervals of means: whole questions are drawn anew, and raters too where asked.

Percentile intervals (Efron & Tibshirani, "An introduction to the bootstrap", 1993, chapter 13).
Ratings of one question hang together, so a rating is never drawn by itself. Drawing questions and
raters independently is the pigeonhole bootstrap (Owen, "The pigeonhole bootstrap", Annals of
Applied Statistics 1, 2007), which errs on the wide side.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from medchat.evaluation.statistics.rating_matrix import Floats, Integers, Ratings

LEVEL = 0.95
LEAST_ROUNDS = 40
"""With fewer, one round is more than the 2.5 % that lie beyond an end of the interval."""
DRAWS_PER_BLOCK = 4_000_000


class MeanIntervals(NamedTuple):
    """``ends`` is ``[models, dimensions, 2]``, NaN where there is no interval; ``rounds`` says of
    each model how many rounds its intervals rest on; 0: nothing could be drawn."""

    ends: Floats
    rounds: Integers


def mean_intervals(
    ratings: Ratings, rounds: int = 2000, seed: int = 0, raters_too: bool = False
) -> MeanIntervals:
    """The interval of every mean.

    There is none for a model with fewer than two questions (or, with ``raters_too``, raters), as
    nothing can be drawn; none where all of a model's scores are equal, as every round gives that
    score, however few they are; and none of fewer than ``LEAST_ROUNDS``. Rounds in which a model is
    not drawn at all are left out, and where that is more than half of them, there is no interval.
    All models share their rounds. The seed, not the order of rows, decides what is drawn.
    """
    models, dimensions = len(ratings.models), len(ratings.scale.dimensions)
    found = np.full((models, dimensions, 2), np.nan)
    rested = np.zeros(models, dtype=np.int64)
    if not len(ratings) or rounds < LEAST_ROUNDS:
        return MeanIntervals(found, rested)
    drawn = _both_drawn if raters_too else _questions_drawn
    means = np.concatenate(list(drawn(ratings, rounds, seed)))
    tail = (1 - LEVEL) / 2
    for model in range(models):
        if not _enough(ratings, model, raters_too):
            continue
        own = means[:, model][np.isfinite(means[:, model, 0])]
        rested[model] = len(own)
        if 2 * len(own) >= rounds:
            found[model] = np.quantile(own, [tail, 1 - tail], axis=0).T
        found[model, ~_varied(ratings, model)] = np.nan
    return MeanIntervals(found, rested)


def _enough(ratings: Ratings, model: int, raters_too: bool) -> bool:
    rows = ratings.model == model
    sizes = [len(np.unique(ratings.question[rows]))]
    if raters_too:
        sizes.append(len(np.unique(ratings.rater[rows])))
    return min(sizes) >= 2


def _varied(ratings: Ratings, model: int) -> npt.NDArray[np.bool_]:
    """Per dimension, whether a model's scores differ at all."""
    levels = ratings.levels[ratings.model == model]
    return np.asarray((levels != levels[0]).any(axis=0))


def drawn_times(things: int, rounds: int, seed: int, per_block: int) -> Iterator[Floats]:
    """How often each of ``things`` is drawn in each round, ``[rounds of a block, things]``."""
    generator = np.random.default_rng(seed)
    for start in range(0, rounds, per_block):
        size = min(per_block, rounds - start)
        drawn = generator.integers(things, size=(size, things))
        drawn += np.arange(size)[:, None] * things
        times = np.bincount(drawn.ravel(), minlength=size * things).reshape(size, things)
        yield times.astype(np.float64)


def _questions_drawn(ratings: Ratings, rounds: int, seed: int) -> Iterator[Floats]:
    """Means ``[rounds of a block, models, dimensions]``."""
    questions, models = len(ratings.questions), len(ratings.models)
    size, sums = ratings.sums()
    dimensions = sums.shape[1]
    parts = np.zeros((questions, models, 1 + dimensions))
    parts[ratings.unit_question, ratings.unit_model, 0] = size
    parts[ratings.unit_question, ratings.unit_model, 1:] = sums
    flat = parts.reshape(questions, -1)
    for times in drawn_times(questions, rounds, seed, max(1, DRAWS_PER_BLOCK // questions)):
        totals = (times @ flat).reshape(len(times), models, 1 + dimensions)
        yield _ratio(totals[..., 1:], totals[..., :1])


def _both_drawn(ratings: Ratings, rounds: int, seed: int) -> Iterator[Floats]:
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
    drawn = zip(
        drawn_times(questions, rounds, seed, block),
        drawn_times(raters, rounds, seed + 1, block),
        strict=True,
    )
    for of_questions, of_raters in drawn:
        totals = [
            [((of_questions @ table) * of_raters).sum(axis=1) for table in of_model]
            for of_model in tables
        ]
        found = np.moveaxis(np.asarray(totals), 2, 0)
        yield _ratio(found[..., 1:], found[..., :1])


def _table(ratings: Ratings, rows: npt.NDArray[np.bool_], weights: Integers) -> Any:
    """Sums of ``weights`` over the ratings of one model, questions x raters, sparse."""
    places = ratings.question[rows], ratings.rater[rows]
    shape = len(ratings.questions), len(ratings.raters)
    return sparse.csr_array((weights[rows].astype(np.float64), places), shape=shape)


def _ratio(sums: Floats, sizes: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(sizes > 0, sums / sizes, np.nan))
