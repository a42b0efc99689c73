"""The weights that a model must have, by name and shape: what the families' tables are made of.

A test compares the tables with the networks themselves. Needs no torch.
"""

import re
from collections.abc import Mapping
from math import prod
from typing import Any

from medchat.errors import BadInput

Shapes = dict[str, tuple[int, ...]]
_LAYER = re.compile(r"\.\d+\.")


def parameters(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """How many numbers there are in all."""
    return sum(map(prod, shapes.values()))


def layer_parameters(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """How many there are in the matrices of the layers, whose names are numbered."""
    return sum(
        prod(shape) for name, shape in shapes.items() if _LAYER.search(name) and len(shape) == 2
    )


def transformer_block(block: str, attention: str, width: int, inner: int) -> Shapes:
    """A layer of Bloom and of ChatGLM, which differ in the name of the attention alone."""
    matrices = {
        f"{attention}.query_key_value": (3 * width, width),
        f"{attention}.dense": (width, width),
        "mlp.dense_h_to_4h": (inner, width),
        "mlp.dense_4h_to_h": (width, inner),
    }
    norms = (
        norm(f"{block}input_layernorm", width),
        norm(f"{block}post_attention_layernorm", width),
    )
    return linears(block, matrices, True) | norms[0] | norms[1]


def linears(block: str, matrices: Mapping[str, tuple[int, int]], biased: bool) -> Shapes:
    shapes: Shapes = {f"{block}{name}.weight": shape for name, shape in matrices.items()}
    if biased:
        shapes |= {f"{block}{name}.bias": shape[:1] for name, shape in matrices.items()}
    return shapes


def norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def size(config: Mapping[str, Any], name: str, default: int = -1) -> int:
    """A size of config.json, or ``default`` where it names none; raises BadInput for no size."""
    value = config.get(name)
    if value is None and default >= 0:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BadInput("field_no_size", field=name, value=repr(value))
    return value


def divided(width: int, parts: int) -> int:
    """Raises BadInput where a width cannot be cut into so many equal parts."""
    if width % parts:
        raise BadInput("width_uneven", width=width, parts=parts)
    return width // parts
