"""Intervals, tests, kappa and ICC: against the agreed files, published packages and textbooks."""

import itertools
import json
import logging
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import jieba
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from project import GOLDENS, ROOT
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests
from typed_report import as_markdown, as_text, make_report

from medchat.errors import BadInput
from medchat.evaluation.formatting import percent
from medchat.evaluation.metrics.bleu_rouge import longest_common_subsequence, overlap_scores
from medchat.evaluation.report import ReportSettings
from medchat.evaluation.statistics.comparisons import compare
from medchat.evaluation.statistics.intervals import mean_intervals
from medchat.evaluation.statistics.rating_matrix import encode_ratings
from medchat.evaluation.statistics.reliability import (
    RaterConsistency,
    RepeatAgreement,
    compare_raters,
    measure_consistency,
    measure_reliability,
    weighted_kappa,
)
from medchat.evaluation.statistics.sensitivity import measure_sensitivity
from medchat.files.published import read_reference
from medchat.files.ratings import parse_ratings, read_ratings
from medchat.scale import DIMENSIONS, SUS, Scale, parse_scale

AGREEMENT = GOLDENS / "agreement"
QUICK = ReportSettings(bootstrap=200)


def golden(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
    if not AGREEMENT.is_dir():
        pytest.skip("the golden files are not beside this checkout")
    expected = json.loads((AGREEMENT / f"{name}.expected.json").read_text("utf-8"))
    return read_ratings(AGREEMENT / f"{name}.csv"), expected


def random_ratings(
    seed: int, questions: int = 8, models: int = 3, raters: int = 4, missing: float = 0.0
) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    rows = [
        {"question_id": f"q{q}", "model": f"m{m}", "rater": f"r{r}"}
        | {dimension: int(generator.integers(1, 4)) for dimension in DIMENSIONS}
        for q in range(questions)
        for m in range(models)
        for r in range(raters)
        if generator.random() >= missing
    ]
    return pd.DataFrame(rows)


# -- the agreed files --


@pytest.mark.parametrize("name", ["small", "missing"])
def test_agreement_equals_the_golden_files(name: str) -> None:
    frame, expected = golden(name)
    report = make_report(frame, QUICK)
    for dimension, figures in expected["agreement"].items():
        result = report["agreement"][dimension]
        for key in ("krippendorff_alpha", "alpha_nominal", "alpha_interval"):
            assert result[key] == pytest.approx(figures[key], abs=5e-7)
        # The package that made the file prints five digits.
        assert result["gwet_ac2"] == pytest.approx(figures["gwet_ac2_ordinal_weights"], abs=5e-6)
        assert result["ci_low"] < result["krippendorff_alpha"] < result["ci_high"]


@pytest.mark.parametrize("name", ["small", "missing"])
def test_tests_equal_the_golden_files(name: str) -> None:
    frame, expected = golden(name)
    report = make_report(frame, QUICK)
    for dimension, figures in expected["tests"].items():
        result = report["tests"][dimension]
        assert result["n_complete_questions"] == figures["n_complete_questions"]
        friedman = result["friedman"]
        assert friedman["df"] == figures["friedman"]["df"]
        for key in ("statistic", "p"):
            assert friedman[key] == pytest.approx(figures["friedman"][key], abs=5e-7)
        assert [(p["a"], p["b"]) for p in result["pairs"]] == [
            (p["a"], p["b"]) for p in figures["pairs"]
        ]
        for pair, of_pair in zip(result["pairs"], figures["pairs"], strict=True):
            for key in ("mean_difference", "p", "p_holm"):
                assert pair[key] == pytest.approx(of_pair[key], abs=5e-7)


# -- intervals --


def test_an_interval_draws_whole_questions() -> None:
    """Against the plain way of doing it, question by question."""
    frame = random_ratings(1, questions=12, missing=0.3)
    ratings = encode_ratings(frame, SUS)
    result = mean_intervals(ratings, rounds=4000, seed=3).ends
    generator = np.random.default_rng(5)
    groups = [group for _, group in frame.groupby("question_id")]
    means = []
    for _ in range(1500):
        picked = pd.concat([groups[i] for i in generator.integers(len(groups), size=len(groups))])
        means.append(picked.groupby("model")["safety"].mean())
    expected = pd.DataFrame(means).quantile([0.025, 0.975])
    for position, model in enumerate(ratings.models):
        assert result[position, 0] == pytest.approx(expected[model].to_numpy(), abs=0.05)


def test_drawing_raters_too_makes_intervals_wider() -> None:
    frame = random_ratings(2, questions=30)
    frame["safety"] = frame["rater"].map({"r0": 1, "r1": 2, "r2": 3, "r3": 3})
    ratings = encode_ratings(frame, SUS)
    narrow = mean_intervals(ratings, 500).ends[:, 0]
    wide = mean_intervals(ratings, 500, raters_too=True).ends[:, 0]
    assert np.ptp(narrow, axis=1).max() < 1e-12
    assert np.ptp(wide, axis=1).min() > 0.5


def test_rounds_in_which_a_model_is_not_drawn_are_told() -> None:
    frame = random_ratings(5, questions=12)
    few, other = sorted(frame["model"].unique())[:2]
    available = sorted(frame["question_id"].unique())[:2]
    frame = frame[(frame["model"] != few) | frame["question_id"].isin(available)]
    ratings = encode_ratings(frame, SUS)
    result = mean_intervals(ratings, 400)
    rounds = dict(zip(ratings.models, result.rounds.tolist(), strict=True))
    # Both of its two questions stay away from a round with (10 / 12) to the 12th.
    assert rounds[few] == pytest.approx(400 * (1 - (10 / 12) ** 12), abs=30)
    assert rounds[other] == 400
    report = make_report(frame, ReportSettings(bootstrap=400))
    (text,) = [note for note in report["notes"] if note.startswith("The intervals of these means")]
    assert text.endswith(f"{few} {rounds[few]}.")
    (text,) = [note for note in report["notes_zh"] if "所依据的抽样不足 400 轮" in note]
    assert f"{few} {rounds[few]}。" in text
    assert other not in text


def test_the_seed_and_not_the_order_of_rows_decides() -> None:
    frame = random_ratings(3, missing=0.2)
    shuffled = frame.sample(frac=1, random_state=1)
    first, second = (make_report(item, QUICK) for item in (frame, shuffled))
    by_name = {entry["model"]: entry for entry in second["models"]}
    for entry in first["models"]:
        assert entry == by_name[entry["model"]]
    assert first["agreement"] == second["agreement"]
    assert first["tests"] == second["tests"]
    other = make_report(frame, ReportSettings(seed=1, bootstrap=200))
    assert other["models"] != first["models"]


# -- kappa and ICC --


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 30), min_size=9, max_size=9))
def test_weighted_kappa_is_that_of_its_formula(cells: list[int]) -> None:
    """Cohen 1968: 1 - sum w_ij n_ij / sum w_ij n_i. n_.j / n."""
    table = np.array(cells).reshape(3, 3)
    weights = np.array([[0, 1, 4], [1, 0, 1], [4, 1, 0]])
    chance = (weights * np.outer(table.sum(axis=1), table.sum(axis=0))).sum()
    if not chance:
        assert weighted_kappa(table) is None
        return
    kappa = 1 - (weights * table).sum() * table.sum() / chance
    assert weighted_kappa(table) == pytest.approx(kappa, abs=1e-12)


@pytest.mark.parametrize(
    "table", [np.zeros((3, 3), int), np.diag([0, 7, 0]), np.diag([0.0, 0.0, 1.0])]
)
def test_there_is_no_kappa_of_scores_that_are_all_equal(table: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert weighted_kappa(table) is None


def test_pairs_count_the_answers_that_both_scored() -> None:
    frame = random_ratings(4, missing=0.4)
    result = compare_raters(encode_ratings(frame, SUS), 1)
    wide = frame.pivot_table(index=["question_id", "model"], columns="rater", values="usability")
    assert len(result) == 6
    for pair in result:
        both = wide[[pair.a, pair.b]].dropna()
        assert pair.n == len(both)
        assert pair.percent_agreement == pytest.approx((both[pair.a] == both[pair.b]).mean())


def test_icc_is_null_where_its_variance_would_be_negative() -> None:
    frame = pd.DataFrame(
        {"question_id": f"q{q}", "model": "m", "rater": f"r{r}", "safety": 1 + (q + r) % 2}
        for q in range(4)
        for r in range(2)
    ).assign(usability=1, fluency=1)
    report = make_report(frame, QUICK)
    assert report["agreement"]["safety"]["icc_2_k"] is None  # 4.0 by the formula
    assert any("ICC needs" in note for note in report["notes"])


def test_ratings_that_settled_a_dispute_are_no_part_of_agreement() -> None:
    """They exist because others disagreed."""
    frame = random_ratings(3)
    settled = frame.assign(adjudicated=(frame.index % 5 == 0).astype(int))
    report = make_report(settled, QUICK)
    without = make_report(settled[settled.adjudicated == 0].reset_index(drop=True), QUICK)
    assert report["agreement"] == without["agreement"]
    assert report["models"] != without["models"]
    assert report["data"]["n_adjudicating"] == int(settled.adjudicated.sum())
    assert any("settled a dispute" in note for note in report["notes"])


def test_who_only_settled_disputes_is_no_rater_of_agreement() -> None:
    frame = random_ratings(3, raters=3).assign(adjudicated=0)
    one = frame.iloc[[0]].assign(rater="r99", adjudicated=1)
    without = make_report(frame, QUICK)["agreement"]
    settled = make_report(pd.concat([frame, one], ignore_index=True), QUICK)["agreement"]
    assert without["safety"]["icc_2_1"] is not None
    assert settled == without


def test_a_file_that_does_not_tell_who_settled_says_what_that_changes() -> None:
    frame = random_ratings(3)
    text = "which ratings settled a dispute"
    assert [note for note in make_report(frame, QUICK)["notes"] if text in note]
    available = make_report(frame.assign(adjudicated=0), QUICK)["notes"]
    assert not [note for note in available if text in note]


def test_holm_is_given_for_equal_ranks_too_and_pointed_out_where_it_matters() -> None:
    crossed = 0
    for seed in (82, 84, 98, 111):  # found among the first 150
        frame = random_ratings(seed, questions=20, models=4, raters=3)
        report = make_report(frame, ReportSettings(bootstrap=0))
        for name, result in report["tests"].items():
            tied = [pair["p_tied"] for pair in result["pairs"]]
            expected = multipletests(tied, method="holm")[1]
            assert [pair["p_holm_tied"] for pair in result["pairs"]] == pytest.approx(expected)
            if any((p["p_holm"] < 0.05) != (p["p_holm_tied"] < 0.05) for p in result["pairs"]):
                crossed += 1
                notes = [n for n in report["notes"] if "last bit" in n]
                assert [n for n in notes if name.capitalize() in n.split(":")[0]]
    assert crossed


def test_a_note_on_many_pairs_names_the_first_and_counts_the_rest() -> None:
    frame = random_ratings(5, questions=20, models=25, raters=3)
    notes = make_report(frame, ReportSettings(bootstrap=0))["notes"]
    text = [note for note in notes if "last bit" in note]
    assert text
    assert all(len(note) < 600 for note in text)
    assert any("more pairs" in note for note in text)


def test_rounds_in_which_alpha_has_no_meaning_are_told() -> None:
    rows = [
        {"question_id": f"q{q}", "model": "m", "rater": r, "safety": 1 + (q == 0 and r == "a")}
        for q in range(8)
        for r in "ab"
    ]
    frame = pd.DataFrame(rows).assign(usability=2, fluency=2)
    report = make_report(frame, ReportSettings(bootstrap=400))
    (text,) = [note for note in report["notes"] if "alpha was not defined" in note]
    without = int(re.search(r"in (\d+) of 400 rounds", text)[1])
    assert text.startswith("Safety: ")
    assert 0 < without < 200
    assert report["agreement"]["safety"]["ci_low"] is not None


def test_few_questions_are_pointed_out() -> None:
    frame = random_ratings(3, questions=12)
    few = frame[frame.question_id.isin(sorted(frame.question_id.unique())[:5])]
    assert any("approximation are rough" in item for item in make_report(few, QUICK)["notes"])
    assert not any("are rough" in item for item in make_report(frame, QUICK)["notes"])


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_icc_follows_from_the_mean_squares_of_statsmodels(seed: int, raters: int) -> None:
    frame = random_ratings(seed, questions=8, raters=raters)
    unit = frame["question_id"] + frame["model"]
    columns = pd.DataFrame({"unit": unit, "rater": frame["rater"], "score": frame["safety"]})
    table = anova_lm(ols("score ~ C(unit) + C(rater)", columns).fit())
    of_units, of_raters, error = table["mean_sq"].to_numpy()
    result = measure_reliability(encode_ratings(frame, SUS), 0)
    n = unit.nunique()
    assert (result.units, result.raters) == (n, raters)
    single = of_units + (raters - 1) * error + raters * (of_raters - error) / n
    mean = of_units + (of_raters - error) / n
    assert result.icc_2_1 == pytest.approx((of_units - error) / single, abs=1e-9)
    assert result.icc_2_k == pytest.approx((of_units - error) / mean, abs=1e-9)


def test_icc_of_shrout_and_fleiss() -> None:
    """Six targets and four judges, table 2 of their paper: 0.29 and 0.62."""
    table = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    rows = [
        {"question_id": f"q{q}", "model": "m", "rater": f"r{r}", "score": score}
        for q, scores in enumerate(table)
        for r, score in enumerate(scores)
    ]
    scale = Scale(("score",), tuple(range(11)))
    result = measure_reliability(encode_ratings(pd.DataFrame(rows), scale), 0)
    assert (result.units, result.raters) == (6, 4)
    assert result.icc_2_1 == pytest.approx(0.29, abs=0.005)
    assert result.icc_2_k == pytest.approx(0.62, abs=0.005)


def test_consistency_compares_each_raters_two_scores() -> None:
    repeats = pd.DataFrame(
        {
            "rater": ["r1", "r1", "r2"],
            **{d: [1, 2, 3] for d in DIMENSIONS},
            **{f"{d}_again": [1, 3, 3] for d in DIMENSIONS},
        }
    )
    result = measure_consistency(repeats, SUS)
    safety = result.dimensions["safety"]
    assert (safety.n, safety.percent_agreement) == (3, pytest.approx(2 / 3))
    assert result.raters == (RaterConsistency("r1", 2, 0.5), RaterConsistency("r2", 1, 1.0))


def test_without_repeats_there_is_no_consistency() -> None:
    columns = ["rater", *DIMENSIONS, *(f"{name}_again" for name in DIMENSIONS)]
    result = measure_consistency(pd.DataFrame(columns=columns), SUS)
    assert set(result.dimensions.values()) == {RepeatAgreement(0, None, None)}
    assert result.raters == ()


# -- tests on random data --


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(3, 5), st.sampled_from([0.0, 0.3]))
def test_tests_are_those_of_scipy_on_means_per_question(seed, models, missing) -> None:
    frame = random_ratings(seed, models=models, missing=missing)
    result = compare(encode_ratings(frame, SUS), 2)
    wide = frame.pivot_table(index="question_id", columns="model", values="fluency").dropna()
    left_out = frame["question_id"].nunique() - len(wide)
    assert (result.complete, result.left_out) == (len(wide), left_out)
    if result.friedman.statistic is not None:
        expected = stats.friedmanchisquare(*wide.to_numpy().T)
        assert result.friedman.statistic == pytest.approx(expected.statistic)
        assert 0 <= (result.friedman.kendalls_w or 0) <= 1 + 1e-12
    for pair in result.pairs:
        if pair.p is None:
            continue
        expected = stats.wilcoxon(
            wide[pair.a], wide[pair.b], zero_method="pratt", method="asymptotic"
        )
        assert pair.p == pytest.approx(expected.pvalue)
        assert pair.p <= (pair.p_holm or 0) <= 1
        assert -1 <= (pair.effect_size or 0) <= 1
        difference = (wide[pair.a] - wide[pair.b]).round(10).to_numpy()
        difference = difference[difference != 0]
        ranks = stats.rankdata(np.abs(difference))
        signed = float((ranks * np.sign(difference)).sum())
        assert pair.effect_size == pytest.approx(signed / ranks.sum())
        tied = stats.wilcoxon(
            (wide[pair.a] - wide[pair.b]).round(10), zero_method="pratt", method="asymptotic"
        )
        assert pair.p_tied == pytest.approx(tied.pvalue)


def test_equal_differences_are_ties_for_effect_and_second_p() -> None:
    """2.6 - 2.4 and 2.4 - 2.2 are equal, whichever model comes first."""
    generator = np.random.default_rng(5)
    rows = [
        {"question_id": f"q{q:02d}", "model": m, "rater": f"r{r}", "fluency": 1, "usability": 1}
        | {"safety": int(generator.integers(1, 4))}
        for q in range(20)
        for m in "AB"
        for r in range(3)
    ]
    frame = pd.DataFrame(rows)
    (pair,) = compare(encode_ratings(frame, SUS), 0).pairs
    (turned,) = compare(encode_ratings(frame.assign(safety=4 - frame["safety"]), SUS), 0).pairs
    assert turned.effect_size == pytest.approx(-(pair.effect_size or 0))
    assert turned.p_tied == pytest.approx(pair.p_tied)


def test_zeros_have_no_rank_in_the_effect_size() -> None:
    """Kerby: of -1 -2 -3 +4 +5 the rank sums are 9 and 6, whatever else is equal."""
    differences = [0] * 20 + [-1, -2, -3, 4, 5]
    rows = [
        {"question_id": f"q{q:02d}", "model": m, "rater": "r", "x": 5 + (d if m == "A" else 0)}
        for q, d in enumerate(differences)
        for m in "AB"
    ]
    (pair,) = compare(encode_ratings(pd.DataFrame(rows), Scale(("x",), tuple(range(11)))), 0).pairs
    assert pair.effect_size == pytest.approx(0.2)


def test_a_p_that_hangs_on_the_last_bit_is_pointed_out() -> None:
    noisy = 0
    for seed in range(15):
        report = make_report(random_ratings(seed, questions=20, models=2, raters=3), QUICK)
        pairs = [(name, p) for name, result in report["tests"].items() for p in result["pairs"]]
        for name, pair in pairs:
            apart = abs(pair["p"] - pair["p_tied"]) > 0.01
            text = [
                note
                for note in report["notes"]
                if "differences of means" in note and name.capitalize() in note.split(":")[0]
            ]
            noisy += apart
            assert bool(text) >= apart
    assert noisy


def test_intervals_that_nobody_wanted_need_no_reason() -> None:
    report = make_report(random_ratings(3, questions=20), ReportSettings(bootstrap=0))
    assert "No intervals were asked for." in report["notes"]
    assert not [
        note for note in report["notes"] if "interval needs" in note or "no interval" in note
    ]
    assert "interval" not in as_text(report).partition("Shares")[0]


def test_a_raters_first_word_on_himself_counts_wherever_it_stands() -> None:
    frame = random_ratings(3).assign(specialty="", years="")
    at = frame.index[frame["rater"] == "r1"][3]
    frame.loc[at, ["specialty", "years"]] = ["心内科", "12"]
    data = make_report(frame, QUICK)["data"]
    assert data["specialties"] == {"": 3, "心内科": 1}
    assert data["years"] == {"min": 12.0, "max": 12.0, "mean": 12.0}


@pytest.mark.parametrize("years", ["inf", "1.7e308", "-5", "nan", "x"])
def test_impossible_years_are_no_years(years: str) -> None:
    report = make_report(random_ratings(3).assign(years=years), QUICK)
    assert report["data"]["years"]["mean"] is None
    json.dumps(report, allow_nan=False)


@pytest.mark.parametrize("position", ["1.5", "1e30", "inf", "links"])
def test_a_place_that_is_no_whole_number_is_a_name(position: str) -> None:
    frame = random_ratings(3).assign(shown_position=position)
    groups = {e["group"] for e in make_report(frame, QUICK)["sensitivity"] if "position" in e["by"]}
    assert groups == {position}


def test_flags_and_dates_are_taken_as_they_are_meant() -> None:
    frame = random_ratings(3).assign(flags="danger; wrong;danger", rated_at="yesterday")
    frame.loc[0, "rated_at"] = "2026-11-01T10:00:00+00:00"
    data = make_report(frame, QUICK)["data"]
    assert set(data["flags"]) == {"danger", "wrong"}
    assert data["last_rated_at"] == "2026-11-01T10:00:00+00:00"


@pytest.mark.parametrize(("yes", "no"), [("True", "False"), ("1", "0"), (1, 0), (True, False)])
def test_what_a_file_says_is_false_is_false(yes: Any, no: Any) -> None:
    frame = random_ratings(3)
    frame["adjudicated"] = [yes if index == 0 else no for index in range(len(frame))]
    report = make_report(frame, QUICK)
    assert report["data"]["n_adjudicating"] == 1
    assert [e for e in report["sensitivity"] if e["by"] == "without_adjudicated"]


def test_a_model_that_is_always_better_has_the_greatest_effect() -> None:
    frame = random_ratings(1, models=2)
    frame["safety"] = frame["model"].map({"m0": 3, "m1": 1})
    (pair,) = compare(encode_ratings(frame, SUS), 0).pairs
    assert (pair.a, pair.effect_size, pair.mean_difference) == ("m0", 1.0, 2.0)


def test_the_figures_are_imported_without_their_libraries() -> None:
    """They take two seconds, which the page's start does not spend."""
    rooms = "statistics.comparisons statistics.reliability statistics.sensitivity statistics.means"
    rooms += " statistics.agreement metrics.bleu_rouge metrics.facts writers.figures"
    program = "import sys\n" + "".join(f"import medchat.evaluation.{m}\n" for m in rooms.split())
    program += (
        "print(*{'matplotlib', 'scipy', 'statsmodels', 'jieba', 'torch'} & sys.modules.keys())"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == []


# -- sensitivity --


def test_sensitivity_is_the_mean_of_each_part() -> None:
    frame = random_ratings(6).assign(
        shown_position=lambda f: f.index % 3 + 1,
        specialty=lambda f: f["rater"].map({"r0": "内科", "r1": "内科", "r2": "外科", "r3": ""}),
        answer_length=lambda f: f.index * 10,
        adjudicated=lambda f: (f.index % 7 == 0).astype(int),
    )
    sensitivity = measure_sensitivity(frame, encode_ratings(frame, SUS))
    rows = {(row.by, row.group, row.model): row for row in sensitivity.rows}
    for (position, model), part in frame.groupby(["shown_position", "model"]):
        row = rows["shown_position", str(position), model]
        assert row.n_ratings == len(part)
        assert row.means["safety"] == pytest.approx(part["safety"].mean())
    assert {group for by, group, _ in rows if by == "specialty"} == {"", "内科", "外科"}
    assert len({group for by, group, _ in rows if by == "answer_length"}) == 3
    rest = frame[(frame["adjudicated"] == 0) & (frame["model"] == "m0")]
    row = rows["without_adjudicated", "", "m0"]
    assert row.means["usability"] == pytest.approx(rest["usability"].mean())
    assert sensitivity.omitted == {"category": "no_column", "rater_flagged": "no_column"}


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("specialty", [""], "empty"),
        ("shown_position", [None], "empty"),
        ("answer_length", [""], "empty"),
        ("answer_length", ["120", "", "80"], "lengths_incomplete"),
        ("answer_length", [100, 200], "too_few_lengths"),
        ("category", range(201), "too_many_groups"),
        ("rater_flagged", [True], "nothing_left"),
        ("adjudicated", ["1"], "nothing_left"),
    ],
)
def test_sensitivity_says_why_a_part_is_omitted(column: str, values: Any, reason: str) -> None:
    frame = random_ratings(6, questions=60)
    frame[column] = list(itertools.islice(itertools.cycle(values), len(frame)))
    sensitivity = measure_sensitivity(frame, encode_ratings(frame, SUS))
    assert sensitivity.omitted[column] == reason
    assert column not in {row.by.removeprefix("without_") for row in sensitivity.rows}


# -- data that cannot give a figure --

ONE = {"question_id": "q1", "model": "m", "rater": "r1", "safety": 3, "usability": 3, "fluency": 3}
DEGENERATE = {
    "one rating": [ONE],
    "one rater": [ONE | {"question_id": f"q{n}", "safety": 1 + n % 3} for n in range(5)],
    "one model": [ONE | {"question_id": f"q{n % 3}", "rater": f"r{n // 3}"} for n in range(9)],
    "all equal": [
        ONE | {"question_id": f"q{q}", "model": f"m{m}", "rater": f"r{r}"}
        for q in range(3)
        for m in range(3)
        for r in range(3)
    ],
    "nothing overlaps": [
        ONE | {"question_id": f"q{n}", "model": f"m{n % 3}", "rater": f"r{n}", "safety": 1 + n % 3}
        for n in range(9)
    ],
    "one question": [
        ONE | {"model": f"m{m}", "rater": f"r{r}", "safety": 1 + (m + r) % 3}
        for m in range(3)
        for r in range(3)
    ],
    "two models": [
        ONE | {"question_id": f"q{q}", "model": f"m{m}", "rater": f"r{r}", "safety": 1 + q % 3}
        for q in range(4)
        for m in range(2)
        for r in range(2)
    ],
}


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("raters_too", [False, True])
def test_what_the_data_cannot_give_is_null_with_a_reason(
    case: str, raters_too: bool, caplog: pytest.LogCaptureFixture
) -> None:
    frame = pd.DataFrame(DEGENERATE[case])
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        settings = ReportSettings(bootstrap=100, raters_too=raters_too)
        report = make_report(frame, settings)
    assert not caplog.records
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    nulls = [
        path
        for path, value in leaves({k: report[k] for k in ("models", "agreement", "tests")})
        if value is None
    ]
    text = " ".join(report["notes"])
    for path in nulls:
        assert any(reason in text for reason in REASONS[path.rsplit("/", 1)[-1]]), (path, text)


_FEW = ("An interval needs", "interval rests", "no agreement", "No answer has two", "not defined")
_NO_TEST = ("needs three models", "too few questions", "cannot be ranked")
_NO_AGREEMENT = ("no agreement", "No answer has two", "are equal")
REASONS = {
    "sd": ("single rating",),
    **dict.fromkeys(("ci_low", "ci_high"), _FEW),
    **dict.fromkeys(
        ("statistic", "p", "p_holm", "p_tied", "p_holm_tied", "df", "kendalls_w"), _NO_TEST
    ),
    **dict.fromkeys(("effect_size", "mean_difference"), _NO_TEST),
    **dict.fromkeys(("krippendorff_alpha", "alpha_nominal", "alpha_interval"), _NO_AGREEMENT),
    **dict.fromkeys(("gwet_ac1", "gwet_ac2", "percent_agreement"), _NO_AGREEMENT),
    **dict.fromkeys(("icc_2_1", "icc_2_k"), ("ICC needs",)),
    "weighted_kappa": ("are equal", "no difference"),
}
"""What a note says, one of these, where a figure of this name is null."""


def leaves(value: Any, path: str = "") -> Any:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}/{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}/{index}")
    else:
        yield path, value


# -- scales --


def test_another_scale_works_from_file_to_report() -> None:
    scale = parse_scale("completeness, depth,professionalism:0-3")
    assert scale == Scale(("completeness", "depth", "professionalism"), (0, 1, 2, 3))
    assert parse_scale(scale.as_text()) == scale
    text = "question_id,model,rater,completeness,depth,professionalism\nq1,m,r,0,3,2\n"
    report = make_report(parse_ratings(text.encode(), "x.csv", scale), ReportSettings(scale))
    assert report["models"][0]["completeness"]["counts"] == {"0": 1, "1": 0, "2": 0, "3": 0}
    assert "System Usability" not in report["notes"][0]
    with pytest.raises(BadInput, match="Write 0, 1, 2 or 3"):
        parse_ratings(text.replace("0,3,2", "4,3,2").encode(), "x.csv", scale)


def test_dimensions_may_have_chinese_names() -> None:
    scale = parse_scale("完整性,深度:0-3")
    assert parse_scale(scale.as_text()) == scale
    text = "question_id,model,rater,完整性,深度\nq1,m,r,0,3\nq2,m,r,1,3\n"
    report = make_report(parse_ratings(text.encode(), "x.csv", scale), ReportSettings(scale))
    assert report["models"][0]["完整性"]["mean"] == 0.5
    assert "| m | 完整性 |" in as_markdown(report)


@pytest.mark.parametrize(
    "text", ["", "a b", "safety:3-1", "safety:0-99", "a,a", "rater", "a:1", "a,:0-3", "=x:0-3"]
)
def test_a_scale_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_scale(text)


@pytest.mark.parametrize("text", ["a:0-1000", "a:0", "a,b:0–3", "a:1-", "a:x-3"])
def test_a_range_that_is_none_is_told_as_that(text: str) -> None:
    with pytest.raises(BadInput, match="is no range of scores"):
        parse_scale(text)


def test_a_share_is_rounded_without_the_noise_of_its_fraction() -> None:
    """51 of 80 are 63.75 %, which a float holds as a little less."""
    assert percent(51 / 80) == "63.8"
    assert [percent(count / 400) for count in (1, 3, 255)] == ["0.3", "0.8", "63.8"]


# -- reference rows --


def test_reference_rows_are_shown_as_they_were_printed(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("model,source,safety,usability,fluency\nPaper,A 2023,2.5,,1.75\n", "utf-8")
    (row,) = rows = read_reference(file)
    assert row == {"model": "Paper", "source": "A 2023"} | {
        "safety": 2.5,
        "usability": None,
        "fluency": 1.75,
    }
    report = make_report(pd.DataFrame([ONE]), QUICK, rows)
    assert report["reference"] == rows
    assert [entry["model"] for entry in report["models"]] == ["m"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("model,safety\nx,1\n", "rows.csv, header: missing usability, fluency"),
        ("model,safety,usability,fluency\n,1,1,1\n", "row 2: the column model is empty"),
        ('model,safety,usability,fluency\nx,"2,5",1,1\n', "row 2, column safety"),
        ("model,safety,usability,fluency\nx,nan,1,1\n", "row 2, column safety"),
        ("model,safety,usability,fluency\nx,4,1,1\n", "from 1 to 3"),
        ("model,safety,usability,fluency\nx,1,1,1\ny,,,\n", "row 3: 'y' has no figure"),
        (
            "model,source,safety,usability,fluency\nx,A,1,1,1\nx,B,1,1,1\nx,A,2,1,1\n",
            "row 4: 'x' stands in row 2",
        ),
    ],
)
def test_reference_rows_at_fault_are_named(tmp_path: Path, text: str, fault: str) -> None:
    file = tmp_path / "rows.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=fault):
        read_reference(file)


# -- overlap with reference answers --


def test_overlap_stands_beside_the_scores_with_its_rank_correlation() -> None:
    frame = random_ratings(1, questions=4, models=2).assign(
        response_id=lambda f: f["question_id"] + f["model"]
    )
    reference = "建议多休息、多饮水，体温超过38.5℃时服退热药，不退就医。"
    wrote = {"m0": reference, "m1": "完全不同的话"}
    answers = frame.drop_duplicates("response_id")[["response_id", "model"]]
    answers = answers.assign(answer=answers["model"].map(wrote), reference=reference)
    answers.loc[answers["response_id"] == "q0m0", "reference"] = " "
    frame["safety"] = frame["model"].map({"m0": 3, "m1": 1})
    result = make_report(frame, QUICK, answers=answers)["overlap"]
    same, other = result["models"]
    assert (same["model"], same["n"], other["n"]) == ("m0", 3, 4)
    assert same["bleu"] == pytest.approx(100)
    assert same["rouge_l"] == pytest.approx(100, abs=1e-3)
    assert other["bleu"] < 5
    assert result["correlation"]["safety"]["bleu"] == pytest.approx(1)
    assert make_report(frame, QUICK, answers=answers.assign(reference=""))["overlap"] is None
    assert make_report(frame, QUICK)["overlap"] is None


def test_bleu_is_that_of_sacrebleu_and_an_empty_answer_has_none() -> None:
    from sacrebleu import sentence_bleu

    answer, reference = "多喝水，多休息。", "应当多休息，多喝水。"
    expected = sentence_bleu(answer, [reference], tokenize="zh").score
    assert overlap_scores(answer, reference)[0] == pytest.approx(expected)
    assert overlap_scores(" ", reference) == (0.0, 0.0, 0.0, 0.0)


@given(
    st.lists(st.sampled_from("一二三"), max_size=40),
    st.lists(st.sampled_from("一二三"), max_size=40),
)
def test_the_longest_common_subsequence_is_that_of_the_table(first, second) -> None:
    table = np.zeros((len(first) + 1, len(second) + 1), dtype=int)
    for i, one in enumerate(first):
        for j, two in enumerate(second):
            best = max(table[i, j + 1], table[i + 1, j])
            table[i + 1, j + 1] = table[i, j] + 1 if one == two else best
    assert longest_common_subsequence(first, second) == table[-1, -1]


def test_rouge_is_that_of_the_package_and_long_texts_take_no_time() -> None:
    from rouge_chinese import Rouge

    answer, reference = "多休息，多喝水。三天不退烧就医。", "多喝水，注意休息；体温不退应当就医。"
    words = [
        " ".join(word for word in jieba.cut(text) if word.strip()) for text in (answer, reference)
    ]
    (expected,) = Rouge().get_scores(*words)
    *_, one, two, longest = overlap_scores(answer, reference)
    result = {"rouge-1": one, "rouge-2": two, "rouge-l": longest}
    assert result == pytest.approx({key: 100 * expected[key]["f"] for key in result})
    long = overlap_scores("多喝水，" * 1500, "多休息，" * 1500)  # a table of 20 million cells
    assert long[3] > 0
    assert overlap_scores(answer, answer)[0] <= 100


def test_the_example_of_the_documentation_gives_the_reports_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    (example,) = re.findall("```python\n(.*?)```", page, re.S)
    frame = random_ratings(5, questions=12)
    frame.to_csv(tmp_path / "scores.csv", index=False)
    monkeypatch.chdir(tmp_path)
    printed: list[Any] = []
    exec(example, {"print": lambda *values: printed.extend(values)})
    means, alpha, interval, friedman, icc, of_pairs = printed
    report = make_report(frame, ReportSettings(bootstrap=2000))
    agreed, tested = report["agreement"]["safety"], report["tests"]["safety"]
    assert means["safety_mean"].tolist() == [
        pytest.approx(entry["safety"]["mean"], abs=0.005) for entry in report["models"]
    ]
    assert (alpha, *interval) == tuple(
        agreed[key] for key in ("krippendorff_alpha", "ci_low", "ci_high")
    )
    assert friedman.p == tested["friedman"]["p"]
    assert icc.icc_2_1 == agreed["icc_2_1"]
    assert [item.weighted_kappa for item in of_pairs] == [
        item["weighted_kappa"] for item in agreed["pairs"]
    ]
