"""The figures of a report: they open, show its numbers, and are the same to the byte."""

import hashlib
import io
import itertools
import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.font_manager import _get_font
from matplotlib.ft2font import FT2Font
from PIL import Image
from project import ROOT
from typed_report import draw, means_chart, progress_chart, raters_chart, shares_chart, typed

from medchat.evaluation.writers import canvas, charts
from medchat.evaluation.writers.figures import FIGURES
from medchat.scale import NAMES_ZH

SUS = ("safety", "usability", "fluency")
REFERENCE = [{"model": "Paper", "source": "A 2023", "safety": 1.5, "usability": None, "fluency": 3}]
DAYS = [("2026-11-02", 5), ("2026-11-03", 7), ("2026-11-23", 1)]
SVG = "{http://www.w3.org/2000/svg}"


def report_of(
    models: Sequence[str] = ("LLaMA", "ChatGLM"),
    dimensions: Sequence[str] = SUS,
    scores: Sequence[int] = (1, 2, 3),
    raters: Sequence[str] = ("r1", "r2", "王医生"),
    days: Sequence[tuple[str, int]] = DAYS,
    reference: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    pairs = [
        {"a": a, "b": b, "n": 9, "weighted_kappa": 0.9 - 0.1 * k, "percent_agreement": 0.5}
        for k, (a, b) in enumerate(itertools.islice(itertools.combinations(raters, 2), 15))
    ]
    return {
        "scale": {"dimensions": list(dimensions), "scores": list(scores)},
        "models": [
            {"model": name, "n_ratings": 30, "n_questions": 10}
            | {item: scored(position + column, scores) for column, item in enumerate(dimensions)}
            for position, name in enumerate(models)
        ],
        "reference": list(reference),
        "agreement": {item: {"raters": list(raters), "pairs": pairs} for item in dimensions},
        "progress": [{"date": day, "ratings": ratings} for day, ratings in days],
    }


def scored(seed: int, scores: Sequence[int]) -> dict[str, Any]:
    counts = [1 + (seed * 7 + 3 * score) % 11 for score in scores]
    mean = sum(s * n for s, n in zip(scores, counts, strict=True)) / sum(counts)
    counted = {str(s): n for s, n in zip(scores, counts, strict=True)}
    ends = {"ci_low": mean - 0.1, "ci_high": mean + 0.2}
    return {"mean": mean, "sd": 0.5, "counts": counted} | ends


def drawn(report: dict[str, Any], name: str, kind: Any = "svg", language: Any = "en") -> bytes:
    result = draw(report, name, kind, language)
    assert result is not None
    return result


def words(svg: bytes) -> list[str]:
    return ["".join(item.itertext()) for item in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def points(axes: Axes, marker: str) -> list[tuple[float, float]]:
    lines = [line for line in axes.lines if line.get_marker() == marker]
    return [(float(x), float(y)) for line in lines for x, y in line.get_xydata()]


# -- files --


@pytest.mark.parametrize("models", [1, 4, 30])
@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_opens_as_svg_and_as_png(name: str, models: int) -> None:
    report = report_of([f"model {n}" for n in range(models)], reference=REFERENCE)
    assert ElementTree.fromstring(drawn(report, name)).tag == f"{SVG}svg"
    with Image.open(io.BytesIO(drawn(report, name, "png"))) as image:
        assert image.width == round(charts.WIDTH * canvas.DOTS_PER_INCH)
        assert image.info["dpi"] == pytest.approx((200, 200), abs=0.1)
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_more_models_make_a_picture_higher() -> None:
    few, many = (report_of([f"m{n}" for n in range(count)]) for count in (4, 30))
    for name in ("shares", "means"):
        with (
            Image.open(io.BytesIO(drawn(few, name, "png"))) as low,
            Image.open(io.BytesIO(drawn(many, name, "png"))) as high,
        ):
            assert high.height > 3 * low.height


ANOTHER_PROCESS = """
import hashlib, json, sys
from medchat.evaluation.writers.figures import FIGURES
from typed_report import draw
report = json.load(sys.stdin)
every = [draw(report, n, k, "zh") for n in FIGURES for k in ("svg", "png")]
print(*[hashlib.sha256(each).hexdigest() for each in every])
"""
NO_FONTS = """
import matplotlib.font_manager as manager
manager.fontManager.ttflist.clear()
"""
OTHER_FONTS = """
import dataclasses, matplotlib.font_manager as manager
names = ["MedChat", "Noto Sans SC", "Noto Sans CJK SC", "DejaVu Sans"]
wrong = next(font for font in manager.fontManager.ttflist if font.name == "DejaVu Serif")
manager.fontManager.ttflist[:] = [dataclasses.replace(wrong, name=name) for name in names]
"""


def drawn_elsewhere(report: dict[str, Any], before: str, **environment: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", before + ANOTHER_PROCESS],
        input=json.dumps(report),
        env=os.environ | environment | {"PYTHONPATH": str(ROOT / "tests/fixtures")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Glyph" not in run.stderr
    assert "findfont" not in run.stderr
    return run.stdout


@pytest.mark.parametrize(
    "fonts", ["", NO_FONTS, OTHER_FONTS], ids=["as here", "no fonts", "other fonts"]
)
def test_the_bytes_are_the_same_again_and_on_another_machine(fonts: str, tmp_path: Path) -> None:
    """Another machine: no font list of its own, other settings, and other fonts or none."""
    report = report_of(["LLaMA", "华佗", "本草 α"], reference=REFERENCE)
    all_files = [(name, kind) for name in FIGURES for kind in ("svg", "png")]
    first, second = ([drawn(report, *item, "zh") for item in all_files] for _ in range(2))
    assert first == second
    settings = tmp_path / "matplotlibrc"
    settings.write_text("lines.linewidth: 9\nfigure.facecolor: black\n")
    elsewhere = drawn_elsewhere(
        report, fonts, PYTHONHASHSEED="1", MATPLOTLIBRC=str(settings), MPLCONFIGDIR=str(tmp_path)
    )
    assert elsewhere.split() == [hashlib.sha256(content).hexdigest() for content in first]


def test_the_fonts_have_every_character_of_a_chinese_report() -> None:
    texts = [*NAMES_ZH.values(), *(text for both in charts._WORDS.values() for text in both)]
    names = "北京协和医院主治医师张三李四㐂𠮷 LLaMA-7B ChatGLM_Med αβ ≥ – … 0123456789.%（）："
    characters = {ord(character) for text in [*texts, names] for character in text}
    available = [set(FT2Font(str(path)).get_charmap()) for path in canvas.FONT_FILES.values()]
    assert characters - {ord("㐂"), ord("𠮷")} <= set.union(*available)
    assert {ord(character) for text in texts for character in text} <= available[0]


def test_no_character_of_a_chinese_report_is_a_box(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warnings, "filterwarnings", lambda *_, **__: None)
    report = report_of(["LLaMA", "华佗", "本草 α"], reference=REFERENCE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, kind, language in itertools.product(FIGURES, ("svg", "png"), ("zh", "en")):
            drawn(report, name, kind, language)


def test_threads_draw_what_one_thread_draws_and_leave_no_setting_behind() -> None:
    report = report_of(["a$b$c", "华佗"])
    before = dict(matplotlib.rcParams)
    all_files = [(name, kind) for name in FIGURES for kind in ("svg", "png")] * 2
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda item: drawn(report, *item), all_files))
    assert together == [drawn(report, *item) for item in all_files]
    assert dict(matplotlib.rcParams) == before


# -- numbers --


@pytest.mark.parametrize("dimension", SUS)
def test_means_and_intervals_stand_where_the_report_has_them(dimension: str) -> None:
    report = report_of(["a", "b", "c"])
    axes = means_chart(report).axes[SUS.index(dimension)]
    result = [entry[dimension] for entry in report["models"]]
    assert points(axes, "o") == [(item["mean"], position) for position, item in enumerate(result)]
    keys = ("ci_low", "ci_high")
    ends = [(item[key], position) for position, item in enumerate(result) for key in keys]
    assert points(axes, "|") == ends
    low, high = axes.get_xlim()
    assert low < 1
    assert high > 3
    assert axes.yaxis_inverted()


def test_a_model_without_an_interval_has_its_mean_alone() -> None:
    report = report_of(["a"])
    report["models"][0]["safety"] |= {"sd": None, "ci_low": None, "ci_high": None}
    axes = means_chart(report).axes[0]
    assert points(axes, "|") == []
    assert len(points(axes, "o")) == 1
    assert draw(report, "means", "png") is not None


def test_published_means_are_hollow_diamonds_below_a_line_and_a_heading() -> None:
    report = report_of(["a", "b"], reference=REFERENCE)
    safety, usability, _ = means_chart(report).axes
    assert points(safety, "D") == [(1.5, 3)]
    assert points(usability, "D") == []
    (diamond,) = [line for line in safety.lines if line.get_marker() == "D"]
    assert diamond.get_markerfacecolor() == "white"
    assert [list(line.get_ydata()) for line in safety.lines].count([1.5, 1.5]) == 1
    labels = [label.get_text() for label in safety.get_yticklabels()]
    assert labels == ["a", "b", "as published", "Paper"]
    assert "文献报告值" in words(drawn(report, "means", "svg", "zh"))


@pytest.mark.parametrize("scores", [(1, 2, 3), (0, 1, 2, 3), tuple(range(11))])
def test_shares_are_those_of_the_counts_and_fill_the_bar(scores: tuple[int, ...]) -> None:
    report = report_of(["a", "b"], scores=scores)
    for axes, dimension in zip(shares_chart(report).axes, SUS, strict=True):
        for position, entry in enumerate(report["models"]):
            counts = list(entry[dimension]["counts"].values())
            bars = [container[position] for container in axes.containers]
            shares = [100 * n / sum(counts) for n in counts]
            assert [bar.get_width() for bar in bars] == pytest.approx(shares)
            starts = [0, *itertools.accumulate(shares)][:-1]
            assert [bar.get_x() for bar in bars] == pytest.approx(starts, abs=1e-9)


def test_a_share_is_rounded_half_up_and_left_out_where_it_does_not_fit() -> None:
    report = report_of(["a"], ["safety"])
    report["models"][0]["safety"]["counts"] = {"1": 25, "2": 173, "3": 2}
    assert [text.get_text() for text in shares_chart(report).axes[0].texts] == ["13", "87", ""]


@pytest.mark.parametrize("count", [2, 3, 4, 11])
def test_a_higher_score_is_darker_in_grey_too(count: int) -> None:
    weights = np.array([0.299, 0.587, 0.114])
    greys = [float(weights @ to_rgb(colour)) for colour in charts._steps(count)]
    steps = [lower - higher for lower, higher in itertools.pairwise(greys)]
    assert min(steps) > 0.3 / count


def test_the_matrix_of_raters_is_symmetric_and_blank_where_nothing_is_known() -> None:
    report = report_of(raters=["a", "b", "c"])
    report["agreement"]["safety"]["pairs"] = [
        {"a": "a", "b": "b", "n": 9, "weighted_kappa": 0.25, "percent_agreement": 0.5},
        {"a": "a", "b": "c", "n": 0, "weighted_kappa": None, "percent_agreement": None},
    ]
    axes = raters_chart(report).axes[0]
    table = axes.collections[0].get_array().reshape(3, 3)
    assert table[0, 1] == table[1, 0] == 0.25
    assert np.ma.count(table) == 2
    assert sorted(text.get_text() for text in axes.texts) == ["0.25"] * 2 + ["–"] * 4


@pytest.mark.parametrize(("raters", "numbered"), [(12, True), (13, False), (30, False)])
def test_cells_hold_numbers_for_up_to_twelve_raters(raters: int, numbered: bool) -> None:
    axes = raters_chart(report_of(raters=[f"r{n}" for n in range(raters)])).axes[0]
    assert bool(axes.texts) == numbered


def test_progress_adds_up_and_days_stand_as_far_apart_as_they_are() -> None:
    axes = progress_chart(report_of()).axes[0]
    result = points(axes, "o")
    assert [y for _, y in result] == [5, 12, 13]
    assert [x - result[0][0] for x, _ in result] == [0, 1, 21]
    assert axes.lines[0].get_drawstyle() == "steps-post"


@pytest.mark.parametrize(
    ("days", "printed"),
    [
        ([("2026-11-24", 3)], {"2026-11-24"}),
        ([("2026-11-24", 0)], {"2026-11-24"}),
        ([("0001-01-01", 3), ("9999-12-31", 1)], {"4"}),
        ([("24/11/2026", 3), ("25\x00$1$", 4)], {"24/11/2026", "25 $1$"}),
    ],
)
def test_any_days_can_be_drawn(days: list[tuple[str, int]], printed: set[str]) -> None:
    assert printed <= set(words(drawn(report_of(days=days), "progress")))
    assert drawn(report_of(days=days), "progress", "png")


# -- texts --


ODD = {
    "a$x_1$ <b>&amp; \\frac": "a$x_1$ <b>&amp; \\frac",
    "one\ntwo\x00\x1bthree": "one two three",
    "$\\undefined{": "$\\undefined{",
    "华佗" * 10: "华佗" * 4 + "…佗华佗",
    "\ud800\ufffe\u202e🏥": "🏥",
    "a_very_long_name_of_a_model_that_goes_on": "a_very_long_name…goes_on",
}


@pytest.mark.parametrize("name", ["shares", "means"])
def test_odd_names_are_shown_letter_by_letter(name: str) -> None:
    svg = drawn(report_of(list(ODD)), name)
    assert set(ODD.values()) <= set(words(svg))
    assert drawn(report_of(list(ODD)), name, "png")


def test_odd_raters_are_shown_letter_by_letter() -> None:
    report = report_of(raters=["$a$", "<b>\x00&"])
    assert {"$a$", "<b> &"} <= set(words(drawn(report, "raters")))


def test_texts_are_in_the_language_asked_for() -> None:
    zh, en = (words(drawn(report_of(), "shares", "svg", language)) for language in ("zh", "en"))
    assert {"安全性", "实用性", "流畅性", "评分占比（%）", "3 分"} <= set(zh)
    assert {"Safety", "Usability", "Fluency", "Share of ratings (%)", "score 3"} <= set(en)


def test_every_text_names_the_fonts_to_fall_back_to() -> None:
    expected = "'Noto Sans CJK SC', 'Microsoft YaHei', 'PingFang SC'"
    for name in FIGURES:
        root = ElementTree.fromstring(drawn(report_of(), name, "svg", "zh"))
        styles = [item.get("style", "") for item in root.iter(f"{SVG}text")]
        assert styles
        assert all(expected in style and "sans-serif" in style for style in styles)


def test_nothing_is_warned_of_or_logged(caplog, capfd) -> None:
    _get_font.cache_clear()
    report = report_of(list(ODD), reference=REFERENCE)
    with warnings.catch_warnings(record=True) as warned, caplog.at_level(logging.INFO):
        warnings.simplefilter("always")
        for name, kind, language in itertools.product(FIGURES, ("svg", "png"), ("zh", "en")):
            drawn(report, name, kind, language)
    assert not [str(item.message) for item in warned]
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


def test_names_are_shortened_by_the_columns_they_take() -> None:
    assert charts._short("a" * 24) == "a" * 24
    assert charts._short("a" * 30) == "a" * 16 + "…" + "a" * 7
    assert charts._short("模" * 30) == "模" * 8 + "…" + "模" * 3
    versions = [f"Llama-3.1-8B-Instruct-medical-v{n}" for n in (1, 2)]
    assert charts._short(versions[0]) != charts._short(versions[1])
    assert charts._short("a\nb\x00c") == "a b c"
    accented = "a\u0301" * 30
    assert charts._short(accented) == "a\u0301" * 16 + "…" + "a\u0301" * 7


# -- other scales, and none --


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7])
def test_any_number_of_dimensions_has_a_panel_each(count: int) -> None:
    dimensions = ["completeness", "depth", "professionalism", "d", "e", "f", "g"][:count]
    report = report_of(dimensions=dimensions, scores=(0, 1, 2, 3))
    for name in ("shares", "means", "raters"):
        assert {item.capitalize() for item in dimensions} <= set(words(drawn(report, name)))
    assert {"score 0", "score 3"} <= set(words(drawn(report, "shares")))
    assert list(means_chart(report).axes[0].get_xticks()) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(("dimensions", "scores"), [(6, 4), (3, 11), (1, 2)])
def test_nothing_lies_outside_the_picture(name: str, dimensions: int, scores: int) -> None:
    names = [*ODD, "a model with a long name", "\u6a21" * 12]
    report = report_of(
        names,
        [f"dimension_{n}" for n in range(dimensions)],
        range(scores),
        [f"rater number {n}" for n in range(12)],
    )
    with canvas.prepare_canvas():
        figure = charts.CHARTS[name](typed(report), "en")
        assert figure is not None
        agg = FigureCanvasAgg(figure)
        agg.draw()
        drawing = figure.get_tightbbox(agg.get_renderer())
    width, height = figure.get_size_inches()
    assert min(drawing.x0, drawing.y0) >= 0
    assert drawing.x1 <= width
    assert drawing.y1 <= height
    assert drawing.height > 0.85 * height, "no empty bands"


def test_what_the_data_cannot_give_is_none() -> None:
    bare = report_of([], raters=["r1"], days=[])
    assert [draw(bare, name, kind) for name in FIGURES for kind in ("svg", "png")] == [None] * 8
    assert draw(report_of() | {"agreement": {}}, "raters", "svg") is None


def test_an_unknown_figure_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'pie' is no figure: there are shares, means"):
        draw(report_of(), "pie", "svg")
