"""How long a rater will need, against sums done by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medchat.study.workload import Workload, estimate, seconds_to_read

QUESTION = ("问" * 45, "答" * 90, "复" * 90)
"""50 seconds to read and two answers of three scores, 24 seconds: 74 together."""


def test_chinese_is_read_by_character_and_other_writing_by_letter() -> None:
    assert seconds_to_read("药" * 45) == pytest.approx(10)
    assert seconds_to_read("a" * 200) == pytest.approx(10)
    assert seconds_to_read("药" * 45 + "，。" * 100) == pytest.approx(20)
    assert seconds_to_read("") == 0


def test_one_rater_reads_and_scores_everything() -> None:
    assert estimate([QUESTION], raters=1, raters_per_answer=None) == Workload(1, 2, 2, 0)
    assert estimate([QUESTION] * 30, raters=1, raters_per_answer=None) == Workload(30, 60, 37, 0)


def test_without_an_overlap_everyone_gets_everything() -> None:
    for raters in (1, 3, 8):
        assert estimate([QUESTION] * 30, raters=raters, raters_per_answer=None).questions == 30


def test_questions_are_shared_out_by_the_overlap() -> None:
    work = [QUESTION] * 30
    assert estimate(work, raters=3, raters_per_answer=1) == Workload(10, 20, 13, 0)
    assert estimate(work, raters=3, raters_per_answer=2).questions == 20
    assert estimate(work, raters=7, raters_per_answer=2).questions == 9  # 8 4/7, at most
    assert estimate(work, raters=2, raters_per_answer=5).questions == 30


def test_repeats_and_practice_come_on_top() -> None:
    work = [QUESTION] * 30
    assert estimate(work, raters=3, raters_per_answer=1, repeats=3) == Workload(13, 26, 17, 3)
    assert estimate(work, raters=3, raters_per_answer=1, repeats=3, practice=2) == Workload(
        15, 28, 18, 3
    )


def test_at_most_a_third_of_the_list_is_repeated() -> None:
    assert estimate([QUESTION] * 30, raters=3, raters_per_answer=1, repeats=50).questions == 13
    assert estimate([QUESTION] * 2, raters=1, raters_per_answer=None, repeats=5) == Workload(
        2, 4, 3, 0
    )


def test_answers_are_counted_where_questions_have_different_numbers_of_them() -> None:
    work = [QUESTION, QUESTION[:2], ("问" * 45,)]
    assert estimate(work, raters=1, raters_per_answer=None).answers == 3


def test_a_study_without_questions_or_raters_is_no_error() -> None:
    assert estimate([], raters=0, raters_per_answer=None) == Workload(0, 0, 0, 0)
    assert estimate([QUESTION], raters=0, raters_per_answer=2).questions == 1


texts = st.lists(
    st.lists(st.text(max_size=20), min_size=1, max_size=4).map(tuple), min_size=1, max_size=20
)


@given(texts, st.integers(1, 9), st.integers(1, 9), st.integers(0, 9), st.integers(0, 5))
def test_more_raters_never_make_more_work_for_one(
    work: list[tuple[str, ...]], raters: int, overlap: int, repeats: int, practice: int
) -> None:
    def of(raters: int) -> Workload:
        return estimate(
            work, raters=raters, raters_per_answer=overlap, repeats=repeats, practice=practice
        )

    few, many = of(overlap + raters), of(overlap + raters + 1)
    assert many.questions <= few.questions
    assert many.minutes <= few.minutes
    assert few.questions <= len(work) + len(work) // 3 + practice
