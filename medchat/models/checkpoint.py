"""What a base folder holds: family, layout, vocabulary, configuration and where its weights lie.

Every check that needs no weight in memory is made here; loading and ``medchat check`` begin with
the same ``read_checkpoint``. Needs no torch. Code that lies in a folder is never run.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from medchat.errors import CheckpointError
from medchat.models.families.chatglm.pieces import IMAGE_TOKENS_V0
from medchat.models.families.chatglm.prefix import (
    BESIDE,
    PREFIX,
    PREFIX_WEIGHT,
    open_prefix,
    prefix_file,
    take_prefix,
)
from medchat.models.families.chatglm.prefix import FILES as PREFIX_FILES
from medchat.models.families.chatglm.quantization import QuantisedMatrix, dequantised
from medchat.models.fields import known_fields
from medchat.models.registry import Family
from medchat.models.shapes import (
    CHATGLM_SIZES,
    Shapes,
    bloom_shapes,
    chatglm_shapes,
    llama_shapes,
)
from medchat.models.vocabulary import (
    Vocabulary,
    declared_tokens,
    read_chatglm_vocabulary,
    read_json_vocabulary,
    read_llama_vocabulary,
)
from medchat.models.weights.files import check_folder, open_folder, read_json
from medchat.models.weights.sources import FLOATS, Source

EMBEDDING = "transformer.word_embeddings.weight"
"""Of ChatGLM and of Bloom; LLaMA's has a name of its own."""
EMBEDDINGS = {"llama": "model.embed_tokens.weight", "bloom": EMBEDDING, "chatglm": EMBEDDING}

BLOOM_LENGTH = 2048
"""Tokens that Bloom was trained on; it has no limit of its own, and some folders name none."""


@dataclass(frozen=True)
class Checkpoint:
    """A base folder that has been read and found whole.

    ``config`` is what matters of its config.json, with the ids and sizes that its other files vouch
    for; ``sources`` are the weights under the network's names; ``layout`` tells the file layouts of
    a family apart.
    """

    folder: Path
    family: Family
    layout: str
    vocabulary: Vocabulary
    config: dict[str, Any]
    sources: dict[str, Source]

    @property
    def stored_dtype(self) -> str:
        """The precision, by safetensors' name, that most of the weights are stored in."""
        sizes: dict[str, int] = {}
        for source in self.sources.values():
            sizes[source.dtype] = sizes.get(source.dtype, 0) + source.bytes
        return max(sizes, key=lambda dtype: sizes[dtype])

    @property
    def files(self) -> list[Path]:
        return sorted({source.file for source in self.sources.values()})

    @property
    def parameters(self) -> int:
        return sum(source.count for source in self.sources.values())

    @property
    def rows(self) -> int:
        """The vocabulary of the weights, which may have more rows than the tokenizer pieces."""
        return self.sources[EMBEDDINGS[self.family]].shape[0]

    @property
    def shapes(self) -> Shapes:
        return {name: source.shape for name, source in self.sources.items()}

    @property
    def quantisation(self) -> int | None:
        """Bits of the stored matrices where they are quantised."""
        bits = [s.bits for s in self.sources.values() if isinstance(s, QuantisedMatrix)]
        return min(bits, default=None)


def read_checkpoint(folder: Path) -> Checkpoint:
    """Raises CheckpointError where the folder holds no whole model of a known family."""
    family = read_family(folder)
    file = folder / "config.json"
    return _READERS[family](folder, known_fields(read_json(file), family, file))


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
    if not isinstance(kind, str) or kind not in _READERS:
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


def _read_llama(folder: Path, config: dict[str, Any]) -> Checkpoint:
    sources = _without_frequencies(open_folder(folder))
    vocabulary = read_llama_vocabulary(folder)
    # The copies of LLaMA-7B that circulate carry wrong ids; only the tokenizer is to be trusted.
    config.update(vocabulary.config_ids)
    if "max_sequence_length" in config:
        config.setdefault("max_position_embeddings", config.pop("max_sequence_length"))
    _check_vocabulary(vocabulary, config.get("vocab_size", 32000), folder)
    tied = {"lm_head.weight"} if config.get("tie_word_embeddings") else set()
    _check_fit(folder, config, llama_shapes, sources, tied)
    return Checkpoint(folder, "llama", "", vocabulary, config, sources)


# -- Bloom, and Huozi, which is one --


def _read_bloom(folder: Path, config: dict[str, Any]) -> Checkpoint:
    sources = _with_base_name("transformer.", "lm_head.", open_folder(folder))
    vocabulary = read_json_vocabulary(folder)
    config.update(vocabulary.config_ids)
    _check_vocabulary(vocabulary, config.get("vocab_size", 250880), folder)
    config.setdefault("seq_length", BLOOM_LENGTH)
    tied = {"lm_head.weight"} if config.get("tie_word_embeddings", True) else set()
    _check_fit(folder, config, bloom_shapes, sources, tied)
    return Checkpoint(folder, "bloom", "", vocabulary, config, sources)


# -- ChatGLM-6B --


def _read_chatglm(folder: Path, config: dict[str, Any]) -> Checkpoint:
    sources = _without_frequencies(open_folder(folder))
    if EMBEDDING not in sources:
        told = f"{folder} holds no ChatGLM-6B: its weights lack {EMBEDDING}."
        if any(PREFIX in name for name in sources):
            told += " They are a p-tuning prefix: name its base here, and this folder as adapter."
        raise CheckpointError(told)
    rows = sources[EMBEDDING].shape[0]
    vocabulary = _chatglm_vocabulary(folder, rows, config.get("bos_token_id"))
    promised = config.pop("pre_seq_len", None)
    config = CHATGLM_SIZES | config
    config.update(
        vocabulary.config_ids,
        mask_token_id=vocabulary.mask,
        gmask_token_id=vocabulary.gmask,
        sop_keeps_its_position=vocabulary.is_v0,
        vocab_size=rows,
    )
    shapes = _shapes(folder, config, chatglm_shapes)
    prefix = _prefix(folder, config, sources, promised)
    sources = dequantised(sources, shapes)
    if prefix is not None:
        config["pre_seq_len"] = prefix.shape[0]
        sources[PREFIX_WEIGHT] = prefix
    _check_fit(folder, config, chatglm_shapes, sources, set())
    layout = "v0" if vocabulary.is_v0 else "v1"
    return Checkpoint(folder, "chatglm", layout, vocabulary, config, sources)


def _chatglm_vocabulary(folder: Path, rows: int, sop: int | None) -> Vocabulary:
    """The vocabulary behind as many image tokens as the model has rows for.

    ``sop`` is the id of ``<sop>`` in config.json. Where that agrees with the tokenizer, any number
    of spare rows is believed; else no more than padding would explain.
    """
    usual = read_chatglm_vocabulary(folder)
    declared = declared_tokens(folder).get("num_image_tokens")
    for images in (declared, usual.images):
        if not isinstance(images, int):
            continue
        vocabulary = usual.behind(images)
        spare = rows - vocabulary.size
        agreed = sop is None or sop == vocabulary.bos
        if spare >= 0 and (agreed or spare < IMAGE_TOKENS_V0):
            return vocabulary
    layout = "v0" if usual.is_v0 else "v1"
    raise CheckpointError(
        f"The files in {folder} belong to different layouts of ChatGLM-6B: ice_text.model is that "
        f"of {layout} and needs {usual.size} rows, the weights have {rows}."
    )


def _prefix(
    folder: Path, config: Mapping[str, Any], sources: dict[str, Source], promised: int | None
) -> Source | None:
    """The p-tuning prefix beside a base or among its weights, from which it is removed."""
    beside = prefix_file(folder, BESIDE) or _stray_prefix(folder, sources)
    among = take_prefix(sources, config)
    if promised and beside is None and among is None:
        raise CheckpointError(
            f"{folder / 'config.json'} declares a p-tuning prefix (pre_seq_len {promised}), but no "
            "file there holds one; without it the model would answer otherwise. Put its "
            "prefix_encoder.bin into the folder."
        )
    return open_prefix(beside, config) if beside else among


def _stray_prefix(folder: Path, sources: Mapping[str, Source]) -> Path | None:
    """A prefix under the name of a whole model, beside the shards that hold the base."""
    used = {source.file for source in sources.values()}
    names = (name for name in PREFIX_FILES if folder / name not in used)
    return prefix_file(folder, tuple(names))


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


def _check_vocabulary(vocabulary: Vocabulary, rows: int, folder: Path) -> None:
    if vocabulary.size > rows:
        raise CheckpointError(
            f"The tokenizer in {folder} knows {vocabulary.size} pieces, the model only {rows}: "
            "they belong to different models."
        )


def _shapes(
    folder: Path, config: Mapping[str, Any], shapes: Callable[[Mapping[str, Any]], Shapes]
) -> Shapes:
    try:
        return shapes(config)
    except ValueError as error:
        raise CheckpointError(f"{folder / 'config.json'} cannot be used: {error}.") from error


def _check_fit(
    folder: Path,
    config: Mapping[str, Any],
    shapes: Callable[[Mapping[str, Any]], Shapes],
    sources: Mapping[str, Source],
    tied: set[str],
) -> None:
    """Every weight must have a file and every file's weight a place; ``tied`` ones may be absent.

    Raises CheckpointError with an example of each that does not.
    """
    wanted = _shapes(folder, config, shapes)
    told = []
    if missing := sorted(set(wanted) - set(sources) - tied):
        told.append(f"{len(missing)} are missing, such as {missing[0]}")
    if astray := sorted(set(sources) - set(wanted)):
        told.append(f"{len(astray)} have no place in the model, such as {astray[0]}")
    differing = [name for name in wanted if name in sources and wanted[name] != sources[name].shape]
    for name in differing[:1]:
        shapes_told = f"{list(sources[name].shape)}, not {list(wanted[name])}"
        told.append(f"{name} has the shape {shapes_told}")
    for name, source in sources.items():
        if source.dtype not in FLOATS:
            told.append(f"{name} is stored as {source.dtype}, without what would turn it back")
            break
    if told:
        raise CheckpointError(
            f"The weights in {folder} do not fit its config.json: {'; '.join(told)}."
        )
