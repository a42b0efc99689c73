"""Prompts by the chat template that a tokenizer brings, and what a user types kept as text.

The template is Jinja and runs in transformers' sandbox. Needs torch only through transformers.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medchat.errors import CheckpointError
from medchat.models.templates import Template, Turn
from medchat.models.vocabulary import declared_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

CHAT = Template("chat", "{question}", round="{question}\n{answer}\n", last="{question}")
"""Stands for the tokenizer's own template, which renders the conversation in its place."""
FILES = ("chat_template.jinja", "chat_template.json")
"""Where a chat template may lie, if not in tokenizer_config.json."""
PROBE = (Turn("\ue0000\ue001", "\ue0001\ue001"), Turn("\ue0002\ue001"))
"""A conversation that every chat template must be able to render."""
_STANDIN = re.compile("\ue000(\\d+)\ue001")


def brings_chat_template(folder: Path) -> bool:
    """Raises CheckpointError for a tokenizer_config.json that cannot be read."""
    beside = any((folder / name).is_file() for name in FILES)
    return beside or bool(declared_tokens(folder).get("chat_template"))


def render_chat(tokenizer: "PreTrainedTokenizerBase", turns: Sequence[Turn]) -> str:
    """The prompt for the last turn's question. Raises whatever the template does."""
    messages = []
    for turn in turns[:-1]:
        if turn.answer is not None:
            messages.append({"role": "user", "content": turn.question})
            messages.append({"role": "assistant", "content": turn.answer})
    messages.append({"role": "user", "content": turns[-1].question})
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def check_chat_template(tokenizer: "PreTrainedTokenizerBase", folder: Path) -> None:
    """Raises CheckpointError unless there is a template that renders every text of a talk."""
    if not tokenizer.chat_template:
        raise CheckpointError("chat_template_missing", folder=folder)
    try:
        questions = [render_chat(tokenizer, PROBE[-1:]), render_chat(tokenizer, PROBE)]
    except Exception as error:  # of Jinja or of the template itself, too many kinds to name
        words = own_words(error)
        raise CheckpointError("chat_template_fails", folder=folder, remainder=words) from error
    if not all(PROBE[-1].question in text for text in questions):
        raise CheckpointError("chat_template_drops_question", folder=folder)


def turn_end(tokenizer: "PreTrainedTokenizerBase") -> int | None:
    """The special token that the template puts behind an answer, if it puts one there."""
    _, _, rest = render_chat(tokenizer, PROBE).partition(PROBE[0].answer or "")
    ids = tokenizer(rest.lstrip(), add_special_tokens=False)["input_ids"] if rest else []
    special = special_texts(tokenizer)
    first = ids[0] if ids else None
    return first if first in special else None


def encode_chat(tokenizer: "PreTrainedTokenizerBase", turns: Sequence[Turn]) -> list[int]:
    """The prompt's ids, as ``apply_chat_template`` gives them.

    Where a user's text spells a special token, it is encoded apart from the template, as text.
    """
    text = render_chat(tokenizer, turns)
    special = special_texts(tokenizer).values()
    contents = [content for turn in turns for content in (turn.question, turn.answer or "")]
    if not any(token in content for token in special for content in contents):
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])
    names = [f"\ue000{number}\ue001" for number in range(len(contents))]
    questions, answers = names[0::2], names[1::2]
    standing_in = [
        Turn(question, None if turn.answer is None else answer)
        for turn, question, answer in zip(turns, questions, answers, strict=True)
    ]
    ids: list[int] = []
    for number, part in enumerate(_STANDIN.split(render_chat(tokenizer, standing_in))):
        typed = bool(number % 2)
        if typed:  # templates may strip what they are given
            content = contents[int(part)]
            part = content if content in text else content.strip()
        encoded = tokenizer(part, add_special_tokens=False, split_special_tokens=typed)
        ids += encoded["input_ids"]
    return ids


def own_words(error: Exception) -> str:
    """What a library or a template said, on one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def special_texts(tokenizer: "PreTrainedTokenizerBase") -> dict[int, str]:
    """The special tokens by id."""
    named = dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    added = tokenizer.added_tokens_decoder.items()
    return named | {number: token.content for number, token in added if token.special}
