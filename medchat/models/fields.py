"""The fields of config.json that a network is built from, and what each may hold.

All others (of training, of other programs, code that lies beside the folder) are left unread. So a
folder that ``medchat check`` finds good is one that transformers can build. Needs no torch.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medchat.errors import CheckpointError, Message, message

Rule = tuple[Callable[[Any], bool], Message | str]
"""What a value must fulfil, and the same in words."""


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_positive(value: Any) -> bool:
    return is_number(value) and value > 0


def is_size(value: Any) -> bool:
    return isinstance(value, int) and is_positive(value) and value <= MAX_SIZE


MAX_SIZE = 2**31 - 1
"""torch cannot count the numbers of a larger one."""
MAX_LAYERS = 1000
SIZE: Rule = (is_size, message("is_whole_between", low=1, high=MAX_SIZE))
POSITIVE: Rule = (is_positive, message("is_positive"))
SWITCH: Rule = (lambda value: isinstance(value, bool), message("is_switch"))
LAYERS: Rule = (
    lambda value: is_size(value) and value <= MAX_LAYERS,
    message("is_whole_between", low=1, high=MAX_LAYERS),
)
COUNT: Rule = (lambda value: value == 0 or is_size(value), message("is_whole"))
ROPE_NUMBERS = {
    "default": [],
    "linear": ["factor"],
    "dynamic": ["factor"],
    "yarn": ["factor"],
    "llama3": [
        "factor",
        "low_freq_factor",
        "high_freq_factor",
        "original_max_position_embeddings",
    ],
}
"""The kinds of rotary scaling, and the numbers that each cannot do without."""


def _is_rope(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    needed = ROPE_NUMBERS.get(str(value.get("rope_type", value.get("type", "default"))))
    present = {"factor", "rope_theta"} & set(value)
    return needed is not None and all(is_positive(value.get(key)) for key in {*needed, *present})


ROPE: Rule = (_is_rope, message("is_rope", kinds=", ".join(ROPE_NUMBERS)))


def known_fields(
    config: Mapping[str, Any], fields: Mapping[str, Rule], file: Path
) -> dict[str, Any]:
    """The values of ``fields`` that are set in ``config``; null counts as not set.

    Raises CheckpointError, with the file, for a value that no such model has.
    """
    if config.get("quantization_config"):
        raise CheckpointError("quantised_by_others", file=file)
    fields_set = {}
    for name, rule in fields.items():
        holds, words = rule
        value = config.get(name)
        if value is None:
            continue
        if not holds(value):
            problem = message("field_must_be", field=name, words=words, value=repr(str(value)[:60]))
            raise CheckpointError("config_unusable", file=file, problem=problem)
        fields_set[name] = float(value) if rule is POSITIVE else value
    return fields_set
