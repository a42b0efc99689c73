"""The network of a checkpoint with its weights, each read once, into its place.

The network is built without memory for its parameters; every one is then allocated in its final
precision on its final device and filled from the file.
"""

from typing import Any, cast

import torch
from accelerate import dispatch_model
from torch import Tensor, nn
from transformers import PreTrainedModel

from medchat.errors import CheckpointError
from medchat.models.checkpoint import Checkpoint
from medchat.models.weights.reading import forget_old_files, read_into

Place = torch.device | dict[str, int]
"""One device for all, or the number of a GPU for each module (accelerate's ``device_map``)."""


def empty_network(build: Any, config: Any) -> PreTrainedModel:
    """A network of the class ``build``; its parameters have shapes but no memory yet."""
    with torch.device("meta"):  # this thread's alone, so that two bases may be loaded at once
        network = cast(PreTrainedModel, build(config))
    for path, module in list(network.named_modules()):
        if any(table.is_meta for table in module.buffers(recurse=False)):
            network.set_submodule(path, type(module)(config))  # tables that no file holds
    return network


def fill(
    network: PreTrainedModel, checkpoint: Checkpoint, *, dtype: torch.dtype, place: Place
) -> None:
    """Give an empty network the checkpoint's weights, in ``dtype``.

    Raises CheckpointError where a file turns out to be damaged.
    """
    sources = checkpoint.sources
    for name in sorted(sources, key=lambda name: str(sources[name].file)):
        weight = _allocate(checkpoint, sources[name].shape, dtype, _device_of(name, place))
        read_into(sources[name], weight)
        _put(network, name, weight)
    forget_old_files()
    network.tie_weights()
    if empty := [name for name, weight in network.named_parameters() if weight.is_meta]:
        raise CheckpointError("weight_unfilled", folder=checkpoint.folder, name=empty[0])
    if isinstance(place, dict):
        dispatch_model(
            network,
            cast(Any, place),
            main_device=cast(Any, min(place.values())),
            skip_keys=network._skip_keys_device_placement,
        )
    else:
        cast(Any, network).to(place)  # what no file holds: tables that are computed
    network.eval()


def _allocate(
    checkpoint: Checkpoint, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> Tensor:
    try:
        return torch.empty(shape, dtype=dtype, device=device)
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        size = checkpoint.parameters * dtype.itemsize
        raise CheckpointError(
            "no_memory",
            folder=checkpoint.folder,
            size=f"{size / 1e9:.1f} GB",
            dtype=str(dtype).removeprefix("torch."),
            device=device,
        ) from error


def _put(network: PreTrainedModel, name: str, weight: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    network.get_submodule(owner)._parameters[leaf] = nn.Parameter(weight)


def _device_of(name: str, place: Place) -> torch.device:
    if isinstance(place, torch.device):
        return place
    owners = [module for module in place if not module or f"{name}.".startswith(f"{module}.")]
    return gpu(place[max(owners, key=len)])


def gpu(number: int) -> torch.device:
    return torch.device("cuda", number)
