"""Question files and answer files: JSON lines in, checked records out, and back.

A question file has ``question`` (or HuaTuo's ``instruction``) and, if wanted, ``question_id`` per
line. An answer file adds ``answers``: a list of ``model, text, finish_reason, provenance``. This is
what ``medchat infer`` writes and a study imports. Knows nothing of models or databases.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from medchat.errors import BadInput
from medchat.text import clean_text

MOST_CHARACTERS = 2000
"""Of a question. What is longer is a pasted document, which no model here can take."""


@dataclass(frozen=True)
class Answer:
    """One model's answer as a file holds it."""

    model: str
    text: str
    finish_reason: str = "stop"
    provenance: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AnsweredQuestion:
    """A question with the answers given so far; ``question_id`` is None where the file has none."""

    question: str
    question_id: str | None = None
    answers: tuple[Answer, ...] = ()


def read_questions(file: Path) -> list[AnsweredQuestion]:
    """The questions of a file, answers left out.

    Raises BadInput with the line for what is not a question, and for an id that stands there twice.
    """
    return [AnsweredQuestion(q.question, q.question_id) for q in _read(file, answers=False)]


def read_answers(file: Path) -> list[AnsweredQuestion]:
    """Questions with their answers. Raises BadInput with the line, also for an unanswered one."""
    return list(_read(file, answers=True))


def as_line(record: AnsweredQuestion) -> str:
    """One line of an answer file, newline included."""
    values: dict[str, Any] = {"question_id": record.question_id} if record.question_id else {}
    values |= {
        "question": record.question,
        "answers": [asdict(answer) for answer in record.answers],
    }
    return json.dumps(values, ensure_ascii=False) + "\n"


def _read(file: Path, *, answers: bool) -> Iterator[AnsweredQuestion]:
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"{file.name} is not UTF-8 text. Save it as UTF-8 and try again.") from error
    seen: dict[str, int] = {}
    found = False
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        found = True
        record = _record(line, f"{file.name}, line {number}", answers)
        if record.question_id in seen:
            raise BadInput(
                f"{file.name}, line {number}: the question_id {record.question_id!r} stands "
                f"already in line {seen[record.question_id]}."
            )
        if record.question_id is not None:
            seen[record.question_id] = number
        yield record
    if not found:
        raise BadInput(f"{file.name} holds no questions.")


def _record(line: str, where: str, answers: bool) -> AnsweredQuestion:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where}: not a JSON object ({error}).") from error
    if not isinstance(raw, dict):
        raise BadInput(f"{where}: not a JSON object.")
    asked = raw.get("question", raw.get("instruction"))
    question = clean_text(asked)[0] if isinstance(asked, str) else ""
    if not question:
        raise BadInput(f'{where}: it needs a text under "question".')
    if len(question) > MOST_CHARACTERS:
        raise BadInput(
            f"{where}: the question has {len(question)} characters; at most {MOST_CHARACTERS}."
        )
    number = raw.get("question_id")
    if isinstance(number, bool) or not isinstance(number, str | int | None):
        raise BadInput(f"{where}: question_id must be a text, not {number!r}.")
    question_id = None if number is None else clean_text(str(number))[0] or None
    given = _answers(raw.get("answers"), where) if answers else ()
    return AnsweredQuestion(question, question_id, given)


def _answers(raw: Any, where: str) -> tuple[Answer, ...]:
    if not isinstance(raw, list) or not raw:
        raise BadInput(f'{where}: it needs a list under "answers".')
    answers = []
    for item in raw:
        if not isinstance(item, dict) or not all(
            isinstance(item.get(key), str) for key in ("model", "text")
        ):
            raise BadInput(f'{where}: every answer needs texts under "model" and "text".')
        if not item["model"].strip():
            raise BadInput(f"{where}: an answer names no model.")
        reason = item.get("finish_reason", "stop")
        if reason not in ("stop", "length"):
            raise BadInput(
                f"{where}: {item['model']} did not finish its answer ({reason}). Ask it again."
            )
        provenance = item.get("provenance", {})
        if not isinstance(provenance, dict):
            raise BadInput(f"{where}: provenance must be a JSON object.")
        answers.append(Answer(item["model"].strip(), item["text"], reason, provenance))
    return tuple(answers)
