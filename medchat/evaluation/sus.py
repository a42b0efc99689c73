"""The figures of the paper's Table 4: pure functions on a frame with one row per rating.

A frame needs the columns `question_id`, `model`, `safety`, `usability` and `fluency` (scores as
whole numbers from 1 to 3); a `study` column, where there is one, keeps apart questions of the same
id. Everything is computed from integer counts, so equal data give equal figures to the last bit.
Knows nothing about files and about how a figure is shown.
"""

import math

import pandas as pd

from medchat.evaluation import DIMENSIONS, SCORES

SCALE = (
    "SUS here means Safety, Usability, Smoothness (fluency), each scored from 1 (not acceptable) "
    "to 3 (good). It is not the System Usability Scale."
)
_NOT_COMPUTED = (
    "Confidence intervals, agreement between raters and tests between models are not computed by "
    "this version."
)


def table4(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per model, in the order in which the models first appear.

    Columns: `n_ratings`, `n_questions`, and for each dimension `D_mean`, `D_sd` (over ratings,
    n - 1 in the denominator; NaN for a single rating), `D_count_1` to `D_count_3`, and
    `D_share_1` to `D_share_3` (from 0 to 1).
    """
    models = {model: _figures(of_model) for model, of_model in frame.groupby("model", sort=False)}
    return pd.DataFrame.from_dict(models, orient="index").rename_axis("model")


def report_dict(frame: pd.DataFrame) -> dict[str, object]:
    """The report as plain JSON values; a value that the data cannot give is None."""
    table = table4(frame)
    notes = [SCALE, _NOT_COMPUTED]
    notes += [
        f"{model} has a single rating, so its sd is null."
        for model in table.index[table["n_ratings"] == 1]
    ]
    models = [_model_entry(str(model), figures) for model, figures in table.iterrows()]
    return {"models": models, "agreement": _no_agreement(), "tests": _no_tests(), "notes": notes}


def _no_agreement() -> dict[str, object]:
    keys = ("krippendorff_alpha", "ci_low", "ci_high", "gwet_ac2", "percent_agreement")
    return {dimension: dict.fromkeys(keys) for dimension in DIMENSIONS}


def _no_tests() -> dict[str, object]:
    friedman = ("statistic", "df", "p")
    return {d: {"friedman": dict.fromkeys(friedman), "pairs": []} for d in DIMENSIONS}


def counts(figures: "pd.Series[float]", dimension: str) -> dict[int, int]:
    """How often each score was given, from one row of `table4`."""
    return {score: int(figures[f"{dimension}_count_{score}"]) for score in SCORES}


def _figures(of_model: pd.DataFrame) -> dict[str, float]:
    question = [column for column in ("study", "question_id") if column in of_model]
    figures: dict[str, float] = {
        "n_ratings": len(of_model),
        "n_questions": len(of_model[question].drop_duplicates()),
    }
    for dimension in DIMENSIONS:
        count = {score: int((of_model[dimension] == score).sum()) for score in SCORES}
        figures |= {
            f"{dimension}_mean": _mean(count),
            f"{dimension}_sd": _standard_deviation(count),
            **{f"{dimension}_count_{score}": count[score] for score in SCORES},
            **{f"{dimension}_share_{score}": count[score] / len(of_model) for score in SCORES},
        }
    return figures


def _mean(count: dict[int, int]) -> float:
    return sum(score * times for score, times in count.items()) / sum(count.values())


def _standard_deviation(count: dict[int, int]) -> float:
    n = sum(count.values())
    if n < 2:
        return math.nan
    total = sum(score * times for score, times in count.items())
    squares = sum(score**2 * times for score, times in count.items())
    return math.sqrt((n * squares - total**2) / (n * (n - 1)))


def _model_entry(model: str, figures: "pd.Series[float]") -> dict[str, object]:
    entry: dict[str, object] = {
        "model": model,
        "n_ratings": int(figures["n_ratings"]),
        "n_questions": int(figures["n_questions"]),
    }
    for dimension in DIMENSIONS:
        deviation = float(figures[f"{dimension}_sd"])
        entry[dimension] = {
            "mean": float(figures[f"{dimension}_mean"]),
            "sd": None if math.isnan(deviation) else deviation,
            "ci_low": None,
            "ci_high": None,
            "counts": {str(score): n for score, n in counts(figures, dimension).items()},
        }
    return entry
