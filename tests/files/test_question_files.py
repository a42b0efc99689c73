"""Questions of a table: which columns are suggested, and what is said of every mistake in a row."""

import csv
import io
import json
import time
from pathlib import Path

import pytest

from eval_ui.texts import Texts
from medchat.errors import BadInput
from medchat.files.answers import MAX_QUESTION_LENGTH
from medchat.files.questions import (
    Columns,
    Problem,
    QuestionDraft,
    read_drafts,
    suggest_columns,
)
from medchat.files.spreadsheet import Row, Table, read_table


def table(*rows: dict[str, str], formulas: tuple[str, ...] = ()) -> Table:
    made = tuple(Row(number, row, formulas) for number, row in enumerate(rows, start=2))
    return Table(tuple(rows[0]), made, "UTF-8")


def codes(problems: list[Problem]) -> list[tuple[int, str]]:
    for problem in problems:
        assert Texts("zh").error(problem.message) != str(problem.message)
    return [(problem.row, problem.message.code) for problem in problems]


# -- suggestions --


def header(*columns: str) -> Table:
    return table(dict.fromkeys(columns, "x"))


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (("Question",), Columns("Question")),
        (("糖尿病",), Columns("糖尿病")),
        (("内容", "答复"), None),
        (("ID", "Prompt", "Type"), Columns("Prompt", "ID", "Type")),
        (("题号", "题目", "科室", "标准答案"), Columns("题目", "题号", "科室", "标准答案")),
        (("Question ID", "QUERY", "Target"), Columns("QUERY", "Question ID", None, "Target")),
        (("问题编号", "问题类别", "问题内容"), Columns("问题内容", "问题编号", "问题类别")),
        (("问题（原文）", "问题"), Columns("问题")),
        (("instruction", "question"), Columns("question")),
        (("Main question", "id"), Columns("Main question", "id")),
        (("question", "llama_answer", "patient_id"), Columns("question")),
        (("question", "preference"), Columns("question")),
        (("question", "answer", "reference"), Columns("question", reference="reference")),
    ],
)
def test_columns_are_suggested_by_well_known_names(
    columns: tuple[str, ...], expected: Columns | None
) -> None:
    assert suggest_columns(header(*columns)) == expected


# -- drafts --


def test_a_row_becomes_a_draft_with_everything_that_was_chosen() -> None:
    row = {
        "q": " 头疼\r\n发热\u202e ",
        "n": " t\n01 ",
        "c": "内科\n门诊",
        "r": " 休息 ",
        "llama": "多喝水",
    }
    drafts, problems = read_drafts(table(row), Columns("q", "n", "c", "r", ("llama",)))
    assert problems == []
    assert drafts == [
        QuestionDraft("头疼\n发热", "t 01", "内科 门诊", "休息", (("llama", "多喝水"),))
    ]


def test_what_was_not_chosen_is_left_out() -> None:
    drafts, _ = read_drafts(table({"q": "头疼", "id": "1", "llama": ""}), Columns("q"))
    assert drafts == [QuestionDraft("头疼", None, "", "", ())]


def test_every_problem_is_told_in_row_order_and_good_rows_are_kept() -> None:
    read = table(
        {"q": "头疼", "n": "t01", "llama": "休息", "glm": "就医"},
        {"q": " \x07", "n": "t01", "llama": " ", "glm": ""},
        {"q": "药" * (MAX_QUESTION_LENGTH + 1), "n": "", "llama": "a", "glm": "b"},
        {"q": "头疼 ", "n": "t03", "llama": "a", "glm": "b"},
        {"q": "发热", "n": "9" * 81, "llama": "a", "glm": "药" * 20_001},
        {"q": "咳嗽", "n": "", "llama": "a", "glm": "b"},
        {"q": "咽痛", "n": "", "llama": "a", "glm": "药" * 20_000},
    )
    drafts, problems = read_drafts(read, Columns("q", "n", answers=("llama", "glm")))
    assert [draft.text for draft in drafts] == ["头疼", "咳嗽", "咽痛"]
    assert codes(problems) == [
        (3, "question_missing"),
        (3, "answer_missing"),
        (3, "answer_missing"),
        (3, "question_id_twice"),
        (4, "question_too_long"),
        (5, "question_twice"),
        (6, "cell_too_long"),
        (6, "cell_too_long"),
    ]
    told = [str(problem.message) for problem in problems]
    assert told[1] == "The answer of “llama” is missing."
    assert told[3] == "The number “t01” stands already in row 2."
    assert told[4] == "The question has 2001 characters; at most 2000."
    assert told[5] == "The same question stands already in row 2."
    assert told[6] == "The text in the column “n” has 81 characters; at most 80."


def test_a_third_repetition_names_the_first_row() -> None:
    row = {"q": "头疼"}
    _, problems = read_drafts(table(row, row, row), Columns("q"))
    assert [problem.message.details["first"] for problem in problems] == [2, 2]


def test_a_long_reference_or_category_is_a_problem() -> None:
    read = table({"q": "头疼", "r": "药" * 20_001, "c": "科" * 81})
    _, problems = read_drafts(read, Columns("q", category="c", reference="r"))
    assert codes(problems) == [(2, "cell_too_long"), (2, "cell_too_long")]


def test_a_formula_is_a_problem_only_in_a_column_that_is_used() -> None:
    read = table({"q": "", "llama": "", "note": ""}, formulas=("q", "llama", "note"))
    _, problems = read_drafts(read, Columns("q", answers=("llama",)))
    assert codes(problems) == [(2, "formula_without_result")] * 2
    assert [problem.message.details["column"] for problem in problems] == ["q", "llama"]


def test_a_column_that_is_missing_or_chosen_twice_is_refused() -> None:
    read = table({"q": "头疼", "llama": "休息"})
    with pytest.raises(BadInput, match="no column “n”") as missing:
        read_drafts(read, Columns("q", "n"))
    assert missing.value.code == "column_missing"
    for columns in (Columns("q", "q"), Columns("q", answers=("llama", "llama"))):
        with pytest.raises(BadInput, match="chosen for two things") as twice:
            read_drafts(read, columns)
        assert twice.value.code == "column_chosen_twice"


def test_a_formula_without_result_is_told_by_its_row_and_the_others_are_kept() -> None:
    read = Table(
        ("q", "n"),
        (Row(2, {"q": "12", "n": "t01"}), Row(4, {"q": "咳嗽", "n": ""}, ("n",))),
        "",
    )
    drafts, problems = read_drafts(read, Columns("q", "n"))
    assert [draft.text for draft in drafts] == ["12"]
    assert codes(problems) == [(4, "formula_without_result")]


# -- from a file --


def test_huatuos_file_gives_questions_and_reference_answers(tmp_path: Path) -> None:
    items = [
        {"instruction": "感冒怎么办", "input": "", "output": "多喝水"},
        {"instruction": "这是什么病", "input": "发热三天", "output": "见医生", "source": "x"},
    ]
    file = tmp_path / "infer.json"
    file.write_text("\n".join(json.dumps(item, ensure_ascii=False) for item in items), "utf-8")
    read = read_table(file)
    columns = suggest_columns(read)
    assert columns == Columns("question", reference="reference")
    drafts, problems = read_drafts(read, columns)
    assert problems == []
    assert [(draft.text, draft.reference) for draft in drafts] == [
        ("感冒怎么办", "多喝水"),
        ("这是什么病\n发热三天", "见医生"),
    ]


def test_ten_thousand_rows_are_drafted_while_one_waits(tmp_path: Path) -> None:
    rows = [["id", "question", "reference", "llama", "glm"]]
    rows += [
        [f"t{n}", f"第{n}题：感冒发热怎么办", "多休息" * 30, "答" * 200, "复" * 200]
        for n in range(10_000)
    ]
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    file = tmp_path / "q.csv"
    file.write_text(out.getvalue(), "utf-8")
    started = time.process_time()
    drafts, problems = read_drafts(
        read_table(file), Columns("question", "id", None, "reference", ("llama", "glm"))
    )
    assert time.process_time() - started < 20
    assert (len(drafts), problems) == (10_000, [])
