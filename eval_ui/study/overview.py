"""All questions of a draft with their answers, one question at a time, before anybody rates them.

The page shows which model wrote what, as it may to coordinators until a study is opened.
"""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from eval_ui.study.step_context import StudyWork, whole_number
from eval_ui.texts import PageError
from eval_ui.web.safe_text import as_html
from storage import CheckedAnswer, Question, Study, answers_to_check, list_questions


@dataclass(frozen=True)
class Overview:
    """``fields`` show the first question to who chooses a study; ``pick`` holds an answer's id;
    ``leafing`` are the buttons to another question."""

    box: gr.Accordion
    pick: gr.Dropdown
    leafing: list[gr.Button]
    fields: list[Any]


def create_overview(work: StudyWork) -> Overview:
    texts = work.texts
    # -- layout --
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

    # -- wiring --
    handlers = OverviewHandlers(work)
    shown = [number, page, pick]
    work.look(number.submit, handlers.stepping(0), [number], shown)
    work.look(before.click, handlers.stepping(-1), [number], shown)
    work.look(behind.click, handlers.stepping(1), [number], shown)
    work.look(work.changed.change, handlers.stepping(0), [number], shown)
    return Overview(box, pick, [before, behind], shown)


class OverviewHandlers:
    def __init__(self, work: StudyWork) -> None:
        self._work, self._texts, self._store = work, work.texts, work.services.store

    def stepping(self, by: int) -> Any:
        """The handler that goes on, or back, by so many questions."""

        def run(study: Study, number: float | None) -> list[Any]:
            found = whole_number(number, PageError("not_whole", value=number))
            return self.page(study, (found or 1) + by)

        return run

    def page(self, study: Study, number: int) -> list[Any]:
        """One question, counted from 1: its number, what there is of it, its answers to pick."""
        questions = [] if study.opened_at else list_questions(self._store, study.id)
        if not questions:
            return [1, "", gr.update(choices=[], value=None)]
        number = min(max(number, 1), len(questions))
        question = questions[number - 1]
        answers = [
            answer
            for answer in answers_to_check(self._store, study.id)
            if answer.question_id == question.question_id
        ]
        told = self._texts("overview_place", number=number, total=len(questions))
        choices = [(answer.model, answer.response) for answer in answers]
        return [
            number,
            f"<p class='hint'>{told}</p>{self._question(question, answers)}",
            gr.update(choices=choices, value=None),
        ]

    def _question(self, question: Question, answers: list[CheckedAnswer]) -> str:
        about = " · ".join(part for part in (question.question_id, question.category) if part)
        reference = ""
        if question.reference:
            title = self._texts("column_reference")
            reference = f"<h4>{title}</h4><div class='text'>{as_html(question.reference)}</div>"
        shown = "".join(map(self._answer, answers)) or f"<p>{self._texts('overview_none')}</p>"
        return (
            f"<h3>{as_html(about)}</h3><div class='text asked'>{as_html(question.text)}</div>"
            f"{reference}{shown}"
        )

    def _answer(self, answer: CheckedAnswer) -> str:
        """As raters will read it, and what has been decided about it."""
        mark = self._texts(f"review_{answer.review}") if answer.review else ""
        text = answer.shown_text if answer.review == "masked" else answer.text
        length = self._texts("overview_length", count=len(text or ""))
        about = " · ".join(part for part in (length, mark) if part)
        left_out = " class='text left-out'" if answer.review == "excluded" else " class='text'"
        return (
            f"<h4>{as_html(answer.model)} <span class='quiet'>{as_html(about)}</span></h4>"
            f"<div{left_out}>{as_html(text or '')}</div>"
        )
