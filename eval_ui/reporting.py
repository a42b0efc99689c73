"""A study's report as pages and downloads need it: made from what is stored at that moment.

Everything goes through the score CSV, so that the page, the files and ``medchat report`` on the
downloaded CSV tell the same numbers.
"""

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import pandas as pd

from medchat.evaluation.bundle import Inputs
from storage import (
    Store,
    Study,
    answers_with_references,
    repeated_scores,
    report_extras,
    score_csv_bytes,
    score_rows,
)

KEPT = 8
"""Reports that are kept: looking at one again, or downloading it, takes no second computation."""

Report = dict[str, Any]


@dataclass(frozen=True)
class Filters:
    """Which ratings count; empty: all of them."""

    specialties: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    raters: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.specialties or self.categories or self.raters)

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of ``frame`` that count."""
        for column, wanted in (
            ("specialty", self.specialties),
            ("category", self.categories),
            ("rater", self.raters),
        ):
            if wanted:
                frame = frame[frame[column].isin(wanted)]
        return frame


@dataclass(frozen=True)
class Made:
    """A report with the ratings behind it; ``frame`` holds all of them, also those left out."""

    frame: pd.DataFrame
    report: Report


@dataclass
class Reports:
    """The reports of one database."""

    store: Store
    _made: "OrderedDict[str, Made]" = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def inputs(self, study: Study) -> Inputs:
        """What a study's report is made from. Until it is unblinded, models are letters in it."""
        return Inputs(
            scores=score_csv_bytes(score_rows(self.store, study.id)),
            reference=tuple(json.loads(study.reference_rows)),
            extras=report_extras(self.store, study.id),
            repeats=repeated_scores(self.store, study.id),
            answers=answers_with_references(self.store, study.id),
        )

    def made(self, study: Study, filters: Filters | None = None) -> Made | None:
        """The report over the ratings that ``filters`` leave; None where there are none."""
        inputs, filters = self.inputs(study), filters or Filters()
        if inputs.extras.empty:
            return None
        key = _key(inputs, filters)
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        frame = inputs.frame()
        counted = filters.rows(frame)
        if counted.empty:
            return None
        made = Made(frame, inputs.report(counted.reset_index(drop=True)))
        with self._lock:
            self._made[key] = made
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
        return made


def _key(inputs: Inputs, filters: Filters) -> str:
    digest = hashlib.sha256(inputs.scores)
    frames = (inputs.extras, inputs.repeats, inputs.answers)
    for part in (*(frame.to_csv() for frame in frames), inputs.reference, filters):
        digest.update(repr(part).encode())
    return digest.hexdigest()
