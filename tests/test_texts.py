"""Every sentence that the page can ask for is there, in both languages, with its places filled."""

import ast
import string
from collections.abc import Iterator
from typing import get_args

import pytest
from jinja2 import nodes
from project import ROOT

from eval_ui.page import TABS
from eval_ui.rating.rating_page import KEYS
from eval_ui.report.exports import FILES
from eval_ui.report.report_html import SPREADS
from eval_ui.report.report_layout import FILTERED
from eval_ui.study.questions_step import PARTS
from eval_ui.study.study_tab import STEPS
from eval_ui.texts import CATALOGUE, Texts
from eval_ui.web.html_templates import environment
from medchat.scale import DIMENSIONS, FLAGS, SCORES
from storage import EVENTS
from storage.answering import JobState
from storage.board import RaterState
from storage.ratings import SPAN_KINDS
from storage.review import Decision

TEXTS = CATALOGUE.texts
FINISH_REASONS = ("stop", "length", "cancelled", "error")
MADE_KEYS = {
    *KEYS,
    *(f"rater_{state}" for state in get_args(RaterState)),
    *("specialty_column", "last_seen", "progress_column"),
    *(f"event_{event}" for event in EVENTS),
    *(f"tab_{name}" for name in (*TABS, *STEPS)),
    *(f"column_{part}" for part in PARTS),
    *(f"answers_{state}" for state in get_args(JobState)),
    *(f"review_{decision}" for decision in get_args(Decision) if decision),
    *("guide_zh", "guide_en"),
    *("open_yes", "unblind_yes"),
    *DIMENSIONS,
    *(f"{dimension}_question" for dimension in DIMENSIONS),
    *(f"{dimension}_{score}" for dimension in DIMENSIONS for score in SCORES),
    *(f"status_{reason}" for reason in FINISH_REASONS),
    *FILES.values(),
    *FILTERED.values(),
    *(f"spread_{spread}{end}" for spread in SPREADS for end in ("", "_note")),
    *(f"flag_{flag}" for flag in FLAGS),
    *(f"span_{kind}" for kind in SPAN_KINDS),
}
"""Keys that the source puts together or holds in a table."""


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def calls(folder: str) -> Iterator[tuple[str, ast.Call]]:
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def template_texts() -> Iterator[tuple[str, str, set[str]]]:
    """As ``asked_texts``, of the templates."""
    for name in environment().list_templates():
        source, *_ = environment().loader.get_source(environment(), name)
        for call in environment().parse(source).find_all(nodes.Call):
            if getattr(call.node, "name", "") == "texts":
                words = {keyword.key for keyword in call.kwargs}
                for part in (call.args[0], *call.args[0].find_all(nodes.Const)):
                    if isinstance(part, nodes.Const):
                        yield name, part.value, words


def asked_texts() -> Iterator[tuple[str, str, set[str]]]:
    """Where, key and words of every ``texts("key", …)`` and ``self._texts("key", …)``."""
    yield from template_texts()
    for where, call in calls("eval_ui"):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        if (
            name in ("texts", "_texts")
            and call.args
            and not isinstance(call.args[0], ast.JoinedStr)
        ):
            words = {keyword.arg or "" for keyword in call.keywords}
            for part in ast.walk(call.args[0]):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield where, part.value, words


def test_every_text_that_the_page_asks_for_is_there() -> None:
    asked = {key for _, key, _ in asked_texts()}
    assert len(asked) > 80, "the scan must find the calls"
    assert asked | MADE_KEYS <= set(TEXTS)


def test_every_place_in_a_text_is_filled_where_it_is_asked_for() -> None:
    wrong = [
        (where, key, places(TEXTS[key]["zh"]), words)
        for where, key, words in asked_texts()
        if places(TEXTS[key]["zh"]) != words
    ]
    assert wrong == []


def test_no_text_is_left_that_nothing_shows() -> None:
    constants = {
        node.value
        for file in (ROOT / "eval_ui").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
    }
    templates = {key for _, key, _ in template_texts()}
    assert set(TEXTS) - MADE_KEYS - constants - templates == set()


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_scale_is_never_taken_for_the_system_usability_scale(language: str) -> None:
    scale = Texts(language)("scale")
    for word in ("Safety", "Usability", "Smoothness", "System Usability Scale"):
        assert word in scale
    assert ("不是" if language == "zh" else "not the") in scale
