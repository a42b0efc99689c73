"""One line, cleaning, shortening: what the ground floor does to a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medchat.text import clean_line, clean_text, columns, on_one_line, shorten, shorten_middle

# -- cleaning --


def test_cleaning_keeps_lines_tabs_and_rare_signs() -> None:
    assert clean_text(" 一\r\n二\r三\t🩺 a\u0301\u200d ") == ("一\n二\n三\t🩺 a\u0301\u200d", 0)


@pytest.mark.parametrize("unwanted", "\x00\x07\x1b\x7f\x85\u202a\u202e\u2066\u2069\ud800\udfff")
def test_cleaning_removes_and_counts_what_nobody_can_see(unwanted: str) -> None:
    assert clean_text(f"感{unwanted}冒{unwanted}") == ("感冒", 2)


@given(st.text(st.characters()))
def test_a_cleaned_question_stays_as_it_is_and_can_be_written(text: str) -> None:
    cleaned, removed = clean_text(text)
    assert clean_text(cleaned) == (cleaned, 0)
    assert removed <= len(text)
    cleaned.encode("utf-8")


def test_a_cleaned_line_has_single_blanks() -> None:
    assert clean_line(" 一\r\n二\t\x07 三 ") == "一 二 三"


# -- shortening --


@given(st.text(st.characters()))
def test_one_line_is_printable_and_as_long_as_before(text: str) -> None:
    assert on_one_line(text).isprintable()
    assert len(on_one_line(text)) == len(text)


@given(st.text(st.characters()), st.integers(1, 50))
def test_a_quoted_text_is_one_line_of_at_most_the_length(text: str, length: int) -> None:
    quoted = shorten(text, length)
    assert quoted.isprintable()
    assert len(quoted) <= length
    assert quoted.endswith("…") or quoted == " ".join(on_one_line(text).split())


def test_a_name_loses_its_middle_so_that_versions_stay_apart() -> None:
    first, second = (f"Llama-3.1-8B-Instruct-medical-{version}" for version in ("v1", "v2"))
    assert shorten_middle(first, 24) != shorten_middle(second, 24)
    assert columns(shorten_middle("模" * 30, 24)) <= 24
    assert shorten_middle("a\u0301" * 30, 24) == "a\u0301" * 16 + "…" + "a\u0301" * 7
