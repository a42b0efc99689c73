"""The share of answers that tell the asked-for facts, on cases small enough to count by hand."""

import json
from pathlib import Path

import pytest

from medchat.data import Entry
from medchat.errors import BadInput
from medchat.evaluation.metrics.facts import (
    FactQuestion,
    FactScore,
    count_facts,
    read_fact_questions,
    score_facts,
)

COLD = Entry("感冒", ("伤风",), "disease", {"症状": ("鼻塞", "流涕", "打喷嚏"), "科室": ("内科",)})
SYMPTOMS = FactQuestion("t1", "感冒有什么症状", "感冒", "症状", ("鼻塞", "流涕", "打喷嚏"))
WARD = FactQuestion("t2", "感冒挂什么科", "感冒", "科室", ("内科",))
ASKED = {"id": "t1", "question": "感冒有什么症状", "entity": "感冒", "attribute": "症状"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "questions.jsonl"


def line(**values: object) -> str:
    return json.dumps(ASKED | values, ensure_ascii=False) + "\n"


# -- counting --


@pytest.mark.parametrize(
    ("answer", "facts"),
    [
        ("感冒的症状有鼻塞、流涕、打喷嚏。", 3),
        ("打喷嚏，鼻塞", 2),
        ("鼻塞鼻塞鼻塞", 1),
        ("鼻 塞", 0),
        ("", 0),
    ],
)
def test_a_fact_counts_once_when_it_stands_there_letter_by_letter(answer: str, facts: int) -> None:
    assert count_facts(SYMPTOMS, answer) == facts


def test_all_and_half_are_counted_over_the_answers() -> None:
    answers = ["鼻塞、流涕、打喷嚏", "鼻塞、流涕", "鼻塞", "外科"]
    counted = score_facts("huatuo", [SYMPTOMS, SYMPTOMS, SYMPTOMS, WARD], answers)
    assert counted == FactScore("huatuo", questions=4, complete=1, half_complete=2)


def test_exactly_half_is_at_least_half() -> None:
    two = FactQuestion("t3", "?", "感冒", "症状", ("鼻塞", "流涕"))
    assert score_facts("huatuo", [two], ["流涕"]).half_complete == 1


def test_the_line_gives_both_shares_in_percent() -> None:
    assert FactScore("huatuo", questions=3, complete=1, half_complete=2).line() == (
        "huatuo: 33.3 % of 3 answers tell every asked-for fact, 66.7 % at least half"
    )


def test_no_answers_have_no_share() -> None:
    assert "– of 0 answers" in score_facts("huatuo", [], []).line()


def test_an_answer_too_few_is_a_defect_and_not_a_share() -> None:
    with pytest.raises(ValueError, match="zip"):
        score_facts("huatuo", [SYMPTOMS, WARD], ["鼻塞"])


# -- reading --


def test_a_question_gets_the_facts_of_the_knowledge_base(file: Path) -> None:
    file.write_text(line() + line(id="t2", question="感冒挂什么科", attribute="科室"), "utf-8")
    assert read_fact_questions(file, [COLD]) == [SYMPTOMS, WARD]


def test_byte_order_mark_windows_line_ends_and_blank_lines_make_no_difference(file: Path) -> None:
    file.write_bytes(("\ufeff" + line() + "\r\n\r\n").encode())
    assert read_fact_questions(file, [COLD]) == [SYMPTOMS]


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ("{", ""),
        ("[1]", ""),
        (line(entity="麻疹"), "麻疹"),
        (line(attribute="禁忌"), "禁忌"),
        ('{"id": "t1", "entity": "感冒", "attribute": "症状"}', "question"),
        (line(entity=["感冒"]), ""),
    ],
)
def test_a_question_about_nothing_known_is_refused_by_its_line(
    file: Path, bad: str, named: str
) -> None:
    file.write_text(line() + bad, encoding="utf-8")
    with pytest.raises(BadInput, match=r"questions\.jsonl, line 2: no such question") as refused:
        read_fact_questions(file, [COLD])
    assert named in str(refused.value)


def test_a_file_that_is_missing_or_in_another_encoding_is_named(file: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_fact_questions(file, [COLD])
    file.write_bytes(line().encode("gbk"))
    with pytest.raises(BadInput, match="cannot be read as UTF-8"):
        read_fact_questions(file, [COLD])


def test_a_file_without_questions_is_refused(file: Path) -> None:
    file.write_text("\n", encoding="utf-8")
    with pytest.raises(BadInput, match="holds no questions"):
        read_fact_questions(file, [COLD])
