"""The charts of a report: which panels, marks and words each has.

Takes what ``make_report`` returns. Knows nothing about files, fonts and pages.
"""

import math
from collections.abc import Callable, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from medchat.errors import Language
from medchat.evaluation.formatting import decimals, half_up, percent_shares, title
from medchat.evaluation.types import DimensionAgreement, PublishedFigures, Report, ScoreFigures
from medchat.evaluation.writers.canvas import INK, LINE, QUIET
from medchat.scale import NAMES_ZH
from medchat.text import columns as text_columns
from medchat.text import shorten_middle

WIDTH = 7.2
"""Inches: two columns of a paper."""
MAX_NAME_COLUMNS = 24
"""Columns of a model's name; a Chinese character takes two."""
MAX_NUMBERED_RATERS = 12
"""With more raters the cells of their matrix hold no numbers."""
EMPTY = "#e5e7eb"
STEPS = ("#f6bd7b", "#6fa8a0", "#0f4c5c")
"""From the lowest score to the highest, ever darker, so that they differ without red and green, and
in grey."""

_WORDS = {
    "share": ("评分占比（%）", "Share of ratings (%)"),
    "score": ("{} 分", "score {}"),
    "mean": ("平均分（95% 区间）", "Mean (95 % interval)"),
    "published": ("文献报告值", "as published"),
    "kappa": ("二次加权 κ", "quadratic weighted κ"),
    "ratings": ("累计评分数", "Ratings so far"),
}


def shares_chart(report: Report, language: Language = "en") -> Figure | None:
    """Stacked shares of each score per model, a panel per dimension."""
    models, scores = report.models, report.scale.scores
    if not models:
        return None
    figure, panels = _panels(report, len(models), language)
    colours = _steps(len(scores))
    digit = 1.2 * min(len(panels), 3)  # per cent of a panel that one takes
    for axes, dimension in zip(panels, report.scale.dimensions, strict=True):
        starts = np.zeros(len(models))
        for score, colour in zip(scores, colours, strict=True):
            shares = [percent_shares(model.figures[dimension].counts)[score] for model in models]
            width = np.array([float(share) for share in shares])
            bars = axes.barh(range(len(models)), width, left=starts, color=colour, height=0.68)
            axes.bar_label(
                bars,
                [_label(share, digit) for share in shares],
                label_type="center",
                color=_readable_on(colour),
                fontsize=7.5,
            )
            starts += width
        axes.set_xlim(0, 100)
        axes.set_xlabel(_word("share", language))
    _legend(figure, panels[0], scores, language)
    return figure


def means_chart(report: Report, language: Language = "en") -> Figure | None:
    """Means with intervals per model, a panel per dimension; published figures set apart below."""
    models, reference = report.models, report.reference
    if not models:
        return None
    figure, panels = _panels(report, len(models), language, reference)
    low, high = report.scale.scores[0], report.scale.scores[-1]
    margin = 0.05 * max(high - low, 1)
    for axes, dimension in zip(panels, report.scale.dimensions, strict=True):
        for position, entry in enumerate(models):
            _mean(axes, position, entry.figures[dimension])
        for position, row in enumerate(reference, start=len(models) + 1):
            mean = row.means[dimension]
            if mean is not None:
                axes.plot(mean, position, "D", mfc="white", mec=QUIET, markersize=5)
        if reference:
            axes.axhline(len(models) - 0.5, color=QUIET, lw=0.8)
        axes.set_xlim(low - margin, high + margin)
        axes.set_xticks(report.scale.scores)
        axes.grid(axis="x", color=LINE, lw=0.5)
        axes.set_axisbelow(True)
        axes.set_xlabel(_word("mean", language))
    return figure


def raters_chart(report: Report, language: Language = "en") -> Figure | None:
    """Weighted kappa of every two raters, a panel per dimension; grey where there is none."""
    agreement = report.agreement
    raters = max((len(part.raters) for part in agreement.values()), default=0)
    if raters < 2 or not any(part.pairs for part in agreement.values()):
        return None
    rows, columns = _grid(len(agreement), 2 if 6 < raters <= MAX_NUMBERED_RATERS else 3)
    size = (WIDTH, rows * (WIDTH / columns + 0.15) + 0.75)
    figure = Figure(figsize=size, layout="compressed")
    panels = _used(figure.subplots(rows, columns, squeeze=False), len(agreement))
    for index, (dimension, part) in enumerate(agreement.items()):
        axes = panels[index]
        axes.set_title(_word(dimension, language))
        image = _matrix(axes, _kappas(part))
        is_first, is_last = index % columns == 0, index + columns >= len(agreement)
        _name_raters(axes, part.raters, beside=is_first, below=is_last)
    bar = figure.colorbar(image, ax=panels, location="bottom", shrink=0.4, aspect=40, pad=0.02)
    bar.set_ticks([-1, -0.5, 0, 0.5, 1])
    bar.outline.set_visible(False)
    bar.set_label(_word("kappa", language))
    return figure


def progress_chart(report: Report, language: Language = "en") -> Figure | None:
    """Ratings so far, day by day, or hour by hour."""
    days = report.progress
    if not days:
        return None
    figure = Figure(figsize=(WIDTH, 2.4), layout="constrained")
    axes = figure.subplots()
    positions, name_of = _calendar([day.date for day in days])
    total = np.cumsum([day.ratings for day in days])
    edge = max(0.04 * (positions[-1] - positions[0]), 1)
    x, y = [positions[0], *positions], [0, *total]
    axes.fill_between(x, y, step="post", color=STEPS[-1], alpha=0.12, lw=0)
    axes.step(x, y, where="post", color=STEPS[-1], lw=1.4)
    if len(days) <= 60:
        axes.plot(positions, total, "o", color=STEPS[-1], markersize=3.5)
    end = (positions[-1], total[-1])
    axes.annotate(str(total[-1]), end, (0, 4), textcoords="offset points", ha="center")
    axes.set_xlim(positions[0] - edge, positions[-1] + edge)
    axes.set_ylim(0, max(total[-1], 1) * 1.18)
    ticks = _whole_numbers(positions[0], positions[-1])
    axes.set_xticks(ticks, [name_of(tick) for tick in ticks])
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="y", color=LINE, lw=0.5)
    axes.set_axisbelow(True)
    axes.set_ylabel(_word("ratings", language))
    if days[0].date.endswith("Z"):
        axes.set_xlabel("UTC")
    return figure


CHARTS: dict[str, Callable[[Report, Language], Figure | None]] = {
    "shares": shares_chart,
    "means": means_chart,
    "raters": raters_chart,
    "progress": progress_chart,
}


# -- pieces --


def _panels(
    report: Report, models: int, language: Language, reference: Sequence[PublishedFigures] = ()
) -> tuple[Figure, list[Axes]]:
    """A panel per dimension with a row per model, the first on top.

    Reference rows follow under a heading, which takes a row of its own.
    """
    dimensions = report.scale.dimensions
    names = [_short(model.model) for model in report.models]
    if reference:
        names += [_word("published", language), *(_short(row.model) for row in reference)]
    rows, columns = _grid(len(dimensions), 3)
    size = (WIDTH, 0.3 + rows * (0.85 + 0.32 * len(names)))
    figure = Figure(figsize=size, layout="constrained")
    panels = _used(figure.subplots(rows, columns, sharey=True, squeeze=False), len(dimensions))
    for axes, dimension in zip(panels, dimensions, strict=True):
        axes.set_title(_word(dimension, language), loc="left")
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        if reference:
            for heading in axes.get_yticklabels()[models : models + 1]:
                heading.set_color(QUIET)
    return figure, panels


def _grid(panels: int, widest: int) -> tuple[int, int]:
    """Rows and columns, of at most ``widest`` columns, that leave few cells empty."""
    rows = math.ceil(panels / widest)
    return rows, math.ceil(panels / rows)


def _used(grid: Any, panels: int) -> list[Axes]:
    """The first ``panels`` of a grid of axes; the others are removed."""
    cells = list(grid.flat)
    for axes in cells[panels:]:
        axes.remove()
    return cells[:panels]


def _label(share: Fraction, digit: float) -> str:
    """A share in a bar; none where it would not fit."""
    text = half_up(share, 0)
    return text if share >= digit * (len(text) - 0.1) else ""


def _mean(axes: Axes, position: int, figures: ScoreFigures) -> None:
    if figures.ci_low is not None and figures.ci_high is not None:
        ends = [figures.ci_low, figures.ci_high]
        axes.plot(ends, [position] * 2, color=STEPS[-1], lw=1.4, marker="|", markersize=7)
    axes.plot(figures.mean, position, "o", color=STEPS[-1], markersize=4.5)


def _legend(figure: Figure, axes: Axes, scores: Sequence[int], language: Language) -> None:
    """Above the panels; of many scores only the first is called one, so that a line holds them."""
    word = _word("score", language)
    many = len(scores) > 6
    labels = [str(s) if many and s != scores[0] else word.format(s) for s in scores]
    figure.legend(
        [bars[0] for bars in axes.containers],
        labels,
        loc="outside upper right",
        ncols=len(scores),
        frameon=False,
        handlelength=1.2,
        columnspacing=0.9 if many else 1.6,
    )


def _kappas(agreement: DimensionAgreement) -> Any:
    """Raters x raters, NaN where there is none."""
    index = {rater: index for index, rater in enumerate(agreement.raters)}
    table = np.full((len(index), len(index)), np.nan)
    for pair in agreement.pairs:
        if pair.weighted_kappa is not None:
            a, b = index[pair.a], index[pair.b]
            table[a, b] = table[b, a] = pair.weighted_kappa
    return table


def _matrix(axes: Axes, table: Any) -> Any:
    """Draws raters x raters, with the kappa of each cell or a dash where two raters have none."""
    cells = np.ma.masked_invalid(table)
    image = axes.pcolormesh(cells, cmap="BrBG", vmin=-1, vmax=1, edgecolors="white", lw=0.5)
    axes.set_aspect("equal")
    axes.set_ylim(len(table), 0)
    axes.set_facecolor(EMPTY)
    axes.spines[:].set_visible(False)
    size = 7.5 if len(table) <= 6 else 6
    for (row, column), value in np.ndenumerate(table):
        if len(table) <= MAX_NUMBERED_RATERS and row != column:
            is_defined = bool(np.isfinite(value))
            text = decimals(round(float(value), 9), 2) if is_defined else "–"
            colour = _readable_on(image.to_rgba(value)) if is_defined else QUIET
            x, y = column + 0.5, row + 0.5
            axes.text(x, y, text, ha="center", va="center", color=colour, fontsize=size)
    return image


def _name_raters(axes: Axes, raters: Sequence[str], beside: bool, below: bool) -> None:
    """Names beside and under a matrix; none where there are too many to be read."""
    readable = len(raters) <= 2 * MAX_NUMBERED_RATERS
    names = [shorten_middle(rater, 12) for rater in raters] if readable else []
    turned = len(names) > 4 or any(text_columns(name) > 8 for name in names)
    blank, centres = [""] * len(names), np.arange(len(names)) + 0.5
    size = 8.5 if len(names) <= MAX_NUMBERED_RATERS else 6
    axes.tick_params(length=0, colors=INK, labelsize=size)
    axes.set_xticks(centres, names if below else blank, rotation=90 if turned else 0)
    axes.set_yticks(centres, names if beside else blank)


def _calendar(days: Sequence[str]) -> tuple[list[int], Callable[[int], str]]:
    """The position of each day on an axis, and the name of a position.

    Days and hours in ISO form stand as far apart as they are, others one after the other.
    """
    try:
        if any("T" in day for day in days):
            moments = [datetime.fromisoformat(day) for day in days]
            return [m.toordinal() * 24 + m.hour for m in moments], _hour
        return [date.fromisoformat(day).toordinal() for day in days], _day
    except ValueError:
        return list(range(len(days))), lambda position: _short(days[position])


def _day(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()


def _hour(position: int) -> str:
    return f"{_day(position // 24)[5:]} {position % 24:02}:00"


def _whole_numbers(first: int, last: int) -> list[int]:
    """A few between the two, evenly spaced."""
    ticks = MaxNLocator(6, integer=True).tick_values(first, last)
    return [int(value) for value in ticks if first <= value <= last] or [first]


def _steps(count: int) -> list[Any]:
    ramp = matplotlib.colors.LinearSegmentedColormap.from_list("steps", STEPS)
    return [ramp(index / max(count - 1, 1)) for index in range(count)]


def _readable_on(colour: Any) -> str:
    """Ink or white, whichever stands out more (WCAG 2's contrast ratio)."""
    ground, ink = _luminance(colour), _luminance(matplotlib.colors.to_rgba(INK))
    return INK if (ground + 0.05) / (ink + 0.05) > 1.05 / (ground + 0.05) else "white"


def _luminance(colour: Any) -> float:
    """Relative luminance of an sRGB colour, 0 to 1."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def _word(key: str, language: Language) -> str:
    if key in _WORDS:
        return _WORDS[key][0 if language == "zh" else 1]
    if language == "zh" and key in NAMES_ZH:
        return NAMES_ZH[key]
    return _short(title(key))


def _short(name: str) -> str:
    return shorten_middle(name, MAX_NAME_COLUMNS)
