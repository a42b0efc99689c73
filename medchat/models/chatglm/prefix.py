"""P-tuning v2 prefixes: reading them, whatever wrote them, as one matrix of keys and values.

A prefix that was trained through a projection is the projection's output here: it gives the same
answers and needs the projection no more. Shapes are read from the tensors alone.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from medchat.errors import CheckpointError
from medchat.models.chatglm.configuration import ChatGLMConfig
from medchat.models.tensor_files import Source, open_weights, read, read_tensors

PREFIX = "transformer.prefix_encoder."
PREFIX_WEIGHT = PREFIX + "embedding.weight"
FILES = tuple(
    f"{stem}{suffix}"
    for stem in ("prefix_encoder", "pytorch_model", "model", "adapter_model")
    for suffix in (".safetensors", ".bin")
)
"""Names under which a prefix lies in a folder of its own; the first also beside a base."""
_PARTS = {"embedding.weight"}
_PROJECTION = {f"trans.{layer}.{part}" for layer in (0, 2) for part in ("weight", "bias")}


@dataclass(frozen=True)
class FoldedPrefix:
    """A prefix as a source: keys and values ``[pre_seq_len, layers * 2 * hidden]``."""

    values: Tensor
    file: Path

    @property
    def dtype(self) -> torch.dtype:
        return self.values.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)

    def read_into(self, target: Tensor) -> None:
        target.copy_(self.values)


def prefix_file(folder: Path, names: tuple[str, ...] = FILES) -> Path | None:
    """The file of a folder that holds nothing but a prefix, if there is one."""
    for file in (folder / name for name in names):
        if file.is_file() and _is_prefix(open_weights(file)):
            return file
    return None


def read_prefix_file(file: Path, config: ChatGLMConfig) -> FoldedPrefix:
    """Raises CheckpointError where the prefix was made for a model of another size."""
    tensors = {_part(name): tensor for name, tensor in read_tensors(file).items()}
    return _folded(tensors, config, file)


def take_prefix(sources: dict[str, Source], config: ChatGLMConfig) -> FoldedPrefix | None:
    """Remove a full save's prefix from its sources, and return it."""
    names = [name for name in sources if name.startswith(PREFIX)]
    if not names:
        return None
    file = sources[names[0]].file
    return _folded({_part(name): read(sources.pop(name)) for name in names}, config, file)


def _is_prefix(sources: dict[str, Source]) -> bool:
    return bool(sources) and {_part(name) for name in sources} <= _PARTS | _PROJECTION


def _part(name: str) -> str:
    return name.split("prefix_encoder.")[-1]


def _folded(tensors: dict[str, Tensor], config: ChatGLMConfig, file: Path) -> FoldedPrefix:
    if set(tensors) not in (_PARTS, _PARTS | _PROJECTION):
        raise CheckpointError(f"The prefix in {file} is incomplete: {', '.join(sorted(tensors))}.")
    values = tensors["embedding.weight"]
    if len(tensors) > 1:
        values = _projected(values, tensors, file)
    wanted = config.num_layers * 2 * config.hidden_size
    if values.dim() != 2 or values.shape[1] != wanted:
        raise CheckpointError(
            f"The prefix in {file} was made for another base: its rows have {values.shape[-1]} "
            f"values where this base needs {wanted} ({config.num_layers} layers of 2 × "
            f"{config.hidden_size})."
        )
    if not values.isfinite().all():
        raise CheckpointError(f"The prefix in {file} is damaged: it is not all numbers.")
    return FoldedPrefix(values, file)


def _projected(embedding: Tensor, tensors: dict[str, Tensor], file: Path) -> Tensor:
    """The two linear layers with a tanh between them that the originals trained a prefix with."""
    try:
        inner = F.linear(
            embedding.float(), tensors["trans.0.weight"].float(), tensors["trans.0.bias"].float()
        )
        values = F.linear(
            inner.tanh(), tensors["trans.2.weight"].float(), tensors["trans.2.bias"].float()
        )
    except RuntimeError as error:  # the only thing that linear layers can object to is a shape
        raise CheckpointError(
            f"The prefix in {file} is damaged: its projection does not fit its embedding."
        ) from error
    return values.to(embedding.dtype)
