"""The files of a study as a browser downloads them, and as the command makes them again."""

import csv
import io
import json
import re
import zipfile
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import docx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from openpyxl import load_workbook
from storage_fixtures import answers_shown_to, entry, new_raters, new_study, unblind

from eval_ui.backend.report_cache import Reports
from eval_ui.report.exports import FILES, MEDIA, download_path, export_routes
from eval_ui.report.report_html import table4_html, tables_html
from eval_ui.texts import Texts
from eval_ui.web.access import COOKIE, Access
from medchat.__main__ import main
from medchat.evaluation.bundle import MAKERS
from medchat.evaluation.formatting import title
from medchat.scale import DIMENSIONS, name_zh
from storage import (
    NewResponse,
    Store,
    Study,
    add_coordinator,
    add_question,
    create_study,
    get_study,
    open_study,
    save_ratings,
    score_csv_bytes,
    score_rows,
    sign_in,
)

OPINIONS = ((3, 2, 1), (1, 1, 2), (2, 3, 3), (3, 3, 3), (2, 2, 1))
FORMATS = {"table4.md": "markdown", "table4.csv": "csv"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "medchat.db")


@pytest.fixture
def client(store: Store) -> TestClient:
    app = FastAPI()
    app.include_router(export_routes(store, Access(store), Reports(store)))
    add_coordinator(store, "anna", "a long password")
    session = sign_in(store, "anna", "a long password", "127.0.0.1")
    return TestClient(app, cookies={COOKIE: session})


def rate_everything(store: Store, study: Study) -> None:
    """And unblind it."""
    for rater in new_raters(store, study, 2):
        entries = [
            entry(answer.item, f"{rater.label}-{number}", OPINIONS[number % len(OPINIONS)])
            for number, answer in enumerate(answers_shown_to(store, rater))
        ]
        save_ratings(store, rater.id, entries)
    unblind(store, study)


@pytest.fixture
def study(store: Store) -> Study:
    study = new_study(store, questions=3)
    rate_everything(store, study)
    return study


def report(capsys: pytest.CaptureFixture[str], scores: Path, kind: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["report", str(scores), "--format", kind])
    assert not ended.value.code
    return capsys.readouterr().out


UNTOLD = (
    "There are no repeated",
    "A score CSV does not",
    "Of how the study was held",
    "Sensitivity to",
    "The data do not tell which ratings settled",
    *("| Without r", "| Length of the answer", "| Category of the question"),
)


def without_untold(table: str) -> str:
    """What a score CSV alone gives too: all but the notes on what it, or the study, cannot tell."""
    lines = table.rstrip().splitlines()
    return "\n".join(line for line in lines if not line.startswith(UNTOLD)).rstrip()


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_is_a_file_to_save(client: TestClient, study: Study, kind: str) -> None:
    answer = client.get(download_path(study.id, kind))
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["content-type"] == MEDIA[kind.rsplit(".")[-1]]
    assert len(answer.content) > 200


def test_every_member_of_the_report_zip_can_be_had_by_itself(client, study: Study) -> None:
    whole = client.get(download_path(study.id, "report.zip")).content
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        for name in set(archive.namelist()) & set(MAKERS):
            assert client.get(download_path(study.id, name)).content == archive.read(name), name
    assert client.get(download_path(study.id, "figures/nothing.svg")).status_code == 404
    assert client.get(download_path(study.id, "../report.json")).status_code == 404


def test_the_command_makes_the_same_zip_again(client, study: Study, tmp_path, capsys) -> None:
    whole = client.get(download_path(study.id, "report.zip")).content
    file, again = tmp_path / "report.zip", tmp_path / "again.zip"
    file.write_bytes(whole)
    with pytest.raises(SystemExit) as ended:
        main(["report", str(file), "--format", "zip", "--output", str(again)])
    assert not ended.value.code
    assert again.read_bytes() == whole


def test_page_csv_json_excel_and_zip_show_the_same_numbers(client, store, study: Study) -> None:
    whole = client.get(download_path(study.id, "report.zip")).content
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        told = json.loads(archive.read("report.json"))
    assert told == client.get(download_path(study.id, "report.json")).json()
    made = Reports(store).for_study(get_study(store, study.id))
    page = table4_html(made.report, "interval", Texts("en"))
    lines = client.get(download_path(study.id, "table4.csv")).content.decode("utf-8-sig")
    of_csv = {row["model"]: row for row in csv.DictReader(lines.splitlines())}
    latex = client.get(download_path(study.id, "table4.tex")).text
    book = load_workbook(io.BytesIO(client.get(download_path(study.id, "report.xlsx")).content))
    of_excel = {row[0]: row for row in book["Table"].iter_rows(min_row=2, values_only=True)}
    header = [cell.value for cell in book["Table"][1]]
    scores = client.get(download_path(study.id, "scores.csv")).content.decode("utf-8-sig")
    ratings = list(csv.DictReader(io.StringIO(scores)))
    for of_model in told["models"]:
        for dimension in DIMENSIONS:
            figures, name = of_model[dimension], of_model["model"]
            own = [int(r[dimension]) for r in ratings if r["model"] == name]
            assert figures["mean"] == sum(own) / len(own)
            excel = of_excel[name][header.index(f"{dimension}_mean")]
            assert excel == pytest.approx(figures["mean"], rel=1e-14)  # it writes 16 digits
            mean = of_csv[name][f"{dimension}_mean"]
            assert abs(float(mean) - figures["mean"]) <= 0.005 + 1e-9
            low, high = (of_csv[name][f"{dimension}_ci_{end}"] for end in ("low", "high"))
            shown = f"[{low}, {high}]" if low else ""
            assert shown in page
            assert f"{mean} {shown}".rstrip() in latex.replace("\\textbf{", "").replace("}", "")
            assert f">{mean}<" in page or f"> {mean} <" in page or f">{mean} <" in page


def shown(value: float | None, places: int) -> str:
    """A figure as a reader of the JSON would round it by hand."""
    if value is None:
        return "–"
    text = str(Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))
    return text.lstrip("-") if not float(text) else text


def shown_p(p: float | None) -> str:
    return "< 0.001" if p is not None and p < 0.001 else shown(p, 3)


def ends(figures: dict[str, Any]) -> str:
    low, high = figures["ci_low"], figures["ci_high"]
    return "–" if low is None else f"[{shown(low, 3)}, {shown(high, 3)}]"


def rows_by_hand(told: dict[str, Any]) -> list[list[str]]:
    """What every table that people read must hold, from the JSON alone."""
    rows = []
    for of in told["models"]:
        for name in DIMENSIONS:
            shares = of[name]["counts"].values()
            rows.append([of["model"], name, *(shown(100 * c / sum(shares), 1) for c in shares)])
            rows[-1].append(shown(100 * of[name]["acceptable"], 1))
    for name, of in told["agreement"].items():
        three = [shown(of[key], 3) for key in ("gwet_ac1", "gwet_ac2")]
        icc = [shown(of[key], 3) for key in ("icc_2_1", "icc_2_k")]
        equal = shown(100 * of["percent_agreement"], 1)
        alpha = [shown(of["krippendorff_alpha"], 3), ends(of)]
        rows.append([name, str(of["n_units"]), *alpha, *three, equal])
        rows[-1] += [str(of["n_units_all_raters"]), *icc]
    keys = ["p", "p_holm"]
    every = [pair for of in told["tests"].values() for pair in of["pairs"]]
    if any(shown_p(pair[key]) != shown_p(pair[f"{key}_tied"]) for pair in every for key in keys):
        keys += ["p_tied", "p_holm_tied"]
    for name, of in told["tests"].items():
        test = of["friedman"]
        df = "–" if test["df"] is None else str(test["df"])
        rows.append([name, str(of["n_complete_questions"]), str(of["n_left_out"])])
        rows[-1] += [shown(test["statistic"], 2), df, shown_p(test["p"])]
        rows[-1].append(shown(test["kendalls_w"], 3))
        for pair in of["pairs"]:
            figures = [*(shown_p(pair[key]) for key in keys), shown(pair["effect_size"], 2)]
            difference = shown(pair["mean_difference"], 2)
            rows.append([name, pair["a"], pair["b"], str(pair["n"]), difference, *figures])
    return rows


def more_rows_by_hand(told: dict[str, Any]) -> list[list[str]]:
    """What Word and Markdown hold besides."""
    rows = []
    for name, of in told["agreement"].items():
        for pair in of["pairs"]:
            kappa, equal = (
                shown(pair["weighted_kappa"], 3),
                shown(100 * pair["percent_agreement"], 1),
            )
            rows.append([name, pair["a"], pair["b"], str(pair["n"]), kappa, equal])
    for part in told["sensitivity"]:
        means = [shown(part[name], 2) for name in DIMENSIONS]
        rows.append([part["group"], part["model"], str(part["n_ratings"]), *means])
    return rows


def rows_of_page(html: str) -> list[list[str]]:
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", html, re.DOTALL)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in rows]
    return [[unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in row] for row in cells]


def rows_of_word(content: bytes) -> list[list[str]]:
    tables = docx.Document(io.BytesIO(content)).tables
    return [
        [cell.text.replace("\N{NO-BREAK SPACE}", " ") for cell in row.cells]
        for table in tables
        for row in table.rows
    ]


def rows_of_markdown(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.replace("\\", "").strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_every_table_that_people_read_holds_the_numbers_of_the_json(
    client: TestClient, store: Store, study: Study
) -> None:
    told = client.get(download_path(study.id, "report.json")).json()
    made = Reports(store).for_study(get_study(store, study.id))
    assert made is not None
    page = table4_html(made.report, "shares", Texts("en")) + tables_html(made.report, Texts("en"))
    in_chinese = tables_html(made.report, Texts("zh"))
    word = {
        language: rows_of_word(
            client.get(download_path(study.id, f"report_{language}.docx")).content
        )
        for language in ("zh", "en")
    }
    markdown = rows_of_markdown(client.get(download_path(study.id, "table4.md")).text)
    more = more_rows_by_hand(told)
    assert len(more) > 3 + 6
    for row in more:
        in_english = [title(cell) if cell in DIMENSIONS else cell for cell in row]
        if row[0] not in DIMENSIONS:  # which part it is stands before it, in words
            in_english = ["–" if cell in ("", "none") else cell for cell in row]
        found = [[*cells[-len(row) :]] for cells in (*word["en"], *markdown)]
        assert found.count(in_english) >= 2
    wanted = rows_by_hand(told)
    assert len(wanted) == 9 + 3 + 3 + 9
    for row in wanted:
        in_english = [title(cell) if cell in DIMENSIONS else cell for cell in row]
        translated = [name_zh(cell) if cell in DIMENSIONS else cell for cell in row]
        assert in_english in word["en"]
        assert in_english in markdown
        assert translated in word["zh"]
        if row[1] in DIMENSIONS:  # the page has a model's shares in the cells of Table 4
            (of_model,) = [r for r in rows_of_page(page) if r[:1] == row[:1] and len(r) == 5]
            shares = " / ".join(f"{share} %" for share in row[2:-1]) + f" · ≥ 2: {row[-1]} %"
            assert of_model[2 + DIMENSIONS.index(row[1])].endswith(shares)
        else:
            assert in_english in rows_of_page(page)
            assert translated in rows_of_page(in_chinese)


def test_excel_and_the_table_as_csv_hold_the_numbers_of_the_json(client, study: Study) -> None:
    told = client.get(download_path(study.id, "report.json")).json()
    book = load_workbook(io.BytesIO(client.get(download_path(study.id, "report.xlsx")).content))

    def rows(sheet: str) -> list[tuple[Any, ...]]:
        return list(book[sheet].iter_rows(values_only=True))

    def same(found: Sequence[Any], wanted: Sequence[Any]) -> None:
        assert list(found[: len(wanted)]) == [
            value if isinstance(value, str | None) else pytest.approx(value, rel=1e-14)
            for value in wanted
        ]

    for row, of in zip(rows("Table")[1:], told["models"], strict=False):
        wanted = [of["model"], of["n_ratings"], of["n_questions"]]
        for name in DIMENSIONS:
            wanted += [of[name][key] for key in ("mean", "sd", "ci_low", "ci_high")]
            wanted += [*of[name]["shares"].values(), of[name]["acceptable"]]
        same(row, wanted)
    agreement, tests = rows("Agreement"), rows("Tests")
    for row, (name, of) in zip(agreement[1:], told["agreement"].items(), strict=False):
        same(row, [name, *(of[key] for key in agreement[0][1:])])
    for row, (name, of) in zip(tests[1:], told["tests"].items(), strict=False):
        same(row, [name, *(of.get(key, of["friedman"].get(key)) for key in tests[0][1:7])])
    for sheet, key in ((agreement, "agreement"), (tests, "tests")):
        start = next(i for i, row in enumerate(sheet) if row[:3] == ("dimension", "a", "b"))
        pairs = [(name, pair) for name, of in told[key].items() for pair in of["pairs"]]
        assert len(sheet) == start + 1 + len(pairs)
        for row, (name, pair) in zip(sheet[start + 1 :], pairs, strict=True):
            same(row, [name, *(pair[column] for column in sheet[start][1:] if column)])


def test_models_stay_letters_in_every_file_until_they_are_unblinded(client, store: Store) -> None:
    study = new_study(store, name="Blind")
    for rater in new_raters(store, study, 2):
        for answer in answers_shown_to(store, rater):
            save_ratings(store, rater.id, [entry(answer.item, answer.item)])
    whole = client.get(download_path(study.id, "report.zip")).content
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        for name in archive.namelist():
            assert b"huatuo" not in archive.read(name).lower(), name
            if name.endswith(("docx", "xlsx")):
                with zipfile.ZipFile(io.BytesIO(archive.read(name))) as inner:
                    for part in inner.namelist():
                        assert b"huatuo" not in inner.read(part).lower(), f"{name}/{part}"


def test_the_score_csv_is_the_one_of_the_database(
    client: TestClient, store: Store, study: Study
) -> None:
    answer = client.get(download_path(study.id, "scores.csv"))
    assert answer.content == score_csv_bytes(score_rows(store, study.id))
    assert answer.content.startswith(b"\xef\xbb\xbfstudy,")
    assert answer.content.count(b"\r\n") == 1 + 2 * 9


@pytest.mark.parametrize("kind", FORMATS)
def test_the_command_makes_the_same_table_from_the_downloaded_scores(
    client: TestClient,
    study: Study,
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scores = tmp_path / "scores.csv"
    scores.write_bytes(client.get(download_path(study.id, "scores.csv")).content)
    table = client.get(download_path(study.id, kind)).content.decode("utf-8-sig")
    assert without_untold(table) == without_untold(report(capsys, scores, FORMATS[kind]))
    assert table.count("huatuo") >= (1 if kind.endswith("csv") else 4)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_holds_for_models_with_names_that_a_spreadsheet_would_run(
    client: TestClient,
    store: Store,
    kind: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    study = create_study(store, "=Studie, “A”")
    names = ("=1+1", "＝全角", "-x", "模型 \"b\", 'c'", "@y")
    add_question(store, study.id, "+问题\n第二行", [NewResponse(m, "答", "stop") for m in names])
    open_study(store, study.id, "anna")
    rate_everything(store, study)
    scores = tmp_path / "scores.csv"
    scores.write_bytes(client.get(download_path(study.id, "scores.csv")).content)
    table = client.get(download_path(study.id, kind)).content.decode("utf-8-sig")
    assert without_untold(table) == without_untold(report(capsys, scores, FORMATS[kind]))


def test_a_changed_score_is_in_the_next_download(client: TestClient, store: Store) -> None:
    study = new_study(store, name="Open")
    (rater,) = new_raters(store, study, 1)
    answer = answers_shown_to(store, rater)[0]
    save_ratings(store, rater.id, [entry(answer.item, "first", (3, 3, 3))])
    before = client.get(download_path(study.id, "table4.csv")).text
    save_ratings(store, rater.id, [entry(answer.item, "later", (1, 1, 1))])
    after = client.get(download_path(study.id, "table4.csv")).text
    assert "3.00" in before
    assert "3.00" not in after
    assert "1.00" in after


@pytest.mark.parametrize(
    "name",
    [
        "感冒试评",
        'a"b\\c; filename=evil.exe',
        "a\r\nSet-Cookie: x=1\nb",
        "../../etc/passwd",
        "100 % 'ok' <b>",
        "😀" * 40,
    ],
)
def test_any_name_of_a_study_makes_a_safe_file_name(
    client: TestClient, store: Store, name: str
) -> None:
    study = create_study(store, name)
    answer = client.get(download_path(study.id, "scores.csv"))
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    disposition = answer.headers["content-disposition"]
    plain, _, encoded = disposition.partition("; filename*=UTF-8''")
    assert plain == 'attachment; filename="scores.csv"'
    assert unquote(encoded) == f"{name}-scores.csv"
    assert set(encoded) <= set(
        "%-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    )


def test_a_very_long_name_still_makes_a_name_that_a_disk_takes(
    client: TestClient, store: Store
) -> None:
    study = create_study(store, "长" * 5000)
    disposition = client.get(download_path(study.id, "scores.csv")).headers["content-disposition"]
    name = unquote(disposition.partition("UTF-8''")[2])
    assert name.startswith("长长")
    assert name.endswith("-scores.csv")
    assert len(name.encode()) <= 255


@pytest.mark.parametrize("kind", FILES)
def test_a_study_without_scores_gives_files_without_figures(
    client: TestClient, store: Store, kind: str
) -> None:
    study = new_study(store)
    answer = client.get(download_path(study.id, kind))
    assert "huatuo" not in answer.text
    header = {"scores.csv": "study,question_id", "order.csv": "rater,"}
    assert answer.status_code == (200 if kind in header else 409)
    assert header.get(kind, "has no scores yet") in answer.text


@pytest.mark.parametrize("kind", ["table4.md", "table4.csv"])
def test_every_table_says_which_scale_it_is(client: TestClient, study: Study, kind: str) -> None:
    assert "not the System Usability Scale" in client.get(download_path(study.id, kind)).text


@pytest.mark.parametrize("study_id", ["nowhere", "' OR 1=1 --", "%00"])
def test_an_unknown_study_is_a_sentence(client: TestClient, study_id: str) -> None:
    answer = client.get(f"/export/{study_id}/scores.csv")
    assert answer.status_code == 404
    assert answer.text.startswith("There is no study")
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("kind", ["scores.xlsx", "SCORES.CSV", "table4"])
def test_an_unknown_kind_is_a_sentence(client: TestClient, study: Study, kind: str) -> None:
    answer = client.get(download_path(study.id, kind))
    assert (answer.status_code, answer.text) == (404, "There is no such file.")


def test_a_database_that_went_away_is_a_sentence(
    client: TestClient, store: Store, study: Study
) -> None:
    store.path.unlink()
    answer = client.get(download_path(study.id, "scores.csv"))
    assert answer.status_code == 503
    assert answer.text.startswith("There is no database at")
