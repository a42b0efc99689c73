"""Model folders -> models in memory, with everything checked that could go wrong silently.

What a folder holds is read by ``checkpoint``; here it gets a tokenizer, a device, a precision and
memory. What comes out is a ``LoadedBase``, to which adapters are added, or a ``LoadedModel``.
"""

from pathlib import Path
from typing import Any, cast

import torch
from transformers import BitsAndBytesConfig, PreTrainedModel

from medchat.errors import CheckpointError
from medchat.models.checkpoint import Checkpoint
from medchat.models.devices import (
    QUANTISED,
    check_quantisable,
    choose_device,
    choose_dtype,
    place_for,
)
from medchat.models.families import find_family
from medchat.models.loaded import LoadedBase, LoadedModel
from medchat.models.quiet import silence_libraries
from medchat.models.recognition import read_checkpoint, recognise
from medchat.models.registry import ModelSpec
from medchat.models.weights.files import WEIGHT_STEMS, weight_files


def load(
    path_or_spec: Path | str | ModelSpec,
    *,
    adapter: Path | str | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> LoadedModel:
    """Load one model, by folder or by spec.

    A folder's family is read from its ``config.json``; its template is the one that models of that
    family expect, see ``Family.expected_template``. Raises CheckpointError for files that cannot
    be used.
    """
    if isinstance(path_or_spec, ModelSpec):
        spec = path_or_spec
    else:
        folder = Path(path_or_spec)
        family = recognise(folder)
        spec = ModelSpec(
            name=Path(adapter or folder).resolve().name,
            label=folder.resolve().name,
            family=family,
            template=find_family(family).expected_template(adapted=adapter is not None),
            base=folder,
            adapter=Path(adapter) if adapter else None,
        )
    base = load_base(spec, device=device, dtype=dtype)
    if spec.adapter:
        base.add_adapter(spec.name, spec.adapter)
    return base.as_loaded(spec)


def load_base(spec: ModelSpec, *, device: str = "auto", dtype: str = "auto") -> LoadedBase:
    """Load the base that ``spec`` stands on, without any adapter.

    ``device`` is ``auto`` (cuda, over several GPUs where one is too small; mps or cpu) or a torch
    device. ``dtype`` is ``auto`` (see ``automatic_dtype``), ``float32``, ``float16``, ``bfloat16``,
    or on a GPU with bitsandbytes ``int8`` or ``int4``.
    """
    if spec.base is None:
        raise CheckpointError("no_base_folder", label=spec.label)
    checkpoint = read_checkpoint(spec.base, spec.family)
    check_vocabulary(spec, checkpoint)
    chosen = choose_device(device)
    family = find_family(checkpoint.family)
    tokenizer = family.open_tokenizer(checkpoint)
    if dtype in QUANTISED:
        bits, precision = check_quantisable(dtype, chosen), _precision(checkpoint, "auto", chosen)
        place: Any = "auto" if device == "auto" else {"": chosen}
        model = _load_quantised(checkpoint, bits, precision, place)
    else:
        precision = _precision(checkpoint, dtype, chosen)
        network = family.empty_network(checkpoint)
        place = place_for(network, device, chosen, precision)
        model = family.fill_network(network, checkpoint, precision, place)
    generation: Any = model.generation_config
    for name, value in checkpoint.vocabulary.config_ids.items():
        setattr(generation, name, value)
    if checkpoint.vocabulary.more_ends:
        generation.eos_token_id = sorted(checkpoint.vocabulary.ends)
    return LoadedBase(model, tokenizer, checkpoint)


def check_vocabulary(spec: ModelSpec, checkpoint: Checkpoint) -> None:
    """Raises CheckpointError where ``spec`` declares another vocabulary than its base has."""
    if spec.vocabulary and spec.vocabulary != checkpoint.rows:
        raise CheckpointError(
            "vocabulary_other",
            label=spec.label,
            needed=spec.vocabulary,
            folder=checkpoint.folder,
            rows=checkpoint.rows,
        )


def _precision(checkpoint: Checkpoint, dtype: str, device: torch.device) -> torch.dtype:
    return choose_dtype(
        dtype, device, stored=checkpoint.stored_dtype, parameters=checkpoint.parameters
    )


def _load_quantised(
    checkpoint: Checkpoint, bits: int, precision: torch.dtype, place: Any
) -> PreTrainedModel:
    """Through transformers and bitsandbytes, which quantise each weight as it comes to the GPU.

    ``precision`` is that of what stays unquantised, and of the arithmetic; ``place`` a device_map.
    """
    family = find_family(checkpoint.family)
    family.check_quantisable(checkpoint)
    settings: Any = BitsAndBytesConfig(
        load_in_8bit=bits == 8,
        load_in_4bit=bits == 4,
        bnb_4bit_compute_dtype=precision,
        bnb_4bit_quant_type="nf4",
    )
    _check_files(checkpoint)
    try:
        with silence_libraries():
            model = family.network_class(checkpoint).from_pretrained(
                checkpoint.folder,
                config=family.checked_config(checkpoint),
                quantization_config=settings,
                dtype=precision,
                device_map=place,
                local_files_only=True,
            )
    except Exception as error:  # of transformers and bitsandbytes, too many kinds to name
        reason = f"{type(error).__name__}: {str(error)[:300]}"
        raise CheckpointError(
            "not_quantised", folder=checkpoint.folder, bits=bits, remainder=reason
        ) from error
    return cast(PreTrainedModel, model.eval())


def _check_files(checkpoint: Checkpoint) -> None:
    """Raises CheckpointError where transformers would read other files than have been checked."""
    folder = checkpoint.folder
    for suffix, stem in WEIGHT_STEMS.items():
        single, index = folder / f"{stem}{suffix}", folder / f"{stem}{suffix}.index.json"
        if single.is_file() or index.is_file():
            files = [single] if single.is_file() else weight_files(folder)
            if files == checkpoint.files:
                return
            break
    raise CheckpointError("files_unclear", folder=folder)
