"""Prompt templates: the text that a checkpoint was tuned to see around a question.

A template belongs to its checkpoint; a wrong one changes answers without a word, so it is data that
is checked when it is made. Sources: the published repositories' own template files (facts, not
their code). Knows nothing of tokenizers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medchat.errors import BadInput


@dataclass(frozen=True)
class Turn:
    """One question of a conversation and, once it is there, its answer."""

    question: str
    answer: str | None = None


@dataclass(frozen=True)
class Template:
    """How a conversation becomes a prompt.

    ``single`` is the prompt of one question and holds ``{question}``. ``round`` is an answered
    earlier turn (``{index}`` from 0, ``{question}``, ``{answer}``) and ``last`` the question behind
    such turns, with ``opening`` in front of them all; a template without them shows the model its
    last question alone, as the published model was only ever asked. ``stops`` end an answer where
    the model begins to write the next question itself.
    """

    name: str
    single: str
    round: str = ""
    last: str = ""
    opening: str = ""
    stops: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if "{question}" not in self.single:
            raise BadInput("template_without_question", name=self.name)
        if self.round and not all(part in self.round for part in ("{question}", "{answer}")):
            raise BadInput("template_round", name=self.name)
        if self.round and "{question}" not in self.last:
            raise BadInput("template_last", name=self.name)

    @property
    def keeps_history(self) -> bool:
        return bool(self.round)

    def render(self, turns: Sequence[Turn]) -> str:
        """The prompt for the last turn's question, after the answered turns before it."""
        *earlier, current = turns
        answered = [turn for turn in earlier if turn.answer is not None]
        if not answered or not self.keeps_history:
            return self.single.replace("{question}", current.question)
        rounds = "".join(
            _fill(self.round, index, turn.question, turn.answer or "")
            for index, turn in enumerate(answered)
        )
        return self.opening + rounds + _fill(self.last, len(answered), current.question, "")


def _fill(text: str, index: int, question: str, answer: str) -> str:
    # One pass over the template only: a question that says "{answer}" stays as it was typed.
    parts = {"{index}": str(index), "{question}": question, "{answer}": answer}
    filled = ""
    while text:
        matches = [(text.find(key), key) for key in parts if key in text]
        if not matches:
            return filled + text
        position, key = min(matches)
        filled += text[:position] + parts[key]
        text = text[position + len(key) :]
    return filled


TEMPLATES = {
    template.name: template
    for template in (
        Template("plain", "{question}"),
        Template(
            "med",
            "下面是一个问题，运用医学知识来正确回答提问.\n### 问题:\n{question}\n### 回答:\n",
            stops=("\n###",),
        ),
        Template(
            "literature",
            "以下是描述任务的说明，编写适当地回复完成请求的响应。\n\n"
            " ### 说明:\n <user>: {question}\n\n### 回复:\n",
            opening="以下是描述任务的说明，编写适当地回复完成请求的响应。\n\n ### 说明:\n",
            round=" <user>: {question} <bot>: {answer}",
            last=" <user>: {question}\n\n### 回复:\n",
            stops=("\n###", "<user>"),
        ),
        Template(
            "bloom",
            "下面是一个问题，运用医学知识来正确回答提问.\n{question}\n### 回答：\n",
            stops=("\n###",),
        ),
        Template(
            "alpaca",
            "Below is an instruction that describes a task. Write a response that appropriately "
            "completes the request.\n\n### Instruction:\n{question}\n\n### Response:\n",
            stops=("\n###",),
        ),
        Template(
            "chatglm",
            "{question}",
            round="[Round {index}]\n问：{question}\n答：{answer}\n",
            last="[Round {index}]\n问：{question}\n答：",
        ),
        Template("chatglm-med", "问题：{question}\n答案："),
    )
}


def find_template(name: str, templates: Mapping[str, Template] = TEMPLATES) -> Template:
    """Raises BadInput that lists the known templates."""
    if name not in templates:
        raise BadInput("no_such_template", name=name, names=", ".join(templates))
    return templates[name]
