"""The report of a million ratings: against a plain pandas groupby, in one run, and how it grows.

Table 4 with its shares, then everything with 2,000 bootstrap rounds; the most memory that the
process ever held. Only ratios within the run mean anything.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from medchat.evaluation.report import ReportSettings, make_report
from medchat.evaluation.statistics.means import table4
from medchat.files.ratings import parse_ratings
from medchat.scale import DIMENSIONS

ROUNDS, MODELS, RATERS_PER_ANSWER, RATERS = 5, 4, 5, 50


def ratings(count: int) -> pd.DataFrame:
    """Five of fifty raters for each answer of four models."""
    generator = np.random.default_rng(0)
    answer = np.repeat(np.arange(count // RATERS_PER_ANSWER), RATERS_PER_ANSWER)
    question = answer // MODELS
    rater = (question * 7 + np.tile(np.arange(RATERS_PER_ANSWER), len(answer) // 5) * 3) % RATERS
    return pd.DataFrame(
        {
            "question_id": np.char.add("q", question.astype(str)),
            "model": np.char.add("model ", (answer % MODELS).astype(str)),
            "rater": np.char.add("r", rater.astype(str)),
        }
        | {each: generator.choice([1, 2, 3], len(answer), p=[0.1, 0.3, 0.6]) for each in DIMENSIONS}
    )


def all_columns(frame: pd.DataFrame) -> pd.DataFrame:
    """As a study exports it: texts of questions, ids, comments, times."""
    row = pd.Series(range(len(frame)))
    told = {
        "study": "门诊问答",
        "question": "患者发热三天，体温 38.5 ℃，应当怎么处理？" + frame["question_id"],
        "response_id": frame["question_id"] + frame["model"].str[-1] + "c0ffee" * 4,
        "specialty": "内科",
        "years": 7,
        "flags": row.mod(20).eq(0).map({True: "dangerous", False: ""}),
        "comment": row.mod(10).eq(0).map({True: "剂量没有说明", False: ""}),
        "shown_position": row.mod(MODELS) + 1,
        "active_seconds": row.mod(900) / 10,
        "rated_at": pd.to_datetime(row, unit="s", origin="2026-11-01", utc=True).astype(str),
    }
    return frame.assign(**told)


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    frame = ratings(1_000_000)
    columns = list(DIMENSIONS)
    plain, table = [], []
    for _ in range(ROUNDS):
        plain.append(seconds(lambda: frame.groupby("model")[columns].agg(["mean", "std", "count"])))
        table.append(seconds(lambda: table4(frame)))
    print(
        f"1,000,000 ratings: Table 4 with shares {median(table):.2f} s, pandas groupby "
        f"{median(plain):.2f} s, ratio {median(table) / median(plain):.1f}"
    )
    settings = ReportSettings(bootstrap=2000)
    # In turns, and the time of the processor: what else the machine does falls on all alike.
    sizes = [250_000, 500_000, 1_000_000]
    spent: dict[int, list[float]] = {size: [] for size in sizes}
    wall: list[float] = []
    for _ in range(3):
        for size in sizes:
            part = frame.iloc[:size]
            before = time.process_time()
            taken = seconds(lambda part=part: make_report(part, settings))
            spent[size].append(time.process_time() - before)
        wall.append(taken)
    cpu = [min(spent[size]) for size in sizes]
    exponent = np.polyfit(np.log(sizes), np.log(cpu), 1)[0]
    told = ", ".join(f"{of:,} in {t:.1f} s" for of, t in zip(sizes, cpu, strict=True))
    print(
        f"everything, 2,000 rounds: {median(wall):.1f} s for 1,000,000; processor time {told}: "
        f"grows as the ratings to the power of {exponent:.2f}"
    )
    text = frame.to_csv(index=False).encode()
    reading = seconds(lambda: parse_ratings(text, "ratings.csv"))
    print(f"reading the CSV of {len(text) / 2**20:.0f} MiB: {reading:.1f} s")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"most memory of the process, reading included: {most:.2f} GiB")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scores.csv"
        all_columns(frame).to_csv(file, index=False)
        command = [sys.executable, "-m", "medchat", "report", file, "--format", "json"]
        taken = seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL))
        size = file.stat().st_size / 2**20
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(
        f"medchat report of a score CSV with every column ({size:.0f} MiB): {taken:.1f} s, at most "
        f"{most:.2f} GiB"
    )


if __name__ == "__main__":
    main()
