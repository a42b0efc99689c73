"""What a paper says of a study: a methods paragraph, and the sheet that guidelines ask for.

Both are filled with the report's own figures and nothing else; what the data do not tell is said to
be missing. The sheet's items follow CHART (2025; studies of chatbots that give health advice),
GRRAS (Kottner et al. 2011; reliability and agreement) and HEDS 3.0 (Belz & Thomson 2024; human
evaluation of language), in words of our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from medchat.evaluation.render import decimals, markdown_cell, on_one_line, p_value

Language = Literal["zh", "en"]
Report = Mapping[str, Any]

_NAMES = {"safety": "安全性", "usability": "实用性", "fluency": "流畅性"}


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
        f"{_count(data['n_raters'], 'rater')}{_specialties(data)} scored "
        f"{_count(data['n_responses'], 'answer')} of {_count(len(models), 'model')} to "
        f"{_count(data['n_questions'], 'question')} for {dimensions}, each from {scores[0]} to "
        f"{scores[-1]} ({_count(data['n_ratings'], 'rating')}; "
        f"{_english_per_answer(data['raters_per_answer'])}).",
        _english_blinding(data),
        _english_intervals(report),
        *(_english_agreement(name, found) for name, found in report["agreement"].items()),
        "Models were compared on questions, their scores averaged over raters: Friedman's test "
        "over the questions for which every model had a score, then Wilcoxon signed-rank tests for "
        "each pair (zeros after Pratt, normal approximation) with Holm's correction.",
        *(_english_test(name, found) for name, found in report["tests"].items()),
        f"Figures were computed by MedChat {report['version']}.",
    ]
    return [sentence for sentence in sentences if sentence]


def _english_per_answer(per_answer: Report) -> str:
    low, high = per_answer["min"], per_answer["max"]
    if low == high:
        return f"{_count(low, 'rater')} per answer"
    return f"{low} to {high} raters per answer, mean {decimals(per_answer['mean'], 2)}"


def _english_blinding(data: Report) -> str:
    """From ``data["blind"]``: true, false, or None (or left out) where nobody said."""
    blind = data.get("blind")
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


def _english_agreement(dimension: str, found: Report) -> str:
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
        f"{_count(found['n_units'], 'answer')} with two ratings or more."
    )


def _english_test(dimension: str, found: Report) -> str:
    name, test = dimension.replace("_", " "), found["friedman"]
    left = f"{_count(found['n_left_out'], 'question')} left out as incomplete"
    if None in (test["statistic"], test["df"], test["p"]):
        return f"For {name}, Friedman's test is not available ({left})."
    return (
        f"For {name}, chi-squared({test['df']}) = {decimals(test['statistic'], 2)}, "
        f"{_p(test['p'])}, Kendall's W {_equals(test['kendalls_w'])} "
        f"({_count(found['n_complete_questions'], 'question')}; {left})."
    )


def _equals(value: float | None) -> str:
    return "not available" if value is None else f"= {decimals(value, 3)}"


def _specialties(data: Report) -> str:
    known = {name: count for name, count in data["specialties"].items() if name}
    if not known:
        return " (specialties not available)"
    parts = [f"{name}: {count}" for name, count in known.items()]
    if unknown := data["specialties"].get(""):
        parts.append(f"specialty not available: {unknown}")
    return f" ({', '.join(parts)})"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _p(p: float) -> str:
    shown = p_value(p)
    return f"p {shown}" if shown.startswith("<") else f"p = {shown}"


# -- Chinese --


def _chinese(report: Report) -> list[str]:
    data, scores = report["data"], report["scale"]["scores"]
    dimensions = "、".join(_NAMES.get(each, each) for each in report["scale"]["dimensions"])
    return [
        f"{data['n_raters']} 名评分者（{_chinese_specialties(data)}）对 "
        f"{len(report['models'])} 个模型就 {data['n_questions']} 道题给出的 "
        f"{data['n_responses']} 个回答，从{dimensions} "
        f"{len(report['scale']['dimensions'])} 个维度评分（{scores[0]}–{scores[-1]} 分），共 "
        f"{data['n_ratings']} 条评分；{_chinese_per_answer(data['raters_per_answer'])}。",
        _chinese_blinding(data),
        _chinese_intervals(report),
        *(_chinese_agreement(name, found) for name, found in report["agreement"].items()),
        "模型比较以题目为单位：先对评分者取平均，再对每个模型都有评分的题目作 Friedman 检验，"
        "两两比较用 Wilcoxon 符号秩检验（Pratt 法处理零差，正态近似），并作 Holm 校正。",
        *(_chinese_test(name, found) for name, found in report["tests"].items()),
        f"统计由 MedChat {report['version']} 完成。",
    ]


def _chinese_specialties(data: Report) -> str:
    known = [f"{name} {count} 名" for name, count in data["specialties"].items() if name]
    if not known:
        return "专业未提供"
    if unknown := data["specialties"].get(""):
        known.append(f"专业未提供 {unknown} 名")
    return "，".join(known)


def _chinese_per_answer(per_answer: Report) -> str:
    low, high = per_answer["min"], per_answer["max"]
    if low == high:
        return f"每个回答由 {low} 人评分"
    return f"每个回答由 {low}–{high} 人评分，平均 {decimals(per_answer['mean'], 2)} 人"


def _chinese_blinding(data: Report) -> str:
    """See ``_english_blinding``."""
    blind = data.get("blind")
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


def _chinese_agreement(dimension: str, found: Report) -> str:
    name = _NAMES.get(dimension, dimension)
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
    name, test = _NAMES.get(dimension, dimension), found["friedman"]
    left = f"{found['n_left_out']} 道题因不完整未计入"
    w = "无法计算" if test["kendalls_w"] is None else f"＝ {decimals(test['kendalls_w'], 3)}"
    if None in (test["statistic"], test["df"], test["p"]):
        return f"{name}无法作 Friedman 检验（{left}）。"
    return (
        f"{name}：χ²({test['df']})＝{decimals(test['statistic'], 2)}，{_p(test['p'])}，Kendall W "
        f"{w}（{found['n_complete_questions']} 道题；{left}）。"
    )


# -- the reporting sheet --


@dataclass(frozen=True)
class _Item:
    """``answer`` is the name of what fills it in, empty where only the authors can."""

    guideline: str
    item: str
    zh: str
    en: str
    answer: str = ""


_ITEMS = (
    _Item(
        "CHART",
        "models",
        "评估了哪些模型（名称、版本）？",
        "Which models, in which versions?",
        "models",
    ),
    _Item(
        "CHART", "access", "何时、以何种方式使用模型？", "When and how were the models accessed?"
    ),
    _Item("CHART", "settings", "生成参数和提示词？", "Which prompts and generation settings?"),
    _Item("CHART", "questions", "题目有多少？", "How many questions?", "questions"),
    _Item("CHART", "source", "题目从何而来、如何选取？", "Where do the questions come from?"),
    _Item("CHART", "runs", "每题生成几次回答？", "How many answers per question and model?"),
    _Item("CHART", "sample", "题目数量如何确定？", "How was the number of questions chosen?"),
    _Item("CHART", "outcome", "按什么定义评分？", "How is each score defined?", "scale"),
    _Item("CHART", "raters", "谁评分（人数、资历）？", "Who rated: number, training?", "raters"),
    _Item(
        "CHART", "blinding", "评分者是否不知模型？", "Were raters blind to the models?", "blinding"
    ),
    _Item("CHART", "analysis", "用了哪些统计方法？", "Which statistics were used?", "analysis"),
    _Item("CHART", "results", "各模型的结果？", "What are the results per model?", "results"),
    _Item("CHART", "harm", "有多少回答被标为危险？", "How many ratings flag a danger?", "flags"),
    _Item("CHART", "ethics", "伦理审批？", "What ethics approval was given?"),
    _Item("CHART", "funding", "资助与利益冲突？", "Funding and competing interests?"),
    _Item("CHART", "protocol", "是否有研究方案或注册？", "Is there a protocol or registration?"),
    _Item("CHART", "data", "数据与代码在哪里？", "Where are data and code?"),
    _Item("GRRAS", "subjects", "评了多少个回答？", "How many answers were rated?", "answers"),
    _Item("GRRAS", "population", "评分者从何而来？", "How were the raters found?"),
    _Item("GRRAS", "number", "每个回答由几人评分？", "How many raters per answer?", "per_answer"),
    _Item("GRRAS", "training", "评分者受过什么培训？", "What training did the raters have?"),
    _Item("GRRAS", "independent", "评分是否相互独立？", "Were ratings independent?"),
    _Item(
        "GRRAS", "coefficients", "一致性系数及其区间？", "Agreement with its interval?", "agreement"
    ),
    _Item("GRRAS", "retest", "评分者自身的一致性？", "How consistent is each rater?", "retest"),
    _Item("GRRAS", "missing", "缺失的评分如何处理？", "What became of missing ratings?", "missing"),
    _Item("HEDS", "size", "评估的规模？", "How large is the evaluation?", "size"),
    _Item("HEDS", "criteria", "评什么、量表几级？", "Which criteria, on which scale?", "scale"),
    _Item("HEDS", "period", "评分在何时进行？", "When were the ratings given?", "period"),
    _Item(
        "HEDS", "experience", "评分者的从业年限？", "Years of experience of the raters?", "years"
    ),
    _Item("HEDS", "instructions", "评分者看到怎样的说明？", "What instructions did raters read?"),
    _Item("HEDS", "payment", "评分者是否有报酬？", "Were raters paid?"),
    _Item("HEDS", "order", "回答按什么顺序显示？", "In which order were answers shown?", "order"),
    _Item("HEDS", "software", "用什么软件？", "Which software was used?", "software"),
)


def reporting_sheet(report: Report) -> list[dict[str, Any]]:
    """Each item with its answer as far as the report tells; None: for the authors to fill in."""
    answers = _answers(report)
    return [
        {
            "guideline": item.guideline,
            "item": item.item,
            "question_zh": item.zh,
            "question_en": item.en,
            "answer": answers.get(item.answer),
            "filled": answers.get(item.answer) is not None,
        }
        for item in _ITEMS
    ]


def sheet_markdown(items: list[dict[str, Any]], language: Language) -> str:
    """The sheet as a Markdown table; gaps are marked."""
    zh = language == "zh"
    gap = "**待作者填写**" if zh else "**to be filled in by the authors**"
    header = ["指南", "条目", "内容"] if zh else ["Guideline", "Item", "Answer"]
    rows = [header, ["---"] * 3]
    for item in items:
        answer = markdown_cell(item["answer"]) if item["filled"] else gap
        rows.append([item["guideline"], item[f"question_{language}"], answer])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _answers(report: Report) -> dict[str, str | None]:
    data, scale = report["data"], report["scale"]
    dimensions, scores = ", ".join(scale["dimensions"]), scale["scores"]
    per_answer, years = data["raters_per_answer"], data["years"]
    left_out = {name: found["n_left_out"] for name, found in report["tests"].items()}
    blind = None if data.get("blind") is None else _english_blinding(data)
    return {
        "models": "; ".join(entry["model"] for entry in report["models"]) or None,
        "questions": str(data["n_questions"]),
        "answers": str(data["n_responses"]),
        "scale": f"{dimensions}: {scores[0]}-{scores[-1]}",
        "raters": f"{_count(data['n_raters'], 'rater')}{_specialties(data)}",
        "analysis": methods_paragraph(report, "en"),
        "blinding": blind,
        "results": "; ".join(_result(entry, scale["dimensions"]) for entry in report["models"])
        or None,
        "flags": ", ".join(f"{name}: {count}" for name, count in data["flags"].items()) or None,
        "per_answer": f"{per_answer['min']}-{per_answer['max']}, mean "
        f"{decimals(per_answer['mean'], 2)}",
        "agreement": " ".join(_english_agreement(*item) for item in report["agreement"].items())
        or None,
        "retest": _retest(report),
        "missing": "; ".join(
            f"{name}: {_count(n, 'question')} left out of the tests as incomplete"
            for name, n in left_out.items()
        )
        or None,
        "size": f"{_count(len(report['models']), 'model')}, "
        f"{_count(data['n_questions'], 'question')}, {_count(data['n_responses'], 'answer')}, "
        f"{_count(data['n_ratings'], 'rating')}",
        "period": f"{data['first_rated_at']} - {data['last_rated_at']}"
        if data["first_rated_at"]
        else None,
        "years": f"{decimals(years['min'], 0)}-{decimals(years['max'], 0)}, mean "
        f"{decimals(years['mean'], 1)}"
        if years["mean"] is not None
        else None,
        "order": _order(report),
        "software": f"MedChat {report['version']}",
    }


def _result(entry: Report, dimensions: list[str]) -> str:
    means = ", ".join(f"{each} {decimals(entry[each]['mean'], 2)}" for each in dimensions)
    return f"{entry['model']}: {means} (n = {entry['n_ratings']})"


def _retest(report: Report) -> str | None:
    found = report.get("consistency")
    if not found:
        return None
    parts = [
        f"{each}: {decimals(100 * found[each]['percent_agreement'], 1)} % equal, "
        f"n = {found[each]['n']}"
        for each in report["scale"]["dimensions"]
        if found[each]["percent_agreement"] is not None
    ]
    return "; ".join(parts) or None


def _order(report: Report) -> str | None:
    places = [entry for entry in report["sensitivity"] if entry["by"] == "shown_position"]
    if not places:
        return None
    counts = ", ".join(f"{e['model']} at {e['group']}: {e['n_ratings']}" for e in places)
    return f"Ratings by the place on screen: {counts}"
