"""The study tab, as a table of contents: choose or make a study, then its steps, one per file."""

from collections.abc import Callable
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
from eval_ui.study.step_context import Step, StudyWork
from eval_ui.texts import PageError, Texts
from eval_ui.web.access import opening
from eval_ui.web.notices import QUEUED, guarded, inform, listen
from eval_ui.web.safe_text import as_html
from storage import Study, create_study, list_questions, list_raters, unpack_study

STEPS: dict[str, Callable[[StudyWork], Step]] = {
    "design": create_design_step,
    "questions": create_questions_step,
    "answers": create_answers_step,
    "opening": create_opening_step,
    "raters": create_raters_step,
    "board": create_board_step,
    "close": create_close_step,
}
"""In the order in which a coordinator goes through them."""


def create_study_tab(services: Services, texts: Texts, tab: gr.Tab) -> None:
    # -- layout --
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
        work = StudyWork(services, texts, study, gr.State(0))
        with gr.Column(visible=False) as details, gr.Tabs(elem_id="steps"):
            steps, step_tabs = [], {}
            for key, create_step in STEPS.items():
                with gr.Tab(texts(f"tab_{key}"), id=key, render_children=True) as step_tab:
                    steps.append(create_step(work))
                step_tabs[key] = step_tab

    # -- wiring --
    handlers = _Handlers(work, steps)
    fields = [each for step in steps for each in step.fields]
    status = [each for step in steps for each in step.status]
    shown = [summary, details, *fields, *status]
    everything = [study, making, *shown]

    def on(event: Any, handler: Any, inputs: Any, outputs: list[Any]) -> None:
        listen(event, handler, inputs, outputs, texts, services.access)

    on(study.input, handlers.show, study, shown)
    on(refresh.click, handlers.refresh, study, everything)
    on(work.changed.change, handlers.redraw, study, [summary, *status])
    for key in ("opening", "board"):  # models and raters go on by themselves
        on(step_tabs[key].select, handlers.redraw, study, [summary, *status])
    on(create.click, handlers.create, name, [name, *everything])
    on(unpack.click, handlers.unpack, packed, [packed, *everything])
    open_tab = opening(services.access, texts, "study", handlers.refresh, len(everything))
    tab.select(
        guarded(open_tab, 2 + len(everything), texts), study, [gate, body, *everything], **QUEUED
    )


class _Handlers:
    """What choosing, making and taking in a study do; known errors are for ``guarded``."""

    def __init__(self, work: StudyWork, steps: list[Step]) -> None:
        self._work, self._steps = work, steps
        self._texts, self._store = work.texts, work.services.store
        self._fields = sum(len(step.fields) for step in steps)
        self._status = sum(len(step.status) for step in steps)

    def show(self, name: str | None) -> list[Any]:
        """All of a study, for who has chosen it."""
        if not name:
            none = f"<p>{self._texts('study_none')}</p>"
            skipped = [gr.skip() for _ in range(self._fields + self._status)]
            return [none, gr.update(visible=False), *skipped]
        study = self._work.own(name)
        fields = [value for step in self._steps for value in step.fill(study)]
        return [self._summary(study), gr.update(visible=True), *fields, *self._drawn(study)]

    def redraw(self, name: str | None) -> list[Any]:
        """What a change may have changed; fields in which somebody may be typing stay."""
        study = self._work.own(name)
        return [self._summary(study), *self._drawn(study)]

    def _drawn(self, study: Study) -> list[Any]:
        return [value for step in self._steps for value in step.draw(study)]

    def refresh(self, name: str | None) -> list[Any]:
        names = study_names(self._store, self._work.services.access.now())
        chosen = name if name in names else names[-1] if names else None
        making = gr.skip() if names else gr.update(open=True)  # nothing else can be done
        return [gr.update(choices=names, value=chosen), making, *self.show(chosen)]

    def _made(self, name: str) -> list[Any]:
        choice, _, *shown = self.refresh(name)
        return [choice, gr.update(open=False), *shown]

    def create(self, name: str) -> list[Any]:
        owner = self._work.services.access.require()
        cleaned = clean_name(name or "")
        study = create_study(self._store, cleaned, owner=owner.id)
        inform(self._texts("study_created", study=study.name), self._texts)
        return ["", *self._made(study.name)]

    def unpack(self, file: str | None) -> list[Any]:
        if not file:
            raise PageError("import_none")
        owner = self._work.services.access.require()
        study = unpack_study(self._store, Path(file), owner)
        self._work.services.uploads.remove(file)
        inform(self._texts("unpacked", study=study.name), self._texts)
        return [None, *self._made(study.name)]

    def _summary(self, study: Study) -> str:
        questions = len(list_questions(self._store, study.id))
        raters = len(list_raters(self._store, study.id))
        told = self._texts("study_summary", study=study.name, questions=questions, raters=raters)
        return f'<p>{as_html(told)} <span class="mark">{as_html(self._state(study))}</span></p>'

    def _state(self, study: Study) -> str:
        for moment, key in (
            (study.unblinded_at, "state_unblinded"),
            (study.locked_at, "state_locked"),
            (study.opened_at, "state_open"),
        ):
            if moment:
                return self._texts(key, time=clock(moment))
        return self._texts("state_draft")
