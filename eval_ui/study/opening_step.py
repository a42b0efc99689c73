"""Fourth step: what gives a model away, the work to expect, a dry run, and the opening."""

from typing import Any

import gradio as gr

from eval_ui.backend.study_actions import answers_that_tell, texts_that_name
from eval_ui.study.overview import OverviewHandlers, create_overview
from eval_ui.study.step_context import Step, StudyWork, hint, pressable
from eval_ui.texts import PageError
from eval_ui.web.confirmation import Confirmation
from eval_ui.web.notices import inform
from eval_ui.web.safe_text import as_html
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
MOST_PLACES = 5
"""That name a model, of those that are listed."""
USUAL_RATERS = 5
"""For the estimate as long as nobody is invited."""

SHOW_REVIEW = """
() => requestAnimationFrame(() => {
    document.getElementById("answer-to-check")?.scrollIntoView({ block: "start" });
})
"""
"""It stands above the answers, out of sight where there are many."""


def create_opening_step(work: StudyWork) -> Step:
    texts = work.texts
    # -- layout --
    hint(texts, "opening_info")
    state = gr.HTML(elem_id="opening-state")
    with gr.Column(visible=False) as review:
        answer = gr.Dropdown(
            [], allow_custom_value=True, label=texts("answer_to_check"), elem_id="answer-to-check"
        )
        found = gr.HTML(elem_id="answer-found")
        mask = gr.Textbox(label=texts("mask"), info=texts("mask_info"), lines=4, elem_id="mask")
        with gr.Row(elem_classes="actions"):
            use_mask = gr.Button(texts("review_mask"), variant="primary", elem_id="review-mask")
            exclude = gr.Button(texts("review_exclude"), elem_id="review-exclude")
            keep = gr.Button(texts("review_keep"), elem_id="review-keep")
            mask_all = gr.Button(texts("review_mask_all"), elem_id="review-mask-all", min_width=200)
    overview = create_overview(work)
    with gr.Row(elem_classes="actions"):
        trial = gr.Button(texts("trial"), elem_id="trial")
        start = gr.Button(texts("open_study"), variant="primary", elem_id="open-study")
    opening = Confirmation(work, "open")
    link = gr.HTML(elem_id="trial-link")

    filled = gr.State()  # the answer whose text is in the box
    # -- wiring --
    handlers = _Handlers(work)
    work.look(answer.input, handlers.show, [answer], [found, mask, filled])
    for button, decision in ((use_mask, "masked"), (exclude, "excluded"), (keep, "kept")):
        work.wire(button.click, handlers.deciding(decision), [answer, mask, filled], [])
    work.wire(mask_all.click, handlers.mask_all, [], [])
    work.look(trial.click, handlers.trial, [], [link])
    opening.guard(start, handlers.ask_opening, handlers.open, [link])
    reviewing = [review, answer, found, mask, filled]
    picked = work.look(overview.pick.input, handlers.pick, [overview.pick], reviewing)
    picked.then(None, js=SHOW_REVIEW)
    for leaf in overview.leafing:  # what is open for review belongs to the question before
        work.look(leaf.click, handlers.draw_review, [], reviewing)
    pages = OverviewHandlers(work)
    return Step(
        [link, *overview.fields],
        lambda study: ["", *pages.page(study, 1)],
        [trial, start, state, overview.box, opening.box, *reviewing],
        lambda study: [
            *handlers.draw_state(study),
            opening.closed(),
            *handlers.draw_review(study),
        ],
    )


class _Handlers:
    def __init__(self, work: StudyWork) -> None:
        self._work, self._texts, self._store = work, work.texts, work.services.store

    def _telling(self, study: Study) -> list[tuple[CheckedAnswer, list[Disclosure]]]:
        return answers_that_tell(self._store, study, self._work.services.names_of_models)

    def draw_state(self, study: Study) -> list[Any]:
        if study.opened_at:
            key = "study_was_open" if study.locked_at else "study_is_open"
            told = f"<p>{self._texts(key)}</p>"
            return [*pressable(False, False), told, gr.update(visible=False)]
        telling = self._telling(study)
        waiting = [answer for answer, _ in telling if not answer.review]
        return [
            *pressable(True, True),
            self._state(study, len(telling), len(waiting)),
            gr.update(visible=bool(list_questions(self._store, study.id))),
        ]

    def draw_review(self, study: Study) -> list[Any]:
        """The first answer that waits for a decision; nothing once raters may read them."""
        if study.opened_at:
            return _no_review()
        telling = self._telling(study)
        waiting = [answer for answer, _ in telling if not answer.review]
        choices = [
            (self._name(answer), answer.response)
            for answer, _ in sorted(telling, key=lambda each: bool(each[0].review))[:SHOWN_ANSWERS]
        ]
        first = waiting[0].response if waiting else choices[0][1] if choices else None
        return [
            gr.update(visible=bool(telling)),
            gr.update(choices=choices, value=first),
            *_shown(telling, first),
        ]

    def _name(self, answer: CheckedAnswer) -> str:
        mark = self._texts(f"review_{answer.review}") if answer.review else "●"
        return f"{mark} {answer.question_id} · {answer.model}"

    def _state(self, study: Study, telling: int, waiting: int) -> str:
        told = (
            self._texts("telling_some", count=telling, open=waiting)
            if telling
            else self._texts("telling_none")
        )
        sentences = [told, *self._named(study), *self._gaps(study), *self._estimate(study)]
        return "".join(f"<p>{as_html(sentence)}</p>" for sentence in sentences)

    def _named(self, study: Study) -> list[str]:
        """What besides the answers would tell raters a model's name."""
        labels = self._work.services.names_of_models
        found = texts_that_name(self._store, study, labels, self._texts)
        if not found:
            return []
        places = [f"{where} ({words[:40]})" for where, words in found[:MOST_PLACES]]
        more = "…" if len(found) > MOST_PLACES else ""
        return [self._texts("texts_name_models", places="; ".join(places) + more)]

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
            each.question_id: [each.text] for each in list_questions(self._store, study.id)
        }
        for answer in answers_to_check(self._store, study.id):
            if answer.review != "excluded":
                by_question[answer.question_id].append(answer.shown_text or answer.text)
        raters = len(list_raters(self._store, study.id))
        found = estimate(
            list(by_question.values()),
            raters=raters or USUAL_RATERS,
            raters_per_answer=study.raters_per_answer,
            repeats=study.repeats,
            practice=len(list_questions(self._store, study.id, "practice")),
        )
        told = self._texts(
            "work_estimate",
            raters=raters or USUAL_RATERS,
            questions=found.questions,
            answers=found.answers,
            minutes=found.minutes,
        )
        if found.repeats == study.repeats:
            return [told]
        fewer = self._texts("repeats_fewer", wanted=study.repeats, count=found.repeats)
        return [told, fewer]

    def show(self, study: Study, response: str | None) -> list[Any]:
        if study.opened_at:
            return _shown([], None)
        return _shown(self._telling(study), response)

    def pick(self, study: Study, response: str | None) -> list[Any]:
        """Any answer, to be masked or excluded though nothing was found in it."""
        if study.opened_at:
            return _no_review()
        telling = self._telling(study)
        known = {answer.response for answer, _ in telling}
        picked: list[tuple[CheckedAnswer, list[Disclosure]]] = [
            (answer, [])
            for answer in answers_to_check(self._store, study.id)
            if answer.response == response and answer.response not in known
        ]
        choices = [
            (self._name(answer), answer.response)
            for answer, _ in [*picked, *telling[:SHOWN_ANSWERS]]
        ]
        return [
            gr.update(visible=True),
            gr.update(choices=choices, value=response),
            *_shown([*picked, *telling], response),
        ]

    def deciding(self, decision: Any) -> Any:
        def run(study: Study, response: str | None, mask: str, filled: str | None) -> list[Any]:
            if not response:
                raise PageError("choose_answer")
            if response != filled:
                raise PageError("mask_of_another")
            shown = self._safe(study, mask) if decision == "masked" else None
            review_answer(self._store, study.id, response, decision, self._work.coordinator, shown)
            return []

        return run

    def _safe(self, study: Study, mask: str) -> str:
        names = {answer.model for answer in answers_to_check(self._store, study.id)}
        if found := find_disclosures(mask, names.union(self._work.services.names_of_models)):
            raise PageError("mask_tells", words=found[0].words[:60])
        return mask

    def mask_all(self, study: Study) -> list[Any]:
        reviews = [
            Review(answer.response, "masked", masked(answer.text, disclosures))
            for answer, disclosures in self._telling(study)
            if not answer.review
        ]
        review_answers(self._store, study.id, reviews, self._work.coordinator)
        return []

    def trial(self, study: Study) -> list[str]:
        token = begin_trial(self._store, study.id).token
        address = f"{self._work.home}r/{token}"
        return [
            f'<p><a class="download" target="_blank" rel="noopener" href="{as_html(address)}">'
            f"{self._texts('trial_link')}</a></p><p>{self._texts('trial_info')}</p>"
        ]

    def ask_opening(self, study: Study) -> str:
        if study.opened_at:
            raise StorageError("study_opened")
        self._require_decided(study)
        questions = list_questions(self._store, study.id)
        if not questions:
            raise StorageError("study_empty")
        left = [
            answer
            for answer in answers_to_check(self._store, study.id)
            if answer.review != "excluded"
        ]
        answered = {answer.question_id for answer in left}
        if without := [each for each in questions if each.question_id not in answered]:
            first = without[0].question_id
            raise StorageError("questions_unanswered", count=len(without), first=first)
        asked = self._texts(
            "open_asks",
            study=study.name,
            questions=len(questions),
            answers=len(left),
            raters=len(list_raters(self._store, study.id)),
        )
        return " ".join([*self._named(study), asked])

    def _require_decided(self, study: Study) -> None:
        waiting = [answer for answer, _ in self._telling(study) if not answer.review]
        if waiting:
            raise PageError("telling_left", count=len(waiting))

    def open(self, study: Study) -> list[str]:
        self._work.services.answering.pause(study.id)
        checked = [answer.response for answer in answers_to_check(self._store, study.id)]
        self._require_decided(study)
        # What came in between the two looks at the answers is refused there.
        open_study(self._store, study.id, self._work.coordinator, checked)
        inform(self._texts("study_is_open"), self._texts)
        return [""]


def _no_review() -> list[Any]:
    return [gr.update(visible=False), gr.update(choices=[], value=None), *_shown([], None)]


def _shown(
    telling: list[tuple[CheckedAnswer, list[Disclosure]]], response: str | None
) -> list[str | None]:
    """One answer with what gives it away marked, what raters read or might read instead, its id."""
    for answer, disclosures in telling:
        if answer.response == response:
            suggested = answer.shown_text or masked(answer.text, disclosures)
            return [_marked(answer.text, disclosures), suggested, response]
    return ["", "", None]


def _marked(text: str, disclosures: list[Disclosure]) -> str:
    """An answer with what gives it away marked."""
    pieces, at = [], 0
    for each in disclosures:
        pieces.append(as_html(text[at : each.start]))
        pieces.append(f"<mark>{as_html(text[each.start : each.end])}</mark>")
        at = each.end
    return f'<div class="text checked">{"".join(pieces)}{as_html(text[at:])}</div>'
