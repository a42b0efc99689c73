"""Sixth step: who is how far, what lacks raters, how well they agree, and where they do not.

Nothing here tells one model from another: until a study is unblinded, nobody may see that.
"""

import math
import time
from datetime import UTC, datetime
from typing import Any

import gradio as gr
import numpy as np

from eval_ui.backend.study_actions import clock
from eval_ui.study.raters_step import named
from eval_ui.study.step_context import Step, StudyWork, hint
from eval_ui.texts import Texts
from eval_ui.web.notices import inform, listen
from eval_ui.web.safe_text import as_html, table
from medchat.evaluation.statistics.agreement import Agreement, measure_agreement
from medchat.scale import DIMENSIONS, SCORES
from storage import (
    ENOUGH,
    Board,
    Coverage,
    Dispute,
    RaterLine,
    RaterSigns,
    Store,
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

WAITING = ("invited", "started", "stalled")
"""States of raters who may be reminded."""
COUNTED_AT_ONCE = 5000
"""Questions times raters up to which the board comes with the other steps; more take a part of a
second, and come after them, and then the closer look, which takes seconds."""
LOOK_AGAIN_SECONDS = 300
"""For how long such a look is shown again; a click makes a new one."""
NOTHING = ("", 0)
"""A state that asks for nothing; else it holds a study's name and a moment."""
MOST_NAMED = 8
"""Questions that a sentence lists."""
SHOWN_ROWS = 100
"""Of a table; a study may have thousands of questions."""


def create_board_step(work: StudyWork) -> Step:
    texts = work.texts
    # -- layout --
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

    # -- wiring --
    handlers = _Handlers(work)
    work.look(look.click, handlers.closer, [], [closer])
    # Not guarded as a whole: they come with the page, before anybody has signed in.
    counted = [progress, questions, reminders, closer, wanted_look]
    listen(wanted_board.change, handlers.follow, [wanted_board], counted, texts)
    listen(wanted_look.change, handlers.follow_closer, [wanted_look], [closer], texts)
    work.wire(further.click, handlers.adjudicate, [], [closer])
    return Step(status=[*counted, wanted_board], draw=handlers.draw)


class _Handlers:
    def __init__(self, work: StudyWork) -> None:
        self._work, self._texts, self._store = work, work.texts, work.services.store
        # By study:
        self._boards: dict[str, list[Any]] = {}  # what was shown last
        self._looks: dict[str, tuple[float, str]] = {}  # when, and what was found

    def draw(self, study: Study) -> list[Any]:
        """The board; of a large study what was shown last, and what asks for the one to follow."""
        if self._counted_at_once(study):
            return [*self._count(study), NOTHING]
        waiting = [f"<p>{self._texts('board_follows')}</p>", "", "", "", NOTHING]
        return [*self._boards.get(study.id, waiting), (study.name, time.time_ns())]

    def _counted_at_once(self, study: Study) -> bool:
        questions, raters = (
            list_questions(self._store, study.id),
            list_raters(self._store, study.id),
        )
        return len(questions) * len(raters) <= COUNTED_AT_ONCE

    def follow(self, wanted: tuple[str, int]) -> list[Any]:
        """The board that was asked for; the page may not know yet which study it shows."""
        if wanted == NOTHING:
            return [gr.skip() for _ in range(5)]
        study = self._work.own(wanted[0])
        shown = self._count(study)
        self._boards[study.id] = [*shown[:-1], NOTHING]
        return shown

    def _count(self, study: Study) -> list[Any]:
        found = read_board(self._store, study.id)
        return [
            self._backup_complaint() + self._end(study) + board_html(found, self._texts),
            coverage_html(found, self._texts),
            reminders_of(found, study.name, self._texts),
            *self._look(study, _rated(found)),
        ]

    def _backup_complaint(self) -> str:
        """A sentence where backups are switched on and two of them have not come."""
        services, hours = self._work.services, self._work.services.settings.backup_hours
        if not hours or not backup_is_overdue(self._store, services.backup_folder, hours):
            return ""
        newest = newest_backup(self._store.path, services.backup_folder)
        if newest is None:
            return f"<p role='alert'>{self._texts('backup_none')}</p>"
        time_made = clock(newest.isoformat())
        return f"<p role='alert'>{self._texts('backup_old', time=time_made)}</p>"

    def _end(self, study: Study) -> str:
        """The end of a locked study, for its coordinator to keep."""
        if not study.locked_at:
            return ""
        codes = [event.end_code for event in study_events(self._store, study.id) if event.end_code]
        return f"<p>{self._texts('locked_end', code=codes[-1])}</p>" if codes else ""

    def _look(self, study: Study, rated: int) -> list[Any]:
        """The closer look as far as it is at hand, and what asks for one that is to follow."""
        if not rated:
            return ["", NOTHING]
        if self._counted_at_once(study):
            return [*self.closer(study), NOTHING]
        made_at, html = self._looks.get(study.id, (-math.inf, ""))
        if time.monotonic() - made_at < LOOK_AGAIN_SECONDS:
            return [html, NOTHING]
        return [f"<p>{self._texts('closer_follows')}</p>", (study.name, time.time_ns())]

    def follow_closer(self, wanted: tuple[str, int]) -> list[Any]:
        """As ``follow``."""
        return [gr.skip()] if wanted == NOTHING else self.closer(self._work.own(wanted[0]))

    def closer(self, study: Study) -> list[str]:
        as_of = self._texts("as_of", time=clock(datetime.now(UTC).isoformat()))
        html = (
            f"<p class='hint'>{as_of}</p>"
            + agreement_html(self._store, study, self._texts)
            + disputes_html(disputes(self._store, study.id), self._texts)
            + signs_html(signs(self._store, study.id), self._texts)
        )
        self._looks[study.id] = time.monotonic(), html
        return [html]

    def adjudicate(self, study: Study) -> list[str]:
        handed = adjudicate(self._store, study.id, self._work.coordinator)
        key = "adjudicated_all" if not handed.without_rater else "adjudicated_some"
        inform(self._texts(key, given=handed.assigned, without=handed.without_rater), self._texts)
        return self.closer(study)


def _rated(found: Board) -> int:
    return sum(each.rated for each in found.raters)


# -- progress --


def board_html(found: Board, texts: Texts) -> str:
    """A sentence on what is missing, and a line per rater."""
    if not found.questions or not found.raters:
        return f"<p>{texts('board_empty')}</p>"
    sentence = texts("coverage_full")
    if found.gaps:
        named = ", ".join(each.question_id for each in found.gaps[:MOST_NAMED])
        more = " …" if len(found.gaps) > MOST_NAMED else ""
        sentence = texts("coverage_gaps", count=len(found.gaps), questions=named + more)
    elif any(each.rated < each.total for each in found.raters):
        sentence += texts("coverage_rest")
    header = ["rater", "specialty_column", "state", "last_seen", "progress_column"]
    lines = table(
        [texts(key) for key in header],
        [_rater_row(each, texts) for each in found.raters],
        texts=4,
        name=texts("progress_column"),
    )
    return f"<p>{as_html(sentence)}</p>{lines}"


def reminders_of(found: Board, study: str, texts: Texts) -> str:
    """A line to copy for everyone who has not finished."""
    return "\n".join(
        texts(
            "reminder",
            rater=each.remark or each.label,
            study=study,
            rated=each.rated,
            total=each.total,
        )
        for each in found.raters
        if each.state in WAITING and each.total
    )


def _rater_row(rater: RaterLine, texts: Texts) -> list[str]:
    seen = clock(rater.last_seen_at) if rater.last_seen_at else "—"
    state = texts(f"rater_{rater.state}")
    label = named(rater.label, rater.remark)
    return [label, rater.specialty or "—", state, seen, f"{rater.rated} / {rater.total}"]


def coverage_html(found: Board, texts: Texts) -> str:
    """A line per question, those that lack most first."""

    def missing(each: Coverage) -> int:
        return each.finished - each.needed

    ordered = sorted(found.questions, key=missing)
    header = [texts("question_id"), texts("coverage_column")]
    rows = [[each.question_id, f"{each.finished} / {each.needed}"] for each in ordered]
    more = ""
    if len(rows) > SHOWN_ROWS:
        more = f"<p>{texts('and_more', count=len(rows) - SHOWN_ROWS)}</p>"
    return table(header, rows[:SHOWN_ROWS], name=texts("coverage")) + more


# -- a closer look --


def agreement_html(store: Store, study: Study, texts: Texts) -> str:
    """How well raters agree on each scale so far, over all models together."""
    found = {
        dimension: measure_agreement(
            np.array(counts, dtype=np.int64).reshape(-1, len(SCORES)), SCORES
        )
        for dimension, counts in score_counts(store, study.id).items()
    }
    header = ["dimension", "agreement_units", "alpha", "ac2", "percent"]
    rows = [_agreement_row(dimension, found[dimension], texts) for dimension in DIMENSIONS]
    listed = table([texts(key) for key in header], rows, name=texts("agreement"))
    note = texts("agreement_note")
    return f"<h3>{texts('agreement')}</h3>{listed}<p class='hint'>{note}</p>"


def _agreement_row(dimension: str, found: Agreement, texts: Texts) -> list[str]:
    values = (found.krippendorff_alpha, found.gwet_ac2, found.percent_agreement)
    alpha, ac2, percent = ("—" if value is None else f"{value:.3f}" for value in values)
    if found.percent_agreement is not None:
        percent = f"{100 * found.percent_agreement:.1f}"
    return [texts(dimension), str(found.units), alpha, ac2, percent]


def disputes_html(found: list[Dispute], texts: Texts) -> str:
    """Answers on whose safety raters are two steps apart."""
    title = f"<h3>{texts('disputes')}</h3>"
    if not found:
        return f"{title}<p>{texts('disputes_none')}</p>"
    header = ["question_id", "answer_code", "rated_low", "rated_high", "further_rater"]
    rows = [
        [
            each.question_id,
            each.response[:8],
            ", ".join(each.low),
            ", ".join(each.high),
            _further(each, texts),
        ]
        for each in found[:SHOWN_ROWS]
    ]
    more = ""
    if len(found) > SHOWN_ROWS:
        more = f"<p>{texts('and_more', count=len(found) - SHOWN_ROWS)}</p>"
    listed = table([texts(key) for key in header], rows, texts=5, name=texts("disputes"))
    return title + listed + more + "".join(map(_disputed, found[:SHOWN_ROWS]))


def _disputed(dispute: Dispute) -> str:
    """Question and answer, to be opened."""
    return (
        f'<details class="part"><summary>{as_html(dispute.question_id)} · {dispute.response[:8]}'
        f"</summary><p class='asked'>{as_html(dispute.question)}</p>"
        f"<div class='text'>{as_html(dispute.text)}</div></details>"
    )


def _further(dispute: Dispute, texts: Texts) -> str:
    if not dispute.further:
        return texts("further_none")
    state = "further_done" if dispute.settled else "further_waiting"
    return f"{', '.join(dispute.further)} · {texts(state)}"


def signs_html(found: list[RaterSigns], texts: Texts) -> str:
    """What may mean that a rater did not read, and how each does on repeats."""
    title = f"<h3>{texts('signs')}</h3>"
    if not found:
        return f"{title}<p>{texts('report_empty')}</p>"
    header = ["rater", "answers_column", "longest_run", "same_share", "median_seconds"]
    header += ["fast_share", "repeats_column", "signs_column"]
    rows = [_signs_row(each, texts) for each in found]
    listed = table([texts(key) for key in header], rows, name=texts("signs"))
    return f"{title}{listed}<p class='hint'>{texts('signs_note')}</p>"


def _signs_row(found: RaterSigns, texts: Texts) -> list[str]:
    marks = [
        texts(key)
        for key, holds in (
            ("straight_lining", found.straight_lining),
            ("too_fast", found.too_fast),
        )
        if holds
    ]
    if not found.enough:
        marks = [texts("signs_too_few", least=ENOUGH)]
    seconds = "—" if found.median_seconds is None else f"{found.median_seconds:.0f}"
    repeats = f"{found.repeats_equal} / {found.repeated}" if found.repeated else "—"
    return [
        found.label,
        str(found.answers),
        str(found.longest_run),
        _percent(found.same_share),
        seconds,
        _percent(found.fast_share),
        repeats,
        "、".join(marks) if texts.language == "zh" else ", ".join(marks),
    ]


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{100 * share:.0f} %"
