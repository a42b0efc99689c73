"""The reporting sheet: answered as far as the report tells, in both languages, gaps marked."""

import re
from dataclasses import asdict
from typing import Any

import pytest
from test_documents import told_report
from typed_report import fill_checklist

from medchat.errors import LANGUAGES
from medchat.evaluation.wording.checklist import checklist_markdown
from medchat.study.conduct import Conduct


def test_the_sheet_asks_what_three_guidelines_ask() -> None:
    items = fill_checklist(told_report())
    assert 25 <= len(items) <= 35
    assert {item.guideline for item in items} == {"CHART", "GRRAS", "HEDS"}
    names = [(item.guideline, item.item) for item in items]
    assert len(set(names)) == len(names)
    for item in items:
        assert list(asdict(item)) == [
            *("guideline", "item", "question_zh", "question_en"),
            *("answer_zh", "answer_en"),
            "filled",
        ]
        for answer in (item.answer_zh, item.answer_en):
            assert item.filled is (answer is not None)
            assert answer != ""


def test_the_sheet_is_filled_from_the_report() -> None:
    answers = {(i.guideline, i.item): i.answer_en for i in fill_checklist(told_report())}
    assert answers["CHART", "models"] == "LLaMA; ChatGLM; HuatuoGPT"
    assert answers["CHART", "questions"] == "21"
    assert answers["CHART", "harm"] == "dangerous: 4"
    assert answers["GRRAS", "number"] == "1 to 4 raters per answer, mean 2.00"
    assert "alpha 0.512 (95 % interval 0.301 to 0.698)" in answers["GRRAS", "coefficients"]
    assert answers["HEDS", "software"] == "MedChat 0.1.0"


def test_what_only_authors_know_is_left_to_them() -> None:
    gaps = {i.item for i in fill_checklist(told_report()) if not i.filled}
    assert {"ethics", "funding", "protocol", "sample", "source", "instructions"} <= gaps
    assert {"period", "experience", "retest", "order", "blinding"} <= gaps


def test_dates_and_years_fill_the_sheet_where_they_are_known() -> None:
    report = told_report(
        first_rated_at="2026-11-01T10:00:00+00:00",
        last_rated_at="2026-11-09T10:00:00+00:00",
        years={"min": 3.0, "max": 20.0, "mean": 8.25},
    )
    answers = {i.item: i.answer_en for i in fill_checklist(report)}
    assert answers["period"] == ("2026-11-01T10:00:00+00:00 to 2026-11-09T10:00:00+00:00 (UTC)")
    assert answers["experience"] == "3–20 years, mean 8.3"


def test_a_report_without_models_fills_nothing_with_nothing() -> None:
    report = told_report() | {"models": [], "agreement": {}, "tests": {}}
    answers = {i.item: i.answer_en for i in fill_checklist(report)}
    assert {answers[each] for each in ("models", "results", "coefficients", "missing")} == {None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_markdown_is_one_table_that_no_name_breaks(language: Any) -> None:
    items = fill_checklist(told_report(models=("<script>|`x`\n# $y$ [a](b)", "=cmd()")))
    lines = checklist_markdown(items, language).splitlines()
    assert len(lines) == len(items) + 2
    for line in lines:
        assert len(re.findall(r"(?<!\\)\|", line)) == 4
    whole = "\n".join(lines)
    assert r"\<script\>\|\`x\` \# \$y\$ \[a\](b)" in whole
    assert "<script>" not in whole
    gap = {"zh": "**待作者填写**", "en": "**to be filled in by the authors**"}[language]
    assert whole.count(gap) == sum(not item.filled for item in items)


def test_how_a_study_was_held_fills_gaps() -> None:
    before = {i.item for i in fill_checklist(told_report()) if not i.filled}
    conduct = Conduct(
        blind=True,
        independent=True,
        balanced=True,
        order_seed=97,
        raters_invited=6,
        skipped=4,
        one_by_one=True,
        practice_items=3,
        answers_from="2026-11-01T10:00:00+00:00",
        answers_to="2026-11-02T10:00:00+00:00",
        generation={"LLaMA": '{"temperature":0.5}'},
        guide_zh="安全性：…",
        guide_en="Safety: …",
    )
    report = told_report() | {"conduct": asdict(conduct)}
    items = {i.item: i for i in fill_checklist(report)}
    filled = {name for name in before if items[name].filled}
    assert filled == {
        *("blinding", "access", "settings", "runs"),
        *("training", "independent", "instructions", "order", "outcome"),
    }
    assert items["raters"].answer_zh.endswith("共邀请 6 名")
    assert items["missing"].answer_en.startswith("raters skipped an answer 4 times; safety: 2")
    assert items["settings"].answer_en == 'LLaMA: {"temperature":0.5}'
    assert items["instructions"].answer_zh == "安全性：…"
    assert items["order"].answer_zh.endswith("每次显示一个回答。")
    assert "one answer at a time" in items["order"].answer_en


def test_a_report_keeps_the_end_that_its_study_showed_when_it_was_locked() -> None:
    code = "4F0AZ-11M3P-Q7R2K-8XWBT"
    report = told_report() | {"conduct": asdict(Conduct(end_code=code))}
    items = {i.item: i for i in fill_checklist(report)}
    assert items["software"].answer_zh.endswith(f"研究锁定时的末端代码：{code}")
    assert items["software"].answer_en.endswith(f"when it was locked: {code}")


def test_repeats_answer_the_question_of_retest() -> None:
    found = {"n": 12, "percent_agreement": 0.75, "weighted_kappa": 0.5}
    consistency = dict.fromkeys(("safety", "usability", "fluency"), found) | {"raters": []}
    items = {i.item: i for i in fill_checklist(told_report() | {"consistency": consistency})}
    assert items["retest"].answer_en.startswith("safety: 75.0 % equal, n = 12; usability")
    assert items["retest"].answer_zh.startswith("安全性：75.0% 相同，n = 12；实用性")


def test_no_flags_are_an_answer_where_the_study_is_known() -> None:
    items = {i.item: i for i in fill_checklist(told_report(flags={}))}
    assert not items["harm"].filled
    known = told_report(flags={}) | {"conduct": asdict(Conduct(blind=True))}
    items = {i.item: i for i in fill_checklist(known)}
    assert (items["harm"].answer_zh, items["harm"].answer_en) == ("没有标记", "None")


def test_chinese_answers_are_chinese() -> None:
    for item in fill_checklist(told_report()):
        numbers_and_names = {"models", "questions", "subjects", "harm", "settings", "software"}
        if item.filled and item.item not in numbers_and_names:
            assert re.search("[一-鿿]", item.answer_zh), item
            assert not re.search("[一-鿿]", item.answer_en.replace("内科", "")), item
