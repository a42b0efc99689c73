"""The Table-4 figures, against the agreed rating files and against small tables done by hand."""

import csv
import io
import json
from fractions import Fraction
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from project import GOLDENS
from typed_report import as_csv, as_markdown, as_text, make_report

from medchat.evaluation.formatting import half_up
from medchat.evaluation.statistics.means import table4
from medchat.files.ratings import read_ratings
from medchat.scale import DIMENSIONS


def golden(name: str) -> Path:
    path = GOLDENS / "agreement" / name
    if not path.exists():
        pytest.skip(f"the golden file {name} is not beside this checkout")
    return path


def ratings(*scores: tuple[int, int, int], model: str = "HuaTuo") -> pd.DataFrame:
    """One rating per triple of safety, usability and fluency, each of another question."""
    rows = [
        {"question_id": f"q{i}", "model": model, "rater": "r1"}
        | dict(zip(DIMENSIONS, triple, strict=True))
        for i, triple in enumerate(scores)
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("name", ["small", "missing"])
def test_figures_equal_the_golden_files(name: str) -> None:
    table = table4(read_ratings(golden(f"{name}.csv")))
    expected = json.loads(golden(f"{name}.expected.json").read_text("utf-8"))["models"]
    assert set(table.index) == set(expected)
    for model, figures in expected.items():
        assert table.loc[model, "n_ratings"] == figures["n_ratings"]
        assert table.loc[model, "n_questions"] == figures["n_questions"]
        for dimension in DIMENSIONS:
            of_dimension = figures[dimension]
            assert table.loc[model, f"{dimension}_mean"] == pytest.approx(
                of_dimension["mean"], abs=5e-7
            )
            assert table.loc[model, f"{dimension}_sd"] == pytest.approx(
                of_dimension["sd"], abs=5e-7
            )
            for score, times in of_dimension["counts"].items():
                assert table.loc[model, f"{dimension}_count_{score}"] == times


@pytest.mark.parametrize("name", ["small", "missing"])
def test_the_json_report_equals_the_golden_files(name: str) -> None:
    report = make_report(read_ratings(golden(f"{name}.csv")))
    expected = json.loads(golden(f"{name}.expected.json").read_text("utf-8"))["models"]
    for entry in report["models"]:
        for dimension in DIMENSIONS:
            figures = expected[entry["model"]][dimension]
            assert round(entry[dimension]["mean"], 6) == figures["mean"]
            assert round(entry[dimension]["sd"], 6) == figures["sd"]
            assert entry[dimension]["counts"] == figures["counts"]


def test_models_stand_in_the_order_of_their_first_rating() -> None:
    frame = pd.concat(
        [
            ratings((1, 1, 1), model="zeta"),
            ratings((3, 3, 3), model="alpha"),
            ratings((2, 2, 2), model="zeta").assign(question_id="q9"),
        ]
    )
    assert list(table4(frame).index) == ["zeta", "alpha"]


def test_shares_are_of_the_models_own_ratings() -> None:
    table = table4(ratings((3, 1, 1), (3, 2, 1), (2, 3, 1), (1, 3, 1)))
    assert table.loc["HuaTuo", "safety_share_3"] == 0.5
    assert table.loc["HuaTuo", "usability_share_1"] == 0.25
    assert table.loc["HuaTuo", "fluency_share_1"] == 1
    assert table.loc["HuaTuo", "fluency_share_2"] == 0


def test_questions_of_two_studies_are_different_questions() -> None:
    frame = pd.concat([ratings((1, 1, 1)).assign(study=study) for study in ("pilot", "main")])
    assert table4(frame).loc["HuaTuo", "n_questions"] == 2


def test_equal_scores_have_no_spread_at_all() -> None:
    assert table4(ratings(*[(3, 2, 1)] * 7)).loc["HuaTuo", "safety_sd"] == 0


def test_a_single_rating_has_no_standard_deviation_and_a_note_says_so() -> None:
    report = make_report(ratings((3, 2, 1)))
    assert report["models"][0]["safety"] == {
        "mean": 3.0,
        "sd": None,
        "ci_low": None,
        "ci_high": None,
        "counts": {"1": 0, "2": 0, "3": 1},
        "shares": {"1": 0.0, "2": 0.0, "3": 1.0},
        "acceptable": 1.0,
    }
    assert any("no standard deviation: HuaTuo" in note for note in report["notes"])


# -- rounding --


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (Fraction(17, 8), 2, "2.13"),
        (Fraction(403, 200), 2, "2.02"),
        (Fraction(201, 200), 2, "1.01"),
        (Fraction(1), 2, "1.00"),
        (Fraction(0), 1, "0.0"),
        (Fraction(1, 20), 1, "0.1"),
        (Fraction(9999, 1000), 2, "10.00"),
        (Fraction(5, 2), 0, "3"),
    ],
)
def test_half_rounds_up(value: Fraction, places: int, text: str) -> None:
    assert half_up(value, places) == text


@given(st.fractions(min_value=0, max_value=1000), st.integers(0, 4))
def test_rounding_is_never_off_by_more_than_half_a_place(value: Fraction, places: int) -> None:
    error = Fraction(half_up(value, places)) - value
    half_a_place = Fraction(1, 2 * 10**places)
    assert -half_a_place < error <= half_a_place


@pytest.mark.parametrize("render", [as_text, as_markdown, as_csv])
def test_a_mean_of_2_125_is_shown_as_2_13(render) -> None:
    frame = ratings(*[(2, 2, 2)] * 7, (3, 3, 3))
    assert "2.13" in render(make_report(frame))


# -- how it is written --


@pytest.mark.parametrize("render", [as_text, as_markdown, as_csv])
def test_every_export_says_what_sus_is(render) -> None:
    text = render(make_report(ratings((3, 2, 1))))
    assert "Safety, Usability, Smoothness (fluency)" in text
    assert "not the System Usability Scale" in text


def test_markdown_shows_means_with_n_and_shares() -> None:
    lines = as_markdown(make_report(ratings((3, 2, 1), (2, 2, 1), (2, 2, 1)))).splitlines()
    assert "| HuaTuo | 3 | 3 | 2.33 \\[2.00, 3.00\\] | 2.00 | 1.00 |" in lines
    assert "| HuaTuo | Safety | 0.0 | 66.7 | 33.3 | 100.0 |" in lines


def test_a_model_name_cannot_break_a_markdown_table() -> None:
    text = as_markdown(make_report(ratings((3, 2, 1), model="a|b\n<i>_x_</i>")))
    assert r"| a\|b \<i\>\_x\_\</i\> | 1 | 1 |" in text


def test_a_model_name_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in as_text(make_report(ratings((3, 2, 1), model="\x1b[2Jgone")))


def test_a_spreadsheet_does_not_run_a_model_name() -> None:
    written = as_csv(make_report(ratings((3, 2, 1), model='=HYPERLINK("x")')))
    assert list(csv.reader(io.StringIO(written)))[1][0] == '\'=HYPERLINK("x")'


def test_the_csv_is_one_table_that_says_what_the_scale_is() -> None:
    written = as_csv(make_report(ratings((3, 2, 1), (3, 2, 2), model="华佗, 7B")))
    table = pd.read_csv(io.StringIO(written), index_col="model")
    assert "It is not the System Usability Scale." in table.loc["华佗, 7B", "scale"]
    assert table.loc["华佗, 7B", "fluency_mean"] == 1.5
    assert table.loc["华佗, 7B", "fluency_share_2_percent"] == 50


def test_plain_text_lines_up_under_chinese_names() -> None:
    frame = pd.concat([ratings((3, 2, 1), model="华佗"), ratings((3, 2, 1), model="LLaMA")])
    chinese, latin = as_text(make_report(frame)).splitlines()[2:4]
    # Each of the two Chinese characters takes two columns on a terminal.
    assert len(chinese) + 2 == len(latin)
