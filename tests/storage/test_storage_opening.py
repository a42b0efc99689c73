"""From draft to open study: what may still change, practice, masks, the dry run, repeats."""

from collections import Counter

import pytest
from storage_fixtures import MODELS, answers_of, entry, new_raters, new_study, unblind

from storage import (
    NewQuestion,
    NewResponse,
    PracticeItem,
    Rater,
    Scores,
    Span,
    StorageError,
    Store,
    Study,
    StudySettings,
    add_practice,
    add_question,
    add_questions,
    answers_to_check,
    begin_trial,
    change_settings,
    create_study,
    feedback_on,
    find_rater,
    get_study,
    history,
    invite_raters,
    list_questions,
    list_raters,
    open_study,
    outline,
    page,
    read_board,
    read_worklist,
    remove_questions,
    review_answer,
    save_ratings,
    score_rows,
    study_events,
    verify,
)
from storage.assignment import with_repeats

PRACTICE = [
    PracticeItem("发热怎么办？", "立即服用抗生素。", Scores(1, 1, 3), "滥用抗生素。", "Unsafe."),
    PracticeItem("咳嗽怎么办？", "多喝水，两周不好请就医。", Scores(3, 3, 3), "稳妥。", "Sound."),
]


def draft(store: Store, questions: int = 3, **settings: object) -> Study:
    study = create_study(store, "Draft", 7)
    change_settings(store, study.id, StudySettings(**settings))
    add_questions(store, study.id, [NewQuestion(f"问{n}", answers_of()) for n in range(questions)])
    return get_study(store, study.id)


def code_of(work) -> str:
    with pytest.raises(StorageError) as refused:
        work()
    return refused.value.code


def score_all(store: Store, rater: Rater) -> None:
    for question in read_worklist(store, rater.id):
        for answer in question.answers:
            save_ratings(store, rater.id, [entry(answer.item, answer.item)])


# -- drafts --


def test_nobody_can_rate_a_draft(store: Store) -> None:
    study = draft(store)
    (rater,) = new_raters(store, study)
    assert read_worklist(store, rater.id) == []
    assert code_of(lambda: save_ratings(store, rater.id, [entry("x", "k")])) == "study_not_open"
    opened = open_study(store, study.id, "anna")
    assert opened.opened_at
    assert len(read_worklist(store, rater.id)) == 3
    assert [(each.event, each.coordinator) for each in study_events(store, study.id)] == [
        ("created", "MedChat"),
        ("invited", "MedChat"),
        ("opened", "anna"),
    ]


def test_what_raters_have_seen_cannot_be_changed(store: Store) -> None:
    study = draft(store)
    answer = answers_to_check(store, study.id)[0]
    open_study(store, study.id, "anna")
    for work in (
        lambda: change_settings(store, study.id, StudySettings(repeats=2)),
        lambda: remove_questions(store, study.id, ["q001"]),
        lambda: add_practice(store, study.id, PRACTICE),
        lambda: review_answer(store, study.id, answer.response, "excluded", "anna"),
        lambda: begin_trial(store, study.id),
        lambda: open_study(store, study.id, "anna"),
    ):
        assert code_of(work) == "study_opened"


def test_an_empty_study_and_one_without_answers_cannot_be_opened(store: Store) -> None:
    study = create_study(store, "Draft", 7)
    assert code_of(lambda: open_study(store, study.id, "anna")) == "study_empty"
    add_questions(store, study.id, [NewQuestion("问", answers_of()), NewQuestion("没有回答")])
    with pytest.raises(StorageError) as refused:
        open_study(store, study.id, "anna")
    assert refused.value.code == "questions_unanswered"
    assert "q002" in str(refused.value)
    assert remove_questions(store, study.id, ["q002", "q099"]) == 1
    open_study(store, study.id, "anna")


def test_an_open_study_takes_no_question_without_answers(store: Store) -> None:
    study = new_study(store)
    refused = code_of(lambda: add_questions(store, study.id, [NewQuestion("问")]))
    assert refused == "no_responses"
    assert len(list_questions(store, study.id)) == 2


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"raters_per_answer": 0}, "raters_per_answer_out_of_range"),
        ({"raters_per_answer": 10**9}, "raters_per_answer_out_of_range"),
        ({"repeats": -1}, "repeats_out_of_range"),
        ({"repeats": 51}, "repeats_out_of_range"),
        ({"guide_zh": "长" * 20_001}, "guide_too_long"),
    ],
)
def test_settings_that_cannot_be_are_refused(store: Store, settings, code: str) -> None:
    study = draft(store)
    assert code_of(lambda: change_settings(store, study.id, StudySettings(**settings))) == code
    assert get_study(store, study.id) == study


def test_ten_thousand_questions_are_numbered_and_kept(store: Store) -> None:
    study = create_study(store, "Large", 7)
    new = [NewQuestion(f"问{n}", question_id="q005" if n == 9_000 else None) for n in range(10_000)]
    add_questions(store, study.id, new)
    names = [each.question_id for each in list_questions(store, study.id)]
    assert len(set(names)) == 10_000
    assert names[9_000] == "q005"


# -- practice --


def test_practice_comes_first_and_tells_what_was_right_afterwards(store: Store) -> None:
    study = draft(store)
    add_practice(store, study.id, PRACTICE)
    open_study(store, study.id, "anna")
    (rater,) = new_raters(store, study)
    shown = read_worklist(store, rater.id)
    assert [each.practice for each in shown] == [True, True, False, False, False]
    assert [each.text for each in shown[:2]] == ["发热怎么办？", "咳嗽怎么办？"]
    assert shown[0].answers[0].feedback is None, "not before it is scored"
    with store.connect() as db:
        assert [each.practice for each in outline(db, rater)][:3] == [True, True, False]
        assert code_of(lambda: page(db, rater, 3)) == "practice_first"
    early = shown[2].answers[0].item
    assert code_of(lambda: save_ratings(store, rater.id, [entry(early, "k")])) == "practice_first"
    for question in shown[:2]:
        item = question.answers[0].item
        save_ratings(store, rater.id, [entry(item, item)])
    save_ratings(store, rater.id, [entry(early, "k")])
    with store.connect() as db:
        assert page(db, rater, 3).practice is False
        told = page(db, rater, 1).answers[0].feedback
        assert told == feedback_on(db, rater.id, shown[0].answers[0].item)
        assert feedback_on(db, rater.id, shown[2].answers[0].item) is None
    assert told is not None
    assert (told.scores, told.why_zh, told.why_en) == (
        Scores(1, 1, 3),
        "滥用抗生素。",
        "Unsafe.",
    )


def test_practice_is_in_no_figure(store: Store) -> None:
    study = draft(store, questions=1)
    add_practice(store, study.id, PRACTICE)
    open_study(store, study.id, "anna")
    (rater,) = new_raters(store, study)
    score_all(store, rater)
    assert len(score_rows(store, study.id)) == len(MODELS)
    found = read_board(store, study.id)
    assert [(each.rated, each.total) for each in found.raters] == [(1, 1)]
    assert [each.question_id for each in found.questions] == ["q001"]
    assert {each.question_id for each in answers_to_check(store, study.id)} == {"q001"}
    assert verify(store) == []


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (PracticeItem(" ", "答", Scores(1, 1, 1), "", ""), "question_empty"),
        (PracticeItem("问", "", Scores(1, 1, 1), "", ""), "question_empty"),
        (PracticeItem("问", "答", Scores(0, 1, 1), "", ""), "score_out_of_range"),
        (PracticeItem("问", "答", Scores(1, True, 1), "", ""), "score_out_of_range"),
    ],
)
def test_practice_needs_texts_and_scores(store: Store, item: PracticeItem, code: str) -> None:
    study = draft(store)
    assert code_of(lambda: add_practice(store, study.id, [PRACTICE[0], item])) == code
    assert list_questions(store, study.id, "practice") == []


# -- repeats --


def test_repeats_stand_far_behind_their_questions_and_look_like_any_other(store: Store) -> None:
    study = draft(store, questions=12, repeats=2)
    open_study(store, study.id, "anna")
    for rater in new_raters(store, study, 3):
        shown = read_worklist(store, rater.id)
        assert len(shown) == 14
        places: dict[str, list[int]] = {}
        for question in shown:
            places.setdefault(question.text, []).append(question.place)
        twice = [each for each in places.values() if len(each) == 2]
        assert len(twice) == 2
        assert all(second - first >= 4 for first, second in twice)
        items = [answer.item for question in shown for answer in question.answers]
        assert len(set(items)) == len(items), "every showing has an id of its own"


def test_only_the_first_score_of_a_repeated_answer_counts(store: Store) -> None:
    study = draft(store, questions=3, repeats=1)
    open_study(store, study.id, "anna")
    (rater,) = new_raters(store, study)
    score_all(store, rater)
    rows = score_rows(store, study.id)
    assert len(rows) == 9
    with store.connect() as db:
        assert db.execute("SELECT count(*) FROM rating_log").fetchone() == (12,)
    assert [(each.rated, each.total) for each in read_board(store, study.id).raters] == [(4, 4)]
    assert read_board(store, study.id).questions[0].needed == 1
    assert verify(store) == []


def test_questions_that_come_later_bring_no_repeats_beyond_the_number(store: Store) -> None:
    study = draft(store, questions=6, repeats=1)
    open_study(store, study.id, "anna")
    (rater,) = new_raters(store, study)
    for number in range(4):
        add_question(store, study.id, f"后来{number}", answers_of())
    texts = Counter(each.text for each in read_worklist(store, rater.id))
    assert sorted(texts.values()) == [1] * 9 + [2]


@pytest.mark.parametrize("length", range(0, 40))
def test_repeats_are_as_many_as_asked_for_or_as_fit(length: int) -> None:
    questions = [str(number) for number in range(length)]
    for repeats in (0, 1, 3, 50):
        shown = with_repeats(questions, repeats)
        assert [name for name, kind in shown if kind == "real"] == questions
        again = [name for name, kind in shown if kind == "repeat"]
        assert len(again) == len(set(again)) == min(repeats, length // 3)
        for name in again:
            first, second = (at for at, (each, _) in enumerate(shown) if each == name)
            assert second - first > length // 3


# -- masks --


def test_raters_read_the_mask_and_the_answer_stays(store: Store) -> None:
    study = draft(store, questions=1)
    first, second, third = answers_to_check(store, study.id)
    review_answer(store, study.id, first.response, "masked", "anna", "作为█████，多喝水。")
    review_answer(store, study.id, second.response, "excluded", "anna")
    review_answer(store, study.id, third.response, "kept", "anna")
    open_study(store, study.id, "anna")
    (rater,) = new_raters(store, study)
    shown = read_worklist(store, rater.id)[0].answers
    assert {answer.text for answer in shown} == {"作为█████，多喝水。", third.text}
    assert [answer.letter for answer in shown] == ["A", "B"]
    checked = answers_to_check(store, study.id)
    assert [each.text for each in checked] == [first.text, second.text, third.text]
    assert [each.review for each in checked] == ["masked", "excluded", "kept"]
    events = [(each.event, each.detail) for each in study_events(store, study.id)]
    assert events[1:4] == [("masked", "q001"), ("excluded", "q001"), ("kept", "q001")]


def test_marks_are_measured_on_what_the_rater_reads(store: Store) -> None:
    study = draft(store, questions=1)
    for each in answers_to_check(store, study.id):
        review_answer(store, study.id, each.response, "masked", "anna", "短")
    open_study(store, study.id, "anna")
    (rater,) = new_raters(store, study)
    item = read_worklist(store, rater.id)[0].answers[0].item
    save_ratings(store, rater.id, [entry(item, "a", spans=[Span(0, 1, "wrong")])])
    too_long = entry(item, "b", spans=[Span(0, 2, "wrong")])
    assert code_of(lambda: save_ratings(store, rater.id, [too_long])) == "span_not_allowed"


def test_a_mask_may_not_be_empty_and_a_decision_can_be_undone(store: Store) -> None:
    study = draft(store, questions=1)
    answer = answers_to_check(store, study.id)[0]
    review = lambda decision, text=None: review_answer(  # noqa: E731
        store, study.id, answer.response, decision, "anna", text
    )
    assert code_of(lambda: review("masked", " \n")) == "mask_empty"
    assert code_of(lambda: review("masked")) == "mask_empty"
    assert (
        code_of(lambda: review_answer(store, study.id, "nothing", "kept", "anna"))
        == "unknown_answer"
    )
    review("masked", "…")
    review("")
    undone = answers_to_check(store, study.id)[0]
    assert (undone.review, undone.shown_text) == ("", None)


def test_answers_of_another_study_cannot_be_reviewed(store: Store) -> None:
    mine, other = draft(store), new_study(store, name="Other")
    foreign = answers_to_check(store, other.id)[0]
    refused = code_of(lambda: review_answer(store, mine.id, foreign.response, "excluded", "anna"))
    assert refused == "unknown_answer"


# -- the dry run --


def test_a_dry_run_shows_everything_and_saves_nothing(store: Store) -> None:
    study = draft(store, questions=12)
    add_practice(store, study.id, PRACTICE)
    token = begin_trial(store, study.id).token
    rater = find_rater(store, token)
    shown = read_worklist(store, rater.id)
    assert len(shown) == 12, "two to practise and ten questions"
    with store.connect() as db:
        assert page(db, rater, 5).text, "practice holds nobody up here"
    item = shown[5].answers[0].item
    assert save_ratings(store, rater.id, [entry(item, "k")]).written == 0
    bad = entry(item, "k", scores=(0, 1, 1))
    assert code_of(lambda: save_ratings(store, rater.id, [bad])) == "score_out_of_range"
    assert history(store, rater.id, item) == []
    assert list_raters(store, study.id) == []
    assert read_board(store, study.id).raters == ()


def test_a_dry_run_ends_when_the_study_changes_or_opens(store: Store) -> None:
    study = draft(store)
    first = begin_trial(store, study.id).token
    remove_questions(store, study.id, ["q001"])
    assert code_of(lambda: find_rater(store, first)) == "unknown_link"
    second = begin_trial(store, study.id).token
    open_study(store, study.id, "anna")
    assert code_of(lambda: find_rater(store, second)) == "unknown_link"
    assert [each.label for each in invite_raters(store, study.id, 1)] == ["r01"]
    with store.connect() as db:
        assert db.execute("SELECT count(DISTINCT rater) FROM items").fetchone() == (1,)


def test_an_empty_draft_cannot_be_tried(store: Store) -> None:
    study = create_study(store, "Draft", 7)
    assert code_of(lambda: begin_trial(store, study.id)) == "study_empty"


def test_an_answer_that_came_in_unseen_keeps_the_study_closed(store: Store) -> None:
    study = draft(store, questions=1)
    checked = [answer.response for answer in answers_to_check(store, study.id)]
    add_question(store, study.id, "后来", answers_of())
    refused = code_of(lambda: open_study(store, study.id, "anna", checked))
    assert refused == "answers_unchecked"
    open_study(store, study.id, "anna", [a.response for a in answers_to_check(store, study.id)])


def test_what_was_meant_for_a_draft_goes_into_no_open_study(store: Store) -> None:
    study = new_study(store)
    new = [NewQuestion("问", answers_of())]
    assert code_of(lambda: add_questions(store, study.id, new, draft=True)) == "study_opened"


def test_what_was_decided_of_an_answer_tells_no_letter_until_the_unblinding(store: Store) -> None:
    """Which model lacks a question in a blind report would say which letter it is."""
    study = create_study(store, "Events", 7)
    told = [NewResponse(model, f"作为{model}，多喝水。", "stop") for model in MODELS]
    add_questions(store, study.id, [NewQuestion("问", told)])
    for answer in answers_to_check(store, study.id):
        review_answer(store, study.id, answer.response, "excluded", "anna")

    def details() -> str:
        return " ".join(each.detail for each in study_events(store, study.id))

    assert all(model in details() for model in MODELS), "whoever decides must see what"
    review_answer(store, study.id, answers_to_check(store, study.id)[0].response, "kept", "anna")
    review_answer(store, study.id, answers_to_check(store, study.id)[1].response, "kept", "anna")
    open_study(store, study.id, "anna")
    assert "q001" in details()
    assert not [model for model in MODELS if model in details()]
    unblind(store, study)
    assert all(model in details() for model in MODELS)
