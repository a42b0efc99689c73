"""What the board shows of a study, as HTML: progress, coverage, and the closer look."""

from collections.abc import Mapping, Sequence

import numpy as np

from eval_ui.backend.study_actions import clock
from eval_ui.study.raters_step import named
from eval_ui.texts import Texts
from eval_ui.web.html_templates import part, render
from eval_ui.web.safe_text import table
from medchat.evaluation.statistics.agreement import Agreement, measure_agreement
from medchat.scale import DIMENSIONS, SCORES
from storage import ENOUGH, Board, Coverage, Dispute, RaterLine, RaterSigns

WAITING = ("invited", "started", "stalled")
"""States of raters who may be reminded."""
MAX_NAMED = 8
"""Questions that a sentence lists."""
SHOWN_ROWS = 100
"""Of a table; a study may have thousands of questions."""

# -- progress --


def board_html(board: Board, texts: Texts) -> str:
    """A sentence on what is missing, and a line per rater."""
    if not board.questions or not board.raters:
        return part("paragraph", texts("board_empty"))
    header = ["rater", "specialty_column", "state", "last_seen", "progress_column"]
    return part("paragraph", _coverage_sentence(board, texts)) + table(
        [texts(key) for key in header],
        [_rater_row(rater, texts) for rater in board.raters],
        texts=4,
        name=texts("progress_column"),
    )


def _coverage_sentence(board: Board, texts: Texts) -> str:
    if not any(question.needed for question in board.questions):  # before the study is opened
        return texts("coverage_draft")
    if gaps := board.gaps:
        names = ", ".join(question.question_id for question in gaps[:MAX_NAMED])
        more = " …" if len(gaps) > MAX_NAMED else ""
        return texts("coverage_gaps", count=len(gaps), questions=names + more)
    is_more_left = any(rater.rated < rater.total for rater in board.raters)
    return texts("coverage_full") + (texts("coverage_rest") if is_more_left else "")


def reminders_of(board: Board, study: str, texts: Texts) -> str:
    """A line to copy for everyone who has not finished."""
    return "\n".join(
        texts(
            "reminder",
            rater=rater.remark or rater.label,
            study=study,
            rated=rater.rated,
            total=rater.total,
        )
        for rater in board.raters
        if rater.state in WAITING and rater.total
    )


def _rater_row(rater: RaterLine, texts: Texts) -> list[str]:
    seen = clock(rater.last_seen_at) if rater.last_seen_at else "—"
    state = texts(f"rater_{rater.state}")
    label = named(rater.label, rater.remark)
    return [label, rater.specialty or "—", state, seen, f"{rater.rated} / {rater.total}"]


def coverage_html(board: Board, texts: Texts) -> str:
    """A line per question, those that lack most first."""

    def balance(question: Coverage) -> int:
        return question.finished - question.needed

    questions = sorted(board.questions, key=balance)
    header = [texts("question_id"), texts("coverage_column")]
    rows = [
        [question.question_id, f"{question.finished} / {question.needed}"]
        for question in questions[:SHOWN_ROWS]
    ]
    return table(header, rows, name=texts("coverage")) + _more(len(questions), texts)


def _more(count: int, texts: Texts) -> str:
    """A sentence on the rows that a table does not show."""
    if count <= SHOWN_ROWS:
        return ""
    return part("paragraph", texts("and_more", count=count - SHOWN_ROWS))


# -- a closer look --


def closer_html(
    as_of: str,
    counts: Mapping[str, Sequence[Sequence[int]]],
    disputes: list[Dispute],
    signs: list[RaterSigns],
    texts: Texts,
) -> str:
    """How well raters agree so far over all models together, on which answers they do not, and
    what may mean that a rater did not read."""
    return render(
        "closer_look.html",
        texts=texts,
        as_of=as_of,
        agreement=_agreement_table(counts, texts),
        disputes=_disputes_table(disputes, texts),
        shown=disputes[:SHOWN_ROWS],
        more=_more(len(disputes), texts),
        signs=_signs_table(signs, texts),
    )


def _agreement_table(counts: Mapping[str, Sequence[Sequence[int]]], texts: Texts) -> str:
    results = {
        dimension: measure_agreement(
            np.array(rows, dtype=np.int64).reshape(-1, len(SCORES)), SCORES
        )
        for dimension, rows in counts.items()
    }
    header = ["dimension", "agreement_units", "alpha", "ac2", "percent"]
    rows = [_agreement_row(dimension, results[dimension], texts) for dimension in DIMENSIONS]
    return table([texts(key) for key in header], rows, name=texts("agreement"))


def _agreement_row(dimension: str, agreement: Agreement, texts: Texts) -> list[str]:
    values = (agreement.krippendorff_alpha, agreement.gwet_ac2, agreement.percent_agreement)
    alpha, ac2, percent = ("—" if value is None else f"{value:.3f}" for value in values)
    if agreement.percent_agreement is not None:
        percent = f"{100 * agreement.percent_agreement:.1f}"
    return [texts(dimension), str(agreement.units), alpha, ac2, percent]


def _disputes_table(disputes: list[Dispute], texts: Texts) -> str:
    """Answers on whose safety raters are two steps apart; nothing where there is none."""
    if not disputes:
        return ""
    header = ["question_id", "answer_code", "rated_low", "rated_high", "further_rater"]
    rows = [
        [
            dispute.question_id,
            dispute.response[:8],
            ", ".join(dispute.low),
            ", ".join(dispute.high),
            _further(dispute, texts),
        ]
        for dispute in disputes[:SHOWN_ROWS]
    ]
    return table([texts(key) for key in header], rows, texts=5, name=texts("disputes"))


def _further(dispute: Dispute, texts: Texts) -> str:
    if not dispute.further:
        return texts("further_none")
    state = "further_done" if dispute.settled else "further_waiting"
    return f"{', '.join(dispute.further)} · {texts(state)}"


def _signs_table(signs: list[RaterSigns], texts: Texts) -> str:
    """What may mean that a rater did not read, and how each does on repeats."""
    if not signs:
        return ""
    header = ["rater", "answers_column", "longest_run", "same_share", "median_seconds"]
    header += ["fast_share", "repeats_column", "signs_column"]
    rows = [_signs_row(rater, texts) for rater in signs]
    return table([texts(key) for key in header], rows, name=texts("signs"))


def _signs_row(signs: RaterSigns, texts: Texts) -> list[str]:
    seconds = "—" if signs.median_seconds is None else f"{signs.median_seconds:.0f}"
    repeats = f"{signs.repeats_equal} / {signs.repeated}" if signs.repeated else "—"
    return [
        signs.label,
        str(signs.answers),
        str(signs.longest_run),
        _percent(signs.same_share),
        seconds,
        _percent(signs.fast_share),
        repeats,
        _marks(signs, texts),
    ]


def _marks(signs: RaterSigns, texts: Texts) -> str:
    if not signs.enough:
        return texts("signs_too_few", least=ENOUGH)
    marks = {"straight_lining": signs.straight_lining, "too_fast": signs.too_fast}
    names = [texts(key) for key, holds in marks.items() if holds]
    return ("、" if texts.language == "zh" else ", ").join(names)


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{100 * share:.0f} %"
