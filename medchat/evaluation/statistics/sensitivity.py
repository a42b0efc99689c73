"""What the means depend on besides the model: the same table for parts of the ratings.

A part is left out where its column is missing: a score CSV does not hold how long an answer was,
nor which ratings settled a dispute.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from medchat.evaluation.statistics.rating_matrix import Integers, RatingMatrix, tally

PARTS = ("shown_position", "answer_length", "rater", "specialty", "category")
"""By what ratings are divided. Answer lengths (characters) are divided into thirds."""
WITHOUT = ("rater_flagged", "adjudicated")
"""Columns that are true for ratings whose absence is looked at."""
NAMES = {
    "shown_position": ("place on screen", "显示位置"),
    "answer_length": ("length of the answer (characters)", "回答长度（字符）"),
    "rater": ("rater", "评分者"),
    "specialty": ("specialty", "专业"),
    "category": ("category of the question", "题目类别"),
    "rater_flagged": ("raters who show signs of haste", "有草率评分迹象的评分者"),
    "adjudicated": ("ratings that settled a dispute", "裁定评分"),
}
"""What ``PARTS`` and ``WITHOUT`` are called in English and Chinese."""
MAX_GROUPS = 200
MAX_POSITION = 10**6

Reason = Literal[
    "no_column", "empty", "too_many_groups", "lengths_incomplete", "too_few_lengths", "nothing_left"
]


@dataclass(frozen=True)
class GroupMeans:
    """The mean of each dimension of one model within one group of ratings.

    ``by`` is one of ``PARTS``, or ``without_`` and one of ``WITHOUT``, whose only group is
    everything else (``none`` where nothing was left out).
    """

    by: str
    group: str
    model: str
    n_ratings: int
    means: Mapping[str, float]


@dataclass(frozen=True)
class Sensitivity:
    """``omitted`` says of each key of ``NAMES`` without a row why it has none."""

    rows: tuple[GroupMeans, ...]
    omitted: Mapping[str, Reason]


def measure_sensitivity(frame: pd.DataFrame, ratings: RatingMatrix) -> Sensitivity:
    """Means per model of each part of the ratings; ``frame`` has the rows of ``ratings``."""
    rows: list[GroupMeans] = []
    omitted: dict[str, Reason] = {}
    for name in NAMES:
        if name not in frame:
            omitted[name] = "no_column"
            continue
        groups = _remainder(frame[name]) if name in WITHOUT else _groups(frame[name], name)
        if isinstance(groups, str):
            omitted[name] = groups
        else:
            by = f"without_{name}" if name in WITHOUT else name
            rows += _group_means(ratings, by, *groups)
    return Sensitivity(tuple(rows), omitted)


def is_true(column: "pd.Series[Any]") -> npt.NDArray[np.bool_]:
    """Which cells say yes: true, 1 or the like, also as text; an empty one does not."""
    text = column.astype(str).str.strip().str.lower()
    return np.asarray(text.isin(("true", "1", "1.0", "yes", "是")), dtype=bool)


_Groups = tuple[Integers, list[str]]
"""The index of each rating's group (-1: in none), and the groups' names."""


def _groups(column: "pd.Series[Any]", name: str) -> _Groups | Reason:
    if name == "answer_length":
        return _thirds(pd.to_numeric(column, errors="coerce"))
    text = column.fillna("").astype(str).str.strip()
    number = pd.to_numeric(text, errors="coerce") if name == "shown_position" else None
    codes, names = pd.factorize(text, sort=True)
    if number is not None and (number % 1 == 0).all() and number.abs().max() < MAX_POSITION:
        codes, values = pd.factorize(number.astype(int), sort=True)
        names = pd.Index([str(value) for value in values])
    if not any(names):
        return "empty"
    if len(names) > MAX_GROUPS:
        return "too_many_groups"
    return codes.astype(np.int64), [str(name) for name in names]


def _thirds(length: "pd.Series[float]") -> _Groups | Reason:
    finite = np.isfinite(length)
    if not finite.any():
        return "empty"
    if not finite.all():
        return "lengths_incomplete"
    if length.nunique() < 3:
        return "too_few_lengths"
    low, high = np.floor(np.quantile(length.to_numpy(), [1 / 3, 2 / 3]))
    group = (length > low).astype(np.int64) + (length > high).astype(np.int64)
    names = [f"≤ {low:.0f}", f"{low + 1:.0f}–{high:.0f}", f"> {high:.0f}"]
    return group.to_numpy(), names


def _remainder(column: "pd.Series[Any]") -> _Groups | Reason:
    dropped = is_true(column)
    if dropped.all():
        return "nothing_left"
    return np.where(dropped, -1, 0), ["" if dropped.any() else "none"]


def _group_means(
    ratings: RatingMatrix, by: str, group: Integers, names: list[str]
) -> Iterator[GroupMeans]:
    grouped = group >= 0
    part, models = ratings.only(grouped), len(ratings.models)
    cell = group[grouped] * models + part.model
    cells = len(names) * models
    size = np.bincount(cell, minlength=cells)
    counts = [
        tally(cell, part.levels[:, index], cells, len(ratings.scale.scores))
        for index in range(len(ratings.scale.dimensions))
    ]
    scores = np.asarray(ratings.scale.scores)
    for index in np.flatnonzero(size).tolist():
        group_index, model = divmod(index, models)
        n = int(size[index])
        means = [float(count[index] @ scores) / n for count in counts]
        yield GroupMeans(
            by=by,
            group=names[group_index],
            model=ratings.models[model],
            n_ratings=n,
            means=dict(zip(ratings.scale.dimensions, means, strict=True)),
        )
