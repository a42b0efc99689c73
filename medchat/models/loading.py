"""Model folders -> models in memory, with everything checked that could go wrong silently.

Reads the families that are known here, by their files alone: code that lies in a folder is never
run. What comes out is a ``LoadedBase``, to which adapters are added, or a ``LoadedModel``.
"""

from pathlib import Path
from typing import Any, cast

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from medchat.errors import CheckpointError
from medchat.models.chatglm import (
    ChatGLMConfig,
    ChatGLMForConditionalGeneration,
    ChatGLMTokenizer,
)
from medchat.models.checkpoint_files import (
    check_folder,
    check_weight_files,
    read_json,
    read_tensors,
    refuse_placeholder,
    weight_files,
)
from medchat.models.llama import LlamaSentencePieceTokenizer
from medchat.models.loaded import LoadedBase, LoadedModel, quiet
from medchat.models.registry import Family, ModelSpec
from medchat.models.templates import find_template

# -- public loaders --


def load(
    path_or_spec: Path | str | ModelSpec,
    *,
    adapter: Path | str | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> LoadedModel:
    """Load one model, by folder or by spec.

    A folder's family is read from its ``config.json``; its template is the plain one, or the med
    one with an adapter. Raises CheckpointError for files that cannot be used.
    """
    if isinstance(path_or_spec, ModelSpec):
        spec = path_or_spec
    else:
        folder = Path(path_or_spec)
        family = read_family(folder)
        template = "chatglm" if family == "chatglm" else "med" if adapter else "plain"
        spec = ModelSpec(
            name=Path(adapter).name if adapter else folder.name,
            label=folder.name,
            family=family,
            template=find_template(template),
            base=folder,
            adapter=Path(adapter) if adapter else None,
        )
    base = load_base(spec, device=device, dtype=dtype)
    if spec.adapter:
        base.add_adapter(spec.name, spec.adapter)
    return base.as_loaded(spec)


def load_base(spec: ModelSpec, *, device: str = "auto", dtype: str = "auto") -> LoadedBase:
    """Load the base that ``spec`` stands on, without any adapter.

    ``device`` is ``auto`` (cuda, mps or cpu) or a torch device; ``dtype`` is ``auto`` (float16 on
    a GPU, float32 on a processor), ``float32``, ``float16`` or ``bfloat16``.
    """
    folder = spec.base
    if folder is None:
        raise CheckpointError(f"{spec.label} names no base folder.")
    family = read_family(folder)
    if family != spec.family:
        raise CheckpointError(f"{folder} holds a {family} model, not a {spec.family} one.")
    check_weight_files(folder)
    place = choose_device(device)
    precision = choose_dtype(dtype, place)
    tokenizer, model = (_load_llama if family == "llama" else _load_chatglm)(folder, precision)
    model.to(place)  # type: ignore[arg-type, unused-ignore]
    model.eval()
    return LoadedBase(model, tokenizer, family, folder)


def choose_device(device: str) -> torch.device:
    if device != "auto":
        try:
            return torch.empty(0, device=device).device
        except (RuntimeError, AssertionError) as error:
            raise CheckpointError(
                f"This machine has no device {device!r}. Use auto, cpu, cuda or mps."
            ) from error
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    if dtype == "auto":
        return torch.float32 if device.type == "cpu" else torch.float16
    known = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
    try:
        return known[dtype]
    except KeyError:
        raise CheckpointError(
            f"dtype {dtype!r} is unknown. Use auto, {', '.join(known)}."
        ) from None


# -- families --


def read_family(folder: Path) -> Family:
    """Raises CheckpointError where the folder holds no model of a known family."""
    check_folder(folder)
    config = read_json(folder / "config.json")
    kind = config.get("model_type")
    if kind == "llama":
        return "llama"
    if kind == "chatglm":
        if (folder / "tokenizer.model").exists() and not (folder / "ice_text.model").exists():
            raise CheckpointError(f"{folder} holds a ChatGLM2 or later; only ChatGLM-6B is known.")
        return "chatglm"
    raise CheckpointError(
        f"{folder / 'config.json'} declares the model type {kind!r}; known are llama and chatglm."
    )


def _load_llama(
    folder: Path, dtype: torch.dtype
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    raw = read_json(folder / "config.json")
    # The copies of LLaMA-7B that circulate carry wrong ids; the originals are 0, 1 and 2.
    raw.update(bos_token_id=1, eos_token_id=2, pad_token_id=0)
    if "max_sequence_length" in raw:
        raw.setdefault("max_position_embeddings", raw.pop("max_sequence_length"))
    tokenizer = _tokenizer(LlamaSentencePieceTokenizer, folder, "tokenizer.model")
    config = _config(LlamaConfig, raw, folder)
    if tokenizer.vocab_size > config.vocab_size:
        raise CheckpointError(
            f"The tokenizer in {folder} knows {tokenizer.vocab_size} pieces, the model only "
            f"{config.vocab_size}: they belong to different models."
        )
    return tokenizer, _from_pretrained(LlamaForCausalLM, folder, config, dtype)


def _load_chatglm(
    folder: Path, dtype: torch.dtype
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    raw = read_json(folder / "config.json")
    if raw.get("quantization_bit"):
        raise CheckpointError(
            f"{folder} is quantised to {raw['quantization_bit']} bits; this version reads only "
            "unquantised ChatGLM-6B checkpoints."
        )
    if raw.get("pre_seq_len"):
        raise CheckpointError(
            f"{folder} has a p-tuning prefix (pre_seq_len in its config.json); this version cannot "
            "read it, and without it the model would answer otherwise."
        )
    tokenizer: Any = _tokenizer(ChatGLMTokenizer, folder, "ice_text.model")
    config = _config(ChatGLMConfig, raw, folder)
    ids = (tokenizer.gmask_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    declared = (config.gmask_token_id, config.bos_token_id, config.eos_token_id)
    if ids != declared:
        raise CheckpointError(
            f"config.json and ice_text.model in {folder} belong to different layouts of ChatGLM-6B:"
            f" the ids of [gMASK], <sop> and <eop> are {declared} in the one and {ids} in the other"
            "."
        )
    return tokenizer, _from_pretrained(ChatGLMForConditionalGeneration, folder, config, dtype)


def _tokenizer(kind: Any, folder: Path, name: str) -> PreTrainedTokenizerBase:
    file = folder / name
    if not file.is_file():
        raise CheckpointError(f"{folder} lacks the tokenizer file {name}.")
    refuse_placeholder(file)
    try:
        return cast(PreTrainedTokenizerBase, kind(str(file)))
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise CheckpointError(
            f"{file} ({file.stat().st_size} bytes) cannot be read as a tokenizer; the download may "
            "be incomplete."
        ) from error


def _config(kind: Any, raw: dict[str, Any], folder: Path) -> Any:
    try:
        return kind(**raw)
    except Exception as error:  # transformers checks values with errors of its own
        raise CheckpointError(
            f"{folder / 'config.json'} cannot be used: {str(error)[:300]}"
        ) from error


def _from_pretrained(kind: Any, folder: Path, config: Any, dtype: torch.dtype) -> PreTrainedModel:
    try:
        with quiet():
            model, report = kind.from_pretrained(
                folder,
                config=config,
                dtype=dtype,
                output_loading_info=True,
                local_files_only=True,
                ignore_mismatched_sizes=True,  # they are in the report, and refused below
            )
    except Exception as error:  # whatever a damaged file makes its reader raise
        for file in weight_files(folder):
            read_tensors(file)  # names the file at fault
        raise CheckpointError(
            f"The weights in {folder} cannot be read: {str(error)[:300]}"
        ) from error
    wrong = {
        what: sorted(map(str, report[what]))
        for what in ("missing_keys", "unexpected_keys", "mismatched_keys")
        if report[what]
    }
    # Frequencies that some files carry along are computed here.
    wrong = {
        what: names
        for what, names in wrong.items()
        if not all(name.endswith("rotary_emb.inv_freq") for name in names)
    }
    if wrong:
        told = "; ".join(f"{what.split('_')[0]}: {', '.join(n[:3])}" for what, n in wrong.items())
        raise CheckpointError(f"The weights in {folder} do not fit its config.json ({told}).")
    model.generation_config.eos_token_id = config.eos_token_id
    model.generation_config.pad_token_id = config.pad_token_id
    model.generation_config.bos_token_id = config.bos_token_id
    return cast(PreTrainedModel, model)
