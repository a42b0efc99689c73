"""A study's report as pages and downloads need it: made from what is stored at that moment.

Everything goes through the score CSV, so that the page, the files and ``medchat report`` on the
downloaded CSV tell the same numbers.
"""

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

import pandas as pd

from eval_ui.guide import default_guide
from eval_ui.texts import LANGUAGES
from medchat.evaluation.bundle import Inputs
from medchat.evaluation.conduct import Conduct
from storage import ReportData, Store, Study, report_data

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

    def counts(self, specialty: str, category: str, rater: str) -> bool:
        """Whether a rating counts; texts as in the columns of the same names."""
        pairs = (
            (specialty, self.specialties),
            (category, self.categories),
            (rater, self.raters),
        )
        return all(not wanted or value in wanted for value, wanted in pairs)

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
    """A report with what it is made from; ``frame`` holds all ratings, also those left out."""

    inputs: Inputs
    frame: pd.DataFrame
    report: Report


class Reports:
    """The reports of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._made: OrderedDict[str, Made] = OrderedDict()
        self._lock = Lock()

    def made(self, study: Study, filters: Filters | None = None) -> Made | None:
        """The report over the ratings that ``filters`` leave; None where there are none.

        Until a study is unblinded, its models are letters.
        """
        data, filters = report_data(self._store, study.id), filters or Filters()
        if data.extras.empty:
            return None
        key = _key(data, study, filters)
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        reference = tuple(json.loads(study.reference_rows))
        inputs = Inputs(
            data.scores,
            reference=reference,
            extras=data.extras,
            repeats=data.repeats,
            answers=data.answers,
            conduct=_conduct(data),
        )
        frame = inputs.frame()
        counted = filters.rows(frame)
        if counted.empty:
            return None
        made = Made(inputs, frame, inputs.report(counted.reset_index(drop=True)))
        with self._lock:
            self._made[key] = made
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
        return made


def _conduct(data: ReportData) -> Conduct:
    """With the guide that raters read where a study has none of its own."""
    guides = {
        f"guide_{language}": data.conduct[f"guide_{language}"] or default_guide(language)
        for language in LANGUAGES
    }
    return Conduct(**{**data.conduct, **guides})


def _key(data: ReportData, study: Study, filters: Filters) -> str:
    digest = hashlib.sha256(data.scores)
    for frame in (data.extras, data.repeats, data.answers):
        digest.update(frame.to_csv().encode())
    digest.update(repr((study.reference_rows, filters, data.conduct)).encode())
    return digest.hexdigest()
