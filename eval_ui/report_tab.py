"""The report tab: Table 4 and all that stands behind it, and the links to its files.

The files are made by the server when they are asked for (``exports``), so they are never older
than the scores.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from eval_ui.access import opening
from eval_ui.exports import FILES, WITHOUT_SCORES, download_path
from eval_ui.notices import QUEUED, guarded, inform, listen
from eval_ui.report_html import SPREADS, behind_html, pictures_html, table4_html, tables_html
from eval_ui.reporting import Filters, Made
from eval_ui.safe_text import as_html
from eval_ui.services import Services
from eval_ui.studies import require_own, study_names
from eval_ui.texts import Texts
from medchat.errors import BadInput
from medchat.evaluation import DIMENSIONS, SCORES
from medchat.evaluation.reference import read_reference
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

BUSY = """
(...values) => {{
    const report = document.getElementById("report"), busy = document.querySelector(".report-busy");
    if (!report) return values;
    const running = Math.max(0, Number(report.dataset.running ?? 0) + {change});
    report.dataset.running = running;
    report.setAttribute("aria-busy", running > 0);
    busy.textContent = running ? busy.dataset.text : "";
    return values;
}}
"""
"""As long as a report is worked out, the old one is dimmed and a line says why."""

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
        gr.HTML(f'<p class="report-busy" role="status" data-text="{texts("report_busy")}"></p>')
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
    shown = [report, model, *filters, links, behind]
    chosen = [study, spread, *filters]

    def on(event: Any, handler: Any, inputs: list[Any], outputs: list[Any]) -> None:
        """What works out a report: the page says so until it is there."""
        start, end = BUSY.format(change=1), BUSY.format(change=-1)
        listen(event, handler, inputs, outputs, texts, services.access, js=start).then(None, js=end)

    on(study.input, handlers.choose, [study, spread], shown)
    on(spread.input, handlers.draw, chosen, [report])
    for each in filters:
        on(each.input, handlers.filtered, chosen, [report, behind])
    on(refresh.click, handlers.refresh, [study, spread], [study, *shown])
    asked = [model, dimension, scores]
    found_by = [study, *asked, *filters]
    listen(look.click, handlers.behind, found_by, [behind], texts, services.access)
    opened = [looking, *asked, behind]
    listen(
        report.click, handlers.behind_cell, [study, *filters], opened, texts, services.access
    ).then(None, js=SHOW_BEHIND)
    on(add.click, handlers.set_reference, [*chosen, file], [report, file])
    on(clear.click, handlers.clear_reference, chosen, [report])
    open_tab = opening(services.access, texts, "report", handlers.refresh, 1 + len(shown))
    tab.select(
        guarded(open_tab, 3 + len(shown), texts),
        [study, spread],
        [gate, body, study, *shown],
        js=BUSY.format(change=1),
        **QUEUED,
    ).then(None, js=BUSY.format(change=-1))


def _chooser(label: str, elem_id: str) -> gr.Dropdown:
    return gr.Dropdown([], multiselect=True, allow_custom_value=True, label=label, elem_id=elem_id)


class _Handlers:
    def __init__(self, services: Services, texts: Texts) -> None:
        self._services, self._texts = services, texts
        self._store, self._reports = services.store, services.reports

    def _own(self, name: str | None) -> Study:
        return require_own(self._store, name, self._services.access.require(), self._texts)

    def refresh(self, name: str | None, spread: str) -> list[Any]:
        names = study_names(self._store, self._services.access.now())
        chosen = name if name in names else names[-1] if names else None
        return [gr.update(choices=names, value=chosen), *self.choose(chosen, spread)]

    def choose(self, name: str | None, spread: str) -> list[Any]:
        """All of a study, every rating counted; what stood behind a figure was another's."""
        empty = [gr.update(choices=[], value=[]) for _ in FILTERED]
        if not name:
            none = f"<p>{self._texts('study_none')}</p>"
            return [none, gr.update(choices=[], value=None), *empty, "", ""]
        study = self._own(name)
        made = self._reports.made(study)
        html = self._html(study, made, spread)
        if made is None:
            links = self._links(study, WITHOUT_SCORES)
            return [html, gr.update(choices=[], value=None), *empty, links, ""]
        models = [entry["model"] for entry in made.report["models"]]
        filters = [gr.update(choices=_values(made, each), value=[]) for each in FILTERED]
        return [
            html,
            gr.update(choices=models, value=models[0]),
            *filters,
            self._links(study, tuple(FILES)),
            "",
        ]

    def draw(self, name: str | None, spread: str, *filters: list[str] | None) -> list[str]:
        study = self._own(name)
        wanted = _filters(filters)
        return [self._html(study, self._reports.made(study, wanted), spread, bool(wanted))]

    def filtered(self, name: str | None, spread: str, *filters: list[str] | None) -> list[str]:
        """What stood behind a figure was found with other filters."""
        return [*self.draw(name, spread, *filters), ""]

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

    def set_reference(self, name: str | None, spread: str, *rest: Any) -> list[Any]:
        *filters, file = rest
        study = self._own(name)
        if not file:
            raise BadInput(self._texts("import_none"))
        rows = read_reference(Path(file))
        set_reference_rows(self._store, study.id, json.dumps(rows, ensure_ascii=False))
        inform(self._texts("reference_done", count=len(rows)), self._texts)
        return [*self.draw(name, spread, *filters), None]

    def clear_reference(self, name: str | None, spread: str, *filters: Any) -> list[str]:
        set_reference_rows(self._store, self._own(name).id, "[]")
        return self.draw(name, spread, *filters)

    def _links(self, study: Study, kinds: Sequence[str]) -> str:
        links = "".join(
            f'<a class="download" download href="{download_path(study.id, kind)}" '
            f'id="download-{kind.replace(".", "-")}">{self._texts(FILES[kind])}</a>'
            for kind in kinds
        )
        return f'<p class="downloads">{links}</p>'


def _filters(chosen: Sequence[list[str] | None]) -> Filters:
    """In the order of ``FILTERED``."""
    return Filters(*(tuple(each or ()) for each in chosen))


def _values(made: Made, column: str) -> list[str]:
    found: Sequence[Any] = made.frame[column].dropna().unique().tolist()
    return sorted(str(value) for value in found if str(value))
