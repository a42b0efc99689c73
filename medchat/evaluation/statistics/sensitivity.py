"""What the means depend on besides the model: the same table for parts of the ratings.

A part is left out where its column is: a score CSV says nothing about how long an answer was, and
nothing about which ratings settled a dispute.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from medchat.evaluation.statistics.rating_matrix import Integers, Ratings, tally

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
MOST_GROUPS = 200
LARGEST_PLACE = 10**6

Entry = dict[str, Any]


def sensitivity(frame: pd.DataFrame, ratings: Ratings) -> list[Entry]:
    """For each part its means per model: ``by``, ``group``, ``model``, ``n_ratings``, dimensions.

    ``frame`` has the rows of ``ratings``. ``by`` is one of ``PARTS``, or ``without_`` and one of
    ``WITHOUT``, whose only group is everything else.
    """
    found: list[Entry] = []
    for by in PARTS:
        if by in frame and (groups := _groups(frame, by)) is not None:
            found += _entries(ratings, by, *groups)
    for column in WITHOUT:
        if column in frame:
            dropped = is_true(frame[column])
            group = np.where(dropped, -1, 0)
            name = "" if dropped.any() else "none"
            found += _entries(ratings, f"without_{column}", group, [name])
    return found


def is_true(column: "pd.Series[Any]") -> npt.NDArray[np.bool_]:
    """Which cells say yes: true, 1 or the like, also as text; an empty one does not."""
    text = column.astype(str).str.strip().str.lower()
    return np.asarray(text.isin(("true", "1", "1.0", "yes", "是")), dtype=bool)


def missing(frame: pd.DataFrame) -> list[str]:
    """Keys of ``NAMES`` that cannot be looked at, because the frame lacks the column."""
    return [name for name in NAMES if name not in frame]


def _groups(frame: pd.DataFrame, by: str) -> tuple[Integers, list[str]] | None:
    column = frame[by]
    if by == "answer_length":
        return _thirds(pd.to_numeric(column, errors="coerce"))
    text = column.fillna("").astype(str).str.strip()
    number = pd.to_numeric(text, errors="coerce") if by == "shown_position" else None
    codes, names = pd.factorize(text, sort=True)
    if number is not None and (number % 1 == 0).all() and number.abs().max() < LARGEST_PLACE:
        codes, values = pd.factorize(number.astype(int), sort=True)
        names = pd.Index([str(value) for value in values])
    known = [name for name in names if name]
    if not known or len(names) > MOST_GROUPS:
        return None
    return codes.astype(np.int64), [str(name) for name in names]


def _thirds(length: "pd.Series[float]") -> tuple[Integers, list[str]] | None:
    if not np.isfinite(length).all() or length.nunique() < 3:
        return None
    low, high = np.floor(np.quantile(length.to_numpy(), [1 / 3, 2 / 3]))
    group = (length > low).astype(np.int64) + (length > high).astype(np.int64)
    names = [f"≤ {low:.0f}", f"{low + 1:.0f}–{high:.0f}", f"> {high:.0f}"]
    return group.to_numpy(), names


def _entries(ratings: Ratings, by: str, group: Integers, names: list[str]) -> Iterator[Entry]:
    kept = group >= 0
    part, models = ratings.only(kept), len(ratings.models)
    cell = group[kept] * models + part.model
    cells = len(names) * models
    size = np.bincount(cell, minlength=cells)
    counts = [
        tally(cell, part.levels[:, index], cells, len(ratings.scale.scores))
        for index in range(len(ratings.scale.dimensions))
    ]
    scores = np.asarray(ratings.scale.scores)
    for place in np.flatnonzero(size):
        of_group, model = divmod(int(place), models)
        yield {
            "by": by,
            "group": names[of_group],
            "model": ratings.models[model],
            "n_ratings": int(size[place]),
            **{
                dimension: float(counts[index][place] @ scores) / int(size[place])
                for index, dimension in enumerate(ratings.scale.dimensions)
            },
        }
