"""The coordinator's board: who is how far, and what still lacks raters."""

import pytest
from storage_fixtures import answers_shown_to, entry, new_raters, new_study

from storage import (
    Coverage,
    RatingEntry,
    StorageError,
    Store,
    hand_over,
    note_visit,
    read_board,
    read_worklist,
    revoke_link,
    save_ratings,
)


def rate_question(store: Store, rater, number: int) -> str:
    question = read_worklist(store, rater.id)[number]
    for answer in question.answers:
        save_ratings(store, rater.id, [entry(answer.item, answer.item)])
    return question.question_id


def visit(store: Store, rater, when: str | None = None) -> None:
    with store.transaction() as db:
        note_visit(db, rater.id, 1)
        if when:
            db.execute("UPDATE raters SET last_seen_at = ? WHERE id = ?", [when, rater.id])


def states(store: Store, study) -> dict[str, str]:
    return {each.label: each.state for each in read_board(store, study.id).raters}


def test_every_rater_has_a_state(store: Store) -> None:
    study = new_study(store)
    started, stalled, done, revoked, expired, _ = new_raters(store, study, 6)
    for rater in (started, done, revoked, expired):
        visit(store, rater)
    visit(store, stalled, "2026-01-01T00:00:00.000+00:00")
    for number in (0, 1):
        rate_question(store, done, number)
    revoke_link(store, study.id, revoked.label)
    with store.transaction() as db:
        db.execute("UPDATE raters SET expires_at = '2026-01-01' WHERE id = ?", [expired.id])
    assert list(states(store, study).values()) == [
        "started",
        "stalled",
        "done",
        "revoked",
        "expired",
        "invited",
    ]


def test_a_question_counts_once_for_each_rater_who_has_finished_it(store: Store) -> None:
    study = new_study(store, questions=3)
    first, second = new_raters(store, study, 2)
    both = rate_question(store, first, 0)
    place = [each.question_id for each in read_worklist(store, second.id)].index(both)
    rate_question(store, second, place)
    half = answers_shown_to(store, first)[3]
    save_ratings(store, first.id, [entry(half.item, "half")])
    found = read_board(store, study.id)
    assert [(each.label, each.rated, each.total) for each in found.raters] == [
        ("r01", 1, 3),
        ("r02", 1, 3),
    ]
    assert {each.question_id: (each.finished, each.needed) for each in found.questions} == {
        "q001": (0, 2),
        "q002": (0, 2),
        "q003": (0, 2),
    } | {both: (2, 2)}
    assert both not in [each.question_id for each in found.gaps]
    assert len(found.gaps) == 2


def test_a_skipped_answer_is_done_and_what_was_handed_over_is_not_counted(store: Store) -> None:
    study = new_study(store, questions=1)
    rater, other = new_raters(store, study, 2)
    for answer in answers_shown_to(store, rater):
        skip = RatingEntry(answer.item, None, answer.item, skipped="other")
        save_ratings(store, rater.id, [skip])
    hand_over(store, study.id, other.label, "anna")
    assert read_board(store, study.id).questions == (Coverage("q001", 1, 1),)
    assert read_board(store, study.id).raters[1].total == 0


def test_an_empty_study_has_an_empty_board(store: Store) -> None:
    study = new_study(store, questions=0)
    assert read_board(store, study.id).raters == read_board(store, study.id).questions == ()
    with pytest.raises(StorageError, match="no study"):
        read_board(store, "nowhere")


# -- progress --


def done(store: Store, study) -> list[tuple[str, int, int]]:
    return [(each.label, each.rated, each.total) for each in read_board(store, study.id).raters]


def test_a_question_counts_as_rated_when_all_its_answers_are(store: Store) -> None:
    study = new_study(store)
    rater, _ = new_raters(store, study, 2)
    first, second = read_worklist(store, rater.id)
    entries = [entry(answer.item, answer.item) for answer in first.answers]
    save_ratings(store, rater.id, [*entries, entry(second.answers[0].item, "one")])
    assert done(store, study) == [("r01", 1, 2), ("r02", 0, 2)]


def test_progress_of_a_study_without_questions_is_nought_of_nought(store: Store) -> None:
    study = new_study(store, questions=0, name="Empty")
    new_raters(store, study)
    assert done(store, study) == [("r01", 0, 0)]
