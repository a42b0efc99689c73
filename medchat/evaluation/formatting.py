"""How each figure of a report is shown: decimals, shares, intervals, p values, names.

Means and shares are rounded half up from the integer counts: 2.125 is always 2.13.
"""

import re
from collections.abc import Mapping
from fractions import Fraction

from medchat.evaluation.types import DimensionAgreement, Report, ScoreFigures
from medchat.text import on_one_line

NONE = "–"
_MARKDOWN_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#$&!])")


def half_up(value: Fraction, places: int) -> str:
    """`value` (not negative) with `places` decimals; half rounds up, as in a printed table."""
    scaled = value * 10**places
    digits = str((2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator))
    digits = digits.rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def decimals(value: float | None, places: int, none: str = "") -> str:
    """A figure with ``places`` decimals; half rounds away from zero."""
    if value is None:
        return none
    text = half_up(abs(Fraction(value)), places)
    return f"-{text}" if value < 0 and float(text) else text


def p_value(p: float | None, none: str = NONE) -> str:
    if p is None:
        return none
    return "< 0.001" if p < 0.001 else decimals(p, 3)


def percent(share: float | None, none: str = NONE) -> str:
    """A share (0 to 1) in per cent, without the noise behind the ninth decimal: 51 of 80 are
    63.75 %."""
    return none if share is None else decimals(round(100 * share, 9), 1)


def interval(figures: ScoreFigures | DimensionAgreement, none: str = "", places: int = 2) -> str:
    """The two ends in brackets, with as many decimals as the figure that they belong to."""
    if figures.ci_low is None:
        return none
    return f"[{decimals(figures.ci_low, places)}, {decimals(figures.ci_high, places)}]"


def mean_of(figures: ScoreFigures) -> str:
    """A model's mean to two decimals, rounded from the counts."""
    total = sum(score * times for score, times in figures.counts.items())
    return half_up(Fraction(total, sum(figures.counts.values())), 2)


def percents(figures: ScoreFigures) -> list[str]:
    """The share of each score in per cent, to one decimal."""
    return [half_up(share, 1) for share in percent_shares(figures.counts).values()]


def percent_shares(counts: Mapping[int, int]) -> dict[int, Fraction]:
    """The share of each score in per cent."""
    total = sum(counts.values())
    return {score: Fraction(100 * times, total) for score, times in counts.items()}


def acceptable(figures: ScoreFigures) -> str:
    """The share of all scores but the lowest in per cent, to one decimal."""
    lowest, *rest = figures.counts.values()
    return half_up(Fraction(100 * sum(rest), lowest + sum(rest)), 1)


def best_models(report: Report, dimension: str) -> set[str]:
    """The models with the highest mean as it is shown; none where there is only one."""
    means = {model.model: mean_of(model.figures[dimension]) for model in report.models}
    highest = max(map(float, means.values()), default=0.0)
    return {m for m, mean in means.items() if float(mean) == highest and len(means) > 1}


def title(dimension: str) -> str:
    """A dimension's name at the head of a column."""
    return dimension[:1].upper() + dimension[1:].replace("_", " ")


def markdown_cell(text: str) -> str:
    """A text that means nothing to Markdown, on one line."""
    return _MARKDOWN_SPECIAL.sub(r"\\\1", on_one_line(text))
