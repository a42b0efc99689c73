"""LoRA folders: reading them, whatever peft wrote them, and refusing what would do nothing or harm.

An adapter can load "successfully" and change nothing, or change the base that others share; both
are refused here, before anything is put on the base. Needs no torch.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medchat.errors import CheckpointError, Message, message
from medchat.models.fields import COUNT, POSITIVE, SIZE, SWITCH, Rule, is_positive, is_size
from medchat.models.shapes import Shapes
from medchat.models.weights.files import read_json
from medchat.models.weights.sources import (
    FLOATS,
    Source,
    StoredTensor,
    is_finite,
    is_zero,
    open_weights,
)
from medchat.text import shorten

FILES = (
    "adapter_model.safetensors",
    "adapter_model.bin",
    "pytorch_model.bin",  # as Trainer named it in its checkpoints
    "model.safetensors",
)
CONFIG = "adapter_config.json"
BASE = "base_model.model."
"""What peft puts in front of the names of a base's modules."""
MAX_NAMED = 5
"""Subfolders that a message names."""
CHANGING = (
    "use_dora",
    "lora_bias",
    "layer_replication",
    "target_parameters",
    "trainable_token_indices",
    "megatron_config",
    "use_qalora",
    "alora_invocation_tokens",
    "arrow_config",
)
"""Settings by which a LoRA would do more than add the product of its two matrices to a weight."""


def _is_pattern(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(re.compile(value))
    except re.error:
        return False


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name for name in value)


def _is_layers(value: Any) -> bool:
    return COUNT[0](value) or (isinstance(value, list) and all(map(COUNT[0], value)))


def _is_table_of(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """For ``rank_pattern`` and the like: patterns of module names, each with its value."""
    return lambda value: (
        isinstance(value, dict) and all(map(_is_pattern, value)) and all(map(holds, value.values()))
    )


NAMES: Rule = (
    lambda value: _is_pattern(value) or _is_names(value),
    message("is_names_or_pattern"),
)
SETTINGS: dict[str, Rule] = {
    "r": SIZE,
    "lora_alpha": POSITIVE,
    "target_modules": NAMES,
    "exclude_modules": NAMES,
    "layers_to_transform": (_is_layers, message("is_layers")),
    "rank_pattern": (_is_table_of(is_size), message("is_table_of_ranks")),
    "alpha_pattern": (_is_table_of(is_positive), message("is_table_of_numbers")),
    "use_rslora": SWITCH,
    "modules_to_save": (_is_names, message("is_names")),
}
"""The settings of adapter_config.json that matter once an adapter has been trained."""


@dataclass(frozen=True)
class Adapter:
    """A LoRA folder: its adapter_config.json and its tensors, under peft's current names."""

    folder: Path
    config: dict[str, Any]
    sources: dict[str, Source]

    @property
    def rank(self) -> int:
        """The declared rank; single modules may have another, see ``rank_of``."""
        return int(self.config.get("r", 8))

    @property
    def alpha(self) -> float:
        return float(self.config.get("lora_alpha", 8))

    @property
    def modules(self) -> list[str]:
        """The full names of the matrices that it changes, as its tensors tell."""
        return sorted({_module(key) for key in self.sources if ".lora_A." in key})

    @property
    def saved(self) -> list[str]:
        """The names of the modules that it brings whole."""
        return list(self.config.get("modules_to_save") or [])

    def rank_of(self, module: str) -> int:
        for pattern, rank in (self.config.get("rank_pattern") or {}).items():
            if re.match(rf"(.*\.)?({pattern})$", module):
                return int(rank)
        return self.rank

    @property
    def base(self) -> str:
        """The base that it names, which need not be where it says."""
        return str(self.config.get("base_model_name_or_path") or "no model")

    @property
    def targets(self) -> list[str]:
        """The names of the modules that it changes; one of them may be a pattern."""
        targets = self.config.get("target_modules") or []
        return [targets] if isinstance(targets, str) else sorted(map(str, targets))


def open_adapter(folder: Path) -> Adapter:
    """Raises CheckpointError where files are missing or damaged, or hold no plain LoRA."""
    file, config = _read_config(folder)
    if not config.get("peft_type"):
        raise CheckpointError("adapter_kind_missing", file=file)
    if config["peft_type"] != "LORA":
        raise CheckpointError("adapter_no_lora", file=file, kind=shorten(str(config["peft_type"])))
    parts = config.get("enable_lora")
    if isinstance(parts, list) and len(parts) > 1:  # null or one part is a plain LoRA
        parts = shorten(json.dumps(parts))
        raise CheckpointError("adapter_merged_linear", file=file, parts=parts)
    _check_settings(file, config)
    # What changes the base itself would change it for every other adapter on it.
    if (config.get("bias") or "none") != "none":
        raise CheckpointError("adapter_bias", file=file, bias=shorten(str(config["bias"])))
    start = config.get("init_lora_weights", True)
    if start not in (True, False, None, "gaussian"):
        raise CheckpointError("adapter_start", file=file, start=shorten(str(start)))
    sources: dict[str, Source] = {}
    for key, source in open_weights(adapter_file(folder)).items():
        name = _current_name(key)
        if name in sources:
            raise CheckpointError("adapter_tensor_twice", file=source.file, name=name, key=key)
        if source.dtype not in FLOATS:
            dtype = source.dtype
            raise CheckpointError("adapter_tensor_dtype", file=source.file, key=key, dtype=dtype)
        sources[name] = source
    return Adapter(folder, config, sources)


def _current_name(key: str) -> str:
    """A tensor's name without what compiling, training or naming an adapter put into it."""
    return key.replace("_orig_mod.", "").replace(".default.", ".")


def _check_settings(file: Path, config: dict[str, Any]) -> None:
    """Replaces null by nothing. Raises CheckpointError for what no plain LoRA has."""
    for name, (holds, words) in SETTINGS.items():
        if config.get(name) is None:
            config.pop(name, None)
        elif not holds(config[name]):
            value = shorten(str(config[name]), 60)
            raise CheckpointError("adapter_setting", file=file, name=name, words=words, value=value)
    for name in CHANGING:
        if config.get(name):
            raise CheckpointError("adapter_no_plain_lora", file=file, name=name)


def adapter_file(folder: Path) -> Path:
    """The file of an adapter folder's tensors; raises CheckpointError where there is none."""
    for name in FILES:
        if (folder / name).is_file():
            return folder / name
    first, second, *_ = FILES
    raise CheckpointError(
        "adapter_lacks_weights",
        folder=folder,
        first=first,
        second=second,
        hint=_adapters_below(folder),
    )


def _read_config(folder: Path) -> tuple[Path, dict[str, Any]]:
    if not os.path.isdir(folder):
        first, second, *_ = FILES
        raise CheckpointError(
            "no_adapter_folder", folder=folder, config=CONFIG, first=first, second=second
        )
    file = folder / CONFIG
    if not file.is_file() and folder.name.startswith("checkpoint-"):
        file = folder.parent / CONFIG  # Trainer's own checkpoints hold the tensors alone
    if not file.is_file():
        raise CheckpointError(
            "adapter_lacks_config", folder=folder, config=CONFIG, hint=_adapters_below(folder)
        )
    return file, read_json(file)


def _adapters_below(folder: Path) -> Message | str:
    """Names the adapters in its subfolders: Trainer's checkpoints, or one that lies too deep."""
    names = sorted(
        path.name
        for path in folder.glob("*")
        if path.is_dir() and (path.name.startswith("checkpoint-") or (path / CONFIG).is_file())
    )
    return message("adapters_below", names=", ".join(names[:MAX_NAMED])) if names else ""


# -- base and adapter --


def check_fit(adapter: Adapter, shapes: Shapes) -> None:
    """``shapes`` are those of the base's weights. Raises CheckpointError unless every tensor of the
    adapter has its place there, and every place that it declares its tensor."""
    if not any(".lora_B" in key for key in adapter.sources):
        raise CheckpointError("adapter_empty", folder=adapter.folder)
    for key, source in adapter.sources.items():
        if ".lora_A" in key or ".lora_B" in key:
            _check_lora_tensor(key, source.shape, adapter, shapes)
        elif any(f".{name}." in key for name in adapter.saved):
            _check_saved_tensor(key, source.shape, adapter, shapes)
        else:
            raise CheckpointError("adapter_changes_base", folder=adapter.folder, key=key)
    _check_targets(adapter, shapes)


def check_trained(adapter: Adapter) -> None:
    """Raises CheckpointError where a tensor is all zeros, or not all numbers."""
    stored = {key: s for key, s in adapter.sources.items() if isinstance(s, StoredTensor)}
    if zeros := [key for key, source in stored.items() if ".lora_" in key and is_zero(source)]:
        raise untrained(adapter, zeros)
    if wild := [key for key, source in stored.items() if not is_finite(source)]:
        raise no_numbers(adapter, wild[0])


def no_numbers(adapter: Adapter, key: str) -> CheckpointError:
    return CheckpointError("adapter_no_numbers", folder=adapter.folder, key=key)


def untrained(adapter: Adapter, zeros: list[str]) -> CheckpointError:
    return CheckpointError(
        "adapter_untrained",
        folder=adapter.folder,
        zeros=len(zeros),
        tensors=len(adapter.sources),
        example=zeros[0],
    )


def misfit(adapter: Adapter, astray: list[str], missing: list[str]) -> CheckpointError:
    return CheckpointError(
        "adapter_misfit",
        folder=adapter.folder,
        astray=len(astray),
        missing=len(missing),
        examples=", ".join([*astray, *missing][:3]),
        base=adapter.base,
    )


def _check_targets(adapter: Adapter, shapes: Shapes) -> None:
    """The tensors must be those of all that the adapter declares that it changes, and no others."""
    declared = {"target_modules": adapter.modules} | adapter.config
    modules = [name.removesuffix(".weight") for name in shapes if name.endswith(".weight")]
    needed = {
        f"{BASE}{module}.lora_{half}.weight"
        for module in modules
        for half in "AB"
        if _is_target(module, declared, matrix=len(shapes[f"{module}.weight"]) == 2)
    }
    needed |= {
        f"{BASE}{name}"
        for name in shapes
        if any(f".{name}".endswith(f".{saved}.{_leaf(name)}") for saved in adapter.saved)
    }
    held = {key.replace(".modules_to_save", "") for key in adapter.sources}
    if needed != held:
        raise misfit(adapter, sorted(held - needed), sorted(needed - held))


def _is_target(module: str, config: Mapping[str, Any], *, matrix: bool) -> bool:
    """Whether peft would change ``module``: in this order, as its tuners decide."""
    if _is_named(module, config.get("exclude_modules")):
        return False
    targets = config["target_modules"]
    if targets == "all-linear":
        return matrix and not re.search(r"(^|\.)(lm_head|\w*embed\w*)$", module)
    layers = config.get("layers_to_transform")
    if layers not in (None, []) and isinstance(targets, list):
        number = re.search(r"\.(\d+)\.", module)
        chosen = [layers] if isinstance(layers, int) else layers
        if not number or int(number[1]) not in chosen:
            return False
    return _is_named(module, targets)


def _is_named(module: str, names: str | list[str] | None) -> bool:
    if isinstance(names, str):
        return re.fullmatch(names, module) is not None
    return any(f".{module}".endswith(f".{name}") for name in names or [])


def _module(key: str) -> str:
    """The module that a tensor belongs to, under the base's own name."""
    return key.removeprefix(BASE).split(".lora_")[0]


def _leaf(name: str) -> str:
    return name.rpartition(".")[2]


def _check_lora_tensor(key: str, shape: tuple[int, ...], adapter: Adapter, shapes: Shapes) -> None:
    path = _module(key)
    weight = shapes.get(f"{path}.weight")
    if weight is None:
        raise CheckpointError(
            "adapter_module_missing", folder=adapter.folder, module=path, base=adapter.base
        )
    if len(shape) != 2:
        raise CheckpointError("adapter_no_matrix", folder=adapter.folder, key=key)
    rank, size = shape if ".lora_A" in key else reversed(shape)
    needed = weight[1] if ".lora_A" in key else weight[0]
    if needed != size:
        raise CheckpointError(
            "adapter_of_other_base",
            folder=adapter.folder,
            module=path,
            size=size,
            needed=needed,
            base=adapter.base,
        )
    if rank != adapter.rank_of(path):
        declared = adapter.rank_of(path)
        raise CheckpointError(
            "adapter_rank", folder=adapter.folder, module=path, rank=rank, declared=declared
        )


def _check_saved_tensor(key: str, shape: tuple[int, ...], adapter: Adapter, shapes: Shapes) -> None:
    """A module that the adapter brings whole must have the shape of the base's own."""
    name = key.removeprefix(BASE).replace(".modules_to_save", "")
    own = shapes.get(name)
    if own != shape:
        raise CheckpointError(
            "adapter_saved_module",
            folder=adapter.folder,
            name=name,
            shape=list(shape),
            here=message("shape_here", shape=list(own)) if own else message("not_here"),
            base=adapter.base,
        )
