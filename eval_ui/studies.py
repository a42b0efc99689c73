"""What the study and chat tabs do with studies, without Gradio: small steps over ``storage``."""

from pathlib import Path

from eval_ui.texts import Texts
from medchat.answers import clean_question, read_answers
from medchat.errors import BadInput
from storage import (
    NewQuestion,
    NewResponse,
    StorageError,
    Store,
    Study,
    add_question,
    add_questions,
    create_study,
    find_study,
    list_raters,
    list_studies,
    progress,
    question_count,
)

MOST_ANSWERS = 8
"""To a question: a rater has to keep them all in view."""
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


def summary(store: Store, study: Study, texts: Texts) -> tuple[str, list[list[str]]]:
    """A study in one sentence, and each rater's progress as table rows."""
    rows = [[item.label, f"{item.rated} / {item.total}"] for item in progress(store, study.id)]
    sentence = texts(
        "study_summary",
        study=study.name,
        questions=question_count(store, study.id),
        raters=len(list_raters(store, study.id)),
    )
    return sentence, rows
