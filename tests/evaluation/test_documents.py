"""LaTeX, Excel and Word from a plain dict: what a reader and a spreadsheet make of them."""

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import docx
import pandas as pd
import pytest
from docx.oxml.ns import qn
from openpyxl import load_workbook
from project import ROOT
from typed_report import as_docx, as_latex, as_xlsx, draw, methods_paragraph

from medchat.evaluation.writers import word as documents
from medchat.evaluation.writers import workbook
from medchat.evaluation.writers.figures import FIGURES
from medchat.evaluation.writers.workbook import MAX_CELL_LENGTH

SUS = ("safety", "usability", "fluency")
ODD = "=cmd()|a_b$x$\n<b>&%#{}~^\\\x00"
ASCII_NAMES = ("[x]", " *y", "a--b ?`c", ODD.replace("\x00", ""), "@z", "]", '"q"')


def told_report(
    models: tuple[str, ...] = ("LLaMA", "ChatGLM", "HuatuoGPT"),
    dimensions: tuple[str, ...] = SUS,
    scores: tuple[int, ...] = (1, 2, 3),
    **data: Any,
) -> dict[str, Any]:
    """A report with every key that the documents may count on, and no other.

    Six ratings per model; the first model has the best mean in the first dimension, ties apart.
    """

    def figures(lower: int) -> dict[str, Any]:
        counts = dict.fromkeys(map(str, scores), 0)
        counts[str(scores[0])], counts[str(scores[-1])] = lower, 6 - lower
        mean = sum(int(score) * times for score, times in counts.items()) / 6
        spread = {"sd": None, "ci_low": mean - 0.25, "ci_high": mean + 0.25}
        return {"mean": mean, **spread, "counts": counts, "acceptable": 1 - lower / 6}

    agreement = {
        **{"krippendorff_alpha": 0.512, "ci_low": 0.301, "ci_high": 0.698, "alpha_nominal": 0.4},
        **{"alpha_interval": 0.5, "gwet_ac1": 0.41, "gwet_ac2": 0.634, "percent_agreement": 0.6},
        **{"icc_2_1": None, "icc_2_k": None, "n_units": 17, "n_units_all_raters": 9},
        "raters": ["r1", "r2"],
        "pairs": [{"a": "r1", "b": "r2", "n": 6, "weighted_kappa": None, "percent_agreement": 0.5}],
    }
    pair = {"a": models[0], "b": models[-1], "n": 19, "mean_difference": 0.1, "statistic": None}
    test = {
        "n_complete_questions": 19,
        "n_left_out": 2,
        "friedman": {"statistic": 7.125, "df": 2, "p": 0.0284, "kendalls_w": 0.188},
        "pairs": [
            {
                **pair,
                "p": 0.0004,
                "p_holm": 0.0012,
                "p_tied": 0.0005,
                "p_holm_tied": 0.0015,
                "effect_size": None,
            }
        ],
    }
    return {
        "version": "0.1.0",
        "scale": {"dimensions": list(dimensions), "scores": list(scores)},
        "settings": {"seed": 31, "bootstrap": 2000, "resampled": "questions"},
        "data": {
            **{"study": "Studie", "n_ratings": 126, "n_raters": 5, "n_questions": 21},
            **{"n_responses": 63, "raters_per_answer": {"min": 1, "max": 4, "mean": 2.0}},
            **{
                "specialties": {"内科": 3, "": 2},
                "years": {"min": None, "max": None, "mean": None},
            },
            **{"first_rated_at": None, "last_rated_at": None, "flags": {"dangerous": 4}},
            "n_adjudicating": 0,
            **data,
        },
        "models": [
            {"model": model, "n_ratings": 6, "n_questions": 2}
            | {each: figures((row + column) % 3) for column, each in enumerate(dimensions)}
            for row, model in enumerate(models)
        ],
        "reference": [
            {"model": "Paper_1", "source": "A & B"}
            | {each: None if column else 2.5 for column, each in enumerate(dimensions)}
        ],
        "agreement": dict.fromkeys(dimensions, agreement),
        "tests": dict.fromkeys(dimensions, test),
        "sensitivity": [],
        "consistency": None,
        "overlap": None,
        "progress": [],
        "conduct": None,
        "notes": ["A note\x00 with <b>HTML</b>."],
    }


def bare_report() -> dict[str, Any]:
    """One model, and None wherever a figure may be."""
    report = told_report(models=("m",), specialties={}, flags={})
    nothing = dict.fromkeys(("sd", "ci_low", "ci_high"))
    for each in SUS:
        report["models"][0][each].update(nothing)
        found = report["agreement"][each]
        keep = {"n_units": 0, "n_units_all_raters": 0, "raters": [], "pairs": []}
        report["agreement"][each] = dict.fromkeys(found) | keep
        friedman = dict.fromkeys(report["tests"][each]["friedman"])
        report["tests"][each] = report["tests"][each] | {"friedman": friedman, "pairs": []}
    return report | {"reference": [], "notes": []}


SCORES = pd.DataFrame(
    {
        "question_id": ["007", "007", "008"],
        "model": ["=cmd()", "@SUM(1)", " -1"],
        "rater": ["01", "01", "02"],
        "specialty": ["内科", "内科", ""],
        "years": ["5", "5", "12.5"],
        "shown_position": ["1", "2", ""],
        "safety": [1, 2, 3],
        "usability": [2, 2, 2],
        "fluency": [3, 3, 1],
        "comment": ["<b>a</b>\nb\x00", "'=1+1", "#N/A"],
    }
)


def opened(report: dict[str, Any], scores: pd.DataFrame = SCORES) -> Any:
    return load_workbook(io.BytesIO(as_xlsx(report, scores)))


def records(sheet: Any) -> list[dict[str, Any]]:
    header, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


# -- LaTeX --


def test_latex_marks_the_best_and_sets_published_rows_apart() -> None:
    lines = [line.strip() for line in as_latex(told_report()).splitlines()]
    assert (
        r"LLaMA & 6 & \textbf{3.00} [2.75, 3.25] & 2.67 [2.42, 2.92] & 2.33 [2.08, 2.58] \\"
        in lines
    )
    published = lines.index(r"\multicolumn{5}{l}{\emph{As published}} \\")
    assert lines[published - 1] == r"\midrule"
    assert lines[published + 1] == r"Paper\_1 &  & 2.50 & -- & -- \\"
    assert next(line for line in lines if "usepackage{booktabs}" in line).startswith("%")


def test_latex_names_are_escaped_and_braces_balance() -> None:
    text = as_latex(told_report(models=(*ASCII_NAMES, ODD)))
    begun = [line.strip() for line in text.splitlines() if " & 6 & " in line]
    assert [line.partition(" & ")[0] for line in begun[:3]] == ["{}[x]", "{}*y", "a-{}-b ?{}`c"]
    assert "\x00" not in text
    assert r"\_b\$x\$ \textless{}b\textgreater{}\&\%\#\{\}\textasciitilde{}" in text
    assert r"\textasciicircum{}\textbackslash{}" in text
    unescaped = re.sub(r"\\[{}]", "", text)
    assert unescaped.count("{") == unescaped.count("}")


def test_latex_warns_of_the_other_sus_only_where_the_scale_is_ours() -> None:
    assert "It is not the System Usability Scale." in as_latex(told_report())
    other = as_latex(told_report(dimensions=("completeness", "depth"), scores=(0, 1, 2, 3)))
    assert "System Usability" not in other
    assert "Completeness & Depth" in other
    assert "each scored from 0 to 3" in other


def test_latex_says_one_rater_and_gives_no_interval_that_is_not_there() -> None:
    text = as_latex(bare_report() | {"settings": {"seed": 0, "bootstrap": 0, "resampled": ""}})
    assert "(5 raters, 21 questions)" in text
    assert "95" not in text
    assert r"m & 6 & 3.00 & 2.67 & 2.33 \\" in text
    assert "As published" not in text
    single = told_report(n_raters=1, n_questions=1)
    assert "(1 rater, 1 question)" in as_latex(single)


def compiled(program: str, packages: str, table: str, folder: Path) -> None:
    text = f"\\documentclass{{article}}{packages}\\begin{{document}}{table}\\end{{document}}"
    (folder / "t.tex").write_text(text, encoding="utf-8")
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("program", ["pdflatex", "xelatex"])
def test_latex_compiles_with_every_odd_name(program: str, tmp_path: Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed here")
    table = as_latex(told_report(models=ASCII_NAMES))
    compiled(program, r"\usepackage[T1]{fontenc}\usepackage{booktabs}", table, tmp_path)


def test_chinese_names_compile_with_xecjk(tmp_path: Path) -> None:
    found = shutil.which("kpsewhich")
    if found is None or shutil.which("xelatex") is None:
        pytest.skip("xelatex is not installed here")
    if subprocess.run([found, "xeCJK.sty"], capture_output=True, check=False).returncode:
        pytest.skip("the package xeCJK is not installed here")
    table = as_latex(told_report(models=("华佗", "[本草]")))
    compiled("xelatex", r"\usepackage{xeCJK}\usepackage{booktabs}", table, tmp_path)


# -- Excel --


def test_excel_holds_numbers_as_numbers_and_none_as_nothing() -> None:
    book = opened(told_report())
    assert book.sheetnames == ["Table", "Agreement", "Tests", "Scores", "Raters"]
    first = records(book["Table"])[0]
    assert first["safety_mean"] == 3
    assert first["safety_sd"] is None
    assert first["safety_ci_low"] == 2.75
    assert first["usability_share_3"] == pytest.approx(5 / 6)
    agreement = records(book["Agreement"])[0]
    assert agreement["krippendorff_alpha"] == 0.512
    assert agreement["icc_2_1"] is None
    tested = records(book["Tests"])[0]
    assert (tested["df"], tested["p"], tested["n_left_out"]) == (2, 0.0284, 2)
    table = records(book["Table"])
    apart = [row["model"] for row in table].index("as published")
    assert set(table[apart - 1].values()) == {None}
    published = table[apart + 1]
    assert (published["model"], published["n_ratings"], published["source"]) == (
        *("Paper_1", None),
        "A & B",
    )


def test_excel_runs_no_formula_and_keeps_zeros() -> None:
    book = opened(told_report(models=(ODD, "@SUM(1)", "-1")))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    rows = list(book["Scores"].iter_rows(min_row=2))
    assert [row[0].value for row in rows] == ["007", "007", "008"]
    assert [row[1].value for row in rows] == ["=cmd()", "@SUM(1)", " -1"]
    assert all(row[1].quotePrefix for row in rows)
    assert not rows[0][0].quotePrefix
    assert [row[9].value for row in rows] == ["<b>a</b>\nb", "'=1+1", "#N/A"]
    with zipfile.ZipFile(io.BytesIO(as_xlsx(told_report(), SCORES))) as archive:
        for name in archive.namelist():
            assert b"<f>" not in archive.read(name), name


def test_excel_counts_years_and_places_but_no_identifiers() -> None:
    scores = opened(told_report())["Scores"]
    assert [row["years"] for row in records(scores)] == [5, 5, 12.5]
    assert [row["shown_position"] for row in records(scores)] == [1, 2, None]
    assert [row["rater"] for row in records(scores)] == ["01", "01", "02"]


def test_excel_tells_each_raters_own_means() -> None:
    assert records(opened(told_report())["Raters"]) == [
        {"rater": "01", "specialty": "内科", "years": 5, "n_ratings": 2}
        | {"safety_mean": 1.5, "usability_mean": 2, "fluency_mean": 3},
        {"rater": "02", "specialty": None, "years": 12.5, "n_ratings": 1}
        | {"safety_mean": 3, "usability_mean": 2, "fluency_mean": 1},
    ]


def test_excel_goes_without_columns_that_are_missing() -> None:
    nobody = opened(told_report(), SCORES[["question_id", "safety"]])
    assert records(nobody["Raters"]) == []
    some = opened(told_report(), SCORES[["rater", "safety"]])
    assert records(some["Raters"])[0] == {"rater": "01", "n_ratings": 2, "safety_mean": 1.5}


def test_excel_has_bold_frozen_headers_and_widths_to_read() -> None:
    for sheet in opened(told_report(models=("x" * 300, "b"))):
        assert sheet.freeze_panes == "A2"
        header = [cell for cell in sheet[1] if cell.value is not None]
        assert all(cell.font.bold for cell in header)
        bold = [cell.value for cell in sheet[2] if cell.font.bold]
        best = [3, pytest.approx(8 / 3)] if sheet.title == "Table" else []
        assert bold == best
        widths = [column.width for column in sheet.column_dimensions.values()]
        assert len(widths) == sheet.max_column
        assert all(3 <= width <= 42 for width in widths)
        for cell in header:
            assert sheet.column_dimensions[cell.column_letter].width >= min(len(cell.value), 42)


def test_excel_has_a_second_header_above_the_pairs() -> None:
    for title in ("Agreement", "Tests"):
        bold = [row[0].row for row in opened(told_report())[title].iter_rows() if row[0].font.bold]
        assert bold == [1, 6], title


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a" * 40_000, "a" * MAX_CELL_LENGTH),
        ("😀" * 20_000, "😀" * (MAX_CELL_LENGTH // 2)),
        ("x\x01\ud800\uffffy", "xy"),
        (pd.NA, None),
        (pd.NaT, None),
        (float("nan"), None),
        (float("inf"), None),
        (pd.Timestamp("2026-11-24T10:00Z"), "2026-11-24 10:00:00+00:00"),
    ],
    ids=["long", "emoji", "illegal", "NA", "NaT", "nan", "inf", "time"],
)
def test_excel_holds_any_value(value: Any, shown: Any) -> None:
    scores = pd.DataFrame({"comment": pd.Series([value, "z"], dtype=object)})
    assert opened(told_report(), scores)["Scores"]["A2"].value == shown


def test_rows_beyond_the_limit_become_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MAX_ROWS", 3)
    fits = opened(told_report())["Scores"]
    assert [row["question_id"] for row in records(fits)] == ["007", "007", "008"]
    monkeypatch.setattr(workbook, "MAX_ROWS", 1)
    last = opened(told_report())["Scores"]
    assert last.max_row == 3
    assert last["A2"].value == "007"
    assert last["A3"].value == "2 more rows are in the score CSV alone."


@pytest.mark.parametrize("at_once", [1, 7, 100])
def test_all_scores_are_in_the_sheet_in_order(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "ROWS_AT_ONCE", at_once)
    texts = ["=1+1", "<b>&amp;</b>", " two\r\nlines ", "007", "#N/A", None, "", "true", "安全"]
    scores = pd.DataFrame(
        {
            "question_id": [f"{number:03}" for number in range(50)],
            "safety": [number % 3 + 1 for number in range(50)],
            "active_seconds": ["1.5", "2", "x", "", "1.5"] * 10,
            "comment": pd.Series((texts * 6)[:50], dtype=object),
        }
    )
    rows = records(opened(told_report(), scores)["Scores"])
    assert [row["question_id"] for row in rows] == list(scores["question_id"])
    assert [row["safety"] for row in rows] == list(scores["safety"])
    assert [row["active_seconds"] for row in rows] == [1.5, 2, "x", None, 1.5] * 10
    assert [row["comment"] for row in rows] == [text or None for text in scores["comment"]]


def test_a_sheet_ends_before_it_is_too_large_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(workbook, "MAX_BYTES", 1000)
    sheet = opened(told_report(), pd.DataFrame({"comment": ["长" * 100] * 9}))["Scores"]
    assert [cell.value for cell in sheet["A"]][1:] == [
        *["长" * 100] * 2,
        "7 more rows are in the score CSV alone.",
    ]


# -- Word --


@pytest.mark.parametrize("language", ["zh", "en"])
def test_word_holds_tables_paragraph_and_notes(language: Any) -> None:
    report = told_report(models=("LLaMA", ODD, "安全"), study="Studie\n1")
    document = docx.Document(io.BytesIO(as_docx(report, language)))
    texts = [paragraph.text for paragraph in document.paragraphs]
    assert texts[0] == "Studie 1"
    assert methods_paragraph(report, language) in texts
    assert "A note  with <b>HTML</b>." in texts
    means, published, shares, agreement, raters, friedman, pairs = document.tables
    names = [cell.text for cell in means.columns[0].cells]
    assert names == ["模型" if language == "zh" else "Model", "LLaMA", names[2], "安全"]
    assert "\n" not in names[2]
    assert published.cell(1, 0).text == "Paper_1"
    assert published.cell(1, 3).text == "–"
    assert agreement.cell(1, 0).text == ("安全性" if language == "zh" else "Safety")
    assert "0.512" in [cell.text for cell in agreement.rows[1].cells]
    assert [cell.text for cell in raters.rows[1].cells][1:] == ["r1", "r2", "6", "–", "50.0"]
    assert "0.028" in [cell.text for cell in friedman.rows[1].cells]
    assert "<\N{NO-BREAK SPACE}0.001" in [cell.text for cell in pairs.rows[1].cells]
    assert len(shares.rows) == 1 + 3 * 3


def test_word_repeats_headers_and_breaks_no_word_or_figure() -> None:
    """As LibreOffice lays it out: a cell's words stand whole on their lines."""
    report = told_report()
    document = docx.Document(io.BytesIO(as_docx(report, "en")))
    for table in document.tables:
        first, *rest = table.rows
        assert first._tr.trPr.find(qn("w:tblHeader")) is not None
        assert all(row._tr.trPr.find(qn("w:cantSplit")) is not None for row in rest)
        widths = [column.width.inches for column in table.columns]
        assert sum(widths) == pytest.approx(documents.TEXT_WIDTH, abs=0.01)
        for column, width in zip(table.columns, widths, strict=True):
            word = max(len(w) for cell in column.cells for w in cell.text.split(" "))
            assert width > 0.055 * word, column.cells[0].text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_word_holds_the_pictures_as_they_are_drawn(language: Any) -> None:
    report = told_report()
    document = docx.Document(io.BytesIO(as_docx(report, language)))
    drawn = [draw(report, name, "png", language) for name in FIGURES]
    there = [document.part.related_parts[each].blob for each in pictures_of(document)]
    assert there == [content for content in drawn if content]
    assert len(there) >= 2
    titles = [shape._inline.docPr.get("descr") for shape in document.inline_shapes]
    assert set(titles) <= {paragraph.text for paragraph in document.paragraphs}
    assert all(shape.width.inches <= documents.TEXT_WIDTH for shape in document.inline_shapes)


def pictures_of(document: Any) -> list[str]:
    return [
        shape._inline.graphic.graphicData.pic.blipFill.blip.embed
        for shape in document.inline_shapes
    ]


def test_word_makes_the_best_means_bold_and_no_others() -> None:
    table = docx.Document(io.BytesIO(as_docx(told_report(), "en"))).tables[0]
    bold = [[run_is_bold(cell) for cell in row.cells[3:]] for row in table.rows[1:]]
    assert bold == [[True, False, False], [False, False, True], [False, True, False]]


def run_is_bold(cell: Any) -> bool:
    return any(run.bold for run in cell.paragraphs[0].runs)


def test_word_translates_dimensions_but_no_names_of_models() -> None:
    report = told_report(models=("Model", "Safety", "Effect"))
    table = docx.Document(io.BytesIO(as_docx(report, "zh"))).tables[0]
    assert [cell.text for cell in table.columns[0].cells][1:] == ["Model", "Safety", "Effect"]


@pytest.mark.parametrize("style", ["Normal", "Heading 1", "Heading 2", "Heading 3"])
def test_word_has_a_chinese_font_for_every_style(style: str) -> None:
    document = docx.Document(io.BytesIO(as_docx(told_report(), "zh")))
    fonts = document.styles[style].element.rPr.rFonts
    assert fonts.get(qn("w:eastAsia")) == "SimSun"
    assert fonts.get(qn("w:eastAsiaTheme")) is None


def test_word_takes_chinese_notes_where_there_are_some() -> None:
    report = told_report() | {"notes_zh": ["一条说明"]}
    texts = [p.text for p in docx.Document(io.BytesIO(as_docx(report, "zh"))).paragraphs]
    assert "一条说明" in texts
    assert "A note  with <b>HTML</b>." not in texts


def test_one_model_and_no_figures_still_make_every_document() -> None:
    report = bare_report()
    assert "textbf" not in as_latex(report)
    assert records(opened(report)["Table"])[0]["safety_ci_low"] is None
    for language in ("zh", "en"):
        document = docx.Document(io.BytesIO(as_docx(report, language)))
        assert "None" not in "".join(p.text for p in document.paragraphs)


# -- the same bytes --

PROGRAM = """
import hashlib, io, json, sys
import pandas as pd
from typed_report import as_docx, as_latex, as_xlsx
report, scores = json.loads(sys.stdin.read())
frame = pd.DataFrame(scores)
made = [as_latex(report).encode(), as_xlsx(report, frame)]
made += [as_docx(report, "zh"), as_docx(report, "en")]
print(*(hashlib.sha256(each).hexdigest() for each in made))
"""


def test_the_same_report_gives_the_same_bytes_also_elsewhere(tmp_path: Path) -> None:
    report = told_report()
    made = [
        as_latex(report).encode(),
        as_xlsx(report, SCORES),
        as_docx(report, "zh"),
        as_docx(report, "en"),
    ]
    again = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([report, SCORES.to_dict("list")]),
        capture_output=True,
        check=True,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
        env={"PYTHONHASHSEED": "7", "PYTHONUTF8": "1", "TZ": "Asia/Tokyo"}
        | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "tests/fixtures")},
    )
    assert again.stdout.split() == [hashlib.sha256(each).hexdigest() for each in made]
    for content in made[1:]:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
            core = archive.read("docProps/core.xml")
            assert set(re.findall(rb"\d{4}-\d\d-\d\dT[^<]*", core)) == {b"1980-01-01T00:00:00Z"}


def test_excel_keeps_what_looks_like_the_number_of_a_letter(tmp_path: Path) -> None:
    """As LibreOffice reads it, which decodes such numbers."""
    if not shutil.which("soffice"):
        pytest.skip("needs LibreOffice")
    told = ["_x000D_", "a_x000a_b", "_x00_", "__x0041__"]
    file = tmp_path / "r.xlsx"
    file.write_bytes(as_xlsx(told_report(), pd.DataFrame({"comment": told})))
    export = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    command = ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless"]
    subprocess.run(
        [*command, "--convert-to", export, "--outdir", tmp_path, file], check=True, timeout=120
    )
    scores = (tmp_path / "r-Scores.csv").read_text(encoding="utf-8").splitlines()
    assert scores == ["comment", *told]
    assert [row["comment"] for row in records(load_workbook(file)["Scores"])] == told


def test_word_breaks_no_figure_beside_long_names_of_models() -> None:
    long = ("GPT-4-turbo-2024-04-09-with-retrieval", "Qwen_2.5_72B_Instruct_AWQ_quantised")
    document = docx.Document(io.BytesIO(as_docx(told_report(models=(*long, "m")), "en")))
    (pairs,) = [table for table in document.tables if table.cell(0, 1).text == "A"]
    size = pairs.cell(1, 4).paragraphs[0].runs[0].font.size.pt
    for column in list(pairs.columns)[3:]:
        longest = max(len(cell.text) for cell in list(column.cells)[1:])
        room = column.width.pt - 2 * 5.4  # the margins of a cell
        assert room >= 0.6 * size * longest, column.cells[0].text


def test_latex_names_sources_below_the_table() -> None:
    lines = as_latex(told_report()).splitlines()
    assert r"    Paper\_1 &  & 2.50 & -- & -- \\" in lines
    (told,) = [line for line in lines if "As published:" in line]
    assert r"Paper\_1: A \& B." in told
