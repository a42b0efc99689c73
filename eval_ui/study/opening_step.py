"""Fourth step: what gives a model away, the work to expect, a dry run, and the opening."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from eval_ui.backend.study_actions import answers_that_tell, texts_that_name
from eval_ui.study.confirmation import Confirmation
from eval_ui.study.overview import Overview, lay_out_overview, wire_overview
from eval_ui.study.step_context import Step, StepContext, hint, pressable
from eval_ui.texts import PageError, Texts
from eval_ui.web.html_templates import part, render
from eval_ui.web.notices import Updates, inform
from medchat.study.disclosure import Disclosure, find_disclosures, masked
from medchat.study.workload import estimate
from storage import (
    CheckedAnswer,
    Review,
    StorageError,
    Study,
    answers_to_check,
    begin_trial,
    list_questions,
    list_raters,
    open_study,
    review_answer,
    review_answers,
)

SHOWN_ANSWERS = 200
"""Of those that give themselves away; the next ones follow when these are done."""
MAX_MENTIONS = 5
"""Mentions of a model that are listed."""
USUAL_RATERS = 5
"""For the estimate as long as nobody is invited."""

SHOW_REVIEW = """
() => requestAnimationFrame(() => {
    document.getElementById("answer-to-check")?.scrollIntoView({ block: "start" });
})
"""
"""It stands above the answers, out of sight where there are many."""


Telling = list[tuple[CheckedAnswer, list[Disclosure]]]
"""Answers with what gives their models away."""


@dataclass(frozen=True)
class ReviewParts:
    """One answer that may give its model away; ``filled`` holds whose text is in ``mask``."""

    box: gr.Column
    answer: gr.Dropdown
    marked: gr.HTML
    mask: gr.Textbox
    filled: gr.State
    use_mask: gr.Button
    exclude: gr.Button
    keep: gr.Button
    mask_all: gr.Button

    @property
    def outputs(self) -> list[Any]:
        return [self.box, self.answer, self.marked, self.mask, self.filled]


@dataclass(frozen=True)
class OpeningParts:
    state: gr.HTML
    review: ReviewParts
    overview: Overview
    trial: gr.Button
    start: gr.Button
    opening: Confirmation
    link: gr.HTML


def lay_out(context: StepContext) -> OpeningParts:
    texts = context.texts
    hint(texts, "opening_info")
    state = gr.HTML(elem_id="opening-state")
    review = _lay_out_review(texts)
    overview = lay_out_overview(texts)
    with gr.Row(elem_classes="actions"):
        trial = gr.Button(texts("trial"), elem_id="trial")
        start = gr.Button(texts("open_study"), variant="primary", elem_id="open-study")
    opening = Confirmation(context, "open")
    link = gr.HTML(elem_id="trial-link")
    return OpeningParts(state, review, overview, trial, start, opening, link)


def _lay_out_review(texts: Texts) -> ReviewParts:
    with gr.Column(visible=False) as box:
        answer = gr.Dropdown(
            [], allow_custom_value=True, label=texts("answer_to_check"), elem_id="answer-to-check"
        )
        marked = gr.HTML(elem_id="answer-found")
        mask = gr.Textbox(label=texts("mask"), info=texts("mask_info"), lines=4, elem_id="mask")
        filled = gr.State()
        with gr.Row(elem_classes="actions"):
            use_mask = gr.Button(texts("review_mask"), variant="primary", elem_id="review-mask")
            exclude = gr.Button(texts("review_exclude"), elem_id="review-exclude")
            keep = gr.Button(texts("review_keep"), elem_id="review-keep")
            mask_all = gr.Button(texts("review_mask_all"), elem_id="review-mask-all", min_width=200)
    return ReviewParts(box, answer, marked, mask, filled, use_mask, exclude, keep, mask_all)


def create_opening_step(context: StepContext) -> Step:
    parts = lay_out(context)
    handlers = OpeningHandlers(context, parts)
    pages = wire_overview(context, parts.overview)
    _wire_review(context, parts, handlers)
    context.look(parts.trial.click, handlers.trial, [], [parts.link])
    parts.opening.guard(parts.start, handlers.ask_opening, handlers.open, [parts.link])
    status = [parts.trial, parts.start, parts.state, parts.overview.box, parts.opening.box]
    return Step(
        [parts.link, *parts.overview.fields],
        lambda study: {parts.link: "", **pages.draw(study)},
        [*status, *parts.review.outputs],
        handlers.draw,
    )


def _wire_review(context: StepContext, parts: OpeningParts, handlers: "OpeningHandlers") -> None:
    review, overview = parts.review, parts.overview
    context.look(
        review.answer.input,
        handlers.show,
        [review.answer],
        [review.marked, review.mask, review.filled],
    )
    for button, decision in (
        (review.use_mask, "masked"),
        (review.exclude, "excluded"),
        (review.keep, "kept"),
    ):
        inputs = [review.answer, review.mask, review.filled]
        context.wire(button.click, handlers.deciding(decision), inputs, [])
    context.wire(review.mask_all.click, handlers.mask_all, [], [])
    picked = context.look(overview.pick.input, handlers.pick, [overview.pick], review.outputs)
    picked.then(None, js=SHOW_REVIEW)
    for leaf in overview.leafing:  # what is open for review belongs to the question before
        context.look(leaf.click, handlers.draw_review, [], review.outputs)


class OpeningHandlers:
    def __init__(self, context: StepContext, parts: OpeningParts) -> None:
        self._context, self._texts, self.parts = context, context.texts, parts
        self._store = context.services.store

    def _telling(self, study: Study) -> Telling:
        return answers_that_tell(self._store, study, self._context.services.names_of_models)

    def draw(self, study: Study) -> Updates:
        return {
            **self.draw_state(study),
            **self.parts.opening.closed(),
            **self.draw_review(study),
        }

    def draw_state(self, study: Study) -> Updates:
        parts, is_draft = self.parts, not study.opened_at
        if is_draft:
            html = part("paragraphs", self._state(study))
        else:
            key = "study_was_open" if study.locked_at else "study_is_open"
            html = part("paragraph", self._texts(key))
        trial, start = pressable(is_draft, is_draft)
        has_questions = is_draft and bool(list_questions(self._store, study.id))
        return {
            parts.trial: trial,
            parts.start: start,
            parts.state: html,
            parts.overview.box: gr.update(visible=has_questions),
        }

    def draw_review(self, study: Study) -> Updates:
        """The first answer that waits for a decision; nothing once raters may read them."""
        if study.opened_at:
            return self._no_review()
        telling = self._telling(study)
        waiting = [answer for answer, _ in telling if not answer.review]
        choices = [
            (self._name(answer), answer.response)
            for answer, _ in sorted(telling, key=lambda pair: bool(pair[0].review))[:SHOWN_ANSWERS]
        ]
        first = waiting[0].response if waiting else choices[0][1] if choices else None
        review = self.parts.review
        return {
            review.box: gr.update(visible=bool(telling)),
            review.answer: gr.update(choices=choices, value=first),
            **self._marked(telling, first),
        }

    def _no_review(self) -> Updates:
        review = self.parts.review
        return {
            review.box: gr.update(visible=False),
            review.answer: gr.update(choices=[], value=None),
            **self._marked([], None),
        }

    def _marked(self, telling: Telling, response: str | None) -> Updates:
        """One answer with what gives it away marked, what raters read or might read instead, and
        its id."""
        review = self.parts.review
        for answer, disclosures in telling:
            if answer.response == response:
                return {
                    review.marked: _marked_html(answer.text, disclosures),
                    review.mask: answer.shown_text or masked(answer.text, disclosures),
                    review.filled: response,
                }
        return {review.marked: "", review.mask: "", review.filled: None}

    def _name(self, answer: CheckedAnswer) -> str:
        mark = self._texts(f"review_{answer.review}") if answer.review else "●"
        return f"{mark} {answer.question_id} · {answer.model}"

    def _state(self, study: Study) -> list[str]:
        """Sentences on what is to be done, and what raters will have to do."""
        telling = self._telling(study)
        waiting = sum(not answer.review for answer, _ in telling)
        first = (
            self._texts("telling_some", count=len(telling), open=waiting)
            if telling
            else self._texts("telling_none")
        )
        return [first, *self._named(study), *self._gaps(study), *self._estimate(study)]

    def _named(self, study: Study) -> list[str]:
        """What besides the answers would tell raters a model's name."""
        labels = self._context.services.names_of_models
        mentions = texts_that_name(self._store, study, labels, self._texts)
        if not mentions:
            return []
        names = [f"{where} ({words[:40]})" for where, words in mentions[:MAX_MENTIONS]]
        more = "…" if len(mentions) > MAX_MENTIONS else ""
        return [self._texts("texts_name_models", places="; ".join(names) + more)]

    def _gaps(self, study: Study) -> list[str]:
        """What each model has left unanswered: a comparison wants every model everywhere."""
        questions = len(list_questions(self._store, study.id))
        answered: dict[str, int] = {}
        for answer in answers_to_check(self._store, study.id):
            answered[answer.model] = answered.get(answer.model, 0) + (answer.review != "excluded")
        return [
            self._texts("model_gaps", model=model, count=questions - count, total=questions)
            for model, count in answered.items()
            if count < questions
        ]

    def _estimate(self, study: Study) -> list[str]:
        by_question = {
            question.question_id: [question.text]
            for question in list_questions(self._store, study.id)
        }
        for answer in answers_to_check(self._store, study.id):
            if answer.review != "excluded":
                by_question[answer.question_id].append(answer.shown_text or answer.text)
        raters = len(list_raters(self._store, study.id)) or USUAL_RATERS
        workload = estimate(
            list(by_question.values()),
            raters=raters,
            raters_per_answer=study.raters_per_answer,
            repeats=study.repeats,
            practice=len(list_questions(self._store, study.id, "practice")),
        )
        sentence = self._texts(
            "work_estimate",
            raters=raters,
            questions=workload.questions,
            answers=workload.answers,
            minutes=workload.minutes,
        )
        if workload.repeats == study.repeats:
            return [sentence]
        fewer = self._texts("repeats_fewer", wanted=study.repeats, count=workload.repeats)
        return [sentence, fewer]

    def show(self, study: Study, response: str | None) -> Updates:
        telling = [] if study.opened_at else self._telling(study)
        return self._marked(telling, response)

    def pick(self, study: Study, response: str | None) -> Updates:
        """Any answer, to be masked or excluded though nothing was found in it."""
        if study.opened_at:
            return self._no_review()
        telling = self._telling(study)
        listed = {answer.response for answer, _ in telling}
        picked: Telling = [
            (answer, [])
            for answer in answers_to_check(self._store, study.id)
            if answer.response == response and answer.response not in listed
        ]
        choices = [
            (self._name(answer), answer.response)
            for answer, _ in [*picked, *telling[:SHOWN_ANSWERS]]
        ]
        return {
            self.parts.review.box: gr.update(visible=True),
            self.parts.review.answer: gr.update(choices=choices, value=response),
            **self._marked([*picked, *telling], response),
        }

    def deciding(self, decision: Any) -> Callable[..., Updates]:
        def run(study: Study, response: str | None, mask: str, filled: str | None) -> Updates:
            if not response:
                raise PageError("choose_answer")
            if response != filled:
                raise PageError("mask_of_another")
            text = self._safe(study, mask) if decision == "masked" else None
            by = self._context.coordinator
            review_answer(self._store, study.id, response, decision, by, text)
            return {}

        return run

    def _safe(self, study: Study, mask: str) -> str:
        names = {answer.model for answer in answers_to_check(self._store, study.id)}
        names.update(self._context.services.names_of_models)
        if disclosures := find_disclosures(mask, names):
            raise PageError("mask_tells", words=disclosures[0].words[:60])
        return mask

    def mask_all(self, study: Study) -> Updates:
        reviews = [
            Review(answer.response, "masked", masked(answer.text, disclosures))
            for answer, disclosures in self._telling(study)
            if not answer.review
        ]
        review_answers(self._store, study.id, reviews, self._context.coordinator)
        return {}

    def trial(self, study: Study) -> Updates:
        token = begin_trial(self._store, study.id).token
        address = f"{self._context.home}r/{token}"
        return {self.parts.link: render("trial_link.html", texts=self._texts, address=address)}

    def ask_opening(self, study: Study) -> str:
        if study.opened_at:
            raise StorageError("study_opened")
        self._require_decided(study)
        questions = list_questions(self._store, study.id)
        if not questions:
            raise StorageError("study_empty")
        answers = [
            answer
            for answer in answers_to_check(self._store, study.id)
            if answer.review != "excluded"
        ]
        answered = {answer.question_id for answer in answers}
        names = [question.question_id for question in questions]
        if unanswered := [name for name in names if name not in answered]:
            raise StorageError("questions_unanswered", count=len(unanswered), first=unanswered[0])
        sentence = self._texts(
            "open_asks",
            study=study.name,
            questions=len(questions),
            answers=len(answers),
            raters=len(list_raters(self._store, study.id)),
        )
        return " ".join([*self._named(study), sentence])

    def _require_decided(self, study: Study) -> None:
        waiting = [answer for answer, _ in self._telling(study) if not answer.review]
        if waiting:
            raise PageError("telling_left", count=len(waiting))

    def open(self, study: Study) -> Updates:
        self._context.services.answering.pause(study.id)
        checked = [answer.response for answer in answers_to_check(self._store, study.id)]
        self._require_decided(study)
        # What came in between the two looks at the answers is refused there.
        open_study(self._store, study.id, self._context.coordinator, checked)
        inform(self._texts("study_is_open"), self._texts)
        return {self.parts.link: ""}


def _marked_html(text: str, disclosures: list[Disclosure]) -> str:
    """An answer with what gives it away marked."""
    pieces, end = [], 0
    for disclosure in disclosures:
        pieces.append((text[end : disclosure.start], False))
        pieces.append((text[disclosure.start : disclosure.end], True))
        end = disclosure.end
    pieces.append((text[end:], False))
    return render("checked_answer.html", pieces=pieces)
