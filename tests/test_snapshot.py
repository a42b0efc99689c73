"""A fixed study, written in every way that the program knows: nothing changes unnoticed.

The files under ``goldens/snapshot`` are what the program wrote. Where a change is meant, write
them anew (``MEDCHAT_WRITE_SNAPSHOT=1``) and read the difference. Pictures have tests of their own.
"""

import csv
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from html import unescape
from typing import Any

import docx
import httpx
import numpy as np
import pandas as pd
import pytest
from app_server import PASSWORD, AppServer
from openpyxl import load_workbook
from project import GOLDENS, NO_MODELS, ROOT

from eval_ui.report.report_html import SPREADS, table4_html, tables_html
from eval_ui.texts import LANGUAGES, Texts
from medchat.evaluation.bundle import Inputs, bundle
from medchat.evaluation.report import ReportSettings
from medchat.evaluation.writers.tables import as_csv, as_text
from medchat.evaluation.writers.word import as_docx
from medchat.evaluation.writers.workbook import as_xlsx
from medchat.scale import DIMENSIONS
from medchat.study.conduct import Conduct

FOLDER = GOLDENS / "snapshot"
MODELS = ["LLaMA-7B", "HuaTuo", "ChatGLM-Med", "=cmd()|a_b$x$ 华佗"]
PAGES = {"zh": "/", "en": "/en/", "rate.zh": "/rate/", "rate.en": "/en/rate/"}
CONDUCT = Conduct(
    blind=True,
    independent=True,
    balanced=True,
    order_seed=7,
    one_by_one=False,
    raters_invited=6,
    practice_items=3,
    repeats=2,
    answers_masked=1,
    answers_excluded=0,
    answers_kept=2,
    skipped=1,
    answers_from="2026-10-01T08:00:00+00:00",
    answers_to="2026-10-02T09:00:00+00:00",
    generation=dict.fromkeys(MODELS, "temperature 0.1, top-p 0.75"),
    guide_zh="请独立评分。",
    guide_en="Score on your own.",
    end_code="0123-4567",
)


def score_file() -> bytes:
    """8 questions, 4 models, 5 raters; one rater left out a question, another scores alike."""
    generator = np.random.default_rng(3)
    rows = [
        {
            "study": "试点 Pilot",
            "question_id": f"{question:03}",
            "question": f"问题 {question}？",
            "model": model,
            "response_id": f"a{question}-{place}",
            "rater": f"r{rater:02}",
            "specialty": ("内科", "外科", "", "儿科", "内科")[rater],
            "years": str(rater * 4 + 1),
            "safety": int(generator.integers(1, 4)),
            "usability": int(min(3, generator.integers(1, 4) + (place == 1))),
            "fluency": 3 if rater == 4 else int(generator.integers(2, 4)),
            "flags": "dangerous" if (question, rater) == (1, 1) else "",
            "comment": "'=1+1" if (question, rater) == (2, 2) else "",
            "shown_position": str(place + 1),
            "active_seconds": str(20 + question),
            "rated_at": f"2026-11-{question + 1:02}T10:{rater:02}:00+00:00",
        }
        for question in range(8)
        for place, model in enumerate(MODELS)
        for rater in range(5)
        if (question, rater) != (5, 3)
    ]
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def inputs() -> Inputs:
    answers = [f"a{question}-{place}" for question in range(8) for place in range(4)]
    repeats = pd.DataFrame(
        {"response_id": f"a{number}-0", "rater": f"r{rater:02}"}
        | dict.fromkeys(DIMENSIONS, 1 + number % 3)
        | {f"{dimension}_again": 1 + (number + rater) % 3 for dimension in DIMENSIONS}
        for number in range(2)
        for rater in range(3)
    )
    texts = pd.DataFrame(
        {
            "response_id": answer,
            "answer": f"多喝水，多休息，注意{answer[-1]}。",
            "reference": "多休息多喝水" if number % 3 else "",
        }
        for number, answer in enumerate(answers)
    )
    extras = pd.DataFrame(
        {
            "response_id": answer,
            "rater": f"r{rater:02}",
            "category": "内科" if number % 2 else "外科",
            "answer_length": 10 + number,
            "adjudicated": 0,
            "rater_flagged": int(rater == 4),
        }
        for number, answer in enumerate(answers)
        for rater in range(5)
    )
    settings = ReportSettings(bootstrap=200, raters_too=True, seed=5)
    published = ({"model": "Paper_1", "source": "A & B"} | dict.fromkeys(DIMENSIONS, 2.5),)
    return Inputs(score_file(), settings, published, extras, repeats, texts, CONDUCT)


def cells(content: bytes) -> str:
    book = load_workbook(io.BytesIO(content))
    lines = []
    for sheet in book:
        lines.append(f"== {sheet.title}")
        lines += ["\t".join(map(str, row)) for row in sheet.iter_rows(values_only=True)]
    return "\n".join(lines) + "\n"


def paragraphs(content: bytes) -> str:
    document = docx.Document(io.BytesIO(content))
    lines = [paragraph.text for paragraph in document.paragraphs]
    for table in document.tables:
        lines += ["==", *("\t".join(cell.text for cell in row.cells) for row in table.rows)]
    return "\n".join(lines) + "\n"


def words_of(html: str) -> str:
    """What a page shows, a piece between two tags on a line; and what a screen reader says."""
    html = re.sub(r"""<[^>]*?(?:aria-label|title)=["']([^"']*)["'][^>]*>""", r"<>\1<>", html)
    pieces = (unescape(piece).strip() for piece in re.split(r"<[^>]*>", html))
    return "\n".join(piece for piece in pieces if piece) + "\n"


def report_files() -> dict[str, str]:
    made = inputs()
    frame = made.frame()
    report = made.report(frame)
    files = {"report.csv": as_csv(report), "report.terminal.txt": as_text(report)}
    archive = zipfile.ZipFile(io.BytesIO(bundle(made, frame, report)))
    for name in archive.namelist():
        if not name.endswith((".png", ".svg", ".xlsx", ".docx", "SHA256SUMS")):
            files[f"zip/{name}"] = archive.read(name).decode()
    files["names.txt"] = "\n".join(archive.namelist()) + "\n"
    files["workbook.txt"] = cells(as_xlsx(report, frame))
    for language in LANGUAGES:
        files[f"word.{language}.txt"] = paragraphs(as_docx(report, language))
        texts = Texts(language)
        html = [table4_html(report, spread, texts) for spread in SPREADS]
        files[f"html.{language}.txt"] = words_of("".join([*html, tables_html(report, texts)]))
    return files


def texts_of(value: Any) -> Iterator[str]:
    """Every text of a page's components that a person may read."""
    if isinstance(value, str):
        if re.search(r"[一-鿿]|[A-Za-z]{2,} ", value) and "<function" not in value:
            yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in ("css", "js", "head", "theme", "stylesheets", "api_info", "theme_hash"):
                yield from texts_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("snapshot")
    with (
        AppServer(folder / "m.db", log=folder / "log", models=NO_MODELS) as app,
        httpx.Client(base_url=app.url, timeout=120, follow_redirects=True) as client,
    ):
        form = {"name": "coordinator", "password": PASSWORD, "to": "/"}
        assert client.post("/sign-in", data=form).is_success
        files = {}
        for name, path in PAGES.items():
            page = client.get(path)
            assert page.is_success, (path, page)
            found = re.search(r"window\.gradio_config = (\{.*?\});?</script>", page.text, re.DOTALL)
            assert found
            texts = sorted(set(texts_of(json.loads(found[1])["components"])))
            text = "\n".join(texts).replace(str(folder), "FOLDER").replace(str(ROOT), "ROOT")
            files[f"page.{name}.txt"] = text + "\n"
        return files


def compare(files: dict[str, str]) -> None:
    different = []
    for name, text in files.items():
        path = FOLDER / name
        if os.environ.get("MEDCHAT_WRITE_SNAPSHOT"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        elif path.read_bytes().decode() != text:
            different.append(name)
    assert different == []


def test_reports_are_written_as_before() -> None:
    files = report_files()
    assert json.loads(files["zip/report.json"])["models"]
    compare(files)


def test_pages_have_the_texts_they_had(pages: dict[str, str]) -> None:
    compare(pages)
