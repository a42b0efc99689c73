"""The report tab: Table 4 and all that stands behind it, and the links to its files.

The files are made by the server when they are asked for (``exports``), so they are never older
than the scores.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr

from eval_ui.backend.report_cache import Filters, Made
from eval_ui.backend.services import Services
from eval_ui.backend.study_actions import require_own, study_names
from eval_ui.report.exports import FILES, WITHOUT_SCORES, download_path
from eval_ui.report.report_html import SPREADS, behind_html, pictures_html, table4_html, tables_html
from eval_ui.texts import Texts
from eval_ui.web.coordinator_tab import opening
from eval_ui.web.notices import QUEUED, Updates, guarded, inform, listen
from eval_ui.web.safe_text import as_html
from medchat.errors import BadInput
from medchat.files.published import read_reference
from medchat.scale import DIMENSIONS, SCORES
from storage import Study, answers_behind, set_reference_rows

FILTERED = {"specialty": "specialty_column", "category": "category", "rater": "rater"}
"""Column of the ratings -> key of its name."""


ON_LOAD = """
element.addEventListener("click", (event) => {
    const button = event.target.closest("button.opens");
    if (!button) return;
    trigger("click", { ...button.dataset });
});
const unfolded = new Map();
element.addEventListener("toggle", ({ target }) => {
    if (target.dataset.part) unfolded.set(target.dataset.part, target.open);
}, true);
watch("value", () => {
    for (const part of element.querySelectorAll("details[data-part]")) {
        part.open = unfolded.get(part.dataset.part) ?? part.open;
    }
});
"""
"""A click on a figure tells which one it was; what is unfolded stays so in new tables."""

SHOW_BEHIND = """
() => requestAnimationFrame(() => {
    const shown = document.getElementById("report-behind");
    shown.scrollIntoView({ block: "start" });
    shown.querySelector("button").focus({ preventScroll: true });
})
"""


def create_report_tab(services: Services, texts: Texts, tab: gr.Tab) -> None:
    # -- layout --
    gate = gr.HTML(elem_id="report-gate")
    busy = gr.HTML(elem_id="report-busy")
    with gr.Column(visible=False) as body:
        with gr.Row(elem_classes="field-and-button"):
            study = gr.Dropdown(
                choices=[],
                allow_custom_value=True,
                label=texts("study_choice"),
                elem_id="report-study",
            )
            refresh = gr.Button(texts("refresh"), elem_id="report-refresh", scale=0, min_width=140)
        spread = gr.Radio(
            [(texts(f"spread_{key}"), key) for key in SPREADS],
            value="interval",
            label=texts("spread"),
            elem_id="report-spread",
        )
        with gr.Accordion(texts("filters"), open=False, elem_id="report-filters"), gr.Row():
            filters = [_chooser(texts(key), f"report-{each}") for each, key in FILTERED.items()]
        report = gr.HTML(elem_id="report", js_on_load=ON_LOAD)
        with gr.Accordion(texts("behind"), open=False, elem_id="report-behind") as looking:
            with gr.Row(elem_classes="field-and-button"):
                model = gr.Dropdown(
                    [],
                    allow_custom_value=True,
                    label=texts("model"),
                    elem_id="behind-model",
                    min_width=240,
                )
                dimension = gr.Dropdown(
                    [(texts(each), each) for each in DIMENSIONS],
                    value=DIMENSIONS[0],
                    label=texts("dimension"),
                    elem_id="behind-dimension",
                )
                scores = gr.CheckboxGroup(
                    [(str(score), score) for score in SCORES],
                    value=[SCORES[0]],
                    label=texts("behind_scores"),
                    elem_id="behind-scores",
                    min_width=240,
                )
                look = gr.Button(
                    texts("behind_show"), elem_id="behind-show", scale=0, min_width=140
                )
            behind = gr.HTML(elem_id="behind")
        with gr.Accordion(texts("as_published"), open=False, elem_id="report-reference"):
            gr.Markdown(texts("reference_info"), elem_classes="hint")
            file = gr.File(
                file_types=[".csv", ".tsv", ".xlsx"],
                label=texts("reference_file"),
                height=160,
                elem_id="reference-file",
            )
            with gr.Row(elem_classes="actions"):
                add = gr.Button(texts("reference_set"), elem_id="reference-set")
                clear = gr.Button(texts("reference_clear"), elem_id="reference-clear")
        links = gr.HTML(elem_id="report-files")

    # -- wiring --
    handlers = _Handlers(services, texts)
    drawn, changed = gr.State(), gr.State(0)  # of which study, and how often its reference rows
    shown = [study, report, model, *filters, links, behind, drawn]
    show_study = by_component(handlers.show, shown)
    opened = guarded(opening(services.access, texts, "report", gate, body, show_study), texts)

    def show(*values: Any) -> Iterator[Updates]:
        yield {busy: f'<p role="status">{texts("report_busy")}</p>'}
        updates = opened(*values)
        yield {busy: "", **(updates if gate in updates else {})}

    # One listener for all of them, which works off the last event always. Two that come within some
    # milliseconds may still run side by side, and the first end last: so it is looked after.
    asked = [study, spread, drawn, *filters]
    worked_out = gr.on(
        [
            *(tab.select, study.input, spread.input, refresh.click, changed.change),
            *(each.input for each in filters),
        ],
        show,
        asked,
        [busy, gate, body, *shown],
        trigger_mode="always_last",
        **QUEUED,
    )
    listen(worked_out.then, by_component(handlers.look_after, [changed]), asked, [changed], texts)
    wanted = [model, dimension, scores]
    found_by = [study, *wanted, *filters]
    listen(
        look.click,
        by_component(handlers.behind, [behind]),
        found_by,
        [behind],
        texts,
        services.access,
    )
    cell = [looking, *wanted, behind]
    listen(
        report.click,
        by_component(handlers.behind_cell, cell),
        [study, *filters],
        cell,
        texts,
        services.access,
    ).then(None, js=SHOW_BEHIND)
    for event, handler, inputs, outputs in (
        (add.click, handlers.set_reference, [study, file], [changed, file]),
        (clear.click, handlers.clear_reference, [study], [changed]),
    ):
        listen(event, by_component(handler, outputs), inputs, outputs, texts, services.access)


def by_component(handler: Callable[..., list[Any]], outputs: list[Any]) -> Callable[..., Updates]:
    """``handler`` with its values keyed by ``outputs``, in their order."""

    @wraps(handler)
    def run(*values: Any) -> Updates:
        return dict(zip(outputs, handler(*values), strict=True))

    return run


def _chooser(label: str, elem_id: str) -> gr.Dropdown:
    return gr.Dropdown([], multiselect=True, allow_custom_value=True, label=label, elem_id=elem_id)


NO_FILTERS = Filters()


@dataclass(frozen=True)
class Drawn:
    """What the page shows: ``choices`` of a model and of each filter, none before there are any."""

    study: str
    filters: Filters = NO_FILTERS
    spread: str = ""
    choices: tuple[list[str], ...] = ()


class _Handlers:
    def __init__(self, services: Services, texts: Texts) -> None:
        self._services, self._texts = services, texts
        self._store, self._reports = services.store, services.reports
        self._uploads = services.uploads

    def _own(self, name: str | None) -> Study:
        return require_own(self._store, name, self._services.access.require())

    def show(
        self,
        name: str | None,
        spread: str,
        drawn: "Drawn | None",
        *chosen: list[str] | None,
    ) -> list[Any]:
        """The report of a study under the chosen filters, and what can be chosen.

        ``drawn`` is what was shown before: filters that were chosen for another study do not count.
        Fields in which somebody may be choosing meanwhile keep their values.
        """
        names = study_names(self._store, self._services.access.now())
        known = name
        if not name or (name not in names and drawn is not None and drawn.study == name):
            known = names[-1] if names else None  # that of another who was signed in before
        choice = (
            gr.update(choices=names) if known == name else gr.update(choices=names, value=known)
        )
        empty = [gr.update(choices=[], value=[]) for _ in FILTERED]
        nothing = gr.update(choices=[], value=None)
        if not known:
            none = f"<p>{self._texts('study_none')}</p>"
            return [choice, none, nothing, *empty, "", "", None]
        study = self._own(known)
        before = drawn if drawn and drawn.study == known else Drawn(known)
        filters = _filters(chosen) if before is drawn else Filters()
        whole = self._reports.made(study)
        counted = self._reports.made(study, filters) if whole and filters else whole
        html = self._html(study, counted, spread, bool(filters))
        links = self._links(study, tuple(FILES) if whole else WITHOUT_SCORES)
        if whole is None:
            return [choice, html, nothing, *empty, links, "", Drawn(known, spread=spread)]
        models = [entry["model"] for entry in whole.report["models"]]
        now = Drawn(known, filters, spread, (models, *(_values(whole, each) for each in FILTERED)))
        # What stands behind a figure was found with the filters before, or some time ago.
        behind = gr.skip() if replace(now, spread=before.spread) == before != now else ""
        return [choice, html, *_fields(now, before), links, behind, now]

    def look_after(
        self, name: str | None, spread: str, drawn: "Drawn | None", *chosen: list[str] | None
    ) -> list[Any]:
        """Has the report worked out again where it is not what is chosen by now."""
        if drawn is None or name not in study_names(self._store, self._services.access.now()):
            return [gr.skip()]
        wanted = replace(drawn, study=name, spread=spread, filters=_filters(chosen))
        return [gr.skip() if wanted == drawn else time.time_ns()]

    def _html(self, study: Study, made: Made | None, spread: Any, filtered: bool = False) -> str:
        texts = self._texts
        if made is None:
            return f"<p>{texts('report_filtered_out' if filtered else 'report_empty')}</p>"
        notices = [] if study.unblinded_at else [texts("report_blind")]
        if filtered:
            counted = made.report["data"]["n_ratings"]
            notices.append(texts("report_filtered", count=counted, total=len(made.frame)))
        rounds = made.report["settings"]["bootstrap"]
        told = "".join(f'<p class="notice">{as_html(each)}</p>' for each in notices)
        return (
            f"{told}<h3>{texts('table4')}</h3>"
            f"{table4_html(made.report, spread, texts)}"
            f'<p class="hint">{texts(f"spread_{spread}_note", rounds=rounds)}</p>'
            f"{pictures_html(made.report, texts)}{tables_html(made.report, texts)}"
        )

    def behind(
        self,
        name: str | None,
        model: str | None,
        dimension: str,
        scores: Sequence[int] | None,
        *filters: list[str] | None,
    ) -> list[str]:
        study = self._own(name)
        if dimension not in DIMENSIONS or not model or not scores:
            raise BadInput(self._texts("behind_choose"))
        place = DIMENSIONS.index(dimension)
        counts = _filters(filters).counts
        found = answers_behind(self._store, study.id, model, place, scores, counts)
        return [behind_html(found, DIMENSIONS, self._texts)]

    def behind_cell(
        self, event: gr.EventData, name: str | None, *filters: list[str] | None
    ) -> list[Any]:
        """What stands behind the figure that was clicked; its choices are set to match."""
        told = event._data if isinstance(event._data, dict) else {}
        model, dimension = told.get("model"), str(told.get("dimension"))
        scores = [score for score in SCORES if told.get("score") in ("", str(score))]
        (html,) = self.behind(name, model, dimension, scores, *filters)
        return [gr.update(open=True), model, dimension, scores, html]

    def set_reference(self, name: str | None, file: str | None) -> list[Any]:
        study = self._own(name)
        if not file:
            raise BadInput(self._texts("import_none"))
        rows = read_reference(Path(file))
        set_reference_rows(self._store, study.id, json.dumps(rows, ensure_ascii=False))
        self._uploads.remove(file)
        inform(self._texts("reference_done", count=len(rows)), self._texts)
        return [time.time_ns(), None]

    def clear_reference(self, name: str | None) -> list[int]:
        set_reference_rows(self._store, self._own(name).id, "[]")
        return [time.time_ns()]

    def _links(self, study: Study, kinds: Sequence[str]) -> str:
        links = "".join(
            f'<a class="download" download href="{download_path(study.id, kind)}" '
            f'id="download-{kind.replace(".", "-")}">{self._texts(FILES[kind])}</a>'
            for kind in kinds
        )
        return f'<p class="downloads">{links}</p>'


def _fields(now: Drawn, before: Drawn) -> list[Any]:
    """The choices of a model and of each filter. A list that is open would close at an update."""
    if not before.choices:
        models, *values = now.choices
        return [
            gr.update(choices=models, value=models[0]),
            *(gr.update(choices=each, value=[]) for each in values),
        ]
    return [
        gr.skip() if own == old else gr.update(choices=own)
        for own, old in zip(now.choices, before.choices, strict=True)
    ]


def _filters(chosen: Sequence[list[str] | None]) -> Filters:
    """In the order of ``FILTERED``."""
    return Filters(*(tuple(each or ()) for each in chosen))


def _values(made: Made, column: str) -> list[str]:
    found: Sequence[Any] = made.frame[column].dropna().unique().tolist()
    return sorted(str(value) for value in found if str(value))
