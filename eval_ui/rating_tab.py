"""The rating tab: a physician enters a code and scores blinded answers, one question at a time.

Layout first, wiring below. What a rater's browser gets holds letters and texts, never a model.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from eval_ui.notices import QUEUED, guarded, inform, warn
from eval_ui.rating_session import (
    MOST_ANSWERS,
    Chosen,
    RatingSession,
    chosen_of,
    clock,
    enter,
    is_rated,
    reload,
    save,
)
from eval_ui.safe_text import as_html, as_markdown
from eval_ui.services import Services
from eval_ui.texts import Texts
from storage import DIMENSIONS, AssignedAnswer

SCORES = (1, 2, 3)
# While a save is under way the form takes no clicks: what was clicked meanwhile would be replaced
# by what has been saved. Should no answer come, it opens again by itself.
LOCK_FORM = """(...inputs) => {
  const form = document.querySelector('#rating-form');
  form.inert = true;
  window.clearTimeout(window.medchatUnlock);
  window.medchatUnlock = window.setTimeout(() => { form.inert = false; }, 15000);
  return inputs;
}"""
UNLOCK_FORM = """() => {
  window.clearTimeout(window.medchatUnlock);
  document.querySelector('#rating-form').inert = false;
}"""


@dataclass(frozen=True)
class Slot:
    """The place of one answer: its text, its three scales and whether it is saved."""

    group: gr.Column
    text: gr.HTML
    scales: tuple[gr.Radio, ...]
    state: gr.HTML

    @property
    def components(self) -> list[Any]:
        return [self.group, self.text, *self.scales, self.state]


def create_rating_tab(services: Services, texts: Texts) -> None:
    # -- layout --
    session = gr.State(None)
    with gr.Column(elem_id="rating-entry") as entry:
        gr.Markdown(texts("rating_intro"))
        with gr.Row(elem_classes="field-and-button"):
            code = gr.Textbox(
                label=texts("code"),
                placeholder=texts("code_placeholder"),
                max_length=100,
                elem_id="rater-code",
            )
            begin = gr.Button(
                texts("enter"), variant="primary", elem_id="rating-begin", scale=0, min_width=140
            )
    with gr.Column(visible=False, elem_id="rating-form") as form:
        with gr.Row(elem_classes="progress-row"):
            progress = gr.Markdown(elem_id="rating-progress", latex_delimiters=[])
            leave = gr.Button(
                texts("leave"), size="sm", elem_id="rating-leave", scale=0, min_width=80
            )
        question = gr.HTML(elem_id="rating-question")
        # The page sends back which showing it has: a click made before the last one's answer came
        # carries the scores of another question than the session's.
        showing = gr.Textbox(visible=False)
        with gr.Row(elem_classes="answers"):
            slots = [_create_slot(number, texts) for number in range(MOST_ANSWERS)]
        saved = gr.HTML(elem_id="rating-saved")
        with gr.Row(elem_classes="actions"):
            back = gr.Button(texts("previous"), elem_id="rating-previous", min_width=130)
            store_only = gr.Button(texts("save"), elem_id="rating-save", min_width=130)
            skip = gr.Button(texts("next_unrated"), elem_id="rating-next-unrated", min_width=130)
            forward = gr.Button(
                texts("next"), variant="primary", elem_id="rating-next", min_width=130
            )

    # -- wiring --
    handlers = _Handlers(services, texts)
    view = [session, showing, entry, form, progress, question, saved]
    view += [component for slot in slots for component in slot.components]
    scales = [scale for slot in slots for scale in slot.scales]
    entering = guarded(handlers.enter, 1 + len(view), texts)
    gr.on([begin.click, code.submit], entering, code, [code, *view], **QUEUED)
    for button, where in (
        (store_only, handlers.stay),
        (forward, handlers.forward),
        (back, handlers.back),
        (skip, handlers.unrated),
        (leave, handlers.leave),
    ):
        saving = guarded(where, len(view), texts, "not_saved")
        button.click(saving, [session, showing, *scales], view, js=LOCK_FORM, **QUEUED).then(
            None, None, None, js=UNLOCK_FORM
        )
    for slot in slots:
        for scale in slot.scales:
            scale.input(
                lambda: _mark(texts("unsaved"), "unsaved"),
                None,
                slot.state,
                queue=False,
                show_progress="hidden",
                api_visibility="private",
            )


def _create_slot(number: int, texts: Texts) -> Slot:
    letter = chr(ord("A") + number)
    with gr.Column(min_width=300, visible=False, elem_classes="answer") as group:
        text = gr.HTML(elem_id=f"answer-{letter}")
        scales = tuple(
            gr.Radio(
                choices=[(texts(f"{dimension}_{score}"), score) for score in SCORES],
                label=texts(dimension),
                info=texts(f"{dimension}_question"),
                elem_id=f"{dimension}-{letter}",
                elem_classes="scale",
            )
            for dimension in DIMENSIONS
        )
        state = gr.HTML(elem_id=f"state-{letter}")
    return Slot(group, text, scales, state)


class _Handlers:
    """What the buttons do. Nothing is shown as saved that is not on disk."""

    def __init__(self, services: Services, texts: Texts) -> None:
        self._store = services.store
        self._texts = texts

    def enter(self, code: str) -> list[Any]:
        session = enter(self._store, code or "", self._texts)
        return ["", *self._view(session)]

    def leave(self, session: RatingSession | None, showing: str, *values: Any) -> list[Any]:
        """Save as the other buttons do, then close; a half-scored answer keeps the page."""
        if session is not None and showing == session.token:
            with session.lock:
                chosen = _chosen(values, len(session.question.answers))
                save(self._store, session, chosen, self._texts)
        return self._closed()

    def stay(self, session: RatingSession | None, showing: str, *values: Any) -> list[Any]:
        return self._saved_then(session, showing, values, lambda open_session: None, quiet=False)

    def forward(self, session: RatingSession | None, showing: str, *values: Any) -> list[Any]:
        def move(open_session: RatingSession) -> None:
            if open_session.index == len(open_session.questions) - 1:
                inform(self._texts("last_question"), self._texts)
            else:
                open_session.go(open_session.index + 1)

        return self._saved_then(session, showing, values, move)

    def back(self, session: RatingSession | None, showing: str, *values: Any) -> list[Any]:
        def move(open_session: RatingSession) -> None:
            if open_session.index == 0:
                inform(self._texts("first_question"), self._texts)
            else:
                open_session.go(open_session.index - 1)

        return self._saved_then(session, showing, values, move)

    def unrated(self, session: RatingSession | None, showing: str, *values: Any) -> list[Any]:
        def move(open_session: RatingSession) -> None:
            index = open_session.next_unrated()
            if index is not None:
                open_session.go(index)

        return self._saved_then(session, showing, values, move)

    def _saved_then(
        self,
        session: RatingSession | None,
        showing: str,
        values: tuple[Any, ...],
        move: Callable[[RatingSession], None],
        *,
        quiet: bool = True,
    ) -> list[Any]:
        if session is None:
            warn(self._texts("session_over"), self._texts)
            return self._closed()
        with session.lock:
            return self._saved_in_turn(session, showing, values, move, quiet=quiet)

    def _saved_in_turn(
        self,
        session: RatingSession,
        showing: str,
        values: tuple[Any, ...],
        move: Callable[[RatingSession], None],
        *,
        quiet: bool,
    ) -> list[Any]:
        if showing != session.token:
            warn(self._texts("page_behind"), self._texts)
            return self._view(session)
        chosen = _chosen(values, len(session.question.answers))
        result = save(self._store, session, chosen, self._texts)
        notice = ""
        if result is not None and result.written:
            notice = self._texts("saved_notice", count=result.written, time=clock(result.saved_at))
        elif not quiet:
            notice = self._texts("nothing_changed")
        if result is None:
            reload(self._store, session)
        move(session)
        return self._view(session, notice)

    # -- drawing --

    def _view(self, session: RatingSession, notice: str = "") -> list[Any]:
        question = session.question
        progress = self._texts(
            "progress",
            study=as_markdown(session.study),
            label=session.label,
            number=session.index + 1,
            total=len(session.questions),
            done=session.done,
        )
        if all(is_rated(item) for item in session.questions):
            progress += "\n\n" + self._texts("all_done")
        heading = f'<h3>{self._texts("question")}</h3><p class="text">{as_html(question.text)}</p>'
        state = _mark(notice, "saved") if notice else ""
        view = [session, session.token, gr.update(visible=False), gr.update(visible=True)]
        view += [progress, heading, state]
        for number in range(MOST_ANSWERS):
            known = number < len(question.answers)
            view += self._slot(question.answers[number]) if known else self._empty_slot()
        return view

    def _slot(self, answer: AssignedAnswer) -> list[Any]:
        heading = self._texts("answer", letter=answer.letter)
        text = answer.text or self._texts("empty_answer")
        body = f'<h3>{heading}</h3><p class="text">{as_html(text)}</p>'
        state = (
            _mark(self._texts("saved", time="").strip(), "saved")
            if answer.current
            else _mark(self._texts("not_rated"), "open")
        )
        return [gr.update(visible=True), body, *chosen_of(answer), state]

    def _empty_slot(self) -> list[Any]:
        return [gr.update(visible=False), "", *[None] * len(DIMENSIONS), ""]

    def _closed(self) -> list[Any]:
        view = [None, "", gr.update(visible=True), gr.update(visible=False), "", "", ""]
        return view + [value for _ in range(MOST_ANSWERS) for value in self._empty_slot()]


def _chosen(values: tuple[Any, ...], answers: int) -> list[Chosen]:
    """The flat list of radio values, three by three, of the answers that are shown."""
    width = len(DIMENSIONS)
    return [tuple(values[start : start + width]) for start in range(0, answers * width, width)]


def _mark(text: str, kind: str) -> str:
    return f'<span class="mark {kind}" role="status">{as_html(text)}</span>'
