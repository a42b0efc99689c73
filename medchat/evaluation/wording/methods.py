"""The methods paragraph that a paper has of a study, in Chinese and English.

It holds the report's own figures and nothing else; what the data do not tell is said to be missing.
"""

from collections.abc import Mapping
from typing import Any, Literal

from medchat.evaluation.writers.tables import decimals, p_value
from medchat.scale import name_zh
from medchat.text import on_one_line

Language = Literal["zh", "en"]
Report = Mapping[str, Any]
ALPHA = 0.05
MOST_PAIRS = 6
"""Of models, of each dimension, that the paragraph names."""
TELLING = ("masked", "excluded", "kept")
"""What becomes of an answer that seems to tell its model."""


def methods_paragraph(report: Report, language: Language) -> str:
    """The paragraph, in Chinese or English."""
    sentences = _chinese(report) if language == "zh" else _english(report)
    return on_one_line(("" if language == "zh" else " ").join(sentences))


# -- English --


def _english(report: Report) -> list[str]:
    data, models = report["data"], report["models"]
    scores = report["scale"]["scores"]
    dimensions = _listed([each.replace("_", " ") for each in report["scale"]["dimensions"]])
    sentences = [
        f"{counted(data['n_raters'], 'rater')}{english_specialties(data)} scored "
        f"{counted(data['n_responses'], 'answer')} of {counted(len(models), 'model')} to "
        f"{counted(data['n_questions'], 'question')} for {dimensions}, each from {scores[0]} to "
        f"{scores[-1]} ({counted(data['n_ratings'], 'rating')}; "
        f"{english_per_answer(data['raters_per_answer'])}).",
        *english_conduct(report),
        _english_intervals(report),
        *(english_agreement(name, found) for name, found in report["agreement"].items()),
        _english_consistency(report),
        _english_comparison(report),
        *(_english_test(name, found, len(models)) for name, found in report["tests"].items()),
        _english_overlap(report),
        f"Figures were computed by MedChat {report['version']}.",
    ]
    return [sentence for sentence in sentences if sentence]


def english_per_answer(per_answer: Report) -> str:
    low, high = per_answer["min"], per_answer["max"]
    if low == high:
        return f"{counted(low, 'rater')} per answer"
    return f"{low} to {high} raters per answer, mean {decimals(per_answer['mean'], 2)}"


def english_conduct(report: Report) -> list[str]:
    """What is known of how the study was held; see ``Conduct``."""
    told = report["conduct"] or {}
    sentences = [english_blinding(told.get("blind"))]
    if told.get("independent"):
        sentences.append("No rater saw the scores of another.")
    if order := english_order(told):
        sentences.append(order)
    if told.get("practice_items"):
        items = counted(told["practice_items"], "practice item")
        sentences.append(f"Each rater first scored {items} with feedback.")
    if told.get("repeats"):
        twice = counted(told["repeats"], "question")
        sentences.append(
            f"Up to {twice} per rater appeared a second time, unannounced, to measure the rater's "
            "own consistency."
        )
    if telling := english_telling(told):
        sentences.append(telling)
    if settling := report["data"]["n_adjudicating"]:
        whose = (
            " by further raters settled disputes on safety (1 against 3)"
            if told
            else (" settled disputes")
        )
        sentences.append(
            f"{counted(settling, 'rating')}{whose} and are part of the means, not of agreement."
        )
    return sentences


def english_telling(told: Report) -> str:
    """What was done to answers before raters read them; empty where nothing was."""
    masked, excluded, kept = (told.get(f"answers_{each}") or 0 for each in TELLING)
    if not masked + excluded + kept:
        return ""
    kept_too = f"; {kept} that might reveal their model were shown as they were" if kept else ""
    return (
        f"Before the opening {counted(masked, 'answer')} had revealing words masked, {excluded} "
        f"{'was' if excluded == 1 else 'were'} excluded{kept_too}."
    )


def english_order(told: Report) -> str:
    """Empty where nobody said in which order questions and answers stood."""
    if not told.get("balanced"):
        return ""
    shown = "one answer at a time" if told["one_by_one"] else "all answers of a question at once"
    seed = "" if told["order_seed"] is None else f" (seed {told['order_seed']})"
    return f"Questions per rater and models per question stood in balanced orders{seed}, {shown}."


def english_blinding(blind: bool | None) -> str:
    if blind is None:
        return "Whether raters knew which model gave an answer is not available."
    return f"Raters {'did not know' if blind else 'knew'} which model gave an answer."


def _english_intervals(report: Report) -> str:
    settings = report["settings"]
    how = f"{settings['bootstrap']} rounds over {settings['resampled']}, seed {settings['seed']}"
    there, wanted = _intervals(report)
    if there:
        means = f"Means are over ratings, with 95 % percentile bootstrap intervals ({how})"
        means += "." if there == wanted else f"; {wanted - there} of {wanted} means have none."
    else:
        means = "Means are over ratings, without intervals."
    if all(found["ci_low"] is None for found in report["agreement"].values()):
        return means
    if there and settings["resampled"] == "questions":
        return f"{means} Intervals of alpha were made in the same way."
    alone = f"{settings['bootstrap']} rounds over questions, seed {settings['seed']}"
    return f"{means} Intervals of alpha are percentile bootstrap intervals too ({alone})."


def _intervals(report: Report) -> tuple[int, int]:
    """How many means have an interval, and how many means there are."""
    ends = [
        entry[dimension]["ci_low"]
        for entry in report["models"]
        for dimension in report["scale"]["dimensions"]
    ]
    return sum(end is not None for end in ends), len(ends)


def english_agreement(dimension: str, found: Report) -> str:
    name = dimension.replace("_", " ")
    if found["krippendorff_alpha"] is None and found["gwet_ac2"] is None:
        return f"Agreement on {name} is not available."
    alpha = "not available"
    if found["krippendorff_alpha"] is not None:
        alpha = decimals(found["krippendorff_alpha"], 3)
        alpha += " (95 % interval not available)"
        if found["ci_low"] is not None:
            low, high = (decimals(found[key], 3) for key in ("ci_low", "ci_high"))
            alpha = f"{decimals(found['krippendorff_alpha'], 3)} (95 % interval {low} to {high})"
    return (
        f"Agreement on {name}: Krippendorff's ordinal alpha {alpha}, Gwet's AC2 "
        f"{decimals(found['gwet_ac2'], 3, 'not available')}, over "
        f"{counted(found['n_units'], 'answer')} with two ratings or more."
    )


def _english_consistency(report: Report) -> str:
    """What raters gave to answers that came a second time; empty where none did."""
    parts = [
        f"{name.replace('_', ' ')} {decimals(100 * found['percent_agreement'], 1)} % (quadratic "
        f"weighted kappa {decimals(found['weighted_kappa'], 3, 'not available')}, "
        f"{counted(found['n'], 'repeated rating')})"
        for name, found in _repeated(report)
    ]
    return f"Same score twice by the same rater: {'; '.join(parts)}." if parts else ""


def _repeated(report: Report) -> list[tuple[str, Report]]:
    """Each dimension with the agreement of raters with themselves, where it is known."""
    found = report["consistency"] or {}
    own = [(each, found[each]) for each in report["scale"]["dimensions"] if found]
    return [(each, figures) for each, figures in own if figures["percent_agreement"] is not None]


def _english_overlap(report: Report) -> str:
    if not report["overlap"]:
        return ""
    answers = sum(each["n"] for each in report["overlap"]["models"])
    return (
        f"For {counted(answers, 'answer')} with a reference answer, BLEU (over Chinese characters) "
        "and ROUGE-1, ROUGE-2 and ROUGE-L (F, over words) were computed"
        f"{', and their Spearman correlation with the mean scores' if _is_related(report) else ''}."
    )


def _is_related(report: Report) -> bool:
    """Whether some correlation of BLEU or ROUGE with the scores exists."""
    found = report["overlap"]["correlation"].values()
    return any(value is not None for each in found for key, value in each.items() if key != "n")


def _tested(report: Report) -> tuple[bool, bool]:
    """Whether Friedman's test, and whether any pair's, was possible in some dimension."""
    found = report["tests"].values()
    return (
        any(each["friedman"]["p"] is not None for each in found),
        any(pair["p"] is not None for each in found for pair in each["pairs"]),
    )


def _english_comparison(report: Report) -> str:
    """What models were compared by, as far as they were."""
    if len(report["models"]) < 2:
        return ""
    friedman, pairs = _tested(report)
    if not friedman and not pairs:
        return "Models could not be tested against each other."
    several = report["data"]["raters_per_answer"]["max"] > 1
    averaged = ", averaged over raters" if several else ""
    each = "each pair" if len(report["models"]) > 2 else "the pair"
    tests = ["Friedman's test with Kendall's W"] if friedman else []
    if pairs:
        holm = (
            ", with Holm's correction over all pairs of a dimension" if each != "the pair" else ""
        )
        tests.append(
            f"Wilcoxon's signed-rank test of {each} (zeros after Pratt, normal approximation"
            f"{holm}) with the matched-pairs rank-biserial correlation"
        )
    return (
        f"Models were compared on the questions for which every model had a score{averaged}, by "
        f"{' and '.join(tests)}."
    )


def _english_test(dimension: str, found: Report, models: int) -> str:
    name, parts = dimension.replace("_", " "), []
    test, left = found["friedman"], ""
    if found["n_left_out"]:
        left = f"; {counted(found['n_left_out'], 'question')} left out as incomplete"
    over = f"over {counted(found['n_complete_questions'], 'question')}{left}"
    if None not in (test["statistic"], test["df"], test["p"]):
        parts.append(
            f"chi-squared({test['df']}) = {decimals(test['statistic'], 2)}, {_p(test['p'])}, "
            f"Kendall's W {_equals(test['kendalls_w'])}"
        )
    elif models > 2:
        parts.append("Friedman's test is not available")
    tested = [pair for pair in found["pairs"] if pair["p"] is not None]
    if models == 2 and tested:
        (pair,) = tested
        parts.append(
            f"mean difference {pair['a']} - {pair['b']} {decimals(pair['mean_difference'], 2)}, "
            f"{_p(pair['p'])}, rank-biserial correlation {decimals(pair['effect_size'], 2)}"
        )
    elif tested:
        clear, more = _clear(tested)
        listed = [f"{pair['a']} - {pair['b']} ({_p(pair['p_holm'])})" for pair in clear]
        listed += [f"{more} more"] if more else []
        parts.append(f"pairs with a corrected p below 0.05: {', '.join(listed) or 'none'}")
    return f"For {name}, {over}: {'; '.join(parts)}." if parts else ""


def _clear(tested: list[Report]) -> tuple[list[Report], int]:
    """The first ``MOST_PAIRS`` pairs with a corrected p below 0.05, and how many more there are."""
    clear = [pair for pair in tested if pair["p_holm"] < ALPHA]
    return clear[:MOST_PAIRS], max(len(clear) - MOST_PAIRS, 0)


def _equals(value: float | None) -> str:
    return "not available" if value is None else f"= {decimals(value, 3)}"


def english_specialties(data: Report) -> str:
    known = {name: count for name, count in data["specialties"].items() if name}
    if not known:
        return " (specialties not available)"
    parts = [f"{name}: {count}" for name, count in known.items()]
    if unknown := data["specialties"].get(""):
        parts.append(f"specialty not available: {unknown}")
    return f" ({', '.join(parts)})"


def counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _p(p: float) -> str:
    shown = p_value(p)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


# -- Chinese --


def _chinese(report: Report) -> list[str]:
    data, scores = report["data"], report["scale"]["scores"]
    dimensions = "、".join(name_zh(each) for each in report["scale"]["dimensions"])
    sentences = [
        f"{data['n_raters']} 名评分者（{chinese_specialties(data)}）对 "
        f"{len(report['models'])} 个模型就 {data['n_questions']} 道题给出的 "
        f"{data['n_responses']} 个回答，按{dimensions}"
        f"{_dimensions_zh(report)}评分（{scores[0]}–{scores[-1]} 分），共 "
        f"{data['n_ratings']} 条评分；{chinese_per_answer(data['raters_per_answer'])}。",
        *chinese_conduct(report),
        _chinese_intervals(report),
        *(chinese_agreement(name, found) for name, found in report["agreement"].items()),
        _chinese_consistency(report),
        _chinese_comparison(report),
        *(
            _chinese_test(name, found, len(report["models"]))
            for name, found in report["tests"].items()
        ),
        _chinese_overlap(report),
        f"统计由 MedChat {report['version']} 完成。",
    ]
    return [sentence for sentence in sentences if sentence]


def chinese_specialties(data: Report) -> str:
    known = [f"{name} {count} 名" for name, count in data["specialties"].items() if name]
    if not known:
        return "专业未提供"
    if unknown := data["specialties"].get(""):
        known.append(f"专业未提供 {unknown} 名")
    return "，".join(known)


def chinese_per_answer(per_answer: Report) -> str:
    low, high = per_answer["min"], per_answer["max"]
    if low == high:
        return f"每个回答由 {low} 人评分"
    return f"每个回答由 {low}–{high} 人评分，平均 {decimals(per_answer['mean'], 2)} 人"


def chinese_conduct(report: Report) -> list[str]:
    """See ``english_conduct``."""
    told = report["conduct"] or {}
    sentences = [chinese_blinding(told.get("blind"))]
    if told.get("independent"):
        sentences.append("评分者看不到他人的评分。")
    if order := chinese_order(told):
        sentences.append(order)
    if told.get("practice_items"):
        sentences.append(f"正式评分前，每位评分者先完成 {told['practice_items']} 道带反馈的练习。")
    if told.get("repeats"):
        sentences.append(f"每位评分者至多有 {told['repeats']} 道题在不提示的情况下重复出现。")
    if telling := chinese_telling(told):
        sentences.append(telling)
    if settling := report["data"]["n_adjudicating"]:
        whose = "由另外的评分者作出，用于裁定安全性上的分歧（1 对 3）" if told else "用于裁定分歧"
        sentences.append(f"{settling} 条评分{whose}；平均分计入，一致性不计入。")
    return sentences


def chinese_telling(told: Report) -> str:
    """See ``english_telling``."""
    masked, excluded, kept = (told.get(f"answers_{each}") or 0 for each in TELLING)
    if not masked + excluded + kept:
        return ""
    kept_too = f"；另有 {kept} 个可能暴露模型身份的回答按原文显示" if kept else ""
    return f"开放评分前，{masked} 个回答的部分文字被遮盖，{excluded} 个回答被排除{kept_too}。"


def chinese_order(told: Report) -> str:
    """See ``english_order``."""
    if not told.get("balanced"):
        return ""
    shown = "每次显示一个回答" if told["one_by_one"] else "同一题的回答同时显示"
    seed = "" if told["order_seed"] is None else f"（随机种子 {told['order_seed']}）"
    return f"每位评分者的题目顺序和每题的模型顺序均经平衡{seed}，{shown}。"


def chinese_blinding(blind: bool | None) -> str:
    if blind is None:
        return "评分者是否知道回答出自哪个模型，数据未提供。"
    return f"评分者{'不知道' if blind else '知道'}回答出自哪个模型。"


def _dimensions_zh(report: Report) -> str:
    count = len(report["scale"]["dimensions"])
    return f" {count} 个维度" if count > 1 else ""


def _chinese_intervals(report: Report) -> str:
    settings = report["settings"]
    rounds = f"{settings['bootstrap']} 轮，随机种子 {settings['seed']}"
    unit = "题目" if settings["resampled"] == "questions" else "题目和评分者"
    there, wanted = _intervals(report)
    if there:
        means = f"报告全部评分的平均分及其 95% 自助法百分位区间（以{unit}为抽样单位，{rounds}）"
        means += (
            "。" if there == wanted else f"，{wanted} 个平均分中有 {wanted - there} 个没有区间。"
        )
    else:
        means = "报告全部评分的平均分，没有区间。"
    if all(found["ci_low"] is None for found in report["agreement"].values()):
        return means
    if there and unit == "题目":
        return f"{means}α 的区间用同样的方法得到。"
    return f"{means}α 的区间也用自助法百分位区间（以题目为抽样单位，{rounds}）。"


def chinese_agreement(dimension: str, found: Report) -> str:
    name = name_zh(dimension)
    if found["krippendorff_alpha"] is None and found["gwet_ac2"] is None:
        return f"{name}的一致性无法计算。"
    alpha = "无法计算"
    if found["krippendorff_alpha"] is not None:
        alpha = f"为 {decimals(found['krippendorff_alpha'], 3)}"
        if found["ci_low"] is not None:
            low, high = (decimals(found[key], 3) for key in ("ci_low", "ci_high"))
            alpha += f"（95% 区间 {low} 至 {high}）"
        else:
            alpha += "（95% 区间无法计算）"
    ac2 = "无法计算" if found["gwet_ac2"] is None else f"为 {decimals(found['gwet_ac2'], 3)}"
    return (
        f"{name}的一致性：有序 Krippendorff α {alpha}，Gwet AC2 {ac2}"
        f"（{found['n_units']} 个回答有两人以上评分）。"
    )


def _chinese_consistency(report: Report) -> str:
    """See ``_english_consistency``."""
    parts = [
        f"{name_zh(name)} {decimals(100 * found['percent_agreement'], 1)}%（二次加权 κ "
        f"{decimals(found['weighted_kappa'], 3, '无法计算')}，{found['n']} 次重复评分）"
        for name, found in _repeated(report)
    ]
    return f"同一评分者两次评分相同的比例：{'；'.join(parts)}。" if parts else ""


def _chinese_overlap(report: Report) -> str:
    """See ``_english_overlap``."""
    if not report["overlap"]:
        return ""
    answers = sum(each["n"] for each in report["overlap"]["models"])
    related = "，以及它们与平均评分的 Spearman 秩相关" if _is_related(report) else ""
    return (
        f"对 {answers} 个有参考答案的回答计算 BLEU（按汉字）和 ROUGE-1、ROUGE-2、ROUGE-L（F 值，"
        f"按词）{related}。"
    )


def _chinese_comparison(report: Report) -> str:
    """See ``_english_comparison``."""
    if len(report["models"]) < 2:
        return ""
    friedman, pairs = _tested(report)
    if not friedman and not pairs:
        return "模型之间无法作检验。"
    averaged = "先对评分者取平均，" if report["data"]["raters_per_answer"]["max"] > 1 else ""
    tests = ["作 Friedman 检验（效应量为 Kendall W）"] if friedman else []
    if pairs:
        several = len(report["models"]) > 2
        each = "两两比较用" if several else "用"
        holm = "，并在每个维度的全部比较内作 Holm 校正" if several else ""
        tests.append(
            f"{each} Wilcoxon 符号秩检验（Pratt 法处理零差，正态近似{holm}），效应量为配对"
            "秩二列相关"
        )
    return f"模型比较以题目为单位：{averaged}对每个模型都有评分的题目{'；'.join(tests)}。"


def _chinese_test(dimension: str, found: Report, models: int) -> str:
    name, parts = name_zh(dimension), []
    test, left = found["friedman"], ""
    if found["n_left_out"]:
        left = f"；{found['n_left_out']} 道题因不完整未计入"
    if None not in (test["statistic"], test["df"], test["p"]):
        w = decimals(test["kendalls_w"], 3, "无法计算")
        parts.append(
            f"χ²({test['df']}) = {decimals(test['statistic'], 2)}，{_p(test['p'])}，Kendall W = {w}"
        )
    elif models > 2:
        parts.append("无法作 Friedman 检验")
    tested = [pair for pair in found["pairs"] if pair["p"] is not None]
    if models == 2 and tested:
        (pair,) = tested
        parts.append(
            f"平均差（{pair['a']} - {pair['b']}）{decimals(pair['mean_difference'], 2)}，"
            f"{_p(pair['p'])}，秩二列相关 {decimals(pair['effect_size'], 2)}"
        )
    elif tested:
        clear, more = _clear(tested)
        listed = [f"{pair['a']} - {pair['b']}（{_p(pair['p_holm'])}）" for pair in clear]
        listed += [f"另有 {more} 对"] if more else []
        parts.append(f"校正后 p < 0.05 的模型对：{'、'.join(listed) or '无'}")
    if not parts:
        return ""
    return f"{name}（{found['n_complete_questions']} 道题{left}）：{'；'.join(parts)}。"
