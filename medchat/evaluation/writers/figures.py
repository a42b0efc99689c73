"""The figures of a report, as SVG and PNG; the same report gives the same bytes on every machine.

Takes what ``make_report`` returns. matplotlib is imported with the first figure, not before.
"""

from typing import Literal

from medchat.errors import Language
from medchat.evaluation.types import Report

Kind = Literal["svg", "png"]
FIGURES = ("shares", "means", "raters", "progress")


def draw(report: Report, name: str, kind: Kind, language: Language = "en") -> bytes | None:
    """One of ``FIGURES``; None where the data cannot give it. Raises ValueError for another."""
    if name not in FIGURES:
        raise ValueError(f"{name!r} is no figure: there are {', '.join(FIGURES)}.")
    from medchat.evaluation.writers.canvas import encode, prepare_canvas
    from medchat.evaluation.writers.charts import CHARTS

    with prepare_canvas():
        chart = CHARTS[name](report, language)
        return None if chart is None else encode(chart, kind)
