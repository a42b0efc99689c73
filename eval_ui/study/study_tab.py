"""The study tab, as a table of contents: choose or make a study, then its steps, one per file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from eval_ui.backend.services import Services
from eval_ui.backend.study_actions import MAX_NAME_LENGTH, clean_name, clock, study_names
from eval_ui.study.answers_step import create_answers_step
from eval_ui.study.board_step import create_board_step
from eval_ui.study.close_step import create_close_step
from eval_ui.study.design_step import create_design_step
from eval_ui.study.opening_step import create_opening_step
from eval_ui.study.questions_step import create_questions_step
from eval_ui.study.raters_step import create_raters_step
from eval_ui.study.step_context import Step, StepContext
from eval_ui.texts import PageError, Texts
from eval_ui.web.coordinator_tab import opening
from eval_ui.web.html_templates import part, render
from eval_ui.web.notices import Updates, inform, listen
from storage import Study, create_study, list_questions, list_raters, unpack_study

STEPS: dict[str, Callable[[StepContext], Step]] = {
    "design": create_design_step,
    "questions": create_questions_step,
    "answers": create_answers_step,
    "opening": create_opening_step,
    "raters": create_raters_step,
    "board": create_board_step,
    "close": create_close_step,
}
"""In the order in which a coordinator goes through them."""


@dataclass(frozen=True)
class StudyParts:
    """``body`` is for coordinators alone, ``details`` for who has chosen a study."""

    gate: gr.HTML
    body: gr.Column
    study: gr.Dropdown
    refresh: gr.Button
    making: gr.Accordion
    name: gr.Textbox
    create: gr.Button
    packed: gr.File
    unpack: gr.Button
    summary: gr.HTML
    details: gr.Column


def create_study_tab(services: Services, texts: Texts, tab: gr.Tab) -> None:
    parts = lay_out(texts)
    context = StepContext(services, texts, parts.study, gr.State(0))
    steps, step_tabs = [], {}
    with parts.details, gr.Tabs(elem_id="steps"):
        for key, create_step in STEPS.items():
            with gr.Tab(texts(f"tab_{key}"), id=key, render_children=True) as step_tab:
                steps.append(create_step(context))
            step_tabs[key] = step_tab
    _wire(context, parts, steps, tab, step_tabs)


def lay_out(texts: Texts) -> StudyParts:
    gate = gr.HTML(elem_id="study-gate")
    with gr.Column(visible=False) as body:
        with gr.Row(elem_classes="field-and-button"):
            # Custom values: a restarted program knows no choices of a page that was open before;
            # whose study it is, the handlers check anyway.
            study = gr.Dropdown(
                choices=[], allow_custom_value=True, label=texts("study_choice"), elem_id="study"
            )
            refresh = gr.Button(texts("refresh"), elem_id="study-refresh", scale=0, min_width=140)
        with gr.Accordion(texts("study_new"), open=False, elem_id="new-study") as making:
            with gr.Row(elem_classes="field-and-button"):
                name = gr.Textbox(
                    label=texts("study_name"), max_length=MAX_NAME_LENGTH, elem_id="new-study-name"
                )
                create = gr.Button(
                    texts("study_create"),
                    variant="primary",
                    elem_id="create-study",
                    scale=0,
                    min_width=140,
                )
            with gr.Row(elem_classes="field-and-button"):
                packed = gr.File(
                    file_types=[".zip"],
                    label=texts("unpack_file"),
                    height=160,
                    elem_id="unpack-file",
                )
                unpack = gr.Button(texts("unpack"), elem_id="unpack", scale=0, min_width=140)
        summary = gr.HTML(elem_id="study-overview")
        details = gr.Column(visible=False)
    return StudyParts(
        *(gate, body, study, refresh, making, name, create, packed, unpack, summary, details)
    )


def _wire(
    context: StepContext,
    parts: StudyParts,
    steps: list[Step],
    tab: gr.Tab,
    step_tabs: dict[str, gr.Tab],
) -> None:
    texts, access = context.texts, context.services.access
    handlers = StudyHandlers(context, parts, steps)
    status = [parts.summary, *(component for step in steps for component in step.status)]
    fields = [component for step in steps for component in step.fields]
    everything_of_study = [*status, parts.details, *fields]
    everything = [parts.study, parts.making, *everything_of_study]

    def on(event: Any, handler: Any, field: Any, outputs: list[Any]) -> None:
        listen(event, handler, field, outputs, texts, access)

    on(parts.study.input, handlers.show, parts.study, everything_of_study)
    on(parts.refresh.click, handlers.refresh, parts.study, everything)
    on(context.changed.change, handlers.redraw, parts.study, status)
    for key in ("opening", "board"):  # what models and raters do changes these without a click
        on(step_tabs[key].select, handlers.redraw, parts.study, status)
    on(parts.create.click, handlers.create, parts.name, [parts.name, *everything])
    on(parts.unpack.click, handlers.unpack, parts.packed, [parts.packed, *everything])
    open_tab = opening(access, texts, "study", parts.gate, parts.body, handlers.refresh)
    listen(tab.select, open_tab, parts.study, [parts.gate, parts.body, *everything], texts)


class StudyHandlers:
    """What choosing, making and importing a study do."""

    def __init__(self, context: StepContext, parts: StudyParts, steps: list[Step]) -> None:
        self._context, self._texts, self.parts = context, context.texts, parts
        self._steps, self._store = steps, context.services.store

    def show(self, name: str | None) -> Updates:
        """All of a study, for who has chosen it."""
        if not name:
            none = part("paragraph", self._texts("study_none"))
            return {self.parts.summary: none, self.parts.details: gr.update(visible=False)}
        study = self._context.require_study(name)
        updates: Updates = {self.parts.details: gr.update(visible=True)}
        for step in self._steps:
            updates |= step.fill(study)
        return updates | self._status(study)

    def redraw(self, name: str | None) -> Updates:
        """What a change may have changed; fields in which somebody may be typing stay."""
        return self._status(self._context.require_study(name))

    def _status(self, study: Study) -> Updates:
        updates: Updates = {self.parts.summary: self._summary(study)}
        for step in self._steps:
            updates |= step.draw(study)
        return updates

    def refresh(self, name: str | None) -> Updates:
        names = study_names(self._store, self._context.services.access.now())
        study = name if name in names else names[-1] if names else None
        updates = {self.parts.study: gr.update(choices=names, value=study), **self.show(study)}
        if not names:  # nothing else can be done
            updates[self.parts.making] = gr.update(open=True)
        return updates

    def _show_new(self, name: str) -> Updates:
        return {**self.refresh(name), self.parts.making: gr.update(open=False)}

    def create(self, name: str) -> Updates:
        owner = self._context.services.access.require()
        study = create_study(self._store, clean_name(name or ""), owner=owner.id)
        inform(self._texts("study_created", study=study.name), self._texts)
        return {self.parts.name: "", **self._show_new(study.name)}

    def unpack(self, file: str | None) -> Updates:
        if not file:
            raise PageError("import_none")
        owner = self._context.services.access.require()
        study = unpack_study(self._store, Path(file), owner)
        self._context.services.uploads.remove(file)
        inform(self._texts("unpacked", study=study.name), self._texts)
        return {self.parts.packed: None, **self._show_new(study.name)}

    def _summary(self, study: Study) -> str:
        questions = len(list_questions(self._store, study.id))
        raters = len(list_raters(self._store, study.id))
        sentence = self._texts(
            "study_summary", study=study.name, questions=questions, raters=raters
        )
        return render("study_summary.html", sentence=sentence, state=self._state(study))

    def _state(self, study: Study) -> str:
        for moment, key in (
            (study.unblinded_at, "state_unblinded"),
            (study.locked_at, "state_locked"),
            (study.opened_at, "state_open"),
        ):
            if moment:
                return self._texts(key, time=clock(moment))
        return self._texts("state_draft")
