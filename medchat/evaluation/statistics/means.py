"""The figures of the paper's Table 4: pure functions on a frame with one row per rating.

A frame needs the columns `question_id`, `model`, `safety`, `usability` and `fluency` (scores as
whole numbers from 1 to 3); a `study` column, where there is one, keeps apart questions of the same
id. Everything is computed from integer counts, so equal data give equal figures to the last bit.
Knows nothing about files and about how a figure is shown.
"""

import math

import numpy as np
import pandas as pd

from medchat.evaluation.statistics.rating_matrix import RatingMatrix, encode_ratings, tally
from medchat.scale import SUS, Scale


def table4(
    frame: pd.DataFrame, scale: Scale = SUS, ratings: RatingMatrix | None = None
) -> pd.DataFrame:
    """One row per model, in the order in which the models first appear.

    Columns: `n_ratings`, `n_questions`, and for each dimension `D_mean`, `D_sd` (over ratings,
    n - 1 in the denominator; NaN for a single rating), `D_count_S` and `D_share_S` (from 0 to 1)
    for each score S. `ratings` is the frame as `encode_ratings` gives it, where that is at hand.
    """
    coded = ratings or encode_ratings(frame, scale)
    models, width = len(coded.models), len(scale.scores)
    columns: dict[str, object] = {
        "n_ratings": np.bincount(coded.model, minlength=models),
        "n_questions": np.bincount(coded.unit_model, minlength=models),
    }
    for index, dimension in enumerate(scale.dimensions):
        counts = tally(coded.model, coded.levels[:, index], models, width).tolist()
        figures = [dict(zip(scale.scores, of_model, strict=True)) for of_model in counts]
        columns[f"{dimension}_mean"] = [_mean(count) for count in figures]
        columns[f"{dimension}_sd"] = [_standard_deviation(count) for count in figures]
        for score in scale.scores:
            columns[f"{dimension}_count_{score}"] = [count[score] for count in figures]
        for score in scale.scores:
            columns[f"{dimension}_share_{score}"] = [
                count[score] / sum(count.values()) for count in figures
            ]
    return pd.DataFrame(columns, index=pd.Index(coded.models, name="model"))


def _mean(count: dict[int, int]) -> float:
    return sum(score * times for score, times in count.items()) / sum(count.values())


def _standard_deviation(count: dict[int, int]) -> float:
    n = sum(count.values())
    if n < 2:
        return math.nan
    total = sum(score * times for score, times in count.items())
    squares = sum(score**2 * times for score, times in count.items())
    return math.sqrt((n * squares - total**2) / (n * (n - 1)))
