"""Agreement among raters: reference files, textbook tables, and definitions written out in full."""

import itertools
import json
import random
from pathlib import Path
from statistics import fmean

import krippendorff
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from project import GOLDENS

from medchat.evaluation.statistics import agreement as agreement_module
from medchat.evaluation.statistics.agreement import (
    Agreement,
    gwet_ac,
    interval_of_alpha,
    krippendorff_alpha,
    measure_agreement,
    percent_agreement,
)
from medchat.evaluation.statistics.rating_matrix import encode_ratings
from medchat.files.ratings import read_ratings
from medchat.scale import DIMENSIONS, SCORES, Scale

METRICS = ("ordinal", "nominal", "interval")
WEIGHTS = ("ordinal", "identity")

# Krippendorff, "Computing Krippendorff's alpha-reliability" (2011), section C: four observers,
# twelve units, five values. A dot is a missing value.
KRIPPENDORFF_2011 = """
    1 2 3 3 2 1 4 1 2 . . .
    1 2 3 3 2 2 4 1 2 5 . 3
    . 3 3 3 2 3 4 2 2 5 1 .
    1 2 3 3 2 4 4 1 2 5 1 .
"""
# Wikipedia, "Krippendorff's alpha", "A computational example": three coders, fifteen units, of
# which one has no value and two have a single one.
WIKIPEDIA = """
    . . . . . 3 4 1 2 1 1 3 3 . 3
    1 . 2 1 3 3 4 3 . . . . . . .
    . . 2 1 3 4 4 . 2 1 1 3 3 . 4
"""

Unit = list[int]


def golden(name: str) -> Path:
    path = GOLDENS / "agreement" / name
    if not path.exists():
        pytest.skip(f"the golden file {name} is not beside this checkout")
    return path


def units_of(table: str) -> list[Unit]:
    """The values of each unit, from a table with one line per rater."""
    raters = [line.split() for line in table.split("\n") if line.strip()]
    return [[int(v) for v in values if v != "."] for values in zip(*raters, strict=True)]


def counts(units: list[Unit], categories: tuple[int, ...] = SCORES) -> np.ndarray:
    rows = [[unit.count(category) for category in categories] for unit in units]
    return np.array(rows, dtype=np.int64).reshape(len(units), len(categories))


def counts_of(frame: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """As a report counts; the index holds the question (with its study, if any) and the model."""
    coded = encode_ratings(frame, Scale((dimension,)))
    units = zip(coded.unit_question, coded.unit_model, strict=True)
    names = [(*coded.questions[question], coded.models[model]) for question, model in units]
    levels = ["study", "question_id", "model"] if "study" in frame else ["question_id", "model"]
    index = pd.MultiIndex.from_tuples(names, names=levels) if names else None
    return pd.DataFrame(coded.counts(0), index=index)


def ratings(units: list[Unit]) -> pd.DataFrame:
    """A frame with one row per rating: two models in turn, raters numbered in each unit."""
    rows = [
        {"question_id": f"q{i // 2:03d}", "model": "AB"[i % 2], "rater": f"r{r}", "safety": score}
        for i, unit in enumerate(units)
        for r, score in enumerate(unit)
    ]
    return pd.DataFrame(rows, columns=["question_id", "model", "rater", "safety"])


some_units = st.lists(st.lists(st.sampled_from(SCORES), max_size=5), max_size=12)
overlapping_units = some_units.filter(lambda units: any(len(unit) > 1 for unit in units))

# -- the definitions, written out over pairs of ratings --


def squared_difference(a: int, b: int, metric: str, pooled: list[int]) -> float:
    if metric == "nominal":
        return float(a != b)
    if metric == "interval":
        return float((a - b) ** 2)
    low, high = min(a, b), max(a, b)
    between = sum(low <= value <= high for value in pooled)
    return (between - (pooled.count(low) + pooled.count(high)) / 2) ** 2


def alpha_by_pairs(units: list[Unit], metric: str) -> float | None:
    pairable = [unit for unit in units if len(unit) >= 2]
    pooled = list(itertools.chain(*pairable))
    observed = sum(
        squared_difference(a, b, metric, pooled) / (len(unit) - 1)
        for unit in pairable
        for a, b in itertools.permutations(unit, 2)
    )
    expected = sum(
        squared_difference(a, b, metric, pooled) for a, b in itertools.permutations(pooled, 2)
    )
    if not expected:
        return None
    return 1 - (observed / len(pooled)) / (expected / (len(pooled) * (len(pooled) - 1)))


def gwet_by_pairs(units: list[Unit], categories: tuple[int, ...], weights: str) -> float | None:
    def weight(a: int, b: int) -> float:
        if weights == "identity":
            return float(a == b)
        ranks_from_a_to_b = abs(categories.index(a) - categories.index(b)) + 1
        pairs_from_a_to_b = ranks_from_a_to_b * (ranks_from_a_to_b - 1) / 2
        return 1 - pairs_from_a_to_b / (len(categories) * (len(categories) - 1) / 2)

    pairable = [unit for unit in units if len(unit) >= 2]
    if not pairable:
        return None
    observed = fmean(
        fmean(weight(a, b) for a, b in itertools.permutations(unit, 2)) for unit in pairable
    )
    rated = [unit for unit in units if unit]
    share = [fmean(unit.count(c) / len(unit) for unit in rated) for c in categories]
    all_weights = sum(weight(a, b) for a in categories for b in categories)
    width = len(categories)
    chance = all_weights / (width * (width - 1)) * sum(p * (1 - p) for p in share)
    return (observed - chance) / (1 - chance)


@given(some_units, st.sampled_from(METRICS))
def test_alpha_equals_its_definition_over_pairs(units: list[Unit], metric: str) -> None:
    expected = alpha_by_pairs(units, metric)
    assert krippendorff_alpha(counts(units), metric=metric) == pytest.approx(expected, abs=1e-12)


@given(st.data(), st.sampled_from(METRICS))
def test_alpha_takes_any_categories_in_rising_order(data: st.DataObject, metric: str) -> None:
    categories = (-2, 0, 1, 5)
    units = data.draw(st.lists(st.lists(st.sampled_from(categories), max_size=4), max_size=8))
    assert krippendorff_alpha(counts(units, categories), categories, metric) == pytest.approx(
        alpha_by_pairs(units, metric), abs=1e-12
    )


@given(some_units, st.sampled_from(WEIGHTS), st.sampled_from([SCORES, (1, 2, 3, 4, 5)]))
def test_gwets_coefficient_equals_its_definition_over_pairs(
    units: list[Unit], weights: str, categories: tuple[int, ...]
) -> None:
    assert gwet_ac(counts(units, categories), categories, weights) == pytest.approx(
        gwet_by_pairs(units, categories, weights), abs=1e-12
    )


@given(overlapping_units)
def test_percent_agreement_is_the_mean_share_of_equal_pairs(units: list[Unit]) -> None:
    shares = [
        fmean(a == b for a, b in itertools.combinations(unit, 2))
        for unit in units
        if len(unit) >= 2
    ]
    assert percent_agreement(counts(units)) == pytest.approx(fmean(shares), abs=1e-12)


# -- reference figures --


@pytest.mark.parametrize("name", ["small", "missing"])
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_figures_equal_the_golden_files(name: str, dimension: str) -> None:
    matrix = counts_of(read_ratings(golden(f"{name}.csv")), dimension)
    expected = json.loads(golden(f"{name}.expected.json").read_text("utf-8"))["agreement"]
    figures = measure_agreement(matrix)
    assert {
        "krippendorff_alpha": round(figures.krippendorff_alpha or 0, 6),
        "alpha_nominal": round(krippendorff_alpha(matrix, metric="nominal") or 0, 6),
        "alpha_interval": round(krippendorff_alpha(matrix, metric="interval") or 0, 6),
        # irrCAC rounds to five digits itself.
        "gwet_ac2_ordinal_weights": round(figures.gwet_ac2 or 0, 5),
    } == expected[dimension]
    assert figures.reasons == ()


# The goldens hold neither AC1 nor percent agreement: irrCAC 0.4.4 on the same files,
# CAC(..., weights="identity", categories=[1, 2, 3]).gwet(), its coefficient_value and its pa.
@pytest.mark.parametrize(
    ("name", "dimension", "ac1", "percent"),
    [
        ("small", "safety", 0.59256, 0.6975),
        ("small", "usability", 0.48105, 0.6525),
        ("small", "fluency", 0.50776, 0.6625),
        ("missing", "safety", 0.58258, 0.69093),
        ("missing", "usability", 0.52039, 0.6674),
        ("missing", "fluency", 0.47802, 0.64191),
    ],
)
def test_ac1_and_percent_agreement_equal_irrcac(
    name: str, dimension: str, ac1: float, percent: float
) -> None:
    matrix = counts_of(read_ratings(golden(f"{name}.csv")), dimension)
    assert gwet_ac(matrix, weights="identity") == pytest.approx(ac1, abs=5.1e-6)
    assert percent_agreement(matrix) == pytest.approx(percent, abs=5.1e-6)


@pytest.mark.parametrize(
    ("metric", "alpha"), [("nominal", 0.743421), ("ordinal", 0.815388), ("interval", 0.849107)]
)
def test_alpha_equals_the_table_of_krippendorff_2011(metric: str, alpha: float) -> None:
    values = (1, 2, 3, 4, 5)
    matrix = counts(units_of(KRIPPENDORFF_2011), values)
    assert krippendorff_alpha(matrix, values, metric) == pytest.approx(alpha, abs=5.1e-7)


@pytest.mark.parametrize(
    ("metric", "alpha"), [("nominal", 0.6914), ("ordinal", 0.8067), ("interval", 0.8108)]
)
def test_alpha_equals_the_table_of_wikipedia(metric: str, alpha: float) -> None:
    values = (1, 2, 3, 4)
    matrix = counts(units_of(WIKIPEDIA), values)
    assert krippendorff_alpha(matrix, values, metric) == pytest.approx(alpha, abs=5.1e-5)


def test_gwets_coefficients_of_the_table_of_krippendorff_2011_equal_irrcac() -> None:
    values = (1, 2, 3, 4, 5)
    matrix = counts(units_of(KRIPPENDORFF_2011), values)
    assert gwet_ac(matrix, values) == pytest.approx(0.89894, abs=5.1e-6)
    assert gwet_ac(matrix, values, "identity") == pytest.approx(0.77544, abs=5.1e-6)
    assert percent_agreement(matrix) == pytest.approx(0.81818, abs=5.1e-6)


def random_table(seed: int) -> tuple[tuple[int, ...], list[Unit]]:
    """Categories from 0 and the ratings of each unit; of every third table some are missing."""
    draw = random.Random(seed)
    width, raters, units = draw.randint(2, 5), draw.randint(2, 6), draw.randint(8, 40)
    liked = [draw.random() for _ in range(width)]
    seldom = (0, 0.2, 0.4)[seed % 3]
    table = [
        [
            None if draw.random() < seldom else draw.choices(range(width), liked)[0]
            for _ in range(raters)
        ]
        for _ in range(units)
    ]
    return tuple(range(width)), [[v for v in row if v is not None] for row in table]


@pytest.mark.parametrize(
    ("seed", "ac1", "ac2", "percent"),
    [
        (1, 0.28911, 0.43453, 0.49722),
        (2, 0.66997, 0.66997, 0.83333),
        (3, 0.10698, 0.32426, 0.37083),
        (4, 0.1547, 0.38077, 0.39286),
        (5, 0.34125, 0.69102, 0.47619),
        (6, 0.4323, 0.4323, 0.625),
        (7, 0.11991, -0.01924, 0.30667),
        (8, 0.63797, 0.83206, 0.70988),
        (9, 0.0697, 0.17969, 0.24946),
        (10, 0.37265, 0.37265, 0.60088),
        (11, -0.00085, -0.05217, 0.19099),
        (12, 0.25914, 0.56972, 0.37778),
    ],
)
def test_gwets_coefficients_of_random_tables_equal_irrcac(
    seed: int, ac1: float, ac2: float, percent: float
) -> None:
    """What irrCAC 0.4.4 prints, to five digits: it cannot be installed beside this pandas."""
    values, units = random_table(seed)
    matrix = counts(units, values)
    assert gwet_ac(matrix, values, "identity") == pytest.approx(ac1, abs=5.1e-6)
    assert gwet_ac(matrix, values) == pytest.approx(ac2, abs=5.1e-6)
    assert percent_agreement(matrix) == pytest.approx(percent, abs=5.1e-6)


@given(overlapping_units, st.sampled_from(METRICS))
def test_alpha_equals_the_package_krippendorff(units: list[Unit], metric: str) -> None:
    matrix = counts(units)
    result = krippendorff_alpha(matrix, metric=metric)
    if result is None:
        return  # without variation the package refuses, or divides by zero
    expected = krippendorff.alpha(
        value_counts=matrix, value_domain=list(SCORES), level_of_measurement=metric
    )
    assert result == pytest.approx(expected, abs=1e-12)


# -- what changes a figure, and what does not --


@given(some_units, st.randoms(use_true_random=False))
def test_the_order_of_units_changes_no_bit(units: list[Unit], shuffler: random.Random) -> None:
    shuffled = shuffler.sample(units, len(units))
    assert measure_agreement(counts(shuffled)) == measure_agreement(counts(units))


@given(overlapping_units, st.randoms(use_true_random=False))
def test_who_gave_which_score_changes_no_bit(units: list[Unit], shuffler: random.Random) -> None:
    others = [shuffler.sample(unit, len(unit)) for unit in units]
    frame = ratings(others).sample(frac=1, random_state=shuffler.randrange(2**32))
    in_order = measure_agreement(counts_of(ratings(units), "safety"))
    assert measure_agreement(counts_of(frame, "safety")) == in_order


@given(some_units)
def test_units_without_any_rating_change_no_figure(units: list[Unit]) -> None:
    with_empty = measure_agreement(counts([*units, [], []]))
    without = measure_agreement(counts(units))
    assert (with_empty.units, with_empty.ratings) == (without.units, without.ratings)
    for figure in ("krippendorff_alpha", "gwet_ac2", "percent_agreement"):
        # numpy adds longer columns in another order, which may show in the last bit
        assert getattr(with_empty, figure) == pytest.approx(getattr(without, figure), abs=1e-12)


@given(some_units, st.sampled_from(METRICS))
def test_a_single_rating_does_not_touch_alpha(units: list[Unit], metric: str) -> None:
    alpha = krippendorff_alpha(counts(units), metric=metric)
    with_singles = krippendorff_alpha(counts([*units, [1], [3]]), metric=metric)
    assert with_singles == pytest.approx(alpha, abs=1e-12)


def test_a_single_rating_counts_in_what_gwet_expects_by_chance() -> None:
    units = [[1, 1], [3, 3], [1, 3]]
    assert gwet_ac(counts([*units, [2]])) != gwet_ac(counts(units))
    assert percent_agreement(counts([*units, [2]])) == percent_agreement(counts(units))


@given(overlapping_units)
def test_figures_stay_within_their_bounds(units: list[Unit]) -> None:
    matrix = counts(units)
    for metric in METRICS:
        alpha = krippendorff_alpha(matrix, metric=metric)
        assert alpha is None or -1 < alpha <= 1
    ac1, ac2 = (gwet_ac(matrix, weights=weights) for weights in ("identity", "ordinal"))
    assert ac1 is not None
    assert -1 <= ac1 <= 1
    assert ac2 is not None
    # Chance agreement is at most sum(w) / q^2 = 17 / 27.
    assert -1.7 - 1e-12 <= ac2 <= 1
    percent = percent_agreement(matrix)
    assert percent is not None
    assert 0 <= percent <= 1


@given(st.lists(st.tuples(st.sampled_from(SCORES), st.integers(2, 7)), min_size=1))
def test_perfect_agreement_is_exactly_one(units: list[tuple[int, int]]) -> None:
    # The last unit and the first, which scores something else, make sure that there is variation.
    first = 1 if units[-1][0] != 1 else 2
    matrix = counts([[first] * 3, *([score] * raters for score, raters in units)])
    assert {krippendorff_alpha(matrix, metric=metric) for metric in METRICS} == {1.0}
    assert {gwet_ac(matrix, weights=weights) for weights in WEIGHTS} == {1.0}
    assert percent_agreement(matrix) == 1.0


def test_the_ordinal_metric_is_not_the_distance_of_the_scores() -> None:
    # |a - b| in place of the ordinal metric would give 0.752.
    values = (1, 2, 3, 4)
    assert krippendorff_alpha(counts(units_of(WIKIPEDIA), values), values) == pytest.approx(
        0.807, abs=5e-4
    )


def test_ordinal_alpha_does_not_depend_on_the_numbers_given_to_the_categories() -> None:
    matrix = counts([[1, 2], [2, 3, 3], [1, 1], [3, 3], [2, 2]])
    assert krippendorff_alpha(matrix, (1, 10, 100)) == krippendorff_alpha(matrix, (1, 2, 3))
    assert krippendorff_alpha(matrix, (1, 10, 100), "interval") != krippendorff_alpha(
        matrix, (1, 2, 3), "interval"
    )


def test_nearly_equal_scores_spoil_alpha_but_not_ac2() -> None:
    figures = measure_agreement(counts([[3, 3, 3]] * 30 + [[3, 3, 2]]))
    assert figures.krippendorff_alpha is not None
    assert figures.krippendorff_alpha < 0.01
    assert figures.gwet_ac2 is not None
    assert figures.gwet_ac2 > 0.95


# -- figures that do not exist --


@pytest.mark.parametrize("units", [[], [[], []]])
def test_without_ratings_there_is_no_figure(units: list[Unit]) -> None:
    assert measure_agreement(counts(units)) == Agreement(0, 0, None, None, None, ("no_ratings",))


def test_without_a_unit_of_two_ratings_there_is_no_figure() -> None:
    assert measure_agreement(counts([[1], [2], [3], []])) == Agreement(
        0, 3, None, None, None, ("no_overlap",)
    )


def test_equal_scores_leave_alpha_alone_undefined() -> None:
    assert measure_agreement(counts([[3, 3], [3, 3, 3], [3]])) == Agreement(
        2, 6, None, 1.0, 1.0, ("no_variation",)
    )


def test_variation_among_single_ratings_does_not_define_alpha() -> None:
    figures = measure_agreement(counts([[3, 3], [3, 3, 3], [1]]))
    assert figures.krippendorff_alpha is None
    assert figures.reasons == ("no_variation",)


@given(some_units)
def test_a_reason_is_given_exactly_when_a_figure_is_missing(units: list[Unit]) -> None:
    figures = measure_agreement(counts(units))
    values = (figures.krippendorff_alpha, figures.gwet_ac2, figures.percent_agreement)
    assert (None in values) == bool(figures.reasons)
    assert all(value is None or np.isfinite(value) for value in values)


# -- counting --


def test_units_are_questions_and_models_in_sorted_order() -> None:
    frame = ratings([[1, 2], [3], [2, 2, 2]]).iloc[::-1]
    matrix = counts_of(frame, "safety")
    assert list(matrix.index) == [("q000", "A"), ("q000", "B"), ("q001", "A")]
    assert matrix.to_numpy().tolist() == [[1, 1, 0], [0, 0, 1], [0, 3, 0]]


def test_a_file_without_ratings_has_no_units() -> None:
    matrix = counts_of(ratings([]), "safety")
    assert matrix.shape == (0, 3)
    assert measure_agreement(matrix).reasons == ("no_ratings",)


def test_a_score_outside_the_categories_is_refused() -> None:
    with pytest.raises(ValueError, match=r"safety holds .*4.*none of the scores \(1, 2, 3\)"):
        counts_of(ratings([[1, 4]]), "safety")


def test_a_rater_who_scored_a_unit_twice_is_refused() -> None:
    frame = ratings([[1, 2], [3, 3]]).assign(rater="r7")
    with pytest.raises(ValueError, match="'r7' scored question 'q000' of model 'A' more than once"):
        counts_of(frame, "safety")


@pytest.mark.parametrize(
    ("matrix", "complaint"),
    [
        (np.ones((2, 3)), "matrix of integers"),
        (np.ones((2, 3), dtype=bool), "matrix of integers"),
        (np.ones(3, dtype=int), "matrix of integers"),
        (np.array([[1, -1, 0]]), "-1"),
        (np.ones((2, 4), dtype=int), "4 columns for 3 categories"),
    ],
)
def test_what_is_not_a_counts_matrix_is_refused(matrix: np.ndarray, complaint: str) -> None:
    for figure in (krippendorff_alpha, gwet_ac, measure_agreement):
        with pytest.raises(ValueError, match=complaint):
            figure(matrix)


@pytest.mark.parametrize("categories", [(1,), (1, 1, 2), (3, 2, 1), (1, float("nan"), 3)])
def test_categories_must_be_numbers_in_rising_order(categories: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="two or more numbers in rising order"):
        measure_agreement(np.ones((2, len(categories)), dtype=int), categories)


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(ValueError, match="'ratio': it must be one of ordinal, nominal, interval"):
        krippendorff_alpha(counts([[1, 2]]), metric="ratio")
    with pytest.raises(ValueError, match="'linear': it must be one of ordinal, identity"):
        gwet_ac(counts([[1, 2]]), weights="linear")


def test_small_integer_types_do_not_overflow() -> None:
    matrix = np.array([[100, 20, 0], [0, 20, 100], [0, 120, 0]], dtype=np.int8)
    assert measure_agreement(matrix) == measure_agreement(matrix.astype(np.int64))


# -- interval --

_draw = random.Random(20)
# Two units each (one per model), two to five ratings; half of the ratings follow the unit's own.
TWENTY_QUESTIONS = [
    [_draw.choice([1 + i % 3, _draw.choice(SCORES)]) for _ in range(_draw.randint(2, 5))]
    for i in range(40)
]


def by_question(units: list[Unit]) -> tuple[pd.DataFrame, pd.Index]:
    matrix = counts_of(ratings(units), "safety")
    return matrix, matrix.index.droplevel("model")


@pytest.mark.parametrize("metric", METRICS)
def test_the_interval_equals_one_that_copies_the_drawn_questions(metric: str) -> None:
    matrix, questions = by_question(TWENTY_QUESTIONS)
    picked = np.random.default_rng(5).integers(20, size=(200, 20))
    rows = matrix.to_numpy().reshape(20, 2, 3)
    alphas = [krippendorff_alpha(rows[d].reshape(40, 3), metric=metric) for d in picked]
    expected = np.quantile(np.array(alphas, dtype=float), [0.05, 0.95])
    interval = interval_of_alpha(matrix, questions, metric=metric, rounds=200, seed=5, level=0.9)
    assert interval == pytest.approx(tuple(expected), abs=1e-12)


def test_the_interval_holds_the_alpha_and_grows_with_the_level() -> None:
    matrix, questions = by_question(TWENTY_QUESTIONS)
    alpha = krippendorff_alpha(matrix)
    narrow = interval_of_alpha(matrix, questions, level=0.8)
    wide = interval_of_alpha(matrix, questions, level=0.99)
    assert alpha is not None
    assert narrow is not None
    assert wide is not None
    assert wide[0] < narrow[0] < alpha < narrow[1] < wide[1]


def test_the_seed_alone_decides_the_interval() -> None:
    matrix, questions = by_question(TWENTY_QUESTIONS)
    order = np.random.default_rng(1).permutation(len(matrix))
    first = interval_of_alpha(matrix, questions, seed=3)
    assert interval_of_alpha(matrix.iloc[order], questions[order], seed=3) == first
    assert interval_of_alpha(matrix.to_numpy(), list(questions), seed=3) == first
    assert interval_of_alpha(matrix, questions, seed=4) != first


def test_drawing_in_small_blocks_gives_the_same_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, questions = by_question(TWENTY_QUESTIONS)
    at_once = interval_of_alpha(matrix, questions, rounds=101)
    for draws in (1, 70):
        monkeypatch.setattr(agreement_module, "_DRAWS_PER_BLOCK", draws)
        assert interval_of_alpha(matrix, questions, rounds=101) == pytest.approx(at_once, abs=1e-12)


def test_questions_of_two_studies_are_different_groups() -> None:
    frame = pd.concat(
        [ratings(TWENTY_QUESTIONS).assign(study=study) for study in ("pilot", "main")]
    )
    matrix = counts_of(frame, "safety")
    numbered = np.repeat(np.arange(40), 2)
    assert interval_of_alpha(matrix, matrix.index.droplevel("model")) == interval_of_alpha(
        matrix, numbered
    )


def test_rounds_without_variation_are_left_out() -> None:
    # Three rounds in ten, (2/3)^3, miss the first question and so hold nothing but 3.
    matrix = counts([[1, 2], [3, 3], [3, 3]])
    interval = interval_of_alpha(matrix, ["a", "b", "c"])
    assert interval is not None
    assert np.isfinite(interval).all()


def test_an_interval_from_few_defined_rounds_is_withheld() -> None:
    # Alpha is 1, but exists only in rounds that draw both of the first two questions: 41 %.
    matrix = counts([[3, 3], [1, 1]] + [[2]] * 10)
    assert krippendorff_alpha(matrix) == 1
    assert interval_of_alpha(matrix, list(range(12))) is None


@pytest.mark.parametrize("units", [[], [[1], [2]], [[3, 3], [3, 3]]])
def test_an_undefined_alpha_has_no_interval(units: list[Unit]) -> None:
    assert interval_of_alpha(counts(units), list(range(len(units)))) is None


def test_a_single_question_leaves_nothing_to_draw() -> None:
    assert interval_of_alpha(counts([[1, 2], [3, 3]]), ["q1", "q1"]) is None


def test_every_unit_needs_a_group() -> None:
    with pytest.raises(ValueError, match="1 groups for 2 units"):
        interval_of_alpha(counts([[1, 2], [3, 3]]), ["q1"])


@pytest.mark.parametrize(("rounds", "level"), [(0, 0.95), (10, 0), (10, 1)])
def test_rounds_and_level_must_make_sense(rounds: int, level: float) -> None:
    with pytest.raises(ValueError, match="at least 1, and between 0 and 1"):
        interval_of_alpha(counts([[1, 2]]), ["q1"], rounds=rounds, level=level)
