"""The files of a report: they open, hold what they must, and let nothing in."""

import hashlib
import io
import json
import random
import re
import shutil
import subprocess
import sys
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import docx
import numpy as np
import pandas as pd
import pytest
from openpyxl import load_workbook
from project import ROOT
from report_files import ODD, QUICK, REFERENCE, assert_pictures_open, frame_of, model_names
from typed_report import (
    as_docx,
    as_latex,
    as_xlsx,
    draw,
    fill_checklist,
    make_report,
    means_chart,
    methods_paragraph,
    progress_chart,
    shares_chart,
)

from medchat.errors import BadInput
from medchat.evaluation import bundle
from medchat.evaluation.bundle import CHECKSUMS, Inputs, make_bundle, read_bundle
from medchat.evaluation.report import ReportSettings
from medchat.evaluation.wording.checklist import checklist_markdown
from medchat.files.ratings import parse_ratings
from medchat.scale import DIMENSIONS, Scale
from medchat.study.conduct import Conduct


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return frame_of(["LLaMA", ODD, "ChatGLM"])


@pytest.fixture(scope="module")
def report(frame: pd.DataFrame) -> dict[str, Any]:
    return make_report(frame, QUICK, REFERENCE)


# -- LaTeX --


def test_latex_escapes_every_sign_that_means_something(report) -> None:
    text = as_latex(report)
    line = next(line for line in text.splitlines() if "cmd" in line)
    assert r"=cmd()|a\_b\$x\$ \textless{}b\textgreater{}\&\%\#\{\}\textasciitilde{}" in line
    assert line.count(" & ") == 4
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert r"\multicolumn{5}{l}{\emph{As published}}" in text
    assert r"Paper\_1 &  & 2.50 & 2.50 & 2.50" in text
    assert r"As published: Paper\_1: A \& B." in text


def test_latex_compiles(report, tmp_path: Path) -> None:
    program = shutil.which("xelatex") or shutil.which("pdflatex")
    if program is None:
        pytest.skip("no LaTeX is installed here")
    table = as_latex(make_report(frame_of(["LLaMA", "a_b$x$ <&%#{}~^\\"]), QUICK, REFERENCE))
    text = f"\\documentclass{{article}}\\usepackage{{booktabs}}\\begin{{document}}{table}"
    (tmp_path / "t.tex").write_text(text + "\\end{document}", encoding="utf-8")
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_the_best_of_each_column_is_bold_and_ties_are_all_bold() -> None:
    frame = frame_of(["a", "b", "c"])
    frame["safety"] = frame["model"].map({"a": 3, "b": 3, "c": 1})
    rows = as_latex(make_report(frame, QUICK)).splitlines()
    first = [row.split(" & ")[2] for row in rows if re.match(r"    [abc] &", row)]
    assert ["textbf" in cell for cell in first] == [True, True, False]


def test_tables_beside_the_scores_run_no_formula_and_come_back() -> None:
    texts = ["=1+1", "\ufeff=1", "头疼;=1", "一\n- 二", "'=1", "007", "头疼"]
    answers = pd.DataFrame({"response_id": [f"r{n}" for n in range(len(texts))], "answer": texts})
    content = bundle._csv(answers)
    assert content is not None
    assert "\r\nr0,'=1+1\r\nr1,'\ufeff=1\r\nr2,头疼;'=1\r\n" in content.decode("utf-8-sig")
    again = bundle._frame({bundle.ANSWERS: content}, bundle.ANSWERS, list(answers))
    pd.testing.assert_frame_equal(again, answers)


@pytest.mark.parametrize("text", ["=1", "\ufeff=1", " @x", "a;=1"])
def test_excel_holds_every_text_as_a_text(report, frame, text: str) -> None:
    frame = frame.copy()
    frame.loc[0, "comment"] = text
    book = load_workbook(io.BytesIO(as_xlsx(report, frame)))
    columns = {cell.value: cell.column for cell in book["Scores"][1]}
    cell = book["Scores"].cell(2, columns["comment"])
    assert (cell.value, cell.data_type) == (text, "s")


# -- Excel --


def test_excel_has_typed_cells_and_runs_no_formula(report, frame) -> None:
    book = load_workbook(io.BytesIO(as_xlsx(report, frame)))
    asked = ["Table", "Agreement", "Tests", "Scores", "Raters"]
    assert book.sheetnames == [*asked, "Sensitivity"]
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell.coordinate for cell in cells if cell.data_type == "f"]
    scores = {cell.value: cell.column for cell in book["Scores"][1]}
    assert book["Scores"].cell(2, scores["question_id"]).value == "000", "zeros stay"
    assert book["Scores"].cell(2, scores["safety"]).data_type == "n"
    assert book["Scores"].cell(2, scores["comment"]).value == "@x\n=1+1"
    table = book["Table"]
    assert table["D2"].data_type == "n"
    assert table["D2"].value == pytest.approx(report["models"][0]["safety"]["mean"])
    assert table.freeze_panes == "A2"
    raters = [row[0] for row in book["Raters"].iter_rows(min_row=2, values_only=True)]
    assert raters == ["r0", "r1", "r2"]


# -- Word --


@pytest.mark.parametrize("language", ["zh", "en"])
def test_word_opens_and_holds_table_and_paragraph(report, language) -> None:
    document = docx.Document(io.BytesIO(as_docx(report, language)))
    table = document.tables[0]
    assert [cell.text for cell in table.columns[0].cells][1:] == ["LLaMA", *shown(ODD), "ChatGLM"]
    bold = [
        run.text
        for row in table.rows
        for c in row.cells[3:]
        for run in c.paragraphs[0].runs
        if run.bold
    ]
    assert len(bold) >= 3
    texts = [paragraph.text for paragraph in document.paragraphs]
    assert methods_paragraph(report, language) in texts
    assert any("System Usability Scale" in text for text in texts)


def shown(name: str) -> list[str]:
    return [name.replace("\n", " ")]


# -- methods --


def test_the_paragraph_holds_the_studys_own_numbers(report) -> None:
    english, chinese = (methods_paragraph(report, language) for language in ("en", "zh"))
    for text in (english, chinese):
        for number in ("54", "100", "0.1.0", "3"):
            assert number in text
    alpha = f"{report['agreement']['safety']['krippendorff_alpha']:.3f}"
    assert alpha in english
    assert alpha in chinese
    assert "内科: 3" in english
    assert "内科 3 名" in chinese


def test_what_is_not_known_is_said_in_words() -> None:
    bare = make_report(
        frame_of(["m"], questions=1, raters=1)[["question_id", "model", "rater", *DIMENSIONS]],
        QUICK,
    )
    english, chinese = (methods_paragraph(bare, language) for language in ("en", "zh"))
    assert "None" not in english + chinese
    assert "not available" in english
    assert "无法" in chinese
    assert "1 rater (specialties not available) scored 1 answer of 1 model" in english


def test_the_sheet_is_filled_as_far_as_the_data_tell(report) -> None:
    items = fill_checklist(report)
    assert {item.guideline for item in items} == {"CHART", "GRRAS", "HEDS"}
    by_name = {(item.guideline, item.item): item for item in items}
    assert by_name["CHART", "questions"].answer_en == "6"
    assert by_name["CHART", "harm"].answer_zh == "dangerous: 9"
    gaps = [item for item in items if not item.filled]
    assert all(item.answer_zh is None and item.answer_en is None for item in gaps)
    assert ("CHART", "ethics") in {(item.guideline, item.item) for item in gaps}
    zh, en = (checklist_markdown(items, language) for language in ("zh", "en"))
    assert zh.count("待作者填写") == len(gaps)
    assert en.count("to be filled in by the authors") == len(gaps)
    assert len(zh.splitlines()) == len(items) + 2


# -- pictures --


@pytest.mark.parametrize("models", [1, 4])
def test_every_picture_opens_without_a_word_on_the_console(models: int, caplog) -> None:
    assert_pictures_open(make_report(frame_of(model_names(models)), QUICK, REFERENCE), caplog)


def test_pictures_show_the_figures_of_the_report(report) -> None:
    axes = means_chart(report).axes[0]
    ends = [list(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2]
    wanted = [[e["safety"]["ci_low"], e["safety"]["ci_high"]] for e in report["models"]]
    assert ends[:3] == wanted
    points = [line.get_xdata() for line in axes.lines if line.get_marker() == "o"]
    assert [float(np.ravel(x)[0]) for x in points] == [
        e["safety"]["mean"] for e in report["models"]
    ]
    bars = shares_chart(report).axes[0].containers
    for score, container in zip((1, 2, 3), bars, strict=True):
        shares = [100 * entry["safety"]["shares"][str(score)] for entry in report["models"]]
        assert [bar.get_width() for bar in container] == pytest.approx(shares)


def test_a_picture_that_the_data_cannot_give_is_none() -> None:
    bare = make_report(frame_of(["m"], raters=1).drop(columns="rated_at"), QUICK)
    assert draw(bare, "raters", "svg") is None
    assert draw(bare, "progress", "png") is None
    with pytest.raises(ValueError, match="no figure"):
        draw(bare, "nothing", "svg")


@pytest.mark.parametrize(
    ("moments", "dates", "ticks", "zone"),
    [
        (
            ["2026-11-26T08:59:59+00:00", "2026-11-26T08:00:00+00:00", "2026-11-26T11:00:00Z"],
            ["2026-11-26T08Z", "2026-11-26T11Z"],
            ["11-26 08:00", "11-26 09:00", "11-26 10:00", "11-26 11:00"],
            "UTC",
        ),
        (
            ["2026-11-26 08:59", "2026-11-27 08:00"],
            ["2026-11-26T08", "2026-11-27T08"],
            None,
            "",
        ),
        (
            [f"2026-11-{day}T08:00:00+00:00" for day in (24, 25, 26)],
            ["2026-11-24", "2026-11-25", "2026-11-26"],
            ["2026-11-24", "2026-11-25", "2026-11-26"],
            "",
        ),
        (["2026-11-26"], ["2026-11-26"], ["2026-11-26"], ""),
    ],
)
def test_progress_of_few_days_is_told_by_the_hour(moments, dates, ticks, zone) -> None:
    frame = frame_of(["m"], 1, len(moments)).assign(rated_at=moments)
    report = make_report(frame, QUICK)
    assert [entry["date"] for entry in report["progress"]] == dates
    assert sum(entry["ratings"] for entry in report["progress"]) == len(moments)
    figure = progress_chart(report)
    assert figure is not None
    (axes,) = figure.axes
    assert axes.get_xlabel() == zone
    if ticks:
        assert [text.get_text() for text in axes.get_xticklabels()] == ticks


# -- the zip --


@pytest.fixture(scope="module")
def inputs(frame: pd.DataFrame) -> Inputs:
    text = frame.to_csv(index=False).encode("utf-8-sig")
    extras = frame[["response_id", "rater"]].assign(category="甲", answer_length=range(len(frame)))
    clean = extras.assign(adjudicated=0, rater_flagged=0)
    clean["response_id"] = [cell.strip() for cell in clean["response_id"]]
    conduct = Conduct(blind=True, order_seed=7, one_by_one=False, generation={"甲": "{}"})
    return Inputs(text.replace(b"\x01", b""), QUICK, tuple(REFERENCE), clean, conduct=conduct)


@pytest.fixture(scope="module")
def packed(inputs: Inputs) -> bytes:
    return make_bundle(inputs)


def test_a_zip_is_made_again_byte_for_byte_also_elsewhere(inputs, tmp_path: Path) -> None:
    file = tmp_path / "report.zip"
    file.write_bytes(make_bundle(inputs))
    program = (
        "import sys; from pathlib import Path; from medchat.evaluation.bundle import *\n"
        "sys.stdout.buffer.write(make_bundle(read_bundle(Path(sys.argv[1]))))"
    )
    again = subprocess.run(
        [sys.executable, "-c", program, str(file)],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONHASHSEED": "7", "PYTHONUTF8": "1", "HOME": str(tmp_path)},
    )
    assert again.stdout == file.read_bytes()
    assert again.stderr == b""


def test_checksums_are_those_that_sha256sum_takes(packed) -> None:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        lines = archive.read(CHECKSUMS).decode().splitlines()
        told = dict(reversed(line.split("  ", 1)) for line in lines)
        assert told.keys() == set(archive.namelist()) - {CHECKSUMS}
        for name, digest in told.items():
            assert hashlib.sha256(archive.read(name)).hexdigest() == digest


def test_a_zip_that_is_not_there_is_said_to_be_that(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.zip cannot be read: No such file"):
        read_bundle(tmp_path / "none.zip")


def rewritten(content: bytes, change: Any) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, part in members.items():
            archive.writestr(name, part)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda m: m.update({"data/scores.csv": m["data/scores.csv"] + b"x"}), "is damaged"),
        (lambda m: m.update({"../../evil": b"x"}), "which no report has"),
        (lambda m: m.pop("data/settings.json"), "lacks data/settings.json"),
        (lambda m: m.update({"data/settings.json": b"[]"}), "is damaged"),
    ],
)
def test_a_zip_that_was_changed_is_refused(packed, tmp_path: Path, change, told: str) -> None:
    file = tmp_path / "report.zip"
    file.write_bytes(rewritten(packed, change))
    with pytest.raises(BadInput, match=told):
        read_bundle(file)


def with_settings(content: bytes, **changes: Any) -> bytes:
    """A zip whose settings are others, with checksums that hold."""

    def change(members: dict[str, bytes]) -> None:
        settings = json.loads(members["data/settings.json"]) | changes
        members["data/settings.json"] = json.dumps(settings).encode()
        sums = [
            f"{hashlib.sha256(members[n]).hexdigest()}  {n}\n" for n in members if n != CHECKSUMS
        ]
        members[CHECKSUMS] = "".join(sums).encode()

    return rewritten(content, change)


def test_settings_of_a_newer_program_are_refused(packed, tmp_path: Path) -> None:
    file = tmp_path / "report.zip"
    file.write_bytes(with_settings(packed, format=2, version="9.0"))
    with pytest.raises(BadInput, match=r"version 9\.0"):
        read_bundle(file)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": -1}, "seed: Input should be"),
        ({"seed": 1e400}, "seed: Input should be"),
        ({"bootstrap": 10**9}, "bootstrap: Input should be"),
        ({"raters_too": "false"}, "raters_too: Input should be"),
        ({"scale": 5}, "scale: Input should be"),
        ({"reference": [{"model": "m"}]}, "other columns"),
        ({"reference": [{**REFERENCE[0], "safety": 99}]}, "safety cannot be 99"),
        ({"reference": [{**REFERENCE[0], "safety": float("nan")}]}, "safety cannot be nan"),
        ({"reference": "rows"}, "reference: Input should be"),
    ],
)
def test_settings_that_no_report_has_are_refused(packed, tmp_path: Path, changes, told) -> None:
    file = tmp_path / "report.zip"
    file.write_bytes(with_settings(packed, **changes))
    with pytest.raises(BadInput, match=told):
        read_bundle(file)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("rater,adjudicated\r\nr1,0\r\n", "lacks the column response_id"),
        ("response_id,rater,safety\r\na,r1,1\r\n", "'safety', which no report has"),
        ("response_id,rater\r\na,r1\r\na,r1\r\n", "has a row twice"),
        ("", "cannot be read"),
        ("response_id,rater,adjudicated\r\na,r1,x\r\n", "cannot be read"),
    ],
)
def test_extras_that_no_report_has_are_refused(packed, tmp_path: Path, table, told) -> None:
    def change(members: dict[str, bytes]) -> None:
        members["data/extras.csv"] = table.encode()
        members[CHECKSUMS] = b"".join(
            f"{hashlib.sha256(members[n]).hexdigest()}  {n}\n".encode()
            for n in members
            if n != CHECKSUMS
        )

    file = tmp_path / "report.zip"
    file.write_bytes(rewritten(packed, change))
    with pytest.raises(BadInput, match=told):
        read_bundle(file)


def test_a_zip_with_flipped_bits_is_refused(inputs, packed, tmp_path: Path) -> None:
    content = packed
    file = tmp_path / "report.zip"
    generator = random.Random(1)
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(3):
            damaged[generator.randrange(len(damaged))] ^= 1 << generator.randrange(8)
        file.write_bytes(damaged)
        with suppress(BadInput):  # names and times in a zip are not all checked
            assert read_bundle(file).scores == inputs.scores


@pytest.mark.parametrize(
    "conduct",
    [
        [],
        {"blind": "yes"},
        {"order_seed": "7"},
        {"another": 1},
        {"generation": {"m": 1}},
        {"generation": []},
        {"guide_zh": None},
    ],
)
def test_a_conduct_of_other_kinds_is_refused(packed, tmp_path: Path, conduct: Any) -> None:
    file = tmp_path / "report.zip"
    file.write_bytes(with_settings(packed, conduct=conduct))
    with pytest.raises(BadInput, match="conduct"):
        read_bundle(file)


def test_how_a_study_was_held_goes_with_the_zip(inputs, packed, tmp_path: Path) -> None:
    file = tmp_path / "report.zip"
    file.write_bytes(packed)
    assert read_bundle(file).conduct == inputs.conduct
    with zipfile.ZipFile(file) as archive:
        assert "did not know which model" in archive.read("methods_en.txt").decode()


def test_the_sheet_shows_the_means_of_the_table(tmp_path: Path) -> None:
    """401 / 200 is 2.005 and rounds up; as a binary fraction it would not."""
    rows = [f"q{n},m,r,{3 if n < 1 else 2},2,2" for n in range(200)]
    report = make_report(
        parse_ratings(
            "\n".join(["question_id,model,rater,safety,usability,fluency", *rows]).encode(), "s"
        ),
        QUICK,
    )
    (item,) = (each for each in fill_checklist(report) if each.item == "results")
    assert "safety 2.01" in item.answer_en
    assert "2.01" in as_latex(report)


def test_another_scale_goes_through_every_file() -> None:
    scale = Scale(("completeness", "depth"), (0, 1, 2, 3))
    text = "question_id,model,rater,completeness,depth\n"
    text += "".join(
        f"q{q},m{m},r{r},{(q + m) % 4},{(q * r) % 4}\n"
        for q in range(5)
        for m in range(3)
        for r in range(2)
    )
    assert len(parse_ratings(text.encode(), "x", scale)) == 30
    content = make_bundle(Inputs(text.encode(), ReportSettings(scale, bootstrap=50)))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert "Completeness" in archive.read("table4.tex").decode()
        assert "figures/means.svg" in archive.namelist()
        assert "System Usability" not in archive.read("table4.md").decode()


# -- spreadsheets --


def libreoffice(file: Path, kind: str, *options: str) -> None:
    """Let LibreOffice open a file and save it beside as ``kind``."""
    program = shutil.which("soffice") or shutil.which("libreoffice")
    if program is None:
        pytest.skip("no LibreOffice is installed here")
    command = [program, "--headless", "--norestore"]
    command += [f"-env:UserInstallation=file://{file.parent}/user", *options]
    command += ["--convert-to", kind, "--outdir", str(file.parent), str(file)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_writer_opens_the_word_file(report, tmp_path: Path, language: Any) -> None:
    file = tmp_path / "report.docx"
    file.write_bytes(as_docx(report, language))
    libreoffice(file, "txt:Text (encoded):UTF8")
    if not (tmp_path / "report.txt").exists():
        pytest.skip("LibreOffice has no Writer here")
    shown = (tmp_path / "report.txt").read_text(encoding="utf-8-sig")
    assert methods_paragraph(report, language) in shown
    assert ("安全性" if language == "zh" else "Safety") in shown


def test_calc_opens_the_workbook(report, frame, tmp_path: Path) -> None:
    file = tmp_path / "report.xlsx"
    file.write_bytes(as_xlsx(report, frame))
    libreoffice(file, "ods")
    assert (tmp_path / "report.ods").stat().st_size > 1000


def test_libreoffice_keeps_text_lines_and_zeros_and_runs_no_formula(tmp_path: Path) -> None:
    from medchat.scale import SCORE_COLUMNS
    from storage import score_csv_bytes

    row = dict.fromkeys(SCORE_COLUMNS, "x") | {
        "question_id": "007",
        "study": "12345678901234567890",
        "question": "发热怎么办？\n第二行",
        "comment": "=1+1",
        "model": "@SUM(1)",
        **dict.fromkeys(DIMENSIONS, 3),
    }
    (tmp_path / "scores.csv").write_bytes(score_csv_bytes([row]))
    # UTF-8, comma, double quotes; every column as it is detected.
    libreoffice(tmp_path / "scores.csv", "xlsx", "--infilter=CSV:44,34,76,1")
    sheet = load_workbook(tmp_path / "scores.xlsx").active
    header = [cell.value for cell in sheet[1]]
    cells = {name: sheet.cell(2, index) for index, name in enumerate(header, start=1)}
    assert cells["question"].value == "发热怎么办？\n第二行"
    assert cells["question_id"].value.endswith("007")
    assert cells["study"].value.endswith("12345678901234567890")
    assert cells["safety"].value == 3
    assert not [name for name, cell in cells.items() if cell.data_type == "f"]
    assert "=1+1" in cells["comment"].value
