"""How many answers hold the facts that were asked for: the measure of the demonstration models.

A fact is one value of the knowledge base; it counts as told when it stands in the answer letter by
letter. Knows neither how answers were made nor who reads them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medchat.data import Entry
from medchat.errors import BadInput


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
    """Of ``questions`` answers, how many tell all, and how many at least half, of their facts."""

    model: str
    questions: int
    all_told: int
    half_told: int

    def line(self) -> str:
        return (
            f"{self.model}: {_percent(self.all_told, self.questions)} of {self.questions} answers "
            f"tell every asked-for fact, {_percent(self.half_told, self.questions)} at least half"
        )


def read_fact_questions(file: Path, entries: Sequence[Entry]) -> list[FactQuestion]:
    """Raises BadInput with the line for a question about nothing in the knowledge base."""
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file} cannot be read as UTF-8 text: {error}.") from error
    known = {entry.name: entry for entry in entries}
    questions = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            raw = json.loads(line)
            facts = known[raw["entity"]].facts[raw["attribute"]]
            questions.append(
                FactQuestion(raw["id"], raw["question"], raw["entity"], raw["attribute"], facts)
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"{file.name}, line {number}: no such question or fact ({error})."
            ) from error
    if not questions:
        raise BadInput(f"{file.name} holds no questions.")
    return questions


def told(question: FactQuestion, answer: str) -> int:
    """How many of the asked-for facts stand in the answer."""
    return sum(fact in answer for fact in question.facts)


def score(model: str, questions: Sequence[FactQuestion], answers: Sequence[str]) -> FactScore:
    pairs = list(zip(questions, answers, strict=True))
    return FactScore(
        model=model,
        questions=len(pairs),
        all_told=sum(told(q, a) == len(q.facts) for q, a in pairs),
        half_told=sum(2 * told(q, a) >= len(q.facts) for q, a in pairs),
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"
