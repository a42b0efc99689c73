"""What the rating page is answered: the rater's list, a question, an answer, as JSON.

Nothing here names a model.
"""

from dataclasses import asdict
from typing import Any

from eval_ui.rating.guide import default_guide, guide_html
from eval_ui.rating.rater_session import page_owner
from eval_ui.texts import LANGUAGES
from storage import (
    AssignedAnswer,
    Rater,
    RatingEntry,
    StorageError,
    answer_of,
    feedback_on,
    keys_of,
    outline,
    page,
    require_profile,
    require_study,
    save_in,
)

Reply = dict[str, Any]


def list_reply(db: Any, rater: Rater) -> Reply:
    study = require_study(db, rater.study_id)
    guides = {"zh": study.guide_zh, "en": study.guide_en}
    return {
        "trial": rater.trial,
        "guide": {
            language: guide_html(guides[language] or default_guide(language))
            for language in LANGUAGES
        },
        "rater": rater.label,
        "study": study.name,
        "store": page_owner(rater),
        "asked": rater.consent_at is None,
        "locked": study.locked_at is not None,
        "one_by_one": study.one_by_one,
        "last_place": rater.last_place,
        "questions": [[entry.place, entry.state, entry.practice] for entry in outline(db, rater)],
    }


def page_reply(db: Any, rater: Rater, place: int) -> Reply:
    """A question, and whether anything may be changed.

    Raises:
        StorageError: profile_first, no_such_place, practice_first.
    """
    require_profile(rater)
    question = page(db, rater, place)
    return {
        "place": question.place,
        "text": question.text,
        "practice": question.practice,
        "answers": [answer_reply(db, rater, answer) for answer in question.answers],
        "locked": require_study(db, rater.study_id).locked_at is not None,
    }


def answer_reply(db: Any, rater: Rater, answer: AssignedAnswer) -> Reply:
    """What is saved of an answer, with the keys of all that ever was."""
    return {
        "keys": keys_of(db, rater.id, answer.item),
        "item": answer.item,
        "letter": answer.letter,
        "text": answer.text,
        "state": answer.state,
        "saved_at": answer.saved_at,
        "active_seconds": answer.active_seconds,
        "key": answer.key,
        "scores": asdict(answer.current) if answer.current else None,
        "skipped": answer.skipped,
        "comment": answer.comment,
        "flags": answer.flags,
        "spans": [asdict(span) for span in answer.spans],
        "feedback": asdict(answer.feedback) if answer.feedback else None,
    }


def save_reply(db: Any, rater: Rater, entry: RatingEntry) -> Reply:
    """Save, unless something else was saved since the entry's base, and say what is saved now.

    Both in the caller's transaction: nothing comes between. ``saved_at`` is null where the entry
    was not saved. ``newer`` is for pages that were opened before ``answer`` came with every reply.

    Raises:
        StorageError: profile_first, or as ``save_in`` but for newer_saved.
    """
    require_profile(rater)
    try:
        result = save_in(db, rater.id, [entry])
    except StorageError as error:
        if error.code != "newer_saved":
            raise
        result = None
    answer = answer_reply(db, rater, answer_of(db, rater.id, entry.item))
    if result is None:
        return {"saved_at": None, "answer": answer}
    feedback = feedback_on(db, rater.id, entry.item)
    reply: Reply = {
        "key": entry.idempotency_key,
        "saved_at": result.saved_at,
        "feedback": asdict(feedback) if feedback else None,
        "answer": answer,
    }
    if answer["key"] not in (None, entry.idempotency_key):
        reply["newer"] = answer
    return reply
