"""The published int8 and int4 ChatGLM-6B checkpoints, turned back into plain weights.

A quantised matrix ``X.weight`` lies beside ``X.weight_scale``, one scale per row. The originals
multiplied in float16 on a GPU; so do the weights made here, whatever precision they go to.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from medchat.errors import CheckpointError
from medchat.models.tensor_files import Source, read

SCALE = "_scale"
ROWS_AT_ONCE = 1024
"""Rows turned back at a time, so that no second copy of a large matrix is ever held."""


@dataclass(frozen=True)
class QuantisedMatrix:
    """A matrix stored as int8 ``[out, in]``, or int4 as two values to a byte ``[out, in / 2]``."""

    weight: Source
    scale: Source
    bits: int

    dtype = torch.float16

    @property
    def file(self) -> Path:
        return self.weight.file

    @property
    def shape(self) -> tuple[int, ...]:
        rows, columns = self.weight.shape
        return rows, columns * 8 // self.bits

    def read_into(self, target: Tensor) -> None:
        whole = read(self.weight)
        scale = read(self.scale, torch.float16)[:, None]
        for start in range(0, len(whole), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            integers = unpack_int4(whole[rows]) if self.bits == 4 else whole[rows]
            target[rows].copy_(integers.to(torch.float16) * scale[rows])


def unpack_int4(packed: Tensor) -> Tensor:
    """int8 ``[out, in / 2]`` -> int8 ``[out, in]``: the high half of a byte is the even column."""
    high = packed >> 4
    low = packed << 4 >> 4
    return torch.stack([high, low], dim=-1).flatten(-2)


def dequantised(sources: dict[str, Source], columns: dict[str, int]) -> dict[str, Source]:
    """The sources with every quantised matrix and its scale replaced by the matrix that they mean.

    ``columns`` gives the input width that each matrix must have; whether a byte holds one value or
    two follows from it. Raises CheckpointError where a scale is missing or fits neither.
    """
    plain: dict[str, Source] = {}
    for name, source in sources.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in sources:
            continue
        if source.dtype == torch.int8:
            source = _quantised(name, sources, columns)
        plain[name] = source
    return plain


def _quantised(name: str, sources: dict[str, Source], columns: dict[str, int]) -> QuantisedMatrix:
    weight = sources[name]
    scale = sources.get(name + SCALE)
    if scale is None:
        raise CheckpointError(f"{weight.file} holds {name} as integers, but not its {name}{SCALE}.")
    if len(weight.shape) == 2 and scale.shape == weight.shape[:1]:
        for bits in (8, 4):
            if weight.shape[1] * 8 == columns.get(name, 0) * bits:
                return QuantisedMatrix(weight, scale, bits)
    raise CheckpointError(
        f"{weight.file}: {name} {list(weight.shape)} with its scale {list(scale.shape)} is neither "
        "an int8 nor an int4 matrix of the size that config.json declares."
    )
