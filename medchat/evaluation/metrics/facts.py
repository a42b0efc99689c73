"""How many answers hold the facts that were asked for: the measure of the demonstration models.

A fact is one value of the knowledge base; it counts when it stands in the answer letter by letter.
Knows neither how answers were made nor who reads them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medchat.data import Entry
from medchat.errors import BadInput, message


@dataclass(frozen=True)
class FactQuestion:
    """A question and the values of the knowledge base that answer it."""

    id: str
    question: str
    entity: str
    attribute: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class FactScore:
    """How many of ``questions`` answers hold all, and at least half, of their facts."""

    model: str
    questions: int
    complete: int
    half_complete: int

    def line(self) -> str:
        all_facts = _percent(self.complete, self.questions)
        half = _percent(self.half_complete, self.questions)
        return (
            f"{self.model}: {all_facts} of {self.questions} answers tell every asked-for fact, "
            f"{half} at least half"
        )


def read_fact_questions(file: Path, entries: Sequence[Entry]) -> list[FactQuestion]:
    """Raises BadInput with the line for a question about nothing in the knowledge base."""
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput("fact_file_unreadable", file=file, remainder=error) from error
    entities = {entry.name: entry for entry in entries}
    questions = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
            facts = entities[raw["entity"]].facts[raw["attribute"]]
            questions.append(
                FactQuestion(raw["id"], raw["question"], raw["entity"], raw["attribute"], facts)
            )
        except (ValueError, KeyError, TypeError) as error:
            where = message("line_of_file", file=file.name, line=number)
            raise BadInput("fact_unknown", where=where, remainder=error) from error
    if not questions:
        raise BadInput("file_without_questions", file=file.name)
    return questions


def count_facts(question: FactQuestion, answer: str) -> int:
    """How many of the asked-for facts stand in the answer."""
    return sum(fact in answer for fact in question.facts)


def score_facts(model: str, questions: Sequence[FactQuestion], answers: Sequence[str]) -> FactScore:
    pairs = list(zip(questions, answers, strict=True))
    return FactScore(
        model=model,
        questions=len(pairs),
        complete=sum(count_facts(q, a) == len(q.facts) for q, a in pairs),
        half_complete=sum(2 * count_facts(q, a) >= len(q.facts) for q, a in pairs),
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"
