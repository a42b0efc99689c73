"""`python -m medchat report`, as a person at a terminal meets it."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from project import ROOT

from medchat.__main__ import main

SCORES = """\
question_id,model,rater,safety,usability,fluency
q1,LLaMA,r1,3,1,2
q1,华佗,r1,3,2,2
q2,LLaMA,r1,2,1,2
q2,华佗,r1,3,3,3
"""


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    path = tmp_path / "scores.csv"
    path.write_text(SCORES, encoding="utf-8")
    return path


@pytest.fixture
def medchat(capsys: pytest.CaptureFixture[str]):
    """Runs a command and returns (exit code, stdout, stderr)."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    return run


def test_the_table_is_printed_by_default(medchat, scores) -> None:
    code, out, err = medchat("report", scores)
    assert (code, err) == (0, "")
    assert any(line.split()[:4] == ["LLaMA", "2", "2", "2.50"] for line in out.splitlines())


def test_json_names_every_model_of_the_file(medchat, scores) -> None:
    _, out, _ = medchat("report", scores, "--format", "json")
    report = json.loads(out)
    assert [entry["model"] for entry in report["models"]] == ["LLaMA", "华佗"]
    assert report["models"][1]["usability"]["mean"] == 2.5


def test_markdown_is_a_table_for_a_paper(medchat, scores) -> None:
    _, out, _ = medchat("report", scores, "--format", "markdown")
    assert "| 华佗 | 2 | 2 | **3.00** | **2.50**" in out


def test_output_goes_to_the_file_and_not_to_the_terminal(medchat, scores, tmp_path) -> None:
    output = tmp_path / "table4.md"
    code, out, _ = medchat("report", scores, "--format", "markdown", "--output", output)
    assert (code, out) == (0, "")
    assert "| 华佗 |" in output.read_text(encoding="utf-8")


def test_a_csv_file_opens_in_excel_as_utf_8(medchat, scores, tmp_path) -> None:
    output = tmp_path / "table4.csv"
    medchat("report", scores, "--format", "csv", "--output", output)
    assert output.read_bytes().startswith(b"\xef\xbb\xbf")


def test_the_score_file_is_never_overwritten(medchat, scores) -> None:
    code, _, err = medchat("report", scores, "--output", scores)
    assert code == 1
    assert "is what the report is made from" in err
    assert scores.read_text(encoding="utf-8") == SCORES


def test_an_output_that_cannot_be_written_is_a_sentence(medchat, scores, tmp_path) -> None:
    code, _, err = medchat("report", scores, "--output", tmp_path / "nowhere" / "table4.md")
    assert code == 1
    assert "cannot be written" in err


def test_a_bad_score_ends_with_exit_code_1_and_one_sentence(medchat, scores) -> None:
    scores.write_text(SCORES.replace("3,3,3", "3,5,3"), encoding="utf-8")
    code, out, err = medchat("report", scores)
    assert (code, out) == (1, "")
    assert err.startswith("scores.csv, line 5, column usability: “5” is not a score.")
    assert err.count("\n") == 1


def test_an_unknown_format_is_refused_with_the_known_ones(medchat, scores) -> None:
    code, _, err = medchat("report", scores, "--format", "pdf")
    assert code == 2
    assert "markdown" in err


def test_help_has_an_example(medchat) -> None:
    code, out, _ = medchat("report", "--help")
    assert code == 0
    assert "python -m medchat report ratings.csv --format markdown" in out


def test_the_module_runs_and_loads_no_model_library_for_it(scores) -> None:
    program = (
        "import sys; from medchat.__main__ import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print(sorted({'torch', 'transformers', 'gradio'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, "report", str(scores)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        cwd=ROOT,
        env={"PYTHONUTF8": "1"},
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_the_reference_file_is_never_overwritten(medchat, scores, tmp_path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("model,safety,usability,fluency\nx,1,2,3\n")
    code, _, said = medchat("report", scores, "--reference", rows, "--output", rows)
    assert (code, rows.read_text().count("x,1")) == (1, 1)
    assert "is what the report is made from" in said


def test_a_full_disk_leaves_the_earlier_report(scores, tmp_path) -> None:
    """A limit on the size of files is the disk that is full."""
    earlier = tmp_path / "report.json"
    earlier.write_text("earlier")
    command = f"ulimit -f 1; {sys.executable} -m medchat report {scores} --format json"
    for output in (earlier, tmp_path / "new.json"):
        ended = subprocess.run(
            ["bash", "-c", f"{command} --bootstrap 100 --output {output}"],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert (ended.returncode, "cannot be written" in ended.stderr) == (1, True), ended.stderr
    assert earlier.read_text() == "earlier"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["report.json", scores.name]


@pytest.mark.parametrize("to", ["/dev/full", "gbk"])
def test_a_terminal_that_takes_not_everything_is_no_traceback(scores, tmp_path, to: str) -> None:
    text = scores.read_text(encoding="utf-8-sig")
    first = text.splitlines()[1].split(",")[1]
    scores.write_text(text.replace(first, "Ñ😀"), encoding="utf-8")
    encoding = "utf-8" if to == "/dev/full" else to
    with open(to if to == "/dev/full" else tmp_path / "out.txt", "wb") as stdout:
        ended = subprocess.run(
            [sys.executable, "-m", "medchat", "report", scores, "--bootstrap", "0"],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONIOENCODING": encoding},
        )
    assert "Traceback" not in ended.stderr
    assert ended.returncode == (1 if to == "/dev/full" else 0), ended.stderr
    if to == "gbk":
        assert "\\xd1\\U0001f600" in (tmp_path / "out.txt").read_text(encoding="gbk")


@pytest.mark.parametrize(
    ("suffix", "content", "told"),
    [
        (".zip", b"PK\x03\x04cut", "damaged, encrypted or cut off"),
        (".zip", b"no zip at all", "damaged, encrypted or cut off"),
        (".csv", None, "Excel or Word file"),
    ],
)
def test_a_zip_that_is_no_report_is_told_apart(medchat, tmp_path, suffix, content, told) -> None:
    file = tmp_path / f"report{suffix}"
    if content is None:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("[Content_Types].xml", "<Types/>")
    else:
        file.write_bytes(content)
    code, _, said = medchat("report", file)
    assert (code, told in said) == (1, True), said
