"""The methods paragraph: the study's own figures and no other."""

import re
from dataclasses import asdict
from typing import Any

import pandas as pd
import pytest
from test_documents import SUS, bare_report, told_report
from test_statistics import random_ratings
from typed_report import make_report, methods_paragraph

from medchat.errors import LANGUAGES
from medchat.evaluation.report import ReportSettings
from medchat.study.conduct import Conduct


def paragraphs(report: dict[str, Any]) -> list[str]:
    return [methods_paragraph(report, language) for language in LANGUAGES]


@pytest.mark.parametrize(
    "number",
    [
        *("5", "21", "63", "126", "2.00", "2000", "31"),  # up to rounds and seed
        *("0.512", "0.301", "0.698", "0.634", "17"),  # alpha, its ends, AC2, answers
        *("7.13", "p = 0.028", "0.188", "19", "0.1.0", "Holm", "Pratt", "Wilcoxon"),
    ],
)
def test_the_paragraph_holds_the_studys_numbers(number: str) -> None:
    for text in paragraphs(told_report()):
        assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", text), text


def test_the_paragraph_names_no_number_that_the_report_has_not() -> None:
    known = {"5", "3", "2", "63", "21", "1", "126", "4", "2.00", "95", "2000", "31", "0.512"}
    known |= {"0.301", "0.698", "0.634", "17", "7.13", "0.028", "0.188", "19", "0.1.0"}
    known |= {"0.05", "0.001"}  # what is called different, and the corrected p
    for text in paragraphs(told_report()):
        found = set(re.findall(r"(?<![A-Za-z\d])\d+(?:\.\d+)*", text))
        assert found <= known


def test_degrees_of_freedom_and_questions_left_out_are_told() -> None:
    chinese, english = paragraphs(told_report())
    assert "chi-squared(2) = 7.13" in english
    assert "19 questions; 2 questions left out as incomplete" in english
    assert "χ²(2) = 7.13" in chinese
    assert "2 道题因不完整未计入" in chinese


def test_a_tiny_p_is_below_a_thousandth() -> None:
    report = told_report()
    for each in SUS:
        report["tests"][each]["friedman"]["p"] = 0.0009
        report["tests"][each]["pairs"] = []
    for text in paragraphs(report):
        assert "p < 0.001" in text
        assert "p = 0.001" not in text


def test_raters_without_a_specialty_are_counted_too() -> None:
    chinese, english = paragraphs(told_report())
    assert "内科: 3, specialty not available: 2" in english
    assert "内科 3 名，专业未提供 2 名" in chinese


@pytest.mark.parametrize(
    ("blind", "english", "chinese"),
    [
        (True, "Raters did not know which model gave an answer.", "评分者不知道回答出自哪个模型。"),
        (False, "Raters knew which model gave an answer.", "评分者知道回答出自哪个模型。"),
        (None, "which model gave an answer is not available.", "哪个模型，数据未提供。"),
    ],
)
def test_blinding_is_claimed_only_where_somebody_told(
    blind: bool | None, english: str, chinese: str
) -> None:
    report = told_report() | {"conduct": asdict(Conduct(blind=blind))}
    assert [chinese in paragraphs(report)[0], english in paragraphs(report)[1]] == [True, True]


def test_nobody_is_called_blind_by_default() -> None:
    unknown = told_report() | {"conduct": asdict(Conduct())}
    assert paragraphs(told_report()) == paragraphs(unknown)


def test_how_a_study_was_held_is_told_as_far_as_it_is_known() -> None:
    conduct = Conduct(
        blind=True,
        independent=True,
        balanced=True,
        order_seed=97,
        one_by_one=False,
        practice_items=3,
        repeats=6,
        answers_masked=8,
        answers_excluded=0,
        answers_kept=11,
    )
    chinese, english = paragraphs(told_report() | {"conduct": asdict(conduct)})
    for told in (
        "balanced orders (seed 97), all answers of a question at once.",
        "3 practice items with feedback",
        "Up to 6 questions per rater",
        "8 answers had revealing words masked, 0 were excluded; 11 that might reveal their model",
        "No rater saw",
    ):
        assert told in english
    for told in (
        "（随机种子 97），同一题的回答同时显示。",
        "3 道带反馈的练习",
        "8 个回答的部分文字被遮盖，0 个回答被排除；另有 11 个可能暴露模型身份的回答按原文显示",
    ):
        assert told in chinese
    for text in paragraphs(told_report()):
        assert not [
            word for word in ("seed 97", "practice", "练习", "遮盖", "repeat") if word in text
        ]


def test_the_seed_is_not_told_while_a_study_is_blind() -> None:
    conduct = Conduct(blind=True, balanced=True, one_by_one=True)
    chinese, english = paragraphs(told_report() | {"conduct": asdict(conduct)})
    assert "stood in balanced orders, one answer at a time." in english
    assert "均经平衡，每次显示一个回答。" in chinese


def test_ratings_that_settled_disputes_are_told() -> None:
    """By whom and upon what, only of a study that was held here."""
    chinese, english = paragraphs(told_report(n_adjudicating=77))
    assert "77 ratings settled disputes and are part of the means, not of agreement." in english
    assert "77 条评分用于裁定分歧；" in chinese
    assert not [
        word for word in ("further", "safety (1", "另外", "1 对 3") if word in english + chinese
    ]
    held = {"conduct": asdict(Conduct(blind=True))}
    chinese, english = paragraphs(told_report(n_adjudicating=77) | held)
    assert "77 ratings by further raters settled disputes" in english
    assert "77 条评分由另外的评分者作出" in chinese


def test_repeats_and_references_are_told_with_their_figures() -> None:
    chinese, english = paragraphs(told_report())
    assert "twice by the same" not in english
    assert "BLEU" not in english + chinese
    twice = {"n": 7, "percent_agreement": 6 / 7, "weighted_kappa": None}
    nothing = {"n": 0, "percent_agreement": None, "weighted_kappa": None}
    found = {"safety": twice, "usability": twice | {"weighted_kappa": 0.5}, "fluency": nothing}
    models = [{"model": "m", "n": 20}, {"model": "n", "n": 21}]
    related = {"safety": {"n": 41, "bleu": None, "rouge_l": 0.5}}
    overlap = {"models": models, "correlation": related}
    more = {"consistency": found | {"raters": []}, "overlap": overlap}
    chinese, english = paragraphs(told_report() | more)
    assert (
        "Same score twice by the same rater: safety 85.7 % (quadratic weighted kappa not "
        "available, 7 repeated ratings); usability 85.7 % (quadratic weighted kappa 0.500, 7 "
        "repeated ratings)."
    ) in english
    assert (
        "安全性 85.7%（二次加权 κ 无法计算，7 次重复评分）；实用性 85.7%（二次加权 κ 0.500"
        in chinese
    )
    assert "For 41 answers with a reference answer, BLEU" in english
    assert "对 41 个有参考答案的回答计算 BLEU" in chinese
    assert "computed, and their Spearman correlation with the mean scores." in english
    assert "Spearman" in chinese
    related["safety"]["rouge_l"] = None
    chinese, english = paragraphs(told_report() | more)
    assert "(F, over words) were computed." in english
    assert "Spearman" not in english + chinese


def test_intervals_say_what_was_drawn() -> None:
    report = told_report()
    report["settings"]["resampled"] = "questions and raters"
    chinese, english = paragraphs(report)
    assert "2000 rounds over questions and raters, seed 31" in english
    alone = "Intervals of alpha are percentile bootstrap intervals too (2000 rounds over questions,"
    assert alone in english
    assert "以题目和评分者为抽样单位，2000 轮" in chinese
    assert "α 的区间也用自助法百分位区间（以题目为抽样单位，2000 轮" in chinese
    assert "Intervals of alpha were made in the same way." in methods_paragraph(told_report(), "en")


def test_intervals_are_claimed_only_of_means_that_have_one() -> None:
    report = told_report()
    report["models"][0]["safety"]["ci_low"] = None
    means = len(SUS) * len(report["models"])
    chinese, english = paragraphs(report)
    assert f"seed 31); 1 of {means} means have none." in english
    assert f"{means} 个平均分中有 1 个没有区间。" in chinese
    for entry in report["models"]:
        for each in SUS:
            entry[each]["ci_low"] = None
    chinese, english = paragraphs(report)
    assert "Means are over ratings, without intervals." in english
    assert "没有区间。" in chinese


def test_only_what_was_tested_is_called_tested() -> None:
    """The paragraph of reports with one model, two models, one question, one rater."""
    frame = random_ratings(4, questions=20)
    first, second = frame["model"].unique()[:2]
    one = paragraph_of(frame[frame["model"] == first])
    assert not [word for word in ("Friedman", "Wilcoxon", "compared") if word in one]
    two = paragraph_of(frame[frame["model"].isin([first, second])])
    assert "Friedman" not in two
    assert "Holm" not in two
    assert re.search(rf"mean difference {first} - {second} -?\d\.\d\d, p [=<] 0\.\d+", two)
    alone = paragraph_of(frame[frame["question_id"] == frame["question_id"].iloc[0]])
    assert "without intervals" in alone
    assert "Friedman's test is not available" in alone
    single = paragraph_of(frame[frame["rater"] == frame["rater"].iloc[0]])
    assert "averaged over raters" not in single
    assert "averaged over raters" in paragraph_of(frame)


def paragraph_of(frame: pd.DataFrame) -> str:
    settings = ReportSettings(bootstrap=50)
    return methods_paragraph(make_report(frame.reset_index(drop=True), settings), "en")


def test_pairs_that_differ_are_named_the_first_of_many() -> None:
    report = told_report()
    pair = report["tests"]["safety"]["pairs"][0]
    assert "pairs with a corrected p below 0.05: " in paragraphs(report)[1]
    report["tests"]["safety"]["pairs"] = [pair | {"p_holm": 0.2}]
    assert "pairs with a corrected p below 0.05: none" in paragraphs(report)[1]
    report["tests"]["safety"]["pairs"] = [pair] * 9
    chinese, english = paragraphs(report)
    assert ", 3 more." in english
    assert "、另有 3 对。" in chinese


def test_equally_many_raters_per_answer_are_named_once() -> None:
    report = told_report(raters_per_answer={"min": 3, "max": 3, "mean": 3.0})
    chinese, english = paragraphs(report)
    assert "126 ratings; 3 raters per answer)" in english
    assert "每个回答由 3 人评分。" in chinese


@pytest.mark.parametrize("lacking", ["ci_low", "gwet_ac2", "krippendorff_alpha"])
def test_a_missing_figure_of_agreement_is_said_in_words(lacking: str) -> None:
    report = told_report()
    for each in SUS:
        report["agreement"][each][lacking] = None
    chinese, english = paragraphs(report)
    assert "not available" in english.partition("Agreement on")[2]
    assert "无法计算" in chinese
    assert "None" not in chinese + english


@pytest.mark.parametrize("lacking", ["statistic", "df", "p", "kendalls_w"])
def test_a_missing_figure_of_a_test_is_said_in_words(lacking: str) -> None:
    report = told_report()
    for each in SUS:
        report["tests"][each]["friedman"][lacking] = None
    chinese, english = paragraphs(report)
    assert "not available" in english.partition("Models were compared")[2]
    assert "无法" in chinese
    assert "None" not in chinese + english


def test_one_model_without_figures_has_a_paragraph() -> None:
    chinese, english = paragraphs(bare_report())
    assert "63 answers of 1 model to 21 questions" in english
    assert "Agreement on safety is not available." in english
    assert "专业未提供" in chinese
    assert "None" not in chinese + english


def test_another_scale_is_named_with_its_range() -> None:
    report = told_report(dimensions=("completeness", "low_depth"), scores=(0, 1, 2, 3))
    chinese, english = paragraphs(report)
    assert "completeness and low depth, each from 0 to 3" in english
    assert "2 个维度评分（0–3 分）" in chinese
    assert "safety" not in english


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_specialty_breaks_no_line(language: Any) -> None:
    text = methods_paragraph(told_report(specialties={"a\nb\x00\u2028c": 5}), language)
    assert text.isprintable()
    assert "a b  c" in text
