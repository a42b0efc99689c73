"""LoRA folders: reading them, whatever peft wrote them, and refusing what would do nothing or harm.

An adapter can load "successfully" and change nothing, or change the base that others share; both
are refused here, before anything is put on the base. Needs no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medchat.errors import CheckpointError
from medchat.models.checkpoint_files import read_json
from medchat.models.shapes import Shapes
from medchat.models.sources import Source, open_weights

FILES = (
    "adapter_model.safetensors",
    "adapter_model.bin",
    "pytorch_model.bin",  # as Trainer named it in its checkpoints
    "model.safetensors",
)
CONFIG = "adapter_config.json"
BASE = "base_model.model."
"""What peft puts in front of the names of a base's modules."""
CHOOSY = ("layers_to_transform", "layers_pattern", "exclude_modules", "target_parameters")
"""Settings by which only some of the matrices with a target's name are changed."""


@dataclass(frozen=True)
class Adapter:
    """A LoRA folder: its adapter_config.json and its tensors, under peft's current names."""

    folder: Path
    config: dict[str, Any]
    sources: dict[str, Source]

    @property
    def rank(self) -> Any:
        return self.config.get("r", 8)

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
    if config.get("peft_type") != "LORA":
        raise CheckpointError(f"{file} declares {config.get('peft_type')!r}, not a LoRA.")
    # What changes the base itself would change it for every other adapter on it.
    if config.get("bias", "none") != "none":
        raise CheckpointError(f"{file}: bias {config['bias']!r} would change the base; use 'none'.")
    start = config.get("init_lora_weights", True)
    if start not in (True, False, "gaussian"):
        raise CheckpointError(
            f"{file}: init_lora_weights {start!r} would change the base; convert the adapter to a "
            "plain LoRA."
        )
    sources = {
        key.replace("_orig_mod.", "").replace(".default.", "."): source
        for key, source in open_weights(adapter_file(folder)).items()
    }
    return Adapter(folder, config, sources)


def adapter_file(folder: Path) -> Path:
    """The file of an adapter folder's tensors; raises CheckpointError where there is none."""
    for name in FILES:
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(
        f"{folder} lacks the adapter's weights: {FILES[0]} or {FILES[1]}."
        f"{_checkpoints_told(folder)}"
    )


def _read_config(folder: Path) -> tuple[Path, dict[str, Any]]:
    if not folder.is_dir():
        raise CheckpointError(
            f"There is no adapter folder {folder}. It must hold {CONFIG} and {FILES[0]} or "
            f"{FILES[1]}."
        )
    file = folder / CONFIG
    if not file.is_file() and folder.name.startswith("checkpoint-"):
        file = folder.parent / CONFIG  # Trainer's own checkpoints hold the tensors alone
    if not file.is_file():
        raise CheckpointError(f"{folder} lacks {CONFIG}.{_checkpoints_told(folder)}")
    return file, read_json(file)


def _checkpoints_told(folder: Path) -> str:
    found = sorted(path.name for path in folder.glob("checkpoint-*") if path.is_dir())
    return f" It holds {', '.join(found)}: name one of these as the adapter." if found else ""


# -- base and adapter --


def check_fit(adapter: Adapter, shapes: Shapes) -> None:
    """``shapes`` are those of the base's weights. Raises CheckpointError unless every tensor of the
    adapter has its place there, and every place that it declares its tensor."""
    if not any(".lora_B" in key for key in adapter.sources):
        raise CheckpointError(f"The adapter in {adapter.folder} holds no LoRA tensor.")
    saved = adapter.config.get("modules_to_save") or []
    for key, source in adapter.sources.items():
        if ".lora_A" in key or ".lora_B" in key:
            _check_lora_tensor(key, source.shape, adapter, shapes)
        elif any(f".{name}." in key for name in saved):
            _check_saved_tensor(key, source.shape, adapter, shapes)
        elif ".lora_" not in key:
            raise CheckpointError(
                f"The adapter in {adapter.folder} would change {key} of its base, for every other "
                "adapter on that base too. Only LoRA tensors can be used."
            )
    _check_targets(adapter, shapes)


def misfit(adapter: Adapter, astray: list[str], missing: list[str]) -> CheckpointError:
    return CheckpointError(
        f"The adapter in {adapter.folder} does not fit its adapter_config.json or its base: "
        f"{len(astray)} of its tensors have no place and {len(missing)} places stay empty, for "
        f"example {', '.join([*astray, *missing][:3])}. It names {adapter.base} as its base."
    )


def _check_targets(adapter: Adapter, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """The LoRA tensors must be those of every matrix that has a target's name, and no others."""
    listed = isinstance(adapter.config.get("target_modules"), list)
    if not listed or any(adapter.config.get(key) for key in CHOOSY):
        return
    wanted = {
        f"{BASE}{path}.lora_{half}.weight"
        for path in (name.removesuffix(".weight") for name in shapes if name.endswith(".weight"))
        for half in "AB"
        if any(path == target or path.endswith(f".{target}") for target in adapter.targets)
    }
    held = {key for key in adapter.sources if ".lora_A." in key or ".lora_B." in key}
    if wanted != held:
        raise misfit(adapter, sorted(held - wanted), sorted(wanted - held))


def _check_lora_tensor(key: str, shape: tuple[int, ...], adapter: Adapter, shapes: Shapes) -> None:
    path = key.removeprefix(BASE).split(".lora_")[0]
    weight = shapes.get(f"{path}.weight")
    if weight is None:
        raise CheckpointError(
            f"The adapter in {adapter.folder} changes {path}, which this base lacks. It names "
            f"{adapter.base} as its base."
        )
    if len(shape) != 2:
        raise CheckpointError(f"The adapter in {adapter.folder} is damaged: {key} is not a matrix.")
    rank, has = shape if ".lora_A" in key else reversed(shape)
    wanted = weight[1] if ".lora_A" in key else weight[0]
    if wanted != has:
        raise CheckpointError(
            f"The adapter in {adapter.folder} was made for another base: {path} has {has} where "
            f"this base has {wanted}. It names {adapter.base} as its base."
        )
    if rank != adapter.rank and not adapter.config.get("rank_pattern"):
        raise CheckpointError(
            f"The adapter in {adapter.folder} does not fit its own adapter_config.json: {path} has "
            f"rank {rank}, declared is {adapter.rank}."
        )


def _check_saved_tensor(key: str, shape: tuple[int, ...], adapter: Adapter, shapes: Shapes) -> None:
    """A module that the adapter brings whole must have the shape of the base's own."""
    name = key.removeprefix(BASE).replace(".modules_to_save", "")
    own = shapes.get(name)
    if own != shape:
        here = f"{list(own)} in this base" if own else "not in this base"
        raise CheckpointError(
            f"The adapter in {adapter.folder} was made for another base: {name} is {list(shape)} "
            f"there and {here} (of embeddings and heads the first number is the vocabulary). It "
            f"names {adapter.base} as its base."
        )
