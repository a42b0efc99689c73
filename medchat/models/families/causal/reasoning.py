"""``<think>…</think>``: what a model writes for itself is set apart from its answer. Text alone."""

import re
from typing import NamedTuple

OPEN, CLOSE = "<think>", "</think>"
MARKS = (OPEN, CLOSE)
_PART = re.compile(rf"{OPEN}(.*?)(?:{CLOSE}|\Z)", re.DOTALL)


class Parts(NamedTuple):
    answer: str
    reasoning: str


def begins_thinking(prompt: str) -> bool:
    """Whether a prompt ends inside a part that the model is to close."""
    return prompt.rstrip().endswith(OPEN)


def split_reasoning(reply: str, *, thinking: bool) -> Parts:
    """The answer and the reasoning of a reply that may still be growing.

    ``thinking`` says that the reply begins as reasoning. So does one that closes a part which it
    never opened.
    """
    start, closing, _ = reply.partition(CLOSE)
    if thinking or (closing and OPEN not in start):
        reply = OPEN + reply
    reasoning = [part.strip() for part in _PART.findall(reply)]
    return Parts(_PART.sub("", reply), "\n\n".join(filter(None, reasoning)))


def without_half_mark(answer: str) -> str:
    """A growing answer without what may become a mark at its end."""
    for mark in MARKS:
        for length in range(len(mark) - 1, 0, -1):
            if answer.endswith(mark[:length]):
                return answer[:-length]
    return answer
