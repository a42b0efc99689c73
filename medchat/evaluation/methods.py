"""The methods paragraph that a paper has of a study, in Chinese and English.

It holds the report's own figures and nothing else; what the data do not tell is said to be missing.
"""

from collections.abc import Mapping
from typing import Any, Literal

from medchat.evaluation.render import decimals, p_value
from medchat.evaluation.scale import name_zh
from medchat.tables import on_one_line

Language = Literal["zh", "en"]
Report = Mapping[str, Any]
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
        "Models were compared on questions, their scores averaged over raters: Friedman's test "
        "over the questions for which every model had a score, then Wilcoxon signed-rank tests for "
        "each pair (zeros after Pratt, normal approximation) with Holm's correction within each "
        "dimension.",
        *(_english_test(name, found) for name, found in report["tests"].items()),
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
        sentences.append(f"Up to {twice} per rater came a second time without a word.")
    if telling := english_telling(told):
        sentences.append(telling)
    if settling := report["data"]["n_adjudicating"]:
        whose = (
            " by further raters settled disputes on safety (1 against 3)"
            if told
            else (" settled disputes")
        )
        sentences.append(
            f"{counted(settling, 'rating')}{whose}; means count them, agreement does not."
        )
    return sentences


def english_telling(told: Report) -> str:
    """What became of answers that seemed to tell their model; empty where none did."""
    masked, excluded, kept = (told.get(f"answers_{each}") or 0 for each in TELLING)
    if not masked + excluded + kept:
        return ""
    return (
        f"Of the answers that seemed to tell their model, {masked} were masked, "
        f"{excluded} excluded and {kept} shown as they were."
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
    if not settings["bootstrap"]:
        return "Means are given over ratings, without intervals."
    drawn = settings["resampled"]
    alone = "" if drawn == "questions" else " Intervals of alpha draw questions alone."
    return (
        f"Means are given over ratings with 95 % percentile bootstrap intervals "
        f"({settings['bootstrap']} rounds over {drawn}, seed {settings['seed']}).{alone}"
    )


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


def _english_test(dimension: str, found: Report) -> str:
    name, test = dimension.replace("_", " "), found["friedman"]
    left = f"{counted(found['n_left_out'], 'question')} left out as incomplete"
    if None in (test["statistic"], test["df"], test["p"]):
        return f"For {name}, Friedman's test is not available ({left})."
    return (
        f"For {name}, chi-squared({test['df']}) = {decimals(test['statistic'], 2)}, "
        f"{_p(test['p'])}, Kendall's W {_equals(test['kendalls_w'])} "
        f"({counted(found['n_complete_questions'], 'question')}; {left})."
    )


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
    return [
        f"{data['n_raters']} 名评分者（{chinese_specialties(data)}）对 "
        f"{len(report['models'])} 个模型就 {data['n_questions']} 道题给出的 "
        f"{data['n_responses']} 个回答，从{dimensions} "
        f"{len(report['scale']['dimensions'])} 个维度评分（{scores[0]}–{scores[-1]} 分），共 "
        f"{data['n_ratings']} 条评分；{chinese_per_answer(data['raters_per_answer'])}。",
        *chinese_conduct(report),
        _chinese_intervals(report),
        *(chinese_agreement(name, found) for name, found in report["agreement"].items()),
        "模型比较以题目为单位：先对评分者取平均，再对每个模型都有评分的题目作 Friedman 检验，"
        "两两比较用 Wilcoxon 符号秩检验（Pratt 法处理零差，正态近似），"
        "并在每个维度内作 Holm 校正。",
        *(_chinese_test(name, found) for name, found in report["tests"].items()),
        f"统计由 MedChat {report['version']} 完成。",
    ]


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
    return (
        f"疑似暴露模型身份的回答中，{masked} 个经遮盖，{excluded} 个被排除，{kept} 个按原文显示。"
    )


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


def _chinese_intervals(report: Report) -> str:
    settings = report["settings"]
    if not settings["bootstrap"]:
        return "报告全部评分的平均分，未计算区间。"
    both = settings["resampled"] != "questions"
    unit, alone = ("题目和评分者", "α 的区间只抽题目。") if both else ("题目", "")
    return (
        f"报告全部评分的平均分及其 95% 自助法百分位区间（以{unit}为抽样单位，"
        f"{settings['bootstrap']} 轮，随机种子 {settings['seed']}）。{alone}"
    )


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


def _chinese_test(dimension: str, found: Report) -> str:
    name, test = name_zh(dimension), found["friedman"]
    left = f"{found['n_left_out']} 道题因不完整未计入"
    w = "无法计算" if test["kendalls_w"] is None else f"＝ {decimals(test['kendalls_w'], 3)}"
    if None in (test["statistic"], test["df"], test["p"]):
        return f"{name}无法作 Friedman 检验（{left}）。"
    return (
        f"{name}：χ²({test['df']})＝{decimals(test['statistic'], 2)}，{_p(test['p'])}，Kendall W "
        f"{w}（{found['n_complete_questions']} 道题；{left}）。"
    )
