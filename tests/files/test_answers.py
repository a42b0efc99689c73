"""Question files and answer files: what is read, what is refused, and nothing lost in between."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medchat.errors import BadInput
from medchat.files.answers import (
    MAX_QUESTION_LENGTH,
    Answer,
    AnsweredQuestion,
    as_line,
    read_answers,
    read_questions,
)
from medchat.text import clean_text


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "questions.jsonl"


def line(**values: object) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"


def answered(**answer: object) -> str:
    return line(question="感冒怎么办", answers=[{"model": "llama", "text": "多喝水"} | answer])


# -- questions --


def test_questions_are_read_in_order_with_their_ids(file: Path) -> None:
    file.write_text(line(question="感冒怎么办", question_id="t01") + line(question="头疼"))
    assert read_questions(file) == [
        AnsweredQuestion("感冒怎么办", "t01"),
        AnsweredQuestion("头疼", None),
    ]


def test_lines_of_huatuo_are_questions(file: Path) -> None:
    file.write_text(line(instruction="感冒怎么办", input="", output="多喝水"), encoding="utf-8")
    assert read_questions(file) == [AnsweredQuestion("感冒怎么办")]


def test_answers_in_a_question_file_are_left_out(file: Path) -> None:
    file.write_text(answered(finish_reason="error"), encoding="utf-8")
    assert read_questions(file) == [AnsweredQuestion("感冒怎么办")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n  \n"])
def test_byte_order_marks_windows_line_ends_and_blank_lines_make_no_difference(
    file: Path, encoding: str, end: str
) -> None:
    text = end.join(['{"question": "感冒"}', '{"question": "头\u2028疼"}', ""])
    file.write_bytes(text.encode(encoding))
    assert [record.question for record in read_questions(file)] == ["感冒", "头\u2028疼"]


def test_a_number_is_an_id_too_and_a_blank_one_is_none(file: Path) -> None:
    file.write_text(
        line(question="甲", question_id=7)
        + line(question="乙", question_id=" ")
        + line(question="丙", question_id="")
        + line(question="丁", question_id=" 8 ")
    )
    assert [record.question_id for record in read_questions(file)] == ["7", None, None, "8"]


def test_the_longest_question_is_counted_without_what_is_cut_off(file: Path) -> None:
    file.write_text(line(question="  " + "药" * MAX_QUESTION_LENGTH + "\n"), encoding="utf-8")
    assert len(read_questions(file)[0].question) == MAX_QUESTION_LENGTH


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("{", "not a JSON object"),
        ('["感冒"]', "not a JSON object"),
        ('"感冒"', "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ("{}", 'needs a text under "question"'),
        ('{"question": null}', 'needs a text under "question"'),
        ('{"question": 3}', 'needs a text under "question"'),
        ('{"question": " \\u0007 "}', 'needs a text under "question"'),
        (line(question="药" * 2001), "has 2001 characters; at most 2000"),
        (line(question="乙", question_id=[1]), r"question_id must be a text, not \[1\]"),
        (line(question="乙", question_id=True), "question_id must be a text, not True"),
        (line(question="乙", question_id="t01"), "'t01' stands already in line 1"),
        (line(question="乙", question_id=" t01"), "'t01' stands already in line 1"),
    ],
)
def test_a_line_that_is_no_question_is_refused_by_its_number(
    file: Path, bad: str, told: str
) -> None:
    file.write_text(line(question="甲", question_id="t01") + "\n" + bad, encoding="utf-8")
    with pytest.raises(BadInput, match=told) as refused:
        read_questions(file)
    assert str(refused.value).startswith("questions.jsonl, line 3:")


def test_a_file_in_another_encoding_is_said_not_to_be_utf_8(file: Path) -> None:
    file.write_bytes(line(question="感冒怎么办").encode("gbk"))
    with pytest.raises(BadInput, match=r"questions\.jsonl is not UTF-8 text"):
        read_questions(file)


@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
def test_a_file_without_questions_is_refused(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8")
    with pytest.raises(BadInput, match="holds no questions"):
        read_questions(file)


def test_a_file_that_is_not_there_or_a_folder_is_named(file: Path, tmp_path: Path) -> None:
    for path in (file, tmp_path):
        with pytest.raises(BadInput, match="cannot be read") as refused:
            read_questions(path)
        assert str(path) in str(refused.value)


# -- answers --


def test_an_answer_has_what_the_file_gives_and_sensible_values_for_the_rest(file: Path) -> None:
    more = {"finish_reason": "length", "provenance": {"seed": 3}}
    file.write_text(answered() + answered(**more), encoding="utf-8")
    assert [record.answers[0] for record in read_answers(file)] == [
        Answer("llama", "多喝水", "stop", {}),
        Answer("llama", "多喝水", "length", {"seed": 3}),
    ]


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (line(question="感冒"), 'needs a list under "answers"'),
        (line(question="感冒", answers=[]), 'needs a list under "answers"'),
        (line(question="感冒", answers={"llama": "多喝水"}), 'needs a list under "answers"'),
        (line(question="感冒", answers=["多喝水"]), 'texts under "model" and "text"'),
        (line(question="感冒", answers=[{"model": "llama"}]), 'texts under "model" and "text"'),
        (answered(model="  "), "names no model"),
        (answered(text=None), 'texts under "model" and "text"'),
        (answered(finish_reason="error"), r"llama did not finish its answer \(error\)"),
        (answered(finish_reason="cancelled"), r"llama did not finish its answer \(cancelled\)"),
        (answered(provenance="seed 3"), "provenance must be a JSON object"),
    ],
)
def test_an_answer_that_cannot_be_rated_is_refused_by_its_line(
    file: Path, bad: str, told: str
) -> None:
    file.write_text(answered() + bad, encoding="utf-8")
    with pytest.raises(BadInput, match=told) as refused:
        read_answers(file)
    assert str(refused.value).startswith("questions.jsonl, line 2:")


def test_a_question_file_is_not_an_answer_file(file: Path) -> None:
    file.write_text(line(question="感冒怎么办"), encoding="utf-8")
    with pytest.raises(BadInput, match="answers"):
        read_answers(file)


# -- round trip --

words = st.text(string.ascii_letters + "感冒药，\n\t\"\\'{}\u2028🩺 ", min_size=1, max_size=40)
json_values = st.dictionaries(words, st.none() | st.booleans() | st.integers() | words, max_size=3)
names = words.map(str.strip).filter(len)
answers = st.builds(Answer, names, words | st.just(""), st.sampled_from(["stop", "length"]))
records = st.builds(
    AnsweredQuestion,
    words.filter(lambda text: clean_text(text)[0] == text),
    st.none() | st.integers(0, 10**9).map(str),
    st.lists(st.builds(Answer, names, words, st.just("stop"), json_values) | answers, min_size=1)
    .map(tuple)
    .filter(len),
)


@given(st.lists(records, min_size=1, max_size=4, unique_by=lambda r: r.question_id or id(r)))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=50,
)
def test_what_is_written_is_read_back(file: Path, written: list[AnsweredQuestion]) -> None:
    file.write_text("".join(map(as_line, written)), encoding="utf-8")
    assert read_answers(file) == written
