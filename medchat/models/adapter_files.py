"""LoRA folders: reading them, whatever peft wrote them, and refusing what would do nothing or harm.

An adapter can load "successfully" and change nothing, or change the base that others share; both
are refused here, before anything is put on the base.
"""

from collections.abc import Mapping
from dataclasses import fields as dataclass_fields
from pathlib import Path

import torch
from peft import LoraConfig
from torch import Tensor
from transformers import PreTrainedModel

from medchat.errors import CheckpointError
from medchat.models.checkpoint_files import read_json
from medchat.models.tensor_files import Source, open_weights

ADAPTER_FILES = (
    "adapter_model.safetensors",
    "adapter_model.bin",
    "pytorch_model.bin",  # as Trainer named it in its checkpoints
    "model.safetensors",
)
CONFIG = "adapter_config.json"


def read_adapter_config(folder: Path) -> LoraConfig:
    """An adapter's configuration, of any peft version since 0.2."""
    if not folder.is_dir():
        raise CheckpointError(
            f"There is no adapter folder {folder}. It must hold {CONFIG} and "
            f"{ADAPTER_FILES[0]} or {ADAPTER_FILES[1]}."
        )
    file = folder / CONFIG
    if not file.is_file() and folder.name.startswith("checkpoint-"):
        file = folder.parent / CONFIG  # Trainer's own checkpoints hold the tensors alone
    if not file.is_file():
        raise CheckpointError(f"{folder} lacks {CONFIG}.{_checkpoints_told(folder)}")
    raw = read_json(file)
    if raw.get("peft_type") != "LORA":
        raise CheckpointError(f"{file} declares {raw.get('peft_type')!r}, not a LoRA.")
    known = {item.name for item in dataclass_fields(LoraConfig)}
    try:
        config = LoraConfig(**{key: value for key, value in raw.items() if key in known})
    except Exception as error:  # peft checks some values, each in its own way
        raise CheckpointError(f"{file} cannot be used: {str(error)[:300]}") from error
    # What changes the base itself would change it for every other adapter on it.
    if config.bias != "none":
        raise CheckpointError(f"{file}: bias {config.bias!r} would change the base; use 'none'.")
    if config.init_lora_weights not in (True, False, "gaussian"):
        raise CheckpointError(
            f"{file}: init_lora_weights {config.init_lora_weights!r} would change the base; "
            "convert the adapter to a plain LoRA."
        )
    return config


def adapter_file(folder: Path) -> Path:
    """The file of an adapter folder's tensors; raises CheckpointError where there is none."""
    file = next((folder / name for name in ADAPTER_FILES if (folder / name).is_file()), None)
    if file is None:
        raise CheckpointError(
            f"{folder} lacks the adapter's weights: {ADAPTER_FILES[0]} or {ADAPTER_FILES[1]}."
            f"{_checkpoints_told(folder)}"
        )
    return file


def open_adapter(folder: Path) -> dict[str, Source]:
    """The adapter's tensors under peft's current names, none of them read yet.

    Raises CheckpointError where its file is missing or damaged.
    """
    return {
        key.replace("_orig_mod.", "").replace(".default.", "."): source
        for key, source in open_weights(adapter_file(folder)).items()
    }


def _checkpoints_told(folder: Path) -> str:
    found = sorted(path.name for path in folder.glob("checkpoint-*") if path.is_dir())
    return f" It holds {', '.join(found)}: name one of these as the adapter." if found else ""


def check_adapter_fit(
    sources: Mapping[str, Source], config: LoraConfig, model: PreTrainedModel, folder: Path
) -> None:
    """Raises CheckpointError unless every tensor is one for a matrix that the base has."""
    if not any(".lora_B" in key for key in sources):
        raise CheckpointError(f"The adapter in {folder} holds no LoRA tensor.")
    modules = dict(model.named_modules())
    for key, source in sources.items():
        if ".lora_A" in key or ".lora_B" in key:
            _check_lora_tensor(key, source.shape, config, modules, folder)
        elif ".lora_" in key:
            continue
        elif any(f".{name}." in key for name in config.modules_to_save or []):
            _check_saved_tensor(key, source.shape, config, modules, folder)
        else:
            raise CheckpointError(
                f"The adapter in {folder} would change {key} of its base, for every other adapter "
                "on that base too. Only LoRA tensors can be used."
            )


def check_adapter_values(tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Raises CheckpointError for an adapter that would do nothing, or only harm."""
    if not any(bool(value.any()) for key, value in tensors.items() if ".lora_B" in key):
        raise CheckpointError(f"The adapter in {folder} is empty: all its lora_B tensors are zero.")
    for key, value in tensors.items():
        if not value.isfinite().all():
            raise CheckpointError(f"The adapter in {folder} is damaged: {key} is not all numbers.")


def _check_lora_tensor(
    key: str,
    shape: tuple[int, ...],
    config: LoraConfig,
    modules: dict[str, torch.nn.Module],
    folder: Path,
) -> None:
    path = key.removeprefix("base_model.model.").split(".lora_")[0]
    base = _named_base(config)
    weight = getattr(modules.get(path), "weight", None)
    if not isinstance(weight, Tensor):
        raise CheckpointError(
            f"The adapter in {folder} changes {path}, which this base lacks. {base}"
        )
    if len(shape) != 2:
        raise CheckpointError(f"The adapter in {folder} is damaged: {key} is not a matrix.")
    rank, has = shape if ".lora_A" in key else reversed(shape)
    wanted = weight.shape[1] if ".lora_A" in key else weight.shape[0]
    if wanted != has:
        raise CheckpointError(
            f"The adapter in {folder} was made for another base: {path} has {has} where this "
            f"base has {wanted}. {base}"
        )
    if rank != config.r and not config.rank_pattern:
        raise CheckpointError(
            f"The adapter in {folder} does not fit its own adapter_config.json: {path} has rank "
            f"{rank}, declared is {config.r}."
        )


def _check_saved_tensor(
    key: str,
    shape: tuple[int, ...],
    config: LoraConfig,
    modules: dict[str, torch.nn.Module],
    folder: Path,
) -> None:
    """A module that the adapter brings whole must have the shape of the base's own."""
    path, _, leaf = key.removeprefix("base_model.model.").rpartition(".")
    own = getattr(modules.get(path.replace(".modules_to_save", "")), leaf, None)
    if isinstance(own, Tensor) and tuple(own.shape) != shape:
        raise CheckpointError(
            f"The adapter in {folder} was made for another base: {path} is {list(shape)} "
            f"there and {list(own.shape)} in this base (the first number is the vocabulary in "
            f"embeddings and heads). {_named_base(config)}"
        )


def _named_base(config: LoraConfig) -> str:
    return f"It names {config.base_model_name_or_path or 'no model'} as its base."
