"""The numbers of a quantised matrix and of a prefix; see ``quantization`` and ``prefix``."""

import torch
import torch.nn.functional as F
from torch import Tensor

from medchat.errors import CheckpointError
from medchat.models.families.chatglm.prefix import EMBEDDING, PROJECTION, Prefix
from medchat.models.families.chatglm.quantization import QuantisedMatrix
from medchat.models.weights.reading import read, read_into

ROWS_AT_ONCE = 1024
"""Rows turned back at a time, so that no second copy of a large matrix is ever held."""


@read_into.register
def _(source: QuantisedMatrix, target: Tensor) -> None:
    whole = read(source.weight)
    scale = read(source.scale, torch.float16)[:, None]
    for start in range(0, len(whole), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        integers = unpack_int4(whole[rows]) if source.bits == 4 else whole[rows]
        target[rows].copy_(integers.to(torch.float16) * scale[rows])


def unpack_int4(packed: Tensor) -> Tensor:
    """int8 ``[out, in / 2]`` -> int8 ``[out, in]``: the high half of a byte is the even column."""
    high = packed >> 4
    low = packed << 4 >> 4
    return torch.stack([high, low], dim=-1).flatten(-2)


@read_into.register
def _(source: Prefix, target: Tensor) -> None:
    values = read(source.parts[EMBEDDING])
    if len(source.parts) > 1:
        first, first_bias, second, second_bias = (
            read(source.parts[part], torch.float32) for part in PROJECTION
        )
        inner = F.linear(values.float(), first, first_bias).tanh()
        values = F.linear(inner, second, second_bias)
    if not values.isfinite().all():
        raise CheckpointError("prefix_no_numbers", file=source.file)
    target.copy_(values)
