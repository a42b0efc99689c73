"""Sixth step: who is how far, what lacks raters, how well they agree, and where they do not.

Nothing here tells one model from another: until a study is unblinded, nobody may see that.
"""

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import gradio as gr

from eval_ui.backend.study_actions import clock
from eval_ui.study.board_html import board_html, closer_html, coverage_html, reminders_of
from eval_ui.study.step_context import Step, StepContext, hint
from eval_ui.web.html_templates import part
from eval_ui.web.notices import Updates, inform, listen
from storage import (
    Study,
    adjudicate,
    backup_is_overdue,
    disputes,
    list_questions,
    list_raters,
    newest_backup,
    read_board,
    score_counts,
    signs,
    study_events,
)

COUNTED_AT_ONCE = 5000
"""Questions times raters up to which the board comes with the other steps; more take a part of a
second, and come after them, and then the closer look, which takes seconds."""
LOOK_AGAIN_SECONDS = 300
"""For how long such a look is shown again; a click makes a new one."""
NOTHING = ("", 0)
"""A state that asks for nothing; else it holds a study's name and a moment."""


@dataclass(frozen=True)
class BoardParts:
    """``wanted_board`` and ``wanted_look`` ask for what takes longer than the page can wait."""

    progress: gr.HTML
    questions: gr.HTML
    reminders: gr.Textbox
    look: gr.Button
    further: gr.Button
    closer: gr.HTML
    wanted_board: gr.State
    wanted_look: gr.State

    @property
    def counted(self) -> list[Any]:
        """What a count of the board fills."""
        return [self.progress, self.questions, self.reminders, self.closer, self.wanted_look]


def lay_out(context: StepContext) -> BoardParts:
    texts = context.texts
    progress = gr.HTML(elem_id="study-board")
    with gr.Accordion(texts("coverage"), open=False, elem_id="coverage"):
        questions = gr.HTML(elem_id="coverage-table")
    with gr.Accordion(texts("reminders"), open=False, elem_id="reminding"):
        reminders = gr.Textbox(
            label=texts("reminders"), lines=3, buttons=["copy"], elem_id="reminders"
        )
    hint(texts, "closer_info")
    with gr.Row(elem_classes="actions"):
        look = gr.Button(texts("closer"), elem_id="closer")
        further = gr.Button(texts("adjudicate"), elem_id="adjudicate")
    closer = gr.HTML(elem_id="closer-look")
    wanted_board, wanted_look = gr.State(NOTHING), gr.State(NOTHING)
    return BoardParts(
        progress, questions, reminders, look, further, closer, wanted_board, wanted_look
    )


def create_board_step(context: StepContext) -> Step:
    parts, texts = lay_out(context), context.texts
    handlers = BoardHandlers(context, parts)
    context.look(parts.look.click, handlers.closer, [], [parts.closer])
    # Not guarded as a whole: they come with the page, before anybody has signed in.
    listen(parts.wanted_board.change, handlers.follow, [parts.wanted_board], parts.counted, texts)
    listen(
        parts.wanted_look.change, handlers.follow_closer, [parts.wanted_look], [parts.closer], texts
    )
    context.wire(parts.further.click, handlers.adjudicate, [], [parts.closer])
    return Step(status=[*parts.counted, parts.wanted_board], draw=handlers.draw)


class BoardHandlers:
    def __init__(self, context: StepContext, parts: BoardParts) -> None:
        self._context, self._texts, self.parts = context, context.texts, parts
        self._store = context.services.store
        # By study:
        self._boards: dict[str, Updates] = {}  # what was shown last
        self._looks: dict[str, tuple[float, str]] = {}  # when, and what it showed

    def draw(self, study: Study) -> Updates:
        """The board; of a large study what was shown last, and what asks for the one to follow."""
        parts = self.parts
        if self._counted_at_once(study):
            return {**self._count(study), parts.wanted_board: NOTHING}
        waiting = {
            **dict.fromkeys(parts.counted, ""),
            parts.progress: part("paragraph", self._texts("board_follows")),
            parts.wanted_look: NOTHING,
        }
        request = (study.name, time.time_ns())
        return {**self._boards.get(study.id, waiting), parts.wanted_board: request}

    def _counted_at_once(self, study: Study) -> bool:
        questions = list_questions(self._store, study.id)
        return len(questions) * len(list_raters(self._store, study.id)) <= COUNTED_AT_ONCE

    def follow(self, request: tuple[str, int]) -> Updates:
        """The board that was asked for; the page may not know yet which study it shows."""
        if request == NOTHING:
            return {}
        study = self._context.require_study(request[0])
        updates = self._count(study)
        self._boards[study.id] = {**updates, self.parts.wanted_look: NOTHING}
        return updates

    def _count(self, study: Study) -> Updates:
        counts = read_board(self._store, study.id)
        above = self._backup_complaint() + self._end(study)
        rated = sum(rater.rated for rater in counts.raters)
        return {
            self.parts.progress: above + board_html(counts, self._texts),
            self.parts.questions: coverage_html(counts, self._texts),
            self.parts.reminders: reminders_of(counts, study.name, self._texts),
            **self._look(study, rated),
        }

    def _backup_complaint(self) -> str:
        """A sentence where backups are switched on and two of them have not come."""
        services, hours = self._context.services, self._context.services.settings.backup_hours
        if not hours or not backup_is_overdue(self._store, services.backup_folder, hours):
            return ""
        newest = newest_backup(self._store.path, services.backup_folder)
        if newest is None:
            return part("alert", self._texts("backup_none"))
        return part("alert", self._texts("backup_old", time=clock(newest.isoformat())))

    def _end(self, study: Study) -> str:
        """The end of a locked study, for its coordinator to keep."""
        if not study.locked_at:
            return ""
        codes = [event.end_code for event in study_events(self._store, study.id) if event.end_code]
        return part("paragraph", self._texts("locked_end", code=codes[-1])) if codes else ""

    def _look(self, study: Study, rated: int) -> Updates:
        """The closer look as far as it is at hand, and what asks for one that is to follow."""
        closer, wanted_look = self.parts.closer, self.parts.wanted_look
        if not rated:
            return {closer: "", wanted_look: NOTHING}
        if self._counted_at_once(study):
            return {**self.closer(study), wanted_look: NOTHING}
        looked_at, html = self._looks.get(study.id, (-math.inf, ""))
        if time.monotonic() - looked_at < LOOK_AGAIN_SECONDS:
            return {closer: html, wanted_look: NOTHING}
        waiting = part("paragraph", self._texts("closer_follows"))
        return {closer: waiting, wanted_look: (study.name, time.time_ns())}

    def follow_closer(self, request: tuple[str, int]) -> Updates:
        """As ``follow``."""
        return {} if request == NOTHING else self.closer(self._context.require_study(request[0]))

    def closer(self, study: Study) -> Updates:
        html = closer_html(
            self._texts("as_of", time=clock(datetime.now(UTC).isoformat())),
            score_counts(self._store, study.id),
            disputes(self._store, study.id),
            signs(self._store, study.id),
            self._texts,
        )
        self._looks[study.id] = time.monotonic(), html
        return {self.parts.closer: html}

    def adjudicate(self, study: Study) -> Updates:
        result = adjudicate(self._store, study.id, self._context.coordinator)
        key = "adjudicated_all" if not result.without_rater else "adjudicated_some"
        inform(self._texts(key, given=result.assigned, without=result.without_rater), self._texts)
        return self.closer(study)
