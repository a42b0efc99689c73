"""What a rater is shown, and what happens when a rating is saved."""

import math
from collections import Counter, defaultdict
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from storage_fixtures import MODELS, answers_of, answers_shown_to, entry, new_raters, new_study

from storage import (
    AssignedAnswer,
    AssignedQuestion,
    NewQuestion,
    RatingEntry,
    Scores,
    Span,
    StorageError,
    Store,
    StudySettings,
    add_question,
    add_questions,
    change_settings,
    create_study,
    hand_over,
    history,
    list_questions,
    list_raters,
    open_study,
    ratings,
    read_worklist,
    responses_of,
    revoke_link,
    save_ratings,
    score_rows,
)
from storage.latin_square import williams_row


@pytest.fixture
def study(store: Store):
    return new_study(store)


@pytest.fixture
def rater(store: Store, study):
    return new_raters(store, study)[0]


@pytest.fixture
def answers(store: Store, rater) -> list[AssignedAnswer]:
    return answers_shown_to(store, rater)


def order(questions: list[AssignedQuestion]) -> list[list[str]]:
    return [[answer.item for answer in question.answers] for question in questions]


# -- what a rater is shown --


def test_a_rater_is_shown_every_question_with_every_answer(store: Store, rater, study) -> None:
    shown = read_worklist(store, rater.id)
    assert [each.place for each in shown] == [1, 2]
    stored = {each.question_id: each for each in list_questions(store, study.id)}
    assert {each.question_id: each.text for each in shown} == {
        "q001": "感冒怎么办？0",
        "q002": "感冒怎么办？1",
    }
    for question in shown:
        assert [(each.letter, each.position) for each in question.answers] == [
            ("A", 1),
            ("B", 2),
            ("C", 3),
        ]
        answers = responses_of(store, stored[question.question_id])
        assert {each.text for each in question.answers} == {each.text for each in answers}
        assert not {each.item for each in question.answers} & {each.id for each in answers}


def test_the_same_answer_has_another_id_for_each_rater(store: Store, study) -> None:
    ids = [
        {answer.item for answer in answers_shown_to(store, rater)}
        for rater in new_raters(store, study, 3)
    ]
    assert len(set.union(*ids)) == 18


def test_nothing_that_a_rater_is_shown_names_a_model(store: Store, rater) -> None:
    shown = repr([asdict(question) for question in read_worklist(store, rater.id)])
    assert not [model for model in MODELS if model in shown]
    names = {field.name for kind in (AssignedAnswer, AssignedQuestion) for field in fields(kind)}
    assert names.isdisjoint({"model", "provenance", "finish_reason"})


def test_the_order_of_the_answers_never_changes(store: Store, rater) -> None:
    first = read_worklist(store, rater.id)
    assert read_worklist(Store(store.path), rater.id) == first


def test_the_stored_order_counts_and_not_the_drawn_one(store: Store, rater) -> None:
    before = order(read_worklist(store, rater.id))
    with store.transaction() as db:
        db.execute("UPDATE items SET position = position + 10")
        db.execute("UPDATE items SET position = 14 - position")
    assert order(read_worklist(store, rater.id)) == [answers[::-1] for answers in before]


@pytest.mark.parametrize("models", [["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]])
def test_every_model_stands_in_every_place_equally_often(store: Store, models) -> None:
    """Over the raters of one question, and over the questions of one rater."""
    study = create_study(store, "Balanced", 3)
    rows = 2 * len(models) if len(models) % 2 else len(models)
    for number in range(rows):
        add_question(store, study.id, f"问{number}", answers_of(models))
    open_study(store, study.id, "anna")
    new_raters(store, study, rows)
    with store.connect() as db:
        counts = db.execute(
            "SELECT responses.model, items.position, items.question, items.rater FROM items"
            " JOIN responses ON responses.id = items.response"
        ).fetchall()
    places = len(models)
    for key in (2, 3):
        seen = Counter((row[0], row[1], row[key]) for row in counts)
        assert set(seen.values()) == {rows // places}
        assert len(seen) == places * places * rows
    orders = {
        tuple(each.question_id for each in read_worklist(store, r.id))
        for r in list_raters(store, study.id)
    }
    assert len(orders) > 1


def places(store: Store) -> list[tuple[str, str, str, int]]:
    """Rater, question, model and place of everything that is shown once."""
    with store.connect() as db:
        return db.execute(
            "SELECT raters.label, items.question, responses.model, items.position FROM items"
            " JOIN responses ON responses.id = items.response"
            " JOIN raters ON raters.id = items.rater WHERE items.kind = 'real'"
        ).fetchall()


def uneven(rows: list[tuple[str, str, str, int]], by: int | None, models: int) -> int:
    """How far a model's times in one place are at most from what they should be, in one group."""
    groups: dict[str, Counter[tuple[str, int]]] = defaultdict(Counter)
    for row in rows:
        groups["" if by is None else row[by]][row[2:]] += 1
    off = []
    for seen in groups.values():
        should = seen.total() / models**2
        counts = [
            seen[f"m{model}", place + 1] for model in range(models) for place in range(models)
        ]
        off += [math.ceil(max(counts) - should), math.ceil(should - min(counts))]
    return max(off)


RATER, QUESTION = 0, 1


@pytest.mark.parametrize("models", [2, 3, 4, 5])
@pytest.mark.parametrize(
    ("raters", "overlap"), [(4, 2), (6, 2), (6, 3), (3, 2), (5, 2), (5, 1), (5, None), (4, None)]
)
def test_places_are_balanced_whoever_gets_a_question(store, models, raters, overlap) -> None:
    study = create_study(store, "Overlap", 3)
    change_settings(store, study.id, StudySettings(raters_per_answer=overlap))
    names = [f"m{number}" for number in range(models)]
    add_questions(store, study.id, [NewQuestion(f"问{n}", answers_of(names)) for n in range(60)])
    open_study(store, study.id, "anna")
    new_raters(store, study, raters)
    rows = places(store)
    assert uneven(rows, RATER, models) <= 1
    assert uneven(rows, QUESTION, models) <= 2
    assert uneven(rows, None, models) <= 1


@pytest.mark.parametrize(
    ("models", "raters", "overlap"), [(2, 3, 2), (2, 4, 2), (3, 4, 2), (3, 5, 2), (3, 5, 3)]
)
def test_raters_of_a_question_are_shown_different_models_first(
    store, models, raters, overlap
) -> None:
    study = create_study(store, "Pairs", 7)
    change_settings(store, study.id, StudySettings(raters_per_answer=overlap))
    names = [f"m{number}" for number in range(models)]
    add_questions(store, study.id, [NewQuestion(f"问{n}", answers_of(names)) for n in range(60)])
    new_raters(store, study, raters)
    open_study(store, study.id, "anna")
    first: dict[str, list[str]] = defaultdict(list)
    for _, question, model, place in places(store):
        if place == 1:
            first[question].append(model)
    assert len(first) == 60
    assert all(len(set(shown)) == len(shown) == overlap for shown in first.values())


@pytest.mark.parametrize("models", [2, 3, 4])
@pytest.mark.parametrize("joining", [(3, 1), (1, 1, 1, 1), (2, 3)])
def test_places_are_balanced_for_raters_who_join_later(store, models, joining) -> None:
    study = create_study(store, "Joining", 3)
    names = [f"m{number}" for number in range(models)]
    add_questions(store, study.id, [NewQuestion(f"问{n}", answers_of(names)) for n in range(40)])
    open_study(store, study.id, "anna")
    for count in joining:
        new_raters(store, study, count)
    assert uneven(places(store), RATER, models) <= 1
    assert uneven(places(store), QUESTION, models) <= 2
    assert uneven(places(store), None, models) <= 1


@pytest.mark.parametrize("questions", [30, 31])
@pytest.mark.parametrize("raters", [2, 3, 4, 5, 8])
def test_no_question_is_late_for_every_rater(store: Store, questions: int, raters: int) -> None:
    study = create_study(store, "Places", 7)
    add_questions(
        store, study.id, [NewQuestion(f"问{n}", answers_of(["m0"])) for n in range(questions)]
    )
    open_study(store, study.id, "anna")
    at: dict[str, list[int]] = defaultdict(list)
    for rater in new_raters(store, study, raters):
        for question in read_worklist(store, rater.id):
            at[question.question_id].append(question.place)
    middle = (questions + 1) / 2
    off = max(abs(sum(found) / raters - middle) for found in at.values())
    assert off <= questions / 5


def test_questions_that_are_added_later_go_on_with_the_balance(store: Store) -> None:
    study = create_study(store, "Growing", 3)
    for batch, count in enumerate((7, 5, 3)):
        new = [NewQuestion(f"问{batch}-{n}", answers_of(["m0", "m1", "m2"])) for n in range(count)]
        add_questions(store, study.id, new)
        if not batch:
            open_study(store, study.id, "anna")
            new_raters(store, study, 3)
    assert uneven(places(store), RATER, 3) <= 1
    assert uneven(places(store), QUESTION, 3) <= 1


def test_one_place_tells_nothing_of_the_next_question(store: Store) -> None:
    """Who has found out a model once cannot follow it: no rater sees it at one place throughout."""
    study = create_study(store, "Guess", 3)
    add_questions(
        store, study.id, [NewQuestion(f"问{n}", answers_of(["a", "b"])) for n in range(40)]
    )
    open_study(store, study.id, "anna")
    for rater in new_raters(store, study, 4):
        orders = [
            tuple(answer.item for answer in each.answers) for each in read_worklist(store, rater.id)
        ]
        with store.connect() as db:
            model_of = dict(
                db.execute(
                    "SELECT items.id, responses.model FROM items"
                    " JOIN responses ON responses.id = items.response"
                ).fetchall()
            )
        first = [model_of[items[0]] for items in orders]
        same = sum(one == other for one, other in pairwise(first))
        assert 8 <= same <= 31


def test_a_rater_who_comes_in_place_of_another_gets_everything(store: Store) -> None:
    study = new_study(store, questions=3)
    *_, gone = new_raters(store, study, 3)
    begun = read_worklist(store, gone.id)[0]
    save_ratings(store, gone.id, [entry(begun.answers[0].item, "k")])
    revoke_link(store, study.id, gone.label)
    (fresh,) = new_raters(store, study)
    assert len(read_worklist(store, fresh.id)) == 3


def test_with_an_overlap_what_a_revoked_rater_left_unfinished_goes_to_others(store) -> None:
    study = create_study(store, "Overlap", 3)
    change_settings(store, study.id, StudySettings(raters_per_answer=1))
    add_questions(store, study.id, [NewQuestion(f"问{n}", answers_of()) for n in range(2)])
    open_study(store, study.id, "anna")
    (gone,) = new_raters(store, study)
    for answer in read_worklist(store, gone.id)[0].answers:
        save_ratings(store, gone.id, [entry(answer.item, answer.item)])
    revoke_link(store, study.id, gone.label)
    (fresh,) = new_raters(store, study)
    assert len(read_worklist(store, fresh.id)) == 1


def test_who_has_handed_over_gets_nothing_new(store: Store) -> None:
    study = create_study(store, "Overlap", 3)
    change_settings(store, study.id, StudySettings(raters_per_answer=1))
    add_questions(store, study.id, [NewQuestion(f"问{n}", answers_of()) for n in range(6)])
    raters = new_raters(store, study, 3)
    open_study(store, study.id, "anna")
    assert [len(read_worklist(store, each.id)) for each in raters] == [2, 2, 2]
    hand_over(store, study.id, "r01", "anna")
    hand_over(store, study.id, "r02", "anna")
    assert [len(read_worklist(store, each.id)) for each in raters] == [0, 0, 6]


def test_nothing_is_left_to_do_after_handing_over_not_even_repeats(store: Store) -> None:
    study = create_study(store, "Repeats", 3)
    change_settings(store, study.id, StudySettings(repeats=2))
    add_questions(store, study.id, [NewQuestion(f"问{n}", answers_of()) for n in range(9)])
    open_study(store, study.id, "anna")
    gone, _ = new_raters(store, study, 2)
    for answer in read_worklist(store, gone.id)[0].answers:
        save_ratings(store, gone.id, [entry(answer.item, answer.item)])
    hand_over(store, study.id, gone.label, "anna")
    assert all(answer.current for each in read_worklist(store, gone.id) for answer in each.answers)


def test_williams_rows_are_balanced_for_place_and_for_what_stands_before() -> None:
    for size in range(1, 9):
        rows = [williams_row(size, row) for row in range(2 * size)]
        assert all(sorted(row) == list(range(size)) for row in rows)
        for place in range(size):
            assert Counter(row[place] for row in rows) == dict.fromkeys(range(size), 2)
        pairs = Counter(pair for row in rows for pair in pairwise(row))
        assert set(pairs.values()) <= {2}
        assert len(pairs) == size * (size - 1)


def test_each_question_gets_as_many_distinct_raters_as_asked_for(store: Store) -> None:
    study = create_study(store, "Overlap", 3)
    change_settings(store, study.id, StudySettings(raters_per_answer=2))
    for number in range(10):
        add_question(store, study.id, f"问{number}", answers_of())
    raters = new_raters(store, study, 5)
    open_study(store, study.id, "anna")
    shares = [len(read_worklist(store, rater.id)) for rater in raters]
    assert shares == [4] * 5
    with store.connect() as db:
        held = db.execute("SELECT count(DISTINCT rater) FROM items GROUP BY question").fetchall()
    assert held == [(2,)] * 10


def test_what_a_rater_has_not_begun_can_be_given_to_others(store: Store) -> None:
    study = create_study(store, "Overlap", 3)
    change_settings(store, study.id, StudySettings(raters_per_answer=1))
    first = new_raters(store, study)[0]
    for number in range(4):
        add_question(store, study.id, f"问{number}", answers_of())
    open_study(store, study.id, "anna")
    begun = read_worklist(store, first.id)[0]
    save_ratings(store, first.id, [entry(begun.answers[0].item, "k")])
    second = new_raters(store, study)[0]
    assert read_worklist(store, second.id) == []
    assert hand_over(store, study.id, "r01", "anna") == 4
    (left,) = read_worklist(store, first.id)
    assert (left.text, len(left.answers)) == (begun.text, 1), "what is scored stays"
    assert len(read_worklist(store, second.id)) == 4, "what was half done, another does whole"
    assert hand_over(store, study.id, "r02", "anna") == 4
    assert read_worklist(store, second.id) == []
    assert len(read_worklist(store, first.id)) == 1, "a question never comes back to who gave it up"


def test_a_question_that_is_added_later_appears_and_moves_nothing(
    store: Store, rater, study
) -> None:
    before = read_worklist(store, rater.id)
    add_question(store, study.id, "咳嗽怎么办？", answers_of())
    after = read_worklist(store, rater.id)
    assert after[:2] == before
    assert [(each.question_id, each.place) for each in after[2:]] == [("q003", 3)]


def test_a_study_without_questions_assigns_nothing(store: Store) -> None:
    rater = new_raters(store, new_study(store, questions=0, name="Empty"))[0]
    assert read_worklist(store, rater.id) == []


def test_a_rater_sees_only_the_own_study(store: Store, rater) -> None:
    other = new_raters(store, new_study(store, questions=1, name="Other"))[0]
    assert len(read_worklist(store, rater.id)) == 2
    assert len(read_worklist(store, other.id)) == 1


def test_twenty_six_answers_are_lettered_to_z(store: Store, study, rater) -> None:
    add_question(store, study.id, "问", answers_of([f"m{number}" for number in range(26)]))
    letters = [answer.letter for answer in read_worklist(store, rater.id)[-1].answers]
    assert "".join(letters) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def test_an_unknown_rater_is_shown_nothing(store: Store) -> None:
    with pytest.raises(StorageError) as refused:
        read_worklist(store, "nobody")
    assert refused.value.code == "unknown_rater"


# -- saving --


def test_a_saved_rating_is_shown_when_the_rater_comes_back(store: Store, rater, answers) -> None:
    saved = entry(answers[1].item, "k", (3, 1, 2), comment="剂量不对", flags=["unsafe_dose"])
    save_ratings(store, rater.id, [saved])
    shown = answers_shown_to(Store(store.path), rater)
    assert [each.current for each in shown] == [None, Scores(3, 1, 2), None, None, None, None]
    assert (shown[1].comment, shown[1].flags) == ("剂量不对", ("unsafe_dose",))


def test_the_result_says_when_and_how_much_was_saved(store: Store, rater, answers) -> None:
    result = save_ratings(store, rater.id, [entry(each.item, each.item) for each in answers[:3]])
    assert result.written == 3
    saved_at = datetime.fromisoformat(result.saved_at)
    assert saved_at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - saved_at) < timedelta(minutes=1)
    assert len(result.saved_at) == len("2026-01-31T08:05:09.120+00:00")


def test_a_rating_records_where_the_answer_stood_and_how_long_it_took(
    store: Store, rater, answers
) -> None:
    save_ratings(store, rater.id, [entry(answers[2].item, "k", active_seconds=41.5)])
    rating = history(store, rater.id, answers[2].item)[0]
    assert (rating.shown_position, rating.active_seconds) == (3, 41.5)
    assert rating.scores == Scores(3, 2, 1)


def test_a_changed_rating_replaces_the_current_one_and_keeps_the_old(
    store: Store, rater, answers
) -> None:
    response = answers[0].item
    save_ratings(store, rater.id, [entry(response, "1", (3, 3, 3))])
    save_ratings(store, rater.id, [entry(response, "2", (1, 3, 3), comment="再想想")])
    assert answers_shown_to(store, rater)[0].current == Scores(1, 3, 3)
    log = history(store, rater.id, response)
    assert [(each.scores, each.comment) for each in log] == [
        (Scores(3, 3, 3), ""),
        (Scores(1, 3, 3), "再想想"),
    ]
    assert log[0].rated_at <= log[1].rated_at


def test_the_same_save_sent_again_writes_nothing_and_succeeds(store: Store, rater, answers) -> None:
    entries = [entry(each.item, each.item) for each in answers]
    first = save_ratings(store, rater.id, entries)
    again = save_ratings(store, rater.id, entries)
    assert (first.written, again.written) == (6, 0)
    assert again.saved_at == first.saved_at
    assert all(len(history(store, rater.id, each.item)) == 1 for each in answers)


def test_a_late_copy_of_an_earlier_save_does_not_undo_a_later_one(
    store: Store, rater, answers
) -> None:
    early = entry(answers[0].item, "early", (3, 3, 3))
    save_ratings(store, rater.id, [early])
    save_ratings(store, rater.id, [entry(answers[0].item, "late", (1, 1, 1))])
    assert save_ratings(store, rater.id, [early]).written == 0
    assert answers_shown_to(store, rater)[0].current == Scores(1, 1, 1)


def test_a_new_save_is_written_even_if_it_says_the_same(store: Store, rater, answers) -> None:
    response = answers[0].item
    save_ratings(store, rater.id, [entry(response, "1", comment="好")])
    repeated = entry(response, "2", comment="好", active_seconds=9.0)
    assert save_ratings(store, rater.id, [repeated]).written == 1
    assert [each.active_seconds for each in history(store, rater.id, response)] == [None, 9.0]


def test_a_skipped_answer_has_a_reason_and_no_scores(store: Store, study, rater, answers) -> None:
    item = answers[0].item
    save_ratings(store, rater.id, [entry(item, "1")])
    skip = RatingEntry(item, None, "2", skipped="outside_specialty", comment="不熟")
    save_ratings(store, rater.id, [skip])
    shown = answers_shown_to(store, rater)[0]
    assert (shown.current, shown.skipped, shown.state) == (None, "outside_specialty", "skipped")
    assert score_rows(store, study.id) == []
    save_ratings(store, rater.id, [entry(item, "3", (1, 1, 1))])
    assert answers_shown_to(store, rater)[0].state == "rated"
    assert [each.scores for each in history(store, rater.id, item)][1] is None


def test_marked_text_comes_back(store: Store, rater, answers) -> None:
    spans = (Span(0, 2, "harmful"), Span(3, 4, "missing"))
    save_ratings(store, rater.id, [entry(answers[0].item, "1", spans=spans)])
    assert answers_shown_to(store, rater)[0].spans == spans


def test_times_never_run_back_though_the_clock_may(store, rater, answers, monkeypatch) -> None:
    save_ratings(store, rater.id, [entry(answers[0].item, "1")])
    monkeypatch.setattr(ratings, "utc_now", lambda: "2001-01-01T00:00:00.000+00:00")
    save_ratings(store, rater.id, [entry(answers[0].item, "2")])
    first, second = history(store, rater.id, answers[0].item)
    assert first.rated_at == second.rated_at


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("revoke", "link_revoked"),
        ("UPDATE studies SET locked_at = '2026'", "study_locked"),
        ("UPDATE studies SET opened_at = NULL", "study_not_open"),
    ],
)
def test_who_may_not_rate_now_saves_nothing(store, study, rater, answers, change, code) -> None:
    if change == "revoke":
        revoke_link(store, study.id, rater.label)
    else:
        with store.transaction() as db:
            db.execute(change)
    with pytest.raises(StorageError) as refused:
        save_ratings(store, rater.id, [entry(answers[0].item, "k")])
    assert refused.value.code == code
    assert history(store, rater.id, answers[0].item) == []


@pytest.mark.parametrize("change", [{"comment": "别的"}, {"flags": ("unsure",)}])
def test_a_changed_comment_or_mark_alone_is_written(store: Store, rater, answers, change) -> None:
    response = answers[0].item
    save_ratings(store, rater.id, [entry(response, "1")])
    assert save_ratings(store, rater.id, [entry(response, "2", **change)]).written == 1


@pytest.mark.parametrize("other", ["another answer", "another value", "another rater"])
def test_a_key_that_comes_with_something_else_is_refused(
    store: Store, study, rater, answers, other: str
) -> None:
    save_ratings(store, rater.id, [entry(answers[0].item, "k", (3, 3, 3))])
    sender, response, scores = rater, answers[0].item, (3, 3, 3)
    if other == "another answer":
        response = answers[1].item
    elif other == "another value":
        scores = (1, 3, 3)
    else:
        sender = new_raters(store, study)[0]
        response = answers_shown_to(store, sender)[0].item
    with pytest.raises(StorageError) as refused:
        save_ratings(store, sender.id, [entry(response, "k", scores)])
    assert refused.value.code == "save_key_reused"


@pytest.mark.parametrize("dimension", ["safety", "usability", "fluency"])
@pytest.mark.parametrize("value", [0, 4, -1, 2.0, True, None, "3", math.nan])
def test_any_other_score_than_1_2_3_is_refused_by_name(
    store: Store, rater, answers, dimension: str, value
) -> None:
    scores = Scores(**{"safety": 3, "usability": 3, "fluency": 3, dimension: value})
    good = entry(answers[0].item, "1")
    bad = RatingEntry(answers[1].item, scores, "2")
    with pytest.raises(StorageError, match=f"for {dimension}") as refused:
        save_ratings(store, rater.id, [good, bad])
    assert refused.value.code == "score_out_of_range"
    assert refused.value.details["value"] == repr(value)
    assert history(store, rater.id, answers[0].item) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"idempotency_key": ""}, "save_key_missing"),
        ({"flags": ["a;b"]}, "flag_not_allowed"),
        ({"flags": ["外"]}, "flag_not_allowed"),
        ({"flags": ["unsure\n"]}, "flag_not_allowed"),
        ({"active_seconds": -1.0}, "active_seconds_out_of_range"),
        ({"active_seconds": math.nan}, "active_seconds_out_of_range"),
        ({"active_seconds": math.inf}, "active_seconds_out_of_range"),
        ({"item": "nothing"}, "rating_not_allowed"),
        ({"idempotency_key": "k" * 201}, "save_key_missing"),
        ({"active_seconds": 86401.0}, "active_seconds_out_of_range"),
        ({"comment": "长" * 4001}, "comment_too_long"),
        ({"skipped": "other"}, "score_and_skip"),
        ({"spans": [Span(0, 10**6, "wrong")]}, "span_not_allowed"),
        ({"spans": [Span(2, 2, "wrong")]}, "span_not_allowed"),
        ({"spans": [Span(-1, 2, "wrong")]}, "span_not_allowed"),
        ({"spans": [Span(0, True, "wrong")]}, "span_not_allowed"),
        ({"spans": [Span(0, 1, "funny")]}, "span_not_allowed"),
        ({"spans": [Span(0, 1, "wrong")] * 51}, "too_many_spans"),
        ({"item": "\ud800"}, "rating_not_allowed"),
    ],
)
def test_an_entry_that_breaks_a_rule_saves_nothing(
    store: Store, rater, answers, change: dict, code: str
) -> None:
    good = entry(answers[0].item, "good")
    bad = {"item": answers[1].item, "idempotency_key": "bad", **change}
    with pytest.raises(StorageError) as refused:
        save_ratings(store, rater.id, [good, RatingEntry(scores=Scores(3, 3, 3), **bad)])
    assert refused.value.code == code
    assert history(store, rater.id, answers[0].item) == []


def test_nothing_to_save_is_not_called_saved(store: Store, rater) -> None:
    with pytest.raises(StorageError) as refused:
        save_ratings(store, rater.id, [])
    assert refused.value.code == "nothing_to_save"


def test_a_rater_cannot_rate_an_answer_of_another_study(store: Store, rater, answers) -> None:
    other = new_raters(store, new_study(store, name="Other"))[0]
    foreign = answers_shown_to(store, other)[0]
    with pytest.raises(StorageError, match="Reload the page") as refused:
        save_ratings(store, rater.id, [entry(foreign.item, "k")])
    assert refused.value.code == "rating_not_allowed"


def test_an_unknown_rater_saves_nothing(store: Store, answers) -> None:
    with pytest.raises(StorageError) as refused:
        save_ratings(store, "nobody", [entry(answers[0].item, "k")])
    assert refused.value.code == "unknown_rater"


def test_one_raters_ratings_are_not_anothers(store: Store, study, rater, answers) -> None:
    other = new_raters(store, study)[0]
    save_ratings(store, rater.id, [entry(answers[0].item, "k")])
    assert {each.current for each in answers_shown_to(store, other)} == {None}
    assert history(store, other.id, answers[0].item) == []


def test_any_comment_comes_back(store: Store, rater, answers) -> None:
    comments = ["", "a\x00b", "两行\n第二行", "'; DROP TABLE rating_log; --", "😀" * 500, "=1+1"]
    for answer, comment in zip(answers, comments, strict=True):
        save_ratings(store, rater.id, [entry(answer.item, answer.item, comment=comment)])
    assert [each.comment for each in answers_shown_to(store, rater)] == comments


def test_half_a_character_in_a_comment_does_not_lose_the_rating(
    store: Store, rater, answers
) -> None:
    sent = entry(answers[0].item, "k", comment="好\ud83d")
    assert save_ratings(store, rater.id, [sent]).written == 1
    assert save_ratings(store, rater.id, [sent]).written == 0
