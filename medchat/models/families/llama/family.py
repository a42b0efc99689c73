"""LLaMA: one published architecture, whose copies carry wrong ids and useless tokenizer files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sentencepiece import sentencepiece_model_pb2

from medchat.errors import message
from medchat.models.checkpoint import (
    Checkpoint,
    check_fit,
    check_rows,
    shapes_of,
    without_frequencies,
)
from medchat.models.families.causal.prompts import brings_chat_template
from medchat.models.families.definition import Family
from medchat.models.fields import LAYERS, POSITIVE, ROPE, SIZE, SWITCH, Rule
from medchat.models.shapes import Shapes, divided, linears, size
from medchat.models.vocabulary import (
    Vocabulary,
    check_whole,
    declared_tokens,
    read_json_vocabulary,
    read_vocabulary,
    unreadable,
)
from medchat.models.weights.files import open_folder

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerBase

VOCABULARY = 32000
"""Of LLaMA-7B, for a config.json that names none."""
EMBEDDING = "model.embed_tokens.weight"


class LlamaFamily(Family):
    name = "llama"
    title = "LLaMA"
    adapter_template = "med"
    adapter_template_hint = "med, or literature or alpaca if it was tuned in that"
    lora_targets = ("q_proj", "v_proj")
    fields: ClassVar[Mapping[str, Rule]] = {
        "vocab_size": SIZE,
        "hidden_size": SIZE,
        "intermediate_size": SIZE,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": SIZE,
        "num_key_value_heads": SIZE,
        "head_dim": SIZE,
        "hidden_act": (lambda value: value in ("silu", "swish"), message("is_silu")),
        "rms_norm_eps": POSITIVE,
        "max_position_embeddings": SIZE,
        "max_sequence_length": SIZE,
        "rope_theta": POSITIVE,
        "rope_scaling": ROPE,
        "rope_parameters": ROPE,
        "attention_bias": SWITCH,
        "mlp_bias": SWITCH,
        "tie_word_embeddings": SWITCH,
    }

    def recognises(self, folder: Path, config: Mapping[str, Any]) -> bool:
        # Llama 3 declares the same type, and brings a chat template instead of sentencepiece.
        if not self.claims(folder, config):
            return False
        return (folder / "tokenizer.model").exists() or not brings_chat_template(folder)

    def read(self, folder: Path, config: dict[str, Any]) -> Checkpoint:
        sources = without_frequencies(open_folder(folder))
        vocabulary = read_llama_vocabulary(folder)
        # The copies of LLaMA-7B that circulate carry wrong ids; only the tokenizer is to be trusted
        config.update(vocabulary.config_ids)
        if "max_sequence_length" in config:
            config.setdefault("max_position_embeddings", config.pop("max_sequence_length"))
        rows = sources[EMBEDDING].shape[0] if EMBEDDING in sources else None
        check_rows(vocabulary, config.get("vocab_size", VOCABULARY), rows, folder)
        shapes = shapes_of(folder, config, llama_shapes)
        tied = {"lm_head.weight"} if config.get("tie_word_embeddings") else set()
        check_fit(folder, shapes, sources, frozenset(tied))
        return Checkpoint(folder, self.name, "", vocabulary, config, sources, shapes, EMBEDDING)

    def network_class(self, checkpoint: Checkpoint) -> Any:
        from transformers import LlamaForCausalLM

        return LlamaForCausalLM

    def network_config(self, checkpoint: Checkpoint) -> Any:
        from transformers import LlamaConfig

        return LlamaConfig(**checkpoint.config)

    def open_tokenizer(self, checkpoint: Checkpoint) -> "PreTrainedTokenizerBase":
        from medchat.models.families.json_tokenizer import json_tokenizer
        from medchat.models.families.llama.tokenization import LlamaSentencePieceTokenizer

        folder = checkpoint.folder
        pieces, table = folder / "tokenizer.model", folder / "tokenizer.json"
        file = pieces if pieces.is_file() else table
        try:
            if file == pieces:
                return LlamaSentencePieceTokenizer(str(file))
            return json_tokenizer(str(file), declared_tokens(folder))
        except Exception as error:  # whatever a damaged file makes its reader raise
            raise unreadable(file) from error

    def next_position(self, model: Any, input_ids: "Tensor") -> "Tensor | None":
        # Alone the network counts by its cache; in a wider pass that is padded for the others.
        return input_ids.new_tensor([[input_ids.shape[-1] - 1]])


def llama_shapes(config: Mapping[str, Any]) -> Shapes:
    """The weights of a LLaMA by name, as transformers' class has them."""
    vocabulary = size(config, "vocab_size", VOCABULARY)
    width = size(config, "hidden_size", 4096)
    inner = size(config, "intermediate_size", 11008)
    heads = size(config, "num_attention_heads", 32)
    key_heads = size(config, "num_key_value_heads", heads)
    head = size(config, "head_dim", 0) or divided(width, heads)
    attention = {
        "q_proj": (heads * head, width),
        "k_proj": (key_heads * head, width),
        "v_proj": (key_heads * head, width),
        "o_proj": (width, heads * head),
    }
    mlp = {"gate_proj": (inner, width), "up_proj": (inner, width), "down_proj": (width, inner)}
    shapes: Shapes = {EMBEDDING: (vocabulary, width), "model.norm.weight": (width,)}
    for layer in range(size(config, "num_hidden_layers", 32)):
        block = f"model.layers.{layer}."
        shapes |= linears(f"{block}self_attn.", attention, bool(config.get("attention_bias")))
        shapes |= linears(f"{block}mlp.", mlp, bool(config.get("mlp_bias")))
        shapes[f"{block}input_layernorm.weight"] = (width,)
        shapes[f"{block}post_attention_layernorm.weight"] = (width,)
    shapes["lm_head.weight"] = (vocabulary, width)
    return shapes


def read_llama_vocabulary(folder: Path) -> Vocabulary:
    """Of a ``tokenizer.model``, or where a mirror has none, of a ``tokenizer.json``."""
    if (folder / "tokenizer.model").is_file() or not (folder / "tokenizer.json").is_file():
        return read_vocabulary(folder, "tokenizer.model", _read_pieces)
    return read_json_vocabulary(folder)


def _read_pieces(file: Path) -> Vocabulary:
    proto: Any = sentencepiece_model_pb2  # generated at run time, unknown to type checkers
    model = proto.ModelProto()
    model.ParseFromString(file.read_bytes())
    check_whole(model)
    ids = {piece.piece: number for number, piece in enumerate(model.pieces)}
    return Vocabulary(len(model.pieces), ids["<s>"], ids["</s>"], ids["<unk>"])


FAMILY = LlamaFamily()
