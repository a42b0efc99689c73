"""Why a report has no figure in a place: a sentence for every null, in English and Chinese.

Takes the parts of a report. Computes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from medchat.evaluation.statistics.sensitivity import MAX_GROUPS, NAMES
from medchat.evaluation.writers.tables import title
from medchat.scale import name_zh

_HELD = {
    "blind": ("whether raters were blind", "是否盲评"),
    "independent": ("whether raters worked apart", "是否独立评分"),
    "balanced": ("whether orders were balanced", "顺序是否平衡"),
    "order_seed": ("the seed of the orders", "顺序的随机种子"),
    "one_by_one": ("how answers stood on screen", "回答的显示方式"),
    "raters_invited": ("how many raters were invited", "邀请的评分者人数"),
    "practice_items": ("how many practice items there were", "练习题数"),
    "repeats": ("how many questions were repeated", "重复题数"),
    "answers_masked": ("how many answers were masked", "遮盖的回答数"),
    "answers_excluded": ("how many answers were excluded", "排除的回答数"),
    "answers_kept": ("how many answers were kept as they were", "保留原样的回答数"),
    "skipped": ("how many answers were skipped", "跳过的回答数"),
    "answers_from": ("when answers were made", "回答生成的时间"),
    "answers_to": ("when answers were made", "回答生成的时间"),
    "generation": ("what answers were made with", "回答的生成参数"),
}
"""Fields of ``Conduct``, and what they say."""


class Notes:
    """Sentences in English and Chinese, each once; those about dimensions name them first."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], list[str]] = {}

    def add(self, english: str, chinese: str, dimension: str = "") -> None:
        about = self._told.setdefault((english, chinese), [])
        if dimension and dimension not in about:
            about.append(dimension)

    @property
    def english(self) -> list[str]:
        return [
            f"{', '.join(map(title, about))}: {english}" if about else english
            for (english, _), about in self._told.items()
        ]

    @property
    def chinese(self) -> list[str]:
        return [
            f"{'、'.join(map(name_zh, about))}：{chinese}" if about else chinese
            for (_, chinese), about in self._told.items()
        ]


def explain_missing(report: Mapping[str, Any], columns: Sequence[str], notes: Notes) -> None:
    """Say of every part that is null, and has no reason yet, why. ``columns``, of
    ``sensitivity.NAMES``, are those that the data lack."""
    _times_and_years(report["data"], notes)
    _kappas(report, notes)
    if any(value is None for row in report["reference"] for value in row.values()):
        notes.add(
            "A published row is empty where its source gives no figure.",
            "文献未报告的数值在文献行中留空。",
        )
    _consistency(report, notes)
    _overlap(report, notes)
    _conduct(report["conduct"], notes)
    _sensitivity(report, columns, notes)


def _sensitivity(report: Mapping[str, Any], columns: Sequence[str], notes: Notes) -> None:
    if columns:
        english, chinese = zip(*(NAMES[each] for each in columns), strict=True)
        notes.add(
            f"Sensitivity to {', '.join(english)} is not shown: the data do not tell.",
            f"数据中没有{'、'.join(chinese)}，未作相应的敏感性分析。",
        )
    shown = {entry["by"].removeprefix("without_") for entry in report["sensitivity"]}
    if useless := [NAMES[each] for each in NAMES if each not in {*shown, *columns}]:
        english, chinese = zip(*useless, strict=True)
        notes.add(
            f"Sensitivity to {', '.join(english)} is not shown: the column is empty, divides "
            f"nothing, leaves nothing, or has more than {MAX_GROUPS} groups.",
            f"{'、'.join(chinese)}一栏为空、无法分组、排除后没有剩余评分，或分组超过 {MAX_GROUPS} "
            "个，未作相应的敏感性分析。",
        )
    if "adjudicated" in columns:
        notes.add(
            "The data do not tell which ratings settled a dispute. If any did, agreement counts "
            "them here, which the study's own report does not.",
            "数据没有标明哪些评分用于裁定分歧。如有，这里的一致性计入了它们，而研究自身的报告"
            "不计入。",
        )


def _times_and_years(data: Mapping[str, Any], notes: Notes) -> None:
    if data["years"]["mean"] is None:
        notes.add(
            "The data do not tell the raters' years of practice.", "数据中没有评分者的从业年限。"
        )
    if data["first_rated_at"] is None:
        notes.add("The data do not tell when ratings were given.", "数据中没有评分时间。")


def _kappas(report: Mapping[str, Any], notes: Notes) -> None:
    for dimension, found in report["agreement"].items():
        if any(pair["weighted_kappa"] is None for pair in found["pairs"]):
            notes.add(
                "two raters who both gave one and the same score throughout have no weighted "
                "kappa.",
                "两名评分者全程只给同一个分数时，加权 κ 没有定义。",
                dimension,
            )


def _consistency(report: Mapping[str, Any], notes: Notes) -> None:
    found = report["consistency"]
    if found is None and report["conduct"] is None:
        notes.add(
            "A score CSV does not hold repeated answers, so nothing is known of each rater's "
            "consistency.",
            "评分 CSV 里没有重复题的评分，无法判断评分者自身的一致性。",
        )
    elif found is None:
        notes.add(
            "There are no repeated answers, so nothing is known of each rater's consistency.",
            "没有重复出现的回答，无法判断评分者自身的一致性。",
        )
    for dimension in report["scale"]["dimensions"] if found else ():
        if found[dimension]["weighted_kappa"] is None:
            notes.add(
                "repeated answers that all got one and the same score have no weighted kappa.",
                "重复回答得分全部相同时，加权 κ 没有定义。",
                dimension,
            )


def _overlap(report: Mapping[str, Any], notes: Notes) -> None:
    found = report["overlap"]
    if found is None:
        notes.add(
            "There are no reference answers of rated answers, so no BLEU and no ROUGE.",
            "已评分的回答没有参考答案，未计算 BLEU 和 ROUGE。",
        )
        return
    for dimension, figures in found["correlation"].items():
        if None in figures.values():
            notes.add(
                "a rank correlation needs three answers with a reference, and figures and scores "
                "that differ between them: there is none otherwise.",
                "秩相关需要至少三个有参考答案的回答，且数值与评分都不全相同，否则为空。",
                dimension,
            )


def _conduct(conduct: Mapping[str, Any] | None, notes: Notes) -> None:
    if conduct is None:
        notes.add(
            "A score CSV does not tell how the study was held.", "评分 CSV 里没有研究的实施方式。"
        )
        return
    unknown = [said for name, said in _HELD.items() if conduct[name] is None]
    if unknown:
        english, chinese = ("; ".join(dict.fromkeys(each)) for each in zip(*unknown, strict=True))
        notes.add(
            f"Of how the study was held, not known (some of it only until the study is "
            f"unblinded): {english}.",
            f"研究的实施方式中未知的内容（部分在揭盲后才给出）：{chinese.replace('; ', '；')}。",
        )
