"""Excel workbooks: what is read from them, and what is refused."""

import os
import random
import re
import time
import warnings
import zipfile
from datetime import date, datetime
from pathlib import Path

import pytest
from attacks import workbooks as hostile
from openpyxl import Workbook
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from table_files import cells, is_read_or_refused, numbers, patched, refused, sheet_file, written

from medchat.files.spreadsheet import Row, Table, read_table


@pytest.mark.parametrize("name", ["题库.xlsx", "题库.xlsm", "题库.csv"])
def test_a_workbook_is_read_under_every_name(folder: Path, name: str) -> None:
    read = read_table(sheet_file(folder, ["编号", "问题"], [], ["t01", "头疼\n发热"], name=name))
    assert read == Table(("编号", "问题"), (Row(3, {"编号": "t01", "问题": "头疼\n发热"}),), "")


def test_values_of_excel_are_shown_as_a_person_sees_them(folder: Path) -> None:
    values = [1.0, 2, 0.1 + 0.2, True, date(2024, 3, 1), datetime(2024, 3, 1, 8, 30), None, "007"]
    names = ["question", *"abcdefg"]
    read = read_table(sheet_file(folder, names, values))
    assert cells(read) == [
        ["1", "2", "0.3", "TRUE", "2024-03-01", "2024-03-01T08:30:00", "", "007"]
    ]


def test_the_first_visible_sheet_with_cells_is_read(folder: Path) -> None:
    book = Workbook()
    hidden = book.create_sheet("隐藏")
    hidden.append(["question"])
    hidden.append(["隐藏的问题"])
    hidden.sheet_state = "hidden"
    for name in ("题库", "以后"):
        sheet = book.create_sheet(name)
        sheet.append(["question"])
        sheet.append([name])
    book.save(folder / "q.xlsx")
    assert cells(read_table(folder / "q.xlsx")) == [["题库"]]


def test_a_workbook_without_cells_is_empty(folder: Path) -> None:
    assert refused(sheet_file(folder)).code == "question_file_empty"


def test_merged_cells_hold_their_text_once(folder: Path) -> None:
    book = Workbook()
    assert book.active is not None
    for row in (["category", "question"], ["内科", "头疼"], [None, "发热"]):
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    book.save(folder / "q.xlsx")
    assert cells(read_table(folder / "q.xlsx")) == [["内科", "头疼"], ["", "发热"]]


def test_columns_right_of_the_header_are_called_by_their_letter(folder: Path) -> None:
    read = read_table(sheet_file(folder, ["question"], ["头疼", None, "内科"]))
    assert read.columns == ("question", "C")


def test_a_text_in_a_sheet_that_looks_like_a_formula_is_a_text(folder: Path) -> None:
    book = Workbook()
    assert book.active is not None
    book.active.append(["question"])
    cell = book.active.cell(2, 1, "=1+1")
    cell.data_type = "s"
    book.save(folder / "q.xlsx")
    assert read_table(folder / "q.xlsx").rows == (Row(2, {"question": "=1+1"}),)


def test_a_formula_counts_by_its_stored_value_and_without_one_is_a_problem(folder: Path) -> None:
    file = sheet_file(
        folder,
        ["question", "id", "note"],
        ['=A9&"头疼"', "t01", "=1+1"],
        ["发热", "t02", "=1+2"],
        ["咳嗽", "=1+3", None],
    )
    part = "xl/worksheets/sheet1.xml"
    patched(file, part, 'A9&amp;"头疼"</f><v />', 'A9&amp;"头疼"</f><v>12</v>')
    read = read_table(file)
    assert [row.formulas for row in read.rows] == [("note",), ("note",), ("id",)]
    assert cells(read) == [["12", "t01", ""], ["发热", "t02", ""], ["咳嗽", "", ""]]


def test_a_formula_whose_result_is_the_empty_text_is_an_empty_cell(folder: Path) -> None:
    file = sheet_file(folder, ["question", "note"], ["头疼", '=""'])
    part = "xl/worksheets/sheet1.xml"
    patched(file, part, '<c r="B2"><f>""</f><v />', '<c r="B2" t="str"><f>""</f><v></v>')
    assert read_table(file).rows == (Row(2, {"question": "头疼", "note": ""}),)


def test_a_cell_in_error_has_no_usable_result(folder: Path) -> None:
    read = read_table(sheet_file(folder, ["question", "id"], ["#N/A", "t01"]))
    assert read.rows == (Row(2, {"question": "", "id": "t01"}, ("question",)),)


def test_a_date_out_of_range_warns_nobody(folder: Path) -> None:
    file = sheet_file(folder, ["question", "day"], ["头疼", date(2024, 3, 1)])
    patched(file, "xl/worksheets/sheet1.xml", "<v>45352</v>", "<v>99999999</v>")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_table(file).rows[0].formulas == ("day",)


def test_a_wrong_size_written_in_the_sheet_cuts_nothing_off(folder: Path) -> None:
    file = sheet_file(folder, ["question", "id"], ["头疼", 1], ["发热", 2])
    patched(file, "xl/worksheets/sheet1.xml", 'ref="A1:B3"', 'ref="A1"')
    assert cells(read_table(file)) == [["头疼", "1"], ["发热", "2"]]


def test_a_row_far_below_is_read_quickly(folder: Path) -> None:
    file = sheet_file(folder, ["question"], ["头疼"])
    patched(
        file, "xl/worksheets/sheet1.xml", '<row r="2"><c r="A2"', '<row r="900000"><c r="A900000"'
    )
    assert numbers(read_table(file)) == [900_000]


def test_a_row_beyond_the_end_of_excel_does_not_hang(folder: Path) -> None:
    file = sheet_file(folder, ["question"], ["头疼"])
    patched(file, "xl/worksheets/sheet1.xml", '<row r="2"><c r="A2"', f'<row r="{9**15}"><c r="A2"')
    assert refused(file).code in ("no_rows", "workbook_broken")


def test_carriage_returns_of_excel_do_not_show(folder: Path) -> None:
    read = read_table(sheet_file(folder, ["question"], ["头疼_x000D_\n发热"]))
    assert cells(read) == [["头疼\n发热"]]


def test_a_damaged_workbook_is_a_sentence_wherever_it_is_cut_or_changed(folder: Path) -> None:
    whole = sheet_file(folder, ["question"], ["头疼"]).read_bytes()
    dice = random.Random(3)
    for cut in range(1, len(whole), 97):
        assert refused(written(folder, "cut.xlsx", whole[:cut])).code == "workbook_broken"
    for _ in range(100):
        broken = bytearray(whole)
        for _ in range(8):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        assert is_read_or_refused(written(folder, "changed.xlsx", bytes(broken)))


def test_a_part_that_is_missing_or_not_xml_is_a_sentence(folder: Path) -> None:
    for part in ("xl/workbook.xml", "xl/worksheets/sheet1.xml", "[Content_Types].xml"):
        file = sheet_file(folder, ["question"], ["头疼"])
        patched(file, part, "<", "&")
        assert refused(file).code == "workbook_broken"


def test_text_under_the_name_of_a_workbook_is_found_out(folder: Path) -> None:
    assert refused(written(folder, "q.xlsx", "question\n头疼\n")).code == "workbook_broken"


def test_a_zip_bomb_is_refused_before_it_is_unpacked(folder: Path) -> None:
    file = sheet_file(folder, ["question"], ["头疼"])
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/image1.bin", bytes(200_000_001))
    started = time.process_time()
    assert refused(file).code == "workbook_too_big"
    assert time.process_time() - started < 10


def test_entities_that_multiply_are_a_sentence(folder: Path) -> None:
    file = sheet_file(folder, ["question"], ["头疼"])
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "药">{levels}]><worksheet '
    patched(file, "xl/worksheets/sheet1.xml", "<worksheet ", bomb)
    patched(file, "xl/worksheets/sheet1.xml", "<sheetData>", "&e11;<sheetData>")
    assert refused(file).code == "workbook_broken"


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("texts_in_the_last_column", 19_999),
        ("styled_cells_in_the_last_column", 15_000),
        ("rows_far_apart", 17_477),
        ("one_row_at_the_end", 1),
        ("header_of_all_columns", "too_many_columns"),
        ("empty_header_of_all_columns", 19_999),
        ("one_shared_string_in_all_cells", "workbook_overloaded"),
        ("number_formats_that_are_searched_long", "workbook_overloaded"),
        ("as_many_number_formats_as_allowed", 1),
        ("many_sheets", 1),
        ("long_entity_named_often", "workbook_broken"),
        ("entries_of_one_name", "workbook_broken"),
        ("zip64_of_another_size", "workbook_broken"),
        ("another_method_of_packing", "workbook_broken"),
    ],
)
def test_a_workbook_made_to_take_long_is_refused_or_read_at_once(
    folder: Path, kind: str, outcome: int | str
) -> None:
    """Those that take some seconds to make or to refuse are in tests/attacks/workbooks.py."""
    file = written(folder, "q.xlsx", hostile.KINDS[kind]())
    started = time.process_time()
    if isinstance(outcome, int):
        assert len(read_table(file).rows) == outcome
    else:
        assert refused(file).code == outcome
    assert time.process_time() - started < 30


def test_a_cell_behind_the_last_column_is_refused_and_not_lost(folder: Path) -> None:
    rows = f'{hostile.HEADER}<row r="2">{"<c/>" * 16_384}<c t="str"><v>头疼</v></c></row>'
    file = written(folder, "q.xlsx", hostile.packed(hostile.parts(rows)))
    assert refused(file).code == "workbook_broken"


def test_rows_or_cells_that_stand_twice_are_refused_and_not_lost(folder: Path) -> None:
    text = '<c r="A2" t="str"><v>头疼</v></c>'
    for rows in (f'<row r="2">{text * 2}</row>', f'<row r="2">{text}</row>' * 2):
        file = written(folder, "q.xlsx", hostile.packed(hostile.parts(hostile.HEADER + rows)))
        assert refused(file).code == "workbook_broken"


def test_rich_text_is_read_without_how_it_is_pronounced(folder: Path) -> None:
    contents = hostile.parts(hostile.HEADER + '<row r="2"><c r="A2" t="s"><v>1</v></c></row>')
    runs = "<r><t>头</t></r><r><t> 疼</t></r><rPh><t>toutong</t></rPh><phoneticPr/>"
    contents[hostile.STRINGS] = str(contents[hostile.STRINGS]).replace("<t>头疼</t>", runs)
    file = written(folder, "q.xlsx", hostile.packed(contents))
    assert cells(read_table(file)) == [["头 疼"]]


def test_a_workbook_with_prefixes_and_in_utf_16_is_read(folder: Path) -> None:
    contents = hostile.parts(hostile.HEADER + hostile.row(2, "A", text="头疼"))
    sheet = re.sub("<(/?)(?=[a-z])", r"<\1x:", str(contents[hostile.SHEET]))
    sheet = sheet.replace("xmlns=", "xmlns:x=")
    contents[hostile.SHEET] = f'<?xml version="1.0" encoding="UTF-16"?>{sheet}'.encode("utf-16")
    file = written(folder, "q.xlsx", hostile.packed(contents))
    assert cells(read_table(file)) == [["头疼"]]


@pytest.mark.parametrize(
    ("number", "format_code", "text"),
    [
        (45352.0, "yyyy-mm-dd", "2024-03-01"),
        (45352.354, "m/d/yy h:mm", "2024-03-01T08:29:45"),
        (0.354, "h:mm", "08:29:45.600000"),
        (1.25, "[h]:mm", "1 day, 6:00:00"),
        (45352.0, 'yyyy"年"m"月"d"日"', "2024-03-01"),
        (45352.0, '"day" 0', "45352"),
        (45352.5, "[Red]0.00", "45352.5"),
    ],
)
def test_the_format_of_a_number_makes_it_a_date(
    folder: Path, number: float, format_code: str, text: str
) -> None:
    book = Workbook()
    assert book.active is not None
    book.active.append(["question"])
    book.active.append([number])
    book.active["A2"].number_format = format_code
    book.save(folder / "q.xlsx")
    assert cells(read_table(folder / "q.xlsx")) == [[text]]


LONG = "x" * 600


@pytest.mark.parametrize(
    ("part", "tag", "inside"),
    [
        (hostile.STYLES, "styleSheet", f'<numFmts><numFmt numFmtId="{LONG}"/></numFmts>'),
        ("xl/workbook.xml", "sheets", f'<sheet id="{LONG}"/>'),
        (
            "xl/_rels/workbook.xml.rels",
            "Relationships",
            f'<Relationship Id="x" Type="x" Target="{LONG}"/>',
        ),
    ],
)
def test_long_names_of_parts_and_formats_are_refused_and_not_kept(
    folder: Path, part: str, tag: str, inside: str
) -> None:
    file = written(folder, "q.xlsx", hostile.within(part, tag, inside))
    assert refused(file).code == "workbook_overloaded"


def test_dates_of_a_workbook_that_counts_from_1904_are_right(folder: Path) -> None:
    book = Workbook()
    book.epoch = CALENDAR_MAC_1904
    assert book.active is not None
    for value in ("question", date(2024, 3, 1)):
        book.active.append([value])
    book.save(folder / "q.xlsx")
    assert cells(read_table(folder / "q.xlsx")) == [["2024-03-01"]]


def test_a_workbook_that_was_read_can_be_deleted(folder: Path) -> None:
    file = sheet_file(folder, ["question"], ["头疼"], ["=1"])
    read_table(file)
    file.unlink()
    assert os.listdir(folder) == []
