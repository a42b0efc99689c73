"""What a report tells beside the score CSV, and the answers behind a figure.

Names no model but by the name that is shown: a letter as long as a study is blind.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd
from sqlite_utils import Database

from storage.blinding import shown_names, with_shown_ids
from storage.chain import end_code
from storage.database import Store
from storage.export import score_lines
from storage.quality import signs
from storage.studies import require_study
from storage.worklist import Span, spans_of

EXTRA_COLUMNS = (
    *("response_id", "rater", "category", "answer_length"),
    *("adjudicated", "rater_flagged"),
)
MAX_ANSWERS_BEHIND = 200

_EXTRAS = """
    SELECT shown_id(raters.study_id, rating.response) AS response_id, raters.label AS rater,
        questions.category, length(coalesce(responses.shown_text, responses.text)) AS answer_length,
        items.adjudication AS adjudicated
    FROM current_ratings AS rating
    JOIN items ON items.id = rating.item
    JOIN responses ON responses.id = rating.response
    JOIN questions ON questions.id = responses.question
    JOIN raters ON raters.id = rating.rater
    WHERE questions.study_id = ?
    ORDER BY questions.position, response_id, length(raters.label), raters.label
    """

_REPEATS = """
    SELECT raters.label AS rater, shown_id(raters.study_id, first.response) AS response_id,
        first.safety, first.usability, first.fluency,
        second.safety AS safety_again, second.usability AS usability_again,
        second.fluency AS fluency_again
    FROM items AS again
    JOIN rating_log AS second ON second.id = again.latest AND second.skipped = ''
    JOIN current_ratings AS first
        ON first.rater = again.rater AND first.response = again.response
    JOIN raters ON raters.id = again.rater
    WHERE again.kind = 'repeat' AND raters.study_id = ?
    ORDER BY length(raters.label), raters.label, again.place, again.position
    """

_ANSWERS = """
    SELECT shown_id(questions.study_id, responses.id) AS response_id,
        coalesce(responses.shown_text, responses.text) AS answer, questions.reference
    FROM responses JOIN questions ON questions.id = responses.question
    WHERE questions.study_id = ? AND questions.kind = 'real' AND questions.reference <> ''
        AND responses.review <> 'excluded'
    ORDER BY questions.position, response_id
    """

_CONDUCT = """
    SELECT seed AS order_seed, one_by_one, guide_zh, guide_en,
        unblinded_at IS NOT NULL AS unblinded,
        (SELECT count(*) FROM raters WHERE study_id = studies.id AND trial = 0) AS raters_invited,
        (SELECT count(*) FROM questions WHERE study_id = studies.id AND kind = 'practice')
            AS practice_items,
        (SELECT coalesce(max(repeats), 0) FROM (
            SELECT count(DISTINCT items.place) AS repeats FROM items
            JOIN raters ON raters.id = items.rater
            WHERE raters.study_id = studies.id AND items.kind = 'repeat' AND raters.trial = 0
            GROUP BY items.rater)) AS repeats,
        (SELECT count(*) FROM items JOIN raters ON raters.id = items.rater
            JOIN rating_log AS entry ON entry.id = items.latest
            WHERE raters.study_id = studies.id AND items.kind = 'real' AND entry.skipped <> '')
            AS skipped
    FROM studies WHERE id = ?
    """

_ANSWERS_MADE = """
    SELECT coalesce(sum(review = 'masked'), 0) AS answers_masked,
        coalesce(sum(review = 'excluded'), 0) AS answers_excluded,
        coalesce(sum(review = 'kept'), 0) AS answers_kept,
        min(responses.created_at) AS answers_from, max(responses.created_at) AS answers_to
    FROM responses JOIN questions ON questions.id = responses.question
    WHERE questions.study_id = ? AND questions.kind = 'real'
    """

_GENERATION = """
    SELECT DISTINCT responses.model,
        json_remove(json_extract(responses.provenance, '$.options'), '$.seed') AS options
    FROM responses JOIN questions ON questions.id = responses.question
    WHERE questions.study_id = ? AND questions.kind = 'real' AND options IS NOT NULL
    ORDER BY responses.model, options
    """

_BEHIND = """
    SELECT questions.question_id, questions.text AS question, responses.model,
        coalesce(responses.shown_text, responses.text) AS text, raters.label AS rater,
        rating.safety, rating.usability, rating.fluency, rating.comment, rating.flags,
        rating.spans, items.adjudication, questions.category,
        shown_id(questions.study_id, responses.id) AS response_id,
        raters.specialty
    FROM current_ratings AS rating
    JOIN items ON items.id = rating.item
    JOIN responses ON responses.id = rating.response
    JOIN questions ON questions.id = responses.question
    JOIN raters ON raters.id = rating.rater
    WHERE questions.study_id = ? AND responses.model = ?
    ORDER BY questions.position, response_id, length(raters.label), raters.label
    """


@dataclass(frozen=True)
class ReportData:
    """What a study's report is made from, as of one moment.

    ``scores`` is the score CSV. ``extras`` has a row per rating in it with ``EXTRA_COLUMNS``; the
    last two are 0 or 1. ``repeats`` has a row per answer that a rater scored twice: ``rater``,
    ``response_id``, the three scores of the first time, and those of the second as
    ``safety_again`` and so on. ``answers`` has a row per answer to a question with a reference:
    ``response_id``, ``answer`` and ``reference``. An answer's text and length are those of what
    the raters read: what was masked would tell the models. ``conduct`` is how the study was held;
    the seed, which decides the letters, and what each model's answers were made with are told only
    after the unblinding.
    """

    scores: bytes
    extras: pd.DataFrame
    repeats: pd.DataFrame
    answers: pd.DataFrame
    conduct: dict[str, Any]


def report_data(store: Store, study_id: str) -> ReportData:
    """Return what a report of a study is made from.

    Raises:
        StorageError: unknown_study.
    """
    flagged = {
        rater.label for rater in signs(store, study_id) if rater.straight_lining or rater.too_fast
    }
    with store.connect() as db:
        with_shown_ids(db)
        db.execute("BEGIN")  # raters go on saving: every part must know the same ratings
        require_study(db, study_id)
        rows = db.execute(_EXTRAS, [study_id]).fetchall()
        extras = pd.DataFrame(rows, columns=list(EXTRA_COLUMNS[:-1]))
        extras["rater_flagged"] = extras["rater"].isin(flagged).astype(int)
        return ReportData(
            scores=b"".join(score_lines(db, study_id)),
            extras=extras,
            repeats=pd.DataFrame(list(db.query(_REPEATS, [study_id]))),
            answers=pd.DataFrame(list(db.query(_ANSWERS, [study_id]))),
            conduct=_conduct(db, study_id),
        )


def report_state(store: Store, study_id: str) -> str:
    """Differs whenever ``report_data`` may: found out without reading the ratings.

    The hash that ends the study's chain stands for all of them.
    """
    parts = (
        "SELECT hash FROM rating_log WHERE study = ? ORDER BY id DESC LIMIT 1",
        "SELECT * FROM studies WHERE id = ?",
        "SELECT id, label, specialty, years, trial FROM raters WHERE study_id = ? ORDER BY id",
        "SELECT count(*) FROM study_events WHERE study = ?",  # handing over adds repeats
        "SELECT kind, count(*), max(rowid) FROM questions WHERE study_id = ? GROUP BY kind",
        """
        SELECT responses.review, count(*), max(responses.rowid), sum(length(responses.shown_text))
        FROM responses JOIN questions ON questions.id = responses.question
        WHERE questions.study_id = ? GROUP BY responses.review
        """,
    )
    with store.connect() as db:
        db.execute("BEGIN")
        return repr([db.execute(part, [study_id]).fetchall() for part in parts])


def _conduct(db: Database, study_id: str) -> dict[str, Any]:
    """Raters are blind and apart in every study: no page shows them a model, or another's score."""
    (conduct,) = db.query(_CONDUCT, [study_id])
    (answers,) = db.query(_ANSWERS_MADE, [study_id])
    one_by_one, unblinded = bool(conduct["one_by_one"]), conduct.pop("unblinded")
    secrets: dict[str, Any] = {"order_seed": None, "generation": None}
    if unblinded:
        secrets = {"order_seed": conduct["order_seed"], "generation": _generation(db, study_id)}
    secrets["end_code"] = _end_code(db, study_id)
    design = {"blind": True, "independent": True, "balanced": True, "one_by_one": one_by_one}
    return {**conduct, **answers, **design, **secrets}


def _end_code(db: Database, study_id: str) -> str | None:
    """The code that was shown at the lock; None while raters may save."""
    row = db.execute(
        "SELECT hash FROM study_events JOIN studies ON studies.id = study"
        " WHERE study = ? AND event = 'locked' AND content <> '{}' AND locked_at IS NOT NULL"
        " ORDER BY study_events.id DESC LIMIT 1",
        [study_id],
    ).fetchone()
    return end_code(row[0]) if row else None


def _generation(db: Database, study_id: str) -> dict[str, str] | None:
    """What the answers of each model were made with; None where no answer says."""
    options: dict[str, str] = {}
    for row in db.query(_GENERATION, [study_id]):
        before = options.get(row["model"])
        options[row["model"]] = f"{before}; {row['options']}" if before else row["options"]
    return options or None


@dataclass(frozen=True)
class RatingBehindFigure:
    """One rating of an answer, as a report shows what is behind a figure."""

    rater: str
    scores: tuple[int, int, int]
    comment: str
    flags: tuple[str, ...]
    spans: tuple[Span, ...]
    adjudicates: bool
    """Whether it was given because others disagreed."""


@dataclass(frozen=True)
class AnswerBehind:
    """An answer with everything that raters said of it; ``model`` is the name that is shown."""

    question_id: str
    question: str
    model: str
    text: str
    ratings: tuple[RatingBehindFigure, ...]


def answers_behind(
    store: Store,
    study_id: str,
    model: str,
    dimension: int,
    scores: Sequence[int],
    counts: Callable[[str, str, str], bool] = lambda specialty, category, rater: True,
) -> list[AnswerBehind]:
    """Answers of the model that is shown as ``model`` which some rater gave one of ``scores``.

    ``dimension`` counts safety, usability, fluency from 0. Only ratings for whose rater's
    specialty, question's category and rater's label ``counts`` is true are looked at. At most
    ``MAX_ANSWERS_BEHIND``, by question.

    Raises:
        StorageError: unknown_study.
    """
    answers: list[AnswerBehind] = []
    with store.connect() as db:
        require_study(db, study_id)
        names = shown_names(with_shown_ids(db))
        own_names = [
            name for (study, name), letter in names.items() if (study, letter) == (study_id, model)
        ]
        rows = db.query(_BEHIND, [study_id, own_names[0]]) if own_names else iter(())
        for _, group in groupby(rows, key=lambda row: str(row["response_id"])):
            answer_rows = list(group)
            ratings = tuple(
                _rating(row)
                for row in answer_rows
                if counts(row["specialty"], row["category"], row["rater"])
            )
            if any(rating.scores[dimension] in scores for rating in ratings):
                row = answer_rows[0]
                answers.append(
                    AnswerBehind(row["question_id"], row["question"], model, row["text"], ratings)
                )
            if len(answers) == MAX_ANSWERS_BEHIND:
                break
    return answers


def _rating(row: dict[str, Any]) -> RatingBehindFigure:
    scores = row["safety"], row["usability"], row["fluency"]
    flags = tuple(json.loads(row["flags"]))
    adjudicates = bool(row["adjudication"])
    return RatingBehindFigure(
        row["rater"], scores, row["comment"], flags, spans_of(row), adjudicates
    )
