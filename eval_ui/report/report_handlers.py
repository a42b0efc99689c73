"""What the report tab's clicks and choices do; each returns what changes, by component."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from eval_ui.backend.report_cache import Filters, StudyReport
from eval_ui.backend.services import Services
from eval_ui.backend.study_actions import require_own, study_names
from eval_ui.report.exports import FILES, WITHOUT_SCORES, download_path
from eval_ui.report.report_html import Spread, behind_html, downloads_html, report_html
from eval_ui.report.report_layout import FILTERED, ReportParts
from eval_ui.texts import PageError, Texts
from eval_ui.web.coordinator_tab import gate_html
from eval_ui.web.notices import inform
from medchat.files.published import read_reference
from medchat.scale import DIMENSIONS, SCORES
from storage import Study, answers_behind, set_reference_rows

Updates = dict[Any, Any]
"""New values by component; components that are not in it stay as they are."""
UNCHANGED: Updates = gr.skip()
Chosen = list[str] | None
"""What is chosen of one filter."""
NO_FILTERS = Filters()


@dataclass(frozen=True)
class ReportView:
    """What the page shows: ``choices`` of a model and of each filter, none before there are any."""

    study: str
    filters: Filters = NO_FILTERS
    spread: str = ""
    choices: tuple[list[str], ...] = ()


class ReportHandlers:
    def __init__(self, services: Services, texts: Texts, parts: ReportParts) -> None:
        self._services, self._texts, self._parts = services, texts, parts
        self._store, self._reports = services.store, services.reports

    def open(
        self, name: str | None, spread: Spread, view: ReportView | None, *filters: Chosen
    ) -> Updates:
        """The gate above the tab; for coordinators what ``show`` gives too."""
        access = self._services.access
        gate = {self._parts.gate: gate_html(access, self._texts, "report")}
        if access.now() is None:
            return gate | {self._parts.body: gr.update(visible=False)}
        opened = {self._parts.body: gr.update(visible=True)}
        return gate | opened | self.show(name, spread, view, *filters)

    def show(
        self, name: str | None, spread: Spread, view: ReportView | None, *filters: Chosen
    ) -> Updates:
        """The report of a study under the chosen filters, and what can be chosen.

        ``view`` is what was shown before: filters that were chosen for another study do not count.
        Fields in which somebody may be choosing meanwhile keep their values.
        """
        parts, names = self._parts, study_names(self._store, self._services.access.now())
        chosen = name
        if not name or (name not in names and view is not None and view.study == name):
            chosen = names[-1] if names else None  # that of another who was signed in before
        choice: Updates = {parts.study: gr.update(choices=names)}
        if chosen != name:
            choice = {parts.study: gr.update(choices=names, value=chosen)}
        if not chosen:
            html = f"<p>{self._texts('study_none')}</p>"
            return choice | self._nothing() | {parts.report: html, parts.links: ""}
        study = self._own(chosen)
        before = view if view and view.study == chosen else ReportView(chosen)
        active = _filters(filters) if before is view else NO_FILTERS
        whole = self._reports.for_study(study)
        filtered = self._reports.for_study(study, active) if whole and active else whole
        choice |= {
            parts.report: self._html(study, filtered, spread, bool(active)),
            parts.links: self._links(study, tuple(FILES) if whole else WITHOUT_SCORES),
        }
        if whole is None:
            return choice | self._nothing() | {parts.view: ReportView(chosen, spread=spread)}
        now = ReportView(chosen, active, spread, _choices(whole))
        choice |= self._fields(now, before) | {parts.view: now}
        # The answers behind a figure were looked up with the filters before, or some time ago.
        is_current = replace(now, spread=before.spread) == before != now
        return choice if is_current else choice | {parts.behind.answers: ""}

    def _nothing(self) -> Updates:
        """There is nothing to choose."""
        parts = self._parts
        filters = {field: gr.update(choices=[], value=[]) for field in parts.filters}
        model = {parts.behind.model: gr.update(choices=[], value=None)}
        return filters | model | {parts.behind.answers: "", parts.view: None}

    def _fields(self, now: ReportView, before: ReportView) -> Updates:
        """The choices of a model and of each filter. A list that is open would close at an
        update."""
        fields = (self._parts.behind.model, *self._parts.filters)
        if not before.choices:
            first, *rest = zip(fields, now.choices, strict=True)
            updates = {field: gr.update(choices=values, value=[]) for field, values in rest}
            model, models = first
            return {model: gr.update(choices=models, value=models[0])} | updates
        return {
            field: gr.update(choices=values)
            for field, values, old in zip(fields, now.choices, before.choices, strict=True)
            if values != old
        }

    def look_after(
        self, name: str | None, spread: Spread, view: ReportView | None, *filters: Chosen
    ) -> Updates:
        """Has the report shown again where it is not what is chosen by now."""
        if view is None or name not in study_names(self._store, self._services.access.now()):
            return UNCHANGED
        choice = replace(view, study=name, spread=spread, filters=_filters(filters))
        return UNCHANGED if choice == view else {self._parts.changed: time.time_ns()}

    def _html(
        self, study: Study, made: StudyReport | None, spread: Spread, is_filtered: bool
    ) -> str:
        texts = self._texts
        if made is None:
            return f"<p>{texts('report_filtered_out' if is_filtered else 'report_empty')}</p>"
        notices = [] if study.unblinded_at else [texts("report_blind")]
        if is_filtered:
            count = made.report.data.n_ratings
            notices.append(texts("report_filtered", count=count, total=len(made.frame)))
        return str(report_html(made.report, spread, notices, texts))

    def _links(self, study: Study, kinds: Sequence[str]) -> str:
        links = [(kind, download_path(study.id, kind), FILES[kind]) for kind in kinds]
        return str(downloads_html(links, self._texts))

    # -- the answers behind a figure --

    def behind(
        self,
        name: str | None,
        model: str | None,
        dimension: str,
        scores: Sequence[int] | None,
        *filters: Chosen,
    ) -> Updates:
        study = self._own(name)
        if dimension not in DIMENSIONS or not model or not scores:
            raise PageError("behind_choose")
        counts = _filters(filters).counts
        index = DIMENSIONS.index(dimension)
        answers = answers_behind(self._store, study.id, model, index, scores, counts)
        html = behind_html(answers, DIMENSIONS, self._texts)
        return {self._parts.behind.answers: str(html)}

    def behind_cell(self, event: gr.EventData, name: str | None, *filters: Chosen) -> Updates:
        """The answers behind the figure that was clicked; the fields are set to match."""
        clicked = event._data if isinstance(event._data, dict) else {}
        model, dimension = clicked.get("model"), str(clicked.get("dimension"))
        scores = [score for score in SCORES if clicked.get("score") in ("", str(score))]
        fields = self._parts.behind
        return self.behind(name, model, dimension, scores, *filters) | {
            fields.accordion: gr.update(open=True),
            fields.model: model,
            fields.dimension: dimension,
            fields.scores: scores,
        }

    # -- published figures --

    def set_reference(self, name: str | None, file: str | None) -> Updates:
        study = self._own(name)
        if not file:
            raise PageError("import_none")
        rows = read_reference(Path(file))
        set_reference_rows(self._store, study.id, json.dumps(rows, ensure_ascii=False))
        self._services.uploads.remove(file)
        inform(self._texts("reference_done", count=len(rows)), self._texts)
        return {self._parts.changed: time.time_ns(), self._parts.published.file: None}

    def clear_reference(self, name: str | None) -> Updates:
        set_reference_rows(self._store, self._own(name).id, "[]")
        return {self._parts.changed: time.time_ns()}

    def _own(self, name: str | None) -> Study:
        return require_own(self._store, name, self._services.access.require())


def _filters(chosen: Sequence[Chosen]) -> Filters:
    """In the order of ``FILTERED``."""
    return Filters(*(tuple(values or ()) for values in chosen))


def _choices(report: StudyReport) -> tuple[list[str], ...]:
    """The models, and the values of each filter."""
    models = [model.model for model in report.report.models]
    return (models, *(_values(report, column) for column in FILTERED))


def _values(report: StudyReport, column: str) -> list[str]:
    values: Sequence[Any] = report.frame[column].dropna().unique().tolist()
    return sorted(str(value) for value in values if str(value))
