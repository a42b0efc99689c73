"""How a study was held, as far as that is known; a score file alone does not hold it.

Goes with the report, and with the zip from which the report is made again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict


@dataclass(frozen=True)
class Conduct:
    """None, or an empty text, where nobody said.

    ``blind``: raters did not know the models. ``independent``: no rater saw another's scores.
    ``balanced``: questions and answers stood in balanced orders, which follow from ``order_seed``.
    ``one_by_one``: one answer on the screen at a time, or all of a question. ``raters_invited``
    counts those who never came too. ``practice_items``: items with feedback before the first score;
    ``repeats``: questions that a rater silently got twice, at most. ``answers_masked``,
    ``answers_excluded`` and ``answers_kept``: what became of answers that seemed to tell their
    model. ``skipped``: showings of an answer that a rater left without a score, and said so.
    ``answers_from`` and ``answers_to``: when the first and last answer was made or taken in, in
    UTC. ``generation``: what each model's answers were made with. ``order_seed`` and
    ``generation`` would tell the models: they are None while the study is blind. ``guide_zh`` and
    ``guide_en``: what raters read. ``end_code``: the end that the study showed when it was locked,
    against which its records can be verified.
    """

    __pydantic_config__: ClassVar = ConfigDict(strict=True, extra="forbid")
    """Read from JSON, no field may be of another kind."""

    blind: bool | None = None
    independent: bool | None = None
    balanced: bool | None = None
    order_seed: int | None = None
    one_by_one: bool | None = None
    raters_invited: int | None = None
    practice_items: int | None = None
    repeats: int | None = None
    answers_masked: int | None = None
    answers_excluded: int | None = None
    answers_kept: int | None = None
    skipped: int | None = None
    answers_from: str | None = None
    answers_to: str | None = None
    generation: Mapping[str, str] | None = None
    guide_zh: str = ""
    guide_en: str = ""
    end_code: str | None = None
