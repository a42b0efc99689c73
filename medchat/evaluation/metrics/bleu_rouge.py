"""BLEU and ROUGE of answers against reference answers, and how they go with the human scores.

BLEU is sacrebleu's over Chinese characters (`tokenize="zh"`), ROUGE is rouge-chinese's over the
words that jieba finds; both from 0 to 100. Overlap with a reference says little of whether an
answer is safe: that is why it stands beside the scores, with Spearman's rank correlation over
answers, and never in their place.
"""

from functools import lru_cache
from typing import Any

import pandas as pd
from scipy import stats

from medchat.evaluation.statistics.rating_matrix import Ratings

FIGURES = ("bleu", "rouge_1", "rouge_2", "rouge_l")
FEWEST = 3
"""Answers from which on a rank correlation says anything."""

Entry = dict[str, Any]


def overlap(frame: pd.DataFrame, answers: pd.DataFrame, ratings: Ratings) -> Entry | None:
    """Means per model over its answers that have a reference, and correlations per dimension.

    ``frame`` has the rows of ``ratings``; ``answers`` has ``response_id``, ``answer`` and
    ``reference`` (empty where there is none). None where no rated answer has a reference.
    """
    if answers.empty or "response_id" not in frame:
        return None
    models = frame.drop_duplicates("response_id").set_index("response_id")["model"]
    known = answers[
        (answers["reference"].str.strip() != "") & answers["response_id"].isin(models.index)
    ]
    if known.empty:
        return None
    found = pd.DataFrame(
        [scores(row.answer, row.reference) for row in known.itertuples()],
        index=pd.Index(known["response_id"]),
        columns=list(FIGURES),
    )
    of_answer = found.assign(model=models.loc[found.index])
    human = frame.groupby("response_id")[list(ratings.scale.dimensions)].mean()
    return {
        "models": [
            {"model": model, "n": len(own), **{key: float(own[key].mean()) for key in FIGURES}}
            for model in ratings.models
            if len(own := of_answer[of_answer["model"] == model])
        ],
        "correlation": {
            dimension: _correlations(found, human[dimension].loc[found.index])
            for dimension in ratings.scale.dimensions
        },
    }


@lru_cache(maxsize=2**14)
def scores(answer: str, reference: str) -> tuple[float, float, float, float]:
    """BLEU, ROUGE-1, ROUGE-2 and ROUGE-L (F) of one answer, each from 0 to 100."""
    from sacrebleu import sentence_bleu

    bleu = sentence_bleu(answer, [reference], tokenize="zh").score
    return (min(bleu, 100.0), *_rouge(_words(answer), _words(reference)))


def _rouge(answer: str, reference: str) -> tuple[float, float, float]:
    from rouge_chinese import Rouge

    if not answer or not reference:
        return 0.0, 0.0, 0.0
    (found,) = Rouge(metrics=["rouge-1", "rouge-2"]).get_scores(answer, reference)
    one, two = (100 * float(found[key]["f"]) for key in ("rouge-1", "rouge-2"))
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
    places: dict[str, int] = {}
    for index, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << index
    bits = (1 << len(first)) - 1
    for word in second:
        matched = bits & places.get(word, 0)
        bits = (bits + matched) | (bits - matched)
    return len(first) - (bits & ((1 << len(first)) - 1)).bit_count()


def _words(text: str) -> str:
    import jieba

    jieba.setLogLevel(60)  # it would tell of its dictionary
    return " ".join(word for word in jieba.cut(text) if word.strip())


def _correlations(found: pd.DataFrame, human: "pd.Series[float]") -> Entry:
    entry: Entry = {"n": len(found)} | dict.fromkeys(FIGURES)
    if len(found) < FEWEST or human.nunique() < 2:
        return entry
    for key in FIGURES:
        if found[key].nunique() > 1:
            entry[key] = float(stats.spearmanr(found[key], human).statistic)
    return entry
