"""What in an answer gives its model away to a blinded rater.

Owns the words; decides nothing: a coordinator keeps, masks or excludes each answer that is found.
Knows neither studies nor pages.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

DisclosureKind = Literal["name", "self", "template"]
MASK = "█████"
"""Stands for whatever is masked, so that its length tells nothing."""
SHORTEST_NAME = 3
"""Of a model of the study: shorter ones stand in too many words."""

_NAMES = (
    *("ChatGLM", "DoctorGLM", "BianQue", "GLM", "LLaMA", "Alpaca", "Vicuna", "BLOOMZ?", "Huozi"),
    *("HuaTuo", "BenTsao", "ChatGPT", "GPT", "OpenAI", "Claude", "Anthropic", "Gemini", "Bard"),
    *(
        "Qwen",
        "Tongyi",
        "DeepSeek",
        "Baichuan",
        "InternLM",
        "ERNIE",
        "Mistral",
        "MOSS",
        "ChatDoctor",
    ),
    *("Med-?PaLM", "PMC-?LLaMA", "MedAlpaca", "Zhipu", "Baize", "Falcon", "WizardLM", "Yi-\\d+B"),
)
_CHINESE_NAMES = (
    *(
        "华驼",
        "本草模型",
        "活字",
        "智谱",
        "清华大学",
        "哈工大",
        "哈尔滨工业大学",
        "文心一言",
        "通义千问",
    ),
    *("讯飞星火", "百川大模型", "书生浦语", "羊驼", "月之暗面", "豆包", "深度求索"),
)
_MACHINE = (
    r"(?:AI|人工智能|语言模型|大模型|大语言模型|大型语言模型|机器人|智能助手|虚拟助手|聊天助手"
    r"|问答系统)(?:模型|助手|程序)?"
)
_ENGLISH_MACHINE = (
    r"(?:AI|artificial intelligence|(?:large )?language model|chatbot|virtual assistant)"
    r"(?: (?:language )?model| assistant)?"
)
_SELF = (
    rf"(?:作为|身为)(?:一个|一名|一位|一款)?[^，。！？\n]{{0,12}}?{_MACHINE}",
    rf"我(?:只)?是(?:一个|一名|一位|一款)?[^，。！？\n]{{0,16}}?{_MACHINE}",
    r"我(?:的名字)?(?:是|叫)华佗",
    r"(?:我|本模型)是?由[^，。！？\n]{1,20}(?:训练|开发|研发|研制)",
    r"我(?:的)?(?:训练数据|知识(?:库)?截止)",
    rf"\bas an? {_ENGLISH_MACHINE}\b",
    rf"\bI(?: am|['’]m) (?:just |only )?an? {_ENGLISH_MACHINE}\b",
    r"\bI was (?:trained|developed|created) by\b",
    r"\bmy (?:training data|knowledge cut-?off)\b",
)
_TEMPLATE = (
    r"#{2,}\s*(?:Instruction|Input|Response|Output|Question|Answer|指令|输入|输出|问题|回答|回复)\s*[:：]?",
    r"Below is an instruction that describes a task",
    r"\[Round ?\d+\]",
    r"\[(?:gMASK|sMASK|MASK)\]|</?s>|<(?:sop|eop|pad|unk|n|image_\d+)>|\[/?INST\]|<</?SYS>>|<\|\w+\|>",
    r"^\s*(?:问|答|问题|答案|回答|Human|Assistant|User|USER|ASSISTANT|患者|医生)\s*[:：]",
    r"\[\[训练时间\]\]",
)


@dataclass(frozen=True)
class Disclosure:
    """Characters ``start`` to ``end`` (not included) of an answer, and what they give away."""

    start: int
    end: int
    kind: DisclosureKind
    words: str


def find_disclosures(text: str, names: Collection[str] = ()) -> list[Disclosure]:
    """Return what gives ``text`` away, in its order, overlaps joined.

    ``names`` are those of the study's own models and their labels.
    """
    found = [
        Disclosure(match.start(), match.end(), kind, match[0])
        for kind, pattern in (("name", _of_names(names)), *_PATTERNS)
        for match in pattern.finditer(text)
        if match[0].strip()
    ]
    return _joined(text, sorted(found, key=lambda each: (each.start, -each.end)))


def masked(text: str, disclosures: Sequence[Disclosure]) -> str:
    """``text`` with ``MASK`` in the place of each disclosure."""
    pieces, at = [], 0
    for each in disclosures:
        pieces += [text[at : each.start], MASK]
        at = each.end
    return "".join([*pieces, text[at:]])


def _joined(text: str, found: Sequence[Disclosure]) -> list[Disclosure]:
    joined: list[Disclosure] = []
    for each in found:
        if joined and each.start < joined[-1].end:
            last = joined.pop()
            end = max(last.end, each.end)
            each = Disclosure(last.start, end, last.kind, text[last.start : end])
        joined.append(each)
    return joined


def _pattern(parts: Collection[str], flags: int = 0) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{part})" for part in parts), re.IGNORECASE | flags)


def _of_names(names: Collection[str]) -> re.Pattern[str]:
    """The well-known names and those of the study, Latin ones as whole words."""
    own = [re.escape(name) for name in names if len(name) >= SHORTEST_NAME]
    latin = "|".join((*_NAMES, *sorted(own, key=len, reverse=True)))
    # A digit or hyphen belongs to the name: GLM-4, LLaMA2-7B.
    return _pattern(
        (rf"(?<![A-Za-z])(?:{latin})(?![A-Za-z])(?:-?\d+(?:\.\d+)?B?)?", *_CHINESE_NAMES)
    )


_PATTERNS: tuple[tuple[DisclosureKind, re.Pattern[str]], ...] = (
    ("self", _pattern(_SELF)),
    ("template", _pattern(_TEMPLATE, re.MULTILINE)),
)
