"""The configuration of a ChatGLM-6B checkpoint, in either of its two published layouts.

Knows the fields of ``config.json`` and what they default to; knows nothing of tensors.
"""

from typing import Any

from transformers import PretrainedConfig

from medchat.models.families.chatglm.sizes import SIZES


class ChatGLMConfig(PretrainedConfig):
    """Sizes and token ids of a ChatGLM-6B model.

    ``mask_token_id`` and ``gmask_token_id`` are absent from v0 files; there they follow from
    ``bos_token_id`` (``<sop>``), which both layouts place four and three ids behind them.
    ``pre_seq_len`` is the length of a p-tuning v2 prefix. ``num_layers``, ``inner_hidden_size`` and
    ``layernorm_epsilon`` keep their published names. Raises ValueError for what no ChatGLM-6B has.
    """

    model_type = "chatglm"
    keys_to_ignore_at_inference = ["past_key_values"]  # noqa: RUF012 - transformers' own protocol
    attribute_map = {  # noqa: RUF012
        "num_hidden_layers": "num_layers",
        "intermediate_size": "inner_hidden_size",
        "max_position_embeddings": "max_sequence_length",
    }

    def __init__(
        self,
        vocab_size: int = 130528,
        hidden_size: int = SIZES["hidden_size"],
        num_layers: int = SIZES["num_layers"],
        num_attention_heads: int = SIZES["num_attention_heads"],
        inner_hidden_size: int | None = None,
        layernorm_epsilon: float = 1e-5,
        max_sequence_length: int = 2048,
        bos_token_id: int = 130004,
        eos_token_id: int = 130005,
        pad_token_id: int = 3,
        mask_token_id: int | None = None,
        gmask_token_id: int | None = None,
        position_encoding_2d: bool = True,
        pre_seq_len: int | None = None,
        use_cache: bool = True,
        initializer_range: float = 0.02,
        **kwargs: Any,
    ) -> None:
        if not position_encoding_2d:
            raise ValueError("position_encoding_2d must be true; no other positions are known")
        if hidden_size % (4 * num_attention_heads):
            raise ValueError(
                f"hidden_size {hidden_size} cannot be cut into {num_attention_heads} heads of four "
                "equal parts"
            )
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.num_attention_heads = num_attention_heads
        self.inner_hidden_size = inner_hidden_size or 4 * hidden_size
        self.layernorm_epsilon = layernorm_epsilon
        self.max_sequence_length = max_sequence_length
        self.mask_token_id = bos_token_id - 4 if mask_token_id is None else mask_token_id
        self.gmask_token_id = bos_token_id - 3 if gmask_token_id is None else gmask_token_id
        self.sop_keeps_its_position = kwargs.pop("sop_keeps_its_position", gmask_token_id is None)
        self.position_encoding_2d = position_encoding_2d
        self.pre_seq_len = pre_seq_len
        self.use_cache = use_cache
        self.initializer_range = initializer_range
        kwargs.pop("tie_word_embeddings", None)
        kwargs.pop("auto_map", None)  # names code that lies beside a checkpoint; it is never run
        for key in ("quantization_bit", "quantization_embeddings", "prefix_projection"):
            kwargs.pop(key, None)  # of the files, not of the weights that were made from them
        kwargs.update(
            pad_token_id=pad_token_id,
            bos_token_id=bos_token_id,
            eos_token_id=eos_token_id,
            tie_word_embeddings=False,
        )
        super().__init__(**kwargs)
