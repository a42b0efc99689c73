"""What the study and chat tabs do with studies, without Gradio: small steps over ``storage``."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from eval_ui.texts import PageError, Texts
from medchat.files.answers import read_answers
from medchat.models import Registry
from medchat.study.disclosure import Disclosure, find_disclosures
from medchat.text import clean_line
from storage import (
    CheckedAnswer,
    Coordinator,
    NewQuestion,
    NewResponse,
    StorageError,
    Store,
    Study,
    add_questions,
    answers_to_check,
    create_study,
    find_study,
    list_questions,
    list_studies,
    require_right,
)

MAX_ANSWERS = 8
"""To a question: a rater has to keep them all in view."""
MAX_NAME_LENGTH = 100
"""Characters in the name of a new study: it must fit into a line, and into the name of a file."""


def study_names(store: Store, coordinator: Coordinator | None) -> list[str]:
    """The studies of a coordinator, the oldest first."""
    return [study.name for study in list_studies(store, coordinator.id if coordinator else None)]


def require_own(store: Store, name: str | None, coordinator: Coordinator) -> Study:
    """The study called ``name``, which must be one that the coordinator may work on.

    Raises PageError where none was chosen, StorageError unknown_study also for others' studies.
    """
    if not name:
        raise PageError("choose_study")
    study = find_study(store, name)
    try:
        with store.connect() as db:
            require_right(db, study.id, coordinator)
    except StorageError as error:
        raise StorageError("unknown_study", study=name) from error
    return study


def clean_name(text: str) -> str:
    """A name for a new study on one line. Raises PageError where it is too long."""
    name = clean_line(text)
    if len(name) > MAX_NAME_LENGTH:
        raise PageError("study_name_too_long", length=len(name), most=MAX_NAME_LENGTH)
    return name


def chosen_name(store: Store, text: str, coordinator: Coordinator) -> str:
    """The study that was chosen, or the name that was typed for a new one.

    Raises PageError for a name that cannot be given.
    """
    text = text.strip()
    if not text:
        raise PageError("study_name_missing")
    return text if text in study_names(store, coordinator) else clean_name(text)


def add_to_study(
    store: Store,
    name: str,
    question: str,
    responses: list[NewResponse],
    coordinator: Coordinator,
    labels: Sequence[str] = (),
) -> str:
    """Add one question with its answers to the study called ``name``; returns its question_id.

    Raises PageError for too many answers, or for one that gives its model away in a study that is
    open already; StorageError where the database refuses.
    """
    check_count(len(responses))
    try:
        study = require_own(store, name, coordinator)
    except StorageError as error:
        if error.code != "unknown_study":
            raise
        study = create_study(store, name, owner=coordinator.id)
    if study.opened_at:
        refuse_disclosures([NewQuestion(question, responses)], labels)
    new = [NewQuestion(question, responses)]
    draft = not study.opened_at
    added = add_questions(store, study.id, new, draft=draft, coordinator=coordinator.name)
    return added[0].question_id


def check_count(answers: int) -> None:
    """Raises PageError for more answers than a rater's page can show."""
    if answers > MAX_ANSWERS:
        raise PageError("too_many_answers", count=answers, most=MAX_ANSWERS)


def import_answers(
    store: Store,
    study: Study,
    file: Path,
    labels: Sequence[str] = (),
    coordinator: str = "",
) -> int:
    """Add every question of an answer file to a study; returns how many.

    All of them or, where one is at fault, none. Raises BadInput with the line, PageError or
    StorageError.
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
        check_count(len(question.responses))
    if study.opened_at:
        refuse_disclosures(questions, labels)
    draft = not study.opened_at
    return len(add_questions(store, study.id, questions, draft=draft, coordinator=coordinator))


def refuse_known(store: Store, study: Study, questions: Sequence[str], kind: str) -> None:
    """Raises PageError where some of ``questions`` are in the study already: a file added twice."""
    existing = {item.text: item.question_id for item in list_questions(store, study.id, kind)}
    if numbers := [existing[text] for text in dict.fromkeys(questions) if text in existing]:
        raise PageError("questions_known", count=len(numbers), first=numbers[0])


# -- what gives a model away --


def refuse_disclosures(questions: Sequence[NewQuestion], labels: Sequence[str]) -> None:
    """Raises PageError for an answer that names or betrays its model: raters would read it."""
    names = {*labels, *(answer.model for new in questions for answer in new.responses)}
    for new in questions:
        for response in new.responses:
            if disclosures := find_disclosures(response.text, names):
                words = disclosures[0].words[:60]
                raise PageError("gives_itself_away", model=response.model, words=words)


def names_of_models(registry: Registry) -> list[str]:
    """Names and labels that an answer may betray itself with."""
    return [text for spec in registry for text in (spec.name, spec.label)]


def answers_that_tell(
    store: Store, study: Study, labels: Sequence[str]
) -> list[tuple[CheckedAnswer, list[Disclosure]]]:
    """Every answer of a study that gives its model away, with what does."""
    answers = answers_to_check(store, study.id)
    names = frozenset({*labels, *(answer.model for answer in answers)})
    scans = [(answer, _scan(answer.text, names)) for answer in answers]
    return [(answer, disclosures) for answer, disclosures in scans if disclosures]


def texts_that_name(
    store: Store, study: Study, labels: Sequence[str], texts: Texts
) -> list[tuple[str, str]]:
    """What else raters read and that names a model: where it stands, and the words."""
    names = frozenset({*labels, *(answer.model for answer in answers_to_check(store, study.id))})
    read = [(texts("name_of_study"), study.name)]
    guides = {"guide_zh": study.guide_zh, "guide_en": study.guide_en}
    read += [(texts(key), guide) for key, guide in guides.items()]
    for kind in ("real", "practice"):
        for question in list_questions(store, study.id, kind):
            read.append((texts("question_named", question=question.question_id), question.text))
    return [
        (where, telling.words)
        for where, text in read
        for telling in _scan(text, names)
        if telling.kind == "name"
    ]


@lru_cache(maxsize=2**14)
def _scan(text: str, names: frozenset[str]) -> list[Disclosure]:
    """``find_disclosures``, once for a text that every look at a study's answers meets again."""
    return find_disclosures(text, names)


def clock(moment: str) -> str:
    """A stored UTC time as the server's local date and time, such as 2026-01-31 14:03."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M")
