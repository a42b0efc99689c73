"""Bloom: often published as the base model alone, with a ``tokenizer.json``."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from medchat.models.checkpoint import Checkpoint, check_fit, check_rows, shapes_of
from medchat.models.families.definition import Family
from medchat.models.fields import LAYERS, POSITIVE, SIZE, SWITCH, Rule
from medchat.models.shapes import Shapes, divided, norm, size, transformer_block
from medchat.models.vocabulary import (
    declared_ends,
    declared_tokens,
    read_json_vocabulary,
    unreadable,
)
from medchat.models.weights.files import open_folder
from medchat.models.weights.sources import Source

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LENGTH = 2048
"""Tokens that Bloom was trained on; it has no limit of its own, and some folders name none."""
VOCABULARY = 250880
BASE, HEAD = "transformer.", "lm_head."
EMBEDDING = BASE + "word_embeddings.weight"


class BloomFamily(Family):
    name = "bloom"
    title = "Bloom"
    adapter_template = "bloom"
    lora_targets = ("query_key_value",)
    fields: ClassVar[Mapping[str, Rule]] = {
        "vocab_size": SIZE,
        "hidden_size": SIZE,
        "n_embed": SIZE,
        "n_layer": LAYERS,
        "num_hidden_layers": LAYERS,
        "n_head": SIZE,
        "num_attention_heads": SIZE,
        "layer_norm_epsilon": POSITIVE,
        "apply_residual_connection_post_layernorm": SWITCH,
        "tie_word_embeddings": SWITCH,
        "seq_length": SIZE,
    }

    def read(self, folder: Path, config: dict[str, Any]) -> Checkpoint:
        sources = _with_base_name(open_folder(folder))
        vocabulary = read_json_vocabulary(folder)
        vocabulary = replace(vocabulary, more_ends=declared_ends(folder, vocabulary.size))
        config.update(vocabulary.config_ids)
        rows = sources[EMBEDDING].shape[0] if EMBEDDING in sources else None
        check_rows(vocabulary, config.get("vocab_size", VOCABULARY), rows, folder)
        config.setdefault("seq_length", LENGTH)
        shapes = shapes_of(folder, config, bloom_shapes)
        tied = {"lm_head.weight"} if config.get("tie_word_embeddings", True) else set()
        check_fit(folder, shapes, sources, frozenset(tied))
        return Checkpoint(folder, self.name, "", vocabulary, config, sources, shapes, EMBEDDING)

    def network_class(self, checkpoint: Checkpoint) -> Any:
        from transformers import BloomForCausalLM

        return BloomForCausalLM

    def network_config(self, checkpoint: Checkpoint) -> Any:
        from transformers import BloomConfig

        return BloomConfig(**checkpoint.config)

    def open_tokenizer(self, checkpoint: Checkpoint) -> "PreTrainedTokenizerBase":
        from medchat.models.families.json_tokenizer import json_tokenizer

        file = checkpoint.folder / "tokenizer.json"
        try:
            return json_tokenizer(str(file), declared_tokens(checkpoint.folder))
        except Exception as error:  # whatever a damaged file makes its reader raise
            raise unreadable(file) from error

    def context_length(self, config: Any) -> int:
        return int(config.seq_length)


def bloom_shapes(config: Mapping[str, Any]) -> Shapes:
    """The weights of a Bloom by name, as transformers' class has them."""
    width = size(config, "hidden_size", 0) or size(config, "n_embed", 64)
    layers = size(config, "n_layer", 0) or size(config, "num_hidden_layers", 2)
    divided(width, size(config, "n_head", 0) or size(config, "num_attention_heads", 8))
    vocabulary = size(config, "vocab_size", VOCABULARY)
    shapes: Shapes = {EMBEDDING: (vocabulary, width)}
    shapes |= norm("transformer.word_embeddings_layernorm", width)
    for layer in range(layers):
        shapes |= transformer_block(f"transformer.h.{layer}.", "self_attention", width, 4 * width)
    shapes |= norm("transformer.ln_f", width)
    shapes["lm_head.weight"] = (vocabulary, width)
    return shapes


def _with_base_name(sources: dict[str, Source]) -> dict[str, Source]:
    """Names as the whole network has them, where only its base model was saved."""
    if any(name.startswith(BASE) for name in sources):
        return sources
    return {name if name.startswith(HEAD) else BASE + name: s for name, s in sources.items()}


FAMILY = BloomFamily()
