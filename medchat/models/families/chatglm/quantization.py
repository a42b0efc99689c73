"""The published int8 and int4 ChatGLM-6B checkpoints, turned back into plain weights.

A quantised matrix ``X.weight`` lies beside ``X.weight_scale``, one scale per row. The originals
multiplied in float16 on a GPU; so do the weights made here, whatever precision they go to.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from medchat.errors import CheckpointError
from medchat.models.weights.sources import Source

SCALE = "_scale"


@dataclass(frozen=True)
class QuantisedMatrix(Source):
    """A matrix stored as int8 ``[out, in]``, or int4 as two values to a byte ``[out, in / 2]``."""

    weight: Source
    scale: Source
    bits: int


def dequantised(
    sources: Mapping[str, Source], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Source]:
    """The sources with every quantised matrix and its scale replaced by the matrix that they mean.

    ``shapes`` gives the shape that each matrix must have; whether a byte holds one value or two
    follows from it. Raises CheckpointError where a scale is missing or fits neither.
    """
    plain: dict[str, Source] = {}
    for name, source in sources.items():
        of = sources.get(name.removesuffix(SCALE)) if name.endswith(SCALE) else None
        if of and of.dtype == "I8":
            continue
        if source.dtype == "I8":
            source = _quantised(name, sources, shapes.get(name, ()))
        plain[name] = source
    return plain


def _quantised(name: str, sources: Mapping[str, Source], shape: tuple[int, ...]) -> QuantisedMatrix:
    weight = sources[name]
    scale = sources.get(name + SCALE)
    if scale is None:
        raise CheckpointError("scale_missing", file=weight.file, name=name, scale=f"{name}{SCALE}")
    if len(shape) == 2 and scale.shape == shape[:1]:
        for bits in (8, 4):
            if weight.shape == (shape[0], shape[1] * bits // 8):
                return QuantisedMatrix(weight.file, "F16", shape, weight, scale, bits)
    raise CheckpointError(
        "scale_misfit",
        file=weight.file,
        name=name,
        stored=list(weight.shape),
        scale=list(scale.shape),
        shape=list(shape),
    )
