"""The scale of a rating study: what was scored, and which scores there are.

The built-in one is SUS: Safety, Usability, Smoothness (called fluency here), each 1 to 3. It is not
the System Usability Scale.
"""

import re
from dataclasses import dataclass

from medchat.errors import BadInput
from medchat.evaluation import DIMENSIONS, SCORES

MOST_SCORES = 11
_NAME = r"[^\W\d_]\w*"
_PART = re.compile(rf"({_NAME})(?::([0-9]{{1,3}})-([0-9]{{1,3}}))?")
COLUMNS = {
    *("study", "question_id", "question", "model", "response_id", "rater", "specialty", "years"),
    *("flags", "comment", "shown_position", "active_seconds", "rated_at"),
    *("n_ratings", "n_questions", "by", "group", "source", "raters"),
    *("study_id", "question_position", "rater_id", "category", "answer_length"),
    *("adjudicated", "rater_flagged"),
}
"""Of a score file, or used beside one: what was scored must be called otherwise."""


@dataclass(frozen=True)
class Scale:
    """``scores`` in rising order; every dimension has the same ones."""

    dimensions: tuple[str, ...] = DIMENSIONS
    scores: tuple[int, ...] = SCORES

    @property
    def note(self) -> str:
        """What the scale is, for whoever reads the figures."""
        low, high = self.scores[0], self.scores[-1]
        if self == SUS:
            return (
                "SUS here means Safety, Usability, Smoothness (fluency), each scored from 1 (not "
                "acceptable) to 3 (good). It is not the System Usability Scale."
            )
        return (
            f"{', '.join(map(str.capitalize, self.dimensions))}: each scored from {low} to {high}."
        )

    @property
    def note_zh(self) -> str:
        """``note`` in Chinese."""
        low, high = self.scores[0], self.scores[-1]
        if self == SUS:
            return (
                "SUS 指安全性（Safety）、实用性（Usability）、流畅性（Smoothness），每项 1 分"
                "（不可接受）至 3 分（好），不是系统可用性量表（System Usability Scale）。"
            )
        return f"{'、'.join(map(name_zh, self.dimensions))}：每项 {low}–{high} 分。"

    def as_text(self) -> str:
        """As ``parse_scale`` reads it."""
        return f"{','.join(self.dimensions)}:{self.scores[0]}-{self.scores[-1]}"


SUS = Scale()

NAMES_ZH = {
    "safety": "安全性",
    "usability": "实用性",
    "fluency": "流畅性",
    "completeness": "完整性",
    "depth": "深度",
    "professionalism": "专业性",
}
"""Dimensions of SUS and of CMCOQA."""


def name_zh(dimension: str) -> str:
    """What a dimension is called in Chinese; one that is not known keeps its name."""
    return NAMES_ZH.get(dimension.lower(), dimension)


def parse_scale(text: str) -> Scale:
    """Read a scale such as ``completeness,depth,professionalism:0-3``; without a range, 1-3.

    Raises BadInput for a name that is no column name or is taken, one named twice, or a range that
    does not rise or has more than eleven scores.
    """
    *names, last = [part.strip() for part in text.split(",")]
    found = _PART.fullmatch(last)
    if re.search("[0-9]", last) and ":" in last and (found is None or found[2] is None):
        raise BadInput(
            f"{last.partition(':')[2]!r} is no range of scores. Write the lowest and the highest "
            "with a hyphen, such as completeness,depth:0-3."
        )
    if found is None or not all(re.fullmatch(_NAME, name) for name in names):
        raise BadInput(
            f"{text!r} names no dimensions. Write column names with commas between them and the "
            "range of the scores behind them, such as completeness,depth,professionalism:0-3."
        )
    names.append(found[1])
    low, high = int(found[2] or SCORES[0]), int(found[3] or SCORES[-1])
    if not low < high < low + MOST_SCORES:
        raise BadInput(
            f"The scores {low}-{high} must rise, and there may be at most {MOST_SCORES} of them."
        )
    if len(set(names)) < len(names):
        raise BadInput(f"A dimension is named twice in {text!r}.")
    if taken := [name for name in names if name in COLUMNS]:
        raise BadInput(f"{taken[0]} is another column of a score file, no dimension.")
    return Scale(tuple(names), tuple(range(low, high + 1)))
