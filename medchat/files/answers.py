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

from medchat.errors import BadInput, Message, message
from medchat.text import clean_text, shorten

MAX_QUESTION_LENGTH = 2000
"""A longer text is a pasted document, which no model here can take."""


@dataclass(frozen=True)
class Answer:
    """One model's answer as a file holds it."""

    model: str
    text: str
    finish_reason: str = "stop"
    provenance: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AnsweredQuestion:
    """A question and its answers so far; ``question_id`` is None where the file has none."""

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
        raise BadInput("question_file_unreadable", file=file, remainder=error.strerror) from error
    except UnicodeDecodeError as error:
        raise BadInput("file_not_utf_8", file=file.name) from error
    seen: dict[str, int] = {}
    is_empty = True
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        is_empty = False
        where = message("line_of_file", file=file.name, line=number)
        record = _record(line, where, answers)
        if (question_id := record.question_id) in seen:
            first = seen[question_id]
            raise BadInput("line_repeats_id", where=where, question_id=question_id, first=first)
        if question_id is not None:
            seen[question_id] = number
        yield record
    if is_empty:
        raise BadInput("file_without_questions", file=file.name)


def _record(line: str, where: Message, answers: bool) -> AnsweredQuestion:
    try:
        raw = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadInput("line_no_object", where=where, remainder=error) from error
    if not isinstance(raw, dict):
        raise BadInput("line_no_object", where=where)
    text = raw.get("question", raw.get("instruction"))
    question = clean_text(text)[0] if isinstance(text, str) else ""
    if not question:
        raise BadInput("line_without_question", where=where)
    if (length := len(question)) > MAX_QUESTION_LENGTH:
        raise BadInput("line_too_long", where=where, length=length, limit=MAX_QUESTION_LENGTH)
    number = raw.get("question_id")
    if isinstance(number, bool) or not isinstance(number, str | int | None):
        raise BadInput("line_bad_id", where=where, value=shorten(repr(number)))
    question_id = None if number is None else clean_text(str(number))[0] or None
    return AnsweredQuestion(
        question, question_id, _answers(raw.get("answers"), where) if answers else ()
    )


def _answers(raw: Any, where: Message) -> tuple[Answer, ...]:
    if not isinstance(raw, list) or not raw:
        raise BadInput("line_without_answers", where=where)
    answers = []
    for item in raw:
        if not isinstance(item, dict) or not all(
            isinstance(item.get(key), str) for key in ("model", "text")
        ):
            raise BadInput("line_bad_answer", where=where)
        if not item["model"].strip():
            raise BadInput("line_nameless_answer", where=where)
        reason = item.get("finish_reason", "stop")
        if reason not in ("stop", "length"):
            raise BadInput(
                "line_unfinished_answer",
                where=where,
                model=shorten(item["model"]),
                reason=shorten(str(reason)),
            )
        provenance = item.get("provenance", {})
        if not isinstance(provenance, dict):
            raise BadInput("line_bad_provenance", where=where)
        answers.append(Answer(item["model"].strip(), item["text"], reason, provenance))
    return tuple(answers)
