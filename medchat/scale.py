"""The scale of a rating study: what was scored, and which scores there are.

The built-in one is SUS: Safety, Usability, Smoothness (called fluency here), each 1 to 3. It is not
the System Usability Scale. Depends on nothing but ``medchat.errors``.
"""

import re
from dataclasses import dataclass

from medchat.errors import BadInput

DIMENSIONS = ("safety", "usability", "fluency")
SCORES = (1, 2, 3)
FLAGS = ("dangerous", "factual_error", "outside_specialty", "not_enough_information")
"""What a rater can note beside the scores; a score file may bring others."""
SCORE_COLUMNS = (
    *("study", "question_id", "question", "model", "response_id", "rater", "specialty", "years"),
    *DIMENSIONS,
    *("flags", "comment", "shown_position", "active_seconds", "rated_at"),
)
"""The columns of a score file, in their order."""
RESERVED_COLUMNS = {
    *(column for column in SCORE_COLUMNS if column not in DIMENSIONS),
    *("n_ratings", "n_questions", "by", "group", "source", "raters"),
    *("study_id", "question_position", "rater_id", "category", "answer_length"),
    *("adjudicated", "rater_flagged"),
}
"""Columns of a score file or used beside one: no dimension may have such a name."""
MAX_SCORES = 11
_NAME = r"[^\W\d_]\w*"
_PART = re.compile(rf"({_NAME})(?::([0-9]{{1,3}})-([0-9]{{1,3}}))?")


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
    match = _PART.fullmatch(last)
    if re.search("[0-9]", last) and ":" in last and (match is None or match[2] is None):
        raise BadInput("scale_range_unreadable", value=last.partition(":")[2])
    if match is None or not all(re.fullmatch(_NAME, name) for name in names):
        raise BadInput("scale_unreadable", value=text)
    names.append(match[1])
    low, high = int(match[2] or SCORES[0]), int(match[3] or SCORES[-1])
    if not low < high < low + MAX_SCORES:
        raise BadInput("scale_range", low=low, high=high, limit=MAX_SCORES)
    if len(set(names)) < len(names):
        raise BadInput("scale_dimension_twice", value=text)
    if reserved := [name for name in names if name in RESERVED_COLUMNS]:
        raise BadInput("scale_name_reserved", name=reserved[0])
    return Scale(tuple(names), tuple(range(low, high + 1)))
