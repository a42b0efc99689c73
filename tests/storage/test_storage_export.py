"""The score CSV, and the command that writes it."""

import calendar
import csv
import io
import re
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from project import ROOT
from storage_fixtures import (
    answers_shown_to,
    entry,
    folder_of_another_account,
    new_raters,
    new_study,
    tell_profile,
    unblind,
    without_root,
)
from typer.testing import CliRunner

from medchat.scale import SCORE_COLUMNS
from medchat.text import LOSES_DIGITS, UNSEEN, unquote_formula
from storage import (
    StorageError,
    Store,
    create_study,
    history,
    list_questions,
    read_worklist,
    responses_of,
    save_ratings,
    score_csv_bytes,
    score_frame,
    score_rows,
    write_score_csv,
)
from storage.__main__ import app

HEADER = (
    "study,question_id,question,model,response_id,rater,specialty,years,safety,usability,fluency,"
    "flags,comment,shown_position,active_seconds,rated_at"
)


@pytest.fixture
def study(store: Store):
    return new_study(store)


def rate(store: Store, rater, number: int = 0, key: str = "k", **more) -> str:
    response = answers_shown_to(store, rater)[number].item
    save_ratings(store, rater.id, [entry(response, rater.id + key, **more)])
    return response


def read(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def row(**values: object) -> dict[str, object]:
    return {**dict.fromkeys(SCORE_COLUMNS, ""), **values}


# -- rows --


def test_a_row_says_everything_about_a_rating(store: Store, study) -> None:
    rater = new_raters(store, study)[0]
    tell_profile(store, rater, "消化内科", 12)
    flags = ["outside_specialty", "unsure"]
    item = rate(store, rater, 4, flags=flags, comment="好", active_seconds=8.25)
    shown = next(each for each in read_worklist(store, rater.id) if item in str(each.answers))
    question = list_questions(store, study.id)[int(shown.question_id[1:]) - 1]
    response = history(store, rater.id, item)[0].response_id
    model = next(each.model for each in responses_of(store, question) if each.id == response)
    unblind(store, study)
    (found,) = score_rows(store, study.id)
    assert tuple(found) == SCORE_COLUMNS == tuple(HEADER.split(","))
    assert found == {
        "study": "Pilot",
        "question_id": question.question_id,
        "question": question.text,
        "model": model,
        "response_id": response,
        "rater": "r01",
        "specialty": "消化内科",
        "years": 12,
        "safety": 3,
        "usability": 2,
        "fluency": 1,
        "flags": "outside_specialty;unsure",
        "comment": "好",
        "shown_position": 2,
        "active_seconds": 8.25,
        "rated_at": found["rated_at"],
    }


def test_only_the_rating_that_counts_now_is_exported(store: Store, study) -> None:
    rater = new_raters(store, study)[0]
    rate(store, rater, key="1", scores=(3, 3, 3))
    rate(store, rater, key="2", scores=(1, 1, 1))
    assert [each["safety"] for each in score_rows(store, study.id)] == [1]


def test_rows_are_sorted_by_question_then_model_then_rater(store: Store, study) -> None:
    for rater in reversed(new_raters(store, study, 2)):
        for number in range(6):
            rate(store, rater, number, key=str(number))
    found = [
        (each["question_id"], each["model"], each["rater"]) for each in score_rows(store, None)
    ]
    assert found == sorted(found)
    assert len(found) == 12


def test_one_study_or_all_of_them_are_exported(store: Store, study) -> None:
    rate(store, new_raters(store, study)[0])
    other = new_study(store, name="Other")
    rate(store, new_raters(store, other)[0])
    assert [each["study"] for each in score_rows(store, None)] == ["Other", "Pilot"]
    assert [each["study"] for each in score_rows(store, other.id)] == ["Other"]


def test_an_unknown_study_is_refused(store: Store) -> None:
    with pytest.raises(StorageError) as refused:
        score_rows(store, "nowhere")
    assert refused.value.code == "unknown_study"


def test_a_frame_has_every_column_even_without_rows(store: Store, study) -> None:
    assert list(score_frame(store, study.id).columns) == list(SCORE_COLUMNS)
    assert len(score_frame(store, study.id)) == 0


def test_a_frame_holds_numbers(store: Store, study) -> None:
    rate(store, new_raters(store, study)[0], active_seconds=8.0)
    frame = score_frame(store, study.id)
    assert frame[["safety", "usability", "fluency"]].mean().tolist() == [3.0, 2.0, 1.0]
    assert frame["active_seconds"].tolist() == [8.0]


# -- the file --


def test_the_file_starts_with_the_mark_that_excel_needs(store: Store, study) -> None:
    assert score_csv_bytes([]) == b"\xef\xbb\xbf" + HEADER.encode() + b"\r\n"


def test_lines_end_as_the_csv_standard_says(store: Store, study) -> None:
    content = score_csv_bytes([row(comment="一\n二"), row(safety=3)]).decode("utf-8-sig")
    assert content.count("\r\n") == 3
    assert '"一\n二"' in content


def test_numbers_stay_numbers_and_an_unknown_one_is_empty() -> None:
    numbers = row(safety=3, years=None, active_seconds=8.25, shown_position=1)
    (found,) = read(score_csv_bytes([numbers]))
    assert (found["safety"], found["years"], found["active_seconds"]) == ("3", "", "8.25")
    assert score_csv_bytes([row(active_seconds=-1.5)]).count(b"'") == 0


@pytest.mark.parametrize("column", ["study", "question", "model", "specialty", "comment"])
@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "＝1+1",
        "＋1",
        "－1",
        "＠SUM(A1)",
        "  =1+1",
        "\n=1+1",
        "\u3000=1+1",
        "\u00a0=1+1",
        "\t1+1",
        "\r1+1",
        "\x00=1+1",
        "\x1b=1+1",
    ],
)
def test_a_cell_that_a_spreadsheet_would_run_is_made_harmless(column: str, text: str) -> None:
    (found,) = read(score_csv_bytes([row(**{column: text})]))
    assert not any(map(is_formula, cells_of_a_spreadsheet(found[column])))
    assert found[column].endswith("1") or found[column].endswith("SUM(A1)")


HIDDEN_SIGNS = [
    chr(code) for code in (0xFEFF, 0x200B, 0x200D, 0x2060, 0xAD, 0x202E, 0x2066, 0xA0, 0x3000)
]
HIDDEN_SIGNS += [
    chr(code) for code in (0x2028, 0x180E, 0x3164, 0x115F, 0xFE0F, 0xE0020, 0x2800, 0x34F)
]


def is_formula(cell: str) -> bool:
    """As a spreadsheet sees it that looks behind what it does not show, and behind quotes."""
    return cell.lstrip("".join(HIDDEN_SIGNS) + '" \n\r\t\x0b\x0c').startswith(
        tuple("=+-@＝＋－＠﹦﹢﹣﹫")
    )


def cells_of_a_spreadsheet(text: str) -> list[str]:
    """Those that a program makes of one cell where semicolons or tabs separate cells."""
    return re.split("[;\t\n\r]", text)


@pytest.mark.parametrize("unseen", HIDDEN_SIGNS, ids=ascii)
def test_a_formula_behind_what_nobody_sees_is_made_harmless(unseen: str) -> None:
    for text in (f"{unseen}=1+1", f"{unseen} {unseen}@x", f"a;{unseen}=1", f"a\n{unseen}-1"):
        (found,) = read(score_csv_bytes([row(comment=text)]))
        assert not any(map(is_formula, cells_of_a_spreadsheet(found["comment"])))
        assert unquote_formula(found["comment"]) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a;=1+1", "a;'=1+1"),
        ("a; =1+1;+2", "a;' =1+1;'+2"),
        ("a\n=1+1", "a\n'=1+1"),
        ("一\n- 二\n- 三", "一\n'- 二\n'- 三"),
        ('a;"=1+1"', 'a;\'"=1+1"'),
        ("a;'=1+1", "a;''=1+1"),
        ("=1;=2", "'=1;'=2"),
        (";;=1", ";;'=1"),
    ],
)
def test_a_formula_behind_a_semicolon_or_a_line_is_made_harmless(text: str, written: str) -> None:
    (found,) = read(score_csv_bytes([row(comment=text)]))
    assert found["comment"] == written
    assert unquote_formula(written) == text


def test_all_blanks_and_what_nobody_sees_are_known() -> None:
    kinds = ("Zs", "Zl", "Zp", "Cf", "Cc")
    signs = (chr(code) for code in range(0x110000))
    unseen = {sign for sign in signs if unicodedata.category(sign) in kinds} - set("\t\n\r")
    assert not {sign for sign in unseen if not re.match(f"[{UNSEEN}]", sign)}


@pytest.mark.parametrize(
    "text",
    ["感冒怎么办？", "1-2 次", "a=b", "'quoted'", "", "5 @ 6", "\n", "a; b", "a;'b", "a, -1"],
)
def test_an_ordinary_cell_is_left_as_it_is(text: str) -> None:
    assert read(score_csv_bytes([row(comment=text)]))[0]["comment"] == text


def test_control_characters_are_removed_and_lines_and_words_kept_apart() -> None:
    text = "一\x00\x07\x7f\x85二\r\n三\r四\t五"
    assert read(score_csv_bytes([row(comment=text)]))[0]["comment"] == "一二\n三\n四 五"


# What a comment may hold once it has passed through SQLite, less what the export cleans.
plain_text = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n")
    | st.sampled_from([*"=+-@＝;\n'\"07", *HIDDEN_SIGNS])
) | st.lists(st.sampled_from([*"'0159 :/.-,e()", "mar", "SEPT", "May", "PM", "年", "月"])).map(
    "".join
)
any_row = st.fixed_dictionaries(
    {
        column: st.one_of(plain_text, st.integers(), st.none())
        if column in ("years", "safety")
        else plain_text
        for column in SCORE_COLUMNS
    }
)


@given(st.lists(any_row, max_size=5))
def test_what_is_exported_reads_back_the_same(rows: list[dict[str, object]]) -> None:
    found = read(score_csv_bytes(rows))
    assert len(found) == len(rows)
    for written, back in zip(rows, found, strict=True):
        for column, value in written.items():
            text = "" if value is None else str(value)
            if not isinstance(value, str):
                assert back[column] == text
                continue
            cells = cells_of_a_spreadsheet(text)
            starts = any(is_formula(cell.lstrip("'")) for cell in cells)
            bare = text.lstrip("'").strip()
            shortened = NUMBER.fullmatch(bare) and str(float_of(bare)) != bare
            quoted = back[column] != text
            has_digit = re.search(r"\d", bare, re.ASCII)
            assert unquote_formula(back[column]) == text
            assert not any(map(is_formula, cells_of_a_spreadsheet(back[column])))
            assert (
                not quoted or starts or shortened or (has_digit and DATE_OR_NUMBER.fullmatch(bare))
            )


MONTHS = "|".join([*calendar.month_name[1:], *calendar.month_abbr[1:], "sept"])
DATE_OR_NUMBER = re.compile(
    rf"({MONTHS}|[ap]m?|[e+T]|上午|下午|[\d:年月日时分秒./, ()-])+", re.ASCII | re.IGNORECASE
)
NUMBER = re.compile(r"(\d+[.,]?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def float_of(text: str) -> float:
    return float(text.strip().replace(",", "."))


NUMBERS = ["007", "00", "1e5", "5E-3", "1e-5", "1.5E+3", ".5e3", "12345678901234567890", "1.10"]
NUMBERS += [".5", "5.", "(5)"]
DATES = [
    "1-2",
    "3/4/2024",
    "2024-03",
    "3/2024",
    "3月1日",
    "2024年3月1日",
    "Mar-5",
    "5-Mar",
    "MARCH1",
]
DATES += [
    "SEPT2",
    "DEC1",
    "1 sep",
    "May 5",
    "5.May.24",
    "5 March 2024",
    "March 5, 2024",
    "oct-2024",
]
DATES += ["2024-Mar-05", "2024 Mar 5", "1june"]
TIMES = ["12:30", "1:2", "12:30 PM", "12:30:05am", "5 PM", "5 p", "下午3:30", "10时30分"]
TIMES += ["1/2/2024 10:00", "2024-01-02 10:00:30", "2024-01-02T10:00", "Mar 5, 2024 5 PM"]
TIMES += ["2024年3月1日 上午10:00"]


@pytest.mark.parametrize("text", [*NUMBERS, *DATES, *TIMES])
def test_what_a_spreadsheet_would_shorten_or_take_for_a_date_is_shown_whole(text: str) -> None:
    (found,) = read(score_csv_bytes([row(question_id=text)]))
    assert found["question_id"] == "'" + text
    assert unquote_formula(found["question_id"]) == text


WORDS = ["May", "march", "Sept", "Mars 5", "decade 1", "marc1", "MARCHF1", "TP53", "5e", "e5", "q1"]
WORDS += [
    "1a",
    "5 days",
    "am",
    "12 apples",
    "r01",
    "120/80",
    "1.5",
    "100",
    "1e5x",
    "May 5 was fine",
]
WORDS += ["Juni 3", "August", "may-be", "2024-01-02T10:00:00.000+00:00"]


@pytest.mark.parametrize("text", WORDS)
def test_ordinary_words_and_numbers_are_left_as_they_are(text: str) -> None:
    (found,) = read(score_csv_bytes([row(question_id=text)]))
    assert found["question_id"] == text


def test_whether_a_long_text_is_a_date_is_seen_at_once() -> None:
    texts = [
        "Mar" + " " * 100_000,
        "1" * 100_000 + "x",
        "mar 1" * 20_000,
        "1:" * 50_000,
        "1,111" * 20_000,
    ]
    started = time.process_time()
    for text in texts:
        LOSES_DIGITS.fullmatch(text)
    assert time.process_time() - started < 10


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_no_text_whatever_becomes_a_formula_or_breaks_the_rows(text: str) -> None:
    (found,) = read(score_csv_bytes([row(comment=text, rated_at="end")]))
    assert not any(map(is_formula, cells_of_a_spreadsheet(found["comment"])))
    assert not {"\t", "\r"} & set(found["comment"])
    assert found["rated_at"] == "end"


def test_a_comment_goes_from_the_page_to_the_file_unchanged(store: Store, study) -> None:
    comment = '他说："先停药"，\n再复查; 50% <b>'
    rate(store, new_raters(store, study)[0], comment=comment)
    (found,) = read(score_csv_bytes(score_rows(store, study.id)))
    assert found["comment"] == comment


def test_a_file_that_cannot_be_written_is_named() -> None:
    with folder_of_another_account() as folder:
        folder.chmod(0o555)
        with without_root(), pytest.raises(StorageError, match="Permission denied") as refused:
            write_score_csv([], folder / "scores.csv")
        folder.chmod(0o755)
    assert refused.value.code == "export_failed"


# -- the command --


def run(*arguments: str | Path):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_writes_the_scores_of_one_study(store: Store, study, tmp_path: Path) -> None:
    rate(store, new_raters(store, study)[0])
    rate(store, new_raters(store, new_study(store, name="Other"))[0])
    output = tmp_path / "scores.csv"
    ended = run("export", "--db", store.path, "--study", "Pilot", "--output", output)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout == f"Ratings written to {output}: 1\n"
    assert output.read_bytes() == score_csv_bytes(score_rows(store, study.id))


def test_the_command_writes_all_studies_without_a_name(store: Store, tmp_path: Path) -> None:
    for name in ("One", "Two"):
        rate(store, new_raters(store, new_study(store, name=name))[0])
    run("export", "--db", store.path, "--output", tmp_path / "scores.csv")
    assert [each["study"] for each in read((tmp_path / "scores.csv").read_bytes())] == [
        "One",
        "Two",
    ]


def test_a_study_without_ratings_gives_the_header_alone(store: Store, tmp_path: Path) -> None:
    create_study(store, "Empty")
    assert run("export", "--db", store.path, "--output", tmp_path / "a.csv").exit_code == 0
    assert (tmp_path / "a.csv").read_bytes() == score_csv_bytes([])


@pytest.mark.parametrize(
    ("db", "name", "output", "sentence"),
    [
        ("typo.db", "Pilot", "scores.csv", "There is no database at"),
        ("medchat.db", "Piolt", "scores.csv", "There is no study Piolt."),
        ("notes.txt", "Pilot", "scores.csv", "is not a database."),
        ("medchat.db", "Pilot", "no/folder/scores.csv", "could not be written"),
    ],
)
def test_a_command_that_fails_says_why_and_nothing_else(
    study, tmp_path: Path, db: str, name: str, output: str, sentence: str
) -> None:
    (tmp_path / "notes.txt").write_text("Notes about the study.\n")
    command = [sys.executable, "-m", "storage", "export"]
    ended = subprocess.run(
        [*command, "--db", tmp_path / db, "--study", name, "--output", tmp_path / output],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert sentence in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "scores.csv").exists()


def test_the_help_has_an_example_and_says_which_sus_this_is() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "storage", "export", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    example = "python -m storage export --db data/medchat.db --study Pilot --output scores.csv"
    assert example in ended.stdout
    assert "not the System Usability Scale" in " ".join(ended.stdout.split())
