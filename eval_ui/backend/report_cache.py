"""A study's report as pages and downloads need it: made from what is stored at that moment.

Everything goes through the score CSV, so that the page, the files and ``medchat report`` on the
downloaded CSV tell the same numbers.
"""

import json
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import pandas as pd

from eval_ui.rating.guide import default_guide
from eval_ui.texts import LANGUAGES
from medchat.evaluation.bundle import Inputs
from medchat.evaluation.types import Report
from medchat.study.conduct import Conduct
from storage import ReportData, Store, Study, get_study, report_data, report_state

MAX_REPORTS = 6
"""So many reports are cached: looking at one again, or downloading it, takes no second
computation."""


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
        values = {"specialty": specialty, "category": category, "rater": rater}
        return all(values[column] in accepted for column, accepted in self._columns())

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of ``frame`` that count."""
        for column, accepted in self._columns():
            frame = frame[frame[column].isin(accepted)]
        return frame

    def _columns(self) -> list[tuple[str, tuple[str, ...]]]:
        """Columns that are looked at, each with what it must hold."""
        columns = {
            "specialty": self.specialties,
            "category": self.categories,
            "rater": self.raters,
        }
        return [(column, accepted) for column, accepted in columns.items() if accepted]


@dataclass(frozen=True)
class StudyReport:
    """A report with what it is made from; ``frame`` holds all ratings, also those left out."""

    inputs: Inputs
    frame: pd.DataFrame
    report: Report


class Reports:
    """The reports of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cached: OrderedDict[tuple[str, Filters], StudyReport] = OrderedDict()
        self._lock = Lock()

    def for_study(self, study: Study, filters: Filters | None = None) -> StudyReport | None:
        """The report over the ratings that ``filters`` leave; None where there are none.

        Until a study is unblinded, its models are letters.
        """
        key = report_state(self._store, study.id), filters or Filters()
        # The state was read before the data, so a cached report is never newer than its state.
        with self._lock:
            if key in self._cached:
                self._cached.move_to_end(key)
                return self._cached[key]
            same_data = (report for (state, _), report in self._cached.items() if state == key[0])
            cached = next(same_data, None)
        source = (cached.inputs, cached.frame) if cached else self._read(study.id)
        if source is None:
            return None
        inputs, frame = source
        rows = key[1].rows(frame)
        if rows.empty:
            return None
        report = StudyReport(inputs, frame, inputs.report(rows.reset_index(drop=True)))
        with self._lock:
            self._cached[key] = report
            while len(self._cached) > MAX_REPORTS:
                self._cached.popitem(last=False)
        return report

    def _read(self, study_id: str) -> tuple[Inputs, pd.DataFrame] | None:
        """What a study's reports are made from; None as long as nothing is rated."""
        data = report_data(self._store, study_id)
        if data.extras.empty:
            return None
        inputs = Inputs(
            data.scores,
            reference=tuple(json.loads(get_study(self._store, study_id).reference_rows)),
            extras=data.extras,
            repeats=data.repeats,
            answers=data.answers,
            conduct=_conduct(data),
        )
        return inputs, inputs.frame()


def _conduct(data: ReportData) -> Conduct:
    """With the guide that raters read where a study has none of its own."""
    guides = {
        f"guide_{language}": data.conduct[f"guide_{language}"] or default_guide(language)
        for language in LANGUAGES
    }
    return Conduct(**{**data.conduct, **guides})
