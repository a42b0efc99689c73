"""ChatGLM-6B: two layouts of its files, quantised weights, p-tuning prefixes, tidied replies."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from medchat.errors import CheckpointError, message
from medchat.models.adapters import FILES as ADAPTER_FILES
from medchat.models.checkpoint import Checkpoint, check_fit, shapes_of, without_frequencies
from medchat.models.families.chatglm.pieces import IMAGE_TOKENS_V0, read_pieces
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
from medchat.models.families.chatglm.replies import HALF_WIDTH, tidy_chatglm_reply
from medchat.models.families.chatglm.sizes import SIZES
from medchat.models.families.definition import Family
from medchat.models.fields import COUNT, LAYERS, POSITIVE, SIZE, Rule
from medchat.models.shapes import Shapes, divided, norm, size, transformer_block
from medchat.models.vocabulary import Vocabulary, declared_tokens, read_vocabulary, unreadable
from medchat.models.weights.files import open_folder
from medchat.models.weights.sources import Source

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

EMBEDDING = "transformer.word_embeddings.weight"
LATER = {"multi_query_attention", "padded_vocab_size", "seq_length"}
"""Fields that only the config.json of ChatGLM2 and later has."""
_UNSETTLED = re.compile(rf"[\s\ufffd{re.escape(HALF_WIDTH)}\[]+\Z")


@dataclass(frozen=True)
class ChatGLMVocabulary(Vocabulary):
    """``images`` rows of the weights stand in front of the pieces."""

    mask: int = 0
    gmask: int = 0
    images: int = 0
    is_v0: bool = False

    def behind(self, images: int) -> "ChatGLMVocabulary":
        """The same pieces behind so many image tokens."""
        shift = images - self.images
        ids = ("size", "bos", "eos", "pad", "mask", "gmask")
        moved: dict[str, Any] = {name: getattr(self, name) + shift for name in ids}
        return replace(self, images=images, **moved)


class ChatGLMFamily(Family):
    name = "chatglm"
    title = "ChatGLM-6B"
    base_template = "chatglm"
    base_template_hint = "chatglm, or chatglm-med for ChatGLM-6B-Med"
    lora_targets = ("query_key_value",)
    adapter_files = tuple(dict.fromkeys([*ADAPTER_FILES, *PREFIX_FILES]))
    fields: ClassVar[Mapping[str, Rule]] = {
        "hidden_size": SIZE,
        "num_layers": LAYERS,
        "num_attention_heads": SIZE,
        "inner_hidden_size": SIZE,
        "layernorm_epsilon": POSITIVE,
        "max_sequence_length": SIZE,
        "position_encoding_2d": (lambda value: value is True, message("is_2d")),
        "bos_token_id": COUNT,
        "pre_seq_len": COUNT,
    }

    # -- folders --

    def claims(self, folder: Path, config: Mapping[str, Any]) -> bool:
        if not super().claims(folder, config):
            return False
        later = LATER & set(config) or (folder / "tokenizer.model").exists()
        if later and not (folder / "ice_text.model").exists():
            raise CheckpointError("later_chatglm", folder=folder)
        return True

    def read(self, folder: Path, config: dict[str, Any]) -> Checkpoint:
        sources = without_frequencies(open_folder(folder))
        if EMBEDDING not in sources:
            is_prefix = any(PREFIX in name for name in sources)
            code = "prefix_as_base" if is_prefix else "no_chatglm"
            raise CheckpointError(code, folder=folder, name=EMBEDDING)
        rows = sources[EMBEDDING].shape[0]
        vocabulary = _vocabulary(folder, rows, config.get("bos_token_id"))
        promised = config.pop("pre_seq_len", None)
        config = SIZES | config
        config.update(
            vocabulary.config_ids,
            mask_token_id=vocabulary.mask,
            gmask_token_id=vocabulary.gmask,
            sop_keeps_its_position=vocabulary.is_v0,
            vocab_size=rows,
        )
        shapes = shapes_of(folder, config, chatglm_shapes)
        prefix = _prefix(folder, config, sources, promised)
        sources = dequantised(sources, shapes)
        if prefix is not None:
            config["pre_seq_len"] = prefix.shape[0]
            sources[PREFIX_WEIGHT] = prefix
            shapes = chatglm_shapes(config)
        check_fit(folder, shapes, sources)
        bits = [s.bits for s in sources.values() if isinstance(s, QuantisedMatrix)]
        return Checkpoint(
            folder=folder,
            family=self.name,
            layout="v0" if vocabulary.is_v0 else "v1",
            vocabulary=vocabulary,
            config=config,
            sources=sources,
            shapes=shapes,
            embedding=EMBEDDING,
            bits=min(bits, default=None),
        )

    # -- loading --

    def network_class(self, checkpoint: Checkpoint) -> Any:
        import medchat.models.families.chatglm.weights  # noqa: F401 - teaches read_into its sources
        from medchat.models.families.chatglm import ChatGLMForConditionalGeneration

        return ChatGLMForConditionalGeneration

    def network_config(self, checkpoint: Checkpoint) -> Any:
        from medchat.models.families.chatglm import ChatGLMConfig

        return ChatGLMConfig(**checkpoint.config)

    def open_tokenizer(self, checkpoint: Checkpoint) -> "PreTrainedTokenizerBase":
        from medchat.models.families.chatglm import ChatGLMTokenizer

        file = checkpoint.folder / "ice_text.model"
        images = cast(ChatGLMVocabulary, checkpoint.vocabulary).images
        try:
            return ChatGLMTokenizer(str(file), num_image_tokens=images)
        except Exception as error:  # whatever a damaged file makes its reader raise
            raise unreadable(file) from error

    def check_quantisable(self, checkpoint: Checkpoint) -> None:
        super().check_quantisable(checkpoint)
        if PREFIX_WEIGHT in checkpoint.sources:
            raise CheckpointError("quantised_prefix", folder=checkpoint.folder)

    # -- prefixes --

    def prefix_file(self, folder: Path) -> Path | None:
        return prefix_file(folder)

    def open_prefix(self, file: Path, checkpoint: Checkpoint) -> Source:
        return open_prefix(file, checkpoint.config)

    def build_prefix(self, source: Source, model: "PreTrainedModel") -> "nn.Module":
        from medchat.models.families.chatglm.modeling import PrefixEncoder
        from medchat.models.weights.reading import read

        weight = read(source, model.dtype).to(model.device)
        return PrefixEncoder(cast(Any, model.config), weight)

    def current_prefix(self, model: "PreTrainedModel") -> "nn.Module | None":
        return cast("nn.Module | None", cast(Any, model.base_model).prefix_encoder)

    def put_prefix(self, model: "PreTrainedModel", prefix: "nn.Module | None") -> None:
        cast(Any, model.base_model).prefix_encoder = prefix

    # -- answering --

    def positions(self, model: Any, input_ids: "Tensor") -> "Tensor | None":
        return cast("Tensor", model.sequence_positions(input_ids))

    def tidy(self, reply: str) -> str:
        return tidy_chatglm_reply(reply)

    def settled(self, answer: str) -> str:
        # The next character decides on a punctuation mark; two brackets begin the training date.
        if "[[" in answer[-12:]:
            answer = answer[: answer.rindex("[[")]
        return _UNSETTLED.sub("", answer)


def chatglm_shapes(config: Mapping[str, Any]) -> Shapes:
    """The weights of a ChatGLM-6B by name, as the published files have them."""
    width = size(config, "hidden_size")
    layers = size(config, "num_layers")
    divided(width, 4 * size(config, "num_attention_heads"))
    inner = size(config, "inner_hidden_size", 4 * width)
    vocabulary = size(config, "vocab_size")
    shapes: Shapes = {EMBEDDING: (vocabulary, width)}
    for layer in range(layers):
        shapes |= transformer_block(f"transformer.layers.{layer}.", "attention", width, inner)
    shapes |= norm("transformer.final_layernorm", width)
    shapes["lm_head.weight"] = (vocabulary, width)
    if config.get("pre_seq_len"):
        shapes[PREFIX_WEIGHT] = (size(config, "pre_seq_len"), layers * 2 * width)
    return shapes


def _vocabulary(folder: Path, rows: int, sop: int | None) -> ChatGLMVocabulary:
    """The vocabulary behind as many image tokens as the model has rows for.

    ``sop`` is the id of ``<sop>`` in config.json. Where that agrees with the tokenizer, any number
    of spare rows is believed; else no more than padding would explain.
    """
    usual = read_vocabulary(folder, "ice_text.model", _read_vocabulary)
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
        "layouts_mixed", folder=folder, layout=layout, needed=usual.size, rows=rows
    )


def _read_vocabulary(file: Path) -> ChatGLMVocabulary:
    model, is_v0 = read_pieces(file)
    ids = {piece.piece: number for number, piece in enumerate(model.pieces)}
    at_front = ChatGLMVocabulary(
        size=len(model.pieces),
        bos=ids["<sop>"],
        eos=ids["<eop>"],
        pad=ids["<pad>"],
        mask=ids["[MASK]"],
        gmask=ids["[gMASK]"],
        is_v0=is_v0,
    )
    return at_front.behind(IMAGE_TOKENS_V0) if is_v0 else at_front


def _prefix(
    folder: Path, config: Mapping[str, Any], sources: dict[str, Source], promised: int | None
) -> Source | None:
    """The p-tuning prefix beside a base or among its weights, from which it is removed."""
    beside = prefix_file(folder, BESIDE) or _stray_prefix(folder, sources)
    among = take_prefix(sources, config)
    if promised and beside is None and among is None:
        raise CheckpointError("prefix_missing", file=folder / "config.json", length=promised)
    return open_prefix(beside, config) if beside else among


def _stray_prefix(folder: Path, sources: Mapping[str, Source]) -> Path | None:
    """A prefix under the name of a whole model, beside the shards that hold the base."""
    used = {source.file for source in sources.values()}
    names = (name for name in PREFIX_FILES if folder / name not in used)
    return prefix_file(folder, tuple(names))


FAMILY = ChatGLMFamily()
