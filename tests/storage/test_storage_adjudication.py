"""Answers on which raters disagree, and the signs that a rater did not read."""

import pytest
from storage_fixtures import MODELS, answers_of, entry, new_raters, new_study, shown_ids

from eval_ui.report.report_html import behind_html
from eval_ui.texts import Texts
from medchat.scale import DIMENSIONS
from storage import (
    Adjudication,
    PracticeItem,
    Rater,
    RatingEntry,
    Scores,
    StorageError,
    Store,
    Study,
    StudySettings,
    add_practice,
    add_question,
    adjudicate,
    answers_behind,
    change_settings,
    create_study,
    disputes,
    find_rater,
    hand_over,
    invite_raters,
    list_raters,
    list_studies,
    lock_study,
    open_study,
    order_rows,
    read_board,
    read_worklist,
    revoke_link,
    save_ratings,
    score_counts,
    score_rows,
    signs,
    verify,
)


def rate(store: Store, rater: Rater, response: str, safety: int, key: str = "") -> None:
    """By the response's id, which a test may know and a rater may not."""
    with store.connect() as db:
        sql = "SELECT id FROM items WHERE rater = ? AND response = ? AND kind = 'real'"
        (item,) = db.execute(sql, [rater.id, response]).fetchone()
    save_ratings(store, rater.id, [entry(item, key or item, scores=(safety, 2, 2))])


def responses(store: Store) -> list[str]:
    with store.connect() as db:
        sql = (
            "SELECT responses.id FROM responses JOIN questions ON questions.id = question"
            " WHERE kind = 'real' ORDER BY position, model"
        )
        return [row[0] for row in db.execute(sql)]


def overlapping(store: Store, raters: int, overlap: int, questions: int = 1) -> Study:
    study = create_study(store, "Pilot", 7)
    change_settings(store, study.id, StudySettings(raters_per_answer=overlap))
    for number in range(questions):
        add_question(store, study.id, f"问{number}", answers_of())
    open_study(store, study.id, "anna")
    new_raters(store, study, raters)
    return study


# -- disputes --


def test_only_a_one_against_a_three_for_safety_is_a_dispute(store: Store) -> None:
    study = new_study(store, questions=1)
    first, second = new_raters(store, study, 2)
    far, near, same = responses(store)
    for response, scores in ((far, (1, 3)), (near, (2, 3)), (same, (1, 1))):
        for rater, safety in zip((first, second), scores, strict=True):
            rate(store, rater, response, safety)
    (found,) = disputes(store, study.id)
    assert found.response == shown_ids(store, study)[far] != far
    assert (found.low, found.high) == (("r01",), ("r02",))
    assert (found.further, found.settled) == ((), 0)


def test_a_changed_mind_ends_a_dispute(store: Store) -> None:
    study = new_study(store, questions=1)
    first, second = new_raters(store, study, 2)
    response = responses(store)[0]
    rate(store, first, response, 1)
    rate(store, second, response, 3)
    assert len(disputes(store, study.id)) == 1
    rate(store, first, response, 2, key="again")
    assert disputes(store, study.id) == []


def test_a_disputed_answer_goes_to_a_rater_who_has_not_seen_the_question(store: Store) -> None:
    study = overlapping(store, raters=2, overlap=2)
    first, second = _raters(store)
    response = responses(store)[1]
    rate(store, first, response, 1)
    rate(store, second, response, 3)
    assert adjudicate(store, study.id, "anna") == Adjudication(0, 1), "both have seen it"
    (further,) = (
        find_rater(store, each.token)
        for each in invite_raters(store, study.id, 1, adjudicator=True)
    )
    assert read_worklist(store, further.id) == []
    assert adjudicate(store, study.id, "anna") == Adjudication(1, 0)
    assert adjudicate(store, study.id, "anna") == Adjudication(0, 0), "once is enough"
    (question,) = read_worklist(store, further.id)
    assert [answer.letter for answer in question.answers] == ["A"]
    assert disputes(store, study.id)[0].further == ("r03",)
    rate(store, further, response, 1)
    (found,) = disputes(store, study.id)
    assert (found.low, found.high, found.settled) == (("r01", "r03"), ("r02",), 1)
    assert len(score_rows(store, study.id)) == 3
    assert verify(store) == []
    (behind,) = (
        found for letter in "ABC" for found in answers_behind(store, study.id, letter, 0, [1, 2, 3])
    )
    told = {rating.rater: rating.adjudicates for rating in behind.ratings}
    assert told == {"r01": False, "r02": False, "r03": True}
    html = behind_html([behind], DIMENSIONS, Texts("en"))
    assert "r03 (settles a dispute)" in html
    assert "r01 (" not in html


def test_who_has_handed_over_gets_no_dispute(store: Store) -> None:
    study = overlapping(store, raters=3, overlap=2, questions=3)
    by_label = {each.label: each for each in list_raters(store, study.id)}
    hand_over(store, study.id, "r03", "anna")
    for each in responses(store)[: len(MODELS)]:
        rate(store, by_label["r01"], each, 1)
        rate(store, by_label["r02"], each, 3)
    assert adjudicate(store, study.id, "anna") == Adjudication(0, len(MODELS))


def test_those_with_the_least_to_do_come_first(store: Store) -> None:
    study = overlapping(store, raters=3, overlap=2, questions=3)
    question = responses(store)[:3]
    with store.connect() as db:
        sql = "SELECT DISTINCT rater FROM items WHERE response = ?"
        holders = {row[0] for row in db.execute(sql, [question[0]])}
    raters = _raters(store)
    low, high = [r for r in raters if r.id in holders]
    (free,) = [r for r in raters if r.id not in holders]
    for response in question[:2]:
        rate(store, low, response, 1)
        rate(store, high, response, 3)
    assert adjudicate(store, study.id, "anna") == Adjudication(2, 0)
    shown = read_worklist(store, free.id)[-1]
    assert len(shown.answers) == 2, "disputed answers of one question stay together"
    assert shown.place == 3


def test_nobody_revoked_gets_a_dispute_and_none_is_given_after_the_lock(store: Store) -> None:
    study = overlapping(store, raters=3, overlap=2)
    response = responses(store)[0]
    with store.connect() as db:
        holders = {row[0] for row in db.execute("SELECT DISTINCT rater FROM items")}
    low, high = [r for r in _raters(store) if r.id in holders]
    (free,) = [r for r in _raters(store) if r.id not in holders]
    rate(store, low, response, 1)
    rate(store, high, response, 3)
    revoke_link(store, study.id, free.label)
    assert adjudicate(store, study.id, "anna") == Adjudication(0, 1)
    lock_study(store, study.id, "anna")
    with pytest.raises(StorageError) as refused:
        adjudicate(store, study.id, "anna")
    assert refused.value.code == "study_is_locked"


def test_a_further_rater_of_one_answer_fills_no_gap(store: Store) -> None:
    study = overlapping(store, raters=2, overlap=2)
    first, second = _raters(store)
    response = responses(store)[0]
    rate(store, first, response, 1)
    rate(store, second, response, 3)
    invite_raters(store, study.id, 1, adjudicator=True)
    adjudicate(store, study.id, "anna")
    further = _raters(store)[2]
    rate(store, further, response, 1)
    (coverage,) = read_board(store, study.id).questions
    assert (coverage.finished, coverage.needed) == (0, 2)
    assert read_board(store, study.id).raters[2].state == "done"


def test_a_dispute_that_a_further_rater_skips_goes_on_to_another(store: Store) -> None:
    study = overlapping(store, raters=2, overlap=2)
    first, second = _raters(store)
    response = responses(store)[0]
    rate(store, first, response, 1)
    rate(store, second, response, 3)
    invite_raters(store, study.id, 2, adjudicator=True)
    assert adjudicate(store, study.id, "anna") == Adjudication(1, 0)
    skipping = next(r for r in _raters(store)[2:] if read_worklist(store, r.id))
    item = read_worklist(store, skipping.id)[0].answers[0].item
    save_ratings(store, skipping.id, [RatingEntry(item, None, "s", skipped="other")])
    assert disputes(store, study.id)[0].further == ()
    assert adjudicate(store, study.id, "anna") == Adjudication(1, 0)


def test_agreement_is_not_made_of_further_raters(store: Store) -> None:
    study = overlapping(store, raters=2, overlap=2)
    first, second = _raters(store)
    response = responses(store)[0]
    rate(store, first, response, 1)
    rate(store, second, response, 3)
    invite_raters(store, study.id, 1, adjudicator=True)
    adjudicate(store, study.id, "anna")
    rate(store, _raters(store)[2], response, 1)
    assert score_counts(store, study.id)["safety"] == [(1, 0, 1)]
    assert "adjudication" in {row["kind"] for row in order_rows(store, study.id)}


def test_reading_all_answers_first_is_not_haste(store: Store) -> None:
    study = create_study(store, "Pilot", 7)
    for number in range(5):
        add_question(store, study.id, f"问{number}", answers_of(text="好" * 246))
    open_study(store, study.id, "anna")
    (rater,) = new_raters(store, study)
    for question in read_worklist(store, rater.id):
        for answer, seconds in zip(question.answers, (120, 4, 4), strict=True):
            item = answer.item
            save_ratings(store, rater.id, [entry(item, item, (3, 2, 3), active_seconds=seconds)])
            later = entry(item, f"{item} later", (3, 2, 3), active_seconds=1, comment="好")
            save_ratings(store, rater.id, [later])
    found = only(store)
    assert (found.fast_share, found.too_fast) == (0.0, False)


def test_a_further_rater_practises_first(store: Store) -> None:
    study = create_study(store, "Pilot", 7)
    add_question(store, study.id, "问", answers_of())
    add_practice(store, study.id, [PracticeItem("练", "答", Scores(3, 3, 3), "好", "good")])
    open_study(store, study.id, "anna")
    first, second = new_raters(store, study, 2)
    response = responses(store)[0]
    for rater in (first, second):
        practice = read_worklist(store, rater.id)[0].answers[0].item
        save_ratings(store, rater.id, [entry(practice, practice)])
    rate(store, first, response, 1)
    rate(store, second, response, 3)
    (invitation,) = invite_raters(store, study.id, 1, adjudicator=True)
    adjudicate(store, study.id, "anna")
    shown = read_worklist(store, find_rater(store, invitation.token).id)
    assert [each.practice for each in shown] == [True, False]


def _raters(store: Store) -> list[Rater]:
    return list_raters(store, _study(store).id)


# -- signs --


def scored(
    store: Store, triples: list[tuple[int, int, int]], seconds: float | None, repeats: int = 0
) -> None:
    """One rater scores answers of 250 characters so, in order."""
    study = create_study(store, "Pilot", 7)
    change_settings(store, study.id, StudySettings(repeats=repeats))
    for number in range(len(triples) - repeats):
        add_question(store, study.id, f"问{number}", answers_of(["m"], "好" * 246))
    open_study(store, study.id, "anna")
    (rater,) = new_raters(store, study)
    shown = [question.answers[0].item for question in read_worklist(store, rater.id)]
    for item, triple in zip(shown, triples, strict=True):
        save_ratings(store, rater.id, [entry(item, item, triple, active_seconds=seconds)])


def only(store: Store):
    (found,) = signs(store, _study(store).id)
    return found


def _study(store: Store) -> Study:
    return list_studies(store)[0]


def test_the_same_scores_all_the_way_are_a_sign(store: Store) -> None:
    scored(store, [(3, 3, 3)] * 12, seconds=30)
    found = only(store)
    assert found.straight_lining
    assert (found.longest_run, found.same_share, found.too_fast) == (12, 1.0, False)


def test_scores_that_vary_are_none(store: Store) -> None:
    scored(store, [(3, 3, 3), (3, 2, 3), (1, 1, 2)] * 4, seconds=30)
    found = only(store)
    assert not found.straight_lining
    assert (found.longest_run, found.median_seconds) == (1, 30.0)


def test_scoring_faster_than_anyone_reads_is_a_sign(store: Store) -> None:
    scored(store, [(3, 3, 3), (3, 2, 3)] * 6, seconds=4)  # 250 characters at 25 a second take 10
    found = only(store)
    assert found.too_fast
    assert found.fast_share == 1.0


def test_of_a_few_answers_nothing_is_said(store: Store) -> None:
    scored(store, [(3, 3, 3)] * 9, seconds=0.1)
    found = only(store)
    assert not found.straight_lining
    assert not found.too_fast


def test_without_times_nobody_was_fast(store: Store) -> None:
    scored(store, [(3, 3, 3)] * 12, seconds=None)
    found = only(store)
    assert (found.median_seconds, found.fast_share, found.too_fast) == (None, None, False)


def test_repeats_tell_how_consistent_a_rater_is(store: Store) -> None:
    scored(store, [(3, 3, 3), (3, 3, 2), (1, 3, 3), (3, 3, 3)], seconds=30, repeats=1)
    found = only(store)
    assert (found.answers, found.repeated, found.repeats_equal) == (3, 1, 1)
    assert found.repeats_apart == 0.0


def test_a_skipped_answer_is_no_score(store: Store) -> None:
    study = new_study(store, questions=1)
    (rater,) = new_raters(store, study)
    item = read_worklist(store, rater.id)[0].answers[0].item
    save_ratings(store, rater.id, [RatingEntry(item, None, "k", skipped="other")])
    assert signs(store, study.id) == []
