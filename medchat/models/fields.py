"""The fields of config.json that a network is built from, and what each may hold.

All others (of training, of other programs, code that lies beside the folder) are left unread. So a
folder that ``medchat check`` finds good is one that transformers can build. Needs no torch.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medchat.errors import CheckpointError, Message
from medchat.models.registry import Family

Rule = tuple[Callable[[Any], bool], Message | str]
"""What a value must fulfil, and the same in words."""


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_positive(value: Any) -> bool:
    return is_number(value) and value > 0


def is_size(value: Any) -> bool:
    return isinstance(value, int) and is_positive(value) and value < LARGEST


LARGEST = 2**31
"""What no size of a model reaches; torch cannot count the numbers of larger ones."""
SIZE: Rule = (is_size, f"a whole number from 1 to {LARGEST - 1}")
POSITIVE: Rule = (is_positive, "a number above 0")
SWITCH: Rule = (lambda value: isinstance(value, bool), "true or false")
LAYERS: Rule = (lambda value: is_size(value) and value <= 1000, "a whole number from 1 to 1000")
COUNT: Rule = (lambda value: value == 0 or is_size(value), "a whole number")
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
    given = {"factor", "rope_theta"} & set(value)
    return needed is not None and all(is_positive(value.get(key)) for key in {*needed, *given})


ROPE: Rule = (_is_rope, f"a table of one of the kinds {', '.join(ROPE_NUMBERS)} with its numbers")
FIELDS: dict[Family, dict[str, Rule]] = {
    "llama": {
        "vocab_size": SIZE,
        "hidden_size": SIZE,
        "intermediate_size": SIZE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": SIZE,
        "num_key_value_heads": SIZE,
        "head_dim": SIZE,
        "hidden_act": (lambda value: value in ("silu", "swish"), "silu"),
        "rms_norm_eps": POSITIVE,
        "max_position_embeddings": SIZE,
        "max_sequence_length": SIZE,
        "rope_theta": POSITIVE,
        "rope_scaling": ROPE,
        "rope_parameters": ROPE,
        "attention_bias": SWITCH,
        "mlp_bias": SWITCH,
        "tie_word_embeddings": SWITCH,
    },
    "bloom": {
        "vocab_size": SIZE,
        "hidden_size": SIZE,
        "n_embed": SIZE,
        "n_layer": LAYERS,
        "num_hidden_layers": LAYERS,
        "n_head": SIZE,
        "num_attention_heads": SIZE,
        "layer_norm_epsilon": POSITIVE,
        "apply_residual_connection_post_layernorm": SWITCH,
        "tie_word_embeddings": SWITCH,
        "seq_length": SIZE,
    },
    "chatglm": {
        "hidden_size": SIZE,
        "num_layers": LAYERS,
        "num_attention_heads": SIZE,
        "inner_hidden_size": SIZE,
        "layernorm_epsilon": POSITIVE,
        "max_sequence_length": SIZE,
        "position_encoding_2d": (lambda value: value is True, "true; no other positions are known"),
        "bos_token_id": COUNT,
        "pre_seq_len": COUNT,
    },
}


def known_fields(config: Mapping[str, Any], family: Family, file: Path) -> dict[str, Any]:
    """The fields of ``config`` that matter to ``family`` and are set; null counts as not set.

    Raises CheckpointError, with the file, for a value that no such model has.
    """
    if config.get("quantization_config"):
        raise CheckpointError(
            f"{file} declares weights that another program has quantised (quantization_config). "
            "Take the folder it was made from."
        )
    known = {}
    for name, (holds, words) in FIELDS[family].items():
        value = config.get(name)
        if value is None:
            continue
        if not holds(value):
            raise CheckpointError(
                f"{file} cannot be used: {name} must be {words}, not {str(value)[:60]!r}."
            )
        known[name] = float(value) if FIELDS[family][name] is POSITIVE else value
    return known
