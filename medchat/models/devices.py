"""Where a model runs and in which precision: what ``auto`` means, and what this machine lacks.

Knows a checkpoint's size and precision, nothing of its family.
"""

import importlib.util
from typing import Any

import torch
from accelerate import infer_auto_device_map
from accelerate.utils import get_balanced_memory
from transformers import PreTrainedModel

from medchat.errors import CheckpointError
from medchat.models.assembly import Place
from medchat.models.precision import automatic_dtype, processor_multiplies_bfloat16
from medchat.models.quiet import silence_libraries

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
QUANTISED = {"int8": 8, "int4": 4}
HEADROOM = 1.2
"""A GPU must have so many times the weights' size free: a conversation's cache comes on top."""


def choose_device(device: str) -> torch.device:
    """``auto`` is cuda, else mps, else cpu. Raises CheckpointError for one that is not there."""
    if device != "auto":
        try:
            chosen = torch.empty(0, device=device).device
        except (RuntimeError, AssertionError):
            chosen = torch.device("meta")
        if chosen.type == "meta":  # torch's own device without memory
            raise CheckpointError("no_device", device=device)
        return chosen
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def choose_dtype(dtype: str, device: torch.device, *, stored: str, parameters: int) -> torch.dtype:
    """The precision to compute in; ``auto`` is ``automatic_dtype``.

    Raises CheckpointError for an unknown one.
    """
    if dtype == "auto":
        bfloat16 = (
            torch.cuda.is_bf16_supported(including_emulation=False)
            if device.type == "cuda"
            else processor_multiplies_bfloat16()
        )
        dtype = automatic_dtype(
            device.type, stored=stored, parameters=parameters, bfloat16=bfloat16
        )
    if dtype in DTYPES:
        return DTYPES[dtype]
    raise CheckpointError("dtype_unknown", dtype=dtype, names=", ".join([*DTYPES, *QUANTISED]))


def check_quantisable(dtype: str, device: torch.device) -> int:
    """The bits that ``dtype`` asks for. Raises CheckpointError where this machine cannot."""
    if device.type != "cuda":
        raise CheckpointError("dtype_needs_cuda", dtype=dtype, device=device.type)
    if importlib.util.find_spec("bitsandbytes") is None:
        raise CheckpointError("dtype_needs_bitsandbytes", dtype=dtype)
    return QUANTISED[dtype]


def place_for(
    network: PreTrainedModel, device: str, chosen: torch.device, dtype: torch.dtype
) -> Place:
    """``chosen``, or a device for each layer where that one is too small and there are others.

    Only ``auto`` is spread; who names a device gets it.
    """
    size = sum(weight.numel() for weight in network.parameters()) * dtype.itemsize
    if device != "auto" or chosen.type != "cuda" or torch.cuda.device_count() < 2:
        return chosen
    if torch.cuda.mem_get_info(0)[0] > HEADROOM * size:
        return torch.device("cuda", 0)
    return spread(network, dtype, get_balanced_memory(network, dtype=dtype))


def spread(network: PreTrainedModel, dtype: torch.dtype, room: dict[Any, Any]) -> Place:
    """The number of a GPU for each part of the network, none of its layers cut.

    ``room`` is what each device has free, in bytes, as accelerate writes it. Raises CheckpointError
    where the GPUs are not enough, rather than leave layers to the processor.
    """
    with silence_libraries():
        device_map = infer_auto_device_map(
            network,
            max_memory={device: size for device, size in room.items() if device != "cpu"},
            no_split_module_classes=list(network._no_split_modules or []),
            dtype=dtype,
        )
    if not all(isinstance(number, int) for number in device_map.values()):
        size = sum(weight.numel() for weight in network.parameters()) * dtype.itemsize
        name = str(dtype).removeprefix("torch.")
        raise CheckpointError("gpus_too_small", size=f"{size / 1e9:.1f}", dtype=name)
    return dict(device_map)
