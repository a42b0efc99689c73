"""The components of the report tab, and where they stand."""

from dataclasses import dataclass

import gradio as gr

from eval_ui.report.report_html import SPREADS
from eval_ui.texts import Texts
from medchat.scale import DIMENSIONS, SCORES

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


@dataclass(frozen=True)
class BehindFields:
    """Which answers to show, and the answers."""

    accordion: gr.Accordion
    model: gr.Dropdown
    dimension: gr.Dropdown
    scores: gr.CheckboxGroup
    look: gr.Button
    answers: gr.HTML


@dataclass(frozen=True)
class PublishedFields:
    """A file of published figures."""

    file: gr.File
    add: gr.Button
    clear: gr.Button


@dataclass(frozen=True)
class ReportParts:
    """``view`` is the ``ReportView`` that the page shows; ``changed`` grows where the report must
    be shown anew."""

    gate: gr.HTML
    busy: gr.HTML
    body: gr.Column
    study: gr.Dropdown
    refresh: gr.Button
    spread: gr.Radio
    filters: tuple[gr.Dropdown, ...]
    report: gr.HTML
    behind: BehindFields
    published: PublishedFields
    links: gr.HTML
    view: gr.State
    changed: gr.State


def lay_out(texts: Texts) -> ReportParts:
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
            filters = tuple(_filter(texts(key), name) for name, key in FILTERED.items())
        report = gr.HTML(elem_id="report", js_on_load=ON_LOAD)
        behind = _behind(texts)
        published = _published(texts)
        links = gr.HTML(elem_id="report-files")
    return ReportParts(
        gate=gate,
        busy=busy,
        body=body,
        study=study,
        refresh=refresh,
        spread=spread,
        filters=filters,
        report=report,
        behind=behind,
        published=published,
        links=links,
        view=gr.State(),
        changed=gr.State(0),
    )


def _filter(label: str, column: str) -> gr.Dropdown:
    return gr.Dropdown(
        [], multiselect=True, allow_custom_value=True, label=label, elem_id=f"report-{column}"
    )


def _behind(texts: Texts) -> BehindFields:
    with gr.Accordion(texts("behind"), open=False, elem_id="report-behind") as accordion:
        with gr.Row(elem_classes="field-and-button"):
            model = gr.Dropdown(
                [],
                allow_custom_value=True,
                label=texts("model"),
                elem_id="behind-model",
                min_width=240,
            )
            dimension = gr.Dropdown(
                [(texts(name), name) for name in DIMENSIONS],
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
            look = gr.Button(texts("behind_show"), elem_id="behind-show", scale=0, min_width=140)
        answers = gr.HTML(elem_id="behind")
    return BehindFields(accordion, model, dimension, scores, look, answers)


def _published(texts: Texts) -> PublishedFields:
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
    return PublishedFields(file, add, clear)
