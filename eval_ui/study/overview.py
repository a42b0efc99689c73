"""All questions of a draft with their answers, one question at a time, before anybody rates them.

The page shows which model wrote what, as it may to coordinators until a study is opened.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from eval_ui.study.step_context import StepContext, whole_number
from eval_ui.texts import PageError, Texts
from eval_ui.web.html_templates import render
from eval_ui.web.notices import Updates
from storage import CheckedAnswer, Study, answers_to_check, list_questions


@dataclass(frozen=True)
class Overview:
    """``pick`` holds an answer's id; ``leafing`` are the buttons to another question."""

    box: gr.Accordion
    number: gr.Number
    page: gr.HTML
    pick: gr.Dropdown
    leafing: tuple[gr.Button, gr.Button]

    @property
    def fields(self) -> list[Any]:
        """They show the first question to who chooses a study."""
        return [self.number, self.page, self.pick]


def lay_out_overview(texts: Texts) -> Overview:
    with gr.Accordion(texts("overview"), open=False, visible=False, elem_id="overview") as box:
        with gr.Row(elem_classes="field-and-button"):
            number = gr.Number(1, label=texts("overview_number"), elem_id="overview-number")
            before = gr.Button(
                texts("previous"), elem_id="overview-previous", scale=0, min_width=110
            )
            behind = gr.Button(texts("next"), elem_id="overview-next", scale=0, min_width=110)
        page = gr.HTML(elem_id="overview-page")
        pick = gr.Dropdown(
            [], allow_custom_value=True, label=texts("overview_pick"), elem_id="overview-pick"
        )
    return Overview(box, number, page, pick, (before, behind))


def wire_overview(context: StepContext, parts: Overview) -> "OverviewHandlers":
    handlers = OverviewHandlers(context, parts)
    before, behind = parts.leafing
    for event, step in (
        (parts.number.submit, 0),
        (before.click, -1),
        (behind.click, 1),
        (context.changed.change, 0),
    ):
        context.look(event, handlers.stepping(step), [parts.number], parts.fields)
    return handlers


class OverviewHandlers:
    def __init__(self, context: StepContext, parts: Overview) -> None:
        self._texts, self._store, self.parts = context.texts, context.services.store, parts

    def stepping(self, by: int) -> Callable[..., Updates]:
        """The handler that goes on, or back, by so many questions."""

        def run(study: Study, number: float | None) -> Updates:
            position = whole_number(number, PageError("not_whole", value=number))
            return self.draw(study, (position or 1) + by)

        return run

    def draw(self, study: Study, number: int = 1) -> Updates:
        """One question, counted from 1: its number, what there is of it, its answers to pick."""
        parts = self.parts
        questions = [] if study.opened_at else list_questions(self._store, study.id)
        if not questions:
            none = gr.update(choices=[], value=None)
            return {parts.number: 1, parts.page: "", parts.pick: none}
        number = min(max(number, 1), len(questions))
        question = questions[number - 1]
        answers = [
            answer
            for answer in answers_to_check(self._store, study.id)
            if answer.question_id == question.question_id
        ]
        choices = [(answer.model, answer.response) for answer in answers]
        return {
            parts.number: number,
            parts.page: render(
                "overview.html",
                texts=self._texts,
                position=self._texts("overview_place", number=number, total=len(questions)),
                question=question,
                answers=[self._answer(answer) for answer in answers],
            ),
            parts.pick: gr.update(choices=choices, value=None),
        }

    def _answer(self, answer: CheckedAnswer) -> dict[str, str | bool]:
        """As raters will read it, and what has been decided about it."""
        text = (answer.shown_text if answer.review == "masked" else answer.text) or ""
        about = [self._texts("overview_length", count=len(text))]
        if answer.review:
            about.append(self._texts(f"review_{answer.review}"))
        return {
            "model": answer.model,
            "about": " · ".join(about),
            "text": text,
            "is_left_out": answer.review == "excluded",
        }
