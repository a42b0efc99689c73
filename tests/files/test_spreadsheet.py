"""Tables: what is read from CSV and JSON, and what is said of every mistake."""

import csv
import io
import json
import random
import string
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from table_files import (
    cells,
    is_read_or_refused,
    numbers,
    refused,
    saved,
    sheet_file,
    written,
)

from medchat.files import spreadsheet
from medchat.files.spreadsheet import Row, Table, read_table

# -- CSV --


@pytest.mark.parametrize(
    ("encoding", "label"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("gbk", "GB18030"),
        ("gb18030", "GB18030"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_csv_is_read_in_every_encoding_that_excel_and_wps_save(
    folder: Path, encoding: str, label: str, end: str
) -> None:
    text = f"编号,问题{end}t01,感冒怎么办？{end}t02,“血压”偏高吗{end}"
    read = read_table(written(folder, "q.csv", text.encode(encoding)))
    assert read == Table(
        ("编号", "问题"),
        (
            Row(2, {"编号": "t01", "问题": "感冒怎么办？"}),
            Row(3, {"编号": "t02", "问题": "“血压”偏高吗"}),
        ),
        label,
    )


def test_utf_16_of_the_other_byte_order_is_read(folder: Path) -> None:
    content = b"\xfe\xff" + "问题\n感冒".encode("utf-16-be")
    assert cells(read_table(written(folder, "q.txt", content))) == [["感冒"]]


@pytest.mark.parametrize("name", ["q.csv", "q.CSV", "q.txt", "q.tsv"])
def test_tabs_separate_columns_under_every_name_of_a_text_file(folder: Path, name: str) -> None:
    read = read_table(written(folder, name, "编号\t问题\n1\t头疼, 发热; 咳嗽\n"))
    assert cells(read) == [["1", "头疼, 发热; 咳嗽"]]


def test_semicolons_separate_columns_where_the_header_says_so(folder: Path) -> None:
    read = read_table(written(folder, "q.csv", "id;question\n1;Pain, fever, cough?\n"))
    assert cells(read) == [["1", "Pain, fever, cough?"]]


def test_a_separator_in_another_column_name_does_not_mislead(folder: Path) -> None:
    read = read_table(written(folder, "q.csv", "question,note;a;b;c\n头疼,x\n"))
    assert read.columns == ("question", "note;a;b;c")


def test_a_question_over_several_lines_counts_from_its_first_line(folder: Path) -> None:
    text = 'id,question\n\n1,"发热\n三天，\r\n""咽痛"""\n , \n,,,\n2,头疼\n'
    read = read_table(written(folder, "q.csv", text))
    assert cells(read) == [["1", '发热\n三天，\r\n"咽痛"'], ["2", "头疼"]]
    assert numbers(read) == [3, 8]


def test_names_of_columns_are_trimmed_and_cells_are_not(folder: Path) -> None:
    read = read_table(written(folder, "q.csv", ' id ,"question \n text"\n 1 , 头疼 \n'))
    assert read.columns == ("id", "question text")
    assert cells(read) == [[" 1 ", " 头疼 "]]


def test_a_column_without_a_name_is_called_by_its_letter_if_it_holds_texts(folder: Path) -> None:
    read = read_table(written(folder, "q.csv", "question,,,\n头疼,, 内科,\n"))
    assert read.columns == ("question", "C")
    assert cells(read) == [["头疼", " 内科"]]


def test_short_rows_are_filled_and_empty_cells_behind_the_last_column_do_not_count(
    folder: Path,
) -> None:
    read = read_table(written(folder, "q.csv", "question,a,b\n头疼\n发热,1,2,, ,\n"))
    assert cells(read) == [["头疼", "", ""], ["发热", "1", "2"]]


def test_a_row_with_more_cells_than_the_header_is_refused_by_its_line(folder: Path) -> None:
    error = refused(written(folder, "q.csv", "id,question\n1,头疼\n\n2,头疼, 发热\n"))
    assert error.code == "row_too_wide"
    assert "line 4" in str(error)
    assert error.details == {"file": "q.csv", "line": 4, "cells": 3, "columns": 2}


def test_two_columns_of_one_name_are_refused(folder: Path) -> None:
    error = refused(written(folder, "q.csv", "question,llama, llama \n头疼,a,b\n"))
    assert error.code == "column_name_twice"
    assert "llama" in str(error)


@pytest.mark.parametrize("sign", "=+-@")
def test_a_text_that_looks_like_a_formula_is_a_text(folder: Path, sign: str) -> None:
    text = f"{sign}SUM(1)头疼"
    assert cells(read_table(written(folder, "q.csv", f"question\n{text}\n"))) == [[text]]


@pytest.mark.parametrize(
    "text",
    [
        'question\n头疼\n"发热\n咳嗽\n',
        'question\n头疼\n"发热" 三天\n',
        'question\n头疼\n"发热"咳嗽"\n',
    ],
)
def test_a_stray_quotation_mark_is_refused_by_the_line_where_its_row_begins(
    folder: Path, text: str
) -> None:
    error = refused(written(folder, "q.csv", text))
    assert (error.code, error.details["line"]) == ("csv_quotes", 3)


def test_a_quotation_mark_left_open_before_much_text_is_a_sentence(folder: Path) -> None:
    error = refused(written(folder, "q.csv", 'question\n头疼\n"' + "发热咳嗽\n" * 50_000))
    assert (error.code, error.details["line"]) == ("csv_cell_too_long", 3)


def test_a_huge_cell_in_the_header_is_a_sentence(folder: Path) -> None:
    assert refused(written(folder, "q.csv", "药" * 200_000)).code == "csv_cell_too_long"
    assert refused(written(folder, "p.csv", "药" * 100_000 + "\n1")).code == "column_name_too_long"


# -- headers --


@pytest.mark.parametrize(
    "text",
    [
        "感冒怎么办？\n头疼\n",
        "感冒怎么办\n头疼怎么办\n",
        "头疼是什么原因\n发热\n",
        "1,头疼三天\n2,发热\n",
        "t01,What helps against a cold?\nt02,What is a fever?\n",
    ],
)
def test_a_file_that_begins_with_its_first_question_is_refused(folder: Path, text: str) -> None:
    assert refused(written(folder, "q.csv", text)).code == "no_header"


def test_a_known_name_makes_a_header_whatever_the_other_columns_are_called(folder: Path) -> None:
    read = read_table(written(folder, "q.csv", "问题,有无发热？,2\n头疼,无,x\n"))
    assert read.columns == ("问题", "有无发热？", "2")


def test_a_title_above_the_header_is_told_by_the_line_of_the_header(folder: Path) -> None:
    for file in (
        written(folder, "q.csv", "糖尿病问题集\n\n编号,问题\n1,头疼\n"),
        sheet_file(folder, ["糖尿病问题集"], [], ["编号", "问题"], [1, "头疼"]),
    ):
        error = refused(file)
        assert (error.code, error.details["line"]) == ("header_not_first", 3)


@pytest.mark.parametrize("text", ["question", "id,question\n", "id,question\n,\n\n , \n", "\u202a"])
def test_a_header_with_nothing_below_is_refused(folder: Path, text: str) -> None:
    assert refused(written(folder, "q.csv", text)).code == "no_rows"


@pytest.mark.parametrize("name", ["q.csv", "q.jsonl", "q.json", "q.xlsx", "q.txt"])
@pytest.mark.parametrize("content", [b"", b"\n \n\t\n", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_an_empty_file_is_refused(folder: Path, name: str, content: bytes) -> None:
    expected = {"question_file_empty", *(["workbook_broken"] if name == "q.xlsx" else [])}
    assert refused(written(folder, name, content)).code in expected


@pytest.mark.parametrize("text", ['""', '" "', '""\n" "\n'])
def test_a_file_of_empty_cells_is_empty(folder: Path, text: str) -> None:
    assert refused(written(folder, "q.csv", text)).code == "question_file_empty"


def test_a_hundred_columns_are_read_and_one_more_is_refused(folder: Path) -> None:
    names = ["question", *(f"c{number}" for number in range(99))]
    assert len(read_table(written(folder, "q.csv", ",".join(names) + "\n1\n")).columns) == 100
    names.append("more")
    assert refused(written(folder, "q.csv", ",".join(names) + "\n1\n")).code == "too_many_columns"
    assert refused(sheet_file(folder, names, ["头疼"])).code == "too_many_columns"
    item = dict.fromkeys(names, "x")
    assert refused(written(folder, "q.json", json.dumps([item]))).code == "too_many_columns"


def test_as_many_rows_as_allowed_are_read_and_one_more_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreadsheet, "MAX_ROWS", 3)
    rows = [["question"], *([f"第{number}题"] for number in range(4))]
    for count, most in ((4, False), (5, True)):
        texts = [row[0] for row in rows[:count]]
        lines = [json.dumps({"question": text}) for text in texts[1:]]
        for file in (
            written(folder, "q.csv", "\n\n".join(texts) + "\n\n"),
            written(folder, "q.jsonl", "\n".join(lines)),
            written(folder, "q.json", f"[{','.join(lines)}]"),
            sheet_file(folder, *rows[:count]),
        ):
            if most:
                assert refused(file).code == "too_many_rows"
            else:
                assert len(read_table(file).rows) == 3


def test_a_file_of_more_than_twenty_megabytes_is_refused(folder: Path) -> None:
    error = refused(written(folder, "q.csv", b"question\n" + b"x\n" * 10_000_000))
    assert error.code == "question_file_too_big"
    assert "20 MB" in str(error)


# -- files that are not text --


def test_text_in_neither_encoding_is_refused(folder: Path) -> None:
    content = "question\nfièvre à 39,é\n".encode("latin-1")
    assert refused(written(folder, "q.csv", content)).code == "encoding_unknown"


def test_one_broken_byte_does_not_turn_utf_8_into_nonsense(folder: Path) -> None:
    whole = "问题\n感冒怎么办\n头疼发热咳嗽\n".encode()
    for cut in range(1, len(whole)):
        content = whole[:cut] + whole[cut + 1 :]
        file = written(folder, "q.csv", content)
        try:
            content.decode()
        except UnicodeDecodeError:
            assert refused(file).code == "encoding_unknown"


@pytest.mark.parametrize(
    "content",
    [
        "问题\n感\0冒\n".encode(),
        "问题\n感冒\n".encode("utf-16-le"),
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "question\n1".encode("utf-32"),
    ],
)
def test_a_file_with_nul_bytes_is_refused(folder: Path, content: bytes) -> None:
    assert refused(written(folder, "q.csv", content)).code == "nul_bytes"


@pytest.mark.parametrize("name", ["q.xls", "q.doc", "q.ET"])
def test_an_old_office_file_is_told_what_to_save_as(folder: Path, name: str) -> None:
    error = refused(written(folder, name, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)))
    assert error.code == "question_file_old_office"
    assert ".xlsx" in str(error)


def test_an_old_office_file_under_a_new_name_is_found_out(folder: Path) -> None:
    content = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    assert refused(written(folder, "q.xlsx", content)).code == "question_file_old_office"


def test_a_workbook_with_a_password_is_told_so(folder: Path) -> None:
    content = (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64) + "EncryptedPackage".encode("utf-16-le")
    )
    assert refused(written(folder, "q.xlsx", content)).code == "workbook_encrypted"


@pytest.mark.parametrize("name", ["q.zip", "q.docx", "q.pdf", "q.ods", "q", "q.csv.gz", "q.xlsb"])
def test_another_format_is_told_what_to_save_as(folder: Path, name: str) -> None:
    error = refused(written(folder, name, "question\n头疼\n"))
    assert error.code == "question_file_format"
    assert "CSV" in str(error)


def test_a_zip_under_the_name_of_a_workbook_is_found_out(folder: Path) -> None:
    with zipfile.ZipFile(folder / "q.xlsx", "w") as archive:
        archive.writestr("word/document.xml", "<x/>")
    assert refused(folder / "q.xlsx").code == "question_file_format"


def test_a_file_that_is_not_there_or_a_folder_is_refused(folder: Path) -> None:
    (folder / "a.csv").mkdir()
    assert refused(folder / "a.csv").code == "question_file_unreadable"
    assert refused(folder / "b.csv").code == "question_file_unreadable"


@pytest.mark.parametrize("name", ["q.csv", "q.jsonl", "q.xlsx", "q.tsv", "q.txt"])
def test_nonsense_is_refused_with_a_sentence_or_read_but_never_a_crash(
    folder: Path, name: str
) -> None:
    dice = random.Random(7)
    signs = ['"', ",", "\n", "\r", "\t", ";", "{", "[", "]", "}", ":", "药", "a", "1", "\\", " "]
    for _ in range(150):
        text = "".join(dice.choices(signs, k=dice.randrange(1, 40))).encode()
        for content in (text, dice.randbytes(80), b"PK\x03\x04" + dice.randbytes(80)):
            assert is_read_or_refused(written(folder, name, content))


# -- JSON --


def test_json_lines_are_numbered_by_line(folder: Path) -> None:
    text = '{"id": 7, "question": "头疼"}\n\n{"question": "发热", "category": "内科"}\r\n{}\n'
    read = read_table(written(folder, "q.jsonl", text))
    assert read.columns == ("id", "question", "category")
    assert cells(read) == [["7", "头疼", ""], ["", "发热", "内科"]]
    assert numbers(read) == [1, 3]


def test_an_array_is_numbered_by_item(folder: Path) -> None:
    items = [{"question": "头疼"}, {}, {"question": "发热\n咳嗽"}]
    read = read_table(written(folder, "q.json", json.dumps(items, indent=1)))
    assert cells(read) == [["头疼"], ["发热\n咳嗽"]]
    assert numbers(read) == [1, 3]


def test_values_of_json_are_shown_as_a_person_would_write_them(folder: Path) -> None:
    item = {"question": True, "a": None, "b": 1.0, "c": 0.5, "d": ["药", 1], "e": "x\ud800y\0z"}
    read = read_table(written(folder, "q.jsonl", json.dumps(item)))
    assert cells(read) == [["TRUE", "", "1", "0.5", '["药", 1]', "xyz"]]


@pytest.mark.parametrize("bad", ["{", "[]", "3", '"头疼"', "头疼", '{"a": 1} {"b": 2}', "9" * 5000])
def test_a_line_that_is_no_json_object_is_refused_by_its_number(folder: Path, bad: str) -> None:
    error = refused(written(folder, "q.jsonl", '{"question": "头疼"}\n\n' + bad))
    assert (error.code, error.details["line"]) == ("json_line_no_object", 3)


def test_an_array_that_breaks_off_is_refused_by_its_line(folder: Path) -> None:
    error = refused(written(folder, "q.json", '[{"question": "头疼"},\n{"question": '))
    assert (error.code, error.details["line"]) == ("json_array_broken", 2)
    for bad in ("[" * 100_000, "[" + "9" * 5000 + "]", '["\n"]'):
        assert refused(written(folder, "q.json", bad)).code == "json_array_broken"


def test_an_item_that_is_no_object_is_refused_by_its_number(folder: Path) -> None:
    error = refused(written(folder, "q.json", '[{"question": "头疼"}, "发热"]'))
    assert (error.code, error.details["number"]) == ("json_item_no_object", 2)


@pytest.mark.parametrize("text", ['{"question": "a", "question": "b"}', '{"a": 1, "a ": 2}'])
def test_a_key_that_stands_twice_is_refused_since_one_text_would_be_lost(
    folder: Path, text: str
) -> None:
    assert refused(written(folder, "q.jsonl", text)).code == "column_name_twice"


@pytest.mark.parametrize("text", ["[]", "{}", "[{}, {}]", '{"question": " "}'])
def test_json_without_a_record_is_empty(folder: Path, text: str) -> None:
    assert refused(written(folder, "q.json", text)).code == "question_file_empty"


def test_json_in_a_text_file_is_json(folder: Path) -> None:
    assert cells(read_table(written(folder, "q.txt", '{"question": "头疼"}'))) == [["头疼"]]


# -- HuaTuo's columns --


@pytest.mark.parametrize("name", ["infer.json", "infer.jsonl", "infer.csv", "infer.xlsx"])
def test_huatuos_instruction_and_input_are_one_question_in_every_format(
    folder: Path, name: str
) -> None:
    columns = ["source", "instruction", "input", "output"]
    rows = [["a", "感冒怎么办", "", "多喝水"], ["b", "这是什么病", "发热三天", "见医生"]]
    read = read_table(saved(folder, name, columns, *rows))
    assert read.columns == ("question", "reference", "source")
    assert cells(read) == [["感冒怎么办", "多喝水", "a"], ["这是什么病\n发热三天", "见医生", "b"]]


@pytest.mark.parametrize("name", ["q.json", "q.csv", "q.xlsx"])
@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (["instruction", "output"], ("question", "reference")),
        (["instruction", "output", "reference"], ("question", "output", "reference")),
        (["question", "instruction", "output"], ("question", "instruction", "output")),
        (["question", "input"], ("question", "input")),
    ],
)
def test_a_table_with_names_of_its_own_keeps_them(
    folder: Path, name: str, columns: list[str], expected: tuple[str, ...]
) -> None:
    read = read_table(saved(folder, name, columns, columns))
    assert read.columns == expected
    for row in read.rows:
        assert tuple(row.cells) == expected


def test_a_formula_without_result_in_huatuos_input_leaves_the_question_without(
    folder: Path,
) -> None:
    read = read_table(
        sheet_file(folder, ["instruction", "input", "output"], ["=A9", "=A8", "=A7"], ["a", "b", 1])
    )
    assert [row.formulas for row in read.rows] == [("question", "reference"), ()]
    assert cells(read) == [["", ""], ["a\nb", "1"]]


def test_a_csv_with_very_many_empty_columns_is_read_at_once(folder: Path) -> None:
    text = "question" + "," * 100_000 + "\n" + "头疼\n" * 5_000 + "发热" + "," * 90_000 + "内科\n"
    started = time.process_time()
    assert read_table(written(folder, "q.csv", text)).columns == ("question", "90001")
    assert time.process_time() - started < 30


# -- any table --

texts = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    | st.sampled_from(',;\t"\n\r药'),
    max_size=30,
)
name_signs = string.ascii_letters + "问题科室,;\t\"'| ()"
names = st.text(name_signs, min_size=1, max_size=12).map(lambda name: " ".join(name.split()))
headers = st.lists(names.filter(len), max_size=4, unique=True).map(lambda more: ["question", *more])


@given(st.data(), headers, st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_any_table_of_texts_that_csv_can_hold_is_read_back(
    tmp_path: Path, data: st.DataObject, columns: list[str], encoding: str
) -> None:
    assume(columns.count("question") == 1)
    row = st.lists(texts, min_size=len(columns), max_size=len(columns))
    rows = data.draw(st.lists(row.filter(lambda cells: any(map(str.strip, cells))), min_size=1))
    assume(not any(cell.strip().lower() in ("问题", "题目") for cells in rows for cell in cells))
    out = io.StringIO(newline="")
    csv.writer(out).writerows([columns, *rows])
    read = read_table(written(tmp_path, "q.csv", out.getvalue().encode(encoding)))
    assert read.columns == tuple(columns)
    assert cells(read) == rows
