"""ChatGLM-6B on today's transformers: the network, its prefix mask and its 2D positions.

State-dict names are those of the published files. Knows token ids only through its configuration
and nothing of text. Architecture: Du et al. 2022 (GLM) and the published ChatGLM-6B files.
"""

import math
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from medchat.models.families.chatglm.configuration import ChatGLMConfig

IGNORED_LABEL = -100

RESIDUAL_SCALE = math.sqrt(2 * 28)
"""α of every residual. The originals never passed the number of layers down to their blocks, so
it is that of 28 layers whatever the model's depth; the models were trained so."""

# -- positions and masks --


def first_index(input_ids: Tensor, token_id: int) -> Tensor:
    """Index of the first ``token_id`` in each row of ``[batch, length]``; the length if absent."""
    matches = input_ids == token_id
    return torch.where(matches.any(-1), matches.int().argmax(-1), input_ids.shape[-1])


def prompt_positions(
    input_ids: Tensor, attention_mask: Tensor | None, config: ChatGLMConfig
) -> Tensor:
    """The two position ids of every token: ``[batch, 2, length]``.

    Row 0 runs 0…n-1 over the prompt (left padding not counted) and stays at the mask token's
    position from ``<sop>`` on; row 1, the block position, is 0 in the prompt and 1, 2, 3, … from
    ``<sop>`` on. In the v0 layout a ``<sop>`` after ``[gMASK]`` keeps its own running position.
    """
    length = input_ids.shape[-1]
    index = torch.arange(length, device=input_ids.device).expand_as(input_ids)
    padding = (
        torch.zeros_like(input_ids[:, :1])
        if attention_mask is None
        else (attention_mask.long().cumsum(-1) == 0).sum(-1, keepdim=True)
    )
    running = (index - padding).clamp(min=0)
    sop = first_index(input_ids, cast(int, config.bos_token_id))[:, None]
    gmask = first_index(input_ids, config.gmask_token_id)[:, None]
    mask = first_index(input_ids, config.mask_token_id)[:, None]
    has_gmask = gmask < length
    mask_position = torch.where(has_gmask, gmask, mask) - padding
    if config.sop_keeps_its_position:
        at_mask = torch.where(has_gmask, index > sop, index >= sop)
    else:
        at_mask = index >= sop
    position = torch.where(at_mask, mask_position, running)
    block_position = (index - sop + 1).clamp(min=0)
    return torch.stack([position, block_position], dim=1)


def prefix_mask(
    input_ids: Tensor, attention_mask: Tensor | None, past_length: int, config: ChatGLMConfig
) -> Tensor | None:
    """Which keys each query may see: bool ``[batch, 1, length, past + length]``, or None for all.

    Keys before ``<sop>`` are visible to every query of the prompt, later ones only backwards.
    The whole prompt must be in the first call: with a cache, only the causal part is left to mask.
    """
    batch, length = input_ids.shape
    if length == 1 and (attention_mask is None or bool(attention_mask.all())):
        return None
    keys = torch.arange(past_length + length, device=input_ids.device)
    queries = torch.arange(past_length, past_length + length, device=input_ids.device)
    visible = (keys[None, :] <= queries[:, None]).expand(batch, length, past_length + length)
    if past_length == 0:
        sop = first_index(input_ids, cast(int, config.bos_token_id))
        in_prompt = (keys[None, :] < sop[:, None]) & (sop < length)[:, None]
        visible = visible | in_prompt[:, None, :]
    if attention_mask is not None:
        # A padding query still sees itself: a row of nothing would be NaN.
        itself = keys[None, :] == queries[:, None]
        visible = (visible & attention_mask[:, None, :].bool()) | itself
    return visible[:, None]


def rotary_frequencies(dim: int, device: torch.device) -> Tensor:
    """Angular frequencies ``[dim / 2]``, rounded to float16 as those the model was trained with."""
    exponent = torch.arange(0, dim, 2, dtype=torch.float32, device=device) / dim
    return (1.0 / 10000**exponent).half().float()


def rotary_tables(position_ids: Tensor, head_dim: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosine and sine for both halves of a head: each ``[batch, 1, length, head_dim]``.

    In float16 the angles themselves are rounded, as the originals did, who computed and trained in
    it: at position 400 by up to 0.125, a fiftieth of a turn.
    """
    frequencies = rotary_frequencies(head_dim // 2, position_ids.device)
    angles = position_ids[..., None].float() * frequencies  # [batch, 2, length, head_dim / 4]
    if dtype == torch.float16:
        angles = angles.half().float()
    both_sides = torch.cat([angles, angles], dim=-1)
    table = torch.cat([both_sides[:, 0], both_sides[:, 1]], dim=-1)[:, None]
    return table.cos().to(dtype), table.sin().to(dtype)


def rotate(states: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn queries or keys ``[batch, heads, length, head_dim]``, each half of a head by itself."""
    first, second, third, fourth = states.chunk(4, dim=-1)
    turned = torch.cat([-second, first, -fourth, third], dim=-1)
    return states * cosine + turned * sine


# -- the network --

KeysAndValues = tuple[Tensor, Tensor]
"""Of one layer: each ``[heads, length, head_dim]``."""


class PrefixEncoder(nn.Module):
    """A p-tuning v2 prefix: keys and values that stand in front of every layer's own.

    Every token sees them. They have no position, so they are neither rotated nor counted, and stay
    out of the cache.
    """

    def __init__(self, config: ChatGLMConfig, weight: Tensor | None = None) -> None:
        """``weight`` is ``[pre_seq_len, layers * 2 * hidden]``; without it, one to be filled."""
        super().__init__()
        self.heads = config.num_attention_heads
        self.layers = config.num_layers
        width = config.num_layers * 2 * config.hidden_size
        length = cast(int, config.pre_seq_len) if weight is None else len(weight)
        self.embedding = nn.Embedding(length, width, _weight=weight)

    def forward(self) -> list[KeysAndValues]:
        rows = self.embedding.weight
        parts = rows.view(rows.shape[0], self.layers * 2, self.heads, -1).permute(1, 2, 0, 3)
        return [(parts[2 * layer], parts[2 * layer + 1]) for layer in range(self.layers)]


class SelfAttention(nn.Module):
    def __init__(self, config: ChatGLMConfig, layer_index: int) -> None:
        super().__init__()
        self.layer_index = layer_index
        self.heads = config.num_attention_heads
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.query_key_value = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.dense = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self,
        hidden: Tensor,
        mask: Tensor | None,
        rotary: tuple[Tensor, Tensor],
        cache: Cache | None,
        prefix: KeysAndValues | None = None,
    ) -> Tensor:
        batch, length, width = hidden.shape
        mixed = self.query_key_value(hidden).view(batch, length, self.heads, 3 * self.head_dim)
        query, key, value = mixed.transpose(1, 2).chunk(3, dim=-1)
        query, key = rotate(query, *rotary), rotate(key, *rotary)
        if cache is not None:
            key, value = cache.update(key, value, self.layer_index)
        if prefix is not None:
            key, value = (
                torch.cat([front.expand(batch, -1, -1, -1), own], dim=2)
                for front, own in zip(prefix, (key, value), strict=True)
            )
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return cast(Tensor, self.dense(attended.transpose(1, 2).reshape(batch, length, width)))


class MLP(nn.Module):
    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(config.hidden_size, config.inner_hidden_size)
        self.dense_4h_to_h = nn.Linear(config.inner_hidden_size, config.hidden_size)

    def forward(self, hidden: Tensor) -> Tensor:
        inner = F.gelu(self.dense_h_to_4h(hidden), approximate="tanh")
        return cast(Tensor, self.dense_4h_to_h(inner))


class GLMBlock(GradientCheckpointingLayer):  # type: ignore[misc, unused-ignore]
    """One layer. Residuals are taken from the LayerNorm's output and scaled by α."""

    def __init__(self, config: ChatGLMConfig, layer_index: int) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.attention = SelfAttention(config, layer_index)
        self.post_attention_layernorm = nn.LayerNorm(
            config.hidden_size, eps=config.layernorm_epsilon
        )
        self.mlp = MLP(config)

    def forward(
        self,
        hidden: Tensor,
        mask: Tensor | None,
        rotary: tuple[Tensor, Tensor],
        cache: Cache | None,
        prefix: KeysAndValues | None = None,
    ) -> Tensor:
        normed = self.input_layernorm(hidden)
        hidden = normed * RESIDUAL_SCALE + self.attention(normed, mask, rotary, cache, prefix)
        normed = self.post_attention_layernorm(hidden)
        return cast(Tensor, normed * RESIDUAL_SCALE + self.mlp(normed))


class ChatGLMPreTrainedModel(PreTrainedModel):
    config: ChatGLMConfig
    config_class = ChatGLMConfig
    base_model_prefix = "transformer"
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _no_split_modules = ["GLMBlock"]  # noqa: RUF012
    _keys_to_ignore_on_load_unexpected = [r"\.rotary_emb\.inv_freq$"]  # noqa: RUF012

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.initializer_range)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


class ChatGLMModel(ChatGLMPreTrainedModel):
    """The layers without the language-model head."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__(config)
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(GLMBlock(config, i) for i in range(config.num_layers))
        self.prefix_encoder = PrefixEncoder(config) if config.pre_seq_len else None
        self.final_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layernorm_epsilon)
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.word_embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.word_embeddings = cast(nn.Embedding, value)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        **_: Any,
    ) -> BaseModelOutputWithPast:
        if use_cache and past_key_values is None:
            past_key_values = DynamicCache()
        past_length = 0 if past_key_values is None else past_key_values.get_seq_length()
        if position_ids is None:
            if past_length:
                raise ValueError("position_ids must be given once there is a cache")
            position_ids = prompt_positions(input_ids, attention_mask, self.config)
        mask = prefix_mask(input_ids, attention_mask, past_length, self.config)
        hidden = self.word_embeddings(input_ids)
        rotary = rotary_tables(position_ids, self.head_dim, hidden.dtype)
        prefixes: list[KeysAndValues | None] = [None] * len(self.layers)
        if self.prefix_encoder is not None:
            prefixes = self.prefix_encoder()
            if mask is not None:
                mask = F.pad(mask, (self.prefix_encoder.embedding.num_embeddings, 0), value=True)
        for layer, prefix in zip(self.layers, prefixes, strict=True):
            hidden = layer(hidden, mask, rotary, past_key_values, prefix)
        return BaseModelOutputWithPast(
            last_hidden_state=self.final_layernorm(hidden), past_key_values=past_key_values
        )


class ChatGLMForConditionalGeneration(ChatGLMPreTrainedModel, GenerationMixin):
    """ChatGLM-6B with its head; ``generate`` works as for any transformers model."""

    def __init__(self, config: ChatGLMConfig) -> None:
        super().__init__(config)
        self.transformer = ChatGLMModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        return cast(nn.Module, self.lm_head)

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        self.lm_head = cast(nn.Linear, new_embeddings)

    def sequence_positions(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Positions ``[batch, 2, length]`` of whole sequences, prompt and answer so far."""
        return prompt_positions(input_ids, attention_mask, self.config)

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        next_sequence_length: int | None = None,
        past_key_values: Cache | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        is_first_iteration: bool | None = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        positions = self.sequence_positions(input_ids, attention_mask)
        if next_sequence_length is not None:
            input_ids = input_ids[:, -next_sequence_length:]
            positions = positions[..., -next_sequence_length:]
        return {
            "input_ids": input_ids,
            "position_ids": positions,
            "past_key_values": past_key_values,
            "attention_mask": attention_mask,
            "use_cache": kwargs.get("use_cache", True),
        }

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits ``[batch, length, vocabulary]``, or of the last ``logits_to_keep`` positions.

        ``labels`` ``[batch, length]`` are token ids, -100 where no loss is wanted; they are shifted
        here.
        """
        outputs = self.transformer(
            input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
        )
        hidden = outputs.last_hidden_state
        logits = self.lm_head(hidden[:, -logits_to_keep:] if logits_to_keep else hidden)
        loss = None
        if labels is not None:
            loss = F.cross_entropy(
                logits[:, :-1].flatten(0, 1).float(),
                labels[:, 1:].flatten(),
                ignore_index=IGNORED_LABEL,
            )
        return CausalLMOutputWithPast(
            loss=loss, logits=logits, past_key_values=outputs.past_key_values
        )
