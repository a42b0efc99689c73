"""The reporting sheet: what guidelines ask of a rating study, answered as far as the report tells.

The items follow CHART (2025; studies of chatbots that give health advice), GRRAS (Kottner et al.
2011; reliability and agreement) and HEDS 3.0 (Belz & Thomson 2024; human evaluation of language),
in words of our own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medchat.evaluation.wording.methods import (
    Language,
    Report,
    chinese_agreement,
    chinese_blinding,
    chinese_order,
    chinese_per_answer,
    chinese_specialties,
    counted,
    english_agreement,
    english_blinding,
    english_order,
    english_per_answer,
    english_specialties,
    methods_paragraph,
)
from medchat.evaluation.writers.tables import decimals, markdown_cell, mean_of
from medchat.scale import name_zh

Both = tuple[str, str]
"""In Chinese and in English."""


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
        "CHART",
        "access",
        "回答在何时生成或导入？",
        "When were the answers made or imported?",
        "access",
    ),
    _Item(
        "CHART",
        "settings",
        "生成参数和提示词？",
        "Which prompts and generation settings?",
        "generation",
    ),
    _Item("CHART", "questions", "题目有多少？", "How many questions?", "questions"),
    _Item("CHART", "source", "题目从何而来、如何选取？", "Where do the questions come from?"),
    _Item(
        "CHART", "runs", "每题生成几次回答？", "How many answers per question and model?", "runs"
    ),
    _Item("CHART", "sample", "题目数量如何确定？", "How was the number of questions chosen?"),
    _Item("CHART", "outcome", "按什么定义评分？", "How is each score defined?", "instructions"),
    _Item("CHART", "raters", "谁评分（人数、资历）？", "Who rated: number, training?", "raters"),
    _Item(
        "CHART", "blinding", "评分者是否不知模型？", "Were raters blind to the models?", "blinding"
    ),
    _Item("CHART", "analysis", "用了哪些统计方法？", "Which statistics were used?", "analysis"),
    _Item("CHART", "results", "各模型的结果？", "What are the results per model?", "results"),
    _Item(
        "CHART",
        "harm",
        "评分中有多少危险等标记？",
        "How many ratings flag a danger or the like?",
        "flags",
    ),
    _Item("CHART", "ethics", "伦理审批？", "What ethics approval was given?"),
    _Item("CHART", "funding", "资助与利益冲突？", "Funding and competing interests?"),
    _Item("CHART", "protocol", "是否有研究方案或注册？", "Is there a protocol or registration?"),
    _Item("CHART", "data", "数据与代码在哪里？", "Where are data and code?"),
    _Item("GRRAS", "subjects", "评了多少个回答？", "How many answers were rated?", "answers"),
    _Item("GRRAS", "population", "评分者从何而来？", "How were the raters found?"),
    _Item("GRRAS", "number", "每个回答由几人评分？", "How many raters per answer?", "per_answer"),
    _Item(
        "GRRAS",
        "training",
        "评分者受过什么培训？",
        "What training did the raters have?",
        "training",
    ),
    _Item("GRRAS", "independent", "评分是否相互独立？", "Were ratings independent?", "independent"),
    _Item(
        "GRRAS",
        "coefficients",
        "一致性系数（α 附区间）？",
        "Agreement (alpha with its interval)?",
        "agreement",
    ),
    _Item("GRRAS", "retest", "评分者自身的一致性？", "How consistent is each rater?", "retest"),
    _Item("GRRAS", "missing", "缺失的评分如何处理？", "What became of missing ratings?", "missing"),
    _Item("HEDS", "size", "评估的规模？", "How large is the evaluation?", "size"),
    _Item("HEDS", "criteria", "评什么、量表几级？", "Which criteria, on which scale?", "scale"),
    _Item("HEDS", "period", "评分在何时进行？", "When were the ratings given?", "period"),
    _Item(
        "HEDS", "experience", "评分者的从业年限？", "Years of experience of the raters?", "years"
    ),
    _Item(
        "HEDS",
        "instructions",
        "评分者看到怎样的说明？",
        "What instructions did raters read?",
        "instructions",
    ),
    _Item("HEDS", "payment", "评分者是否有报酬？", "Were raters paid?"),
    _Item("HEDS", "order", "回答按什么顺序显示？", "In which order were answers shown?", "order"),
    _Item("HEDS", "software", "用什么软件？", "Which software was used?", "software"),
)


def reporting_sheet(report: Report) -> list[dict[str, Any]]:
    """Each item with its answer as far as the report tells; None: for the authors to fill in."""
    answers = _answers(report)
    sheet = []
    for item in _ITEMS:
        zh, en = answers.get(item.answer) or (None, None)
        sheet.append(
            {
                "guideline": item.guideline,
                "item": item.item,
                "question_zh": item.zh,
                "question_en": item.en,
                "answer_zh": zh,
                "answer_en": en,
                "filled": en is not None,
            }
        )
    return sheet


def sheet_markdown(items: list[dict[str, Any]], language: Language) -> str:
    """The sheet as a Markdown table; gaps are marked."""
    zh = language == "zh"
    gap = "**待作者填写**" if zh else "**to be filled in by the authors**"
    header = ["指南", "条目", "内容"] if zh else ["Guideline", "Item", "Answer"]
    rows = [header, ["---"] * 3]
    for item in items:
        answer = markdown_cell(item[f"answer_{language}"]) if item["filled"] else gap
        rows.append([item["guideline"], item[f"question_{language}"], answer])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _answers(report: Report) -> dict[str, Both | None]:
    """Name of what fills an item -> its words; None, or no such name: the report does not tell."""
    data, scale, models = report["data"], report["scale"], report["models"]
    per_answer = data["raters_per_answer"]
    return {
        **_of_conduct(report),
        "models": _same("; ".join(entry["model"] for entry in models)),
        "questions": _same(str(data["n_questions"])),
        "answers": _same(str(data["n_responses"])),
        "scale": (
            f"{'、'.join(map(name_zh, scale['dimensions']))}：{_range(scale)} 分",
            f"{', '.join(scale['dimensions'])}: {_range(scale)}",
        ),
        "raters": _raters(report),
        "analysis": (methods_paragraph(report, "zh"), methods_paragraph(report, "en")),
        "results": _results(report),
        "flags": _flags(report),
        "per_answer": (chinese_per_answer(per_answer), english_per_answer(per_answer)),
        "agreement": _pair(
            "".join(chinese_agreement(*each) for each in report["agreement"].items()),
            " ".join(english_agreement(*each) for each in report["agreement"].items()),
        ),
        "retest": _retest(report),
        "missing": _missing(report),
        "size": (
            f"{len(models)} 个模型，{data['n_questions']} 道题，{data['n_responses']} 个回答，"
            f"{data['n_ratings']} 条评分",
            f"{counted(len(models), 'model')}, {counted(data['n_questions'], 'question')}, "
            f"{counted(data['n_responses'], 'answer')}, {counted(data['n_ratings'], 'rating')}",
        ),
        "period": _span(data["first_rated_at"], data["last_rated_at"]),
        "years": _years(data["years"]),
        "order": _order(report),
        "software": _software(report),
    }


def _of_conduct(report: Report) -> dict[str, Both | None]:
    told: Mapping[str, Any] = report["conduct"] or {}
    blind, practice = told.get("blind"), told.get("practice_items")
    found: dict[str, Both | None] = {
        "access": _span(told.get("answers_from"), told.get("answers_to")),
        "generation": _same(
            "; ".join(f"{k}: {v}" for k, v in (told.get("generation") or {}).items())
        ),
        "instructions": _pair(told.get("guide_zh", ""), told.get("guide_en", "")),
    }
    if blind is not None:
        found["blinding"] = chinese_blinding(blind), english_blinding(blind)
    if told:
        found["runs"] = "每个模型每题一个回答", "One answer per question and model"
    if told.get("independent"):
        found["independent"] = "评分者看不到他人的评分", "No rater saw the scores of another"
    if practice:
        found["training"] = (
            f"{practice} 道带反馈的练习；其他培训待作者补充",
            f"{counted(practice, 'practice item')} with feedback; the authors know of any other",
        )
    return found


def _software(report: Report) -> Both:
    """With the end that the study showed when it was locked, for who keeps the report."""
    name, code = f"MedChat {report['version']}", (report["conduct"] or {}).get("end_code")
    if not code:
        return name, name
    return (
        f"{name}；研究锁定时的末端代码：{code}",
        f"{name}; end of the study's records when it was locked: {code}",
    )


def _pair(zh: str, en: str) -> Both | None:
    """None where there is nothing to say."""
    return (zh or en, en or zh) if zh or en else None


def _same(text: str) -> Both | None:
    return _pair(text, text)


def _range(scale: Report) -> str:
    return f"{scale['scores'][0]}–{scale['scores'][-1]}"


def _span(first: str | None, last: str | None) -> Both | None:
    if not first or not last:
        return None
    utc = all(moment.endswith(("Z", "+00:00")) for moment in (first, last))
    zone = " (UTC)" if utc else ""
    return f"{first} 至 {last}{zone}", f"{first} to {last}{zone}"


def _years(years: Report) -> Both | None:
    if years["mean"] is None:
        return None
    low, high = (
        decimals(years[end], 0 if years[end] == int(years[end]) else 1) for end in ("min", "max")
    )
    mean = decimals(years["mean"], 1)
    return f"{low}–{high} 年，平均 {mean} 年", f"{low}–{high} years, mean {mean}"


def _raters(report: Report) -> Both:
    data, invited = report["data"], (report["conduct"] or {}).get("raters_invited")
    zh = f"{data['n_raters']} 名评分者（{chinese_specialties(data)}）"
    en = f"{counted(data['n_raters'], 'rater')}{english_specialties(data)}"
    if invited is None:
        return zh, en
    return f"{zh}，共邀请 {invited} 名", f"{en}; {invited} were invited"


def _flags(report: Report) -> Both | None:
    """Where the study is known, no flags are an answer too."""
    flags = report["data"]["flags"]
    if not flags and report["conduct"]:
        return "没有标记", "None"
    return _same(", ".join(f"{name}: {count}" for name, count in flags.items()))


def _results(report: Report) -> Both | None:
    zh, en = [], []
    for entry in report["models"]:
        means = {each: mean_of(entry, each) for each in report["scale"]["dimensions"]}
        head, tail = entry["model"], f"(n = {entry['n_ratings']})"
        zh.append(f"{head}：{'，'.join(f'{name_zh(k)} {v}' for k, v in means.items())} {tail}")
        en.append(f"{head}: {', '.join(f'{k} {v}' for k, v in means.items())} {tail}")
    return _pair("；".join(zh), "; ".join(en))


def _retest(report: Report) -> Both | None:
    zh, en = [], []
    for name in report["scale"]["dimensions"] if report["consistency"] else ():
        found = report["consistency"][name]
        if found["percent_agreement"] is not None:
            percent = decimals(100 * found["percent_agreement"], 1)
            zh.append(f"{name_zh(name)}：{percent}% 相同，n = {found['n']}")
            en.append(f"{name}: {percent} % equal, n = {found['n']}")
    return _pair("；".join(zh), "; ".join(en))


def _missing(report: Report) -> Both | None:
    zh, en = [], []
    skipped = (report["conduct"] or {}).get("skipped")
    if skipped is not None:
        zh.append(f"评分者跳过回答 {skipped} 次")
        en.append(f"raters skipped an answer {counted(skipped, 'time')}")
    data = report["data"]
    whole = data["n_raters"] * data["n_responses"]
    if report["models"] and skipped is None:  # else a study may have asked for fewer
        zh.append(
            f"若每位评分者评每个回答，应有 {whole} 条评分，实有 {data['n_ratings']} 条；不作填补"
        )
        en.append(
            f"{data['n_ratings']} ratings, of {whole} if every rater had scored every answer; none "
            "is imputed"
        )
    for name, found in report["tests"].items():
        left = found["n_left_out"]
        zh.append(f"{name_zh(name)}：{left} 道题因不完整未参加检验")
        en.append(f"{name}: {counted(left, 'question')} left out of the tests as incomplete")
    return _pair("；".join(zh), "; ".join(en))


def _order(report: Report) -> Both | None:
    """The balanced order, if any, and how often each model stood in each place."""
    told = report["conduct"] or {}
    zh, en = [chinese_order(told)], [english_order(told)]
    places = [entry for entry in report["sensitivity"] if entry["by"] == "shown_position"]
    if places:
        counts = ", ".join(f"{e['model']} @ {e['group']}: {e['n_ratings']}" for e in places)
        zh.append(f"各位置的评分数（模型 @ 位置）：{counts}")
        en.append(f"Ratings by place on the screen (model @ place): {counts}")
    return _pair("".join(zh), " ".join(en).strip())
