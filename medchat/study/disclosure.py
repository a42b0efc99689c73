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
MIN_NAME_LENGTH = 3
"""Shorter names of the study's models occur within too many words."""

_NAMES = (
    *("Chat[- ]?GLM", "DoctorGLM", "BianQue", "GLM", "LLaMA", "Alpaca", "Vicuna", "BLOOMZ?"),
    *("Hua[- ]?Tuo", "BenTsao", "Huozi", "Chat[- ]?GPT", "OpenAI", "Claude", "Anthropic"),
    *("Gemini", "Bard", "Qwen", "Tongyi", "DeepSeek", "Baichuan", "InternLM", "ERNIE", "Mistral"),
    *("MOSS", "Chat[- ]?Doctor", "Med-?PaLM", "PMC-?LLaMA", "MedAlpaca", "Zhipu", "Baize"),
    *("Falcon", "WizardLM", r"Yi-\d+B"),
    # By itself, GPT is a liver enzyme: ALT by its older name.
    r"GPT(?=-?[2-5](?!\d)|[ -]?模型| models?(?![A-Za-z]))",
)
_CHINESE_NAMES = (
    *("华驼", "本草模型", "活字", "智谱", "清华大学", "哈工大", "哈尔滨工业大学", "文心一言"),
    *("通义千问", "讯飞星火", "百川大模型", "书生浦语", "羊驼", "月之暗面", "豆包", "深度求索"),
)
_REST_OF_NAME = (
    r"(?:-?v?\d+(?:\.\d+)?B?| \d+(?:\.\d+)?B(?![A-Za-z]))?"
    r"(?:[-_][A-Za-z0-9]+(?:\.\d+)?)*"
)
"""GLM-4, LLaMA2-7B, ChatGLM 6B, ChatGLM-Med: what is left of a name would tell as much as it."""

_AI = r"(?<![A-Za-z])(?:AI|LLM)(?![A-Za-z])"
"""Not the beginning of AIDS, nor the middle of BAIDU."""
_MACHINE = (
    rf"(?: ?(?:{_AI}|人工智能|(?:大|大型)?语言模型|大模型|机器人|(?:智能|虚拟|聊天)助手|问答系统"
    r"))+(?: ?(?:模型|助手|程序))?"
)
_ENGLISH_MACHINE = (
    r"(?:[a-z-]+ ){0,2}"
    r"(?:AI|GPT|artificial intelligence|(?:large )?language model|chatbot|virtual assistant)"
    r"(?: (?:language )?model| assistant| program| system)?(?![A-Za-z])"
)
_NEAR = r"[^，。！？\n█]"
"""Within one part of a sentence, and never across a mask."""
_SELF = (
    rf"(?:作为|身为){_NEAR}{{0,16}}?{_MACHINE}",
    rf"我(?:只|仅|就)?是{_NEAR}{{0,20}}?{_MACHINE}",
    r"(?:作为|我是|我叫|我的名字是|我的名字叫)(?:一个|一款)? ?(?:华佗|GPT(?![A-Za-z]))",
    rf"(?:我|本模型)是?(?:一个|一名|一位|一款)?由(?!于){_NEAR}{{0,40}}?(?:训练|开发|研发|研制)",
    rf"(?:基于|由){_NEAR}{{1,40}}?(?:训练|开发|研发|研制)的{_MACHINE}",
    r"我(?:的)?(?:训练数据|知识(?:库)?截止)",
    rf"(?<![A-Za-z])as an? {_ENGLISH_MACHINE}",
    rf"(?<![A-Za-z])I(?: am|['’]m) (?:just |only |merely )?an? {_ENGLISH_MACHINE}",
    r"(?<![A-Za-z])I was (?:trained|developed|created) by(?![A-Za-z])",
    r"(?<![A-Za-z])my (?:training data|knowledge cut-?off)(?![A-Za-z])",
)
_BLANKS = r"[^\S\n]*"
_TEMPLATE = (
    rf"(?<!#)##+{_BLANKS}(?:(?:Instruction|Input|Response|Output|Question|Answer)(?![A-Za-z])"
    rf"|指令|说明|输入|输出|问题|回答|回复)(?:{_BLANKS}[:：])?",
    r"Below is an instruction that describes a task",
    r"下面是一个问题，运用医学知识来正确回答提问|以下是描述任务的说明，编写适当地回复完成请求的响应",
    r"\[Round ?\d+\]",
    r"\[(?:gMASK|sMASK|MASK)\]|</?s>|<(?:sop|eop|pad|unk|n|image_\d+|user|bot)>",
    r"\[/?INST\]|<</?SYS>>|<\|\w+\|>",
    rf"^{_BLANKS}(?:问|答|问题|答案|回答|Human|Assistant|User|患者|医生){_BLANKS}[:：]",
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
    disclosures = [
        Disclosure(match.start(), match.end(), kind, match[0])
        for kind, pattern in (("name", _of_names(names)), *_PATTERNS)
        for match in pattern.finditer(text)
        if match[0].strip()
    ]
    return _joined(text, sorted(disclosures, key=lambda one: (one.start, -one.end)))


def masked(text: str, disclosures: Sequence[Disclosure]) -> str:
    """Return ``text`` with ``MASK`` instead of every disclosure."""
    pieces, at = [], 0
    for disclosure in disclosures:
        pieces += [text[at : disclosure.start], MASK]
        at = disclosure.end
    return "".join([*pieces, text[at:]])


def _joined(text: str, disclosures: Sequence[Disclosure]) -> list[Disclosure]:
    joined: list[Disclosure] = []
    for disclosure in disclosures:
        if joined and disclosure.start < joined[-1].end:
            last = joined.pop()
            end = max(last.end, disclosure.end)
            disclosure = Disclosure(last.start, end, last.kind, text[last.start : end])
        joined.append(disclosure)
    return joined


def _pattern(parts: Collection[str], flags: int = 0) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{part})" for part in parts), re.IGNORECASE | flags)


def _of_names(names: Collection[str]) -> re.Pattern[str]:
    """The names of the study, the longest first, and the well-known ones."""
    own = {name.strip() for name in names if MASK[0] not in name}
    telling = sorted((name for name in own if len(name) >= MIN_NAME_LENGTH), key=_longest_first)
    return _pattern(
        (
            *(f"{_whole_word(name)}{_REST_OF_NAME}" for name in telling),
            rf"(?<![A-Za-z])(?:{'|'.join(_NAMES)})(?![A-Za-z]){_REST_OF_NAME}",
            *_CHINESE_NAMES,
        )
    )


def _longest_first(name: str) -> tuple[int, str]:
    return -len(name), name


def _whole_word(name: str) -> str:
    """A pattern of ``name``: where a Latin letter or a digit ends it, no other may go on."""
    before, after = _sign(name[0]), _sign(name[-1])
    return (
        (f"(?<!{before})" if before else "") + re.escape(name) + (f"(?!{after})" if after else "")
    )


def _sign(edge: str) -> str:
    return next((sign for sign in ("[A-Za-z]", "[0-9]") if re.match(sign, edge)), "")


_PATTERNS: tuple[tuple[DisclosureKind, re.Pattern[str]], ...] = (
    ("self", _pattern(_SELF)),
    ("template", _pattern(_TEMPLATE, re.MULTILINE)),
)
