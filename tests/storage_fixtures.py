"""What the storage tests share: a small study, and accounts that may not write."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from storage import (
    AssignedAnswer,
    NewResponse,
    Profile,
    Rater,
    RatingEntry,
    Scores,
    Store,
    Study,
    add_question,
    assignment,
    create_study,
    find_rater,
    invite_raters,
    lock_study,
    open_study,
    set_profile,
    unblind_study,
)
from storage.blinding import with_shown_ids

MODELS = ("llama", "huatuo", "chatglm-med")
NOBODY = 65534


def answers_of(
    models: Sequence[str] = MODELS, text: str = "多喝水，注意休息。"
) -> list[NewResponse]:
    return [
        NewResponse(model, f"{text} ({number})", "stop", {"seed": number})
        for number, model in enumerate(models)
    ]


def new_study(store: Store, questions: int = 2, name: str = "Pilot", seed: int = 7) -> Study:
    study = create_study(store, name, seed)
    for number in range(questions):
        add_question(store, study.id, f"感冒怎么办？{number}", answers_of())
    return open_study(store, study.id, "anna") if questions else study


def new_raters(store: Store, study: Study, count: int = 1) -> list[Rater]:
    return [find_rater(store, each.token) for each in invite_raters(store, study.id, count)]


def shown_ids(store: Store, study: Study) -> dict[str, str]:
    """What exports call each answer, by its id."""
    with store.connect() as db:
        rows = with_shown_ids(db).execute(
            "SELECT responses.id, shown_id(study_id, responses.id) FROM responses"
            " JOIN questions ON questions.id = question WHERE study_id = ?",
            [study.id],
        )
        return dict(rows.fetchall())


def answers_shown_to(store: Store, rater: Rater) -> list[AssignedAnswer]:
    return [answer for question in assignment(store, rater.id) for answer in question.answers]


def tell_profile(store: Store, rater: Rater, specialty: str, years: int | None = None) -> None:
    with store.transaction() as db:
        set_profile(db, rater.id, Profile(specialty, years=years), "Yes.")


def entry(item: str, key: str, scores: tuple[int, int, int] = (3, 2, 1), **more):
    return RatingEntry(item, Scores(*scores), key, **more)


@contextmanager
def folder_of_another_account() -> Iterator[Path]:
    """Yield a folder that everyone may read, for use inside ``without_root``."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def without_root() -> Iterator[None]:
    """Run the block as an ordinary account: root may write whatever the permissions say."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def unblind(store: Store, study: Study) -> None:
    lock_study(store, study.id, "anna")
    unblind_study(store, study.id, "anna")
