"""Several answers of one model that take every step in one forward pass.

What a step costs is mostly reading the weights, which one pass does once for all of them. Their
keys and values stand in one cache, padded on the left; every answer keeps its own sampler, seed and
text. A wider pass is rounded differently, so an answer equals the one made alone up to that.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.cache_utils import DynamicCache

from medchat.engine.local.decoding import Decoding


class Batch:
    """The answers of one base and adapter that share their passes; who is among them may change."""

    def __init__(self) -> None:
        self._members: list[Decoding] = []
        self._cache = DynamicCache()

    @torch.inference_mode()
    def next_logits(self, decodings: list[Decoding]) -> list[Tensor]:
        """For each answer, logits ``[1, vocabulary]`` behind its sequence so far, float32.

        All must be of one model and past their prompts. Who was among them before and is not named
        now is let go.
        """
        if decodings != self._members:
            self._regroup(decodings)
        seen = torch.tensor([[decoding.seen] for decoding in decodings])
        keys = torch.arange(-int(seen.max()), 1)  # 0 is the token that is new
        positions = [decoding.next_position() for decoding in decodings]
        explicit = [position for position in positions if position is not None]
        extra = {"position_ids": torch.cat(explicit)} if explicit else {}
        output = cast(Any, decodings[0].activate())(
            input_ids=torch.cat([decoding.last_token for decoding in decodings]),
            attention_mask=(keys >= -seen).long().to(decodings[0].device),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
            **extra,
        )
        return list(output.logits[:, -1:].float().unbind())

    def _regroup(self, decodings: list[Decoding]) -> None:
        """Make the cache one row per answer, in their order, as wide as the longest needs."""
        own = {id(member): row for row, member in enumerate(self._members)}
        rows = [
            (self._cache, own[id(decoding)]) if id(decoding) in own else (decoding.give_cache(), 0)
            for decoding in decodings
        ]
        width = max(decoding.seen for decoding in decodings)

        def gather(layer: int, part: str) -> Tensor:
            states = [getattr(cache.layers[layer], part)[row] for cache, row in rows]
            padded = [
                F.pad(state[:, -decoding.seen :], (0, 0, width - decoding.seen, 0))
                for state, decoding in zip(states, decodings, strict=True)
            ]
            return torch.stack(padded)

        self._cache = DynamicCache(
            [
                (gather(layer, "keys"), gather(layer, "values"))
                for layer in range(len(rows[0][0].layers))
            ]
        )
        self._members = list(decodings)
