"""Why a report has no figure in a place, and what to mind where it has one.

A sentence in English and Chinese for every None. Takes a report, computes nothing.
"""

from medchat.evaluation.formatting import p_value, title
from medchat.evaluation.statistics import agreement
from medchat.evaluation.statistics.comparisons import PairTest
from medchat.evaluation.statistics.intervals import MIN_ROUNDS
from medchat.evaluation.statistics.reliability import MAX_PAIRED_RATERS
from medchat.evaluation.statistics.sensitivity import MAX_GROUPS, NAMES
from medchat.evaluation.types import (
    MAX_YEARS,
    DataSummary,
    DimensionAgreement,
    DimensionTests,
    Report,
)
from medchat.scale import name_zh
from medchat.study.conduct import Conduct
from medchat.text import on_one_line

MAX_NAMED_PAIRS = 5
"""Pairs of models that a note names."""
FEW_QUESTIONS = 10
"""With fewer, approximations are poor; a note says so."""
NO_INTERVAL = "; with fewer than half, none is given", "；不足一半时不给出区间"


class Notes:
    """Sentences in English and Chinese, each once; those about dimensions name them first."""

    def __init__(self) -> None:
        self._dimensions: dict[tuple[str, str], list[str]] = {}

    def add(self, english: str, chinese: str, dimension: str = "") -> None:
        about = self._dimensions.setdefault((english, chinese), [])
        if dimension and dimension not in about:
            about.append(dimension)

    @property
    def english(self) -> list[str]:
        return [
            f"{', '.join(map(title, about))}: {english}" if about else english
            for (english, _), about in self._dimensions.items()
        ]

    @property
    def chinese(self) -> list[str]:
        return [
            f"{'、'.join(map(name_zh, about))}：{chinese}" if about else chinese
            for (_, chinese), about in self._dimensions.items()
        ]


def explain(report: Report) -> Notes:
    """What the scale is, then everything that a reader of the figures has to know."""
    notes = Notes()
    notes.add(report.scale.note, report.scale.note_zh)
    _rounds(report.settings.bootstrap, notes)
    _models(report, notes)
    for dimension, figures in report.agreement.items():
        _agreement(dimension, figures, report.settings.bootstrap, notes)
    for dimension, tests in report.tests.items():
        _tests(dimension, tests, notes)
    _unused(report.data, notes)
    _times_and_years(report.data, notes)
    _kappas(report, notes)
    if any(value is None for row in report.reference for value in row.means.values()):
        notes.add(
            "A published row is empty where its source gives no figure.",
            "文献未报告的数值在文献行中留空。",
        )
    _consistency(report, notes)
    _overlap(report, notes)
    _conduct(report.conduct, notes)
    _sensitivity(report, notes)
    return notes


# -- means --


def _rounds(bootstrap: int, notes: Notes) -> None:
    if not bootstrap:
        notes.add("No intervals were asked for.", "未要求计算区间。")
    elif bootstrap < MIN_ROUNDS:
        notes.add(
            f"A 95 % interval needs {MIN_ROUNDS} bootstrap rounds or more: there is none.",
            f"95% 区间至少需要 {MIN_ROUNDS} 轮自助抽样，故没有区间。",
        )


def _models(report: Report, notes: Notes) -> None:
    if any(model.n_ratings == 1 for model in report.models):
        single = ", ".join(model.model for model in report.models if model.n_ratings == 1)
        notes.add(
            f"A single rating has no standard deviation: {single}.",
            f"只有一条评分，没有标准差：{single}。",
        )
    for model in report.models:
        for dimension, figures in model.figures.items():
            if model.interval_rounds and sum(map(bool, figures.counts.values())) == 1:
                notes.add(
                    "a model whose scores are all equal has no interval: drawing questions anew "
                    "gives the same mean every time.",
                    "得分全部相同的模型没有区间：每轮重新抽题都得到同样的平均分。",
                    dimension,
                )
    if report.settings.bootstrap >= MIN_ROUNDS:
        _intervals(report, notes)


def _intervals(report: Report, notes: Notes) -> None:
    """Why there are none, or what they rest on where that is little."""
    rounds = report.settings.bootstrap
    if any(model.interval_rounds == 0 for model in report.models):
        notes.add(
            "An interval needs scores for at least two questions (and, where raters are drawn "
            "too, two raters): there is none otherwise.",
            "区间至少需要两道题的评分（连评分者一起抽样时还需要两名评分者），否则没有区间。",
        )
    small = [
        f"{model.model} ({model.n_questions})"
        for model in report.models
        if model.interval_rounds and model.n_questions < FEW_QUESTIONS
    ]
    if small:
        notes.add(
            f"With fewer than {FEW_QUESTIONS} questions a percentile interval is rough and mostly "
            f"too narrow: {', '.join(small)}.",
            f"题目少于 {FEW_QUESTIONS} 道时，百分位区间较粗略，且往往偏窄：{'、'.join(small)}。",
        )
    fewer = [model for model in report.models if 0 < model.interval_rounds < rounds]
    if fewer:
        is_half_missing = any(2 * model.interval_rounds < rounds for model in fewer)
        none, none_zh = NO_INTERVAL if is_half_missing else ("", "")
        listed = [f"{model.model} {model.interval_rounds}" for model in fewer]
        notes.add(
            f"The intervals of these means rest on fewer than {rounds} rounds, as in the others "
            f"none of the model's ratings was drawn{none}: {'; '.join(listed)}.",
            f"下列模型平均分的区间所依据的抽样不足 {rounds} 轮，其余各轮没有抽到该模型的评分"
            f"{none_zh}：{'；'.join(listed)}。",
        )


# -- agreement --

_NO_AGREEMENT = {
    agreement.NO_RATINGS: (
        "There are no ratings, so there is no agreement.",
        "没有评分，无法计算一致性。",
    ),
    agreement.NO_OVERLAP: (
        "No answer has two ratings, so agreement cannot be computed.",
        "没有回答由两人以上评分，无法计算一致性。",
    ),
    agreement.NO_VARIATION: (
        "all scores that count are equal: Krippendorff's alpha is not defined without variation.",
        "计入的评分全部相同，没有差异时 Krippendorff α 没有定义。",
    ),
}


def _agreement(dimension: str, figures: DimensionAgreement, rounds: int, notes: Notes) -> None:
    for reason in figures.reasons:
        about = dimension if reason == agreement.NO_VARIATION else ""
        notes.add(*_NO_AGREEMENT[reason], about)
    if figures.alpha_rounds is not None and figures.alpha_rounds < rounds:
        none, none_zh = NO_INTERVAL if figures.ci_low is None else ("", "")
        missing = rounds - figures.alpha_rounds
        notes.add(
            f"in {missing} of {rounds} rounds alpha was not defined, as the drawn "
            f"questions held no scores that differ, or there is one question{none}.",
            f"{rounds} 轮中有 {missing} 轮 α 没有定义：抽到的题目评分没有差异，"
            f"或只有一道题{none_zh}。",
            dimension,
        )
    if figures.n_units_all_raters < 2 or figures.rater_count < 2:
        notes.add(
            "ICC needs two raters, and two answers that every rater scored; there is none "
            "otherwise.",
            "ICC 需要至少两名评分者，以及至少两个由全部评分者评过的回答，否则为空。",
        )
    elif figures.icc_2_1 is None or figures.icc_2_k is None:
        notes.add(
            "ICC needs a variance above 0 to divide by, which these scores do not give: there is "
            "none.",
            "ICC 的分母是方差估计值，这些评分给出的估计值不大于 0，故为空。",
            dimension,
        )
    if figures.rater_count > MAX_PAIRED_RATERS:
        notes.add(
            f"Pairs of raters are not listed: there are more than {MAX_PAIRED_RATERS} raters.",
            f"评分者多于 {MAX_PAIRED_RATERS} 名，未列出两两之间的一致性。",
        )


def _kappas(report: Report, notes: Notes) -> None:
    for dimension, figures in report.agreement.items():
        if any(pair.weighted_kappa is None for pair in figures.pairs):
            notes.add(
                "two raters who both gave one and the same score throughout have no weighted "
                "kappa.",
                "两名评分者全程只给同一个分数时，加权 κ 没有定义。",
                dimension,
            )


# -- tests --

_UNTESTED = {
    "too_few_models": (
        "Friedman's test needs three models or more.",
        "Friedman 检验至少需要三个模型。",
    ),
    "one_question": (
        "Friedman's test needs two questions with a score for every model.",
        "Friedman 检验至少需要两道每个模型都有评分的题目。",
    ),
    "too_few_questions": (
        "too few questions have a score for every model to test pairs of models.",
        "每个模型都有评分的题目太少，未作两两比较。",
    ),
    "all_equal": (
        "models that are equal on every question cannot be ranked: they are not tested, and count "
        "as p = 1 in Holm's correction.",
        "在每道题上得分都相同的模型无法排序，未作检验，在 Holm 校正中按 p = 1 计。",
    ),
}


def _tests(dimension: str, tests: DimensionTests, notes: Notes) -> None:
    for reason in (tests.friedman.reason, *(pair.reason for pair in tests.pairs)):
        if reason:
            about = "" if reason == "too_few_models" else dimension
            notes.add(*_UNTESTED[reason], about)
    complete = tests.n_complete_questions
    any_tested = tests.friedman.p is not None or any(pair.p is not None for pair in tests.pairs)
    if any_tested and complete < FEW_QUESTIONS:
        questions = "1 question is" if complete == 1 else f"{complete} questions are"
        notes.add(
            f"Only {questions} tested: with fewer than {FEW_QUESTIONS}, "
            "p values from a normal or chi-squared approximation are rough and often too small.",
            f"参加检验的题目只有 {complete} 道：少于 {FEW_QUESTIONS} 道时，由正态或 χ² 近似"
            "得到的 p 值不准确，往往偏小。",
        )
    if pairs := [pair for pair in tests.pairs if _ties_matter(pair)]:
        _ties(dimension, pairs, notes)
    if any_tested and tests.n_unmatched:
        notes.add(
            f"Tested questions on which some raters scored only some of the models: "
            f"{tests.n_unmatched} of {complete}. There, differences between models may be "
            "differences between raters.",
            f"参加检验的 {complete} 道题中，有 {tests.n_unmatched} 道题的部分评分者没有评完全部"
            "模型：这些题上模型间的差异可能来自评分者之间的差异。",
        )
    if tests.n_left_out:
        every = complete + tests.n_left_out
        notes.add(
            f"Questions that are not tested, as some model has no score there: {tests.n_left_out} "
            f"of {every}.",
            f"{every} 道题中有 {tests.n_left_out} 道因缺少某个模型的评分未参加检验。",
        )


def _ties(dimension: str, pairs: list[PairTest], notes: Notes) -> None:
    listed = "; ".join(map(_both_p, pairs[:MAX_NAMED_PAIRS]))
    rest = len(pairs) - MAX_NAMED_PAIRS
    more, more_zh = "", ""
    if rest > 0:
        more = f"; {rest} more pair{'' if rest == 1 else 's'} (p_tied, p_holm_tied)"
        more_zh = f"；另有 {rest} 对（见 p_tied、p_holm_tied）"
    notes.add(
        "differences of means that are equal but for the last bit get different ranks in "
        f"scipy's Wilcoxon test. As it gives p (after Holm), and with equal ranks: {listed}{more}.",
        "仅末位浮点误差不同的均值差，在 scipy 的 Wilcoxon 检验中秩次不同。scipy 给出的 p"
        f"（Holm 校正后）与按同秩计算的：{listed}{more_zh}。",
        dimension,
    )


def _ties_matter(pair: PairTest) -> bool:
    """Whether the two p, or the two after Holm, differ in the second decimal, or stand on two
    sides of 0.05."""
    both = ((pair.p, pair.p_tied), (pair.p_holm, pair.p_holm_tied))
    return any(
        abs(p - tied) > 0.01 or (p < 0.05) != (tied < 0.05)
        for p, tied in both
        if p is not None and tied is not None
    )


def _both_p(pair: PairTest) -> str:
    scipys = f"{p_value(pair.p)} ({p_value(pair.p_holm)})"
    return f"{pair.a} - {pair.b}: {scipys}, {p_value(pair.p_tied)} ({p_value(pair.p_holm_tied)})"


# -- the data --


def _unused(data: DataSummary, notes: Notes) -> None:
    """What of the data is not used everywhere, and why."""
    if data.n_adjudicating:
        notes.add(
            f"Ratings that settled a dispute: {data.n_adjudicating}. They exist because raters "
            "disagreed, so agreement leaves them out. The means count them; sensitivity shows the "
            "means without.",
            f"{data.n_adjudicating} 条评分用于裁定分歧：它们因评分不一致才产生，故不计入一致性；"
            "平均分计入这些评分，敏感性分析给出不计入时的平均分。",
        )
    if data.unused_columns:
        columns = ", ".join(map(on_one_line, data.unused_columns))
        notes.add(f"Columns that no figure uses: {columns}.", f"未用到的列：{columns}。")
    if data.undated:
        notes.add(
            f"Ratings whose rated_at is no date such as 2026-11-26: {data.undated}. Progress and "
            "period leave them out.",
            f"{data.undated} 条评分的 rated_at 不是 2026-11-26 这样的日期，进度和时间范围不计入。",
        )
    if data.unreadable_years:
        notes.add(
            f"Raters whose years of practice are no number from 0 to {MAX_YEARS}: "
            f"{data.unreadable_years}.",
            f"从业年限不是 0 到 {MAX_YEARS} 的数字的评分者：{data.unreadable_years} 名。",
        )


def _times_and_years(data: DataSummary, notes: Notes) -> None:
    if data.years.mean is None:
        notes.add(
            "The data do not tell the raters' years of practice.", "数据中没有评分者的从业年限。"
        )
    if data.first_rated_at is None:
        notes.add("The data do not tell when ratings were given.", "数据中没有评分时间。")


def _consistency(report: Report, notes: Notes) -> None:
    if report.consistency is None and report.conduct is None:
        notes.add(
            "A score CSV does not hold repeated answers, so nothing is known of each rater's "
            "consistency.",
            "评分 CSV 里没有重复题的评分，无法判断评分者自身的一致性。",
        )
    elif report.consistency is None:
        notes.add(
            "There are no repeated answers, so nothing is known of each rater's consistency.",
            "没有重复出现的回答，无法判断评分者自身的一致性。",
        )
    for dimension, repeats in report.consistency.dimensions.items() if report.consistency else ():
        if repeats.weighted_kappa is None:
            notes.add(
                "repeated answers that all got one and the same score have no weighted kappa.",
                "重复回答得分全部相同时，加权 κ 没有定义。",
                dimension,
            )


def _overlap(report: Report, notes: Notes) -> None:
    if report.overlap is None:
        notes.add(
            "There are no reference answers of rated answers, so no BLEU and no ROUGE.",
            "已评分的回答没有参考答案，未计算 BLEU 和 ROUGE。",
        )
        return
    for dimension, correlation in report.overlap.correlation.items():
        if None in correlation.rho.values():
            notes.add(
                "a rank correlation needs three answers with a reference, and figures and scores "
                "that differ between them: there is none otherwise.",
                "秩相关需要至少三个有参考答案的回答，且数值与评分都不全相同，否则为空。",
                dimension,
            )


# -- the study --

_CONDUCT = {
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


def _conduct(conduct: Conduct | None, notes: Notes) -> None:
    if conduct is None:
        notes.add(
            "A score CSV does not tell how the study was held.", "评分 CSV 里没有研究的实施方式。"
        )
        return
    unknown = [phrases for name, phrases in _CONDUCT.items() if getattr(conduct, name) is None]
    if unknown:
        english, chinese = (dict.fromkeys(phrases) for phrases in zip(*unknown, strict=True))
        notes.add(
            f"Of how the study was held, not known (some of it only until the study is "
            f"unblinded): {'; '.join(english)}.",
            f"研究的实施方式中未知的内容（部分在揭盲后才给出）：{'；'.join(chinese)}。",
        )


def _sensitivity(report: Report, notes: Notes) -> None:
    absent = [NAMES[name] for name, why in report.omitted.items() if why == "no_column"]
    if absent:
        english, chinese = zip(*absent, strict=True)
        notes.add(
            f"Sensitivity to {', '.join(english)} is not shown: the data do not tell.",
            f"数据中没有{'、'.join(chinese)}，未作相应的敏感性分析。",
        )
    useless = [NAMES[name] for name, why in report.omitted.items() if why != "no_column"]
    if useless:
        english, chinese = zip(*useless, strict=True)
        notes.add(
            f"Sensitivity to {', '.join(english)} is not shown: the column is empty, divides "
            f"nothing, leaves nothing, or has more than {MAX_GROUPS} groups.",
            f"{'、'.join(chinese)}一栏为空、无法分组、排除后没有剩余评分，或分组超过 {MAX_GROUPS} "
            "个，未作相应的敏感性分析。",
        )
    if report.omitted.get("adjudicated") == "no_column":
        notes.add(
            "The data do not tell which ratings settled a dispute. If any did, agreement counts "
            "them here, which the study's own report does not.",
            "数据没有标明哪些评分用于裁定分歧。如有，这里的一致性计入了它们，而研究自身的报告"
            "不计入。",
        )
