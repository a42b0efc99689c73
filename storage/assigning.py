"""Who rates what, in which order: items, each the showing of one answer to one rater.

Every order is drawn once, by the study's seed, and stored.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from sqlite_utils import Database

from storage.database import Store
from storage.errors import StorageError
from storage.ids import new_id, utc_now
from storage.orders import balanced_order

Row = dict[str, Any]


def assign(db: Database, study_id: str) -> None:
    """Give every question as many raters as it needs, and each of them a place and an order.

    What is assigned already stays as it is. A question is counted by its distinct raters; those
    with the least to do come first, and who once had a question never gets it again.
    """
    raters = _active_raters(db, study_id)
    if not raters:
        return
    seed, overlap = db.execute(
        "SELECT seed, raters_per_answer FROM studies WHERE id = ?", [study_id]
    ).fetchone()
    answers = _answers(db, study_id)
    holders, seen = _holders(db, study_id)
    load = {rater: sum(rater in each for each in holders.values()) for rater in raters}
    wanted = min(overlap or len(raters), len(raters))
    fresh: dict[str, list[str]] = defaultdict(list)
    for number, question in enumerate(answers):
        missing = wanted - len(holders[question])
        if missing <= 0:
            continue
        turn = {rater: (index - number) % len(raters) for index, rater in enumerate(raters)}
        free = [rater for rater in raters if rater not in seen[question]]
        for rater in sorted(free, key=lambda rater: (load[rater], turn[rater]))[:missing]:
            fresh[rater].append(question)
            load[rater] += 1
    numbers = {question: number for number, question in enumerate(answers)}
    rows: list[Row] = []
    for rater, questions in fresh.items():
        rows += _rows(db, seed, raters[rater], rater, questions, numbers, answers)
    insert_items(db, rows)


def insert_items(db: Database, rows: Iterable[Row]) -> None:
    db.conn.executemany(
        "INSERT INTO items (id, rater, response, question, kind, place, position)"
        " VALUES (:id, :rater, :response, :question, :kind, :place, :position)",
        rows,
    )


def _rows(
    db: Database,
    seed: int,
    index: int,
    rater: str,
    questions: list[str],
    numbers: dict[str, int],
    answers: dict[str, list[str]],
) -> Iterator[Row]:
    """Items for a rater's new questions, behind those that the rater has."""
    last = db.execute("SELECT coalesce(max(place), 0) FROM items WHERE rater = ?", [rater])
    first = int(last.fetchone()[0]) + 1
    ordered = balanced_order(questions, index, f"{seed}/questions")
    for place, question in enumerate(ordered, start=first):
        shown = balanced_order(answers[question], index + numbers[question], f"{seed}/answers")
        for position, response in enumerate(shown, start=1):
            yield {
                "id": new_id(),
                "rater": rater,
                "response": response,
                "question": question,
                "kind": "real",
                "place": place,
                "position": position,
            }


def _active_raters(db: Database, study_id: str) -> dict[str, int]:
    """Ids of the raters who may still rate, each with its number among all of the study."""
    rows = db.query(
        "SELECT id, revoked_at FROM raters WHERE study_id = ? ORDER BY length(label), label",
        [study_id],
    )
    return {row["id"]: number for number, row in enumerate(rows) if row["revoked_at"] is None}


def _answers(db: Database, study_id: str) -> dict[str, list[str]]:
    """Ids of the questions in their order, each with the ids of its answers by model."""
    rows = db.query(
        """
        SELECT questions.id AS question, responses.id AS response
        FROM questions JOIN responses ON responses.question = questions.id
        WHERE questions.study_id = ?
        ORDER BY questions.position, responses.model
        """,
        [study_id],
    )
    by_question = groupby(rows, key=lambda row: str(row["question"]))
    return {question: [row["response"] for row in group] for question, group in by_question}


def _holders(db: Database, study_id: str) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Raters of each question: those who have it now, and those who ever had it."""
    holders: dict[str, set[str]] = defaultdict(set)
    seen: dict[str, set[str]] = defaultdict(set)
    rows = db.query(
        """
        SELECT DISTINCT items.question, items.rater, items.withdrawn_at IS NULL AS held
        FROM items JOIN questions ON questions.id = items.question
        WHERE questions.study_id = ? AND items.kind = 'real'
        """,
        [study_id],
    )
    for row in rows:
        seen[row["question"]].add(row["rater"])
        if row["held"]:
            holders[row["question"]].add(row["rater"])
    return holders, seen


def hand_over(store: Store, study_id: str, label: str) -> int:
    """Take from a rater every question without any score, and give it to others.

    Returns how many questions were taken. Scores that were given stay.

    Raises:
        StorageError: unknown_rater.
    """
    with store.transaction() as db:
        row = db.execute(
            "SELECT id FROM raters WHERE study_id = ? AND label = ?", [study_id, label]
        ).fetchone()
        if row is None:
            raise StorageError("unknown_rater", rater=label)
        taken = db.execute(
            """
            SELECT question FROM items WHERE rater = ? AND kind = 'real' AND withdrawn_at IS NULL
            GROUP BY question HAVING count(latest) = 0
            """,
            [row[0]],
        ).fetchall()
        db.conn.executemany(
            "UPDATE items SET withdrawn_at = ? WHERE rater = ? AND question = ?",
            [(utc_now(), row[0], question) for (question,) in taken],
        )
        assign(db, study_id)
    return len(taken)
