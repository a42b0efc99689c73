"""What a score file may look like, and what is said of one that cannot be used."""

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medchat.errors import BadInput
from medchat.files.ratings import read_ratings
from medchat.text import quote_formula, unquote_formula

HEADER = "question_id,model,rater,safety,usability,fluency\n"


@pytest.fixture
def score_file(tmp_path: Path):
    """Writes a score file and returns its path."""

    def write(content: str | bytes) -> Path:
        path = tmp_path / "scores.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def complaint(path: Path) -> str:
    with pytest.raises(BadInput) as caught:
        read_ratings(path)
    return str(caught.value)


# -- files that are read --


def test_ids_keep_their_leading_zeros_and_scores_are_numbers(score_file) -> None:
    frame = read_ratings(score_file(HEADER + "007,HuaTuo,01,3,2,1\n"))
    assert frame.loc[0, ["question_id", "rater"]].tolist() == ["007", "01"]
    assert frame.loc[0, ["safety", "usability", "fluency"]].tolist() == [3, 2, 1]


def test_an_id_that_looks_like_a_missing_value_is_an_id(score_file) -> None:
    frame = read_ratings(score_file(HEADER + "NA,None,nan,3,2,1\n"))
    assert frame.loc[0, ["question_id", "model", "rater"]].tolist() == ["NA", "None", "nan"]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_byte_order_mark_and_line_ends_make_no_difference(score_file, mark, line_end) -> None:
    text = (HEADER + "q1,华佗,r1,3,2,1\nq2,华佗,r1,1,1,1").replace("\n", line_end)
    assert read_ratings(score_file(mark + text.encode()))["model"].tolist() == ["华佗", "华佗"]


def test_columns_may_stand_in_any_order_among_others(score_file) -> None:
    text = "fluency,comment,rater,safety,model,usability,question_id\n1,好,r1,3,m,2,q1\n"
    frame = read_ratings(score_file(text))
    assert frame.loc[0, "safety"] == 3
    assert frame.loc[0, "comment"] == "好"
    assert frame.loc[0, "study"] == ""


def test_empty_lines_are_skipped(score_file) -> None:
    frame = read_ratings(score_file(HEADER + "\nq1,m,r1,3,2,1\n,,,,,\n\n"))
    assert len(frame) == 1


def test_a_quoted_formula_is_read_as_it_was(score_file) -> None:
    frame = read_ratings(score_file(HEADER + "'-1,'=cmd,'@r,3,2,1\n'q,m,r,3,2,1\n"))
    assert frame.loc[0, ["question_id", "model", "rater"]].tolist() == ["-1", "=cmd", "@r"]
    assert frame.loc[1, "question_id"] == "'q"


@given(
    st.text() | st.text("'=-0 1a", max_size=6) | st.text("'=-0;\n\t\r\"\ufeff\u3000a", max_size=12)
)
def test_quoting_a_formula_and_back_changes_nothing(text: str) -> None:
    quoted = quote_formula(text)
    assert unquote_formula(quoted) == text
    assert not re.search(r"(?:^|[;\t\n\r])[\s\"\ufeff]*[=+@-]", re.sub("[\t\r]", "\n", quoted))


def test_texts_with_apostrophes_of_their_own_come_back_from_a_score_file(score_file) -> None:
    for text in ("a;'=1", "a;''=1;=2", "'\ufeff=1", "一\n'- 二\n- 三"):
        written = HEADER.replace("\n", ",comment\n") + f'q1,m,r1,3,2,1,"{quote_formula(text)}"\n'
        assert read_ratings(score_file(written))["comment"].tolist() == [text]


def test_two_models_that_differ_by_a_quote_stay_two(score_file) -> None:
    rows = "".join(f"q1,{quote_formula(model)},r1,3,2,1\n" for model in ("=x", "'=x", "''=x"))
    assert read_ratings(score_file(HEADER + rows))["model"].tolist() == ["=x", "'=x", "''=x"]


# -- files that are refused --


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            HEADER + "q1,m,r1,3,4,1\n",
            "scores.csv 第 2 行，usability 列：“4”不是分数。请填写整数 1, 2 或 3。",
        ),
        (
            HEADER + "q1,m,r1,3,,1\n",
            "scores.csv 第 2 行，usability 列：缺少分数。请填写整数 1, 2 或 3。",
        ),
        (HEADER + "q1,,r1,3,2,1\n", "scores.csv 第 2 行：model 列是空的。"),
        (
            HEADER + "q1,m,r1,3\n",
            "scores.csv 第 2 行，usability 列：缺少内容，该行有 4 个单元格，而列名有 6 个。",
        ),
        (
            HEADER + 2 * "q1,m,r1,3,2,1\n",
            "scores.csv 第 2 行和第 3 行，question_id, model, rater 列：评分者 r1 对模型 m 的问题 "
            "q1 评了两次。请只保留一行。",
        ),
        (
            HEADER.replace("rater", "Rater"),
            "scores.csv 第 1 行：缺少 rater 列。评分文件需要 question_id, model, rater, safety, "
            "usability, fluency。列名请用小写字母。",
        ),
        ("x,x," + HEADER, "scores.csv 第 1 行：x 列不止一个。请给每一列取不同的名称。"),
        (",," + HEADER, "scores.csv 第 1 行：没有名称的列不止一个。请给每一列取不同的名称。"),
        ("", "文件 scores.csv 是空的。"),
    ],
)
def test_a_fault_is_named_in_chinese_too(score_file, content: str, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_ratings(score_file(content))
    assert caught.value.text("zh") == sentence
    assert "第" not in caught.value.text("en")


@pytest.mark.parametrize("score", ["0", "4", "2.5", "3.0", "-1", "good", "３", "1e0", "True"])
def test_a_score_that_is_none_names_line_column_and_value(score_file, score) -> None:
    said = complaint(score_file(HEADER + f"q1,m,r1,3,2,1\nq2,m,r1,3,{score},1\n"))
    assert said.startswith(f"scores.csv, line 3, column usability: “{score}” is not a score.")


@pytest.mark.parametrize("column", ["study", "study_id,study"])
def test_several_studies_are_not_taken_for_one(score_file, column: str) -> None:
    """r1 of one is not r1 of the other, nor is a letter the same model."""
    rows = ["pilot,q1,m,r1,3,2,1", "main,q1,m,r1,3,2,1", "main,q2,m,r1,3,2,1"]
    if "," in column:
        rows = [f"id{row[0]},{row}" for row in rows]
    said = complaint(score_file("\n".join([f"{column},{HEADER.strip()}", *rows])))
    named = "study_id" if "," in column else "study"
    assert said.startswith(f"scores.csv, line 3, column {named}: the file holds the ratings of 2 ")
    assert "studies (pilot, main)" in said
    assert "--study NAME" in said


def test_a_blank_behind_a_studys_name_makes_no_other_study(score_file) -> None:
    text = "study," + HEADER + "S,q1,m,r1,3,2,1\nS ,q1,m,r1,2,2,1\n"
    assert "rater r1 rated question q1 of model m twice" in complaint(score_file(text))


def test_a_score_that_is_missing_is_named_as_that(score_file) -> None:
    said = complaint(score_file(HEADER + "q1,m,r1,3, ,1\n"))
    assert said.startswith("scores.csv, line 2, column usability: the score is missing. Write 1, 2")


def test_a_cell_that_is_too_long_is_called_that(score_file) -> None:
    text = HEADER.replace("\n", ",comment\n") + "q1,m,r1,3,2,1," + "长" * 140_000
    said = complaint(score_file(text))
    assert said.startswith(
        "scores.csv, line 2, column comment: a cell is longer than 131072 characters."
    )


def test_empty_columns_at_the_end_are_none(score_file) -> None:
    text = HEADER.strip() + ",,\nq1,m,r1,3,2,1,,\nq2,m,r1,3,2,1\n"
    assert list(read_ratings(score_file(text)).columns) == [*HEADER.strip().split(","), "study"]
    said = complaint(score_file(HEADER.strip() + ",\nq1,m,r1,3,2,1,text\n"))
    assert "7 cells where the header has 6" in said


@pytest.mark.parametrize(
    "text",
    [
        *(
            "007",
            "00.50",
            "1e5",
            "2E+3",
            "20261124000123456",
            "1.10",
            "0.10",
            "1,000",
            "12,345.678",
        ),
        *("2026-01-05", "3/4", "1-2", "1:30", "5.11.2026", "3月5日", "26年3月"),
    ],
)
def test_numbers_that_a_spreadsheet_would_shorten_come_back_whole(score_file, text: str) -> None:
    assert quote_formula(text) == f"'{text}"
    written = HEADER + f'"{quote_formula(text)}",m,r1,3,2,1\n'
    assert read_ratings(score_file(written))["question_id"].tolist() == [text]


@pytest.mark.parametrize(
    "text", ["7", "0", "10", "3.5", "q007", "123456789012345", "r01", "12e", "0.5", "1-2 次"]
)
def test_other_numbers_stay_as_they_are(text: str) -> None:
    assert quote_formula(text) == text


def test_two_byte_order_marks_are_none(score_file) -> None:
    assert len(read_ratings(score_file("\ufeff\ufeff" + HEADER + "q1,m,r1,3,2,1\n"))) == 1


@pytest.mark.parametrize("evil", ["\x1b[31mred\nline", "x" * 100_000])
def test_a_complaint_quotes_a_cell_on_one_short_line(score_file, evil: str) -> None:
    said = complaint(score_file(HEADER + f'q1,m,r1,3,"{evil}",1\n'))
    assert said.isprintable()
    assert len(said) < 250
    twice = HEADER + 2 * f'q1,m,"{evil}",3,2,1\n'
    assert complaint(score_file(twice)).isprintable()


def test_capital_letters_in_the_header_are_pointed_out(score_file) -> None:
    assert "small letters" in complaint(score_file(HEADER.upper() + "q1,m,r1,3,2,1\n"))


def test_lines_are_counted_as_in_the_file(score_file) -> None:
    text = "comment," + HEADER + '"two\nlines",q1,m,r1,3,2,1\n\n,q2,m,r1,9,2,1\n'
    assert "line 5, column safety: “9”" in complaint(score_file(text))


def test_missing_columns_are_all_named(score_file) -> None:
    said = complaint(score_file("question_id,model,safety,usability\nq1,m,1,1\n"))
    assert "missing columns rater, fluency." in said


def test_semicolons_are_named_as_the_likely_cause(score_file) -> None:
    said = complaint(score_file((HEADER + "q1,m,r1,3,2,1\n").replace(",", ";")))
    assert "not by semicolons" in said


def test_a_repeated_column_is_refused(score_file) -> None:
    said = complaint(score_file("safety," + HEADER + "3,q1,m,r1,3,2,1\n"))
    assert "more than one column safety" in said


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(score_file, content) -> None:
    assert complaint(score_file(content)) == "scores.csv is empty."


def test_what_nobody_sees_is_no_name_and_changes_none(score_file) -> None:
    said = complaint(score_file(HEADER + "q1,\u200b,r1,3,2,1\n"))
    assert said == "scores.csv, line 2: the column model is empty."
    frame = read_ratings(score_file(HEADER + "\ufeffq1,m\u200b,r1,3,2,1\nq1,m,r2,3,2,1\n"))
    assert (set(frame["question_id"]), set(frame["model"])) == ({"q1"}, {"m"})


def test_an_unknown_column_leads_to_the_option_for_other_scales(score_file) -> None:
    said = complaint(score_file(HEADER.replace("fluency", "beauty") + "q1,m,r1,3,2,1\n"))
    assert "missing column fluency" in said
    assert "The file also has beauty: if that was scored" in said
    assert "--dimensions" in said


def test_a_header_in_another_language_is_told_to_rename_it(score_file) -> None:
    said = complaint(score_file("题号,模型,评分者,安全性\nq1,m,r,3\n"))
    assert "The file has 题号, 模型, 评分者, 安全性: rename those that mean the same." in said
    assert "--dimensions" not in said


def test_a_header_alone_is_refused(score_file) -> None:
    assert (
        complaint(score_file(HEADER))
        == "scores.csv has a header but no ratings: line 2 is missing."
    )


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_another_encoding_is_answered_with_the_remedy(score_file, encoding) -> None:
    said = complaint(score_file((HEADER + "q1,华佗,r1,3,2,1\n").encode(encoding)))
    assert "Save the file as UTF-8" in said
    where = "line 2, column model" if encoding == "gb18030" else "line 1, column 1"
    assert said.startswith(f"scores.csv, {where}: ")


def test_the_place_of_a_bad_byte_is_found_behind_cells_of_several_lines(score_file) -> None:
    good = HEADER.replace("\n", ",comment\n") + 'q1,m,r1,3,2,1,"eins,\nzwei"\nq2,m,r1,3,2,1,'
    assert complaint(score_file(good.encode() + "好".encode("gbk"))).startswith(
        "scores.csv, line 4, column comment: this is not UTF-8 text."
    )
    first = HEADER.encode() + "题".encode("gbk")
    assert complaint(score_file(first)).startswith("scores.csv, line 2, column question_id: ")
    late = good.encode() + b"x" * 2**20 + b"\n\xff,m,r1,3,2,1,\n"
    assert complaint(score_file(late)).startswith("scores.csv, line 5: this is not UTF-8 text.")
    assert complaint(score_file(b"\xc4\xe3,model\n")).startswith("scores.csv, line 1, column 1: ")


def test_a_nul_byte_is_refused_with_its_line(score_file) -> None:
    said = complaint(score_file(HEADER + "q,m\0,r,3,2,1\n"))
    assert said.startswith("scores.csv, line 2, column model: the file holds a NUL byte")


def test_a_second_rating_of_the_same_answer_names_both_lines(score_file) -> None:
    text = HEADER + "q1,m,r1,3,2,1\nq2,m,r1,3,2,1\nq1, m ,r1,2,2,1\n"
    assert complaint(score_file(text)).startswith(
        "scores.csv, lines 2 and 4, columns question_id, model, rater: rater r1 rated question q1 "
        "of model m twice."
    )


@pytest.mark.parametrize("column", ["question_id", "model", "rater"])
def test_an_empty_identifier_is_refused(score_file, column) -> None:
    row = dict.fromkeys(HEADER.strip().split(","), "1") | {column: " "}
    said = complaint(score_file(HEADER + ",".join(row.values())))
    assert said == f"scores.csv, line 2: the column {column} is empty."


def test_a_comma_that_splits_a_cell_is_refused(score_file) -> None:
    said = complaint(score_file(HEADER + "q1,LLaMA, 7B,r1,3,2,1\n"))
    assert said.startswith(
        "scores.csv, line 2, column safety: the line has 7 cells where the header has 6. A cell "
        "that holds a comma must stand in double quotes"
    )


def test_a_decimal_comma_is_refused_where_it_moves_the_others(score_file) -> None:
    said = complaint(score_file(HEADER + "q1,m,r1,2,0,1,0,3,0\n"))
    assert said.startswith("scores.csv, line 2, column usability: the line has 9 cells")
    assert said.endswith("a score is a whole number.")


def test_a_line_that_ends_early_names_the_column_that_is_missing(score_file) -> None:
    assert complaint(score_file(HEADER + "q1,m,r1,2\n")) == (
        "scores.csv, line 2, column usability: missing; the line has 4 cells where the header "
        "has 6."
    )


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ('"q2,m,r1,3,2,1', "question_id"),
        ('q2,m,"r1,3,2,1\nq3,m,r1,3,2,1', "rater"),
        ('q2,"m"n,r1,3,2,1', "model"),
        ('"q\n2","m\n"",3","r"1,3,2,1', "rater"),
        ('q2,m,r1,3,2,1,"x', "7"),
        ('q2,m,r1,3,2,"1"\x0b', "fluency"),
    ],
)
def test_a_damaged_quote_is_named_with_line_and_column(score_file, row: str, column: str) -> None:
    said = complaint(score_file(f"{HEADER}q1,m,r1,3,2,1\n{row}\n"))
    assert said.startswith(f"scores.csv, line 3, column {column}: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "nowhere.csv cannot be read" in complaint(tmp_path / "nowhere.csv")


@given(st.binary(max_size=200))
def test_any_content_is_either_refused_or_read_as_whole_scores(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(HEADER.encode() + content)
    try:
        frame = read_ratings(path)
    except BadInput:
        return
    assert frame[["safety", "usability", "fluency"]].isin([1, 2, 3]).all(axis=None)


@given(st.lists(st.text(min_size=1), min_size=1, unique_by=str.strip))
def test_any_model_name_comes_back_from_a_file(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    usable = [name for name in names if name.strip() and "\0" not in name and name[0] != "'"]
    if not usable:
        return
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(HEADER.strip().split(","))
    for name in usable:
        writer.writerow(["q1", quote_formula(name.strip()), "r1", 1, 2, 3])
    path = tmp_path_factory.getbasetemp() / "names.csv"
    path.write_bytes(buffer.getvalue().encode())
    assert read_ratings(path)["model"].tolist() == [name.strip() for name in usable]
