"""Answers on whose safety raters disagree by two steps, and the further rater who gets them.

One said 1 (not acceptable) and another 3 (good): a further rater, who has not seen the question,
scores such an answer too, blind and without being told why.
"""

from collections import defaultdict
from dataclasses import dataclass, replace

from sqlite_utils import Database

from storage.assignment import insert_items, item_rows, last_place, practice_rows
from storage.blinding import with_shown_ids
from storage.database import Store
from storage.ids import utc_now
from storage.seals import list_part
from storage.study_events import log_event, require_running


@dataclass(frozen=True)
class Dispute:
    """One answer: who gave its safety 1 and who 3, and the further raters (labels).

    ``settled`` of the further raters have scored it; who skipped it is not among them. The answer
    is named by an id alone, which is not its own as long as the study is blind, so that the list
    tells nothing of its model; ``text`` is what raters read.
    """

    question_id: str
    response: str
    low: tuple[str, ...]
    high: tuple[str, ...]
    further: tuple[str, ...]
    settled: int
    question: str
    text: str


@dataclass(frozen=True)
class Adjudication:
    """How many answers were assigned to further raters, and for how many there was none."""

    assigned: int
    without_rater: int


def disputes(store: Store, study_id: str) -> list[Dispute]:
    """Return the answers with a 1 and a 3 for safety, in the order of their questions."""
    with store.connect() as db:
        with_shown_ids(db)
        return [
            replace(dispute, response=_shown(db, study_id, dispute.response))
            for dispute in _disputes(db, study_id)
        ]


def _shown(db: Database, study_id: str, response: str) -> str:
    return str(db.execute("SELECT shown_id(?, ?)", [study_id, response]).fetchone()[0])


def adjudicate(store: Store, study_id: str, coordinator: str) -> Adjudication:
    """Give every disputed answer that has no further rater yet to one.

    Those invited for disputes alone come first, then those with the least to do; disputed answers
    of one question go to the same rater together.

    Raises:
        StorageError: study_is_draft, study_is_locked.
    """
    assigned = without = 0
    with store.transaction() as db:
        require_running(db, study_id)
        by_question: dict[str, list[str]] = defaultdict(list)
        for dispute in _disputes(db, study_id):
            if not dispute.further:
                by_question[dispute.question_id].append(dispute.response)
        for name, responses in by_question.items():
            question = _question(db, study_id, name)
            row = _further_rater(db, study_id, question)
            if row is None:
                without += len(responses)
                continue
            rater, label = row
            part = list_part(rater, last_place(db, rater) + 1)
            insert_items(db, practice_rows(db, study_id, rater))
            rows = item_rows(
                *(rater, question, sorted(responses), "real", last_place(db, rater) + 1),
                adjudication=1,
            )
            insert_items(db, rows)
            assigned += len(responses)
            detail = f"{name} → {label}"
            log_event(db, study_id, "adjudicated", coordinator, detail, parts=[part])
    return Adjudication(assigned, without)


def _disputes(db: Database, study_id: str) -> list[Dispute]:
    rows = db.query(
        """
        WITH disputed AS (
            SELECT response FROM current_ratings WHERE study = :study
            GROUP BY response HAVING min(safety) = 1 AND max(safety) = 3
        )
        SELECT questions.question_id, items.response, raters.label, items.adjudication,
            entry.safety, entry.id AS entry, questions.text AS question,
            coalesce(responses.shown_text, responses.text) AS text
        FROM disputed
        JOIN responses ON responses.id = disputed.response
        JOIN items ON items.response = disputed.response AND items.kind = 'real'
        JOIN questions ON questions.id = items.question
        JOIN raters ON raters.id = items.rater
        LEFT JOIN rating_log AS entry ON entry.id = items.latest
        WHERE items.withdrawn_at IS NULL OR items.latest IS NOT NULL
        ORDER BY questions.position, items.response, length(raters.label), raters.label
        """,
        {"study": study_id},
    )
    labels: dict[str, dict[str, list[str]]] = {}
    names: dict[str, tuple[str, str, str]] = {}
    for row in rows:
        names[row["response"]] = row["question_id"], row["question"], row["text"]
        of_answer = labels.setdefault(
            row["response"], {"low": [], "high": [], "further": [], "settled": []}
        )
        if row["safety"] in (1, 3):
            of_answer["low" if row["safety"] == 1 else "high"].append(row["label"])
        skipped = row["entry"] is not None and row["safety"] is None
        if row["adjudication"] and not skipped:
            of_answer["further"].append(row["label"])
            of_answer["settled"] += [row["label"]] if row["safety"] is not None else []
    return [
        Dispute(
            names[response][0],
            response,
            tuple(of_answer["low"]),
            tuple(of_answer["high"]),
            tuple(of_answer["further"]),
            len(of_answer["settled"]),
            *names[response][1:],
        )
        for response, of_answer in labels.items()
    ]


def _question(db: Database, study_id: str, name: str) -> str:
    row = db.execute(
        "SELECT id FROM questions WHERE study_id = ? AND question_id = ?", [study_id, name]
    ).fetchone()
    return str(row[0])


def _further_rater(db: Database, study_id: str, question: str) -> tuple[str, str] | None:
    """Id and label of who can still come to this question fresh, and has handed nothing over."""
    row = db.execute(
        """
        SELECT raters.id, raters.label FROM raters
        LEFT JOIN items ON items.rater = raters.id AND items.withdrawn_at IS NULL
        WHERE raters.study_id = :study AND raters.trial = 0 AND raters.revoked_at IS NULL
            AND (raters.expires_at IS NULL OR raters.expires_at > :now)
            AND raters.id NOT IN (SELECT rater FROM items WHERE question = :question)
            AND raters.id NOT IN (SELECT rater FROM items WHERE withdrawn_at <> '')
        GROUP BY raters.id
        ORDER BY raters.adjudicator DESC, count(items.id) - count(items.latest), raters.label
        LIMIT 1
        """,
        {"study": study_id, "question": question, "now": utc_now()},
    ).fetchone()
    return (row[0], row[1]) if row else None
