"""Whatever the data, every null in a report has its reason in the notes, and nothing is NaN."""

import json
import re
import warnings
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typed_report import make_report

from medchat.evaluation.report import ReportSettings
from medchat.scale import DIMENSIONS
from medchat.study.conduct import Conduct

QUICK = ReportSettings(bootstrap=50)
REASONS = {
    r"data\.years\.": "years of practice",
    r"data\.(first|last)_rated_at": "when ratings were given",
    r"models\.\d+\.\w+\.sd": "no standard deviation",
    r"models\.\d+\.\w+\.ci_": (
        "interval needs|No intervals were asked|scores are all equal has no interval"
    ),
    r"reference\.\d+\.": "A published row is empty",
    r"agreement\.\w+\.(krippendorff_alpha|alpha_)": (
        "no agreement|agreement cannot|alpha is not defined"
    ),
    r"agreement\.\w+\.ci_": (
        "no agreement|agreement cannot|alpha (is|was) not defined|No intervals|interval needs"
    ),
    r"agreement\.\w+\.(gwet|percent)": "no agreement|agreement cannot",
    r"agreement\.\w+\.icc_": "ICC needs",
    r"agreement\.\w+\.pairs\.\d+\.weighted_kappa": "have no weighted kappa",
    r"tests\.\w+\.friedman\.": "Friedman's test needs|cannot be ranked",
    r"tests\.\w+\.pairs\.\d+\.": "Too few questions|cannot be ranked",
    r"consistency$": "nothing is known of each rater's consistency",
    r"consistency\.\w+\.weighted_kappa": "all got one and the same score",
    r"overlap$": "no BLEU and no ROUGE",
    r"overlap\.correlation\.": "rank correlation needs",
    r"conduct$": "how the study was held",
    r"conduct\.\w+$": "Of how the study was held, not known",
}
"""Where a null may stand, and which note says why."""


def nulls(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from nulls(inner, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from nulls(inner, f"{path}.{place}")
    elif value is None:
        yield path


def check(report: dict[str, Any]) -> None:
    json.dumps(report, allow_nan=False)
    told = "\n".join(report["notes"])
    assert len(report["notes"]) == len(report["notes_zh"])
    for path in nulls(report):
        (reason,) = {said for place, said in REASONS.items() if re.match(place, path)} or {None}
        assert reason, f"{path} may be null, but no reason is known here"
        assert re.search(reason, told, re.IGNORECASE), f"{path} is null, and the notes are silent"


def frame_of(questions: int, models: int, raters: int, score: int | None = None) -> pd.DataFrame:
    return pd.DataFrame(
        {"question_id": f"q{q}", "model": f"m{m}", "rater": f"r{r}", "response_id": f"{q}{m}"}
        | {
            dimension: score or 1 + (q * 5 + m * 3 + r * (q + 1) + place) % 3
            for place, dimension in enumerate(DIMENSIONS)
        }
        for q in range(questions)
        for m in range(models)
        for r in range(raters)
    )


@pytest.mark.parametrize("score", [None, 2])
@pytest.mark.parametrize("raters", [1, 2, 3])
@pytest.mark.parametrize("models", [1, 2, 4])
@pytest.mark.parametrize("questions", [1, 2, 12])
def test_every_null_has_its_reason(questions: int, models: int, raters: int, score) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(make_report(frame_of(questions, models, raters, score), QUICK))


def test_without_intervals_every_null_has_its_reason() -> None:
    check(make_report(frame_of(12, 3, 3), ReportSettings(bootstrap=0)))


def test_where_no_answer_has_two_ratings_every_null_has_its_reason() -> None:
    frame = frame_of(6, 2, 2)
    apart = frame[frame["question_id"].isin(["q0", "q1", "q2"]) == (frame["rater"] == "r0")]
    check(make_report(apart.reset_index(drop=True), QUICK))


def test_raters_who_never_vary_have_no_kappa_and_a_reason() -> None:
    frame = frame_of(6, 2, 3)
    frame.loc[frame["rater"] != "r2", "safety"] = 3
    report = make_report(frame, QUICK)
    assert "agreement.safety.pairs.0.weighted_kappa" in set(nulls(report))
    assert not [
        note for note in report["notes"] if "two raters who both" in note and "Usability" in note
    ]
    check(report)


@pytest.mark.parametrize("known", [0, 2, 8])
@pytest.mark.parametrize("again", [0, 2])
def test_with_references_repeats_and_conduct_every_null_has_its_reason(known, again) -> None:
    frame = frame_of(4, 2, 2).assign(years="7", rated_at="2026-11-20T08:00:00+00:00")
    answers = pd.DataFrame(
        {"response_id": each, "answer": "多喝水。", "reference": "多喝水，多休息。"}
        for each in frame["response_id"].unique()[:known]
    )
    repeats = pd.DataFrame(
        {"rater": "r0", "response_id": f"{q}0"}
        | {f"{dimension}{tail}": 2 for dimension in DIMENSIONS for tail in ("", "_again")}
        for q in range(again)
    )
    reference = [{"model": "p", "source": "s"} | dict.fromkeys(DIMENSIONS)]
    held = Conduct(blind=True, repeats=again)
    check(make_report(frame, QUICK, reference, repeats, answers, held))


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("shown_position", [""], "place on screen"),
        ("specialty", [" "], "specialty"),
        ("answer_length", ["70"], "length of the answer"),
        ("rater_flagged", ["1"], "raters who show signs"),
        ("category", [f"c{n}" for n in range(240)], "category"),
    ],
)
def test_a_column_that_gives_no_parts_is_named(column: str, values: list[str], told: str) -> None:
    frame = frame_of(60, 2, 2)
    frame[column] = [values[n % len(values)] for n in range(len(frame))]
    report = make_report(frame, QUICK)
    assert column not in {entry["by"].removeprefix("without_") for entry in report["sensitivity"]}
    (note,) = [note for note in report["notes"] if "the column is empty" in note]
    assert told in note


def test_what_is_no_date_is_counted_and_left_out() -> None:
    days = ["2026-11-20", "2026-02-30", "0000-00-00", "12/3/2026", "", "2026-11-21T08:00:00Z"]
    frame = frame_of(3, 1, 2).assign(rated_at=days)
    report = make_report(frame, QUICK)
    assert [entry["date"] for entry in report["progress"]] == ["2026-11-20", "2026-11-21"]
    assert report["data"]["first_rated_at"] == "2026-11-20"
    assert [
        note
        for note in report["notes"]
        if note.startswith("Ratings whose rated_at is no date") and ": 3." in note
    ]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 3), st.integers(1, 3)),
        min_size=1,
        max_size=40,
        unique_by=lambda row: row[:3],
    )
)
def test_any_ratings_have_reasons_for_their_nulls(rows: list[tuple[int, int, int, int]]) -> None:
    frame = pd.DataFrame(
        {"question_id": f"q{q}", "model": f"m{m}", "rater": f"r{r}"} | dict.fromkeys(DIMENSIONS, s)
        for q, m, r, s in rows
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(make_report(frame, ReportSettings(bootstrap=50)))


def test_too_few_rounds_give_no_interval_and_say_so() -> None:
    report = make_report(frame_of(12, 3, 3), ReportSettings(bootstrap=20))
    check(report)
    assert {entry["safety"]["ci_low"] for entry in report["models"]} == {None}
    assert "A 95 % interval needs 40 bootstrap rounds or more: there is none." in report["notes"]
