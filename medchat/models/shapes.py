"""The weights that a model must have, by name and shape, from its config.json alone.

The names are those of transformers' classes (LLaMA, Bloom) and of the published files (ChatGLM-6B);
a test compares them with the networks themselves.
"""

from collections.abc import Mapping
from math import prod
from typing import Any

Shapes = dict[str, tuple[int, ...]]

CHATGLM_SIZES = {"num_layers": 28, "hidden_size": 4096, "num_attention_heads": 32}
"""Of ChatGLM-6B, for what a config.json leaves out."""


def llama_shapes(config: Mapping[str, Any]) -> Shapes:
    vocabulary = _size(config, "vocab_size", 32000)
    width = _size(config, "hidden_size", 4096)
    inner = _size(config, "intermediate_size", 11008)
    heads = _size(config, "num_attention_heads", 32)
    key_heads = _size(config, "num_key_value_heads", heads)
    head = _size(config, "head_dim", 0) or _divided(width, heads)
    attention = {
        "q_proj": (heads * head, width),
        "k_proj": (key_heads * head, width),
        "v_proj": (key_heads * head, width),
        "o_proj": (width, heads * head),
    }
    mlp = {"gate_proj": (inner, width), "up_proj": (inner, width), "down_proj": (width, inner)}
    shapes: Shapes = {
        "model.embed_tokens.weight": (vocabulary, width),
        "model.norm.weight": (width,),
    }
    for layer in range(_size(config, "num_hidden_layers", 32)):
        block = f"model.layers.{layer}."
        shapes |= _linears(f"{block}self_attn.", attention, bool(config.get("attention_bias")))
        shapes |= _linears(f"{block}mlp.", mlp, bool(config.get("mlp_bias")))
        shapes[f"{block}input_layernorm.weight"] = (width,)
        shapes[f"{block}post_attention_layernorm.weight"] = (width,)
    shapes["lm_head.weight"] = (vocabulary, width)
    return shapes


def bloom_shapes(config: Mapping[str, Any]) -> Shapes:
    width = _size(config, "hidden_size", 0) or _size(config, "n_embed", 64)
    layers = _size(config, "n_layer", 0) or _size(config, "num_hidden_layers", 2)
    _divided(width, _size(config, "n_head", 0) or _size(config, "num_attention_heads", 8))
    vocabulary = _size(config, "vocab_size", 250880)
    shapes: Shapes = {"transformer.word_embeddings.weight": (vocabulary, width)}
    shapes |= _norm("transformer.word_embeddings_layernorm", width)
    for layer in range(layers):
        shapes |= _block(f"transformer.h.{layer}.", "self_attention", width, 4 * width)
    shapes |= _norm("transformer.ln_f", width)
    shapes["lm_head.weight"] = (vocabulary, width)
    return shapes


def chatglm_shapes(config: Mapping[str, Any]) -> Shapes:
    width = _size(config, "hidden_size")
    layers = _size(config, "num_layers")
    _divided(width, 4 * _size(config, "num_attention_heads"))
    inner = _size(config, "inner_hidden_size", 4 * width)
    vocabulary = _size(config, "vocab_size")
    shapes: Shapes = {"transformer.word_embeddings.weight": (vocabulary, width)}
    for layer in range(layers):
        shapes |= _block(f"transformer.layers.{layer}.", "attention", width, inner)
    shapes |= _norm("transformer.final_layernorm", width)
    shapes["lm_head.weight"] = (vocabulary, width)
    if config.get("pre_seq_len"):
        prefix = (_size(config, "pre_seq_len"), layers * 2 * width)
        shapes["transformer.prefix_encoder.embedding.weight"] = prefix
    return shapes


def parameters(shapes: Mapping[str, tuple[int, ...]], among: str = "") -> int:
    """How many numbers there are in all, or in the matrices whose names hold ``among``."""
    return sum(
        prod(shape)
        for name, shape in shapes.items()
        if not among or (among in name and len(shape) == 2)
    )


def _block(block: str, attention: str, width: int, inner: int) -> Shapes:
    """A layer of Bloom and of ChatGLM, which differ in one name only."""
    matrices = {
        f"{attention}.query_key_value": (3 * width, width),
        f"{attention}.dense": (width, width),
        "mlp.dense_h_to_4h": (inner, width),
        "mlp.dense_4h_to_h": (width, inner),
    }
    norms = (
        _norm(f"{block}input_layernorm", width),
        _norm(f"{block}post_attention_layernorm", width),
    )
    return _linears(block, matrices, True) | norms[0] | norms[1]


def _linears(block: str, matrices: Mapping[str, tuple[int, int]], biased: bool) -> Shapes:
    shapes: Shapes = {f"{block}{name}.weight": shape for name, shape in matrices.items()}
    if biased:
        shapes |= {f"{block}{name}.bias": shape[:1] for name, shape in matrices.items()}
    return shapes


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _size(config: Mapping[str, Any], name: str, default: int = -1) -> int:
    """A size of config.json, or ``default`` where it names none; raises ValueError for no size."""
    size = config.get(name)
    if size is None and default >= 0:
        return default
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise ValueError(f"{name} must be a whole number above 0, not {size!r}")
    return size


def _divided(width: int, parts: int) -> int:
    """Raises ValueError where a width cannot be cut into so many equal parts."""
    if width % parts:
        raise ValueError(f"hidden_size {width} cannot be cut into {parts} equal parts")
    return width // parts
