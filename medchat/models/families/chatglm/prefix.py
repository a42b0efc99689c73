"""P-tuning v2 prefixes: finding them, whatever wrote them, as one matrix of keys and values.

A prefix that was trained through a projection is the projection's output here: it gives the same
answers and needs the projection no more. Shapes are read from the tensors alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medchat.errors import CheckpointError
from medchat.models.weights.sources import FLOATS, Source, open_weights

PREFIX = "transformer.prefix_encoder."
PREFIX_WEIGHT = PREFIX + "embedding.weight"
BESIDE = ("prefix_encoder.safetensors", "prefix_encoder.bin")
"""Names under which a prefix lies beside a base."""
FILES = (*BESIDE, "model.safetensors", "pytorch_model.bin")
"""Names under which a prefix lies in a folder of its own."""
EMBEDDING = "embedding.weight"
PROJECTION = ("trans.0.weight", "trans.0.bias", "trans.2.weight", "trans.2.bias")
"""The two linear layers, with a tanh between them, that the originals may train a prefix with."""


@dataclass(frozen=True)
class Prefix(Source):
    """Keys and values ``[pre_seq_len, layers * 2 * hidden]``, from one tensor or through five."""

    parts: Mapping[str, Source]


def prefix_file(folder: Path, names: tuple[str, ...] = FILES) -> Path | None:
    """The file of a folder that holds nothing but a prefix, if there is one."""
    for file in (folder / name for name in names):
        if file.is_file() and _is_prefix(open_weights(file)):
            return file
    return None


def open_prefix(file: Path, config: Mapping[str, Any]) -> Prefix:
    """Raises CheckpointError where the prefix is incomplete or was made for another base."""
    return _prefix(open_weights(file), config, file)


def take_prefix(sources: dict[str, Source], config: Mapping[str, Any]) -> Prefix | None:
    """Remove a full save's prefix from its sources, and return it. Raises as ``open_prefix``."""
    parts = {name: sources.pop(name) for name in list(sources) if name.startswith(PREFIX)}
    return _prefix(parts, config, next(iter(parts.values())).file) if parts else None


def _is_prefix(sources: Mapping[str, Source]) -> bool:
    return bool(sources) and {_part(name) for name in sources} <= {EMBEDDING, *PROJECTION}


def _part(name: str) -> str:
    return name.split("prefix_encoder.")[-1]


def _prefix(sources: Mapping[str, Source], config: Mapping[str, Any], file: Path) -> Prefix:
    parts = {_part(name): source for name, source in sources.items()}
    if set(parts) not in ({EMBEDDING}, {EMBEDDING, *PROJECTION}):
        raise CheckpointError("prefix_incomplete", file=file, parts=", ".join(sorted(parts)))
    for part, source in parts.items():
        if source.dtype not in FLOATS:
            raise CheckpointError("prefix_integers", file=file, part=part, dtype=source.dtype)
    shapes = [parts[part].shape for part in (EMBEDDING, *PROJECTION) if part in parts]
    length, width = _length_and_width(shapes, file)
    layers, hidden = config["num_layers"], config["hidden_size"]
    if width != layers * 2 * hidden:
        raise CheckpointError(
            "prefix_of_other_base",
            file=file,
            width=width,
            needed=layers * 2 * hidden,
            layers=layers,
            hidden=hidden,
        )
    return Prefix(file, parts[EMBEDDING].dtype, (length, width), parts)


def _length_and_width(shapes: list[tuple[int, ...]], file: Path) -> tuple[int, int]:
    """Of the prefix that these tensors make; raises CheckpointError where they do not fit."""
    match shapes:
        case [(length, width)]:
            return length, width
        case [(length, a), (b, c), (d,), (width, e), (f,)]:
            if a == c and b == d == e and width == f:
                return length, width
    listed = ", ".join(str(list(shape)) for shape in shapes)
    raise CheckpointError("prefix_misshapen", file=file, shapes=listed)
