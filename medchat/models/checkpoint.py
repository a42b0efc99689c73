"""What a base folder holds: family, tokenizer, configuration and weights, all but the weights read.

Every check that needs no weight in memory is made here; loading and ``medchat check`` begin with
the same ``read_checkpoint``. Code that lies in a folder is never run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedTokenizerBase,
)

from medchat.errors import CheckpointError
from medchat.models.chatglm import (
    ChatGLMConfig,
    ChatGLMForConditionalGeneration,
    ChatGLMTokenizer,
)
from medchat.models.chatglm.configuration import IMAGE_TOKENS_V0
from medchat.models.chatglm.prefix import (
    PREFIX,
    PREFIX_WEIGHT,
    prefix_file,
    read_prefix_file,
    take_prefix,
)
from medchat.models.chatglm.quantization import QuantisedMatrix, dequantised
from medchat.models.checkpoint_files import check_folder, open_folder, read_json
from medchat.models.llama import LlamaSentencePieceTokenizer
from medchat.models.registry import Family
from medchat.models.tensor_files import Source, refuse_placeholder, size_in_bytes
from medchat.models.tokenizer_json import json_tokenizer

EMBEDDING = "transformer.word_embeddings.weight"


@dataclass(frozen=True)
class Checkpoint:
    """A base folder that has been read; ``sources`` are its weights under the network's names.

    ``layout`` tells apart what one family's files look like; ``kind`` is the network's class.
    """

    folder: Path
    family: Family
    layout: str
    tokenizer: PreTrainedTokenizerBase
    config: PretrainedConfig
    kind: Any
    sources: dict[str, Source]

    @property
    def stored_dtype(self) -> torch.dtype:
        """The precision that most of the weights are stored in."""
        sizes: dict[torch.dtype, int] = {}
        for source in self.sources.values():
            sizes[source.dtype] = sizes.get(source.dtype, 0) + size_in_bytes(source)
        return max(sizes, key=lambda dtype: sizes[dtype])

    @property
    def files(self) -> list[Path]:
        return sorted({source.file for source in self.sources.values()})

    @property
    def parameters(self) -> int:
        return sum(torch.Size(source.shape).numel() for source in self.sources.values())

    @property
    def matrix_parameters(self) -> int:
        """Parameters of the layers' matrices, which are what int8 and int4 make smaller."""
        return sum(
            torch.Size(source.shape).numel()
            for name, source in self.sources.items()
            if len(source.shape) == 2 and ("layers." in name or ".h." in name)
        )

    @property
    def quantisation(self) -> int | None:
        """Bits of the stored weights where they are quantised."""
        bits = [s.bits for s in self.sources.values() if isinstance(s, QuantisedMatrix)]
        return min(bits) if bits else None


def read_checkpoint(folder: Path) -> Checkpoint:
    """Raises CheckpointError where the folder holds no whole model of a known family."""
    family = read_family(folder)
    return _READERS[family](folder, read_json(folder / "config.json"))


def read_family(folder: Path) -> Family:
    """Raises CheckpointError where the folder holds no model of a known family."""
    check_folder(folder)
    file = folder / "config.json"
    if not file.is_file() and (folder / "adapter_config.json").is_file():
        raise CheckpointError(
            f"{folder} lacks config.json: it holds an adapter. Name its base as the model, and "
            "this folder as the adapter."
        )
    config = read_json(file)
    kind = config.get("model_type")
    if kind not in _READERS:
        raise CheckpointError(
            f"{file} declares the model type {kind!r}; known are {', '.join(_READERS)}."
        )
    if kind == "chatglm" and not (folder / "ice_text.model").exists():
        later = {"multi_query_attention", "padded_vocab_size", "seq_length"} & set(config)
        if later or (folder / "tokenizer.model").exists():
            raise CheckpointError(
                f"{folder} holds a ChatGLM2 or later, which is another model; only ChatGLM-6B is "
                "known."
            )
    return cast(Family, kind)


# -- LLaMA --


def _read_llama(folder: Path, raw: dict[str, Any]) -> Checkpoint:
    sources = _without_frequencies(open_folder(folder))
    if (folder / "tokenizer.model").is_file():
        tokenizer = _tokenizer(LlamaSentencePieceTokenizer, folder, "tokenizer.model")
    else:
        tokenizer = _json_tokenizer(folder, "tokenizer.model")
    # The copies of LLaMA-7B that circulate carry wrong ids; only the tokenizer is to be trusted.
    raw.update(_ids(tokenizer))
    if "max_sequence_length" in raw:
        raw.setdefault("max_position_embeddings", raw.pop("max_sequence_length"))
    config = _config(LlamaConfig, raw, folder)
    _check_vocabulary(tokenizer, config, folder)
    return Checkpoint(folder, "llama", "", tokenizer, config, LlamaForCausalLM, sources)


# -- Bloom, and Huozi, which is one --


def _read_bloom(folder: Path, raw: dict[str, Any]) -> Checkpoint:
    sources = _with_base_name("transformer.", "lm_head.", open_folder(folder))
    tokenizer = _json_tokenizer(folder, "tokenizer.json")
    raw.update(_ids(tokenizer))
    config = _config(BloomConfig, raw, folder)
    _check_vocabulary(tokenizer, config, folder)
    return Checkpoint(folder, "bloom", "", tokenizer, config, BloomForCausalLM, sources)


# -- ChatGLM-6B --


def _read_chatglm(folder: Path, raw: dict[str, Any]) -> Checkpoint:
    sources = _without_frequencies(open_folder(folder))
    if EMBEDDING not in sources:
        told = f"{folder} holds no ChatGLM-6B: its weights lack {EMBEDDING}."
        if any(PREFIX in name for name in sources):
            told += " They are a p-tuning prefix: name its base here, and this folder as adapter."
        raise CheckpointError(told)
    rows = sources[EMBEDDING].shape[0]
    tokenizer = _chatglm_tokenizer(folder, rows, raw.get("bos_token_id"))
    raw.update(
        _ids(tokenizer),
        mask_token_id=tokenizer.mask_id,
        gmask_token_id=tokenizer.gmask_id,
        sop_keeps_its_position=tokenizer.is_v0,
        vocab_size=rows,
    )
    promised = raw.pop("pre_seq_len", None)
    config: ChatGLMConfig = _config(ChatGLMConfig, raw, folder)
    beside = prefix_file(folder, ("prefix_encoder.safetensors", "prefix_encoder.bin"))
    prefix = read_prefix_file(beside, config) if beside else take_prefix(sources, config)
    if promised and prefix is None:
        raise CheckpointError(
            f"{folder / 'config.json'} declares a p-tuning prefix (pre_seq_len {promised}), but no "
            "file there holds one; without it the model would answer otherwise. Put its "
            "prefix_encoder.bin into the folder."
        )
    sources = dequantised(sources, _input_widths(config))
    if prefix is not None:
        config.pre_seq_len = prefix.shape[0]
        sources[PREFIX_WEIGHT] = prefix
    layout = "v0" if tokenizer.is_v0 else "v1"
    return Checkpoint(
        folder, "chatglm", layout, tokenizer, config, ChatGLMForConditionalGeneration, sources
    )


def _chatglm_tokenizer(folder: Path, rows: int, sop: int | None) -> ChatGLMTokenizer:
    """The tokenizer, counting as many image tokens as the model has rows for.

    ``sop`` is the id of ``<sop>`` in config.json. Where that agrees with the tokenizer, any number
    of spare rows is believed; else no more than padding would explain.
    """
    file = folder / "tokenizer_config.json"
    declared = read_json(file).get("num_image_tokens") if file.is_file() else None
    for images in (declared, None):
        tokenizer = cast(
            ChatGLMTokenizer,
            _tokenizer(ChatGLMTokenizer, folder, "ice_text.model", num_image_tokens=images),
        )
        spare = rows - tokenizer.vocab_size
        agreed = sop is None or sop == tokenizer.bos_token_id
        if spare >= 0 and (agreed or spare < IMAGE_TOKENS_V0):
            return tokenizer
    layout = "v0" if tokenizer.is_v0 else "v1"
    raise CheckpointError(
        f"The files in {folder} belong to different layouts of ChatGLM-6B: ice_text.model is that "
        f"of {layout} and needs {tokenizer.vocab_size} rows, the weights have {rows}."
    )


def _input_widths(config: ChatGLMConfig) -> dict[str, int]:
    """The input width of every matrix that may be quantised."""
    narrow, wide = config.hidden_size, config.inner_hidden_size
    widths = {EMBEDDING: narrow, "lm_head.weight": narrow}
    for layer in range(config.num_layers):
        block = f"transformer.layers.{layer}."
        for matrix in ("attention.query_key_value", "attention.dense", "mlp.dense_h_to_4h"):
            widths[f"{block}{matrix}.weight"] = narrow
        widths[f"{block}mlp.dense_4h_to_h.weight"] = wide
    return widths


_READERS: dict[str, Callable[[Path, dict[str, Any]], Checkpoint]] = {
    "llama": _read_llama,
    "chatglm": _read_chatglm,
    "bloom": _read_bloom,
}

# -- what families share --


def _without_frequencies(sources: dict[str, Source]) -> dict[str, Source]:
    """Rotary frequencies, which some files carry along, are computed here."""
    return {name: s for name, s in sources.items() if not name.endswith("rotary_emb.inv_freq")}


def _with_base_name(base: str, head: str, sources: dict[str, Source]) -> dict[str, Source]:
    """Names as the whole network has them, where only its base model was saved."""
    if any(name.startswith(base) for name in sources):
        return sources
    return {name if name.startswith(head) else base + name: s for name, s in sources.items()}


def _tokenizer(kind: Any, folder: Path, name: str, **options: Any) -> PreTrainedTokenizerBase:
    file = folder / name
    if not file.is_file():
        raise CheckpointError(f"{folder} lacks the tokenizer file {name}.")
    refuse_placeholder(file)
    try:
        return cast(PreTrainedTokenizerBase, kind(str(file), **options))
    except CheckpointError:
        raise
    except Exception as error:  # whatever a damaged file makes its reader raise
        raise CheckpointError(
            f"{file} ({file.stat().st_size} bytes) cannot be read as a tokenizer; the download may "
            "be incomplete."
        ) from error


def _json_tokenizer(folder: Path, usual: str) -> PreTrainedTokenizerBase:
    if not (folder / "tokenizer.json").is_file():
        raise CheckpointError(f"{folder} lacks the tokenizer file {usual}.")
    file = folder / "tokenizer_config.json"
    declared = read_json(file) if file.is_file() else {}
    return _tokenizer(json_tokenizer, folder, "tokenizer.json", declared=declared)


def _ids(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    return {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def _config(kind: Any, raw: dict[str, Any], folder: Path) -> Any:
    try:
        return kind(**raw)
    except Exception as error:  # transformers checks values with errors of its own
        raise CheckpointError(
            f"{folder / 'config.json'} cannot be used: {str(error)[:300]}"
        ) from error


def _check_vocabulary(tokenizer: PreTrainedTokenizerBase, config: Any, folder: Path) -> None:
    if tokenizer.vocab_size > config.vocab_size:
        raise CheckpointError(
            f"The tokenizer in {folder} knows {tokenizer.vocab_size} pieces, the model only "
            f"{config.vocab_size}: they belong to different models."
        )
