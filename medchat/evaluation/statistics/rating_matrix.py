"""Ratings as numbers: every model, question, rater and answer of a frame by an index.

What is counted over a million rows is counted on these. Indices follow the sorted names, so that
the order of rows changes no figure, not even in its last bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from medchat.scale import Scale

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RatingMatrix:
    """``n`` ratings; a unit is the answer of one model to one question.

    ``model``, ``question``, ``rater`` and ``unit`` are ``[n]`` indices; ``levels`` is
    ``[n, dimensions]``, the index of each score in ``scale.scores``. ``unit_model`` and
    ``unit_question`` say what each unit is. ``models`` are in the order in which a report
    shows them: that of their first rows.
    """

    scale: Scale
    models: tuple[str, ...]
    questions: tuple[tuple[str, ...], ...]
    raters: tuple[str, ...]
    model: Integers
    question: Integers
    rater: Integers
    unit: Integers
    unit_model: Integers
    unit_question: Integers
    levels: Integers

    def __len__(self) -> int:
        return len(self.model)

    @property
    def scores(self) -> Integers:
        """``[n, dimensions]``."""
        return np.asarray(self.scale.scores)[self.levels]

    def counts(self, dimension: int) -> Integers:
        """How many raters gave each unit each score: ``[units, scores]``."""
        return tally(self.unit, self.levels[:, dimension], len(self.unit_model), self._width)

    def sums(self) -> tuple[Integers, Integers]:
        """Of each unit the number of ratings, and the sum of its scores ``[units, dimensions]``."""
        size = np.bincount(self.unit, minlength=len(self.unit_model))
        sums = [
            self.counts(dimension) @ np.asarray(self.scale.scores)
            for dimension in range(len(self.scale.dimensions))
        ]
        return size, np.stack(sums, axis=1)

    def only(self, rows: npt.NDArray[np.bool_]) -> "RatingMatrix":
        """The ratings at ``rows``, with the same models, questions, raters and units."""
        return replace(
            self,
            model=self.model[rows],
            question=self.question[rows],
            rater=self.rater[rows],
            unit=self.unit[rows],
            levels=self.levels[rows],
        )

    @property
    def _width(self) -> int:
        return len(self.scale.scores)


def encode_ratings(frame: pd.DataFrame, scale: Scale) -> RatingMatrix:
    """Encode a frame with one row per rating, as ``read_ratings`` gives it.

    Raises ValueError where a score is not one of the scale's, or a rater scored an answer twice.
    """
    model, models = _codes(frame["model"])
    rater, raters = _codes(frame["rater"])
    keys = [_codes(frame[key]) for key in ("study", "question_id") if key in frame]
    question, questions = _joined(keys)
    pair = question * max(len(models), 1) + model
    unit_keys, unit = np.unique(pair, return_inverse=True)
    _refuse_second_scores(frame, unit * max(len(raters), 1) + rater)
    levels = [_levels(frame[dimension], scale.scores) for dimension in scale.dimensions]
    order = np.argsort([_first(model, index) for index in range(len(models))], kind="stable")
    position = np.empty_like(order)
    position[order] = np.arange(len(order))
    unit_question, unit_model = np.divmod(unit_keys, max(len(models), 1))
    return RatingMatrix(
        scale=scale,
        models=tuple(models[index] for index in order),
        questions=questions,
        raters=tuple(raters),
        model=position[model] if len(model) else model,
        question=question,
        rater=rater,
        unit=unit.astype(np.int64),
        unit_model=position[unit_model] if len(unit_model) else unit_model,
        unit_question=unit_question,
        levels=np.stack(levels, axis=1) if levels else np.zeros((len(frame), 0), np.int64),
    )


def tally(first: Integers, second: Integers, height: int, width: int) -> Integers:
    """How often each pair of indices occurs: ``[height, width]``."""
    cells = np.bincount(first * width + second, minlength=height * width)
    return np.asarray(cells.reshape(height, width), dtype=np.int64)


def _codes(column: "pd.Series[Any]") -> tuple[Integers, list[str]]:
    codes, names = pd.factorize(column.astype(str), sort=True)
    return codes.astype(np.int64), [str(name) for name in names]


def _joined(
    keys: Sequence[tuple[Integers, list[str]]],
) -> tuple[Integers, tuple[tuple[str, ...], ...]]:
    """One index for several keys together, and what each stands for."""
    joined = np.zeros(len(keys[0][0]), dtype=np.int64)
    for codes, names in keys:
        joined = joined * max(len(names), 1) + codes
    combined, index = np.unique(joined, return_inverse=True)
    parts = []
    for _, names in reversed(keys):
        combined, codes = np.divmod(combined, max(len(names), 1))
        parts.append([names[code] for code in codes])
    return index.astype(np.int64), tuple(zip(*reversed(parts), strict=True))


def _first(codes: Integers, index: int) -> int:
    return int(np.argmax(codes == index))


def _levels(column: "pd.Series[Any]", scores: Sequence[int]) -> Integers:
    levels = pd.Index(scores).get_indexer(pd.Index(column))
    if (levels < 0).any():
        value = column[levels < 0].iloc[0]
        raise ValueError(f"{column.name} holds {value!r}, which is none of the scores {scores}.")
    return levels.astype(np.int64)


def _refuse_second_scores(frame: pd.DataFrame, answers: Integers) -> None:
    ordered = np.sort(answers)
    if not (ordered[1:] == ordered[:-1]).any():
        return
    row = frame[pd.Series(answers, index=frame.index).duplicated()].iloc[0]
    raise ValueError(
        f"Rater {row['rater']!r} scored question {row['question_id']!r} of model "
        f"{row['model']!r} more than once."
    )
