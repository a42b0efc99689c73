"""A physician's session without Gradio: which question is open, what was loaded, what to save.

Nothing here holds a model's name: it is built from ``storage.assignment``, which has none.
"""

import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from eval_ui.texts import Texts
from medchat.errors import BadInput
from storage import (
    DIMENSIONS,
    AssignedAnswer,
    AssignedQuestion,
    RatingEntry,
    SaveResult,
    Scores,
    StorageError,
    Store,
    assignment,
    find_rater,
    get_study,
    save_ratings,
)

MOST_ANSWERS = 8
"""Answers that the page can show side by side; a question must not have more."""

Chosen = tuple[int | None, int | None, int | None]
"""The three scores of one answer as the page has them; None where nothing is chosen."""


@dataclass
class RatingSession:
    """One rater at one page. ``index`` is the open question; ``token`` marks one showing of it."""

    rater_id: str
    label: str
    study: str
    questions: list[AssignedQuestion]
    index: int = 0
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    lock: Lock = field(default_factory=Lock, repr=False, compare=False)
    """Held while a click is worked off: clicks of one page take turns."""

    @property
    def question(self) -> AssignedQuestion:
        return self.questions[self.index]

    @property
    def done(self) -> int:
        return sum(is_rated(question) for question in self.questions)

    def go(self, index: int) -> None:
        self.index = min(max(index, 0), len(self.questions) - 1)
        self.token = secrets.token_hex(8)

    def next_unrated(self) -> int | None:
        """The first question behind the open one, then from the start, that lacks a score."""
        order = [*range(self.index + 1, len(self.questions)), *range(self.index + 1)]
        return next((i for i in order if not is_rated(self.questions[i])), None)


def is_rated(question: AssignedQuestion) -> bool:
    return all(answer.current is not None for answer in question.answers)


def enter(store: Store, code: str, texts: Texts) -> RatingSession:
    """Begin with the first question that lacks a score.

    Raises BadInput for an empty code or a study without questions, StorageError for an unknown
    code.
    """
    if not code.strip():
        raise BadInput(texts("code_missing"))
    rater = find_rater(store, code)
    questions = assignment(store, rater.id)
    if not questions:
        raise BadInput(texts("no_questions"))
    study = get_study(store, rater.study_id)
    session = RatingSession(rater.id, rater.label, study.name, questions, index=len(questions) - 1)
    session.go(session.next_unrated() or 0)
    return session


def reload(store: Store, session: RatingSession) -> None:
    """Read the questions and current scores again: another tab may have saved meanwhile."""
    open_question = session.question.question_id
    session.questions = assignment(store, session.rater_id)
    ids = [question.question_id for question in session.questions]
    session.go(ids.index(open_question) if open_question in ids else session.index)


def changed_entries(
    session: RatingSession, chosen: list[Chosen], texts: Texts
) -> list[RatingEntry]:
    """What is to be saved: every fully scored answer that differs from what was loaded.

    An answer left alone is not written, so an old tab does not undo what a newer one saved.
    Raises BadInput that names the answers that are only half scored.
    """
    answers = session.question.answers
    half = [
        (answer, scores)
        for answer, scores in zip(answers, chosen, strict=True)
        if None in scores and any(scores)
    ]
    if half:
        missing = {
            texts(dimension)
            for _, scores in half
            for dimension, score in zip(DIMENSIONS, scores, strict=True)
            if score is None
        }
        letters = "、".join(answer.letter for answer, _ in half)
        names = [texts(d) for d in DIMENSIONS if texts(d) in missing]
        raise BadInput(texts("half_rated", letters=letters, missing="、".join(names)))
    return [
        _entry(session, answer, scores)
        for answer, scores in zip(answers, chosen, strict=True)
        if any(scores) and scores != chosen_of(answer)
    ]


def _entry(session: RatingSession, answer: AssignedAnswer, scores: Chosen) -> RatingEntry:
    safety, usability, fluency = (score or 0 for score in scores)  # 0 would be refused when saved
    return RatingEntry(
        response_id=answer.response_id,
        scores=Scores(safety, usability, fluency),
        idempotency_key=f"{session.token}:{answer.response_id}:{safety}{usability}{fluency}",
        comment=answer.comment,
        flags=answer.flags,
    )


def chosen_of(answer: AssignedAnswer) -> Chosen:
    """The saved scores of an answer as the page shows them."""
    current = answer.current
    return (current.safety, current.usability, current.fluency) if current else (None, None, None)


def save(
    store: Store, session: RatingSession, chosen: list[Chosen], texts: Texts
) -> SaveResult | None:
    """Save what changed; None if nothing did. After this returns, what it saved is on disk.

    Raises BadInput or StorageError; then nothing has been written.
    """
    entries = changed_entries(session, chosen, texts)
    if not entries:
        return None
    result = save_ratings(store, session.rater_id, entries)
    with suppress(StorageError):  # saved is saved; the next click reads again
        reload(store, session)
    return result


def clock(moment: str) -> str:
    """A stored UTC time as the local time of day of the server, such as 14:03:22."""
    return datetime.fromisoformat(moment).astimezone().strftime("%H:%M:%S")
