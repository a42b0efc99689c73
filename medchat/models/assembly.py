"""A network and its weight files -> the network with its weights, each read once, into its place.

The network is built without memory for its parameters; every one is then allocated in its final
precision on its final device and filled from the file. Knows nothing of families.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from accelerate import dispatch_model, init_empty_weights
from torch import Tensor, nn
from transformers import PreTrainedModel

from medchat.errors import CheckpointError
from medchat.models.tensor_files import Source, forget_old_files

Place = torch.device | dict[str, torch.device]
"""One device for all, or one for each module (a transformers ``device_map``)."""


def empty_network(kind: Any, config: Any) -> PreTrainedModel:
    """A model of class ``kind`` whose parameters have shapes but no memory yet."""
    with init_empty_weights(include_buffers=False):
        return cast(PreTrainedModel, kind(config))


def fill(
    network: PreTrainedModel,
    sources: Mapping[str, Source],
    *,
    dtype: torch.dtype,
    place: Place,
) -> None:
    """Give an empty network its weights, in ``dtype``. Raises CheckpointError as ``check_fit``."""
    check_fit(network, sources)
    for name in sorted(sources, key=lambda name: str(sources[name].file)):
        device = _device_of(name, place)
        weight = torch.empty(sources[name].shape, dtype=dtype, device=device)
        sources[name].read_into(weight)
        _put(network, name, weight)
    forget_old_files()
    network.tie_weights()
    if isinstance(place, dict):
        dispatch_model(network, cast(Any, place), skip_keys=network._skip_keys_device_placement)
    else:
        cast(Any, network).to(place)  # what no file holds: tables that are computed
    network.eval()


def _put(network: PreTrainedModel, name: str, weight: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    module = network.get_submodule(owner)
    if leaf in module._parameters:
        module._parameters[leaf] = nn.Parameter(weight)
    else:
        module._buffers[leaf] = weight


def check_fit(network: PreTrainedModel, sources: Mapping[str, Source]) -> None:
    """Raises CheckpointError unless every weight has a file and every file's weight a place."""
    wanted = {name: tuple(weight.shape) for name, weight in network.state_dict().items()}
    tied = _tied(network)
    told = []
    if missing := sorted(set(wanted) - set(sources) - tied):
        told.append(f"{len(missing)} are missing, such as {missing[0]}")
    if astray := sorted(set(sources) - set(wanted)):
        told.append(f"{len(astray)} have no place in the model, such as {astray[0]}")
    for name in sorted(set(wanted) & set(sources)):
        if wanted[name] != sources[name].shape:
            shapes = f"{list(sources[name].shape)}, not {list(wanted[name])}"
            told.append(f"{name} has the shape {shapes}")
            break
    if told:
        folder = next(iter(sources.values())).file.parent
        raise CheckpointError(
            f"The weights in {folder} do not fit its config.json: {'; '.join(told)}."
        )


def _tied(network: PreTrainedModel) -> set[str]:
    """Weights that are another one by another name, and so need not be in a file."""
    if not getattr(network.config, "tie_word_embeddings", False):
        return set()
    return set(network.all_tied_weights_keys)


def _device_of(name: str, place: Place) -> torch.device:
    if isinstance(place, torch.device):
        return place
    owners = [module for module in place if not module or f"{name}.".startswith(f"{module}.")]
    return place[max(owners, key=len)]
