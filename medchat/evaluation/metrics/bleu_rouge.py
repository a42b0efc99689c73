"""BLEU and ROUGE of answers against reference answers, and how they go with the human scores.

BLEU is sacrebleu's over Chinese characters (`tokenize="zh"`), ROUGE is rouge-chinese's over the
words that jieba finds; both from 0 to 100. Overlap with a reference says little of whether an
answer is safe: that is why it stands beside the scores, with Spearman's rank correlation over
answers, and never in their place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from medchat.evaluation.statistics.rating_matrix import RatingMatrix

METRICS = ("bleu", "rouge_1", "rouge_2", "rouge_l")
MIN_ANSWERS = 3
"""A rank correlation of fewer answers says nothing."""


@dataclass(frozen=True)
class ModelOverlap:
    """``means`` has the mean of each of ``METRICS`` over ``n`` answers of one model."""

    model: str
    n: int
    means: Mapping[str, float]


@dataclass(frozen=True)
class Correlation:
    """``rho`` has Spearman's rho of each of ``METRICS`` with the mean score of ``n`` answers; None
    where there are fewer than ``MIN_ANSWERS`` or one side does not vary."""

    n: int
    rho: Mapping[str, float | None]


@dataclass(frozen=True)
class Overlap:
    """Overlap per model, and its correlation with the scores per dimension."""

    models: tuple[ModelOverlap, ...]
    correlation: Mapping[str, Correlation]


def measure_overlap(
    frame: pd.DataFrame, answers: pd.DataFrame, ratings: RatingMatrix
) -> Overlap | None:
    """Of all rated answers that have a reference; None where there is no such answer.

    ``frame`` has the rows of ``ratings``; ``answers`` has ``response_id``, ``answer`` and
    ``reference`` (empty where there is none).
    """
    if answers.empty or "response_id" not in frame:
        return None
    models = frame.drop_duplicates("response_id").set_index("response_id")["model"]
    compared = answers[
        (answers["reference"].str.strip() != "") & answers["response_id"].isin(models.index)
    ]
    if compared.empty:
        return None
    overlaps = pd.DataFrame(
        [overlap_scores(row.answer, row.reference) for row in compared.itertuples()],
        index=pd.Index(compared["response_id"]),
        columns=list(METRICS),
    )
    by_model = overlaps.groupby(models.loc[overlaps.index].to_numpy())
    human = frame.groupby("response_id")[list(ratings.scale.dimensions)].mean()
    return Overlap(
        models=tuple(
            _model_overlap(model, by_model.get_group(model))
            for model in ratings.models
            if model in by_model.groups
        ),
        correlation={
            dimension: _correlate(overlaps, human[dimension].loc[overlaps.index])
            for dimension in ratings.scale.dimensions
        },
    )


def _model_overlap(model: str, overlaps: pd.DataFrame) -> ModelOverlap:
    means = {metric: float(overlaps[metric].mean()) for metric in METRICS}
    return ModelOverlap(model, len(overlaps), means)


def _correlate(overlaps: pd.DataFrame, human: "pd.Series[float]") -> Correlation:
    from scipy import stats

    rho: dict[str, float | None] = dict.fromkeys(METRICS)
    if len(overlaps) >= MIN_ANSWERS and human.nunique() > 1:
        for metric in METRICS:
            if overlaps[metric].nunique() > 1:
                rho[metric] = float(stats.spearmanr(overlaps[metric], human).statistic)
    return Correlation(len(overlaps), rho)


@lru_cache(maxsize=2**14)
def overlap_scores(answer: str, reference: str) -> tuple[float, float, float, float]:
    """BLEU, ROUGE-1, ROUGE-2 and ROUGE-L (F) of one answer, each from 0 to 100."""
    from sacrebleu import sentence_bleu

    bleu = sentence_bleu(answer, [reference], tokenize="zh").score
    return (min(bleu, 100.0), *_rouge(_words(answer), _words(reference)))


def _rouge(answer: str, reference: str) -> tuple[float, float, float]:
    from rouge_chinese import Rouge

    if not answer or not reference:
        return 0.0, 0.0, 0.0
    (scores,) = Rouge(metrics=["rouge-1", "rouge-2"]).get_scores(answer, reference)
    one, two = (100 * float(scores[key]["f"]) for key in ("rouge-1", "rouge-2"))
    return one, two, 100 * _rouge_l(answer.split(), reference.split())


def _rouge_l(answer: list[str], reference: list[str]) -> float:
    """F of the longest common subsequence, as rouge-chinese has it.

    That package fills a table of len(answer) x len(reference) cells, 2.4 GB for two long texts.
    """
    common = longest_common_subsequence(answer, reference)
    precision, recall = common / len(answer), common / len(reference)
    return 2 * precision * recall / (precision + recall + 1e-8)


def longest_common_subsequence(first: list[str], second: list[str]) -> int:
    """Its length; a bit per word of ``first`` (Hyyrö, "Bit-parallel LCS-length computation", 2004).

    A bit that is 0 stands for one word more in common.
    """
    positions: dict[str, int] = {}
    for index, word in enumerate(first):
        positions[word] = positions.get(word, 0) | 1 << index
    bits = (1 << len(first)) - 1
    for word in second:
        matched = bits & positions.get(word, 0)
        bits = (bits + matched) | (bits - matched)
    return len(first) - (bits & ((1 << len(first)) - 1)).bit_count()


def _words(text: str) -> str:
    import jieba

    jieba.setLogLevel(60)  # else it logs that it loads its dictionary
    return " ".join(word for word in jieba.cut(text) if word.strip())
