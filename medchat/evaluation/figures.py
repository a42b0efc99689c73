"""The pictures of a report, as SVG and PNG; the same report gives the same bytes.

Takes what `make_report` returns. Knows nothing about files and pages. Drawn by matplotlib without
its global state, so any thread may. Text in an SVG stays text; a PNG needs a font that has it, and
where none has Chinese characters those are drawn as boxes.
"""

import io
import unicodedata
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

Language = Literal["zh", "en"]
Kind = Literal["svg", "png"]
Report = Mapping[str, Any]

FIGURES = ("shares", "means", "raters", "progress")
WIDTH = 7.2
"""Inches: two columns of a paper."""
DOTS_PER_INCH = 200
LONGEST_NAME = 24
"""Columns of a model's name; a Chinese character takes two."""
MOST_NUMBERED = 12
"""Raters up to which the cells of their matrix hold numbers."""
INK, QUIET, LINE = "#1f2937", "#64748b", "#cbd5e1"
STEPS = ("#b45309", "#e9d8a6", "#0f766e")
"""From the lowest score to the highest: told apart by who sees no red or green, and in grey."""

_FONTS = ["Noto Sans CJK SC", "Microsoft YaHei", "PingFang SC", "SimHei", "DejaVu Sans"]
_WORDS = {
    "share": ("评分占比（%）", "Share of ratings (%)"),
    "score": ("{} 分", "score {}"),
    "mean": ("平均分（95% 区间）", "Mean (95 % interval)"),
    "published": ("文献报告值", "as published"),
    "kappa": ("加权 κ", "weighted κ"),
    "ratings": ("累计评分数", "Ratings so far"),
    "safety": ("安全性", "Safety"),
    "usability": ("实用性", "Usability"),
    "fluency": ("流畅性", "Fluency"),
}


def draw(report: Report, name: str, kind: Kind, language: Language = "en") -> bytes | None:
    """One of ``FIGURES``; None where the data cannot give it. Raises ValueError for another."""
    if name not in _PICTURES:
        raise ValueError(f"{name!r} is no picture: there are {', '.join(FIGURES)}.")
    with matplotlib.rc_context(_settings()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a machine without Chinese fonts
        figure = _PICTURES[name](report, language)
        return None if figure is None else _written(figure, kind)


def _settings() -> dict[Any, Any]:
    known = {font.name for font in font_manager.fontManager.ttflist}
    return {
        "font.family": [font for font in _FONTS if font in known] or ["DejaVu Sans"],
        "font.size": 8.5,
        "svg.fonttype": "none",
        "svg.hashsalt": "medchat",
        "axes.edgecolor": LINE,
        "axes.labelcolor": QUIET,
        "axes.titlesize": 9.5,
        "axes.titlecolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": QUIET,
        "ytick.color": INK,
        "text.color": INK,
        "text.parse_math": False,
        "axes.unicode_minus": False,
    }


def _written(figure: Figure, kind: Kind) -> bytes:
    buffer = io.BytesIO()
    if kind == "svg":
        FigureCanvasSVG(figure)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "MedChat"})
        fonts = ", ".join(f"'{font}'" for font in _FONTS)
        text = buffer.getvalue().decode()
        used = ", ".join(f"'{font}'" for font in matplotlib.rcParams["font.family"])
        return text.replace(used, f"{fonts}, sans-serif").encode()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


# -- the pictures --


def shares_figure(report: Report, language: Language = "en") -> Figure | None:
    """Stacked shares of each score per model, a panel per dimension."""
    models, scores = report["models"], report["scale"]["scores"]
    if not models:
        return None
    figure, panels = _panels(report, len(models), language)
    colours = _steps(len(scores))
    for axes, dimension in zip(panels, report["scale"]["dimensions"], strict=True):
        left = np.zeros(len(models))
        for score, colour in zip(scores, colours, strict=True):
            counts = [entry[dimension]["counts"] for entry in models]
            share = np.array([100 * c[str(score)] / sum(c.values()) for c in counts])
            bars = axes.barh(range(len(models)), share, left=left, color=colour, height=0.68)
            bars.set_label(_word("score", language).format(score))
            axes.bar_label(
                bars,
                [f"{value:.0f}" if value >= 9 else "" for value in share],
                label_type="center",
                color=_readable_on(colour),
                fontsize=7.5,
            )
            left += share
        axes.set_xlim(0, 100)
        axes.set_xlabel(_word("share", language))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(scores), frameon=False)
    return figure


def means_figure(report: Report, language: Language = "en") -> Figure | None:
    """Means with intervals per model, a panel per dimension; published figures set apart below."""
    models, reference = report["models"], report["reference"]
    if not models:
        return None
    figure, panels = _panels(report, len(models), language, reference)
    scores = report["scale"]["scores"]
    for axes, dimension in zip(panels, report["scale"]["dimensions"], strict=True):
        for place, entry in enumerate(models):
            found = entry[dimension]
            if found["ci_low"] is not None:
                axes.plot([found["ci_low"], found["ci_high"]], [place] * 2, color=STEPS[-1], lw=1.6)
            axes.plot(found["mean"], place, "o", color=STEPS[-1], markersize=5)
        for place, row in enumerate(reference, start=len(models)):
            if row[dimension] is not None:
                axes.plot(row[dimension], place, "D", mfc="white", mec=QUIET, markersize=5)
        if reference:
            axes.axhline(len(models) - 0.5, color=LINE, lw=0.8)
        axes.set_xlim(scores[0] - 0.05, scores[-1] + 0.05)
        axes.set_xticks(scores)
        axes.grid(axis="x", color=LINE, lw=0.5)
        axes.set_axisbelow(True)
        axes.set_xlabel(_word("mean", language))
    return figure


def raters_figure(report: Report, language: Language = "en") -> Figure | None:
    """Weighted kappa of every two raters, a panel per dimension; grey where there is none."""
    found = report["agreement"]
    raters = next(iter(found.values()))["raters"] if found else []
    if len(raters) < 2 or not any(of["pairs"] for of in found.values()):
        return None
    side = WIDTH / len(found)
    figure = Figure(figsize=(WIDTH, side + 0.55), layout="constrained")
    panels = figure.subplots(1, len(found), squeeze=False)[0]
    colours = matplotlib.colormaps["BrBG"].with_extremes(bad="#e5e7eb")
    for axes, (dimension, of) in zip(panels, found.items(), strict=True):
        table = np.full((len(raters), len(raters)), np.nan)
        for pair in of["pairs"]:
            if pair["weighted_kappa"] is not None:
                a, b = raters.index(pair["a"]), raters.index(pair["b"])
                table[a, b] = table[b, a] = pair["weighted_kappa"]
        image = axes.imshow(np.ma.masked_invalid(table), cmap=colours, vmin=-1, vmax=1)
        _number(axes, table)
        axes.set_title(_word(dimension, language))
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, colors=INK)
        few = len(raters) <= 2 * MOST_NUMBERED
        names = [shortened(rater, 8) for rater in raters] if few else []
        axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 6 else 0)
        axes.set_yticks(range(len(names)), names if axes is panels[0] else [""] * len(names))
    bar = figure.colorbar(
        image, ax=list(panels), location="bottom", shrink=0.4, aspect=40, pad=0.02
    )
    bar.outline.set_visible(False)
    bar.set_label(_word("kappa", language))
    return figure


def progress_figure(report: Report, language: Language = "en") -> Figure | None:
    """Ratings so far, day by day."""
    days = report["progress"]
    if not days:
        return None
    figure = Figure(figsize=(WIDTH, 2.4), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(days))
    total = np.cumsum([day["ratings"] for day in days])
    axes.bar(place, total, color=STEPS[-1], width=0.6 if len(days) < 40 else 1.0)
    if len(days) <= 14:
        for x, y in zip(place, total, strict=True):
            axes.annotate(str(y), (x, y), (0, 2), textcoords="offset points", ha="center")
    step = max(1, -(-len(days) // 8))
    axes.set_xticks(place[::step], [day["date"] for day in days][::step])
    axes.set_xlim(-0.8, max(len(days), 4) - 0.2)
    axes.set_ylim(0, total[-1] * 1.15)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_ylabel(_word("ratings", language))
    return figure


_PICTURES: dict[str, Callable[[Report, Language], Figure | None]] = {
    "shares": shares_figure,
    "means": means_figure,
    "raters": raters_figure,
    "progress": progress_figure,
}


# -- pieces --


def _panels(
    report: Report, models: int, language: Language, reference: Sequence[Mapping[str, Any]] = ()
) -> tuple[Figure, list[Axes]]:
    """A panel per dimension with a row per model, the first on top, then the reference rows."""
    dimensions = report["scale"]["dimensions"]
    rows = models + len(reference)
    figure = Figure(figsize=(WIDTH, 1.15 + 0.32 * rows), layout="constrained")
    found = figure.subplots(1, len(dimensions), sharey=True, squeeze=False)[0]
    published = f"\n({_word('published', language)})"
    names = [shortened(entry["model"]) for entry in report["models"]]
    names += [shortened(row["model"]) + published for row in reference]
    for axes, dimension in zip(found, dimensions, strict=True):
        axes.set_title(_word(dimension, language), loc="left")
        axes.set_ylim(rows - 0.5, -0.5)
        axes.set_yticks(range(rows), names)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    return figure, list(found)


def _number(axes: Axes, table: Any) -> None:
    if len(table) > MOST_NUMBERED:
        return
    size = 7.5 if len(table) <= 6 else 5.5
    for (row, column), value in np.ndenumerate(table):
        if np.isfinite(value):
            colour = "white" if abs(value) > 0.65 else INK
            axes.text(
                column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=size
            )


def _steps(count: int) -> list[Any]:
    ramp = matplotlib.colors.LinearSegmentedColormap.from_list("steps", STEPS)
    return [ramp(index / max(count - 1, 1)) for index in range(count)]


def _readable_on(colour: Any) -> str:
    red, green, blue, _ = colour
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"


def _word(key: str, language: Language) -> str:
    if key in _WORDS:
        return _WORDS[key][0 if language == "zh" else 1]
    return shortened(key[:1].upper() + key[1:])


def shortened(text: str, most: int = LONGEST_NAME) -> str:
    """On one line of at most ``most`` columns, without control characters."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    width, kept = 0, ""
    for letter in text:
        width += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if width > most:
            return f"{kept.rstrip()}…"
        kept += letter
    return kept
