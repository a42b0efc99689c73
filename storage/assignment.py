"""Who rates what, in which order: items, each the showing of one answer to one rater.

Every order is drawn once, by the study's seed, and stored.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlite_utils import Database

from storage.balance import AnswerOrders, FirstAnswer, answers_in_row
from storage.database import Store
from storage.errors import StorageError
from storage.ids import new_id, utc_now
from storage.latin_square import balanced_order, spread_row
from storage.seals import Part, list_part
from storage.study_events import log_event, require_running

Row = dict[str, Any]


def assign(db: Database, study_id: str) -> list[Part]:
    """Give every question as many raters as it needs, and each of them a place and an order.

    What is assigned already stays as it is. A question is counted by its distinct raters; those
    with the least to do come first, and who once had a question never gets it again. Practice
    comes first for everyone; the study's number of repeats is mixed in silently. Returns what is
    to be sealed.
    """
    raters = _active_raters(db, study_id)
    if not raters:
        return []
    seed, overlap, repeats = db.execute(
        "SELECT seed, raters_per_answer, repeats FROM studies WHERE id = ?", [study_id]
    ).fetchone()
    design = _design(db, study_id, seed, repeats)
    orders = AnswerOrders(seed, design.answers, _first_answers(db, study_id))
    fresh = _shares(db, study_id, raters, list(design.answers), overlap, orders)
    parts = [list_part(rater, last_place(db, rater) + 1) for rater in fresh]
    for rater, rows in fresh.items():
        insert_items(db, design.rows(db, rater, raters[rater], rows))
    return parts


TRIAL_QUESTIONS = 10
"""A dry run has so many questions: it shows how rating feels and is not to be finished."""


def assign_trial(db: Database, study_id: str, rater: str) -> int:
    """Give a dry run the practice and the study's first questions; returns how many items."""
    seed, repeats = db.execute(
        "SELECT seed, repeats FROM studies WHERE id = ?", [study_id]
    ).fetchone()
    design = _design(db, study_id, seed, repeats)
    first = list(design.answers)[:TRIAL_QUESTIONS]
    rows = list(design.rows(db, rater, 0, {question: row for row, question in enumerate(first)}))
    insert_items(db, rows)
    return len(rows)


def practice_rows(db: Database, study_id: str, rater: str) -> list[Row]:
    """The study's practice for a rater who has nothing yet; nothing for one who has."""
    if last_place(db, rater):
        return []
    answers = _answers(db, study_id, "practice")
    return [
        row
        for number, (question, responses) in enumerate(answers.items(), start=1)
        for row in item_rows(rater, question, responses, "practice", place=number)
    ]


def last_place(db: Database, rater: str) -> int:
    """The place of the last question on a rater's list; 0 where it is empty."""
    row = db.execute("SELECT coalesce(max(place), 0) FROM items WHERE rater = ?", [rater])
    return int(row.fetchone()[0])


def _design(db: Database, study_id: str, seed: int, repeats: int) -> "_Design":
    answers = {kind: _answers(db, study_id, kind) for kind in ("real", "practice")}
    return _Design(seed, repeats, answers["real"], answers["practice"])


def _shares(
    db: Database,
    study_id: str,
    raters: dict[str, int],
    questions: list[str],
    overlap: int | None,
    orders: AnswerOrders,
) -> dict[str, dict[str, int]]:
    """The questions that each rater gets on top of those that they have, each with the row of the
    square that orders its answers."""
    holders, seen = _holders(db, study_id, raters)
    load = dict.fromkeys(raters, 0)
    for held_by in holders.values():
        for rater in held_by & load.keys():
            load[rater] += 1
    target = min(overlap or len(raters), len(raters))
    fresh: dict[str, dict[str, int]] = {rater: {} for rater in raters}
    for number, question in enumerate(questions):
        free = [rater for rater in raters if rater not in seen[question]]
        missing = len(free) if overlap is None else max(target - len(holders[question]), 0)
        turn = {rater: (index - number) % len(raters) for index, rater in enumerate(raters)}
        chosen = sorted(free, key=lambda rater: (load[rater], turn[rater]))[:missing]
        for rater in sorted(chosen, key=lambda rater: orders.choices(rater, question)):
            fresh[rater][question] = orders.next_row(rater, raters[rater], question)
            load[rater] += 1
    return {rater: rows for rater, rows in fresh.items() if rows}


@dataclass(frozen=True)
class _Design:
    """What decides the order in which a rater sees things; answers by question, by model's name."""

    seed: int
    repeats: int
    answers: dict[str, list[str]]
    practice: dict[str, list[str]]

    def rows(
        self, db: Database, rater: str, index: int, questions: dict[str, int]
    ) -> Iterator[Row]:
        """Items for a rater's new questions (with their rows), behind those that the rater has."""
        last = last_place(db, rater)
        (repeated,) = db.execute(
            "SELECT count(DISTINCT place) FROM items WHERE rater = ? AND kind = 'repeat'",
            [rater],
        ).fetchone()
        row = spread_row(index, len(questions))
        ordered = balanced_order(list(questions), row, f"{self.seed}/questions")
        sequence = with_repeats(ordered, self.repeats - repeated)
        if not last:
            sequence = [*((question, "practice") for question in self.practice), *sequence]
        for position, (question, kind) in enumerate(sequence, start=last + 1):
            if kind == "practice":
                answers = self.practice[question]
            else:
                row = questions[question] + (kind == "repeat")
                answers = answers_in_row(self.answers[question], row, self.seed)
            yield from item_rows(rater, question, answers, kind, position)


def item_rows(
    rater: str, question: str, answers: Iterable[str], kind: str, place: int, adjudication: int = 0
) -> Iterator[Row]:
    """One question's items for one rater, its answers in the order in which they are shown."""
    for position, response in enumerate(answers, start=1):
        yield {
            "id": new_id(),
            "rater": rater,
            "response": response,
            "question": question,
            "kind": kind,
            "place": place,
            "position": position,
            "adjudication": adjudication,
        }


def with_repeats(questions: list[str], repeats: int) -> list[tuple[str, str]]:
    """Mix ``repeats`` questions of the first third in again, in the last third and at its end.

    So at least a third of the list lies between a question and its repeat. A list of fewer than
    three times ``repeats`` questions gets a third of its length.
    """
    third = len(questions) // 3
    count = max(min(repeats, third), 0)
    last = len(questions)
    behind = {last - (count - 1 - number) * third // count: number for number in range(count)}
    sequence = []
    for position, question in enumerate(questions, start=1):
        sequence.append((question, "real"))
        if position in behind:
            sequence.append((questions[behind[position] * third // count], "repeat"))
    return sequence


def insert_items(db: Database, rows: Iterable[Row]) -> None:
    db.conn.executemany(
        "INSERT INTO items (id, rater, response, question, kind, place, position, adjudication)"
        " VALUES (:id, :rater, :response, :question, :kind, :place, :position, :adjudication)",
        rows,
    )


def _active_raters(db: Database, study_id: str) -> dict[str, int]:
    """Ids of the raters who may get something, each with its number among all of the study.

    Who was invited for disputes alone or for a dry run is none of them, nor who has handed over.
    """
    rows = db.query(
        """
        SELECT id, revoked_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM items WHERE rater = raters.id AND withdrawn_at <> '')
            AS active
        FROM raters WHERE study_id = ? AND trial = 0 AND adjudicator = 0
        ORDER BY length(label), label
        """,
        [study_id],
    )
    return {row["id"]: number for number, row in enumerate(rows) if row["active"]}


def _answers(db: Database, study_id: str, kind: str) -> dict[str, list[str]]:
    """Ids of the questions in their order, each with the ids of its answers by model.

    Answers that were excluded are left out.
    """
    rows = db.query(
        """
        SELECT questions.id AS question, responses.id AS response
        FROM questions JOIN responses ON responses.question = questions.id
        WHERE questions.study_id = ? AND questions.kind = ? AND responses.review <> 'excluded'
        ORDER BY questions.position, responses.model
        """,
        [study_id, kind],
    )
    by_question = groupby(rows, key=lambda row: str(row["question"]))
    return {question: [row["response"] for row in group] for question, group in by_question}


def _first_answers(db: Database, study_id: str) -> Iterator[FirstAnswer]:
    """What raters have, question by question as it was dealt out."""
    rows = db.query(
        """
        SELECT items.rater, items.question, items.response
        FROM items JOIN questions ON questions.id = items.question
        WHERE questions.study_id = ? AND items.kind = 'real' AND items.adjudication = 0
            AND items.position = 1
        ORDER BY questions.position
        """,
        [study_id],
    )
    return ((row["rater"], row["question"], row["response"]) for row in rows)


def _holders(
    db: Database, study_id: str, active: dict[str, int]
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Raters of each question: those who have finished all of it or still may, and those who ever
    had any of it."""
    holders: dict[str, set[str]] = defaultdict(set)
    seen: dict[str, set[str]] = defaultdict(set)
    rows = db.query(
        """
        SELECT items.question, items.rater,
            min(items.withdrawn_at IS NULL AND items.adjudication = 0) AS held,
            count(*) = count(items.latest) AS finished
        FROM items JOIN questions ON questions.id = items.question
        WHERE questions.study_id = ? AND items.kind = 'real'
        GROUP BY items.question, items.rater
        """,
        [study_id],
    )
    for row in rows:
        seen[row["question"]].add(row["rater"])
        if row["held"] and (row["finished"] or row["rater"] in active):
            holders[row["question"]].add(row["rater"])
    return holders, seen


def hand_over(store: Store, study_id: str, label: str, coordinator: str) -> int:
    """Take from a rater every answer without a score, and give those questions to others.

    Returns how many questions that were. Scores that were given stay, and so does what a page
    that is still open may yet save. The rater gets nothing new from then on.

    Raises:
        StorageError: unknown_rater, study_is_draft, study_is_locked.
    """
    with store.transaction() as db:
        require_running(db, study_id)
        row = db.execute(
            "SELECT id FROM raters WHERE study_id = ? AND label = ? AND trial = 0",
            [study_id, label],
        ).fetchone()
        if row is None:
            raise StorageError("unknown_rater", rater=label)
        questions = db.execute(
            """
            SELECT DISTINCT question FROM items WHERE rater = ? AND kind = 'real'
                AND withdrawn_at IS NULL AND latest IS NULL
            """,
            [row[0]],
        ).fetchall()
        db.execute(  # repeats of what was scored too: nothing is left to do
            "UPDATE items SET withdrawn_at = ? WHERE rater = ? AND latest IS NULL"
            " AND withdrawn_at IS NULL AND kind <> 'practice'",
            [utc_now(), row[0]],
        )
        parts = [("withdrawn", row[0]), *assign(db, study_id)]
        log_event(db, study_id, "handed_over", coordinator, label, parts=parts)
    return len(questions)
