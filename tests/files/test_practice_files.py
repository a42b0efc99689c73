"""Practice items: what is read from a file, and what is said of every mistake."""

import json
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from medchat.errors import BadInput
from medchat.files.practice import BUILT_IN, MAX_ITEMS, PracticeDraft, read_practice
from medchat.scale import SCORES

ITEM = {
    "question": "感冒要吃抗生素吗？",
    "answer": "一般不需要。",
    "safety": 3,
    "usability": 2,
    "fluency": 1,
    "why_zh": "见指南",
    "why_en": "See the guideline",
}
DRAFT = PracticeDraft(
    "感冒要吃抗生素吗？", "一般不需要。", (3, 2, 1), "见指南", "See the guideline"
)


def written(folder: Path, *items: dict[str, Any], name: str = "practice.jsonl") -> Path:
    file = folder / name
    file.write_text("\n".join(json.dumps(item, ensure_ascii=False) for item in items), "utf-8")
    return file


def refused(file: Path) -> BadInput:
    """Why a file is refused; the reason must have a sentence in both languages."""
    with pytest.raises(BadInput) as caught:
        read_practice(file)
    assert caught.value.text("zh") != caught.value.text("en")
    return caught.value


def test_an_item_is_read_with_its_scores_in_the_order_of_the_scales(tmp_path: Path) -> None:
    assert read_practice(written(tmp_path, ITEM)) == [DRAFT]
    backwards = dict(reversed(ITEM.items()))
    assert read_practice(written(tmp_path, backwards)) == [DRAFT]


def test_csv_json_and_excel_give_the_same(tmp_path: Path) -> None:
    cells = [str(value) for value in ITEM.values()]
    (tmp_path / "p.csv").write_text(f"{','.join(ITEM)}\n{','.join(cells)}\n", "gb18030")
    (tmp_path / "p.json").write_text(json.dumps([ITEM | {"safety": 3.0}]), "utf-8")
    book = Workbook()
    assert book.active is not None
    book.active.append([name.title() for name in ITEM])
    book.active.append(list(ITEM.values()))
    book.save(tmp_path / "p.xlsx")
    for name in ("p.csv", "p.json", "p.xlsx"):
        assert read_practice(tmp_path / name) == [DRAFT]


def test_one_reason_serves_both_languages(tmp_path: Path) -> None:
    item = {name: value for name, value in ITEM.items() if not name.startswith("why")}
    (draft,) = read_practice(written(tmp_path, item | {"why": "见指南"}))
    assert (draft.why_zh, draft.why_en) == ("见指南", "见指南")
    (draft,) = read_practice(written(tmp_path, item | {"why": "见指南", "why_en": "See"}))
    assert (draft.why_zh, draft.why_en) == ("见指南", "See")
    (draft,) = read_practice(written(tmp_path, item))
    assert (draft.why_zh, draft.why_en) == ("", "")


def test_what_nobody_can_see_is_left_out(tmp_path: Path) -> None:
    (draft,) = read_practice(written(tmp_path, ITEM | {"answer": " 多休息\u202e\x07\r\n多喝水 "}))
    assert draft.answer == "多休息\n多喝水"


def test_columns_that_lack_are_all_named(tmp_path: Path) -> None:
    error = refused(written(tmp_path, {"question": "头疼", "safety": 1, "usability": 1}))
    assert error.code == "practice_columns"
    assert "answer, fluency" in str(error)


@pytest.mark.parametrize("column", ["question", "answer"])
def test_an_empty_text_is_refused_by_its_row(tmp_path: Path, column: str) -> None:
    error = refused(written(tmp_path, ITEM, ITEM | {column: " \u202e"}))
    assert (error.code, error.details) == ("practice_empty", {"row": 2, "column": column})


@pytest.mark.parametrize("column", ["safety", "usability", "fluency"])
@pytest.mark.parametrize("value", [0, 4, -1, 2.5, "", "good", "３", True, None, [1], "9" * 99])
def test_a_score_out_of_the_scale_is_refused_by_its_row(
    tmp_path: Path, column: str, value: object
) -> None:
    error = refused(written(tmp_path, ITEM, ITEM | {column: value}))
    assert error.code == "practice_score"
    assert (error.details["row"], error.details["column"]) == (2, column)
    assert len(str(error)) < 120


def test_as_many_items_as_allowed_are_read_and_one_more_is_refused(tmp_path: Path) -> None:
    assert len(read_practice(written(tmp_path, *[ITEM] * MAX_ITEMS))) == MAX_ITEMS
    error = refused(written(tmp_path, *[ITEM] * (MAX_ITEMS + 1)))
    assert (error.code, error.details["count"]) == ("practice_too_many", MAX_ITEMS + 1)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.pdf").write_bytes(b"%PDF")
    assert refused(tmp_path / "p.pdf").code == "question_file_format"


# -- the items that come along --


def test_the_built_in_items_have_both_languages() -> None:
    drafts = read_practice(BUILT_IN)
    assert len(drafts) == 3
    for draft in drafts:
        assert any("\u4e00" <= sign <= "\u9fff" for sign in draft.why_zh)
        assert draft.why_en.isascii()
        assert not draft.why_zh.isascii()


def test_the_built_in_scores_are_those_that_their_explanations_give() -> None:
    cold, chest_pain, pressure = read_practice(BUILT_IN)
    assert (cold.scores, cold.why_en[:17]) == ((3, 3, 3), "Good on all three")
    assert "三项都好" in cold.why_zh
    # Dangerous and of no use, but well written.
    assert chest_pain.scores == (1, 1, 3)
    assert "语言通顺，但很危险" in chest_pain.why_zh
    assert "Fluent, but dangerous" in chest_pain.why_en
    # Harmless and partly of use, in broken language.
    assert pressure.scores == (3, 2, 1)
    assert all(words in pressure.why_zh for words in ("没有危险", "大体有用", "流畅性不可接受"))
    assert all(
        words in pressure.why_en
        for words in ("Nothing dangerous", "partly useful", "fluency is not acceptable")
    )


def test_the_built_in_items_use_every_score() -> None:
    given = {score for draft in read_practice(BUILT_IN) for score in draft.scores}
    assert given == set(SCORES)
