"""What the study and chat tabs do with studies, without Gradio: small steps over ``storage``."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from eval_ui.texts import Texts
from medchat.answers import clean_question, read_answers
from medchat.errors import BadInput
from storage import (
    NewQuestion,
    NewResponse,
    RaterLine,
    StorageError,
    Store,
    Study,
    add_question,
    add_questions,
    board,
    create_study,
    find_study,
    list_studies,
)

MOST_ANSWERS = 8
"""To a question: a rater has to keep them all in view."""
MOST_NAMED = 8
"""Questions that a sentence lists."""
MOST_NAME = 100
"""Characters in the name of a new study: it must fit into a line, and into the name of a file."""


def study_names(store: Store) -> list[str]:
    return [study.name for study in list_studies(store)]


def clean_name(text: str, texts: Texts) -> str:
    """A name for a new study on one line. Raises BadInput where it is too long."""
    name = " ".join(clean_question(text)[0].split())
    if len(name) > MOST_NAME:
        raise BadInput(texts("study_name_too_long", length=len(name), most=MOST_NAME))
    return name


def chosen_name(store: Store, text: str, texts: Texts) -> str:
    """The study that was chosen, or the name that was typed for a new one.

    Raises BadInput for a name that cannot be given.
    """
    if not text.strip():
        raise BadInput(texts("study_name_missing"))
    return text.strip() if text.strip() in study_names(store) else clean_name(text, texts)


def find_or_create(store: Store, name: str) -> Study:
    try:
        return find_study(store, name)
    except StorageError as error:
        if error.code != "unknown_study":
            raise
    return create_study(store, name)


def add_to_study(
    store: Store, name: str, question: str, responses: list[NewResponse], texts: Texts
) -> str:
    """Add one question with its answers to the study called ``name``; returns its question_id.

    Raises BadInput for too many answers, StorageError where the database refuses.
    """
    check_count(len(responses), texts)
    study = find_or_create(store, name)
    return add_question(store, study.id, question, responses).question_id


def check_count(answers: int, texts: Texts) -> None:
    """Raises BadInput for more answers than a rater's page can show."""
    if answers > MOST_ANSWERS:
        raise BadInput(texts("too_many_answers", count=answers, most=MOST_ANSWERS))


def import_answers(store: Store, study: Study, file: Path, texts: Texts) -> int:
    """Add every question of an answer file to a study; returns how many.

    All of them or, where one is at fault, none. Raises BadInput with the line, or StorageError.
    """
    questions = [
        NewQuestion(
            record.question,
            [
                NewResponse(answer.model, answer.text, answer.finish_reason, answer.provenance)
                for answer in record.answers
            ],
            record.question_id,
        )
        for record in read_answers(file)
    ]
    for question in questions:
        check_count(len(question.responses), texts)
    return len(add_questions(store, study.id, questions))


@dataclass(frozen=True)
class Overview:
    """What the study tab shows of a study: sentences, a table of the raters, and reminders."""

    sentences: list[str]
    header: list[str]
    rows: list[list[str]]
    reminders: str


def overview(store: Store, study: Study, texts: Texts) -> Overview:
    found = board(store, study.id)
    sentences = [
        texts(
            "study_summary",
            study=study.name,
            questions=len(found.questions),
            raters=len(found.raters),
        )
    ]
    if found.questions and found.raters:
        missing = ", ".join(each.question_id for each in found.gaps[:MOST_NAMED])
        more = " …" if len(found.gaps) > MOST_NAMED else ""
        sentences.append(
            texts("coverage_gaps", count=len(found.gaps), questions=missing + more)
            if found.gaps
            else texts("coverage_full")
        )
    header = ["rater", "specialty_column", "state", "last_seen", "progress_column"]
    waiting = [each for each in found.raters if each.state in ("invited", "started", "stalled")]
    return Overview(
        sentences,
        [texts(key) for key in header],
        [_rater_row(each, texts) for each in found.raters],
        "\n".join(
            texts(
                "reminder", rater=each.label, study=study.name, rated=each.rated, total=each.total
            )
            for each in waiting
            if each.total
        ),
    )


def _rater_row(rater: RaterLine, texts: Texts) -> list[str]:
    seen = clock(rater.last_seen_at) if rater.last_seen_at else "—"
    state = texts(f"rater_{rater.state}")
    return [rater.label, rater.specialty or "—", state, seen, f"{rater.rated} / {rater.total}"]


def clock(moment: str) -> str:
    """A stored UTC time as the server's local date and time, such as 2026-01-31 14:03."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M")
